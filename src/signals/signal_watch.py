"""A signal, compiled: when it fires, rises and clears, by its condition, its levels or a date."""

from typing import Any

import msgspec

from signals.attributes import account_value
from signals.conditions import Moment, compile_condition
from signals.conditions.node import Evidence, soonest
from signals.definitions import SEVERITIES, Signal
from signals.freshness import Promises
from signals.instant import Duration, Instant, iso
from signals.operators import as_instant
from signals.profile import SignalState
from signals.settling import Edge, Sight, Watch
from signals.sieve import Code, Strained, every

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
