"""What is kept of promised feeds: added up by several workers, rolled back with their batch, the same in any batches."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from builders import START, playbook, signal
from journeys.playbook import Playbook, promises_of
from journeys.service import Service
from journeys.store import feeds
from journeys.store.accounts import look
from journeys.store.database import Database
from journeys.store.log import EmbeddedLog, LogFeed
from journeys.store.tables import feeds as table
from journeys.store.tables import open_signals
from journeys.work import Work
from seen import composer
from signals.event import Event
from signals.freshness import Feeds, Heard, Promise
from signals.instant import DAY, HOUR, Instant
from stores import rows

USAGE = Promise("mixpanel", ("product.*",), 6 * HOUR)
MONEY = Promise("stripe", ("billing.*",), DAY)
BOOK = playbook(
    signals=[signal("gone", when={"absent": "product.login", "for": "3d"})],
    policies={"feeds": [{"source": "mixpanel", "types": ["product.*"], "every": "6h"}]},
)


def promise(database: Database, *promises: Promise, now: Instant = START) -> None:
    with database.write() as connection:
        feeds.expect(connection, promises, now)


def hear(database: Database, source: str, *times: Instant) -> None:
    with database.write() as connection:
        feeds.hear(connection, {source: list(times)})


def known(database: Database) -> Feeds:
    with database.read() as connection:
        return feeds.load(connection)


def login(account: str, time: Instant, source: str = "mixpanel", received: Instant | None = None) -> Event:
    at = time if received is None else received
    return Event(f"{account}-{time}", source, "product.login", time, account, None, {}, at)


def service(database: Database, book: Playbook = BOOK) -> Service:
    promise(database, *promises_of(book.policies))
    return Service(database, lambda: book, composer())


def test_what_was_heard_comes_back_with_its_gaps(store: Database) -> None:
    promise(store, USAGE, MONEY)
    times = [START + HOUR, START + DAY, START + DAY + HOUR, START + 3 * DAY]
    hear(store, "mixpanel", *times)
    expected = Heard(START).after(times, USAGE.every)
    assert known(store).known == {USAGE.key: expected, MONEY.key: Heard(START)}
    assert len(expected.gaps) == 2


def test_who_is_not_promised_is_not_written(store: Database) -> None:
    promise(store, USAGE)
    hear(store, "somebody", START + HOUR)
    assert list(known(store).known) == [USAGE.key]
    with store.write() as connection:
        feeds.hear(connection, {})


def test_one_source_may_promise_two_paces(store: Database) -> None:
    slow = Promise("mixpanel", ("engagement.*",), 7 * DAY)
    promise(store, USAGE, slow)
    hear(store, "mixpanel", START + HOUR, START + 2 * DAY)
    heard = known(store)
    assert heard.gaps(USAGE, START + 2 * DAY) == ((START + HOUR, START + 2 * DAY),)
    assert heard.gaps(slow, START + 2 * DAY) == ()


def test_a_new_promise_begins_with_the_newest_event_there_is_of_its_source(store: Database) -> None:
    made = service(store)
    made.write([login("acme", START + HOUR), login("acme", START + 2 * HOUR)], START + 2 * HOUR)
    made.write([login("acme", START + 3 * HOUR, source="other")], START + 3 * HOUR)
    promise(store, now=START + DAY)
    promise(store, USAGE, MONEY, now=START + DAY)
    heard = known(store).known
    assert heard[USAGE.key] == Heard(START + DAY, START + 2 * HOUR)
    assert heard[MONEY.key] == Heard(START + DAY)


def test_what_several_workers_hear_at_once_adds_up(shared_store: Database) -> None:
    promise(shared_store, USAGE)
    times = [START + hour * HOUR for hour in range(1, 41)]
    together = threading.Barrier(4)

    def worker(place: int) -> None:
        together.wait()
        for time in times[place::4]:
            hear(shared_store, "mixpanel", time)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(worker, range(4)))
    assert known(shared_store).known[USAGE.key] == Heard(START).after(times, USAGE.every)


def test_a_batch_that_is_rolled_back_was_not_heard(store: Database) -> None:
    made = service(store)
    before = rows(store, table)

    def crash() -> None:
        with store.write() as connection:
            work = Work(connection, BOOK, composer().wording(BOOK), ["acme"])
            work.feel("acme", login("acme", START + HOUR), START + HOUR)
            work.save()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()
    assert rows(store, table) == before
    made.write([login("acme", START + HOUR)], START + HOUR)
    assert known(store).known[USAGE.key].newest == START + HOUR


def test_a_feed_that_speaks_of_people_nobody_knows_yet_has_spoken(store: Database) -> None:
    made, log, feed = service(store), EmbeddedLog(store), LogFeed(store)
    time = START + HOUR
    visit = Event("v1", "mixpanel", "product.viewed", time, None, None, {"anonymous_id": "v"}, time)
    log.append([visit])
    made.take(feed.poll(10, 0), time)
    assert known(store).known[USAGE.key].newest == time


@pytest.mark.parametrize("size", [1, 3, 100])
def test_the_size_of_batches_changes_nothing(store: Database, size: int) -> None:
    made, log, feed = service(store), EmbeddedLog(store), LogFeed(store)
    quiet = [login("acme", START + HOUR)]
    busy = [login("near", START + hour * HOUR) for hour in (2, 4, 90, 92, 94)]  # silent from 4 to 90 hours
    others = [login("far", START + hour * HOUR, source="desk") for hour in (3, 60, 80, 91)]
    log.append(sorted([*quiet, *busy, *others], key=lambda event: event.time))
    while taken := feed.poll(size, 0):
        made.take(taken, taken[-1].received_at)
    heard = known(store).known[USAGE.key]
    assert heard.closed(USAGE.every) == ((START + 4 * HOUR, START + 90 * HOUR),)
    ready = START + 95 * HOUR
    for account in ("acme", "near", "far"):
        with store.write() as connection:
            work = Work(connection, BOOK, composer().wording(BOOK), [account])
            work.feel(account, None, ready)
            work.save()
    with store.read() as connection:
        assert connection.execute(sa.select(open_signals.c.account)).all() == []
        looks = {state.profile.id: state.due() for state in look(connection, ["acme", "far", "near"])}
    assert looks["near"] == START + 94 * HOUR + 3 * DAY
    assert all(due is not None for due in looks.values())


def test_where_nothing_is_promised_nothing_is_asked_or_written(store: Database) -> None:
    book = playbook(signals=BOOK.signals.values())
    asked: list[str] = []
    with store.write() as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
        work = Work(connection, book, composer().wording(book), ["acme"])
        work.feel("acme", login("acme", START + HOUR), START + HOUR)
        work.save()
    assert work.playbook is book
    assert not [statement for statement in asked if "feeds" in statement]
