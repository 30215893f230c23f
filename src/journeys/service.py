"""The use cases: load → react → save, each in one transaction (architecture "What happens to a batch")."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import sqlalchemy as sa
from msgspec.structs import replace

from channels.sla import climb
from channels.task import Task
from journeys.arrivals import Arrival
from journeys.batch import Batch, StaleOwner, Taken, move, owned, position
from journeys.composer import Composer
from journeys.desk import Desk
from journeys.folding import fold
from journeys.ids import Link
from journeys.impact import Counts
from journeys.merging import recognise
from journeys.naming import ACCOUNT
from journeys.playbook import Playbook
from journeys.react import Exit
from journeys.store import accounts, bulk, dead, identities, outcomes
from journeys.store.accounts import LostUpdate
from journeys.store.database import Database
from journeys.store.identities import NotAlone
from journeys.store.tables import gaps, tasks
from journeys.work import Work, present
from signals.event import Event
from signals.feeds.port import Record
from signals.instant import Instant
from signals.problem import Problem, Refused

__all__ = ["LostUpdate", "Service", "StaleOwner", "Taken", "next_sla"]

Result = TypeVar("Result")
_OURS = Record("service", 0, None)
"""Where events of our own making lie: in no feed."""


class Service:
    """Everything that changes accounts goes through here; all clocks are arguments."""

    def __init__(
        self,
        database: Database,
        playbook: Callable[[], Playbook],
        composer: Composer,
        look_again: Callable[[], None] = lambda: None,
    ) -> None:
        """`playbook` answers what it last saw in the database, `look_again` has it look before it answers."""
        self._database, self._playbook, self._composer = database, playbook, composer
        self._look_again = look_again

    def _present(self, connection: sa.Connection) -> Playbook:
        """The playbook of the definitions that are live in this transaction, and until its end."""
        return present(connection, self._playbook, self._look_again)

    def _work(self, connection: sa.Connection, wanted: Iterable[str], now: Instant) -> Work:
        playbook = self._present(connection)
        work = Work(connection, playbook, self._composer.wording(playbook), wanted)
        work.catch_up(now)
        return work

    # ── records of a feed ──────────────────────────────────────────────────────────────────────────────────────

    def take(self, records: Sequence[Record], now: Instant) -> Taken:
        """Fold a batch of one partition and move its position, all or nothing. Raises StaleOwner."""

        def take(connection: sa.Connection, alone: bool) -> Taken:
            translator = self._playbook().segment()
            return Batch(self._work, connection, records, now, translator, alone=alone).take()

        return self._folding(take)

    def _folding(self, act: Callable[[sa.Connection, bool], Result]) -> Result:
        """Fold in a transaction among others who fold; where ids turn out to become one, again and alone."""
        try:
            with self._database.write() as connection:
                identities.lock(connection, alone=False)
                return act(connection, self._database.is_sqlite)
        except NotAlone:
            with self._database.write() as connection:
                identities.lock(connection, alone=True)
                return act(connection, True)

    def step(self, records: Sequence[Record], due_until: Instant) -> Taken:
        """The virtual clock's step: events and what falls due, of all accounts, in the order of their instants, until
        something is to be done outside an account. Answers how many records were used and which instant was reached.
        """
        with self._database.write() as connection:
            batch = Batch(self._work, connection, records, due_until, self._playbook().segment())
            return batch.take_in_order(due_until)

    def bury(self, record: Record, reason: str, detail: str, now: Instant) -> tuple[Record, Problem]:
        """Give up on one record: a dead letter with its bytes, and the position moves past it (I8).

        Raises StaleOwner where another worker has already got past it.
        """
        letter = record, Problem(500, reason, detail)
        with self._database.write() as connection:
            position = owned(connection, record)
            dead.bury(connection, [letter], now)
            move(connection, record.partition, position, record.offset + 1, now)
        return letter

    def position(self, partition: str) -> int:
        """The next offset to fold of this partition, as committed."""
        with self._database.read() as connection:
            return position(connection, partition)

    def note_gap(self, partition: str, first: int, following: int, now: Instant) -> None:
        """Keep on record that the records [first, following) of a partition cannot be had (I9)."""
        row = {"partition": partition, "first_offset": first, "next_offset": following, "at": now}
        with self._database.write() as connection:
            bulk.insert_new(connection, gaps, [row])

    # ── writes through the API ─────────────────────────────────────────────────────────────────────────────────

    def write(self, happened: Sequence[Event], now: Instant) -> None:
        """Events of our own making (API, console), reacted to in this transaction: a read sees them.

        Raises Refused where one of them cannot be: nothing is written then.
        """

        def write(connection: sa.Connection, alone: bool) -> None:
            self._write(connection, happened, now, alone)

        try:
            self._folding(write)
        except LostUpdate:  # an account came into being meanwhile: now it is there to be locked
            self._folding(write)

    def _write(self, connection: sa.Connection, happened: Sequence[Event], now: Instant, alone: bool) -> None:
        identity = recognise(connection, happened)
        known = outcomes.known_hashes(connection, [event.key for event in happened])
        arrivals: list[Arrival] = []
        links: list[Link] = []
        for event in happened:
            if event.key in known:
                continue
            found = identity.resolve(event)
            if isinstance(found, Problem):
                raise Refused(found)
            if found.merges and not alone:
                raise NotAlone
            links += found.links
            ours = replace(found.event, received_at=now)
            arrivals.append(Arrival(ours, _OURS, False, event.key, event.content_hash, found.merges))
        fold(self._work, connection, arrivals, now)
        identities.save_links(connection, map(identity.settled, links), now)

    def exit_journey(self, account: str, journey: str, reason: str, now: Instant) -> None:
        """A person ends a journey."""
        with self._database.write() as connection:
            identities.lock(connection, alone=False)
            home = identities.current(connection, ACCOUNT, account)
            work = self._work(connection, [home], now)
            work.feel(home, Exit(journey, reason), now)
            work.save()

    def move_task(self, task_id: str, now: Instant, move: Callable[[Task, Desk], Task]) -> Task | None:
        """Do something with a task under its account's lock; None where there is no such task.

        Levels that fell due before come first: a task taken up late was late.
        """
        with self._database.write() as connection:
            identities.lock(connection, alone=False)
            found = connection.execute(sa.select(tasks.c.account).where(tasks.c.id == task_id)).scalar()
            if found is None:
                return None
            accounts.lock_and_load(connection, [found])
            raw = connection.execute(sa.select(tasks.c.value).where(tasks.c.id == task_id)).scalar_one()
            desk = Desk(self._playbook())
            found_so = outcomes.task_of(raw)
            climbed, _ = climb(found_so, now, desk.calendar(found_so.owner))
            task = move(climbed, desk)
            outcomes.save_tasks(connection, [(task, desk.next_sla_at(task))])
            return task

    def bring(self, connection: sa.Connection, some: Sequence[str], now: Instant) -> tuple[Playbook, Counts]:
        """Bring these accounts to the live definitions: which, and what they made of the accounts not there yet."""
        work = self._work(connection, some, now)
        work.save()
        return work.playbook, work.made

    def fill(self, now: Instant, after: str = "", limit: int = 200) -> str | None:
        """Bring the next accounts, in id order, to the present playbook; answers the last one done, None at the end.

        Accounts that something happens at are brought to it then; this is for the quiet ones.
        """
        with self._database.write() as connection:
            batch = accounts.after(connection, after, limit)
            if not batch:
                return None
            self.bring(connection, batch, now)
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
