"""Atoms on what happened: counts, amounts, change, habit, sequence, absence, by the measures of the profile."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from signals.attributes import account_value
from signals.conditions.grammar import (
    AbsentAtom,
    ChangeAtom,
    CountAtom,
    DistinctAtom,
    LatestAtom,
    MissedAtom,
    RegularAtom,
    SequenceAtom,
)
from signals.conditions.node import Answer, Moment, Node, soonest
from signals.conditions.operators import MISSING, is_number, numeric_predicate
from signals.conditions.states import ConditionRefused, plain, role_changes
from signals.instant import DAY, Duration, Instant, iso
from signals.measures import (
    ALL,
    Amounts,
    Instants,
    Last,
    Latest,
    Measure,
    Tally,
    Total,
    resolution,
    tally_at,
    tally_total,
)
from signals.profile import holders

STEPS_AHEAD = 64
"""How many bucket changes a crossing is looked for ahead; beyond them `until` is early, which is allowed."""


class MeasureNode(Node):
    """An atom on one measure; `by: role` keeps it per contact and asks who holds the role now."""

    def __init__(self, source: dict[str, Any], measure: Measure, role: str | None) -> None:
        super().__init__(source)
        self.measure = measure
        self.role = role

    def state(self, moment: Moment) -> dict[str, Any]:
        """The measure's state, of the role's holders only where `by` is set."""
        state: dict[str, Any] = moment.profile.measures.get(self.measure.id) or {}
        if self.role is None:
            return state
        people = [span.contact for span in holders(moment.profile, self.role, moment.now)]
        return {person: state[person] for person in people if person in state}

    def reads(self) -> Iterator[str]:
        yield f"measure:{self.measure.id}"
        if self.role is not None:
            yield "roles"

    def measures(self) -> Iterator[Measure]:
        yield self.measure

    def _role_until(self, moment: Moment) -> Instant | None:
        return None if self.role is None else role_changes(moment.profile, self.role, moment.now)


class WindowNode(MeasureNode):
    """A number over a window compared with a threshold; subclasses say which number."""

    def __init__(
        self,
        source: dict[str, Any],
        atom: CountAtom | Any,
        measure: Measure,
        step: Duration,
        role: str | None,
    ) -> None:
        super().__init__(source, measure, role)
        self.step = step
        self.far: Duration | None = atom.between[0] if atom.between else atom.in_
        self.near: Duration | None = atom.between[1] if atom.between else None
        self.matches = numeric_predicate(atom.words())
        self.words = atom.words()
        self.divisor = None if atom.per is None else tuple(atom.per.removeprefix("account.").split("."))

    def number(self, moment: Moment) -> Any:
        """The number of the window, MISSING where there is none."""
        raise NotImplementedError  # abstract: the subclasses below define it

    def value(self, moment: Moment) -> Any:
        """The number, divided by `per` where given: a missing or zero divisor is missing."""
        number = self.number(moment)
        if self.divisor is None or number is MISSING:
            return number
        by, _ = account_value(moment.profile, self.divisor, moment.now)
        return number / by if is_number(by) and by != 0 else MISSING

    def buckets(self, state: Any) -> list[int]:
        """One key's buckets."""
        found: list[int] = state[0]
        return found

    def until(self, moment: Moment, holds: bool) -> Instant | None:
        """The next instant at which a bucket enters or leaves: early at worst."""
        return soonest(self._next_edge(moment), self._role_until(moment))

    def _next_edge(self, moment: Moment) -> Instant | None:
        earliest = None
        for window in (self.far, self.near):
            if window is None:
                continue
            first = (moment.now - window) // self.step
            for state in self.state(moment).values():
                buckets = self.buckets(state)
                place = bisect_left(buckets, first)
                if place < len(buckets):
                    earliest = soonest(earliest, (buckets[place] + 1) * self.step + window)
        return earliest

    def test(self, moment: Moment) -> Answer:
        holds = self.matches(self.value(moment))
        return holds, None if self.far is None else self.until(moment, holds)

    def saw(self, moment: Moment) -> Any:
        value = self.value(moment)
        return float(value) if isinstance(value, Decimal) else plain(value)

    def reads(self) -> Iterator[str]:
        yield from super().reads()
        if self.divisor is not None:
            yield f"attribute:{self.divisor[0]}"


