"""The worker on every database: poison set aside, nothing lost, nothing twice, whoever else is at work."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from builders import START
from journeys.bootstrap import Parts
from journeys.clock import Clock
from journeys.process import Engine
from journeys.services import free_port
from journeys.settings import Settings
from journeys.store.accounts import LostUpdate
from journeys.store.database import Database
from journeys.store.log import EmbeddedLog, LogFeed
from journeys.store.tables import accounts, dead_letters, events, gaps, positions
from journeys.worker import ATTEMPTS, Letters, Worker
from signals.event import Event
from signals.feeds.port import FeedBroken, Record
from signals.instant import DAY, HOUR, Instant
from stores import rows
from yard import FEED, ListFeed, happening, raw, records, service, story

LATER = START + 2 * HOUR
Act = Callable[[Sequence[Record]], None]


class Careful:
    """The service, told of every batch before it is taken: `before` may raise, as a defect would."""

    def __init__(self, database: Database, before: Act = lambda _: None) -> None:
        self._service, self._before = service(database), before
        self.position, self.bury, self.note_gap = (
            self._service.position,
            self._service.bury,
            self._service.note_gap,
        )

    def take(self, lying: Sequence[Record], now: Instant) -> object:
        self._before(lying)
        return self._service.take(lying, now)


def worker(database: Database, feed: object, before: Act = lambda _: None, **about: object) -> Worker:
    return Worker(feed, Careful(database, before), lambda: LATER, **about)  # type: ignore[arg-type] # the same methods


def work_off(made: Worker, rounds: int = 100) -> int:
    """Batches until nothing is left."""
    return sum(taken for taken in (made.once() for _ in range(rounds)) if taken)


def folded(database: Database) -> list[str]:
    with database.read() as connection:
        return list(
            connection.execute(sa.select(events.c.id).order_by(events.c.received_at, events.c.id)).scalars()
        )


def logins(count: int, account: str = "acme") -> list[Event]:
    return [happening(number, "product.login", account, START + number) for number in range(count)]


# ── poison ──────────────────────────────────────────────────────────────────────────────────────────────────────


def broken_by(
    *offsets: int, error: Callable[[], Exception] = lambda: ValueError("nobody foresaw this")
) -> tuple[Act, list[int]]:
    """Fails whenever a batch holds one of these; and how often each was tried alone."""
    tried: list[int] = []

    def before(lying: Sequence[Record]) -> None:
        bad = [each.offset for each in lying if each.offset in offsets]
        if bad and len(lying) == 1:
            tried.extend(bad)
        if bad:
            raise error()

    return before, tried


@pytest.mark.parametrize("bad", [(0,), (4,), (9,), (3, 4), tuple(range(10))])
def test_poison_is_a_dead_letter_after_three_attempts_and_the_others_flow(
    store: Database, bad: tuple[int, ...]
) -> None:
    before, tried = broken_by(*bad)
    lying = records(logins(10))
    assert work_off(worker(store, ListFeed(lying), before)) == 10
    assert tried == [offset for offset in bad for _ in range(ATTEMPTS)]
    kept = rows(store, dead_letters)
    assert sorted((row[5], row[2], row[3], row[6]) for row in kept) == [
        (offset, "poison", "ValueError: nobody foresaw this", lying[offset].value) for offset in bad
    ]
    assert len(folded(store)) == 10 - len(bad)
    assert service(store).position(FEED) == 10


def test_poison_between_gaps_of_offsets_is_passed_too(store: Database) -> None:
    lying = [replace(each, offset=each.offset * 5 + 3) for each in records(logins(4))]
    before, _ = broken_by(lying[0].offset, lying[2].offset)
    work_off(worker(store, ListFeed(lying), before))
    assert len(rows(store, dead_letters)) == 2
    assert service(store).position(FEED) == lying[-1].offset + 1


def test_what_the_database_refuses_for_good_is_poison(store: Database) -> None:
    before, tried = broken_by(2, error=lambda: sa.exc.DataError("INSERT", {}, ValueError("out of range")))
    work_off(worker(store, ListFeed(records(logins(5))), before))
    assert len(tried) == ATTEMPTS
    assert [row[2:4] for row in rows(store, dead_letters)] == [("poison", "ValueError: out of range")]
    assert len(folded(store)) == 4


def test_a_database_that_is_away_is_no_fault_of_the_records(store: Database) -> None:
    away = [True, True]

    def before(_: Sequence[Record]) -> None:
        if away and away.pop():
            raise sa.exc.OperationalError("SELECT", {}, ConnectionResetError("the server went away"))

    feed = ListFeed(records(logins(5)))
    made = worker(store, feed, before)
    for _ in range(2):
        with pytest.raises(sa.exc.OperationalError):
            made.once()
    assert made.once() == 5
    assert rows(store, dead_letters) == []
    assert len(folded(store)) == 5


def test_a_database_that_goes_away_while_poison_is_sought_is_asked_again(store: Database) -> None:
    state = {"away": False}

    def before(lying: Sequence[Record]) -> None:
        if len(lying) > 1 and lying[0].offset == 0:
            state["away"] = True
            raise ValueError("nobody foresaw this")
        if lying[0].offset == 3 and state["away"]:
            state["away"] = False
            raise sa.exc.OperationalError("SELECT", {}, ConnectionResetError("the server went away"))

    feed = ListFeed(records(logins(6)))
    made = worker(store, feed, before)
    with pytest.raises(sa.exc.OperationalError):
        made.once()
    assert feed.next[FEED] == 3
    assert made.once() == 3
    assert len(folded(store)) == 6
    assert rows(store, dead_letters) == []


# ── others at work ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_lost_update_is_taken_again(store: Database) -> None:
    before, _ = broken_by(0, error=lambda: LostUpdate("saved by another writer"))
    made = worker(store, ListFeed(records(logins(5))), before)
    assert [made.once(), made.once()] == [0, 0]
    calm = worker(store, made._feed)
    assert calm.once() == 5
    assert rows(store, dead_letters) == []


def test_a_stale_worker_goes_on_where_the_other_has_got_to(store: Database) -> None:
    lying = records(logins(10))
    service(store).take(lying[:6], LATER)
    stale = worker(store, ListFeed(lying), batch=4)
    assert [stale.once() for _ in range(3)] == [0, 4, 0]
    assert len(folded(store)) == 10
    assert rows(store, positions) == [(FEED, 10, LATER)]


def test_two_workers_of_one_partition_fold_every_event_once(shared_store: Database) -> None:
    log = EmbeddedLog(shared_store)
    log.append([event for number in range(20) for event in story(f"a{number:02}")])
    both = [worker(shared_store, LogFeed(shared_store), batch=7) for _ in range(2)]

    def run(made: Worker) -> None:
        while log.unread():
            made.once()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, both))
    assert len(folded(shared_store)) >= 140
    assert rows(shared_store, dead_letters) == []
    assert service(shared_store).position("log/0") == 140


@pytest.mark.postgres
def test_two_workers_on_two_partitions_lose_no_update_and_never_lock_each_other_out(
    pg_store: Database,
) -> None:
    """The same accounts in both partitions, in opposite order; two hundred batches (I7)."""
    names = [f"a{number:02}" for number in range(12)]
    told = {
        side: [
            happening(
                number, f"product.{side}", names[(number if side == "left" else -number) % 12], START + number
            )
            for number in range(1_200)
        ]
        for side in ("left", "right")
    }
    deadlocks: list[sa.exc.DBAPIError] = []

    def run(side: str) -> int:
        made = worker(pg_store, ListFeed(records(told[side], f"{side}/0")), batch=12)
        batches = 0
        while made._service.position(f"{side}/0") < 1_200:
            try:
                batches += bool(made.once())
            except sa.exc.DBAPIError as error:
                deadlocks.append(error)
        return batches

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(run, told)) == 200
    assert deadlocks == []
    with pg_store.read() as connection:
        counted = connection.execute(
            sa.select(events.c.account, sa.func.count()).group_by(events.c.account)
        ).all()
        versions = connection.execute(sa.select(accounts.c.id, accounts.c.version)).all()
    assert {row[0]: row[1] for row in counted} == dict.fromkeys(names, 200)
    assert {row[1] for row in versions} == {
        200
    }  # one event of each account in each batch: every save counted


@pytest.mark.postgres
def test_two_workers_that_meet_new_accounts_in_opposite_order_both_get_through(pg_store: Database) -> None:
    names = [f"n{number:03}" for number in range(200)]
    sides = {"left": names, "right": names[::-1]}

    def run(side: str) -> None:
        told = [
            happening(number, f"product.{side}", name, START + number)
            for number, name in enumerate(sides[side])
        ]
        made = worker(pg_store, ListFeed(records(told, f"{side}/0")), batch=50)
        while made._service.position(f"{side}/0") < 200:
            made.once()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, sides))
    assert len(folded(pg_store)) == 400


# ── what is told ────────────────────────────────────────────────────────────────────────────────────────────────


def test_dead_letters_and_progress_are_told_after_the_commit(store: Database) -> None:
    told: list[tuple[str, int]] = []
    letters: list[tuple[int, str]] = []

    def noted(partition: str, following: int) -> None:
        assert service(store).position(partition) == following
        told.append((partition, following))

    def buried(found: Letters) -> None:
        assert len(rows(store, dead_letters)) >= len(found)
        letters.extend((record.offset, problem.reason) for record, problem in found)

    before, _ = broken_by(3)
    lying = [raw(b"not json", 0), *records(logins(4), first=1)]
    work_off(worker(store, ListFeed(lying), before, buried=buried, noted=noted))
    assert told == [(FEED, each) for each in (1, 2, 3, 4, 5)]
    assert letters == [(0, "malformed"), (3, "poison")]


def test_what_is_to_be_done_outside_wakes_the_dispatcher(store: Database) -> None:
    woken: list[bool] = []
    lying = records(story("acme"))
    made = worker(store, ListFeed(lying), emitted=lambda: woken.append(True), batch=5)
    assert [made.once(), len(woken), made.once(), len(woken)] == [5, 0, 2, 1]


# ── the loop ────────────────────────────────────────────────────────────────────────────────────────────────────


class Fated(ListFeed):
    """Whose polls raise what is given, in turn, before they bring anything."""

    def __init__(self, lying: Sequence[Record], fates: list[Exception], stop: threading.Event) -> None:
        super().__init__(lying)
        self.fates, self.stop = fates, stop

    def poll(self, limit: int, timeout: float) -> Sequence[Record]:
        if self.fates:
            raise self.fates.pop(0)
        found = super().poll(limit, timeout)
        if not found:
            self.stop.set()
        return found


def run(database: Database, *fates: Exception) -> tuple[Worker, Fated]:
    stop = threading.Event()
    stop.wait = lambda timeout=None: stop.is_set()  # type: ignore[method-assign] # no pause between attempts
    feed = Fated(records(logins(5)), list(fates), stop)
    made = worker(database, feed)
    made.run(stop)
    return made, feed


def test_a_gap_stops_the_worker_and_goes_on_record(store: Database) -> None:
    made, feed = run(store, FeedBroken("records 2 to 3 of orders/1 are gone", ("orders/1", 2, 4)))
    assert made.broken == "records 2 to 3 of orders/1 are gone"
    assert rows(store, gaps) == [("orders/1", 2, 4, LATER)]
    assert feed.closed == 1
    assert folded(store) == []


def test_the_worker_goes_on_after_what_nobody_foresaw(store: Database) -> None:
    away = sa.exc.OperationalError("SELECT", {}, ConnectionResetError("away"))
    made, feed = run(store, RuntimeError("a defect"), away, ConnectionResetError("positions cannot be read"))
    assert made.broken is None
    assert len(folded(store)) == 5
    assert feed.closed == 3  # what it had read ahead is read again from what is committed, twice; and the end


# ── the clock, and the engine ───────────────────────────────────────────────────────────────────────────────────


def test_the_clock_never_passes_the_oldest_event_unread(store: Database) -> None:
    made, log, feed = service(store), EmbeddedLog(store), LogFeed(store)
    made.take(records(story("acme")), LATER)
    due = made.next_due()
    assert due is not None
    log.append([happening(1, "product.login", "acme", due - 1)])
    clock = Clock(made, lambda: due + 30 * DAY, feed.oldest_unread)
    assert clock.tick() == 0
    made.take(feed.poll(10, 0), LATER)
    assert clock.tick() > 0


@contextmanager
def parts(database: Database, **about: object) -> Iterator[Parts]:
    """The parts of a process on the database."""
    url = database.url.render_as_string(hide_password=False)
    settings = Settings(_env_file=None, database_url=url, secret="only for these tests", **about)  # type: ignore[arg-type]
    made = Parts(settings, now=lambda: LATER, lock=False)
    yield made
    made.close()


def test_a_clock_in_a_process_of_its_own_waits_for_the_log_too(shared_store: Database) -> None:
    with parts(shared_store) as made:
        engine = Engine(made, worker=False, dispatcher=False)
        assert engine._oldest_unread() is None
        made.log.append(logins(1))
        assert engine._oldest_unread() == START


def test_a_batch_under_way_holds_the_clock(store: Database) -> None:
    seen: list[Instant | None] = []
    made = worker(store, ListFeed(records(logins(3))), lambda _: seen.append(made.in_hand))
    assert made.once() == 3
    assert (seen, made.in_hand) == ([START], None)


def test_a_broker_that_is_away_is_told_as_trouble_and_ends_nothing(shared_store: Database) -> None:
    with parts(shared_store, kafka_bootstrap=f"127.0.0.1:{free_port()}") as made:
        engine = Engine(made, clock=False, dispatcher=False)
        assert engine.feed is not None
        engine._threads.clear()
        assert engine.trouble() is None
        engine.feed._settings["bootstrap_timeout_ms"] = 300  # type: ignore[attr-defined] # not to wait so long
        assert engine.worker is not None
        assert engine.worker.once() == 0
        assert "nothing can be read from Kafka: KafkaTimeoutError" in (engine.trouble() or "")
        assert engine.broken() is None
        engine.feed.close()
