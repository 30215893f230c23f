"""Freshness: have the feeds that promised to speak been heard, and when were they silent for too long (semantics §3)?

A value, handed to evaluation with the profile: what was heard depends only on the set of a feed's events, so that
order, batches and several workers come to the same.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from signals.instant import Duration, Instant

SILENCES_KEPT = 1_000
"""Past silences remembered per feed; the oldest are forgotten first."""

Key: TypeAlias = tuple[str, Duration]
"""By what a promised feed is known: its source, and how often it is to speak."""


class Promise(msgspec.Struct, frozen=True):
    """How often a source is to speak, and which event types rest on it (policy `feeds`)."""

    source: str
    types: tuple[str, ...]
    every: Duration

    @property
    def key(self) -> Key:
        """Under which key what was heard is kept."""
        return self.source, self.every


class Promises:
    """All that the policies promise. `milestones` names the event types each milestone is derived from."""

    def __init__(
        self, made: Iterable[Promise], milestones: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.made = tuple(made)
        self.sources = frozenset(promise.source for promise in self.made)
        self._milestones = milestones or {}

    def on(self, types: Iterable[str]) -> tuple[Promise, ...]:
        """Those on any of these types or patterns."""
        wanted = tuple(types)
        return tuple(
            promise
            for promise in self.made
            if any(overlap(own, asked) for own in promise.types for asked in wanted)
        )

    def on_milestone(self, key: str) -> tuple[Promise, ...]:
        """Those on what could reach the milestone: the event that says so, and what it is derived from."""
        return self.on(("product.milestone_reached", *self._milestones.get(key, ())))


def overlap(pattern: str, other: str) -> bool:
    """Whether an event type could match both; `product.*` stands for every type that starts with `product.`."""
    if pattern.endswith("*") and other.endswith("*"):
        return pattern[:-1].startswith(other[:-1]) or other[:-1].startswith(pattern[:-1])
    if pattern.endswith("*"):
        return other.startswith(pattern[:-1])
    return pattern.startswith(other[:-1]) if other.endswith("*") else pattern == other


class Silence(NamedTuple):
    """A time for which a feed was silent for longer than promised: from its last event to the next (None: not yet)."""

    start: Instant
    end: Instant | None


class Heard(msgspec.Struct, frozen=True):
    """What was heard of one feed since the promise was made at `since`: the edges of its silences, not its events.

    `before` is the newest event up to then (None: it had never spoken, and is counted from `since`), `first` the
    oldest after it, `last` the newest; `gaps` are the silences in between that were longer than promised.
    """

    since: Instant
    before: Instant | None = None
    first: Instant | None = None
    last: Instant | None = None
    gaps: tuple[tuple[Instant, Instant], ...] = ()

    @property
    def newest(self) -> Instant:
        """From when its present silence is counted."""
        if self.last is not None:
            return self.last
        return self.since if self.before is None else self.before

    def after(self, times: Iterable[Instant], every: Duration) -> "Heard":
        """With events of these times heard too; the same events in any order come to the same."""
        before, first, last, gaps = self.before, self.first, self.last, self.gaps
        for time in times:
            if time <= self.since:
                before = time if before is None else max(before, time)
            elif first is None or last is None:
                first = last = time
            elif time > last:
                gaps = (*gaps, (last, time)) if time - last > every else gaps
                last = time
            elif time < first:
                gaps = ((time, first), *gaps) if first - time > every else gaps
                first = time
            elif gaps:
                gaps = _split(gaps, time, every)
        return Heard(self.since, before, first, last, gaps[-SILENCES_KEPT:])

    def silence(self, now: Instant, every: Duration) -> Silence | None:
        """The silence `now` lies in, once it has been longer than promised; one that is known to have ended says when."""
        if now < self.since:
            return None
        if now >= self.newest:
            return Silence(self.newest, None) if now - self.newest > every else None
        for start, end in reversed(self.closed(every)):
            if start <= now:
                return Silence(start, end) if start + every < now < end else None
        return None

    def closed(self, every: Duration) -> tuple[tuple[Instant, Instant], ...]:
        """All silences that have ended, in order: also the one before the first event."""
        if self.first is None:
            return ()
        begun = self.since if self.before is None else self.before
        return ((begun, self.first), *self.gaps) if self.first - begun > every else self.gaps


def _split(
    gaps: tuple[tuple[Instant, Instant], ...], time: Instant, every: Duration
) -> tuple[tuple[Instant, Instant], ...]:
    """An event within a silence leaves two shorter ones, or what of them is still longer than promised."""
    place = bisect_right(gaps, (time, time)) - 1
    if place < 0 or not gaps[place][0] < time < gaps[place][1]:
        return gaps
    start, end = gaps[place]
    parts = [part for part in ((start, time), (time, end)) if part[1] - part[0] > every]
    return (*gaps[:place], *parts, *gaps[place + 1 :])


class Feeds:
    """What was heard of every promised feed. One that is not known here counts as fresh."""

    def __init__(self, heard: Mapping[Key, Heard]) -> None:
        self.known = dict(heard)

    def hear(self, source: str, times: Iterable[Instant]) -> "Feeds":
        """With events of a source heard too."""
        told = tuple(times)
        new = {key: heard.after(told, key[1]) for key, heard in self.known.items() if key[0] == source}
        return Feeds({**self.known, **new})

    def silence(self, promise: Promise, now: Instant) -> Silence | None:
        """The silence the feed is in, once it is stale."""
        heard = self.known.get(promise.key)
        return None if heard is None else heard.silence(now, promise.every)

    def gaps(self, promise: Promise, now: Instant) -> tuple[tuple[Instant, Instant], ...]:
        """Its silences that were over by now, in order. A feed has caught up where it is not silent any more."""
        heard = self.known.get(promise.key)
        if heard is None:
            return ()
        closed = heard.closed(promise.every)
        if not closed or closed[-1][1] <= now:
            return closed
        return tuple(gap for gap in closed if gap[1] <= now)

    def falls_silent(self, promise: Promise) -> Instant | None:
        """The first instant at which it is stale unless it speaks before."""
        heard = self.known.get(promise.key)
        return None if heard is None else heard.newest + promise.every + 1


def silent_times(feeds: Feeds, promises: Iterable[Promise], now: Instant) -> list[tuple[Instant, Instant]]:
    """When any of these feeds had fallen silent and has spoken again by now: in order, overlaps put together."""
    found: list[tuple[Instant, Instant]] = []
    for start, end in sorted(gap for promise in promises for gap in feeds.gaps(promise, now)):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found
