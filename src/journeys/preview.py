"""What a definition says of one account, now or at another instant, before or after it is live. Pure.

Measures that nothing live keeps are counted from the account's history, by the code that fills them (`refill`).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from journeys.playbook import Playbook
from journeys.react import live_through, refill
from journeys.state import AccountState, new_state
from signals.conditions import Moment, Node
from signals.conditions.node import soonest
from signals.event import Event
from signals.health import HealthWatch
from signals.instant import Instant, iso, iso_or_none
from signals.profile import SignalState
from signals.settling import Watch
from signals.signal_watch import SignalWatch
from signals.watch import OWN_SOURCE
from signals.watches import MilestoneWatch, SegmentWatch, StageWatch

TOKENS = {"signals": "signal", "segments": "segment", "milestones": "milestone"}
"""The kinds that have keys, and what others read of them; `stages` and `health` are read under their own names."""

WATCHED = (*TOKENS, "stages", "health")
"""Kinds of definitions that say something of an account."""

_NOTHING = SignalState()


def preview(
    state: AccountState, history: Sequence[Event], playbook: Playbook, kind: str, key: str, at: Instant
) -> dict[str, Any]:
    """`{holds, until, because, parts, state}` of the definition at the account at an instant.

    `playbook` has it live, and no plays. `holds` is what the definition's own condition says; `parts` are all its
    conditions with their verdicts; `state` is what the account is in then (open, a member, reached, the stage, the
    score), with all that its past has to do with it.
    """
    then = _at(state, history, playbook, at)
    watch = _watch(playbook, kind, key)
    moment = Moment(then.profile, at, feeds=playbook.feeds)
    parts = list(_parts(watch, moment))
    first = next((part for part in parts if part["holds"]), parts[0] if parts else None)
    return {
        "holds": None if first is None else first["holds"],
        "until": iso_or_none(_until(watch, moment, then)),
        "because": [] if first is None else first["because"],
        "parts": parts,
        "state": _state(watch, then, at),
    }


def _at(state: AccountState, history: Sequence[Event], playbook: Playbook, at: Instant) -> AccountState:
    """The account at the instant: lived up to it where it lies behind its clock, else nothing happening until then."""
    if at < state.now:
        return _relived(state.profile.id, history, playbook, at)
    bare = msgspec.structs.replace(state, journeys=[], goals=[])
    brought = refill(bare, history, playbook, state.now).state
    reactions = live_through(brought, None, playbook, at)
    return reactions[-1].state if reactions else brought


def _relived(account: str, history: Iterable[Event], playbook: Playbook, at: Instant) -> AccountState:
    """The account as its events up to the instant make it, each taken as having come in when it happened."""
    past = sorted((event for event in history if event.time <= at and not _ours(event)), key=_order)
    state = new_state(account, past[0].time if past else at)
    for event in past:
        came = msgspec.structs.replace(event, received_at=event.time)
        state = live_through(state, came, playbook, event.time)[-1].state
    reactions = live_through(state, None, playbook, at)
    state = reactions[-1].state if reactions else state
    return state if state.now else refill(state, (), playbook, at).state


def _ours(event: Event) -> bool:
    """What we told of signals and segments comes about anew."""
    return event.source == OWN_SOURCE and event.type.startswith(("signal.", "segment."))


def _order(event: Event) -> tuple[Instant, str, str]:
    return event.time, event.source, event.id


def _watch(playbook: Playbook, kind: str, key: str) -> Watch:
    token = f"{TOKENS[kind]}:{key}" if kind in TOKENS else {"stages": "stage"}.get(kind, kind)
    return next(watch for watch in playbook.watched.watches if watch.token == token)


def _parts(watch: Watch, moment: Moment) -> Iterator[dict[str, Any]]:
    for name, node in _conditions(watch):
        holds, until, because = node.verdict(moment)
        yield {"part": name, "holds": holds, "until": iso_or_none(until), "because": because}


def _conditions(watch: Watch) -> list[tuple[str, Node]]:
    """The conditions of a definition by what they are for, the one that counts first before the others."""
    if isinstance(watch, SignalWatch):
        clear = [("clear", watch.clear)] if watch.clear is not None else []
        return [*((severity, node) for node, severity in reversed(watch.levels)), *clear]
    if isinstance(watch, SegmentWatch):
        return [("enter", watch.enter), *([("leave", watch.leave)] if watch.leave is not None else [])]
    if isinstance(watch, MilestoneWatch):
        return [("when", watch.when)]
    if isinstance(watch, StageWatch):
        return list(watch.stages)
    return [(flag.key, node) for flag, node in watch.card.flags] if isinstance(watch, HealthWatch) else []


def _until(watch: Watch, moment: Moment, state: AccountState) -> Instant | None:
    """The earliest instant at which any of it could change without an event."""
    found = None
    for _, node in _conditions(watch):
        found = soonest(found, node.test(moment)[1])
    dated = isinstance(watch, SignalWatch) and not watch.levels
    kept = (state.profile.waits or {}).get(watch.id)
    return kept if dated or isinstance(watch, HealthWatch) else found


def _state(watch: Watch, state: AccountState, at: Instant) -> dict[str, Any]:
    profile = state.profile
    if isinstance(watch, SignalWatch):
        signal = profile.signals.get(watch.key, _NOTHING)
        told = {"since": iso(signal.since), "severity": signal.severity} if signal.open else {}
        return {"open": signal.open, "since": None, "severity": None, **told, "evidence": signal.evidence}
    if isinstance(watch, SegmentWatch):
        since = profile.segments.get(watch.key)
        return {"member": since is not None, "since": iso_or_none(since)}
    if isinstance(watch, MilestoneWatch):
        return {"reached_at": iso_or_none(profile.milestones.get(watch.key))}
    if isinstance(watch, HealthWatch):
        return _health(watch, Moment(profile, at))
    return {"stage": profile.stage, "since": iso_or_none(profile.stage_since or None)}


def _health(watch: HealthWatch, moment: Moment) -> dict[str, Any]:
    health = moment.profile.health
    measures = [
        {"key": one.key, "weight": one.weight, "value": one.value, "points": one.points}
        for one in watch.standings(moment)
    ]
    if health is None:
        return {"score": None, "band": None, "measures": measures}
    return {"score": health.score, "band": health.band, "measures": measures}
