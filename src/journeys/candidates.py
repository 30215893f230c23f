"""Which plays something that happened would start, and with which cause (semantics §5 "Start"). Pure."""

from typing import Any

from journeys.engine import Candidate
from journeys.journey import Cause
from journeys.playbook import Playbook
from signals.event import Event
from signals.watch import Edge


def candidates(
    playbook: Playbook, edges: list[Edge], event: Event | None, told: list[Event], too_old: bool
) -> list[Candidate]:
    """Every play that something here would start."""
    found: list[Candidate] = []
    for edge in edges:
        if edge.silent and not too_old:
            continue
        plays = _plays_of(playbook, edge)
        cause = cause_of(event or _told_of(edge, told), edge)
        found += [Candidate(play, cause, edge.severity, edge.silent) for play in plays]
    for happened in [*([event] if event is not None else []), *told]:
        found += [
            Candidate(play, _as_cause(happened), None, too_old)
            for play in playbook.triggered_by_event(happened.type)
            if play.trigger_where is None or play.trigger_where(happened)
        ]
    return found


def _plays_of(playbook: Playbook, edge: Edge) -> list[Any]:
    if edge.kind == "signal" and edge.change in ("fired", "opened"):
        return playbook.triggered_by_signal(edge.key)
    if edge.kind == "segment":
        return playbook.triggered_by_segment(edge.key, edge.change)
    if edge.kind == "date" and edge.change in ("fired", "opened"):
        play = playbook.plays.get(edge.key.removeprefix("@"))
        return [play] if play is not None else []
    return []


def _told_of(edge: Edge, told: list[Event]) -> Event | None:
    return next(
        (event for event in told if edge.key in (event.data.get("signal"), event.data.get("segment"))), None
    )


def cause_of(event: Event | None, edge: Edge) -> Cause:
    """`event` is the event that caused the edge, else the one that tells of it (semantics §6)."""
    if event is not None:
        return _as_cause(event)
    identity = f"{edge.kind}.{edge.key}/{edge.at}"
    return Cause(identity, "journeys", f"{edge.kind}.{edge.key}", edge.at, None, {"evidence": edge.evidence})


def _as_cause(event: Event) -> Cause:
    return Cause(event.id, event.source, event.type, event.time, event.contact, event.data)
