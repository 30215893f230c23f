"""Instants and the local wall clock, in both directions, with one rule for its two faults.

A wall clock skips (spring forward, a whole day in Apia) and repeats (fall back). The rule of semantics §7, "a
local time that does not exist means the instant after the gap, one that comes twice the first", is one
definition: a wall time *w* names the first instant at which the clock shows *w* or later. Its inverse is the
furthest reading the clock has shown so far. Between the two, wall times behave like a plain number line, so
quiet hours, calendar days and business hours are computed there and never meet `fold` again.
"""

from datetime import date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from signals.instant import SECOND, Instant, from_datetime, to_datetime

UTC_ZONE = ZoneInfo("UTC")

_NOT_PLACES = frozenset({"localtime", "posixrules", "Factory"})  # files beside the zones, not IANA ids
_NOT_PLACES_UNDER = ("right/", "posix/")  # leap-second and POSIX copies: they load, and tell another time


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """The allow-list of IANA zone ids, read once (guarantees B86)."""
    return frozenset(
        name
        for name in available_timezones()
        if name not in _NOT_PLACES and not name.startswith(_NOT_PLACES_UNDER)
    )


def zone(name: object) -> ZoneInfo | None:
    """The zone with this IANA id, or None for anything else: paths, other types, `right/UTC`, other spellings."""
    return ZoneInfo(name) if isinstance(name, str) and name in zone_names() else None


def first_zone(*names: object) -> ZoneInfo:
    """The first valid of several zone ids, an invalid one being skipped; UTC where none is valid."""
    return next((found for name in names if (found := zone(name)) is not None), UTC_ZONE)


def wall_clock(instant: Instant, place: ZoneInfo) -> datetime:
    """The furthest naive reading the local clock has shown up to `instant`: it never goes back.

    Outside a repeated hour this is simply the local time. While an hour is repeated it stands still at the last
    microsecond shown before the clock was put back.
    """
    local = to_datetime(instant).astimezone(place)
    if not local.fold:
        return local.replace(tzinfo=None)
    changed = _change_between(from_datetime(local.replace(fold=0)), instant, place)
    return to_datetime(changed - 1).astimezone(place).replace(tzinfo=None, fold=0)


def instant_of(wall: datetime, place: ZoneInfo) -> Instant:
    """The first instant at which the local clock shows the naive `wall` or later."""
    at = from_datetime(wall.replace(tzinfo=place, fold=0))
    if to_datetime(at).astimezone(place).replace(tzinfo=None, fold=0) == wall:
        return at
    # The time does not exist: the two folds fall on both sides of the gap (PEP 495).
    return _change_between(from_datetime(wall.replace(tzinfo=place, fold=1)), at, place)


def local_date(instant: Instant, place: ZoneInfo) -> date:
    """The local calendar day an instant belongs to."""
    return wall_clock(instant, place).date()


def start_of_day(day: date, place: ZoneInfo) -> Instant:
    """The instant a local calendar day begins, also where it has no midnight (Sao Paulo 2018-11-04)."""
    return instant_of(datetime.combine(day, time.min), place)


def _change_between(before: Instant, after: Instant, place: ZoneInfo) -> Instant:
    """The instant in (before, after] at which the zone's offset changes; zones change on whole seconds."""
    low, high = before // SECOND, after // SECOND
    old = _offset(low, place)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle, place) == old:
            low = middle
        else:
            high = middle
    return high * SECOND


def _offset(second: int, place: ZoneInfo) -> object:
    return to_datetime(second * SECOND).astimezone(place).utcoffset()
