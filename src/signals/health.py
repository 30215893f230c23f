"""Health: a score of weighted measures, bands, flags that cap the band, and when any of it changes next (semantics §4)."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from signals.conditions import Moment, Node, compile_condition
from signals.conditions.numbers import Number
from signals.conditions.scores import HEALTH
from signals.definitions import Flag, HealthMeasure, HealthRules
from signals.event import Event
from signals.instant import LATEST, Duration, Instant
from signals.ledger import Entry, entries
from signals.profile import Profile
from signals.score import BANDS, TREND, Band, Health, Points, Standing, half_up
from signals.watches import Sight, Watch

STEPS_AHEAD = 16
"""How many changes of a number or flag are looked through for one that changes the score; beyond, `until` is early."""


class Gauge:
    """One measure, compiled: the points its number is worth now."""

    def __init__(self, measure: HealthMeasure) -> None:
        self.measure, self.key, self.weight = measure, measure.key, measure.weight
        self.number = Number(measure.value, measure.known_for)
        self._if_missing = 0.0 if measure.missing == "zero" else None
        self._numbers = [number for number, _ in measure.map]
        self._points = [float(points) for _, points in measure.map]
        self._slopes = [(high - low) / (right - left) for (left, low), (right, high) in pairwise(measure.map)]

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
    """All a score is made of, at one instant: values and points by measure, the flags that hold; None: unknown."""

    values: list[float | None]
    points: list[Points]
    flags: list[bool | None]


class Scorecard:
    """A health definition, compiled."""

    def __init__(self, rules: HealthRules) -> None:
        self.rules = rules
        self.gauges = [Gauge(measure) for measure in rules.measures]
        self._weights = [gauge.weight for gauge in self.gauges]
        self.flags: list[tuple[Flag, Node]] = [(flag, compile_condition(flag.when)) for flag in rules.flags]

    def read(self, moment: Moment) -> tuple[Sheet, list[Instant | None]]:
        """The sheet now, and for each measure, then each flag, until when that part of it stands."""
        values, points, flags, stands = [], [], [], []
        for gauge in self.gauges:
            value, until = gauge.number.read(moment)
            values.append(value)
            points.append(gauge.points(value))
            stands.append(until)
        for _, node in self.flags:
            holds, until = node.test(moment)
            flags.append(holds)
            stands.append(until)
        return Sheet(values, points, flags), stands

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

    def next_turn(
        self, profile: Profile, sheet: Sheet, stands: Sequence[Instant | None], now: Instant
    ) -> Instant | None:
        """The next instant at which score, band or flags change by themselves; early at worst (`STEPS_AHEAD`).

        `stands` says until when each part of the sheet stands. What lies behind the instant at which the profile is
        looked at anyway, nobody needs to know yet.
        """
        horizon = profile.look_at if profile.look_at is not None and profile.look_at > now else LATEST
        if not any(stands):
            return None
        ahead = _Ahead(self, sheet, stands)
        for _ in range(STEPS_AHEAD):
            at = ahead.next()
            if at is None or at >= horizon or ahead.turns(Moment(profile, at)):
                return at
        return at


class _Ahead:
    """A sheet moved from one change of its parts to the next, to find the one that turns the score or a flag."""

    def __init__(self, card: Scorecard, sheet: Sheet, stands: Sequence[Instant | None]) -> None:
        self._card, self._flags = card, sheet.flags
        self._score = card.score(sheet.points)
        self._points = list(sheet.points)
        self._stands = {place: until for place, until in enumerate(stands) if until is not None}

    def next(self) -> Instant | None:
        """When the next part changes."""
        return min(self._stands.values(), default=None)

    def turns(self, moment: Moment) -> bool:
        """Move all parts that change at this instant; whether score or flags are others then."""
        turned = moved = False
        for place in [place for place, until in self._stands.items() if until <= moment.now]:
            if place < len(self._points):
                gauge = self._card.gauges[place]
                value, stands = gauge.number.read(moment)
                points = gauge.points(value)
                moved = moved or points != self._points[place]
                self._points[place] = points
            else:
                flag = place - len(self._points)
                holds, stands = self._card.flags[flag][1].test(moment)
                turned = turned or holds is not self._flags[flag]
            if stands is None:
                del self._stands[place]
            else:  # an `until` that is not ahead would never let time pass
                self._stands[place] = max(stands, moment.now + 1)
        return turned or (moved and self._card.score(self._points) != self._score)


class HealthWatch(Watch):
    """Keeps the account's score, its past, and the ledger that explains it."""

    def __init__(self, rules: HealthRules, keep: Duration = 0) -> None:
        """`keep`: how far back scores are to be remembered, at least as far as the trend looks."""
        self.card, self.keep = Scorecard(rules), max(keep, TREND)
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
        return self._standings(self.card.read(moment)[0])

    def _standings(self, sheet: Sheet) -> list[Standing]:
        parts = zip(self.card.gauges, sheet.values, sheet.points, strict=True)
        return [Standing(gauge.key, gauge.weight, value, points) for gauge, value, points in parts]

    def settle(self, sight: Sight) -> Instant | None:
        profile = sight.profile
        before = profile.health or Health(self.card.rules.version)
        sheet, stands = self.card.read(sight.moment)
        score, flags = self.card.score(sheet.points), self._flags(before, sheet, sight.now)
        band = self.card.band(score, [flag.key in flags for flag, _ in self.card.flags])
        if profile.health is None or self._differs(before, score, band, flags):
            after = self._after(before, sheet, sight.now, score, band, flags)
            told = entries(profile.id, sight.now, before, after)
            profile.health = msgspec.structs.replace(after, told=before.told + len(told))
            sight.ledger += told
            sight.touched.add(HEALTH)
        return self.card.next_turn(profile, sheet, stands, sight.now)

    def _flags(self, before: Health, sheet: Sheet, now: Instant) -> dict[str, Instant]:
        """The flags that hold, with since when; one of which nothing is known stands as it stood."""
        return {
            flag.key: before.flags.get(flag.key, now)
            for (flag, _), holds in zip(self.card.flags, sheet.flags, strict=True)
            if (flag.key in before.flags if holds is None else holds)
        }

    def _differs(
        self, before: Health, score: int | None, band: Band | None, flags: dict[str, Instant]
    ) -> bool:
        found = (before.version, before.score, before.band, before.flags)
        return found != (self.card.rules.version, score, band, flags)

    def _after(
        self,
        before: Health,
        sheet: Sheet,
        now: Instant,
        score: int | None,
        band: Band | None,
        flags: dict[str, Instant],
    ) -> Health:
        version = self.card.rules.version
        times, scores = before.times, before.scores
        if before.version != version:
            times, scores = [now], [score]  # another definition's scores are no measure for this one's
        elif not times or before.score != score:
            times, scores = before.later(now, score, self.keep)
        return Health(version, score, band, self._standings(sheet), flags, times, scores)
