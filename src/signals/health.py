"""Health: a score of weighted measures, bands, flags that cap the band, and when any of it changes next (semantics §4)."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from signals.conditions import Moment, compile_condition
from signals.conditions.doubt import unsure
from signals.conditions.node import soonest
from signals.conditions.numbers import Number
from signals.conditions.scores import HEALTH
from signals.definitions import HealthMeasure, HealthRules
from signals.event import Event
from signals.freshness import Promises
from signals.instant import Duration, Instant
from signals.ledger import Entry, entries
from signals.profile import Profile
from signals.score import BANDS, TREND, Band, Health, Points, Standing, half_up
from signals.settling import Sight, Watch

STEPS_AHEAD = 16
"""How many changes of a number or flag are looked through for one that changes the score; beyond, `until` is early."""

STEPS_AT_EVENTS = 4
"""The same where an event asks: the next one asks again, and few accounts are silent until then."""


Part = tuple[float | None, Points, Instant | None]
"""Of a measure its value, its points, and until when they stand."""


class Gauge:
    """One measure, compiled: the points its number is worth now."""

    def __init__(self, measure: HealthMeasure, promises: Promises | None = None) -> None:
        self.key, self.weight = measure.key, measure.weight
        self.number = Number(measure.value, measure.known_for)
        self.doubt = unsure(self.number.node, promises)
        self._if_missing = 0.0 if measure.missing == "zero" else None
        self._numbers = [number for number, _ in measure.map]
        self._points = [float(points) for _, points in measure.map]
        self._slopes = [(high - low) / (right - left) for (left, low), (right, high) in pairwise(measure.map)]

    def read(self, moment: Moment, stood: Standing | None) -> Part:
        """The measure now; while a silent feed makes it unknown, it stays as it stood."""
        again = None
        if self.doubt is not None:
            unknown, again = self.doubt.doubts(moment)
            if unknown:
                return (None, None, again) if stood is None else (stood.value, stood.points, again)
        value, until = self.number.read(moment)
        return value, self.points(value), until if again is None else soonest(until, again)

    def points(self, value: float | None) -> Points:
        """The map's points for a number, those of its ends beyond them; by policy where it is missing."""
        if value is None:
            return self._if_missing
        place = bisect_right(self._numbers, value)
        if not place:
            return self._points[0]
        if place == len(self._numbers):
            return self._points[-1]
        return self._points[place - 1] + (value - self._numbers[place - 1]) * self._slopes[place - 1]


class Sheet(NamedTuple):
    """All a score is made of at one instant: by measure the value and its points, by flag whether it holds (None:
    unknown). `stands` says until when each measure, then each flag, is as it is.
    """

    values: list[float | None]
    points: list[Points]
    flags: list[bool | None]
    stands: list[Instant | None]


class Scorecard:
    """A health definition, compiled; `promises` are what its measures and flags doubt by."""

    def __init__(self, rules: HealthRules, promises: Promises | None = None) -> None:
        self.rules = rules
        self.gauges = [Gauge(measure, promises) for measure in rules.measures]
        self._weights = [gauge.weight for gauge in self.gauges]
        self._doubts = any(gauge.doubt is not None for gauge in self.gauges)
        self.flags = [(flag, compile_condition(flag.when, promises)) for flag in rules.flags]

    def read(self, moment: Moment) -> Sheet:
        """The sheet now."""
        known = self.stood(moment.profile)
        sheet = Sheet([], [], [], [])
        for gauge in self.gauges:
            value, points, until = gauge.read(moment, known.get(gauge.key))
            sheet.values.append(value)
            sheet.points.append(points)
            sheet.stands.append(until)
        for _, node in self.flags:
            holds, until = node.test(moment)
            sheet.flags.append(holds)
            sheet.stands.append(until)
        return sheet

    def standings(self, sheet: Sheet) -> list[Standing]:
        """The measures of the sheet by key."""
        parts = zip(self.gauges, sheet.values, sheet.points, strict=True)
        return [Standing(gauge.key, gauge.weight, value, points) for gauge, value, points in parts]

    def stood(self, profile: Profile) -> dict[str, Standing]:
        """How the measures stood when the score changed last, for those of which nothing may be known."""
        health = profile.health
        return {} if health is None or not self._doubts else {one.key: one for one in health.measures}

    def score(self, points: Iterable[Points]) -> int | None:
        """The weighted mean of the points that count, rounded half up at the end; None where none count."""
        total, summed = 0.0, 0.0
        for weight, each in zip(self._weights, points, strict=True):
            if each is not None:
                total += weight
                summed += weight * each
        return half_up(summed / total) if total else None

    def band(self, score: int | None, flags: Sequence[bool | None]) -> Band | None:
        """The band of a score, no better than the cap of any flag that holds."""
        if score is None:
            return None
        caps: list[Band] = [flag.cap for (flag, _), holds in zip(self.flags, flags, strict=True) if holds]
        return min((self.rules.bands.of(score), *caps), key=BANDS.index)

    def next_turn(self, moment: Moment, sheet: Sheet, steps: int = STEPS_AHEAD) -> Instant | None:
        """The next instant at which score, band or flags change by themselves; early where it lies `steps` ahead."""
        at, ahead = None, _Ahead(self, sheet, self.stood(moment.profile))
        for _ in range(steps):
            at = ahead.next()
            if at is None or ahead.turns(moment._replace(now=at)):
                return at
        return at


