"""Events of two kinds and what became of them: what was followed in time, what has been waited for in vain.

Both are exact for events in the order of their times, however many there are. For a late event they remember so
many of its kind before it (`PAIRED_WITH`, `WAITING_KEPT`, `ANSWERED_KEPT`).
"""

from bisect import bisect_left, bisect_right, insort
from typing import Any

from signals.event import Event
from signals.instant import Duration, Instant
from signals.matching import type_matches
from signals.measures import Measure

PAIRED_WITH = 64
"""Events of either kind, per key, that one which arrives late can still be paired with."""

WAITING_KEPT = 64
"""Unanswered events kept per key: the oldest, from which the time is counted, and the newest."""

ANSWERED_KEPT = 64
"""Keys without an unanswered event that are remembered: those answered last."""


class Followed(Measure):
    """Whether a first was followed by a second within some time: `[firsts, seconds, the newest first that was]`."""

    kind = "followed"

    def __init__(self, first: str, second: str, within: Duration, keyed: str | None) -> None:
        super().__init__((first, second), {}, keyed)
        self.first, self.second, self.within = first, second, within

    def spec(self) -> list[Any]:
        return [*super().spec(), self.first, self.second, self.within]

    def add(self, old: Any, event: Event, now: Instant) -> Any:
        firsts, seconds, followed = old or ([], [], None)
        at, found = event.time, []
        if type_matches(self.first, event.type):
            place = bisect_right(seconds, at)
            found += [at] if place < len(seconds) and seconds[place] - at <= self.within else []
        if type_matches(self.second, event.type):
            place = bisect_left(firsts, at)
            found += [firsts[place - 1]] if place and at - firsts[place - 1] <= self.within else []
            seconds = self._with(seconds, at, now)
        if type_matches(self.first, event.type):
            firsts = self._with(firsts, at, now)
        return [firsts, seconds, max(found if followed is None else [*found, followed], default=None)]

    def _with(self, times: list[Instant], at: Instant, now: Instant) -> list[Instant]:
        """One time more in its place, without those that nobody asks for any more."""
        known = list(times)
        insort(known, at)
        gone = 0 if self.keep is None else bisect_left(known, now - self.keep)
        return known[max(gone, len(known) - PAIRED_WITH) :]


class Unanswered(Measure):
    """What should have been followed by something and was not yet: `[the newest answer, unanswered since then, …]`."""

    kind = "unanswered"

    def __init__(self, answers: tuple[str, ...], asks: tuple[str, ...], keyed: str | None) -> None:
        super().__init__((*answers, *asks), {}, keyed)
        self.answers, self.asks = answers, asks
        self.look_back(None)
        self.named()

    def spec(self) -> list[Any]:
        return [*super().spec(), sorted(self.answers), sorted(self.asks)]

    def fold(self, state: Any, event: Event, now: Instant) -> Any:
        new = super().fold(state, event, now)
        if self.keyed is None or new is state or len(new) <= ANSWERED_KEPT:
            return new
        answered = sorted((entry[0], key) for key, entry in new.items() if len(entry) == 1)
        for _, key in answered[:-ANSWERED_KEPT]:
            del new[key]  # a new dict, nobody else's yet
        return new

    def add(self, old: Any, event: Event, now: Instant) -> Any:
        answer, *waiting = old or [None]
        at = event.time
        if any(type_matches(pattern, event.type) for pattern in self.answers):
            answer = at if answer is None else max(at, answer)
            waiting = waiting[bisect_right(waiting, answer) :]
        if any(type_matches(pattern, event.type) for pattern in self.asks) and (
            answer is None or at > answer
        ):
            insort(waiting, at)
            waiting = [*waiting[:1], *waiting[1:][1 - WAITING_KEPT :]]
        return [answer, *waiting]
