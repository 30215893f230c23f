"""What a channel that reaches the outside world promises, and the four ways an attempt can end.

An adapter translates a parcel, posts it and parses the answer into one of these values; it raises nothing for
what a provider or a network may do. To add a provider: one file with a class that has `post`, one test file
that runs its table of answers. `Temporary` and `Permanent` are certain: nobody received anything. Whatever
leaves room for "perhaps" is `InDoubt` and is never sent again by itself (guarantees 0.6, I15).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

from signals.instant import Duration


class Blame(StrEnum):
    """Whom a permanent refusal is about; only `address` may feed the suppression list."""

    ADDRESS = "address"
    """This mailbox does not exist or is closed: a hard bounce."""
    MESSAGE = "message"
    """This message, its sender or our standing: policy, size, spam. The address stays good."""
    CONFIGURATION = "configuration"
    """Every message would fail alike (credentials, TLS): stop the channel and tell the operator."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider has taken responsibility; `remote_id` is its name for the message, "" if it gave none."""

    remote_id: str


@dataclass(frozen=True, slots=True)
class Temporary:
    """Certainly not sent; worth another try. `retry_after` (microseconds) only where the provider named one."""

    detail: str
    retry_after: Duration | None = None


@dataclass(frozen=True, slots=True)
class Permanent:
    """Certainly not sent, and never will be. `code` is the provider's number (550), if it gave one."""

    detail: str
    code: int | None = None
    blame: Blame = Blame.MESSAGE


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Handed over, and no answer we can trust: it may or may not have been sent."""

    detail: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The provider is waiting for the content; nothing has been handed over yet."""


Outcome: TypeAlias = Sent | Temporary | Permanent | InDoubt
"""How an attempt ended."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One e-mail on its way: the envelope and the finished bytes.

    `sender` is the return path (RFC 5321 MAIL FROM), `recipient` the stored normal form; `message_id` is the
    header's value with its brackets; `content` ends in CRLF and is not dot-stuffed.
    """

    sender: str
    recipient: str
    message_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """One webhook on its way: to which endpoint, under which name (the same at every attempt), and the JSON."""

    endpoint: str
    id: str
    content: bytes


ParcelT_contra = TypeVar("ParcelT_contra", contravariant=True)


@runtime_checkable
class Channel(Protocol[ParcelT_contra]):
    """A provider asked once per message (webhook, HTTP API, a whole e-mail)."""

    def post(self, parcel: ParcelT_contra, /) -> Outcome:
        """Hand one parcel over, within the adapter's own time limits. Never raises for what the other side does."""
        ...

    def close(self) -> None:
        """Let go of connections. Safe to call twice."""
        ...


@runtime_checkable
class MailChannel(Channel[Mail], Protocol):
    """E-mail in two steps, so that a caller may commit `handed` while the server waits for the content.

    `offer` then exactly one of `deliver` and `abandon`; `post` is both in one for callers that committed
    `handed` before the conversation (a group of up to 20, guarantees "Send protocol" 4). Not thread-safe:
    one per thread.
    """

    def offer(self, mail: Mail, /) -> Ready | Temporary | Permanent:
        """Everything up to the server's go-ahead (354). Any end but `Ready` is certain: nothing was handed over."""
        ...

    def deliver(self) -> Outcome:
        """Send the content of the mail that is `Ready` and wait for the verdict."""
        ...

    def abandon(self) -> None:
        """Take the offer back: nothing will have been sent."""
        ...
