"""Instants and durations: whole microseconds, UTC.

Inside the service an instant is an `int`, microseconds since 1970-01-01T00:00Z, and a duration is an
`int` of microseconds. Comparing, adding and bucketing are then exact and cheap, and none of the traps of
aware datetimes (wall-clock arithmetic, `fold`) can be met (guarantees "Time traps"). Text and datetimes
exist at the edges only, and this module is the edge. It is the one module `channels` shares with `signals`.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

Instant: TypeAlias = int
"""Microseconds since 1970-01-01T00:00Z."""

Duration: TypeAlias = int
"""Microseconds."""

SECOND: Duration = 1_000_000
MINUTE: Duration = 60 * SECOND
HOUR: Duration = 60 * MINUTE
DAY: Duration = 24 * HOUR
WEEK: Duration = 7 * DAY

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST: Instant = -62_135_596_800 * SECOND  # 0001-01-01T00:00Z, the first instant a datetime can name
LATEST: Instant = 253_402_300_799 * SECOND  # 9999-12-31T23:59:59Z, the last one

LONGEST: Duration = 36_525 * DAY
"""A hundred years: a longer span is a slip, and what it is added to could not be kept."""

_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}
_DURATION = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
# RFC 3339 §5.6; a date alone is 00:00Z (semantics, first lines). Seconds 60 are caught with a message of their own.
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2}))?", re.ASCII
)


def parse_duration(text: str) -> Duration:
    """`90s 15m 4h 14d 2w`, to microseconds. Raises ValueError with a sentence for the person who wrote it."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(
            f"{text!r} is not a duration: write a whole number and a unit, like 90s 15m 4h 14d 2w"
        )
    duration = int(match[1]) * _UNITS[match[2]]
    if duration > LONGEST:
        raise ValueError(f"{text!r} is longer than a hundred years")
    return duration


def format_duration(duration: Duration) -> str:
    """The shortest exact spelling: 1209600000000 → `2w`, 5400000000 → `90m`."""
    if duration == 0:
        return "0s"
    for unit, size in reversed(_UNITS.items()):
        if duration % size == 0:
            return f"{duration // size}{unit}"
    return f"{duration / SECOND:g}s"


def parse_instant(text: str) -> Instant:
    """An RFC 3339 timestamp with offset, or a date (00:00Z). Raises ValueError saying what to write instead."""
    match = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r:.60} is not an RFC 3339 instant with a zone, like 2026-03-02T09:00:00Z")
    date, clock, fraction, zone = match.groups()
    if clock is None:
        clock, zone = "00:00:00", "Z"
    if clock.endswith(":60"):
        raise ValueError(f"{text!r:.60} names a leap second: send the second before or after it")
    micros = (fraction or "")[:6].ljust(6, "0")
    offset = "+00:00" if zone in "Zz" else zone
    try:
        return from_datetime(datetime.fromisoformat(f"{date}T{clock}.{micros}{offset}"))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r:.60} is not an instant: {error}") from error


def from_datetime(moment: datetime) -> Instant:
    """An aware datetime, to microseconds. Raises ValueError for a naive one or one outside years 1-9999."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without zone names no instant")
    delta = moment - EPOCH
    instant = (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds
    if not EARLIEST <= instant <= LATEST:
        raise ValueError("outside the years 1 to 9999 once in UTC")
    return instant


def to_datetime(instant: Instant) -> datetime:
    """The aware UTC datetime; an instant beyond the years 1 to 9999 (a last date and a span) is told as their end."""
    try:
        return EPOCH + timedelta(microseconds=instant)
    except OverflowError:
        return to_datetime(LATEST if instant > 0 else EARLIEST)


def iso(instant: Instant) -> str:
    """RFC 3339 in UTC, with a fraction only where there is one: `2026-03-02T09:00:00Z`."""
    return to_datetime(instant).isoformat().replace("+00:00", "Z")


def iso_or_none(instant: Instant | None) -> str | None:
    """`iso`, for a value that may be missing."""
    return None if instant is None else iso(instant)


def _read_duration(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


def _read_instant(value: Any) -> Any:
    if isinstance(value, datetime):  # YAML reads bare timestamps itself
        return from_datetime(value if value.tzinfo else value.replace(tzinfo=UTC))
    if hasattr(value, "isoformat"):  # a YAML date
        return parse_instant(value.isoformat())
    if not isinstance(value, str):
        raise ValueError("must be RFC 3339 text")
    return parse_instant(value)


_DURATION_TEXT = WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,9}[smhdw]$", "examples": ["14d"]})
_INSTANT_TEXT = WithJsonSchema({"type": "string", "format": "date-time"})

DurationField = Annotated[
    int, BeforeValidator(_read_duration), PlainSerializer(format_duration), _DURATION_TEXT
]
"""A Pydantic field read from `14d`, kept as microseconds, written as `2w`."""

InstantField = Annotated[int, BeforeValidator(_read_instant), PlainSerializer(iso), _INSTANT_TEXT]
"""A Pydantic field read from RFC 3339 text, kept as microseconds, written as RFC 3339."""
