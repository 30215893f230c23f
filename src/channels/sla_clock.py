"""One clock of a task: business time used up so far, running or paused (semantics §8).

A clock keeps no deadline: where it stands and since when it runs is enough to compute every instant exactly,
through pauses and changes of calendar.
"""

import msgspec
from msgspec.structs import replace

from channels.business_time import Calendar, add, business_duration, elapsed
from signals.instant import Duration, Instant

LADDER = (75, 100, 150)
"""Percent of the target at which levels 1, 2 and 3 are reached."""

BREACH_LEVEL = 2


class SlaClock(msgspec.Struct, frozen=True):
    """`target` as written (`4h`, `3d`), `used` business time in microseconds up to `since`; paused where that is None."""

    target: str
    used: Duration = 0
    since: Instant | None = None

    @property
    def is_running(self) -> bool:
        """Whether time counts at present."""
        return self.since is not None


def started(target: str, now: Instant) -> SlaClock:
    """A clock that begins to count now."""
    return SlaClock(target, 0, now)


def used(clock: SlaClock, now: Instant, calendar: Calendar) -> Duration:
    """The business time it has counted up to now."""
    return clock.used if clock.since is None else clock.used + elapsed(clock.since, now, calendar)


def paused(clock: SlaClock, now: Instant, calendar: Calendar) -> SlaClock:
    """The clock standing still from now on."""
    return replace(clock, used=used(clock, now, calendar), since=None)


def resumed(clock: SlaClock, now: Instant) -> SlaClock:
    """The clock counting from now on; one that runs already runs on."""
    return clock if clock.is_running else replace(clock, since=now)


def moved(clock: SlaClock, now: Instant, old: Calendar, new: Calendar) -> SlaClock:
    """The clock on another calendar. Half a target used is half a target used there: a day is a day of either."""
    before, after = business_duration(clock.target, old), business_duration(clock.target, new)
    return SlaClock(clock.target, used(clock, now, old) * after // before, now if clock.is_running else None)


def deadline(clock: SlaClock, calendar: Calendar) -> Instant | None:
    """When the whole target will be used up; None while the clock stands still or ran on with nothing left."""
    if clock.used >= business_duration(clock.target, calendar):
        return None
    return _reaches(clock, 100, calendar)


def level_at(clock: SlaClock, level: int, calendar: Calendar) -> Instant | None:
    """When the clock reaches a level of the ladder (1 to 3), at the earliest when it began to run; None while paused."""
    return _reaches(clock, LADDER[level - 1], calendar)


def _reaches(clock: SlaClock, percent: int, calendar: Calendar) -> Instant | None:
    if clock.since is None:
        return None
    threshold = -(-business_duration(clock.target, calendar) * percent // 100)  # rounded up: never early
    return add(clock.since, threshold - clock.used, calendar)
