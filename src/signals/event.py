"""The one envelope inside: something that happened upstream (semantics §1)."""

import re
from hashlib import blake2b
from typing import Any

import msgspec
import orjson

from signals.instant import MINUTE, Instant, iso
from signals.joins import Said

MAX_SKEW = 5 * MINUTE
"""An event this far in the future is taken as now; further is refused (semantics §2)."""

ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@|+=~#-]{0,254}", re.ASCII)
"""What an account or contact id may look like: printable ASCII that needs no quoting in a path or a page (B35)."""


class Event(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Something that happened upstream. `source` and `id` together are unique; the rest is its content.

    `account` is None until identity has been resolved; `timed` says whether the sender gave `time`
    (otherwise it is `received_at`, and no part of the content); `told` is the time as sent where ours is another (it lay
    slightly in the future and was taken as now, or the sender's clock is known to be wrong), so that a retry is still
    the same content; `seq` is its place in our log. `said` are the ids it came with, where they have become others.
    """

    id: str
    source: str
    type: str
    time: Instant
    account: str | None = None
    contact: str | None = None
    data: dict[str, Any] = {}
    received_at: Instant = 0
    timed: bool = True
    seq: int = 0
    told: Instant | None = None
    said: Said | None = None

    @property
    def key(self) -> bytes:
        """16 bytes that stand for (source, id), the dedupe key. NUL cannot be part of either."""
        return blake2b(f"{self.source}\0{self.id}".encode(), digest_size=16).digest()

    @property
    def sent_time(self) -> Instant | None:
        """The time the sender gave; None where it gave none."""
        return None if not self.timed else self.time if self.told is None else self.told

    @property
    def content_hash(self) -> bytes:
        """16 bytes over the canonical fields, without transport times: tells a retry from a reused id (I3)."""
        canonical = [self.type, self.sent_time, self.account, self.contact, self.data]
        return blake2b(orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


TOLD = "toldtime"
"""The extension attribute that carries `Event.told`."""

AS_NAMED = "asnamed"
"""The extension attribute that says: `account` and `contact` alone tell who it is, `data` is not to be asked."""


def encode(event: Event) -> bytes:
    """The event as a structured CloudEvent, as it lies in the embedded log and on `journeys.events`."""
    body: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "data": event.data,
    }
    if event.sent_time is not None:
        body["time"] = iso(event.time)
    if event.told is not None:
        body[TOLD] = iso(event.told)
    if event.account is not None:
        body["account"] = event.account
    if event.contact is not None:
        body["contact"] = event.contact
    if "account_id" in event.data or "contact_id" in event.data:
        body[AS_NAMED] = True
    return orjson.dumps(body)


class Named(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An event with its `key` and `content_hash`, worked out once: as it lies in the embedded log."""

    event: Event
    key: bytes
    content: bytes


def named(event: Event) -> Named:
    """The event with what tells it from others."""
    return Named(event, event.key, event.content_hash)


pack = msgspec.msgpack.Encoder().encode
"""A named event as compact bytes, for this service's own eyes."""

unpack = msgspec.msgpack.Decoder(Named).decode
"""The inverse of `pack`. Raises msgspec.DecodeError."""
