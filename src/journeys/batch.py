"""One batch of records inside its transaction: events of the records, accounts moved, the position with the effects."""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from journeys.arrivals import Arrival
from journeys.folding import OpenWork, feel, fold, homes, join
from journeys.resolution import Resolution
from journeys.store import accounts, bulk, dead
from journeys.store.log import HISTORY
from journeys.store.tables import log, positions
from journeys.work import Work
from signals.event import Event, Named, named, unpack
from signals.feeds.port import Record
from signals.instant import Instant
from signals.problem import Problem
from signals.sources.records import read_record
from signals.sources.segment import AS_SHIPPED, Translator


class StaleOwner(RuntimeError):
    """Another worker has moved this partition on: this batch is rolled back whole (I6)."""


class Taken(NamedTuple):
    """What became of the records of one batch."""

    folded: int
    duplicates: int
    dead: int
    records: int
    emitted: bool
    reached: Instant
    letters: Sequence[tuple[Record, Problem]] = ()  # the dead ones, kept in the database, with their reasons


class Batch:
    """One batch of records inside its transaction."""

    def __init__(
        self,
        open_work: OpenWork,
        connection: sa.Connection,
        records: Sequence[Record],
        now: Instant,
        translator: Translator = AS_SHIPPED,
        *,
        alone: bool = True,
    ) -> None:
        """`alone`: nobody else folds at the same time (`identities.lock`), so that ids may be joined."""
        self._alone = alone
        self._open_work, self._connection, self._now = open_work, connection, now
        self._translator = translator
        self._partition = records[0].partition if records else ""
        self._position = position(connection, self._partition) if records else 0
        self._records = [record for record in records if record.offset >= self._position]
        skipped = self._partition.startswith("log/") and records[0].offset > self._position  # ours is dense
        self._stale = skipped or len(self._records) < len(records)
        self._dead: list[tuple[Record, Problem]] = []

    def take(self) -> Taken:
        """Everything in the order of arrival. Raises StaleOwner where the batch does not begin at the position, and
        NotAlone where ids are to be joined and others may be folding.
        """
        if self._stale:
            raise StaleOwner(f"{self._partition} is at {self._position}: another worker has it")
        who = self._resolution()
        emitted = fold(self._open_work, self._connection, who.found, self._now)
        self._finish(len(self._records), who)
        return Taken(
            len(who.found),
            who.duplicates,
            len(self._dead),
            len(self._records),
            emitted,
            self._now,
            tuple(self._dead),
        )

    def take_in_order(self, due_until: Instant) -> Taken:
        """Events and due instants of all accounts merged by instant, stopping after the first that emits."""
        who = self._resolution()
        arrivals = who.found
        horizon = min(due_until, self._records[-1].received_at) if self._records else due_until
        due = accounts.due(self._connection, horizon, 1_000_000)
        began = arrivals[0].event.received_at if arrivals else self._now
        work = self._open_work(self._connection, homes(arrivals) | set(due), began)
        agenda = _Agenda(work, arrivals, horizon)
        reached, used, emitted = horizon, len(self._records), False
        for instant, account, arrival in agenda:
            if arrival is None:
                emitted = work.look(account, instant)
            elif not arrival.merges:
                emitted = feel(work, arrival)
            else:  # what was done before is saved; what comes after finds other accounts, in another step
                work.save()
                join(self._open_work, self._connection, arrival)
                emitted, work = True, self._open_work(self._connection, homes([arrival]), instant)
                feel(work, arrival)
                reached, used = instant, agenda.used(self._records)
                break
            agenda.note(account)
            if emitted:
                reached = instant
                used = agenda.used(self._records)
                break
        work.save()
        self._finish(used, who)
        return Taken(agenda.folded, who.duplicates, len(self._dead), used, emitted, reached)

    def _resolution(self) -> Resolution:
        """The events of the records, and whose they are; what cannot be one is a dead letter."""
        found: list[Arrival] = []
        for record in self._records:
            history = HISTORY in record.headers
            for item in _events_of(record, self._now, self._translator):
                if isinstance(item, Problem):
                    self._dead.append((record, item))
                else:
                    found.append(Arrival(item.event, record, history, item.key, item.content))
        who = Resolution(self._connection, found, self._now, alone=self._alone)
        self._dead += who.dead
        return who

    def _finish(self, used: int, who: Resolution) -> None:
        """Dead letters, who is who, and the position, in the transaction of the effects."""
        done = self._records[:used]
        if not done:
            return
        last = done[-1]
        partition, following = last.partition, last.offset + 1
        dead.bury(self._connection, [entry for entry in self._dead if entry[0].offset < following], self._now)
        who.save(following)
        move(self._connection, partition, self._position, following, self._now)


