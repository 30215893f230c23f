"""Events from Kafka. The offsets live in the database, beside their effects; Kafka only shares out partitions.

The client is trusted with as little as possible: whatever it raises, it is thrown away and another one starts
from the database's offsets (guarantees 0.2, I9; pitfalls 1-10).
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from signals.feeds.kafka_session import SETTINGS, Session
from signals.feeds.port import FeedBroken, Positions, Record
from signals.instant import SECOND, Instant

MAX_FAILURES = 3
"""Clients that fail this often within FAILURE_WINDOW stop the feed (I8), whatever other partitions bring."""

FAILURE_WINDOW = 600.0
"""Seconds after which a failure is forgotten."""

STALLED_AFTER = 30.0
"""Seconds of fetching without a record, though the log has more, after which the client is replaced."""

_LOOK_EVERY = 1.0
"""Seconds between two questions how far the log goes."""

_FRESH = 3 * SECOND
"""For this long 'all had been read' counts as 'all has been read'."""

_SLICE = 0.25
"""The longest single fetch, in seconds: so that new partitions are placed soon."""

_log = logging.getLogger(__name__)


class KafkaFeed:
    """The feed port over Kafka topics. One worker owns it and keeps polling, at least once a minute.

    `settings` are further kafka-python ones (security, `api_version`); `clock` says when a record without
    a usable timestamp came in; `monotonic` is in seconds and times nothing but pauses.
    """

    def __init__(
        self,
        bootstrap: str | Sequence[str],
        topics: Sequence[str],
        group: str,
        positions: Positions,
        clock: Callable[[], Instant],
        *,
        settings: Mapping[str, Any] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topics = tuple(topics)
        self._settings = {**SETTINGS, "bootstrap_servers": bootstrap, "group_id": group, **(settings or {})}
        self._positions, self._clock, self._monotonic = positions, clock, monotonic
        self._session: Session | None = None
        self._buffers: dict[str, deque[Record]] = {}
        self._read: dict[str, Instant] = {}  # up to when all of a partition has been read, as far as we know
        self._notes: dict[str, int] = {}
        self._failures: deque[float] = deque(maxlen=MAX_FAILURES)
        self._fruitless = 0.0  # seconds of fetching since the last progress
        self._standing: dict[str, tuple[int, int]] = {}
        self._looked_at = -_LOOK_EVERY
        self.trouble: str | None = None
        """Why nothing can be read just now, for a readiness page; None when all is well."""

    @property
    def partitions(self) -> frozenset[str]:
        """What this worker reads just now."""
        return self._session.flowing if self._session else frozenset()

    @property
    def lag(self) -> Mapping[str, int]:
        """Records between what was fetched and the end of each partition, as of the last look (once a second)."""
        return {name: end - at for name, (at, end) in self._standing.items()}

    def poll(self, limit: int, timeout: float) -> Sequence[Record]:
        """Up to `limit` records of one partition in offset order; empty when `timeout` seconds brought none.

        With no broker to talk to it may take some seconds longer, and comes back empty: `trouble` says why.
        Raises FeedBroken when records are gone or the client cannot be brought to work; errors of
        `positions` pass through, and the next poll tries again.
        """
        until = self._monotonic() + timeout
        while not (records := self._take(limit)):
            left = until - self._monotonic()
            self._fetch(limit, min(max(left, 0.0), _SLICE))
            if left <= 0:
                return self._take(limit)
        return records

    def rewind(self, partition: str, offset: int) -> None:
        """Read the partition again from `offset`, because the transaction that held its records was rolled back."""
        self._buffers.pop(partition, None)
        self._read.pop(partition, None)
        if self._session is not None:
            with self._replacing():
                self._session.seek(partition, offset)

    def note_progress(self, partition: str, next_offset: int) -> None:
        """Tell Kafka how far we are, for lag tools; sent once a second. Our own truth is `positions`."""
        self._notes[partition] = next_offset

    def oldest_unread(self) -> Instant | None:
        """When the oldest record still unread came in; None when all has been read.

        Where that is not known (not joined yet, no broker, an open transaction) it is the last instant up to
        which all had been read, 0 where there is none: the clock waits rather than pass a record by.
        """
        if self._session is None or self._session.assigned is None:
            return min(self._read.values(), default=0)
        fresh = self._clock() - _FRESH
        bounds = {each: self._bound(each) for each in self._session.assigned}
        return min((at for each, at in bounds.items() if self._buffers.get(each) or at < fresh), default=None)

    def close(self) -> None:
        """Give the partitions back. The feed can be polled again afterwards: it joins anew."""
        if self._session is not None:
            with self._replacing():
                self._session.note(self._notes, wait=True)
        self._discard()

    def _bound(self, partition: str) -> Instant:
        """No record of the partition that is still unread came in before this."""
        waiting = self._buffers.get(partition)
        return waiting[0].received_at if waiting else self._read.get(partition, 0)

    def _take(self, limit: int) -> list[Record]:
        """Records of the first partition that has some and is still ours."""
        ours = self.partitions
        for partition, buffer in self._buffers.items():
            if buffer and partition in ours:
                records = [buffer.popleft() for _ in range(min(limit, len(buffer)))]
                self._read[partition] = max(self._read.get(partition, 0), records[-1].received_at)
                return records
        return []

    def _fetch(self, limit: int, timeout: float) -> None:
        """One round: join if we have not, place what is new, fetch, and look how far the log goes."""
        waiting, stored = self._stored()
        with self._replacing():
            session = self._session or self._open()
            if waiting:
                self._make_room(session)
                session.place(waiting, stored)
            began = self._monotonic()
            found = session.fetch(limit, timeout)
            self._fruitless += self._monotonic() - began
            self._keep(found)
            self._look(session)

    def _make_room(self, session: Session) -> None:
        """The group has shared out the partitions anew: forget what was fetched, and what is no longer ours."""
        self._looked_at = -_LOOK_EVERY  # look right after: the lag of what we have got is not known yet
        self._buffers.clear()
        self._read = {each: at for each, at in self._read.items() if each in (session.assigned or ())}

    def _stored(self) -> tuple[tuple[str, ...], Mapping[str, int]]:
        """The partitions to place, and where the database wants them. Its errors are for the worker to see."""
        waiting = self._session.waiting if self._session else ()
        return waiting, (self._positions.next_offsets(waiting) if waiting else {})

    def _open(self) -> Session:
        self._session = Session(self._topics, self._settings)
        self._fruitless = 0.0
        return self._session

    def _keep(self, found: Mapping[str, Sequence[Any]]) -> None:
        now = self._clock()
        for partition, raws in found.items():
            self._buffers.setdefault(partition, deque()).extend(
                _record(partition, each, now) for each in raws
            )
        if found:
            self._fruitless, self.trouble = 0.0, None

    def _look(self, session: Session) -> None:
        """Once a second: learn what is still unread, pass on the courtesy offsets, notice a client that stalls."""
        if self._monotonic() - self._looked_at < _LOOK_EVERY:
            return
        asked = self._clock()
        standing = session.progress()
        self._looked_at, self.trouble = self._monotonic(), None
        self._read.update({
            each: asked for each, (at, end) in standing.items() if at >= end and not self._buffers.get(each)
        })  # fmt: skip
        if _fetched(standing) != _fetched(self._standing):
            self._fruitless = 0.0
        self._standing = standing
        notes, self._notes = self._notes, {}
        session.note(notes)
        self._alarm()

    def _alarm(self) -> None:
        """A client that brings nothing although there is something has lost its way (pitfall 10)."""
        if self._fruitless > STALLED_AFTER and any(self.lag.values()):
            self._failed(f"nothing came for {STALLED_AFTER:.0f} s though the log has more: {dict(self.lag)}")

    @contextmanager
    def _replacing(self) -> Iterator[None]:
        """Whatever the client raises, replace it: after an error it may hang for good (0.2)."""
        try:
            yield
        except FeedBroken:
            self._discard()
            raise
        except Exception as error:  # noqa: BLE001 - no error of the client leaves it usable
            if not getattr(error, "retriable", False):
                self._failures.append(self._monotonic())
            self._failed(f"{type(error).__name__}: {error}", error)

    def _failed(self, detail: str, cause: Exception | None = None) -> None:
        self.trouble = detail
        self._discard()
        if len(self._failures) == MAX_FAILURES and self._monotonic() - self._failures[0] < FAILURE_WINDOW:
            self._failures.clear()
            raise FeedBroken(f"the Kafka client failed {MAX_FAILURES} times, last: {detail}") from cause
        _log.warning("starting a new Kafka client: %s", detail)

    def _discard(self) -> None:
        session, self._session = self._session, None
        self._buffers.clear()
        self._standing = {}
        if session is not None:
            session.close()


def _fetched(standing: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    return {each: at for each, (at, _) in standing.items()}


def _record(partition: str, raw: Any, now: Instant) -> Record:
    """kafka-python's record as ours. A timestamp that cannot be (none, or ahead of us) is replaced by now (B44)."""
    stamped = (raw.timestamp or 0) * 1000
    return Record(
        partition=partition,
        offset=raw.offset,
        value=raw.value,
        headers=tuple((name, value or b"") for name, value in raw.headers),
        key=raw.key,
        received_at=stamped if 0 < stamped <= now else now,
    )
