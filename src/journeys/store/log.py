"""The embedded log: what was accepted, in dense offsets, until it has been folded (architecture "What happens to a batch")."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zlib import crc32

import msgspec
import sqlalchemy as sa

from journeys.store import bulk
from journeys.store.database import Database
from journeys.store.tables import events, log, log_heads, positions
from signals.event import Event, encode, named, pack, unpack
from signals.feeds.port import Positions, Record
from signals.instant import Instant

HISTORY = ("history", b"1")
"""The header of a record that was imported as history: it opens silently and starts nothing."""


class Appended(msgspec.Struct):
    """What became of each event handed in: `new`, `duplicate`, or `conflict` (same id, other content), by place."""

    outcomes: list[str]


class EmbeddedLog:
    """The log of a service without Kafka, in its own database. An event is durable once `append` returns."""

    def __init__(self, database: Database, partitions: int = 1) -> None:
        self._database, self._partitions = database, partitions

    def append(self, batch: Sequence[Event], history: bool = False) -> Appended:
        """Append in one transaction; what is already known (in the log or folded) is told, not appended."""
        with self._database.write() as connection:
            return self.append_in(connection, batch, history)

    def append_in(self, connection: sa.Connection, batch: Sequence[Event], history: bool = False) -> Appended:
        """Append inside a transaction of the caller's."""
        given = [named(event) for event in batch]
        heads = self._lock_heads(connection)
        known = _known(connection, [entry.key for entry in given])
        outcomes: list[str] = []
        rows: list[dict[str, Any]] = []
        for entry in given:
            event, key, content = entry.event, entry.key, entry.content
            if key in known:
                outcomes.append("duplicate" if known[key] == content else "conflict")
                continue
            known[key] = content
            outcomes.append("new")
            partition = crc32((event.account or event.contact or "").encode()) % self._partitions
            rows.append(
                {
                    "partition": partition,
                    "offset": heads[partition],
                    "key": key,
                    "hash": content,
                    "body": pack(entry),
                    "history": history,
                    "received_at": event.received_at,
                }
            )
            heads[partition] += 1
        if rows:
            bulk.insert(connection, log, rows)
            for partition in {row["partition"] for row in rows}:
                moved = sa.update(log_heads).where(log_heads.c.partition == partition)
                connection.execute(moved.values(next_offset=heads[partition]))
        return Appended(outcomes)

    def unread(self) -> int:
        """How many records are waiting to be folded."""
        with self._database.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(log)).scalar_one())

    def _lock_heads(self, connection: sa.Connection) -> dict[int, int]:
        """The next offsets, locked until the transaction ends: offsets are dense and in the order of commits."""
        locked = sa.select(log_heads.c.partition, log_heads.c.next_offset).order_by(log_heads.c.partition)
        heads = dict(connection.execute(locked.with_for_update()).all())
        missing = [
            {"partition": number, "next_offset": 0}
            for number in range(self._partitions)
            if number not in heads
        ]
        if missing:
            bulk.insert_new(connection, log_heads, missing)
            return self._lock_heads(connection)
        return heads


def _known(connection: sa.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """Content hashes of the events already in the log or folded."""
    found: dict[bytes, bytes] = {}
    for table in (log, events):  # in this order: what is folded meanwhile moves from the one to the other
        for some in bulk.slices(keys):
            wanted = sa.select(table.c.key, table.c.hash).where(bulk.among(connection, table.c.key, some))
            found.update(connection.execute(wanted).all())
    return found


def readable(body: bytes) -> bytes:
    """A record of the embedded log as the structured CloudEvent it stands for: what a dead letter keeps."""
    return encode(unpack(body).event)


class StoredPositions(Positions):
    """Offsets as the database has them, beside the effects of the records before them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def next_offsets(self, partitions: Sequence[str]) -> Mapping[str, int]:
        with self._database.read() as connection:
            wanted = sa.select(positions.c.partition, positions.c.next_offset).where(
                positions.c.partition.in_(list(partitions))
            )
            return dict(connection.execute(wanted).all())


class LogFeed:
    """The embedded log as a feed (`signals.feeds.port.Feed`): its partitions, or only the one named."""

    def __init__(
        self,
        database: Database,
        partitions: int = 1,
        wait: Callable[[float], object] | None = None,
        only: int | None = None,
    ) -> None:
        self._database = database
        self._names = [f"log/{number}" for number in (range(partitions) if only is None else (only,))]
        self._positions = StoredPositions(database)
        self._turn = 0
        self._wait = wait
        self._next: dict[str, int] = {}

    def poll(self, limit: int, timeout: float) -> Sequence[Record]:
        for _ in self._names:
            name = self._names[self._turn % len(self._names)]
            self._turn += 1
            records = self._read(name, limit)
            if records:
                return records
        if timeout and self._wait is not None:
            self._wait(timeout)
        return []

    def _read(self, name: str, limit: int) -> list[Record]:
        if name not in self._next:
            self._next[name] = self._positions.next_offsets([name]).get(name, 0)
        number = int(name.split("/")[1])
        wanted = (
            sa.select(log.c.offset, log.c.body, log.c.history, log.c.received_at)
            .where(log.c.partition == number, log.c.offset >= self._next[name])
            .order_by(log.c.offset)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(wanted).all()
        if rows:
            self._next[name] = rows[-1].offset + 1
        return [
            Record(name, row.offset, row.body, (HISTORY,) if row.history else (), None, row.received_at)
            for row in rows
        ]

    def rewind(self, partition: str, offset: int) -> None:
        self._next[partition] = offset

    def oldest_unread(self) -> Instant | None:
        """Asked of the database: what other processes appended counts too."""
        with self._database.read() as connection:
            return oldest_unread(connection)

    def close(self) -> None:
        self._next.clear()


FRONT = 1_000
"""Records at the front of a partition among which its oldest is sought: appends that cross differ by few places."""


def oldest_unread(connection: sa.Connection) -> Instant | None:
    """When the oldest record not yet folded came in; folded ones are gone from the log.

    However long the backlog, only the front of each partition is read.
    """
    front = (
        sa.select(log.c.received_at)
        .where(log.c.partition == log_heads.c.partition)
        .order_by(log.c.offset)
        .limit(FRONT)
        .correlate(log_heads)
        .subquery()
    )
    oldest = sa.select(sa.func.min(front.c.received_at)).scalar_subquery()
    found: Instant | None = connection.execute(sa.select(sa.func.min(oldest)).select_from(log_heads)).scalar()
    return found
