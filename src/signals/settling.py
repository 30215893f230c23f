"""Settling a profile: what every compiled definition has in common, and the edges it finds on the way."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from signals.conditions import Moment, Node
from signals.event import Event
from signals.freshness import Feeds
from signals.instant import Instant
from signals.ledger import Entry
from signals.profile import Profile
from signals.sieve import Code, Strained

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
