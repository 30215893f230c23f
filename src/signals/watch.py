"""From verdicts to edges: signals fire and clear, segments are entered and left, milestones reached, stages change.

Definitions are compiled once into `Watched`, ordered so that whatever one uses stands before it; an event then
evaluates only those that read what it touched, and time passing only profiles whose `look_at` has come.
"""

from bisect import insort
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from signals.conditions import Node
from signals.conditions.scores import memory
from signals.definitions import HealthRules, Milestone, Segment, Signal, Stage
from signals.event import Event
from signals.freshness import Feeds, Promises
from signals.health import HealthWatch
from signals.instant import DAY, Duration, Instant
from signals.ledger import Entry
from signals.matching import type_matches
from signals.measures import Measure, shared
from signals.profile import Profile
from signals.settling import OWN_SOURCE, Edge, Sight, Watch
from signals.sieve import LATE, Code, Sieve, make
from signals.signal_watch import DateWatch, SignalWatch
from signals.watches import MilestoneWatch, SegmentWatch, StageWatch

__all__ = ["OWN_SOURCE", "CircularDefinitions", "Edge", "Sight", "Watched", "watch"]


SIEVES_KEPT = 2_000
"""Sets of touched tokens whose sieves are remembered: most events touch alike."""


NEAR = DAY
"""How long before its time a definition is looked at together with another whose time has come."""


