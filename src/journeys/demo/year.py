"""The calendar of the demo's year: local clocks, working days, seasons and holidays."""

from datetime import date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from signals.instant import DAY, SECOND, Instant, from_datetime, to_datetime

DAYS = 365
"""Length of the year. Days are numbered 0 to 364; those before 0 lie before our time, those from 365 after today."""

_WEEK = (0.97, 1.04, 1.05, 1.02, 0.92, 0.05, 0.05)
_MONTH = (0.98, 1.0, 1.01, 1.0, 1.0, 0.99, 0.96, 0.94, 1.0, 1.02, 1.02, 0.99)
# Deep enough to be seen on a chart, shallow enough that no fortnight falls by the 30 % of `usage_drop`.
_HOLIDAYS = {
    (12, 24): 0.8,
    (12, 25): 0.6,
    (12, 26): 0.7,
    (12, 29): 0.92,
    (12, 30): 0.92,
    (12, 31): 0.8,
    (1, 1): 0.6,
}
_NATIONAL = {
    "US": (7, 4),
    "GB": (5, 4),
    "DE": (10, 3),
    "FR": (7, 14),
    "ES": (10, 12),
    "MX": (9, 16),
    "BR": (9, 7),
    "SE": (6, 6),
    "NL": (4, 27),
    "PL": (11, 11),
    "IT": (6, 2),
    "JP": (11, 3),
    "IN": (8, 15),
    "NG": (10, 1),
    "AU": (1, 26),
}


def dice(seed: int, *name: object) -> Random:
    """A stream of random numbers of its own for each name, the same on every machine and in every process."""
    return Random("/".join(map(str, (seed, *name))))  # noqa: S311 - a fictional year needs repeatable, not secret


class Year:
    """The 365 days that end with the last midnight UTC at or before `today`."""

    def __init__(self, today: Instant) -> None:
        self.end: Instant = today - today % DAY
        self.start: Instant = self.end - DAYS * DAY
        self._first = to_datetime(self.start).date()
        self._midnights: dict[tuple[str, int], Instant] = {}
        self._levels: dict[str, list[float]] = {}

    def date(self, day: int) -> date:
        """The date of a numbered day."""
        return self._first + timedelta(days=day)

    def midnight(self, zone: str, day: int) -> Instant:
        """When this day begins on the clocks of `zone`."""
        found = self._midnights.get((zone, day))
        if found is None:
            on = self.date(day)
            found = from_datetime(datetime(on.year, on.month, on.day, tzinfo=ZoneInfo(zone)))
            self._midnights[zone, day] = found
        return found

    def at(self, zone: str, day: int, hour: float) -> Instant:
        """The instant of a local hour (9.5 is half past nine), to the second."""
        return self.midnight(zone, day) + int(hour * 3600) * SECOND

    def utc(self, day: int) -> Instant:
        """Midnight UTC of a numbered day: dates without a time, like renewals."""
        return self.start + day * DAY

    def day_of(self, instant: Instant) -> int:
        """The UTC day an instant lies in."""
        return (instant - self.start) // DAY

    def workday(self, day: int) -> int:
        """This day, or the Monday after it if it is a weekend."""
        return day + (0, 0, 0, 0, 0, 2, 1)[self.date(day).weekday()]

    def levels(self, country: str) -> list[float]:
        """How busy each of the 365 days is for people at work in a country; 1 is an ordinary working day."""
        if country not in self._levels:
            self._levels[country] = [_level(self.date(day), country) for day in range(DAYS)]
        return self._levels[country]


def _level(on: date, country: str) -> float:
    day = (on.month, on.day)
    holiday = 0.5 if day == _NATIONAL.get(country) else _HOLIDAYS.get(day, 1.0)
    return _WEEK[on.weekday()] * _MONTH[on.month - 1] * holiday
