"""The use cases: load → react → save, each in one transaction (architecture "What happens to a batch")."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import count
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from channels.sla import climb
from channels.task import Task
from journeys.composer import Composer
from journeys.desk import Desk
from journeys.playbook import Playbook
from journeys.react import Exit
from journeys.store import accounts, bulk, dead, outcomes
from journeys.store.accounts import LostUpdate
from journeys.store.database import Database
from journeys.store.log import HISTORY
from journeys.store.tables import gaps, log, positions, tasks
from journeys.work import Work
from signals.event import Event, decode
from signals.feeds.port import Record
from signals.instant import Instant
from signals.problem import Problem
from signals.sources import cloudevents


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


class _Arrival(NamedTuple):
    """One event of a batch with the record it came in."""

    event: Event
    record: Record
    history: bool


class Service:
    """Everything that changes accounts goes through here; all clocks are arguments."""

    def __init__(self, database: Database, playbook: Callable[[], Playbook], composer: Composer) -> None:
        self._database, self._playbook, self._composer = database, playbook, composer

    def _work(self, connection: sa.Connection, wanted: Iterable[str], now: Instant) -> Work:
        playbook = self._playbook()
        work = Work(connection, playbook, self._composer.wording(playbook), wanted)
        work.catch_up(now)
        return work

    # ── records of a feed ──────────────────────────────────────────────────────────────────────────────────────

    def take(self, records: Sequence[Record], now: Instant) -> Taken:
        """Fold a batch of one partition and move its position, all or nothing. Raises StaleOwner."""
        with self._database.write() as connection:
            return _Batch(self, connection, records, now).take()

    def step(self, records: Sequence[Record], due_until: Instant) -> Taken:
        """The virtual clock's step: events and what falls due, of all accounts, in the order of their instants, until
        something is to be done outside an account. Answers how many records were used and which instant was reached.
        """
        with self._database.write() as connection:
            return _Batch(self, connection, records, due_until).take_in_order(due_until)

    def bury(self, record: Record, reason: str, detail: str, now: Instant) -> tuple[Record, Problem]:
        """Give up on one record: a dead letter with its bytes, and the position moves past it (I8).

        Raises StaleOwner where another worker has already got past it.
        """
        letter = record, Problem(500, reason, detail)
        with self._database.write() as connection:
            position = _owned(connection, record)
            dead.bury(connection, [letter], now)
            _move(connection, record.partition, position, record.offset + 1, now)
        return letter

    def position(self, partition: str) -> int:
        """The next offset to fold of this partition, as committed."""
        with self._database.read() as connection:
            return _position(connection, partition)

    def note_gap(self, partition: str, first: int, following: int, now: Instant) -> None:
        """Keep on record that the records [first, following) of a partition cannot be had (I9)."""
        row = {"partition": partition, "first_offset": first, "next_offset": following, "at": now}
        with self._database.write() as connection:
            bulk.insert_new(connection, gaps, [row])

    # ── writes through the API ─────────────────────────────────────────────────────────────────────────────────

    def write(self, happened: Sequence[Event], now: Instant) -> None:
        """Events of our own making (API, console), reacted to in this transaction: a read sees them."""
        try:
            self._write(happened, now)
        except LostUpdate:  # an account came into being meanwhile: now it is there to be locked
            self._write(happened, now)

    def _write(self, happened: Sequence[Event], now: Instant) -> None:
        with self._database.write() as connection:
            homes = {event.account for event in happened if event.account is not None}
            work = self._work(connection, homes, now)
            known = outcomes.known_hashes(connection, [event.key for event in happened])
            for event in happened:
                if event.key not in known and event.account is not None:
                    work.feel(event.account, event, now)
            work.save()

    def exit_journey(self, account: str, journey: str, reason: str, now: Instant) -> None:
        """A person ends a journey."""
        with self._database.write() as connection:
            work = self._work(connection, [account], now)
            work.feel(account, Exit(journey, reason), now)
            work.save()

    def move_task(self, task_id: str, move: Callable[[Task, Desk], Task]) -> Task | None:
        """Do something with a task under its account's lock; None where there is no such task."""
        with self._database.write() as connection:
            found = connection.execute(sa.select(tasks.c.account).where(tasks.c.id == task_id)).scalar()
            if found is None:
                return None
            accounts.lock_and_load(connection, [found])
            raw = connection.execute(sa.select(tasks.c.value).where(tasks.c.id == task_id)).scalar_one()
            desk = Desk(self._playbook())
            task = move(outcomes.task_of(raw), desk)
            outcomes.save_tasks(connection, [(task, desk.next_sla_at(task))])
            return task

    def fill(self, now: Instant, after: str = "", limit: int = 200) -> str | None:
        """Bring the next accounts, in id order, to the present playbook; answers the last one done, None at the end.

        Accounts that something happens at are brought to it then; this is for the quiet ones.
        """
        with self._database.write() as connection:
            batch = accounts.after(connection, after, limit)
            if not batch:
                return None
            self._work(connection, batch, now).save()
            return batch[-1]

    # ── time ───────────────────────────────────────────────────────────────────────────────────────────────────

    def tick(self, now: Instant, limit: int = 500) -> int:
        """Accounts at which something fell due live through it; answers how many did."""
        with self._database.write() as connection:
            due = accounts.due(connection, now, limit)
            if not due:
                return 0
            work = self._work(connection, due, now)
            for account in due:
                work.feel(account, None, now)
            work.save()
            return len(due)

    def sweep_tasks(self, now: Instant, limit: int = 500) -> int:
        """Tasks whose next level has come climb their ladder; answers how many did."""
        with self._database.write() as connection:
            wanted = (
                sa.select(tasks.c.account).where(tasks.c.sla_at <= now).order_by(tasks.c.sla_at).limit(limit)
            )
            due = sorted(set(connection.execute(wanted).scalars()))
            if not due:
                return 0
            accounts.lock_and_load(connection, due)
            desk = Desk(self._playbook())
            mine = sa.select(tasks.c.value).where(tasks.c.account.in_(due), tasks.c.sla_at <= now)
            changed: list[tuple[Task, Instant | None]] = []
            for raw in connection.execute(mine).scalars():
                task = outcomes.task_of(raw)
                climbed, _ = climb(task, now, desk.calendar(task.owner))
                changed.append((climbed, desk.next_sla_at(climbed)))
            outcomes.save_tasks(connection, changed)
            return len(changed)

    def next_due(self) -> Instant | None:
        """When the next account or task falls due."""
        with self._database.read() as connection:
            instants = [accounts.next_due(connection), next_sla(connection)]
        return min((instant for instant in instants if instant is not None), default=None)


