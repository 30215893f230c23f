"""Taking events in over HTTP: durable before the answer, many requests in one commit (group commit)."""

import threading
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Protocol

from journeys.store.database import Database
from journeys.store.dead import bury
from journeys.store.log import HISTORY, EmbeddedLog
from signals.event import Event, encode
from signals.feeds.port import Record
from signals.instant import Instant
from signals.problem import Problem, id_conflict


class Outlet(Protocol):
    """Where accepted events go: the embedded log, or Kafka."""

    def accept(self, events: Sequence[Event], history: bool = False) -> list[str]:
        """Make the events durable; `new`, `duplicate` or `conflict` for each. Raises Unavailable where it cannot.

        `history` marks an import: it is folded silently and starts nothing (semantics §2).
        """
        ...

    @property
    def trouble(self) -> str | None:
        """What went wrong the last time, None where nothing did: for /readyz."""
        ...


class Unavailable(RuntimeError):
    """Nothing could be made durable now; the caller should come back (503)."""


class _Waiting:
    """One request's events waiting for the next commit."""

    __slots__ = ("error", "events", "history", "outcomes")

    def __init__(self, events: Sequence[Event], history: bool) -> None:
        self.events, self.history = events, history
        self.outcomes: list[str] | None = None
        self.error: BaseException | None = None


class GroupCommit:
    """The embedded log behind a leader: whoever comes while a commit is under way rides on the next."""

    def __init__(self, log: EmbeddedLog, appended: Callable[[], None] = lambda: None) -> None:
        self._log, self._appended = log, appended
        self.trouble: str | None = None
        self._queue: list[_Waiting] = []
        self._queued = threading.Lock()
        self._leading = threading.Lock()

    def accept(self, events: Sequence[Event], history: bool = False) -> list[str]:
        mine = _Waiting(events, history)
        with self._queued:
            self._queue.append(mine)
        with self._leading:
            if mine.outcomes is None and mine.error is None:
                self._commit()
        if mine.error is not None:
            raise Unavailable("the log could not be written; nothing was taken") from mine.error
        assert mine.outcomes is not None
        return mine.outcomes

    def _commit(self) -> None:
        with self._queued:
            group, self._queue = self._queue, []
        for history in (False, True):
            alike = [waiting for waiting in group if waiting.history is history]
            if alike:
                self._append(alike, history)

    def _append(self, group: Sequence[_Waiting], history: bool) -> None:
        try:
            events = [event for waiting in group for event in waiting.events]
            outcomes = self._log.append(events, history).outcomes
        except Exception as error:  # noqa: BLE001 - every request of the group is told
            self.trouble = f"the log could not be written: {error.__class__.__name__}"
            for waiting in group:
                waiting.error = error
            return
        self.trouble = None
        place = 0
        for waiting in group:
            waiting.outcomes = outcomes[place : place + len(waiting.events)]
            place += len(waiting.events)
        self._appended()


class KafkaOutletLike(Protocol):
    """What of `signals.feeds.kafka_outlet.KafkaOutlet` is needed here."""

    def publish_all(self, topic: str, records: Sequence[Any]) -> None:
        """Publish durably."""
        ...


class KafkaIngest:
    """Accepted events go to `journeys.events`; duplicates are those within the request (interfaces.md §3)."""

    def __init__(self, outlet: KafkaOutletLike, topic: str = "journeys.events") -> None:
        self._outlet, self._topic = outlet, topic
        self.trouble: str | None = None

    def accept(self, events: Sequence[Event], history: bool = False) -> list[str]:
        from signals.feeds.kafka_outlet import (  # noqa: PLC0415 - the extra may be missing
            Outgoing,
            OutletRefused,
            OutletUnavailable,
        )

        seen: dict[bytes, bytes] = {}
        outcomes, outgoing = [], []
        headers = (("content-type", b"application/cloudevents+json"), *((HISTORY,) if history else ()))
        for event in events:
            key, content = event.key, event.content_hash
            if key in seen:
                outcomes.append("duplicate" if seen[key] == content else "conflict")
                continue
            seen[key] = content
            outcomes.append("new")
            about = (event.account or event.contact or "").encode() or None
            outgoing.append(Outgoing(encode(event), about, headers))
        try:
            self._outlet.publish_all(self._topic, outgoing)
        except (OutletUnavailable, OutletRefused) as error:
            self.trouble = str(error)
            raise Unavailable(str(error)) from error
        self.trouble = None
        return outcomes


class SetAside:
    """Keeps what came over HTTP and could not be taken, where the sender is told of success all the same: a dead
    letter with the bytes and the reason. The same again for the same reason is the same letter.
    """

    def __init__(self, database: Database, place: str, clock: Callable[[], Instant]) -> None:
        self._database, self._place, self._clock = database, place, clock

    def __call__(self, refused: Sequence[tuple[bytes, Problem]]) -> None:
        """Keep these durably."""
        letters = [(Record(self._place, _number(value), value), problem) for value, problem in refused]
        if letters:
            with self._database.write() as connection:
                bury(connection, letters, self._clock())


def _number(value: bytes) -> int:
    """Stands in for an offset: the same bytes have the same."""
    return int.from_bytes(blake2b(value, digest_size=8).digest()) >> 1


def answer(items: Sequence[Event | Problem], outlet: Outlet, history: bool = False) -> dict[str, Any]:
    """Take the good ones, name the bad ones: `{accepted, duplicates, rejected: [{index, problem}]}`."""
    good = [(place, item) for place, item in enumerate(items) if isinstance(item, Event)]
    rejected = [(place, item) for place, item in enumerate(items) if isinstance(item, Problem)]
    outcomes = outlet.accept([event for _, event in good], history) if good else []
    for (place, event), outcome in zip(good, outcomes, strict=True):
        if outcome == "conflict":
            rejected.append((place, id_conflict(event.id, event.source, "/id")))
    return {
        "accepted": outcomes.count("new"),
        "duplicates": outcomes.count("duplicate"),
        "rejected": [
            {"index": place, "problem": problem.as_json()} for place, problem in sorted(rejected, key=_place)
        ],
    }


def _place(entry: tuple[int, Problem]) -> int:
    return entry[0]
