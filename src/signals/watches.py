"""The definitions that watch a profile, compiled: how each brings its own state up to date and tells of edges."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from signals.attributes import account_value
from signals.conditions import Moment, Node, compile_condition
from signals.conditions.node import Evidence, soonest
from signals.definitions import SEVERITIES, Milestone, Segment, Signal, Stage
from signals.event import Event
from signals.freshness import Feeds, Promises
from signals.instant import Duration, Instant, iso
from signals.ledger import Entry
from signals.operators import as_instant
from signals.profile import Profile, SignalState
from signals.sieve import Code, Strained, every, some, when

OWN_SOURCE = "journeys"
"""The source of the events this service writes itself."""


class Edge(msgspec.Struct, frozen=True):
    """Something a definition made of an account changed: a signal `fired`/`opened`/`cleared`, a segment `entered`/
    `left`, a milestone `reached`, the stage `changed`. `silent` edges start nothing."""

    kind: str
    key: str
    change: str
    at: Instant
    silent: bool = False
    severity: str | None = None
    evidence: list[dict[str, Any]] = []


class Watch:
    """One compiled definition. `token` is what others read of it, `id` under what a profile keeps its next look."""

    def __init__(self, key: str, token: str, nodes: Sequence[Node]) -> None:
        self.key, self.token, self.nodes = key, token, nodes
        self.id = int.from_bytes(blake2b(token.encode(), digest_size=4).digest())
        self.also_reads: set[str] = set()

    @property
    def reads(self) -> set[str]:
        """Tokens of what can change what this definition makes of a profile."""
        return self.also_reads | {token for node in self.nodes for token in node.reads()}

    def strain(self, place: int, code: Code) -> Strained:
        """The definition as a sieve sees it."""
        return Strained(place, self.id)

    def settle(self, sight: "Sight") -> Instant | None:
        """Bring the profile's state for this definition up to date; answers when to look again."""
        raise NotImplementedError  # abstract: the kinds below define it


class Sight:
    """One settling in progress: the profile being brought up to date, and the edges found so far."""

    def __init__(
        self, profile: Profile, now: Instant, silent: bool, late: bool = False, feeds: Feeds | None = None
    ) -> None:
        """`late`: caused by an event too old to act on, which silences all but date edges (semantics §4)."""
        self.profile, self.now, self.silent = profile, now, silent or late
        self.history = silent
        self.moment = Moment(profile, now, feeds=feeds)
        self.edges: list[Edge] = []
        self.events: list[Event] = []
        self.uncounted: list[Event] = []
        self.touched: set[str] = set()
        self.made: set[str] = set()
        self._own: set[str] = set()
        self.ledger: list[Entry] = []

    def own(self, name: str) -> dict[Any, Any]:
        """A container of the profile's that may be written to: a copy, made the first time."""
        if name not in self._own:
            self._own.add(name)
            setattr(self.profile, name, getattr(self.profile, name).copy())
        found: dict[Any, Any] = getattr(self.profile, name)
        return found

    def tell(self, edge: Edge, event_type: str | None = None, data: dict[str, Any] | None = None) -> None:
        """Note the edge; where it is not silent, also the event that tells of it."""
        self.edges.append(edge)
        if event_type is None or edge.silent:
            return
        identity = f"{self.profile.id}/{event_type}/{edge.key}/{self.now}"
        event = Event(identity, OWN_SOURCE, event_type, self.now, self.profile.id, None, data or {}, self.now)
        self.events.append(event)
        self.uncounted.append(event)


_NEVER = SignalState()
"""What is remembered of a signal that has never been open."""