class _Ahead:
    """A sheet moved from one change of its parts to the next, to find the one that turns the score or a flag."""

    def __init__(self, card: Scorecard, sheet: Sheet, stood: dict[str, Standing]) -> None:
        self._card, self._flags, self._stood = card, sheet.flags, stood
        self._points = list(sheet.points)
        self._score = card.score(self._points)
        self._stands = {place: until for place, until in enumerate(sheet.stands) if until is not None}

    def next(self) -> Instant | None:
        """When the next part changes."""
        return min(self._stands.values(), default=None)

    def turns(self, moment: Moment) -> bool:
        """Move all parts that change at this instant; whether score or flags are others then."""
        turned = moved = False
        stands, points = self._stands, self._points
        for place in [place for place, until in stands.items() if until <= moment.now]:
            if place < len(points):
                gauge = self._card.gauges[place]
                _, found, until = gauge.read(moment, self._stood.get(gauge.key))
                moved = moved or found != points[place]
                points[place] = found
            else:
                holds, until = self._card.flags[place - len(points)][1].test(moment)
                turned = turned or holds is not self._flags[place - len(points)]
            if until is None:
                del stands[place]
            else:  # an `until` that is not ahead would never let time pass
                stands[place] = max(until, moment.now + 1)
        return turned or (moved and self._card.score(points) != self._score)


class HealthWatch(Watch):
    """Keeps the account's score, its past, and the ledger that explains it."""

    def __init__(self, rules: HealthRules, keep: Duration = 0, promises: Promises | None = None) -> None:
        """`keep`: how far back scores are to be remembered, at least as far as the trend looks."""
        self.card, self.keep = Scorecard(rules, promises), max(keep, TREND)
        numbers = [gauge.number for gauge in self.card.gauges]
        super().__init__(HEALTH, HEALTH, [*numbers, *(node for _, node in self.card.flags)])
        self._read_by = {gauge.key: frozenset(gauge.number.reads()) for gauge in self.card.gauges}

    def caused(self, told: Iterable[Entry], event: Event, touched: Collection[str] | None) -> list[Entry]:
        """The entries with the event that caused them: those of flags, and of measures that read what it touched.

        `touched` None: it is the first event of the account, and touches everything.
        """
        return [
            msgspec.structs.replace(entry, cause=event.id)
            if touched is None or entry.kind != "measure" or not self._read_by[entry.key].isdisjoint(touched)
            else entry
            for entry in told
        ]

    def standings(self, moment: Moment) -> list[Standing]:
        """How every measure stands at this moment."""
        return self.card.standings(self.card.read(moment))

    def settle(self, sight: Sight) -> Instant | None:
        profile, now = sight.profile, sight.now
        before = profile.health or Health(self.card.rules.version)
        sheet = self.card.read(sight.moment)
        score, flags = self.card.score(sheet.points), self._flags(before, sheet, now)
        band = self.card.band(score, [flag.key in flags for flag, _ in self.card.flags])
        known = (before.score, before.band, before.flags, before.version)
        if profile.health is None or known != (score, band, flags, self.card.rules.version):
            measures = self.card.standings(sheet)
            after = self._with_past(
                before, Health(self.card.rules.version, score, band, measures, flags), now
            )
            told = entries(profile.id, now, before, after)
            profile.health = msgspec.structs.replace(after, told=before.told + len(told))
            sight.ledger += told
            sight.touched.add(HEALTH)
        waits = (profile.waits or {}).get(self.id)
        asked_by_time = waits is None or waits <= now
        return self.card.next_turn(sight.moment, sheet, STEPS_AHEAD if asked_by_time else STEPS_AT_EVENTS)

    def _flags(self, before: Health, sheet: Sheet, now: Instant) -> dict[str, Instant]:
        """The flags that hold, with since when; one of which nothing is known stands as it stood."""
        return {
            flag.key: before.flags.get(flag.key, now)
            for (flag, _), holds in zip(self.card.flags, sheet.flags, strict=True)
            if (flag.key in before.flags if holds is None else holds)
        }

    def _with_past(self, before: Health, found: Health, now: Instant) -> Health:
        """With the scores before it, unless they are another definition's: those are no measure for this one's."""
        times, scores = before.times, before.scores
        if before.version != found.version:
            times, scores = [now], [found.score]
        elif not times or before.score != found.score:
            times, scores = before.later(now, found.score, self.keep)
        return msgspec.structs.replace(found, times=times, scores=scores)
