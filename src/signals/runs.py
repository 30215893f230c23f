"""Since when an attribute has compared as wanted: what atoms with `for` need of the past, kept as a measure.

Attributes themselves are kept as they are now (`signals.profile`). Whoever asks how long it has been so has the
course of that one comparison kept beside them, and filled from history like any other measure.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Any

from signals.effects import TELLS_ATTRIBUTES, told_of_account
from signals.event import Event
from signals.instant import Instant
from signals.measures import Measure
from signals.operators import MISSING, Predicate, dig, ratio
from signals.profile import tie

WRITES_KEPT = 24
"""Writes kept of one course; where there are more, those in the midst of a run are forgotten first."""

Steps = Iterable[tuple[Instant, bool]]
"""From which instant on the comparison held or did not, newest first."""


class Run(Measure):
    """Whether each write of an attribute compared as wanted: `[[at, by, holds], …]` by time.

    Of many writes that come to the same only the first and the newest matter: however often an attribute is
    written, the beginning of a run that still goes on is not forgotten.
    """

    kind = "run"

    def __init__(self, path: tuple[str, ...], comparison: dict[str, Any], test: Predicate) -> None:
        super().__init__(TELLS_ATTRIBUTES, {}, None)
        self.path, self.comparison, self.test = path, comparison, test
        self.look_back(None)
        self.named()

    def spec(self) -> list[Any]:
        return [*super().spec(), self.path, self.comparison]

    def add(self, old: Any, event: Event, now: Instant) -> Any:
        told = told_of_account(event)
        if self.path[0] not in told:
            return old
        return _with(old or [], [event.time, tie(event), self.test(dig(told, self.path))])

    def steps(self, state: Any) -> Steps:
        """The course of the comparison so far."""
        return ((at, holds) for at, _, holds in reversed(state or []))


class RatioRun(Measure):
    """What two attributes were, write by write: `[[[at, by, value], …], [[at, by, value], …]]`."""

    kind = "ratio_run"

    def __init__(self, path: tuple[str, ...], divisor: tuple[str, ...], test: Predicate) -> None:
        super().__init__(TELLS_ATTRIBUTES, {}, None)
        self.paths, self.test = (path, divisor), test
        self.look_back(None)
        self.named()

    def spec(self) -> list[Any]:
        return [*super().spec(), self.paths]

    def add(self, old: Any, event: Event, now: Instant) -> Any:
        told = told_of_account(event)
        if not any(path[0] in told for path in self.paths):
            return old
        return [
            _with(writes, [event.time, tie(event), _plain(dig(told, path))]) if path[0] in told else writes
            for path, writes in zip(self.paths, old or [[], []], strict=True)
        ]

    def steps(self, state: Any) -> Steps:
        """The course of the comparison of the quotient so far."""
        written = state or [[], []]
        instants = {at for writes in written for at, *_ in writes}
        return (
            (at, self.test(ratio(*(_as_of(writes, at) for writes in written))))
            for at in sorted(instants, reverse=True)
        )


def _plain(value: Any) -> Any:
    return None if value is MISSING else value


def _as_of(writes: list[Any], at: Instant) -> Any:
    """The value as it stood at an instant."""
    place = bisect_right(writes, at, key=lambda entry: entry[0])
    value = writes[place - 1][2] if place else None
    return MISSING if value is None else value


def _with(writes: list[Any], new: list[Any]) -> list[Any]:
    """The writes with one more in its place; of one instant only that of the greatest event counts."""
    place = bisect_left(writes, new[0], key=lambda entry: entry[0])
    if place < len(writes) and writes[place][0] == new[0]:
        return writes if writes[place][1] >= new[1] else [*writes[:place], new, *writes[place + 1 :]]
    found = [*writes[:place], new, *writes[place:]]
    return found if len(found) <= WRITES_KEPT else _shortened(found)


def _shortened(writes: list[Any]) -> list[Any]:
    """Without the oldest that says the same as both its neighbours, else without the oldest."""
    for place in range(1, len(writes) - 1):
        if writes[place - 1][2] == writes[place][2] == writes[place + 1][2]:
            return writes[:place] + writes[place + 1 :]
    return writes[1:]
