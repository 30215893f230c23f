"""Segment's calls to events: `track identify group page screen alias`, alone or in a `batch`.

Spec: Segment "HTTP Tracking API" and "Common fields"; RudderStack speaks the same. `messageId` is the event's id,
`userId` the contact, `groupId` or `context.groupId` the account (an `identify` may name it by `traits.company.id`).
An `anonymousId` goes along as `data.anonymous_id` where nobody is named or somebody becomes known: what it did is
kept unassigned until then (semantics §2). Unknown fields are ignored, and so is what cannot be read but need not be
there (a timestamp, a context); without a user, a name or a group that the call needs, it is refused.

    track      by the name of the event (`signals.sources.segment_names`), `data` are the properties
    identify   crm.contact_updated, `data.attributes` are the traits
    group      crm.account_updated, `data.attributes` are the traits; a user it names belongs to the account
    page       product.page_viewed            screen     product.screen_viewed
    alias      crm.contact_merged, `data.from` is the previous id
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, TypeAlias

import msgspec
import orjson

from signals.event import Event
from signals.instant import EARLIEST, LATEST, Instant, parse_instant
from signals.problem import Problem, Refused
from signals.sources.envelope import at_most, not_ahead, reject, text
from signals.sources.mapped import Mapper
from signals.sources.segment_calls import READERS, Message, object_in, who_of

SOURCE = "segment"
"""The source of every event from a Segment library, whichever way it came: a message is known by its `messageId`."""

MAPPING = "segment"
"""Key of the `mapping` definition that goes before the shipped names."""

MAX_BYTES = 500 * 1024
"""Bytes of one request, inflated."""

MAX_MESSAGE = 32 * 1024
"""Bytes of one call over HTTP."""

MAX_BATCH = 2_500
"""Calls of one batch."""

ANONYMOUS = "anonymous_id"
"""The member of `data` that names a visitor."""

KINDS = tuple(READERS)
"""Every kind of call."""

_MAKES_KNOWN = ("identify", "group")
_IDS = ("userId", "anonymousId", "messageId")

Unnamed: TypeAlias = Callable[[Message], str]
"""Gives an id to a call without `messageId`."""


def digest_id(message: Message) -> str:
    """An id that the same call has again: for files and topics, which are read again."""
    return blake2b(orjson.dumps(message, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


class Translator(NamedTuple):
    """How calls are read: by which mapping before the shipped names, and how those without `messageId` are named.

    `came` is when the calls came to us, where they have been lying in a topic since.
    """

    mapper: Mapper | None = None
    unnamed: Unnamed = digest_id
    came: Instant | None = None

    def read(self, body: Any, received_at: Instant) -> list[Event | Problem]:
        """The events of a call or of a batch of them, an item for each call. Never raises."""
        if isinstance(body, Mapping) and isinstance(body.get("batch"), list):
            return [item for _, item in self.batch(body["batch"], body, received_at)]
        return self.call(body, received_at)

    def batch(
        self, calls: Sequence[Any], around: Message, received_at: Instant
    ) -> list[tuple[int, Event | Problem]]:
        """The events of a batch, each with the place of its call; what is `around` them (`sentAt`, `context`) holds
        for every call that does not say otherwise. A call that is a Problem already stays one. Never raises.
        """
        return [
            (place, item)
            for place, call in enumerate(calls)
            for item in (
                [call] if isinstance(call, Problem) else self.call(_within(call, around), received_at)
            )
        ]

    def call(self, message: Any, received_at: Instant, kind: str | None = None) -> list[Event | Problem]:
        """The event of one call; `kind` is what it is where the message need not say it. Never raises.

        Only by a mapping can there be several, or none.
        """
        try:
            if not isinstance(message, Mapping):
                reject("a call is a JSON object", "")
            named = kind or message.get("type") or message.get("action")
            event = self._event(message, named, received_at)
        except Refused as refused:
            return [refused.problem]
        return [event] if self.mapper is None else self._mapped(self.mapper, event, message)

    def _event(self, message: Message, kind: Any, received_at: Instant) -> Event:
        if not isinstance(kind, str) or kind not in READERS:
            reject(f"type {kind!r:.40} is none of {', '.join(READERS)}", "/type")
        who = who_of(message)
        event_type, account, data = READERS[kind](message, who)
        if who.anonymous is not None and (who.user is None or kind in _MAKES_KNOWN):
            data[ANONYMOUS] = who.anonymous
        time, told = _time(message, received_at, self.came)
        return Event(
            id=self._id(message),
            source=SOURCE,
            type=event_type,
            time=time,
            account=account,
            contact=who.user,
            data=data,
            received_at=received_at,
            timed=told is not None,
            told=None if told == time else told,
        )

    def _id(self, message: Message) -> str:
        given = message.get("messageId")
        return text(self.unnamed(message) if given in (None, "") else given, "messageId", "/messageId")

    def _mapped(self, mapper: Mapper, event: Event, message: Message) -> list[Event | Problem]:
        """What the rules for this call make of it: id, type and data; who and when stay as they are."""
        found = mapper.events({**message, "messageId": event.id}, 0, SOURCE, {}, event.received_at)
        if any(isinstance(item, Problem) and item.reason == "unmapped" for item in found):
            return [event]
        kept = {ANONYMOUS: event.data[ANONYMOUS]} if ANONYMOUS in event.data else {}
        return [
            item
            if isinstance(item, Problem)
            else msgspec.structs.replace(event, id=item.id, type=item.type, data={**item.data, **kept})
            for item in found
        ]


AS_SHIPPED = Translator()
"""By the shipped names alone."""


def recognised(body: Any) -> bool:
    """Whether this looks like a call, or a batch of them."""
    return isinstance(body, Mapping) and (
        isinstance(body.get("batch"), list)
        or (body.get("type") in READERS and not body.keys().isdisjoint(_IDS))
    )


def measure(message: Any) -> None:
    """Raise Refused (413 `too_large`) for a call that is too large by itself."""
    at_most(len(orjson.dumps(message)), MAX_MESSAGE, "a call")


def _within(call: Any, around: Message) -> Any:
    if not isinstance(call, Mapping):
        return call
    context = {**object_in(around, "context"), **object_in(call, "context")}
    return {"sentAt": around.get("sentAt"), **call, "context": context}


def _time(message: Message, received_at: Instant, came: Instant | None) -> tuple[Instant, Instant | None]:
    """When it happened by our clock, and by the sender's (None where it does not say).

    `came - (sentAt - timestamp)` takes out what the sender's clock is wrong by (Segment "Common fields"). What
    Segment itself sends on has been corrected: it says when Segment received it.
    """
    told = _instant(message.get("originalTimestamp")) or _instant(message.get("timestamp"))
    corrected = _instant(message.get("timestamp")) if message.get("receivedAt") else None
    sent = _instant(message.get("sentAt"))
    if told is None:
        return received_at, None
    if corrected is None:
        corrected = told if sent is None else (came or received_at) - (sent - told)
    if not EARLIEST <= corrected <= LATEST:
        corrected = told
    return not_ahead(corrected, received_at, "/timestamp"), told


def _instant(value: Any) -> Instant | None:
    """An ISO 8601 time; one without a zone is meant in UTC, one that is none is as good as missing."""
    if not isinstance(value, str):
        return None
    for written in (value, f"{value}Z"):
        try:
            return parse_instant(written)
        except ValueError:
            continue
    return None
