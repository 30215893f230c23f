"""The message: something meant for one contact on one channel, its identity, its statuses and why not."""

import hashlib
import json
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Literal, TypeAlias

import msgspec

from signals.instant import HOUR, MINUTE, Instant, iso, iso_or_none

Channel: TypeAlias = Literal["email", "in_app", "invitation", "webhook"]
NOBODY = ""
"""The contact of a webhook: it is for another system."""


UNCAPPED: frozenset[str] = frozenset({"in_app", "webhook"})
"""Channels whose messages use up no cap room."""


class Status(StrEnum):
    """What became of a message, in the public words of interfaces.md §3."""

    QUEUED = "queued"
    HELD = "held"
    IN_DOUBT = "in_doubt"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    WITHHELD = "withheld"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will be tried: the journey's next message may go."""
        return self not in _UNSETTLED


_UNSETTLED = frozenset({Status.QUEUED, Status.HELD, Status.IN_DOUBT})


class Reason(StrEnum):
    """Why a message was not sent, or not yet (semantics §7). Closed: a new reason is a line here."""

    # cancelled
    JOURNEY_ENDED = "journey_ended"
    # suppressed
    CONTACT_CLOSED = "contact_closed"
    NO_ADDRESS = "no_address"
    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    MANUAL = "manual"
    LEGAL = "legal"
    UNSUBSCRIBED = "unsubscribed"
    NOT_OPTED_IN = "not_opted_in"
    DUPLICATE = "duplicate"
    # held
    CONSENT_UNREADABLE = "consent_unreadable"
    SENDING_STOPPED = "sending_stopped"
    PLAY_PAUSED = "play_paused"
    ACCOUNT_HOLD = "account_hold"
    OUTRANKED = "outranked"
    CONTACT_CAP = "contact_cap"
    ACCOUNT_CAP = "account_cap"
    ROLE_GAP = "role_gap"
    QUIET_HOURS = "quiet_hours"
    RATE = "rate"
    # failed
    MISSING_FACT = "missing_fact"
    BAD_TEMPLATE = "bad_template"
    TEMPLATE_ERROR = "template_error"
    TOO_LARGE = "too_large"
    BAD_LINK = "bad_link"
    BAD_SUBJECT = "bad_subject"
    NO_UNSUBSCRIBE = "no_unsubscribe"
    TEMPORARY = "temporary"  # also of a queued message that waits for its next attempt
    PERMANENT = "permanent"
    BOUNCED = "bounced"
    # withheld
    CONTROL = "control"
    # expired without ever having been held: nothing ran while it could have gone
    LATE = "late"


class MessageClass(StrEnum):
    """What a message is for, which decides what it has to wait for."""

    MARKETING = "marketing"
    SERVICE = "service"
    TRANSACTIONAL = "transactional"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message. Its `id` never changes; every change of status is a new value.

    `address` is the normalised one that will be used, None where the contact has none; `lane` is its place among
    the messages of one step. `due_at` is when it first fell due; `valid_until` (wall clock) overrides the
    policy's `hold_ttl`. `next_attempt_at` is when to look at it again: None waits for an event. `data` is what its
    content sees beside the profile (`offer`), or what a webhook carries (`data`).

    While held, `held_since` is when the present reason began, `held_until` when it is known to end, and
    `quiet_time` how long earlier holds were for quiet hours, which does not count against `hold_ttl`.
    """

    id: str
    journey: str
    play: str
    version: int
    step: str
    visit: int = 1
    lane: int = 0
    account: str
    contact: str
    role: str | None = None
    address: str | None = None
    channel: Channel
    content: str
    content_version: int | None = None
    cls: MessageClass = MessageClass.MARKETING
    topic: str | None = None
    subject: str | None = None
    priority: int = 50
    status: Status = Status.QUEUED
    reason: Reason | None = None
    detail: str | None = None
    due_at: Instant
    valid_until: Instant | None = None
    next_attempt_at: Instant | None = None
    attempts: int = 0
    held_since: Instant | None = None
    held_until: Instant | None = None
    quiet_time: int = 0
    sent_at: Instant | None = None
    arm_control: bool = False
    data: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """The public fields of interfaces.md §3, and the few that explain them."""
        return {
            "id": self.id,
            "journey": self.journey,
            "play": self.play,
            "version": self.version,
            "step": self.step,
            "account": self.account,
            "contact": self.contact or None,
            "role": self.role,
            "channel": self.channel,
            "content": self.content,
            "class": self.cls.value,
            "topic": self.topic,
            "subject": self.subject,
            "priority": self.priority,
            "status": self.status.value,
            "reason": self.reason.value if self.reason is not None else None,
            "detail": self.detail,
            "due_at": iso(self.due_at),
            "valid_until": iso_or_none(self.valid_until),
            "sent_at": iso_or_none(self.sent_at),
        }


def message_id(journey: str, step: str, visit: int, contact: str, fallback: int = 0) -> str:
    """The identity of a message: 32 hex digits, the same however often a process dies (semantics §7).

    `visit` counts a `goto` loop's returns; `fallback` the channels given up before (unseen in-app, then e-mail).
    """
    return identity("message", journey, step, visit, contact, *([fallback] if fallback else []))


def mail_message_id(message: str, domain: str) -> str:
    """The `Message-ID` header of every attempt at this message (RFC 5322 §3.6.4)."""
    return f"<{message}@{domain}>"


def identity(*parts: str | int) -> str:
    """A stable hash of several parts, 32 hex digits; JSON keeps ("a", "bc") and ("ab", "c") apart."""
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def charges_caps(message: Message) -> bool:
    """Whether sending this uses up cap room: neither in-app nor transactional messages do, nor webhooks."""
    return message.channel not in UNCAPPED and message.cls is not MessageClass.TRANSACTIONAL


_RETRIES = (MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 8 * HOUR)


def retry_at(attempts: int, now: Instant) -> Instant | None:
    """When to try again after the given number of attempts failed temporarily; None once all are used up."""
    return now + _RETRIES[attempts - 1] if 1 <= attempts <= len(_RETRIES) else None


def rank(messages: Iterable[Message]) -> list[Message]:
    """In the order in which they are judged and released: priority, then age, then a fixed order.

    The lanes of one step stay together and in their order.
    """
    return sorted(messages, key=_standing)


def group(messages: Iterable[Message]) -> list[list[Message]]:
    """Messages that are due now, one ranked list for each contact, the best-ranked contact first."""
    groups: dict[str, list[Message]] = {}
    for message in rank(messages):
        groups.setdefault(message.contact, []).append(message)
    return list(groups.values())


def _standing(message: Message) -> tuple[int, Instant, str, str, str, int, int, str]:
    return (
        -message.priority,
        message.due_at,
        message.play,
        message.journey,
        message.step,
        message.visit,
        message.lane,
        message.id,
    )
