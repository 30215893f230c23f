"""Atoms on a number of a window: counts, amounts, distinct values, by the measures of the profile."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from decimal import Decimal
from math import ceil, floor
from typing import Any

from signals.attributes import account_value, tokens
from signals.conditions.ages import newest
from signals.conditions.atoms import CountAtom, DistinctAtom
from signals.conditions.node import Answer, Moment, Node, soonest
from signals.conditions.states import plain, role_changes
from signals.instant import Duration, Instant
from signals.measures import ALL, NOT_TEXT, Measure, tally_at
from signals.operators import MISSING, is_number, numeric_predicate, ratio
from signals.profile import holders
from signals.sieve import WAIT, Code, Guard, when


class MeasureNode(Node):
    """An atom on one measure; `by: role` keeps it per contact and asks who holds the role now, `$key` per journey."""

    def __init__(
        self, source: dict[str, Any], measure: Measure, role: str | None, of_journey: bool = False
    ) -> None:
        super().__init__(source)
        self.measure = measure
        self.role = role
        self.of_journey = of_journey

    def state(self, moment: Moment) -> dict[str, Any]:
        """The measure's state, of the role's holders only where `by` is set."""
        state = self.measure.entries(moment.profile.measures.get(self.measure.id))
        if self.of_journey:
            text = moment.key or ""
            return {key: state[key]} if (key := text) in state or (key := NOT_TEXT + text) in state else {}
        if self.role is None:
            return state
        people = [span.contact for span in holders(moment.profile, self.role, moment.now)]
        return {person: state[person] for person in people if person in state}

    def as_of(self, moment: Moment) -> Instant | None:
        return newest(self.measure, self.state(moment).values())

    def vacant(self, moment: Moment) -> bool:
        """Nobody is in the role of `by`: then the atom does not hold, whatever it asks (definitions, small rules)."""
        return self.role is not None and not holders(moment.profile, self.role, moment.now)

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
        of_journey: bool = False,
    ) -> None:
        super().__init__(source, measure, role, of_journey)
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
        return self._divided(self.number(moment), moment)

    def _divided(self, number: Any, moment: Moment) -> Any:
        if self.divisor is None or number is MISSING:
            return number
        by, _ = account_value(moment.profile, self.divisor, moment.now)
        return ratio(number, by)

    def _crossing(self) -> tuple[bool, bool, float] | None:
        """For one comparison of a number that only falls by itself: (true when many, strictly, threshold)."""
        word, threshold = next(iter(self.words.items()))
        if len(self.words) != 1 or word not in ("gte", "gt", "lt", "lte") or self.near is not None:
            return None
        return word in ("gte", "gt"), word in ("gte", "lt"), threshold

    crossing: tuple[bool, bool, float] | None = None
    """What `_crossing` says, where the number is one that only falls by itself."""

    def surely(self, holds: bool, code: Code) -> Guard | None:
        """Few, and more come only with events."""
        if self.crossing is None or self.crossing[0] is holds or self.divisor is not None:
            return None
        _, strictly, threshold = self.crossing
        return code.below(self.counted(code), threshold, strictly=strictly)

    def lasts(self, holds: bool, code: Code) -> Guard | None:
        """Many, and events only make them leave later."""
        if self.crossing is None or self.crossing[0] is not holds or self.divisor is not None:
            return self.surely(holds, code)
        _, strictly, threshold = self.crossing
        many = f"{self.counted(code)} {'>=' if strictly else '>'} {code.constant(threshold)}"
        return when(many) if self.far is None else Guard(f"{WAIT} if {many} else 0")

    def counted(self, code: Code) -> str:
        """The name of the number in a sieve, asked of those with a `crossing`."""
        raise NotImplementedError  # abstract: counts, sums and distinct values define it

    def buckets(self, state: Any) -> list[int]:
        """One key's buckets."""
        found: list[int] = state[0]
        return found

    def until(self, moment: Moment, holds: bool) -> Instant | None:
        """The next instant at which a bucket leaves, a role changes hands or the divisor moves: early at worst."""
        return soonest(
            soonest(self._next_edge(moment), self._role_until(moment)), self._divisor_until(moment)
        )

    def _divisor_until(self, moment: Moment) -> Instant | None:
        """When the divisor changes by itself: tenure does."""
        if self.divisor is None:
            return None
        return account_value(moment.profile, self.divisor, moment.now)[1]

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
        number = self.number(moment)
        if number is MISSING or self.vacant(moment):
            return False, self.until(moment, False)
        holds = self.matches(self._divided(number, moment))
        return holds, self.until(moment, holds)

    def saw(self, moment: Moment) -> Any:
        value = self.value(moment)
        return float(value) if isinstance(value, Decimal) else plain(value)

    def reads(self) -> Iterator[str]:
        yield from super().reads()
        if self.divisor is not None:
            yield from tokens(self.divisor[0])