class CountNode(WindowNode):
    """`{count: support.ticket_opened, in: 7d, gte: 3}`: one bisect, and one more for the exact crossing."""

    def __init__(self, source: dict[str, Any], atom: CountAtom, measure: Measure, step: Duration) -> None:
        super().__init__(source, atom, measure, step, atom.by)
        self.same = atom.same is not None
        word, threshold = next(iter(self.words.items()))
        monotone = len(self.words) == 1 and word in ("gte", "gt", "lt", "lte") and self.near is None
        self.crossing: tuple[bool, bool, float] | None = None
        if monotone and measure.keyed is None:
            self.crossing = (word in ("gte", "gt"), word in ("gte", "lt"), threshold)

    def _of_key(self, state: Any, now: Instant) -> int:
        if self.far is None:
            return tally_total(state)
        counted = tally_at(state, (now - self.far) // self.step - 1)
        return counted if self.near is None else counted - tally_at(state, (now - self.near) // self.step - 1)

    def number(self, moment: Moment) -> Any:
        state = self.state(moment)
        if self.measure.keyed is None:
            return self._of_key(state.get(ALL), moment.now)
        counts = [self._of_key(entry, moment.now) for entry in state.values()]
        return max(counts, default=0) if self.same else sum(counts)

    def until(self, moment: Moment, holds: bool) -> Instant | None:
        if self.crossing is None:
            return super().until(moment, holds)
        true_when_many, strict, threshold = self.crossing
        if holds is not true_when_many:
            return None  # a count only falls by itself
        state = self.state(moment).get(ALL)
        if state is None or not state[0] or self.far is None:
            return None
        factor = 1 if self.divisor is None else account_value(moment.profile, self.divisor, moment.now)[0]
        if not is_number(factor) or factor <= 0:
            return None
        buckets, totals, _ = state
        keep = totals[-1] - threshold * factor
        place = bisect_right(totals, keep) if strict else bisect_left(totals, keep)
        return (buckets[place] + 1) * self.step + self.far if place < len(buckets) else None


class AmountNode(WindowNode):
    """`sum average min max` of a field: sums are exact decimals; of none, only `sum` is a number (0)."""

    def __init__(
        self, source: dict[str, Any], atom: Any, measure: Measure, step: Duration, word: str
    ) -> None:
        super().__init__(source, atom, measure, step, atom.by)
        self.word = word

    def _cells(self, moment: Moment) -> list[Any]:
        first = None if self.far is None else (moment.now - self.far) // self.step
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


class DistinctNode(WindowNode):
    """`{distinct: product.feature_used, of: feature, in: 28d, lt: 3}`: how many values have any event in the window."""

    def __init__(self, source: dict[str, Any], atom: DistinctAtom, measure: Measure, step: Duration) -> None:
        super().__init__(source, atom, measure, step, None)

    def number(self, moment: Moment) -> Any:
        if self.far is None:
            return len(self.state(moment))
        cutoff = (moment.now - self.far) // self.step - 1
        near = None if self.near is None else (moment.now - self.near) // self.step - 1
        return sum(
            tally_at(state, cutoff) - (0 if near is None else tally_at(state, near)) > 0
            for state in self.state(moment).values()
        )


class ChangeNode(MeasureNode):
    """`{change: product.feature_used, in: 14d, against: 56d, lte: -0.4}`; `until` is the next crossing."""

    def __init__(self, source: dict[str, Any], atom: ChangeAtom, measure: Measure, step: Duration) -> None:
        super().__init__(source, measure, atom.by)
        self.step, self.block, self.blocks = step, atom.in_, atom.against // atom.in_
        self.at_least = atom.at_least
        self.matches = numeric_predicate(atom.words())

    def _count(self, moment: Moment, far: Duration, near: Duration, now: Instant) -> int:
        def upto(window: Duration) -> int:
            cutoff = (now - window) // self.step - 1
            return sum(tally_at(state, cutoff) for state in self.state(moment).values())

        return upto(far) - (upto(near) if near else 0)

    def change(self, moment: Moment, now: Instant) -> Any:
        """(recent - usual) / usual, MISSING where there is too little of the past (semantics §3)."""
        states = [state for state in self.state(moment).values() if state[0]]
        if not states:
            return MISSING
        history = now - min(state[0][0] for state in states) * self.step
        forgotten = any(state[2] for state in states)  # events older than the measure keeps: blocks are whole
        whole = self.blocks if forgotten else min(self.blocks, history // self.block - 1)
        if whole < 2:
            return MISSING
        before = [
            self._count(moment, (back + 1) * self.block, back * self.block, now)
            for back in range(1, whole + 1)
        ]
        usual = _median(before)
        if usual == 0 or usual < self.at_least:
            return MISSING
        return (self._count(moment, self.block, 0, now) - usual) / usual

    def _holds(self, moment: Moment, now: Instant) -> bool:
        value = self.change(moment, now)
        return value is not MISSING and self.matches(value)

    def test(self, moment: Moment) -> Answer:
        holds = self._holds(moment, moment.now)
        edge: Instant | None = moment.now
        for _ in range(STEPS_AHEAD):
            edge = self._edge_after(moment, edge)
            if edge is None or self._holds(moment, edge) is not holds:
                break
        return holds, soonest(edge, self._role_until(moment))

    def _edge_after(self, moment: Moment, now: Instant | None) -> Instant | None:
        """The next instant at which a bucket crosses a block's edge, or one more block of the past is whole."""
        if now is None:
            return None
        earliest: Instant | None = None
        for state in self.state(moment).values():
            buckets = state[0]
            for back in range(1, self.blocks + 2):
                place = bisect_left(buckets, (now - back * self.block) // self.step)
                if place < len(buckets):
                    earliest = soonest(earliest, (buckets[place] + 1) * self.step + back * self.block)
                if buckets and (whole := buckets[0] * self.step + back * self.block) > now:
                    earliest = soonest(earliest, whole)
        return earliest

    def saw(self, moment: Moment) -> Any:
        value = self.change(moment, moment.now)
        return None if value is MISSING else round(float(value), 4)


def _median(counts: list[int]) -> float:
    ordered = sorted(counts)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


class RegularNode(MeasureNode):
    """`{regular: product.report_viewed, every: 7d, of: 4, in_at_least: 3, gte: 2}`."""

    def __init__(self, source: dict[str, Any], atom: RegularAtom, measure: Measure, step: Duration) -> None:
        super().__init__(source, measure, atom.by)
        self.step, self.every, self.of, self.in_at_least = step, atom.every, atom.of, atom.in_at_least
        self.matches = numeric_predicate(atom.words())

    def _blocks(self, moment: Moment) -> list[int]:
        states = list(self.state(moment).values())
        edges = [
            sum(tally_at(state, (moment.now - back * self.every) // self.step - 1) for state in states)
            for back in range(1, self.of + 1)
        ]
        return [edge - (edges[place - 1] if place else 0) for place, edge in enumerate(edges)]

    def test(self, moment: Moment) -> Answer:
        blocks = self._blocks(moment)
        holds = sum(map(self.matches, blocks)) >= self.in_at_least
        earliest = None
        for state in self.state(moment).values():
            for back in range(1, self.of + 1):
                place = bisect_left(state[0], (moment.now - back * self.every) // self.step)
                if place < len(state[0]):
                    earliest = soonest(earliest, (state[0][place] + 1) * self.step + back * self.every)
        return holds, soonest(earliest, self._role_until(moment))

    def saw(self, moment: Moment) -> Any:
        return self._blocks(moment)


class LatestNode(MeasureNode):
    """`{latest: survey.nps_received, where: {score: {lte: 6}}}`."""

    def __init__(self, source: dict[str, Any], atom: LatestAtom, measure: Measure) -> None:
        super().__init__(source, measure, atom.by)

    def _newest(self, moment: Moment) -> Any:
        return max(self.state(moment).values(), default=None)

    def test(self, moment: Moment) -> Answer:
        newest = self._newest(moment)
        return newest is not None and newest[3], self._role_until(moment)

    def saw(self, moment: Moment) -> Any:
        newest = self._newest(moment)
        return (
            None
            if newest is None
            else f"the latest, of {iso(newest[0])}, is {'' if newest[3] else 'not '}like that"
        )


class AbsentNode(MeasureNode):
    """`{absent: product.login, for: 14d}`; never any: measured from the account's `created_at`."""

    def __init__(self, source: dict[str, Any], atom: AbsentAtom, measure: Measure) -> None:
        super().__init__(source, measure, atom.by)
        self.holds_for = atom.for_

    def _last(self, moment: Moment) -> Instant | None:
        if self.role is None:
            last: Instant = (moment.profile.measures.get(self.measure.id) or {}).get(
                ALL, moment.profile.created_at
            )
            return last
        state = moment.profile.measures.get(self.measure.id) or {}
        lasts = [
            max(state.get(span.contact, 0), span.since, moment.profile.contacts[span.contact].first_seen)
            if span.contact not in state
            else state[span.contact]
            for span in holders(moment.profile, self.role, moment.now)
        ]
        return max(lasts, default=None)

    def test(self, moment: Moment) -> Answer:
        last = self._last(moment)
        until = self._role_until(moment)
        if last is None:
            return False, until
        matures = last + self.holds_for
        return (True, until) if moment.now >= matures else (False, soonest(until, matures))

    def saw(self, moment: Moment) -> Any:
        last = self._last(moment)
        return "nobody in the role" if last is None else f"none since {iso(last)}"

    def reads(self) -> Iterator[str]:
        yield from super().reads()
        yield "attribute:created_at"


class SequenceNode(Node):
    """`{sequence: [trial.started, project.created], within: 3d, in: 30d}`: the second strictly later."""

    def __init__(self, source: dict[str, Any], atom: SequenceAtom, first: Measure, second: Measure) -> None:
        super().__init__(source)
        self.first, self.second = first, second
        self.within, self.window, self.role = atom.within, atom.in_, atom.by

    def _followed(self, moment: Moment) -> Instant | None:
        """The newest first event in the window that was followed in time."""
        firsts = moment.profile.measures.get(self.first.id) or {}
        seconds = moment.profile.measures.get(self.second.id) or {}
        keys = set(firsts)
        if self.role is not None:
            keys &= {span.contact for span in holders(moment.profile, self.role, moment.now)}
        found = [
            start
            for key in keys
            for start in firsts[key]
            if moment.now - self.window < start <= moment.now and self._follows(start, seconds.get(key, []))
        ]
        return max(found, default=None)

    def _follows(self, start: Instant, times: list[Instant]) -> bool:
        place = bisect_right(times, start)
        return place < len(times) and times[place] - start <= self.within

    def test(self, moment: Moment) -> Answer:
        start = self._followed(moment)
        changes = None if self.role is None else role_changes(moment.profile, self.role, moment.now)
        return (False, changes) if start is None else (True, soonest(start + self.window, changes))

    def saw(self, moment: Moment) -> Any:
        start = self._followed(moment)
        return "not followed" if start is None else f"followed the one of {iso(start)}"

    def reads(self) -> Iterator[str]:
        yield from (f"measure:{self.first.id}", f"measure:{self.second.id}", "roles")

    def measures(self) -> Iterator[Measure]:
        yield from (self.first, self.second)


class MissedNode(Node):
    """`{missed: billing.invoice_paid, after: billing.payment_failed, for: 3d}`."""

    def __init__(self, source: dict[str, Any], atom: MissedAtom, wanted: Measure, after: Measure) -> None:
        super().__init__(source)
        self.wanted, self.after = wanted, after
        self.holds_for = atom.for_

    def _waiting_since(self, moment: Moment) -> Instant | None:
        """The oldest `after` that no `missed` has followed."""
        wanted = moment.profile.measures.get(self.wanted.id) or {}
        afters = moment.profile.measures.get(self.after.id) or {}
        waiting = [
            times[place]
            for key, times in afters.items()
            if (place := bisect_right(times, wanted.get(key, -1))) < len(times)
        ]
        oldest: Instant | None = min(waiting, default=None)
        return oldest

    def test(self, moment: Moment) -> Answer:
        since = self._waiting_since(moment)
        if since is None:
            return False, None
        matures = since + self.holds_for
        return (True, None) if moment.now >= matures else (False, matures)

    def saw(self, moment: Moment) -> Any:
        since = self._waiting_since(moment)
        return "nothing missed" if since is None else f"missed since {iso(since)}"

    def reads(self) -> Iterator[str]:
        yield from (f"measure:{self.wanted.id}", f"measure:{self.after.id}")

    def measures(self) -> Iterator[Measure]:
        yield from (self.wanted, self.after)


# ── from the atom to its node and measure ───────────────────────────────────────────────────────────────────────


def _longest(atom: Any) -> Duration | None:
    return atom.between[0] if atom.between else atom.in_


def count_node(source: dict[str, Any], atom: CountAtom) -> Node:
    """A count, with the cheapest measure that can answer it."""
    if atom.by is not None and atom.same is not None:
        raise ConditionRefused("count takes by or same, not both")
    window, types = _longest(atom), tuple(atom.count)
    keyed = "contact" if atom.by else atom.same
    step = resolution(window) if window else 0
    measure: Measure = (
        Total(types, atom.where, keyed, 0) if window is None else Tally(types, atom.where, keyed, step)
    )
    measure.look_back(window)
    return CountNode(source, atom, measure.named(), step)


def amount_node(source: dict[str, Any], atom: Any, word: str) -> Node:
    """A sum, an average, a smallest or largest."""
    window = _longest(atom)
    step = resolution(window) if window else DAY
    types = tuple(getattr(atom, word))
    measure = Amounts(types, atom.where, "contact" if atom.by else None, step, atom.of)
    measure.look_back(window)
    return AmountNode(source, atom, measure.named(), step, word)


def distinct_node(source: dict[str, Any], atom: DistinctAtom) -> Node:
    """How many different values."""
    if atom.by is not None:
        raise ConditionRefused("distinct does not take by: count people with of: contact")
    window, types = _longest(atom), tuple(atom.distinct)
    step = resolution(window) if window else 0
    measure: Measure = (
        Total(types, atom.where, atom.of, 0) if window is None else Tally(types, atom.where, atom.of, step)
    )
    measure.look_back(window)
    return DistinctNode(source, atom, measure.named(), step)


def change_node(source: dict[str, Any], atom: ChangeAtom) -> Node:
    """A change against the usual."""
    span = atom.in_ + atom.against
    step = resolution(span)
    measure = Tally(tuple(atom.change), atom.where, "contact" if atom.by else None, step)
    measure.look_back(span + atom.in_)
    return ChangeNode(source, atom, measure.named(), step)


def regular_node(source: dict[str, Any], atom: RegularAtom) -> Node:
    """A habit."""
    span = atom.every * atom.of
    step = resolution(span)
    measure = Tally(tuple(atom.regular), atom.where, "contact" if atom.by else None, step)
    measure.look_back(span)
    return RegularNode(source, atom, measure.named(), step)


def latest_node(source: dict[str, Any], atom: LatestAtom) -> Node:
    """What the most recent event is like."""
    return LatestNode(
        source, atom, Latest(tuple(atom.latest), atom.where, "contact" if atom.by else None).named()
    )


def absent_node(source: dict[str, Any], atom: AbsentAtom) -> Node:
    """Nothing for so long."""
    return AbsentNode(
        source, atom, Last(tuple(atom.absent), atom.where, "contact" if atom.by else None).named()
    )


def sequence_node(source: dict[str, Any], atom: SequenceAtom) -> Node:
    """One followed by another."""
    if atom.by is not None and atom.same is not None:
        raise ConditionRefused("sequence takes by or same, not both")
    keyed = "contact" if atom.by else atom.same
    first, second = (Instants((event_type,), {}, keyed) for event_type in atom.sequence)
    for measure in (first, second):
        measure.look_back(atom.in_ + atom.within)
    return SequenceNode(source, atom, first.named(), second.named())


def missed_node(source: dict[str, Any], atom: MissedAtom) -> Node:
    """Something that should have followed."""
    if atom.by is not None:
        raise ConditionRefused("missed does not take by")
    wanted = Last(tuple(atom.missed), {}, atom.same).named()
    after = Instants(tuple(atom.after), {}, atom.same)
    after.look_back(None)
    return MissedNode(source, atom, wanted, after.named())
