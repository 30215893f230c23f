"""Business time: what the clock of a task counts (semantics §8).

Counted on the local wall clock: eight hours of business are eight hours on the clock over the door, also on the
day the clock is put forward or back. A day means a business day and a week the business days of a week, so `3d`
is three times the calendar's daily hours. A deadline at closing time stays there.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from channels.days_off import Holidays, is_holiday
from channels.local_time import instant_of, wall_clock
from signals.instant import DAY, MINUTE, Duration, Instant, parse_duration

_ALL_DAYS = frozenset(range(7))
_WORKDAYS = frozenset(range(5))
_MICROSECOND = timedelta(microseconds=1)
_BUSINESS_UNIT = re.compile(r"(\d{1,9})([dw])", re.ASCII)


class Calendar(msgspec.Struct, frozen=True):
    """When somebody works: `days` as `date.weekday()` numbers, hours as minutes after local midnight, end exclusive.

    Needs at least one day and `opens` < `closes` <= 1440; `policies.CalendarPolicy` checks what people write.
    """

    zone: ZoneInfo
    days: frozenset[int] = _WORKDAYS
    opens: int = 9 * 60
    closes: int = 17 * 60
    holidays: Holidays = None

    @property
    def daily(self) -> Duration:
        """How much business time a business day has."""
        return (self.closes - self.opens) * MINUTE


def around_the_clock(place: ZoneInfo) -> Calendar:
    """A calendar that never closes."""
    return Calendar(place, _ALL_DAYS, 0, DAY // MINUTE)


def business_duration(text: str, calendar: Calendar) -> Duration:
    """`4h` as it stands, `3d` as business days, `1w` as the calendar's days of a week; in microseconds.

    Raises ValueError where the text is no duration.
    """
    match = _BUSINESS_UNIT.fullmatch(text)
    if match is None:
        return parse_duration(text)
    days = int(match[1]) * (len(calendar.days) if match[2] == "w" else 1)
    return days * calendar.daily


def add(start: Instant, duration: Duration, calendar: Calendar) -> Instant:
    """The first instant by which `duration` of business time has passed since `start`."""
    if duration <= 0:
        return start
    for opens, closes in _hours_from(wall_clock(start, calendar.zone), calendar):
        room = (closes - opens) // _MICROSECOND
        if duration <= room:
            return instant_of(opens + duration * _MICROSECOND, calendar.zone)
        duration -= room
    raise AssertionError("a calendar has business days without end")


def elapsed(start: Instant, end: Instant, calendar: Calendar) -> Duration:
    """How much business time lies between two instants; none where `end` is not after `start`."""
    total = 0
    until = wall_clock(end, calendar.zone)
    for opens, closes in _hours_from(wall_clock(start, calendar.zone), calendar):
        if opens >= until:
            break
        total += (min(closes, until) - opens) // _MICROSECOND
    return total


def next_open(now: Instant, calendar: Calendar) -> Instant:
    """The first instant from `now` on that lies in business hours: `now` itself where it does."""
    at = now
    while True:
        wall = wall_clock(at, calendar.zone)
        opens, _ = next(_hours_from(wall, calendar))
        if opens <= wall:
            return at
        # The clock may jump over the whole of the hours it was to open for: hence the loop.
        at = instant_of(opens, calendar.zone)


def _hours_from(wall: datetime, calendar: Calendar) -> Iterator[tuple[datetime, datetime]]:
    """What is left of each day's business hours from a wall time on, as (from, to), never empty."""
    day = wall.date()
    while True:
        if _is_business_day(day, calendar):
            midnight = datetime.combine(day, time.min)
            opens = max(wall, midnight + timedelta(minutes=calendar.opens))
            closes = midnight + timedelta(minutes=calendar.closes)
            if opens < closes:
                yield opens, closes
        day += timedelta(days=1)


def _is_business_day(day: date, calendar: Calendar) -> bool:
    return day.weekday() in calendar.days and not is_holiday(day, calendar.holidays)