def next_sla(connection: sa.Connection) -> Instant | None:
    """When the next task reaches a level: one look at an index."""
    found: Instant | None = connection.execute(sa.select(sa.func.min(tasks.c.sla_at))).scalar()
    return found


class _Batch:
    """One batch of records inside its transaction."""

    def __init__(
        self, service: Service, connection: sa.Connection, records: Sequence[Record], now: Instant
    ) -> None:
        self._service, self._connection, self._now = service, connection, now
        self._partition = records[0].partition if records else ""
        self._position = _position(connection, self._partition) if records else 0
        self._records = [record for record in records if record.offset >= self._position]
        skipped = self._partition.startswith("log/") and records[0].offset > self._position  # ours is dense
        self._stale = skipped or len(self._records) < len(records)
        self._dead: list[tuple[Record, Problem]] = []
        self._duplicates = 0

    def take(self) -> Taken:
        """Everything in the order of arrival. Raises StaleOwner where the batch does not begin at the position."""
        if self._stale:
            raise StaleOwner(f"{self._partition} is at {self._position}: another worker has it")
        arrivals = self._fresh(self._arrivals())
        work = self._open(arrivals)
        emitted = False
        for event, _, history in arrivals:
            assert event.account is not None
            emitted = work.feel(event.account, event, event.received_at, history) or emitted
        work.save()
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
        arrivals = self._fresh(self._arrivals())
        horizon = min(due_until, self._records[-1].received_at) if self._records else due_until
        due = accounts.due(self._connection, horizon, 1_000_000)
        work = self._open(arrivals, due)
        agenda = _Agenda(work, arrivals, horizon)
        reached, used, emitted = horizon, len(self._records), False
        for instant, account, arrival in agenda:
            if arrival is None:
                emitted = work.look(account, instant)
            else:
                emitted = work.feel(account, arrival.event, instant, arrival.history)
            agenda.note(account)
            if emitted:
                reached = instant
                used = agenda.used(self._records)
                break
        work.save()
        self._finish(used)
        return Taken(agenda.folded, self._duplicates, len(self._dead), used, emitted, reached)

    def _open(self, arrivals: Sequence[_Arrival], also: Iterable[str] = ()) -> Work:
        wanted = {arrival.event.account for arrival in arrivals if arrival.event.account is not None} | set(
            also
        )
        began = arrivals[0].event.received_at if arrivals else self._now
        return self._service._work(self._connection, wanted, began)

    def _arrivals(self) -> list[_Arrival]:
        """The events of the records; what cannot be one is a dead letter."""
        found: list[_Arrival] = []
        for record in self._records:
            history = HISTORY in record.headers
            for item in _events_of(record, self._now):
                if isinstance(item, Problem):
                    self._dead.append((record, item))
                else:
                    found.append(_Arrival(item, record, history))
        return self._identified(found)

    def _identified(self, arrivals: list[_Arrival]) -> list[_Arrival]:
        """With their accounts: a contact of one account names it (semantics §2)."""
        nameless = {
            a.event.contact for a in arrivals if a.event.account is None and a.event.contact is not None
        }
        homes = accounts.accounts_of(self._connection, sorted(nameless)) if nameless else {}
        for arrival in arrivals:  # a contact may come to be known earlier in this very batch
            if arrival.event.contact in nameless and arrival.event.account is not None:
                known = homes.setdefault(arrival.event.contact, [])
                if arrival.event.account not in known:
                    known.append(arrival.event.account)
        found = []
        for arrival in arrivals:
            event = arrival.event
            if event.account is None:
                known = homes.get(event.contact or "", [])
                if len(known) != 1:
                    self._dead.append((arrival.record, _homeless(event, known)))
                    continue
                arrival = arrival._replace(event=msgspec.structs.replace(event, account=known[0]))  # noqa: PLW2901
            found.append(arrival)
        return found

    def _fresh(self, arrivals: list[_Arrival]) -> list[_Arrival]:
        """Those seen for the first time: the first wins, the same again is nothing, other content a dead letter (I3)."""
        known = outcomes.known_hashes(self._connection, [arrival.event.key for arrival in arrivals])
        found = []
        for arrival in arrivals:
            key, content = arrival.event.key, arrival.event.content_hash
            if key not in known:
                known[key] = content
                found.append(arrival)
            elif known[key] == content:
                self._duplicates += 1
            else:
                detail = (
                    f"event {arrival.event.id!r} of {arrival.event.source!r} came before with other content"
                )
                self._dead.append((arrival.record, Problem(409, "id_conflict", detail)))
        return found

    def _finish(self, used: int) -> None:
        """Dead letters and the position, in the transaction of the effects."""
        done = self._records[:used]
        if not done:
            return
        last = done[-1]
        partition, following = last.partition, last.offset + 1
        dead.bury(self._connection, [entry for entry in self._dead if entry[0].offset < following], self._now)
        _move(self._connection, partition, self._position, following, self._now)