class _Agenda:
    """What happens in a batch of all accounts, by instant: what is due before what arrives."""

    def __init__(self, work: Work, arrivals: Sequence[Arrival], horizon: Instant) -> None:
        self._work, self._horizon = work, horizon
        self._arrivals = list(arrivals)
        self.folded = 0
        self._order = count()
        self._due: list[tuple[Instant, int, str]] = []
        for account in work.states:
            self._push(account)

    def _push(self, account: str) -> None:
        due = self._work.states[account].due()
        if due is not None and due <= self._horizon:
            heappush(self._due, (due, next(self._order), account))

    def note(self, account: str) -> None:
        """The account has moved: its next due instant is another."""
        self._push(account)

    def __iter__(self) -> Iterator[tuple[Instant, str, Arrival | None]]:
        while True:
            arrival = self._arrivals[self.folded] if self.folded < len(self._arrivals) else None
            while self._due and self._work.states[self._due[0][2]].due() != self._due[0][0]:
                heappop(self._due)  # it has moved since
            due = self._due[0] if self._due else None
            if due is not None and (arrival is None or due[0] <= arrival.event.received_at):
                heappop(self._due)
                yield due[0], due[2], None
            elif arrival is not None:
                self.folded += 1
                yield arrival.event.received_at, arrival.event.account or "", arrival
            else:
                return

    def used(self, records: Sequence[Record]) -> int:
        """How many records have been used up: all before the next arrival that has not happened."""
        if self.folded >= len(self._arrivals):
            return len(records)
        offset = self._arrivals[self.folded].record.offset
        return next(place for place, record in enumerate(records) if record.offset == offset)


def _events_of(record: Record, now: Instant, translator: Translator) -> Sequence[Named | Problem]:
    """Our own log holds what we checked and wrote; anything else is a CloudEvent or a Segment call."""
    if record.partition.startswith("log/") and record.value is not None:
        return [unpack(record.value)]
    came = record.received_at if 0 < record.received_at < now else None
    read = read_record(record.value, record.headers, now, translator._replace(came=came))
    return [
        item if isinstance(item, Problem) else named(_received(item, record.received_at)) for item in read
    ]


def _received(event: Event, at: Instant) -> Event:
    """The event as received when the broker had it, not when we got round to it: a backlog is lived through in its
    own order (semantics §2). A broker's clock may lag, or its producer's be asked; nothing is received before it is.
    """
    if not 0 < at < event.received_at:
        return event
    if event.timed:
        return msgspec.structs.replace(event, received_at=max(at, event.time))
    return msgspec.structs.replace(event, received_at=at, time=at)


def position(connection: sa.Connection, partition: str) -> int:
    """The next offset of the partition to be folded; 0 where none has been."""
    found = connection.execute(
        sa.select(positions.c.next_offset).where(positions.c.partition == partition)
    ).scalar()
    return 0 if found is None else int(found)


def owned(connection: sa.Connection, record: Record) -> int:
    """The position of the record's partition. Raises StaleOwner where it lies past the record."""
    reached = position(connection, record.partition)
    if reached > record.offset:
        raise StaleOwner(f"{record.partition} is at {reached}: another worker has it")
    return reached


def move(connection: sa.Connection, partition: str, expected: int, following: int, now: Instant) -> None:
    """Compare and swap the partition's position; a folded record of our own log is let go (events keep it)."""
    moved = connection.execute(
        sa.update(positions)
        .where(positions.c.partition == partition, positions.c.next_offset == expected)
        .values(next_offset=following, moved_at=now)
    ).rowcount
    if not moved:
        row = {"partition": partition, "next_offset": following, "moved_at": now}
        if bulk.insert_new(connection, positions, [row]) != 1:
            raise StaleOwner(f"{partition} is not at {expected} any more: another worker has it")
    if partition.startswith("log/"):
        number = int(partition.split("/")[1])
        connection.execute(
            sa.delete(log).where(
                log.c.partition == number, log.c.offset.between(expected, following - 1)
            )  # from where it stood: what was let go before is not walked over again
        )
