"""The embedded log: dense offsets in the order of commits, each event once."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import msgspec
import pytest
import sqlalchemy as sa

from builders import START, event
from journeys.store.database import Database
from journeys.store.log import HISTORY, EmbeddedLog, LogFeed
from journeys.store.tables import log, log_heads
from signals.event import Event, unpack
from signals.instant import SECOND


def some(count: int, prefix: str = "e", account: str | None = None) -> list[Event]:
    """Distinct events of as many accounts, or of one."""
    return [
        msgspec.structs.replace(event("login", name=f"{prefix}{number}"), account=account or f"a{number}")
        for number in range(count)
    ]


def offsets(database: Database) -> dict[int, list[int]]:
    """What lies in each partition."""
    found: dict[int, list[int]] = {}
    with database.read() as connection:
        for row in connection.execute(sa.select(log.c.partition, log.c.offset).order_by(log.c.offset)):
            found.setdefault(row.partition, []).append(row.offset)
    return found


@pytest.mark.parametrize("partitions", [1, 4])
def test_offsets_are_dense_and_one_account_stays_in_one_partition(store: Database, partitions: int) -> None:
    made = EmbeddedLog(store, partitions)
    for number in range(3):
        made.append(some(50, f"{number}."))
    found = offsets(store)
    assert len(found) == partitions
    assert all(there == list(range(len(there))) for there in found.values())
    homes: dict[str | None, set[int]] = {}
    with store.read() as connection:
        for row in connection.execute(sa.select(log.c.partition, log.c.body)):
            homes.setdefault(unpack(row.body).event.account, set()).add(row.partition)
    assert {len(home) for home in homes.values()} == {1}


def test_the_same_again_is_a_duplicate_and_other_content_a_conflict(store: Database) -> None:
    made = EmbeddedLog(store)
    one, two = some(2)
    other = msgspec.structs.replace(one, data={"changed": True})
    assert made.append([one, one, other]).outcomes == ["new", "duplicate", "conflict"]
    assert made.append([one, two, other]).outcomes == ["duplicate", "new", "conflict"]
    assert offsets(store) == {0: [0, 1]}
    assert made.unread() == 2


def test_nothing_to_append_changes_nothing(store: Database) -> None:
    assert EmbeddedLog(store).append([]).outcomes == []
    assert EmbeddedLog(store).unread() == 0


def test_more_events_than_a_statement_can_name_are_appended_at_once(store: Database) -> None:
    assert set(EmbeddedLog(store).append(some(33_000)).outcomes) == {"new"}


def test_a_failed_append_leaves_no_hole(store: Database) -> None:
    made = EmbeddedLog(store)
    made.append(some(3, "before"))
    with pytest.raises(ZeroDivisionError):
        append_and_fail(store, made)
    made.append(some(3, "after"))
    assert offsets(store) == {0: [0, 1, 2, 3, 4, 5]}


def append_and_fail(database: Database, made: EmbeddedLog) -> None:
    with database.write() as connection:
        made.append_in(connection, some(30, "lost"))
        raise ZeroDivisionError


def test_concurrent_appenders_leave_no_hole_and_take_each_event_once(shared_store: Database) -> None:
    """Every event is offered twice, by different threads; the first log ever made is made by all at once."""
    made = EmbeddedLog(shared_store, 3)
    batches = [some(10, f"{number // 2}.") for number in range(40)]
    with ThreadPoolExecutor(4) as pool:
        outcomes = [each for done in pool.map(made.append, batches) for each in done.outcomes]
    assert (outcomes.count("new"), outcomes.count("duplicate")) == (200, 200)
    found = offsets(shared_store)
    assert all(there == list(range(len(there))) for there in found.values())
    with shared_store.read() as connection:
        heads = dict(connection.execute(sa.select(log_heads.c.partition, log_heads.c.next_offset)).all())
    assert heads == {partition: len(there) for partition, there in found.items()}


def test_a_reader_never_sees_an_offset_before_the_ones_below_it(shared_store: Database) -> None:
    made = EmbeddedLog(shared_store)
    feed, seen = LogFeed(shared_store), []
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(made.append, some(5, f"{number}.")) for number in range(40)]
        while len(seen) < 200:
            seen += [record.offset for record in feed.poll(50, 0)]
        assert all(each.result() for each in running)
    assert all(after == before + 1 for before, after in pairwise(seen))


def test_the_feed_gives_records_as_they_were_appended_and_from_where_it_is_told(store: Database) -> None:
    made = EmbeddedLog(store)
    events = some(5)
    made.append(events[:3])
    made.append(events[3:], history=True)
    feed = LogFeed(store)
    records = feed.poll(4, 0)
    assert [unpack(each.value or b"").event for each in records] == events[:4]
    assert [HISTORY in each.headers for each in records] == [False, False, False, True]
    feed.rewind("log/0", 2)
    assert [each.offset for each in feed.poll(10, 0)] == [2, 3, 4]
    assert list(feed.poll(10, 0)) == []
    feed.close()
    assert len(feed.poll(10, 0)) == 5  # as the database says: nothing is folded


def test_the_oldest_unread_is_that_of_all_partitions(store: Database) -> None:
    made, feed = EmbeddedLog(store, 4), LogFeed(store, 4)
    assert feed.oldest_unread() is None
    later = [
        msgspec.structs.replace(each, received_at=START + number * SECOND)
        for number, each in enumerate(some(9))
    ]
    made.append(later[::-1])
    feed.poll(100, 0)  # read is not folded
    assert feed.oldest_unread() == START


def test_what_came_first_is_the_oldest_though_it_was_appended_after_another(store: Database) -> None:
    made, feed = EmbeddedLog(store), LogFeed(store)
    later, earlier = (
        msgspec.structs.replace(event("login", name=name), received_at=at)
        for name, at in (("b", START + 2), ("a", START + 1))
    )
    made.append([later])
    made.append([earlier])
    assert feed.oldest_unread() == START + 1
