"""One batch of records inside its transaction: events of the records, accounts moved, the position with the effects."""

from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from journeys.arrivals import Arrival
from journeys.folding import OpenWork, feel, fold, homes
from journeys.identity import Identity, Link
from journeys.merging import learn, recognise
from journeys.recognition import Visits
from journeys.store import accounts, bulk, dead, identities, outcomes
from journeys.store.log import HISTORY
from journeys.store.tables import log, positions
from journeys.work import Work
from signals.event import Event, Named, named, unpack
from signals.feeds.port import Record
from signals.instant import Instant
from signals.problem import Problem, id_conflict
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
        self._duplicates = 0
        self._visits: Visits | None = None
        self._links: list[tuple[Link, int]] = []
        self._identity: Identity | None = None

    def take(self) -> Taken:
        """Everything in the order of arrival. Raises StaleOwner where the batch does not begin at the position, and
        NotAlone where ids are to be joined and others may be folding.
        """
        if self._stale:
            raise StaleOwner(f"{self._partition} is at {self._position}: another worker has it")
        arrivals = self._arrivals()
        emitted = fold(self._open_work, self._connection, arrivals, self._now)
        self._finish(len(self._records))
        return Taken(
            len(arrivals),
            self._duplicates,
            len(self._dead),
            len(self._records),
            emitted,
            self._now,
            tuple(self._dead),
        )

    def take_in_order(self, due_until: Instant) -> Taken:
        """Events and due instants of all accounts merged by instant, stopping after the first that emits."""
        arrivals = self._arrivals()
        horizon = min(due_until, self._records[-1].received_at) if self._records else due_until
        due = accounts.due(self._connection, horizon, 1_000_000)
        began = arrivals[0].event.received_at if arrivals else self._now
        work = self._open_work(self._connection, homes(arrivals) | set(due), began)
        agenda = _Agenda(work, arrivals, horizon)
        reached, used, emitted = horizon, len(self._records), False
        for instant, account, arrival in agenda:
            if arrival is None:
                emitted = work.look(account, instant)
            elif arrival.merge is None:
                emitted = feel(work, arrival)
            else:  # what was done before is saved; what comes after finds other accounts, in another step
                work.save()
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
        self._finish(used)
        return Taken(agenda.folded, self._duplicates, len(self._dead), used, emitted, reached)

    def _arrivals(self) -> list[Arrival]:
        """The events of the records; what cannot be one is a dead letter."""
        found: list[Arrival] = []
        for record in self._records:
            history = HISTORY in record.headers
            for item in _events_of(record, self._now, self._translator):
                if isinstance(item, Problem):
                    self._dead.append((record, item))
                else:
                    found.append(Arrival(item.event, record, history, item.key, item.content))
        return self._identified(found)

    def _identified(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Those seen for the first time, with our ids for everybody; a visitor waits for theirs (semantics §2)."""
        visits = self._visits = Visits(self._connection, arrivals, self._now)
        arrivals = visits.recognise(arrivals)
        identity = self._identity = recognise(self._connection, (arrival.event for arrival in arrivals))
        known = outcomes.known_hashes(self._connection, [arrival.key for arrival in arrivals])
        found: list[Arrival] = []
        for arrival in arrivals:
            if self._is_new(arrival, known):
                resolved = self._resolved(arrival, identity, visits)
                if resolved is not None:
                    known[arrival.key] = arrival.content
                    found.append(resolved)
        self._settle(visits)
        return self._attached(found, visits, identity, known)

    def _is_new(self, arrival: Arrival, known: Mapping[bytes, bytes]) -> bool:
        """The first wins, the same again is nothing, other content a dead letter (I3)."""
        content = known.get(arrival.key)
        if content is None:
            return True
        if content == arrival.content:
            self._duplicates += 1
        else:
            self._dead.append((arrival.record, id_conflict(arrival.event.id, arrival.event.source)))
        return False

    def _resolved(self, arrival: Arrival, identity: Identity, visits: Visits) -> Arrival | None:
        """With our ids; None for a dead letter, and for a visitor who waits."""
        if identity.is_plain(arrival.event):
            return arrival
        found = identity.resolve(arrival.event)
        if isinstance(found, Problem):
            if not visits.wait(arrival):
                self._dead.append((arrival.record, found))
            return None
        if found.merge is not None and not self._alone:
            raise identities.NotAlone
        self._links += [(link, arrival.record.offset) for link in found.links]
        return arrival._replace(event=found.event, merge=found.merge)

    def _attached(
        self, found: list[Arrival], visits: Visits, identity: Identity, known: dict[bytes, bytes]
    ) -> list[Arrival]:
        """With what visitors did who are known now."""
        whole = visits.attach(found)
        if len(whole) == len(found):
            return whole
        mine = set(map(id, found))
        learn(self._connection, identity, (arrival.event for arrival in whole if id(arrival) not in mine))
        result = []
        for arrival in whole:
            if id(arrival) in mine:
                result.append(arrival)
            elif self._is_new(arrival, known):
                result.append(arrival._replace(event=identity.known(arrival.event)))
        return result

    def _settle(self, visits: Visits) -> None:
        for arrival, problem in visits.settle():
            if problem is None:
                self._duplicates += 1
            else:
                self._dead.append((arrival.record, problem))

    def _finish(self, used: int) -> None:
        """Dead letters and the position, in the transaction of the effects."""
        done = self._records[:used]
        if not done:
            return
        last = done[-1]
        partition, following = last.partition, last.offset + 1
        if self._visits is not None:
            self._visits.save(following)
        if self._identity is not None:
            links = [self._identity.settled(link) for link, offset in self._links if offset < following]
            identities.save_links(self._connection, links, self._now)
        dead.bury(self._connection, [entry for entry in self._dead if entry[0].offset < following], self._now)
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
