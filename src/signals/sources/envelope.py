"""From loose values to `Event`: what every source checks of the envelope, whatever its wire format.

Each check returns the value it was given or raises Refused with a Problem that points to the field.
"""

import re
from typing import Any, NoReturn

from signals.event import AS_NAMED, ID_PATTERN, MAX_SKEW, TOLD, Event
from signals.instant import LATEST, Instant, iso, parse_instant
from signals.problem import Problem, Refused

MAX_TEXT = 255
"""Characters of an id, a source or a type."""

MAX_EVENT = 256 * 1024
"""Bytes of one event on the wire."""

# C0, DEL, C1, line and paragraph separators, and the marks that turn text round: none belongs in a name (B25, B35).
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}", re.ASCII)


def reject(
    detail: str, pointer: str | None = None, *, reason: str = "invalid", status: int = 422
) -> NoReturn:
    """Raise Refused with a Problem made of this."""
    raise Refused(Problem(status, reason, detail, pointer))


def text(value: Any, name: str, pointer: str) -> str:
    """An id or a source: 1 to 255 characters, not blank, none of them a control character."""
    if not isinstance(value, str):
        reject(_not_text(value, name), pointer)
    if not 0 < len(value) <= MAX_TEXT or value.isspace():
        reject(
            f"{name} must have 1 to {MAX_TEXT} characters, and not only blanks; it has {len(value)}", pointer
        )
    if not (value.isascii() and value.isprintable()) and _CONTROL.search(value):
        reject(f"{name} has a control character in it", pointer)
    return value


def event_type(value: Any, pointer: str = "/type") -> str:
    """A type: words of letters, digits and `. _ : / -`, such as `support.ticket_opened`; any is taken."""
    if not isinstance(value, str):
        reject(_not_text(value, "type"), pointer)
    if _TYPE.fullmatch(value) is None:
        reject(
            f"type {value!r:.60} is not of the form domain.object_verb, like support.ticket_opened", pointer
        )
    return value


def party(value: Any, name: str, pointer: str) -> str | None:
    """An account or contact id of ours, or None. The pattern has no slash, so no path segment `..` (B35)."""
    if value is None:
        return None
    if not isinstance(value, str):
        reject(_not_text(value, f"{name} id"), pointer)
    if ID_PATTERN.fullmatch(value) is None:
        reject(f"{name} id {value!r:.60} may only have letters, digits and . _ : @ | + = ~ # -", pointer)
    return value


def moment(value: Any, pointer: str = "/time") -> Instant:
    """RFC 3339 text, to an instant; numbers are not guessed at (B16-B21)."""
    if not isinstance(value, str):
        reject("time must be RFC 3339 text with a zone, like 2026-03-02T09:00:00Z", pointer)
    try:
        return parse_instant(value)
    except ValueError as error:
        reject(str(error), pointer)


def not_ahead(time: Instant, received_at: Instant, pointer: str = "/time") -> Instant:
    """The time, taken as now when it is up to `MAX_SKEW` ahead; refused as `in_the_future` beyond (B22, B23)."""
    if time <= received_at:
        return time
    if time - received_at > MAX_SKEW:
        shown = iso(time) if time <= LATEST else "a time after the year 9999"
        detail = f"{shown} is in the future: it is {iso(received_at)} here"
        reject(detail, pointer, reason="in_the_future")
    return received_at


def identified(body: dict[str, Any], data: dict[str, Any], name: str) -> str | None:
    """`account` or `contact`: the attribute, else `data.account_id` or `data.contact_id`."""
    value = body.get(name)
    if value is not None or body.get(AS_NAMED) is True:
        return party(value, name, f"/{name}")
    return party(data.get(f"{name}_id"), name, f"/data/{name}_id")


def assemble(body: dict[str, Any], data: dict[str, Any], received_at: Instant) -> Event:
    """The event of these attributes (`id source type time account contact`); the rest of `body` is not read."""
    given = body.get("time")
    meant = None if given is None else moment(given)
    time = received_at if meant is None else not_ahead(meant, received_at)
    told = _told(body, meant)
    return Event(
        id=text(body.get("id"), "id", "/id"),
        source=text(body.get("source"), "source", "/source"),
        type=event_type(body.get("type")),
        time=time,
        account=identified(body, data, "account"),
        contact=identified(body, data, "contact"),
        data=data,
        received_at=received_at,
        timed=meant is not None,
        told=None if told == time else told,
    )


def _told(body: dict[str, Any], meant: Instant | None) -> Instant | None:
    """The time as it was first sent: `time` itself, unless we have put another in its place (`encode`)."""
    first = body.get(TOLD)
    return meant if first is None or meant is None else moment(first, f"/{TOLD}")


def at_most(size: int, limit: int, what: str) -> None:
    """Raise Refused (413 `too_large`) for more bytes than are taken."""
    if size > limit:
        reject(f"{what} of {size} bytes, {limit} are taken", reason="too_large", status=413)


def _not_text(value: Any, name: str) -> str:
    return f"{name} is missing" if value is None else f"{name} must be a string, not {type(value).__name__}"
