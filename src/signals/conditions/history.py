"""Atoms on the course of things: change, habit, the latest, absence, sequence, what was missed."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from signals.conditions.atoms import (
    AbsentAtom,
    LatestAtom,
    MissedAtom,
    RegularAtom,
    SequenceAtom,
)
from signals.conditions.node import Answer, Moment, soonest
from signals.conditions.windows import MeasureNode
from signals.instant import DAY, Duration, Instant, iso
from signals.measures import Measure, leaves_window, tally_at
from signals.operators import MISSING, numeric_predicate
from signals.pairs import Unanswered
from signals.profile import holders
from signals.sieve import Code, Guard, when


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
        holds = sum(map(self.matches, blocks)) >= self.in_at_least and not self.vacant(moment)
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

    def __init__(
        self, source: dict[str, Any], atom: LatestAtom, measure: Measure, of_journey: bool = False
    ) -> None:
        super().__init__(source, measure, atom.by, of_journey)

    def _newest(self, moment: Moment) -> Any:
        return max(self.state(moment).values(), default=None)

    def surely(self, holds: bool, code: Code) -> Guard | None:
        if self.measure.keyed is not None:
            return None
        state = code.state(self.measure)
        return when(f"{state} is not None and {state}[3]" if holds else f"{state} is None or not {state}[3]")

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

    def counts_from(self, moment: Moment) -> Instant | None:
        """From when the absence is counted; None where nobody is in the role."""
        if self.role is None:
            last: Instant = moment.profile.measures.get(self.measure.id, moment.profile.created_at)
            return last
        state = moment.profile.measures.get(self.measure.id) or {}
        people = moment.profile.contacts
        lasts = [  # a new holder counts from max(role since, first seen), whatever they did before
            max(state.get(span.contact, people[span.contact].first_seen), span.since)
            for span in holders(moment.profile, self.role, moment.now)
        ]
        return max(lasts, default=None)

    def test(self, moment: Moment) -> Answer:
        last = self.counts_from(moment)
        until = self._role_until(moment)
        if last is None:
            return False, until
        matures = last + self.holds_for
        return (True, until) if moment.now >= matures else (False, soonest(until, matures))

    def surely(self, holds: bool, code: Code) -> Guard | None:
        if self.role is not None:
            return None
        last = code.let(("last", self.measure.id), f"m.get({self.measure.id}, profile.created_at)")
        matures = f"{last} + {self.holds_for}"
        return when(f"now >= {matures}") if holds else Guard(f"{matures} if now < {matures} else 0")

    def days(self, moment: Moment) -> tuple[Any, Instant | None]:
        """The whole days since the last one, MISSING where nobody is in the role, and until when they stand."""
        last, until = self.counts_from(moment), self._role_until(moment)
        if last is None:
            return MISSING, until
        days = max(0, moment.now - last) // DAY
        return days, soonest(until, last + (days + 1) * DAY)

    def saw(self, moment: Moment) -> Any:
        last = self.counts_from(moment)
        return "nobody in the role" if last is None else f"none since {iso(last)}"

    def reads(self) -> Iterator[str]:
        yield from super().reads()
        yield from ("attribute:created_at", "contacts")


class SequenceNode(MeasureNode):
    """`{sequence: [trial.started, project.created], within: 3d, in: 30d}`: the second strictly later."""

    def __init__(self, source: dict[str, Any], atom: SequenceAtom, measure: Measure) -> None:
        super().__init__(source, measure, atom.by)
        self.window = atom.in_

    def _followed(self, moment: Moment) -> Instant | None:
        """The newest first event in the window that was followed in time."""
        newest = max(
            (found for _, _, found in self.state(moment).values() if found is not None), default=None
        )
        return newest if newest is not None and moment.now < leaves_window(newest, self.window) else None

    def test(self, moment: Moment) -> Answer:
        start, changes = self._followed(moment), self._role_until(moment)
        return (start is not None), changes if start is None else soonest(
            leaves_window(start, self.window), changes
        )

    def saw(self, moment: Moment) -> Any:
        start = self._followed(moment)
        return "not followed" if start is None else f"followed the one of {iso(start)}"


class MissedNode(MeasureNode):
    """`{missed: billing.invoice_paid, after: billing.payment_failed, for: 3d}`."""

    def __init__(self, source: dict[str, Any], atom: MissedAtom, measure: Unanswered) -> None:
        super().__init__(source, measure, None)
        self.answers, self.asks = measure.answers, measure.asks
        self.holds_for = atom.for_

    def counts_from(self, moment: Moment) -> Instant | None:
        """The oldest `after` that no `missed` has followed."""
        waiting = [entry[1] for entry in self.state(moment).values() if len(entry) > 1]
        oldest: Instant | None = min(waiting, default=None)
        return oldest

    def test(self, moment: Moment) -> Answer:
        since = self.counts_from(moment)
        if since is None:
            return False, None
        matures = since + self.holds_for
        return (True, None) if moment.now >= matures else (False, matures)

    def saw(self, moment: Moment) -> Any:
        since = self.counts_from(moment)
        return "nothing missed" if since is None else f"missed since {iso(since)}"
