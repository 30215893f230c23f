"""When nobody is written to: daily quiet hours, weekends and holidays on a person's own clock (semantics §7.10)."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from channels.days_off import Holidays, is_holiday
from channels.local_time import instant_of, wall_clock
from signals.instant import Instant

MINUTES_A_DAY = 1440

_SATURDAY = 5  # date.weekday()


class QuietHours(msgspec.Struct, frozen=True):
    """Quiet from `begins` to `ends`, in minutes after local midnight, the end exclusive.

    `begins` after `ends` wraps over midnight; both equal is no time at all; 1440 is the midnight that ends the
    day. With `weekends`, Saturday and Sunday are quiet throughout, and so is every day of `holidays`; the night
    that follows on from them (Monday's until `ends`) is quiet by itself.
    """

    begins: int = 0
    ends: int = 0
    weekends: bool = False
    holidays: Holidays = None

    @property
    def is_always(self) -> bool:
        """Whether the clock times alone leave no minute of a day to send in."""
        return self.begins == 0 and self.ends == MINUTES_A_DAY


def is_quiet(now: Instant, quiet: QuietHours, place: ZoneInfo) -> bool:
    """Whether `now` lies in quiet hours on the clock of `place`."""
    return _is_quiet_at(wall_clock(now, place), quiet)


def quiet_ends(now: Instant, quiet: QuietHours, place: ZoneInfo) -> Instant:
    """The first instant from `now` on that is not quiet: `now` itself where it is not."""
    at = now
    while _is_quiet_at(wall := wall_clock(at, place), quiet):
        # The clock may jump over the end into the next quiet time (Apia skipped 2011-12-30): hence the loop.
        at = instant_of(_next_end(wall, quiet), place)
    return at


def _is_quiet_at(wall: datetime, quiet: QuietHours) -> bool:
    return _is_day_off(wall, quiet) or _is_night(wall, quiet)


def _is_day_off(wall: datetime, quiet: QuietHours) -> bool:
    weekend = quiet.weekends and wall.weekday() >= _SATURDAY
    return weekend or is_holiday(wall.date(), quiet.holidays)


def _is_night(wall: datetime, quiet: QuietHours) -> bool:
    minute = wall.hour * 60 + wall.minute
    if quiet.begins <= quiet.ends:
        return quiet.begins <= minute < quiet.ends
    return minute >= quiet.begins or minute < quiet.ends


def _next_end(wall: datetime, quiet: QuietHours) -> datetime:
    """The next wall time at which the part of quiet hours that `wall` lies in is over."""
    midnight = datetime.combine(wall.date(), time.min)
    if _is_day_off(wall, quiet):
        return midnight + timedelta(days=1)
    end = midnight + timedelta(minutes=quiet.ends)
    return end if end > wall else end + timedelta(days=1)
