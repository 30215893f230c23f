"""What firings were worth: precision, recall, lead time, volume; and beside them what chance gives.

Precision is counted per firing, recall per outcome. A firing whose window reaches past the end of the history is left
out and counted: nobody knows yet. Chance is the share of account-weeks of the population that an outcome follows
within the window, of all weeks and of weeks of the age at which the firings happened: what a signal that looks at
nothing but the calendar would give. An account's weeks run from its `created_at`, so that ages compare.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from math import sqrt

from journeys.backtest.question import Question
from journeys.backtest.shares import Interval, Share, wilson
from journeys.backtest.trial import Life
from signals.instant import DAY, HOUR, WEEK, Instant

Span = tuple[Instant, Instant]
"""From the first instant up to, not including, the second."""

_MONDAY = 4 * DAY
"""1970-01-05, the first Monday of our count."""


class Row:
    """How one variant did. Sums only: its size does not grow with the accounts."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self.firings = self.accounts = self.silent = self.outside = self.near_the_end = 0
        self.weeks: Counter[int] = Counter()
        self.ages: Counter[int] = Counter()
        self.leads: Counter[int] = Counter()
        self.followed, self.caught = Share(), Share()

    def take(self, life: Life, firings: list[Instant], outcomes: list[Instant], silent: int) -> None:
        """One account: its firings, and the outcomes at it that count."""
        asked = self._question
        told = [at for at in firings if asked.since is None or at >= asked.since]
        self.silent += silent
        self.firings += len(told)
        self.accounts += bool(told)
        self.weeks.update((at - _MONDAY) // WEEK for at in told)
        if asked.outcome is None:
            return
        inside = [at for at in told if life.is_inside(at)]
        judged = [at for at in inside if at + asked.within <= asked.until]
        self.outside += len(told) - len(inside)
        self.near_the_end += len(inside) - len(judged)
        self.ages.update((at - life.created_at) // WEEK for at in judged)
        self.followed.add(len(judged), sum(_followed(at, life.outcomes, asked.within) for at in judged))
        warned = [(at, _first_since(inside, at, asked.within)) for at in outcomes]
        leads = [at - first for at, first in warned if first is not None]
        self.caught.add(len(outcomes), len(leads))
        self.leads.update(lead // HOUR for lead in leads)


def _followed(at: Instant, outcomes: list[Instant], within: int) -> bool:
    """Whether an outcome comes after the firing, not with it, and within the window."""
    place = bisect_right(outcomes, at)
    return place < len(outcomes) and outcomes[place] <= at + within


def _first_since(firings: list[Instant], outcome: Instant, within: int) -> Instant | None:
    """The first firing in the window before the outcome: how early one could have known."""
    place = bisect_left(firings, outcome - within)
    return firings[place] if place < len(firings) and firings[place] < outcome else None


class Scores:
    """All variants of a trial, and chance."""

    def __init__(self, question: Question, variants: int) -> None:
        self.question = question
        self.rows = [Row(question) for _ in range(variants)]
        self.chance = Chance()
        self.accounts = self.events = self.felt = self.outcomes = self.outcomes_outside = 0
        self.first: Instant | None = None

    def take_all(
        self, lives: Iterable[Life | None], progress: Callable[[int], None], enough: Callable[[], bool]
    ) -> bool:
        """What every account's history came to, each asked for when the one before has been counted.

        `progress(events)` is told after each, `enough()` asked. Answers whether all were taken.
        """
        for life in lives:
            self.take(life)
            progress(self.events)
            if enough():
                return False
        return True

    def take(self, life: Life | None) -> None:
        """What one account's history came to."""
        if life is None:
            return
        self.accounts += 1
        self.events += life.events
        self.felt += life.felt
        self.first = life.first if self.first is None else min(self.first, life.first)
        since = life.first if self.question.since is None else self.question.since
        told = [at for at in life.outcomes if at >= since]
        outcomes = [at for at in told if life.is_inside(at - 1)]
        self.outcomes += len(outcomes)
        self.outcomes_outside += len(told) - len(outcomes)
        for row, firings, silent in zip(self.rows, life.firings, life.silent, strict=True):
            row.take(life, firings, outcomes, silent)
        if self.question.outcome is not None:
            self._take_chance(life, max(since, life.first))

    def _take_chance(self, life: Life, since: Instant) -> None:
        """Every week the account was one of the population, and those that an outcome followed."""
        within = self.question.within
        judged = (since, self.question.until - within + 1)
        inside = list(_common(life.inside, [judged]))
        ahead = _merged((at - within, at) for at in life.outcomes)
        self.chance.take(life.created_at, inside, _common(inside, ahead))

    @property
    def weeks(self) -> float:
        """How long was counted, in weeks."""
        begun = self.first if self.question.since is None else self.question.since
        return 0.0 if begun is None else max(0, self.question.until - begun) / WEEK


class Chance:
    """Account-weeks and how many of them an outcome followed, in all and by the account's age in weeks."""

    def __init__(self) -> None:
        self.share = Share()
        self._weeks: Counter[int] = Counter()
        self._hits: Counter[int] = Counter()

    def take(self, created_at: Instant, inside: Iterable[Span], followed: Iterable[Span]) -> None:
        """One account's spans, and the parts of them from which an outcome was near."""
        weeks = sum(_count(self._weeks, created_at, span) for span in inside)
        self.share.add(weeks, sum(_count(self._hits, created_at, span) for span in followed))

    def at_ages(self, ages: Mapping[int, int], z: float) -> Interval | None:
        """What chance gives at these ages (how many firings of each); None where no week of such an age was seen.

        An account brings one week of each age at most, so weeks of one age are independent; the errors of different
        ages are added up as if they always went together, which can only widen the interval.
        """
        weeks, hits = _summed(self._weeks), _summed(self._hits)
        known = {age: many for age, many in ages.items() if weeks.get(age)}
        total = sum(known.values())
        if not total:
            return None
        rates = {age: hits.get(age, 0) / weeks[age] for age in known}
        rate = sum(rates[age] * many for age, many in known.items()) / total
        error = sum(_error(hits.get(age, 0), weeks[age]) * many for age, many in known.items()) / total
        smooth = max(
            rate * (1 - rate), error**2
        )  # a rate of 0 or 1 is worth no more than one trial of its error
        return wilson(rate, smooth / error**2, z)


def _error(hits: int, trials: int) -> float:
    """The standard error of a rate, by Jeffreys' estimate of it: above 0 even where all or none were hits."""
    rate = (hits + 0.5) / (trials + 1)
    return sqrt(rate * (1 - rate) / trials)


def _count(counted: Counter[int], created_at: Instant, span: Span) -> int:
    """Note the whole weeks since `created_at` that lie in the span, as where they begin and end; answers how many."""
    first, after = (-((created_at - at) // WEEK) for at in span)  # rounded up
    if after > first:
        counted[first] += 1
        counted[after] -= 1
    return max(0, after - first)


def _summed(counted: Counter[int]) -> dict[int, int]:
    """How many accounts there were at each age."""
    found: dict[int, int] = {}
    running = 0
    for age in range(min(counted, default=0), max(counted, default=-1) + 1):
        running += counted[age]
        found[age] = running
    return found


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that meet made one."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _common(some: Iterable[Span], others: list[Span]) -> Iterable[Span]:
    """What lies in both."""
    for start, end in some:
        for begin, stop in others:
            if max(start, begin) < min(end, stop):
                yield max(start, begin), min(end, stop)
