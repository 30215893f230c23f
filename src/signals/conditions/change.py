"""The atom `change`: how much more or less than usual, and when that crosses the threshold by itself."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby, pairwise
from operator import is_, itemgetter
from typing import Any, NamedTuple

from signals.conditions.atoms import ChangeAtom
from signals.conditions.node import Answer, Moment, soonest
from signals.conditions.windows import MeasureNode
from signals.instant import DAY, Duration, Instant
from signals.measures import Measure, tally_at
from signals.operators import MISSING, numeric_predicate
from signals.sieve import AT_ONCE, WAIT, Code, Guard

STEPS_AHEAD = 48
DAYS_AHEAD = 7
"""How many steps, and steps of a day, a crossing is looked for ahead; beyond them `until` is early, which is allowed."""

EDGES_AHEAD = 10
"""The same in edges, where blocks begin within a step and every edge must be looked for."""

_UNSEEN = object()
"""Stands for a change that has not been worked out."""


class _Made(NamedTuple):
    """The changes that were worked out last: for what, of which states (the very ones, which are never changed)."""

    asked: tuple[Any, ...] = ()
    states: Sequence[Any] = ()
    values: list[tuple[int, Any]] = []


class _Latest:
    """One is kept in a process: signals ask for the same in turn, level by level."""

    made = _Made()


class ChangeNode(MeasureNode):
    """`{change: product.feature_used, in: 14d, against: 56d, lte: -0.4}`; `until` is the next crossing."""

    def __init__(self, source: dict[str, Any], atom: ChangeAtom, measure: Measure, step: Duration) -> None:
        super().__init__(source, measure, atom.by)
        self.step, self.block, self.blocks = step, atom.in_, atom.against // atom.in_
        self.at_least = atom.at_least
        self.matches = numeric_predicate(atom.words())
        self.falls = atom.words().keys() <= {"lt", "lte"}
        self.aligned = self.block % self.step == 0
        self.ahead = DAYS_AHEAD if step == DAY else STEPS_AHEAD

    def _states(self, moment: Moment) -> list[Any]:
        return [state for state in self.state(moment).values() if state[0]]

    def _change(self, states: list[Any], now: Instant) -> Any:
        """(recent - usual) / usual, MISSING where there is too little of the past (semantics §3)."""
        return self._against(self._since(states, now)) if states else MISSING

    def _whole(self, states: list[Any], now: Instant) -> tuple[int, Instant | None]:
        """How many blocks before the recent one are whole, and when there is one more."""
        if any(state[1][0] for state in states):
            return self.blocks, None  # events older than the measure keeps
        first = min(state[0][0] for state in states) * self.step
        begun = (now - first) // self.block
        return min(self.blocks, begun - 1), None if begun > self.blocks else first + (begun + 1) * self.block

    def _against(self, since: Sequence[int]) -> Any:
        """The change, from how many came since the recent block began, since the one before it did, …"""
        if len(since) < 3:
            return MISSING
        usual = _median([older - newer for newer, older in pairwise(since)])
        if usual == 0 or usual < self.at_least:
            return MISSING
        return (since[0] - usual) / usual

    def _since(self, states: list[Any], now: Instant) -> list[int]:
        """How many came since the recent block began, since the one before it did, … as far as they are whole."""
        whole, _ = self._whole(states, now)
        cutoffs = [(now - back * self.block) // self.step - 1 for back in range(1, whole + 2)]
        if len(states) == 1:
            return [tally_at(states[0], cutoff) for cutoff in cutoffs]
        return [sum(tally_at(state, cutoff) for state in states) for cutoff in cutoffs]

    def _says(self, value: Any) -> bool:
        return value is not MISSING and self.matches(value)

    def test(self, moment: Moment) -> Answer:
        states, now = self._states(moment), moment.now
        until = self._role_until(moment)
        if not states:
            return False, until
        if sum(state[1][-1] - state[1][0] for state in states) < 2 * self.at_least:
            return False, until  # the median of two blocks or more is at most half of all there is
        whole_at = min(state[0][0] for state in states) * self.step + 3 * self.block
        if now < whole_at and not any(state[1][0] for state in states):
            return False, soonest(whole_at, until)  # fewer than two blocks before the recent one
        if self.aligned:
            holds, crossing = self._test_aligned(states, now)
        else:
            holds = self._says(self._against(self._since(states, now)))
            crossing = self._crossing(states, now, holds)
        return holds, soonest(crossing, until)

    def _crossing(self, states: list[Any], now: Instant, holds: bool) -> Instant | None:
        """The next edge at which the answer is another; none found, the last that was looked at."""
        edge = now
        for _ in range(EDGES_AHEAD):
            if edge >= self._over(states):
                return None
            edge = self._edge_after(edge)
            if self._says(self._against(self._since(states, edge))) is not holds:
                break
        return edge

    def _test_aligned(self, states: list[Any], now: Instant) -> Answer:
        """The same from one walk over what crosses an edge ahead, where the edges of blocks and buckets fall together."""
        step = now // self.step
        (_, first), *later = self._values(states, step)
        holds = self._says(first)
        for at, value in later:
            if value is _UNSEEN or self._says(value) is not holds:
                return holds, at * self.step
        return holds, None

    def _values(self, states: list[Any], step: int) -> list[tuple[int, Any]]:
        """The change in this step and from each later one on at which it may be another, as far as was looked: then it
        is unseen. Levels of one signal ask for the same in turn: it is kept.
        """
        made, asked = _Latest.made, (step, self.step, self.block, self.blocks, self.at_least)
        if made.asked == asked and len(made.states) == len(states) and all(map(is_, made.states, states)):
            return made.values
        whole, grows = self._whole(states, step * self.step)
        since, crossings, unseen = self._crossings(states, step, grows)
        values = [(step, self._against(since[: max(0, whole) + 1]))]
        for at, group in groupby(sorted(crossings), itemgetter(0)):
            for _, row, count in group:
                since[row] -= count
                whole += not count
            values.append((at, self._against(since[: max(0, whole) + 1])))
        if unseen is not None:
            values.append((unseen, _UNSEEN))
        _Latest.made = _Made(asked, states, values)
        return values

    def _crossings(
        self, states: list[Any], step: int, grows: Instant | None
    ) -> tuple[list[int], list[tuple[int, int, int]], int | None]:
        """How many came since the recent block began, since the one before it did, …; which of these loses how many at
        which of the next steps (0: one more block is whole, first at `grows`); and the first step beyond them at which
        one does.
        """
        width, since, unseen = self.block // self.step, [], []
        crossings: list[tuple[int, int, int]] = []
        for row in range(self.blocks + 1):
            back, counted = (row + 1) * width, 0
            for buckets, totals in states:
                place = bisect_left(buckets, step - back)
                stop = bisect_left(buckets, step - back + self.ahead, place)
                counted += totals[-1] - totals[place]
                crossings += [
                    (buckets[at] + back + 1, row, totals[at + 1] - totals[at]) for at in range(place, stop)
                ]
                unseen += [bucket + back + 1 for bucket in buckets[stop : stop + 1]]
            since.append(counted)
        while grows is not None and grows // self.step <= step + self.ahead:
            crossings.append((grows // self.step, 0, 0))
            grows = self._whole(states, grows)[1]
        if grows is not None:
            unseen.append(grows // self.step)
        return since, crossings, min(unseen, default=None)

    def _over(self, states: list[Any]) -> Instant:
        """When everything has left every block."""
        last = max(state[0][-1] for state in states)
        return int((last + 1) * self.step + (self.blocks + 1) * self.block)

    def surely(self, holds: bool, code: Code) -> Guard | None:
        """Too little of the past as yet, or too little of anything."""
        if holds or self.measure.keyed is not None:
            return None
        state = code.state(self.measure)
        few = f"{state}[1][-1] - {state}[1][0] < {code.constant(2 * self.at_least)}"
        whole = f"{state}[0][0] * {self.step} + {3 * self.block}"
        young = f"{whole} if {state}[1][0] == 0 and now < {whole} else 0"
        return Guard(f"never if {state} is None or {few} else {young}")

    def lasts(self, holds: bool, code: Code) -> Guard | None:
        """No drop yet, and what happens now only makes the recent more for as long as it is recent."""
        sure = self.surely(holds, code)
        if sure is None or code.late or not self.falls:
            return sure
        return Guard(f"({sure.until}) or ({WAIT} if {WAIT} <= now + {self.block - AT_ONCE} else 0)")

    def _edge_after(self, now: Instant) -> Instant:
        """The next instant at which a bucket may cross a block's edge, or one more block of the past be whole."""
        edges = (
            (now - back * self.block) // self.step * self.step + self.step
            for back in range(1, self.blocks + 2)
        )
        return min(edge + back * self.block for back, edge in enumerate(edges, 1))

    def saw(self, moment: Moment) -> Any:
        value = self._change(self._states(moment), moment.now)
        return None if value is MISSING else round(float(value), 4)

    def number(self, moment: Moment) -> tuple[Any, Instant | None]:
        """The change, MISSING where there is too little of the past, and until when it stands."""
        states, now = self._states(moment), moment.now
        if not states:
            return MISSING, self._role_until(moment)
        until, since = self._role_until(moment), []
        for span in range(self.block, (self.blocks + 2) * self.block, self.block):
            first, counted = (now - span) // self.step, 0
            for buckets, totals in states:
                place = bisect_left(buckets, first)
                counted += totals[-1] - totals[place]
                if place < len(buckets):
                    until = soonest(until, (buckets[place] + 1) * self.step + span)
            since.append(counted)
        whole, grows = self._whole(states, now)
        return self._against(since[: max(0, whole) + 1]), soonest(until, grows)


def _median(counts: list[int]) -> float:
    ordered = sorted(counts)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