class _Agenda:
    """What happens in a batch of all accounts, by instant: what is due before what arrives."""

    def __init__(self, work: Work, arrivals: Sequence[_Arrival], horizon: Instant) -> None:
        self._work, self._horizon = work, horizon
        self._arrivals = list(arrivals)
        self.folded = 0
        self._order = count()
        self._due: list[tuple[Instant, int, str]] = []
        for account in work.states:
            self._push(account)
        heapify(self._due)

    def _push(self, account: str) -> None:
        due = self._work.states[account].due()
        if due is not None and due <= self._horizon:
            heappush(self._due, (due, next(self._order), account))

    def note(self, account: str) -> None:
        """The account has moved: its next due instant is another."""
        self._push(account)

    def __iter__(self) -> Iterator[tuple[Instant, str, _Arrival | None]]:
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
                assert arrival.event.account is not None
                yield arrival.event.received_at, arrival.event.account, arrival
            else:
                return

    def used(self, records: Sequence[Record]) -> int:
        """How many records have been used up: all before the next arrival that has not happened."""
        if self.folded >= len(self._arrivals):
            return len(records)
        offset = self._arrivals[self.folded].record.offset
        return next(place for place, record in enumerate(records) if record.offset == offset)


def _events_of(record: Record, now: Instant) -> Sequence[Event | Problem]:
    """Our own log holds what we checked and wrote; anything else is read as a CloudEvent."""
    if record.partition.startswith("log/") and record.value is not None:
        return [decode(record.value, record.received_at)]
    read = cloudevents.read_record(record.value, record.headers, now)
    return [item if isinstance(item, Problem) else _received(item, record.received_at) for item in read]


def _received(event: Event, at: Instant) -> Event:
    """The event as received when the broker had it, not when we got round to it: a backlog is lived through in its
    own order (semantics §2). A broker's clock may lag, or its producer's be asked; nothing is received before it is.
    """
    if not 0 < at < event.received_at:
        return event
    if event.timed:
        return msgspec.structs.replace(event, received_at=max(at, event.time))
    return msgspec.structs.replace(event, received_at=at, time=at)


def _homeless(event: Event, known: Sequence[str]) -> Problem:
    if known:
        detail = (
            f"contact {event.contact!r} belongs to {', '.join(sorted(known))}: name the account in the event"
        )
        return Problem(422, "ambiguous_account", detail, "/account")
    return Problem(422, "no_account", "the event names neither an account nor a contact we know", "/account")


def _position(connection: sa.Connection, partition: str) -> int:
    found = connection.execute(
        sa.select(positions.c.next_offset).where(positions.c.partition == partition)
    ).scalar()
    return 0 if found is None else int(found)


def _owned(connection: sa.Connection, record: Record) -> int:
    """The position of the record's partition. Raises StaleOwner where it lies past the record."""
    position = _position(connection, record.partition)
    if position > record.offset:
        raise StaleOwner(f"{record.partition} is at {position}: another worker has it")
    return position


def _move(connection: sa.Connection, partition: str, expected: int, following: int, now: Instant) -> None:
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
        connection.execute(sa.delete(log).where(log.c.partition == number, log.c.offset < following))
