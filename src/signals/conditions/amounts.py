"""Atoms on the amounts of a window: `sum average min max` of a field."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import accumulate
from math import inf
from typing import Any

from signals.conditions.node import Answer, Moment
from signals.conditions.windows import WindowNode
from signals.instant import Duration, Instant
from signals.measures import Measure
from signals.operators import MISSING
from signals.sieve import Code, Guard


class AmountNode(WindowNode):
    """`sum average min max` of a field: sums are exact decimals; of none, only `sum` is a number (0)."""

    def __init__(
        self,
        source: dict[str, Any],
        atom: Any,
        measure: Measure,
        step: Duration,
        word: str,
        of_journey: bool = False,
    ) -> None:
        super().__init__(source, atom, measure, step, atom.by, of_journey)
        self.word = word
        summed = word == "sum" and measure.keyed is None and self.divisor is None
        self.crossing = self._crossing() if summed else None

    def test(self, moment: Moment) -> Answer:
        """A plain sum of amounts that are not negative only falls by itself: quick in floats, exact where it is close."""
        state = moment.profile.measures.get(self.measure.id)
        if self.crossing is None or state is None:
            return super().test(moment)
        parts = _amounts(state, self._first(moment.now))
        true_when_many, _, threshold = self.crossing
        if parts is None or _is_close(total := sum(parts), threshold):
            return super().test(moment)
        holds = (total > threshold) is true_when_many
        if holds is not true_when_many or self.far is None:
            return holds, None
        buckets = state[0]
        for bucket, part in zip(buckets[len(buckets) - len(parts) :], parts, strict=True):
            total -= part
            if total < threshold or _is_close(total, threshold):
                return holds, (bucket + 1) * self.step + self.far
        return holds, None

    def _first(self, now: Instant) -> int | None:
        return None if self.far is None else (now - self.far) // self.step

    def counted(self, code: Code) -> str:
        """The name, in a sieve, of what the sum is at most, now and while nothing happens."""
        buckets, cells = code.series(self.measure)
        sums = code.let(("sums", self.measure.id), f"{code.constant(_at_most)}({cells} if {buckets} else ())")
        place = "0" if self.far is None else f"bisect_left({buckets}, {code.ago(self.far, self.step)})"
        return code.let(("sum", self.measure.id, self.far), f"{sums}[{place}]")

    def lasts(self, holds: bool, code: Code) -> Guard | None:
        """What the sum is at least is not known."""
        return self.surely(holds, code)

    def _cells(self, moment: Moment) -> list[Any]:
        first = self._first(moment.now)
        last = None if self.near is None else (moment.now - self.near) // self.step
        found: list[Any] = []
        for buckets, cells in self.state(moment).values():
            start = 0 if first is None else bisect_left(buckets, first)
            stop = len(buckets) if last is None else bisect_left(buckets, last)
            found += cells[start:stop]
        return found

    def number(self, moment: Moment) -> Any:
        cells = self._cells(moment)
        if self.word == "sum":
            return sum((Decimal(cell[1]) for cell in cells), Decimal(0))
        if not cells:
            return MISSING
        if self.word == "average":
            return sum(Decimal(cell[1]) for cell in cells) / sum(cell[0] for cell in cells)
        pick: Callable[..., Decimal] = min if self.word == "min" else max
        return pick(Decimal(cell[2 if self.word == "min" else 3]) for cell in cells)


def _amounts(state: Any, first: int | None) -> list[float] | None:
    """The sums of the buckets from `first` on, about; None where any amount was negative."""
    buckets, cells = state
    inside = cells if first is None else cells[bisect_left(buckets, first) :]
    if any(cell[2][0] == "-" for cell in inside):
        return None
    return [float(cell[1]) for cell in inside]


def _at_most(cells: Sequence[Any]) -> list[float]:
    """By place what the amounts from there on come to at most, now and while nothing happens."""
    if any(cell[2][0] == "-" for cell in cells):
        return [inf] * (len(cells) + 1)
    back = accumulate((float(cell[1]) for cell in reversed(cells)), initial=0.0)
    return [total * (1 + ROUNDING) for total in back][::-1]


ROUNDING = 1e-9
"""More than floats can be wrong by in a sum of any number of amounts that are kept."""


def _is_close(total: float, threshold: float) -> bool:
    """Whether only an exact sum can tell which is the greater."""
    return abs(total - threshold) <= ROUNDING * max(1.0, total)