class SignalWatch(Watch):
    """Fires when its condition turns true, rises, or a date edge is passed; stays open until it clears."""

    kind = "signal"

    def __init__(self, definition: Signal, promises: Promises | None = None) -> None:
        levels = definition.levels or []
        if definition.when is not None:
            self.levels = [(compile_condition(definition.when, promises), definition.severity)]
        else:
            ranked = sorted(levels, key=lambda level: SEVERITIES.index(level.severity))
            self.levels = [(compile_condition(level.when, promises), level.severity) for level in ranked]
        self.single = self.levels[0][0] if len(self.levels) == 1 else None
        self.clear = None if definition.clear is None else compile_condition(definition.clear, promises)
        self.definition = definition
        nodes = [node for node, _ in self.levels] + ([self.clear] if self.clear else [])
        super().__init__(definition.key, f"{self.kind}:{definition.key}", nodes)
        if definition.dates is not None:
            self.also_reads.add(f"attribute:{definition.dates.attribute.split('.')[1]}")

    def strain(self, place: int, code: Code) -> Strained:
        if self.definition.dates is not None:
            return Strained(place, self.id)
        is_open = f"{code.constant(self.key)} in opened"
        if self.clear is not None:  # it may have kept closed what holds
            closed = every([node.surely(False, code) for node, _ in self.levels])
            return Strained(place, self.id, closed, None, is_open)
        closed = every([node.lasts(False, code) for node, _ in self.levels])
        stays = None if self.single is None else self.single.lasts(True, code)
        return Strained(place, self.id, closed, stays, is_open)

    def settle(self, sight: Sight) -> Instant | None:
        state = sight.profile.signals.get(self.key, _NEVER)
        if self.single is not None and not state.open:  # what happens most: closed, and staying so
            holds, until = self.single.test(sight.moment)
            if not holds:
                return until
        if self.definition.dates is not None:
            return self._settle_dates(sight, state, self.definition.dates.before)
        if self.single is not None:
            holds, until = self.single.test(sight.moment)
            level, known_none = (0 if holds else -1), holds is False
        else:
            level, known_none, until = self._level(sight.moment)
        if level < 0 and not state.open:
            return until
        if self.clear is None:
            clears: bool | None = known_none
        else:
            clears, clear_until = self.clear.test(sight.moment)
            until = soonest(until, clear_until)
        if state.open:
            if clears:
                self._close(sight, state)
            elif level > state.level:  # worse than ever since it opened; falling changes nothing
                self._fire(sight, state, level)
            return until
        if clears is not False:
            return until  # it clears, or nobody knows: where both hold, clearing wins
        rested = None if state.last_fired is None else state.last_fired + self.definition.cooldown
        if rested is not None and sight.now < rested:
            return soonest(until, rested)
        self._fire(sight, state, level)
        return until

    def _level(self, moment: Moment) -> tuple[int, bool, Instant | None]:
        """The worst level that holds (-1: none), whether none is known to hold, and until when."""
        worst, known_none, until = -1, True, None
        for place, (node, _) in enumerate(self.levels):
            holds, node_until = node.test(moment)
            until = soonest(until, node_until)
            worst = place if holds else worst
            known_none = known_none and holds is False
        return worst, known_none, until

    def _settle_dates(self, sight: Sight, state: SignalState, before: list[Duration]) -> Instant | None:
        assert self.definition.dates is not None
        value, _ = account_value(
            sight.profile, tuple(self.definition.dates.attribute.split(".")[1:]), sight.now
        )
        date = as_instant(value) if isinstance(value, str) else None
        passed = [span for span in before if date is not None and date - span <= sight.now]
        if date is None or sight.now >= date or not passed:
            if state.open:
                self._close(sight, msgspec.structs.replace(state, edges=[], date=date))
        else:
            edges = [span for span in state.edges if span in passed]
            newest = min(passed)
            if newest not in edges:
                told = msgspec.structs.replace(state, edges=sorted(passed), date=date)
                self._fire(sight, told, 0, {"date": iso(date), "before_days": newest // 86_400_000_000})
            elif edges != state.edges or date != state.date:
                self._keep(sight, msgspec.structs.replace(state, edges=sorted(passed), date=date))
        if date is None or sight.now >= date:
            return None
        coming = [date - span for span in before if date - span > sight.now]
        return min(coming, default=date)

    def _fire(
        self, sight: Sight, state: SignalState, level: int, detail: dict[str, Any] | None = None
    ) -> None:
        severity = self.levels[level][1] if self.levels else self.definition.severity
        evidence: list[Evidence] = [] if detail else list(self.levels[level][0].because(sight.moment))
        evidence = [detail] if detail else evidence
        opened = msgspec.structs.replace(
            state,
            open=True,
            since=state.since if state.open else sight.now,
            severity=severity,
            level=level,
            evidence=evidence,
        )
        silent = sight.history if self.definition.dates is not None else sight.silent
        if not silent:
            opened.fired, opened.last_fired = state.fired + 1, sight.now
        self._keep(sight, opened)
        change = "opened" if silent else "fired"
        sight.tell(
            Edge(self.kind, self.key, change, sight.now, silent, severity, evidence),
            f"signal.{self.key}" if self.kind == "signal" else None,
            {"signal": self.key, "severity": severity, "evidence": evidence, **(detail or {})},
        )

    def _close(self, sight: Sight, state: SignalState) -> None:
        self._keep(sight, msgspec.structs.replace(state, open=False, level=-1, since=sight.now, evidence=[]))
        sight.tell(Edge(self.kind, self.key, "cleared", sight.now, sight.silent))

    def _keep(self, sight: Sight, state: SignalState) -> None:
        sight.own("signals")[self.key] = state
        sight.touched.add(self.token)


class DateWatch(SignalWatch):
    """The date trigger of a play: edges like a date signal's, known to that play alone, kept under `@<play>`."""

    kind = "date"

    def __init__(self, definition: Signal) -> None:
        super().__init__(definition)
        self.key = f"@{definition.key}"


class SegmentWatch(Watch):
    """Entered when `enter` holds, left when `leave` holds; where both hold, `leave` wins."""

    def __init__(self, definition: Segment, promises: Promises | None = None) -> None:
        self.enter = compile_condition(definition.enter, promises)
        self.leave = None if definition.leave is None else compile_condition(definition.leave, promises)
        self.tag = definition.tag
        nodes = [self.enter] + ([self.leave] if self.leave else [])
        super().__init__(definition.key, f"segment:{definition.key}", nodes)

    def strain(self, place: int, code: Code) -> Strained:
        is_open = f"{code.constant(self.key)} in inside"
        if self.leave is not None:  # it may have kept outside what enters
            return Strained(place, self.id, self.enter.surely(False, code), None, is_open)
        outside, stays = self.enter.lasts(False, code), self.enter.lasts(True, code)
        return Strained(place, self.id, outside, stays, is_open)

    def settle(self, sight: Sight) -> Instant | None:
        inside = self.key in sight.profile.segments
        enters, until = self.enter.test(sight.moment)
        if self.leave is None:
            leaves = None if enters is None else not enters
        else:
            leaves, leave_until = self.leave.test(sight.moment)
            until = soonest(until, leave_until)
        if inside and leaves:
            del sight.own("segments")[self.key]
            self._tell(sight, "left")
        elif not inside and enters and leaves is False:
            sight.own("segments")[self.key] = sight.now
            self._tell(sight, "entered")
        return until

    def _tell(self, sight: Sight, change: str) -> None:
        sight.touched.add(self.token)
        if self.tag:
            tags = (
                {*sight.profile.tags, self.key} if change == "entered" else {*sight.profile.tags} - {self.key}
            )
            sight.profile.tags = sorted(tags | sight.profile.given_tags.keys())
            sight.touched.add(f"tag:{self.key}")
        edge = Edge("segment", self.key, change, sight.now, sight.silent)
        sight.tell(edge, f"segment.{change}", {"segment": self.key})


class MilestoneWatch(Watch):
    """Reached the first time its condition holds."""

    def __init__(self, definition: Milestone, promises: Promises | None = None) -> None:
        self.when = compile_condition(definition.when, promises)
        super().__init__(definition.key, f"milestone:{definition.key}", [self.when])

    def strain(self, place: int, code: Code) -> Strained:
        reached = when(f"{code.constant(self.key)} in profile.milestones")
        return Strained(place, self.id, some([reached, self.when.surely(False, code)]))

    def settle(self, sight: Sight) -> Instant | None:
        if self.key in sight.profile.milestones:
            return None
        holds, until = self.when.test(sight.moment)
        if not holds:
            return until
        sight.own("milestones")[self.key] = sight.now
        sight.touched.add(self.token)
        sight.tell(Edge("milestone", self.key, "reached", sight.now, sight.silent))
        return None


class StageWatch(Watch):
    """The first stage whose condition holds; an unknown one before it keeps the stage as it is."""

    def __init__(self, stages: Sequence[Stage], promises: Promises | None = None) -> None:
        self.stages = [(stage.key, compile_condition(stage.when, promises)) for stage in stages]
        super().__init__("stages", "stage", [node for _, node in self.stages])

    def settle(self, sight: Sight) -> Instant | None:
        until = None
        for key, node in self.stages:
            holds, node_until = node.test(sight.moment)
            until = soonest(until, node_until)
            if holds is None:
                return until
            if holds:
                self._enter(sight, key)
                return until
        self._enter(sight, None)
        return until

    def _enter(self, sight: Sight, key: str | None) -> None:
        if sight.profile.stage == key:
            return
        sight.profile.stage, sight.profile.stage_since = key, sight.now
        sight.touched.add(self.token)
        sight.tell(Edge("stage", key or "", "changed", sight.now, sight.silent))