class CountNode(WindowNode):
    """`{count: support.ticket_opened, in: 7d, gte: 3}`: one bisect, and one more for the exact crossing."""

    def __init__(
        self,
        source: dict[str, Any],
        atom: CountAtom,
        measure: Measure,
        step: Duration,
        of_journey: bool = False,
    ) -> None:
        super().__init__(source, atom, measure, step, atom.by, of_journey)
        self.same = atom.same is not None
        countable = measure.keyed is None and self.divisor is None
        self.crossing = self._crossing() if countable else None

    def test(self, moment: Moment) -> Answer:
        """A plain count against one threshold is what most conditions are: answered without a detour."""
        if self.crossing is None:
            return super().test(moment)
        state = moment.profile.measures.get(self.measure.id)
        if state is None or self.far is None:
            return self.matches(state or 0), None
        buckets, totals = state
        total, first = totals[-1], (moment.now - self.far) // self.step
        gone = bisect_left(buckets, first) if buckets[0] < first else 0
        holds = self.matches(total - totals[gone])
        true_when_many, strict, threshold = self.crossing
        if holds is not true_when_many:
            return holds, None  # a count only falls by itself
        still = total - threshold  # as many may have left and it holds all the same
        place = bisect_right(totals, still, 1) if strict else bisect_left(totals, still, 1)
        return holds, ((buckets[place - 1] + 1) * self.step + self.far if place < len(totals) else None)

    def counted(self, code: Code) -> str:
        """The name of the count in a sieve."""
        if self.far is None:
            return code.let(("count", self.measure.id), f"{code.state(self.measure)} or 0")
        buckets, totals = code.series(self.measure)
        total = code.let(("total", self.measure.id), f"{totals}[-1]")
        gone = f"{totals}[bisect_left({buckets}, {code.ago(self.far, self.step)})]"
        return code.let(("count", self.measure.id, self.far), f"{total} - {gone}")

    def _of_key(self, state: Any, now: Instant) -> int:
        if self.far is None:
            return int(state or 0)
        counted = tally_at(state, (now - self.far) // self.step - 1)
        return counted if self.near is None else counted - tally_at(state, (now - self.near) // self.step - 1)

    def number(self, moment: Moment) -> Any:
        state = self.state(moment)
        if self.measure.keyed is None:
            return self._of_key(state.get(ALL), moment.now)
        counts = [self._of_key(entry, moment.now) for entry in state.values()]
        return max(counts, default=0) if self.same else sum(counts)


class DistinctNode(WindowNode):
    """`{distinct: product.feature_used, of: feature, in: 28d, lt: 3}`: how many values have any event in the window."""

    def __init__(self, source: dict[str, Any], atom: DistinctAtom, measure: Measure, step: Duration) -> None:
        super().__init__(source, atom, measure, step, None)
        self.crossing = self._crossing()

    def test(self, moment: Moment) -> Answer:
        """A plain number against one threshold: answered from when each value was last seen."""
        if self.divisor is not None or self.crossing is None or self.far is None:
            return super().test(moment)
        state = moment.profile.measures.get(self.measure.id) or {}
        lasts = sorted([kept[0][-1] for kept in state.values()])
        gone = bisect_left(lasts, (moment.now - self.far) // self.step)
        holds = self.matches(len(lasts) - gone)
        true_when_many, strict, threshold = self.crossing
        if holds is not true_when_many:
            return holds, None  # the number only falls by itself
        fewest = ceil(threshold) if strict else floor(threshold) + 1
        return holds, (lasts[-fewest] + 1) * self.step + self.far if fewest > 0 else None

    def until(self, moment: Moment, holds: bool) -> Instant | None:
        """Values leave with their last bucket: the crossing is the instant at which too few (or few enough) are left."""
        if self.divisor is None or self.crossing is None or self.far is None:
            return super().until(moment, holds)
        true_when_many, strict, threshold = self.crossing
        moves = self._divisor_until(moment)
        if holds is not true_when_many:
            return moves  # the number only falls by itself
        factor, _ = account_value(moment.profile, self.divisor, moment.now)
        if not is_number(factor) or factor <= 0:
            return super().until(moment, holds)
        first = (moment.now - self.far) // self.step
        lasts = sorted(
            state[0][-1] for state in self.state(moment).values() if state[0] and state[0][-1] >= first
        )
        for place, last in enumerate(lasts):
            left = (len(lasts) - place - 1) / factor
            if left < threshold if strict else left <= threshold:
                return soonest((last + 1) * self.step + self.far, moves)
        return moves

    def counted(self, code: Code) -> str:
        """The name of the number in a sieve."""
        state = code.state(self.measure)
        if self.far is None:
            return code.let(("values", self.measure.id), f"len({state} or ())")
        last = f"sorted([kept[0][-1] for kept in {state}.values()]) if {state} is not None else ()"
        last = code.let(("lasts", self.measure.id), last)
        inside = f"len({last}) - bisect_left({last}, {code.ago(self.far, self.step)})"
        return code.let(("values", self.measure.id, self.far), inside)

    def number(self, moment: Moment) -> Any:
        if self.far is None:
            return len(self.state(moment))
        cutoff = (moment.now - self.far) // self.step - 1
        near = None if self.near is None else (moment.now - self.near) // self.step - 1
        return sum(
            tally_at(state, cutoff) - (0 if near is None else tally_at(state, near)) > 0
            for state in self.state(moment).values()
        )