class CircularDefinitions(ValueError):
    """Definitions that use one another in a circle; names them all (semantics §4: refused at activation).

    `tokens` are those on it: `signal:x`, `segment:y`, …
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self.tokens = sorted(tokens)
        names = ", ".join(token.replace(":", " ") for token in self.tokens)
        super().__init__(f"these definitions use one another in a circle: {names}")


class Watched:
    """All live definitions on profiles, compiled: in dependency order, found by what they read."""

    def __init__(
        self,
        signals: Iterable[Signal] = (),
        segments: Iterable[Segment] = (),
        milestones: Iterable[Milestone] = (),
        stages: Sequence[Stage] = (),
        dates: Iterable[Signal] = (),
        also: Iterable[Node] = (),
        health: HealthRules | None = None,
        promises: Promises | None = None,
    ) -> None:
        watches: list[Watch] = [
            *(SignalWatch(each, promises) for each in signals),
            *(SegmentWatch(each, promises) for each in segments),
            *map(DateWatch, dates),
        ]
        watches += (MilestoneWatch(each, promises) for each in milestones)
        watches += [StageWatch(stages, promises)] if stages else []
        nodes = [*(node for watch in watches for node in watch.nodes), *also]
        self.health = None if health is None else HealthWatch(health, _memory(nodes), promises)
        watches += [self.health] if self.health is not None else []
        nodes += self.health.nodes if self.health is not None else []
        self.measures: dict[int, Measure] = shared(measure for node in nodes for measure in node.measures())
        self.watches = _ordered(watches, self.measures)
        self._place = {watch.id: place for place, watch in enumerate(self.watches)}
        self._readers: dict[str, list[int]] = {}
        for place, watch in enumerate(self.watches):
            for token in watch.reads:
                self._readers.setdefault(token, []).append(place)
        self._by_type: dict[str, list[Measure]] = {}
        self._sieves: dict[frozenset[str], Sieve] = {}

    def measures_of(self, event_type: str) -> list[Measure]:
        """The measures that take events of the type."""
        found = self._by_type.get(event_type)
        if found is None:
            found = [m for m in self.measures.values() if any(type_matches(p, event_type) for p in m.types)]
            self._by_type[event_type] = found
        return found

    def suspects(self, profile: Profile, touched: frozenset[str], now: Instant) -> list[int]:
        """Places, in order, of the readers of what was touched that may be otherwise now."""
        sieve = self._sieves.get(touched)
        if sieve is None:
            sieve = self._sieve(sorted(set(self.readers(touched))), Code(LATE in touched))
            if len(self._sieves) < SIEVES_KEPT:
                self._sieves[touched] = sieve
        return sieve(profile, now)

    def _sieve(self, places: Iterable[int], code: Code) -> Sieve:
        return make([self.watches[place].strain(place, code) for place in places], code)

    def due(self, profile: Profile, now: Instant) -> list[int]:
        """Places, in order, of the definitions whose time to be looked at has come: all where none ever was.

        With them those whose time is near: what has happened since has put most of them off, and this spares a look.
        """
        if profile.waits is None:
            return list(range(len(self.watches)))
        if profile.look_at is None or profile.look_at > now:
            return []
        near = now + NEAR
        return sorted([self._place[watch] for watch, at in profile.waits.items() if at <= near])

    def explained(
        self, told: list[Entry], event: Event | None, touched: Collection[str] | None
    ) -> list[Entry]:
        """What the ledger tells, with the event that caused it where one did; `touched` is what that changed."""
        return told if event is None or self.health is None else self.health.caused(told, event, touched)

    def readers(self, touched: Iterable[str]) -> Iterator[int]:
        """Places of the definitions that read any of what was touched."""
        for token in touched:
            yield from self._readers.get(token, ())


def watch(
    profile: Profile,
    watched: Watched,
    now: Instant,
    touched: set[str] | None,
    silent: bool = False,
    late: bool = False,
    feeds: Feeds | None = None,
) -> Sight:
    """Bring what the definitions make of the profile up to date, in place, until nothing changes.

    `touched` None: time has passed, and what is due is looked at; otherwise those readers of what was touched that
    may be otherwise now. Both keep when each is to be looked at next: early at worst, never late. `silent` fires
    nothing (history); `late` nothing but date edges (an event too old to act on). `feeds` is what was heard of
    the feeds that promised to speak.
    """
    if touched is None or profile.waits is None:
        places = watched.due(profile, now)
    else:
        places = watched.suspects(profile, frozenset(touched), now)
    if not places and profile.waits is not None:
        return _STILL
    sight = Sight(profile, now, silent, late, feeds)
    profile.waits = waits = {} if profile.waits is None else profile.waits.copy()
    turn = 0
    while turn < len(places):
        place = places[turn]
        turn += 1
        settled = watched.watches[place]
        until = settled.settle(sight)
        if until is None:
            waits.pop(settled.id, None)
        else:
            waits[settled.id] = max(until, now + 1)  # one that is not ahead would never let time pass
        if sight.touched or sight.uncounted:
            _count_own(sight, watched)
            for reader in sorted(set(watched.readers(sight.touched))):
                if reader > place and reader not in places[turn:]:
                    insort(places, reader, lo=turn)
            sight.made |= sight.touched
            sight.touched.clear()
    profile.look_at = min(waits.values(), default=None)
    return sight


_STILL = Sight(Profile("", 0), 0, silent=True)
"""What is found where nothing is to be settled. Nobody writes to what a settling has found."""


def _memory(nodes: Iterable[Node]) -> Duration:
    """How far back any of these conditions looks at the health score."""
    return memory(token for node in nodes for token in node.reads())


def _count_own(sight: Sight, watched: Watched) -> None:
    """The events just told count in measures too (`count: signal.x`)."""
    for event in sight.uncounted:
        for measure in watched.measures_of(event.type):
            old = sight.profile.measures.get(measure.id)
            new = measure.fold(old, event, sight.now)
            if new is not None and new is not old:
                sight.profile.measures[measure.id] = new
                sight.touched.add(f"measure:{measure.id}")
    sight.uncounted.clear()


def tokens_made(watch: Watch, measures: Iterable[Measure]) -> set[str]:
    """Everything others may read of a definition: its state, its tag, the events it writes."""
    made = {watch.token}
    if isinstance(watch, SegmentWatch):
        made |= {f"tag:{watch.key}"} if watch.tag else set()
        written = ["segment.entered", "segment.left"]
    else:
        written = [f"signal.{watch.key}"] if isinstance(watch, SignalWatch) else []
    for measure in measures:
        if any(type_matches(pattern, name) for pattern in measure.types for name in written):
            made.add(f"measure:{measure.id}")
    return made


def _ordered(watches: list[Watch], measures: dict[int, Measure]) -> list[Watch]:
    """Each definition after all it uses. Raises CircularDefinitions naming those on a circle."""
    makers: dict[str, list[Watch]] = {}
    for watch in watches:
        for token in tokens_made(watch, measures.values()):
            makers.setdefault(token, []).append(watch)
    uses = {watch: {m for token in watch.reads for m in makers.get(token, ())} for watch in watches}
    ordered: dict[Watch, None] = {}
    waiting = list(watches)
    while waiting:
        ready = [watch for watch in waiting if uses[watch] <= ordered.keys()]
        if not ready:
            raise CircularDefinitions(watch.token for watch in waiting if _uses_itself(watch, uses))
        ordered |= dict.fromkeys(ready)
        waiting = [watch for watch in waiting if watch not in ordered]
    return list(ordered)


def _uses_itself(watch: Watch, uses: Mapping[Watch, set[Watch]]) -> bool:
    """Whether what it uses leads back to it."""
    found: set[Watch] = set()
    ahead = [*uses[watch]]
    while ahead:
        used = ahead.pop()
        if used not in found:
            found.add(used)
            ahead += uses[used]
    return watch in found
