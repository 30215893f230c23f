"""A health score as it is kept of one account, and what can be read from it: band, trend, reasons (semantics §4). Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from math import floor
from typing import Any, Literal, TypeAlias

import msgspec

from signals.instant import DAY, Duration, Instant

Band: TypeAlias = Literal["red", "amber", "green"]
BANDS: tuple[Band, ...] = ("red", "amber", "green")
"""From the worst to the best."""

TREND = 14 * DAY
"""What the trend compares with: the score this long ago."""

REASONS_SHOWN = 3

_DIGITS = 9
"""Digits of a weighted mean that are the numbers' own; what lies below is the noise of binary fractions."""

Points: TypeAlias = float | None
"""0 to 100; None where the measure does not count."""


class Standing(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How one measure stood when the score was last worked out.

    `value` is the number it rests on (None: there is none), `points` what the map makes of it.
    """

    key: str
    weight: float
    value: float | None
    points: Points


class Health(msgspec.Struct, array_like=True, frozen=True):
    """The score of one account: 0 to 100, None where no measure counts; and how it came to be.

    It is made anew where score, band or flags change, and only there: it depends on these instants alone, not on how
    often somebody looked. `measures` are as they stood then. `flags` are those that hold, with since when. `times` and
    `scores` are the past, one pair for each change of the score, as far back as anybody looks. `told` counts the
    ledger's entries.
    """

    version: int | str
    score: int | None = None
    band: Band | None = None
    measures: list[Standing] = []
    flags: dict[str, Instant] = {}
    times: list[Instant] = []
    scores: list[int | None] = []
    told: int = 0

    def score_at(self, instant: Instant) -> int | None:
        """The score as it was at an instant; None where that is not known any more, or there was none."""
        place = bisect_right(self.times, instant)
        return self.scores[place - 1] if place else None

    def change(self, now: Instant, over: Duration) -> int | None:
        """How much the score has changed since `over` ago; None where one of the two is not known."""
        before = self.score_at(now - over)
        return None if before is None or self.score is None else self.score - before

    def later(
        self, now: Instant, score: int | None, keep: Duration
    ) -> tuple[list[Instant], list[int | None]]:
        """The past with this score added, without what lies before the one that stood `keep` ago.

        Of several scores at one instant the last counts.
        """
        first = max(0, bisect_right(self.times, now - keep) - 1)
        last = len(self.times) - (bool(self.times) and self.times[-1] == now)
        return [*self.times[first:last], now], [*self.scores[first:last], score]


def mean(parts: Sequence[tuple[float, Points]]) -> float | None:
    """The weighted mean of the points that count; None where none do."""
    total = sum(weight for weight, points in parts if points is not None)
    if not total:
        return None
    return sum(weight * points for weight, points in parts if points is not None) / total


def half_up(number: float) -> int:
    """Rounded half up: 50.5 is 51, however its binary fraction came out."""
    return floor(round(number, _DIGITS) + 0.5)


def reasons(health: Health) -> list[dict[str, Any]]:
    """The top three measures and flags that pull the score down: flags first, then by the points they cost.

    A flag costs the band, not points; what costs less than half a point is no reason.
    """
    flags: list[dict[str, Any]] = [
        {"key": key, "kind": "flag", "points": 0, "value": None}
        for key in sorted(health.flags, key=lambda key: (health.flags[key], key))
    ]
    total = sum(one.weight for one in health.measures if one.points is not None)
    costs = [
        (one.weight / total * (100 - one.points), one) for one in health.measures if one.points is not None
    ]
    measures = [
        {"key": one.key, "kind": "measure", "points": -half_up(cost), "value": one.value}
        for cost, one in sorted(costs, key=lambda pair: -pair[0])
        if half_up(cost) > 0
    ]
    return [*flags, *measures][:REASONS_SHOWN]
