"""The use cases on every database: from an event to a decision, all or nothing, once."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from builders import START
from channels.outbox import Outbox
from journeys.dispatcher import Dispatcher
from journeys.service import Service, StaleOwner
from journeys.store import accounts as store_accounts
from journeys.store.accounts import LostUpdate
from journeys.store.database import Database
from journeys.store.log import EmbeddedLog, LogFeed
from journeys.store.tables import (
    accounts,
    contacts,
    dead_letters,
    decisions,
    events,
    gaps,
    journeys,
    memberships,
    messages,
    metadata,
    open_signals,
    positions,
    renderings,
    tasks,
)
from seen import composer
from signals.event import Event
from signals.instant import DAY, HOUR, MINUTE, SECOND
from stores import KINDS, opened, rows
from yard import BOOK, FEED, cloud, happening, raw, records, service, story

LATER = START + 2 * HOUR
EFFECTS = (
    accounts, contacts, open_signals, memberships, events, journeys, messages, renderings, tasks, decisions, dead_letters,
)  # fmt: skip


def reasons(database: Database) -> list[str]:
    with database.read() as connection:
        return list(
            connection.execute(sa.select(dead_letters.c.reason).order_by(dead_letters.c.offset)).scalars()
        )


def position(database: Database, partition: str = FEED) -> int:
    return service(database).position(partition)


def every_row(database: Database) -> dict[str, Any]:
    return {table.name: rows(database, table) for table in metadata.sorted_tables}


# ── the whole story ─────────────────────────────────────────────────────────────────────────────────────────────


def tell(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Two accounts live through the story and a week after it; what is left of it in every table."""
    log, feed, made = EmbeddedLog(database), LogFeed(database), service(database)
    told = sorted(story("acme") + story("globex", START + MINUTE), key=lambda event: event.time)
    log.append(told)
    log.append([replace(told[3], data={"changed": True})])
    while found := feed.poll(4, 0):
        made.take(found, LATER)
    dispatcher = Dispatcher(database, lambda: BOOK, composer(), Outbox())
    dispatcher.run(LATER)
    made.tick(START + 6 * DAY)
    dispatcher.run(START + 6 * DAY)
    made.tick(START + 9 * DAY)
    return {table.name: rows(database, table) for table in (*EFFECTS, positions)}


def test_a_story_leaves_a_task_two_mails_and_their_decisions(store: Database) -> None:
    left = tell(store)
    with store.read() as connection:
        of = [journeys.c.account, journeys.c.play, journeys.c.status]
        walked = connection.execute(sa.select(*of).order_by(journeys.c.account)).all()
        sent = connection.execute(sa.select(messages.c.account, messages.c.status)).all()
        made = connection.execute(sa.select(tasks.c.title, tasks.c.owner).order_by(tasks.c.title)).all()
        why = connection.execute(sa.select(decisions.c.subject, decisions.c.outcome)).all()
    assert [tuple(each) for each in walked] == [
        ("acme", "calm", "completed"),
        ("globex", "calm", "completed"),
    ]
    assert sorted(map(tuple, sent)) == [(each, "sent") for each in ("acme", "acme", "globex", "globex")]
    assert [tuple(each) for each in made] == [("Call Acme 🦔", "nadia"), ("Call Globex 🦔", "nadia")]
    assert {("start", "started"), ("send", "sent")} <= {tuple(each) for each in why}
    assert len(left["events"]) >= 14
    assert left["open_signals"] == []


@pytest.mark.postgres
def test_every_database_is_left_with_the_same_rows(
    request: pytest.FixtureRequest, both: list[Database]
) -> None:
    one, *others = [tell(database) for database in both]
    for other in others:
        for name, left in one.items():
            assert other[name] == left, name


@pytest.fixture
def both(request: pytest.FixtureRequest) -> Iterator[list[Database]]:
    """One database of each kind."""
    made = [opened(kind if isinstance(kind, str) else "postgres", request) for kind in KINDS]
    yield made
    for each in made:
        each.close()


@pytest.mark.postgres
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_states_do_not_depend_on_how_events_are_batched(both: list[Database], size: int) -> None:
    told = sorted(
        [event for number in range(30) for event in story(f"a{number:02}", START + number * SECOND)],
        key=lambda event: event.time,
    )
    lying = records(told)
    for database, step in zip(both, (size, 64, 64), strict=True):
        made = service(database)
        for begin in range(0, len(lying), step):
            made.take(lying[begin : begin + step], LATER)
    with both[0].read() as first, both[-1].read() as last:
        packed = sa.select(accounts.c.id, accounts.c.state, accounts.c.known).order_by(accounts.c.id)
        assert first.execute(packed).all() == last.execute(packed).all()
    for table in (journeys, messages, tasks, decisions, events):
        assert rows(both[0], table) == rows(both[-1], table), table.name


# ── once ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_event_again_is_nothing_and_other_content_a_dead_letter(store: Database) -> None:
    made, one = service(store), happening(1, "product.login", "acme", START)
    other = replace(one, data={"changed": True})
    taken = made.take(records([one, one, other]), LATER)
    again = made.take(records([one, other], first=3), LATER)
    assert (taken.folded, taken.duplicates, taken.dead) == (1, 1, 1)
    assert (again.folded, again.duplicates, again.dead) == (0, 1, 1)
    assert reasons(store) == ["id_conflict", "id_conflict"]
    assert len(rows(store, events)) == 1
    assert position(store) == 5


# ── all or nothing ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_batch_that_another_worker_has_taken_in_part_is_rolled_back_whole(store: Database) -> None:
    made, lying = service(store), records(story("acme"))
    made.take(lying[:3], LATER)
    before = every_row(store)
    with pytest.raises(StaleOwner, match="is at 3: another worker has it"):
        made.take(lying[1:], LATER)
    with pytest.raises(StaleOwner):
        made.bury(lying[1], "poison", "never", LATER)
    assert every_row(store) == before


class Overtaken(Service):
    """Whose batches are overtaken by another worker between their reading and their swap."""

    def _work(self, connection: sa.Connection, *about: Any) -> Any:
        connection.execute(sa.update(positions).values(next_offset=positions.c.next_offset + 1))
        return super()._work(connection, *about)


def test_a_batch_that_is_overtaken_while_it_is_folded_is_rolled_back_whole(store: Database) -> None:
    lying = records(story("acme"))
    service(store).take(lying[:3], LATER)
    before = every_row(store)
    with pytest.raises(StaleOwner, match="is not at 3 any more"):
        Overtaken(store, lambda: BOOK, composer()).take(lying[3:], LATER)
    assert every_row(store) == before
    service(store).take(lying[3:], LATER)
    assert position(store) == len(lying)


def test_a_hole_in_our_own_log_is_never_stepped_over(store: Database) -> None:
    EmbeddedLog(store).append(story("acme"))
    ahead = LogFeed(store).poll(10, 0)[2:]
    with pytest.raises(StaleOwner):
        service(store).take(ahead, LATER)
    assert rows(store, events) == []


def test_gaps_between_offsets_of_kafka_are_stepped_over(store: Database) -> None:
    lying = [replace(each, offset=each.offset * 3 + 7) for each in records(story("acme"))]
    made = service(store)
    made.take(lying[:2], LATER)
    assert position(store) == 11
    made.bury(lying[3], "poison", "for once", LATER)
    assert position(store) == lying[3].offset + 1


def test_a_record_given_up_is_kept_with_its_bytes_and_passed(store: Database) -> None:
    poison = raw(b"\x00\xff not \\x json\n", 4)
    letter = service(store).bury(poison, "poison", "ValueError: a\0b \ud800", LATER)
    assert letter[0] is poison
    (kept,) = rows(store, dead_letters)
    assert kept[1:8] == (LATER, "poison", "ValueError: a\ufffdb ?", FEED, 4, poison.value, b"key")
    assert kept[8] == [["content-type", b"application/cloudevents+json".hex()]]
    assert position(store) == 5


def test_a_gap_in_the_log_goes_on_record_once(store: Database) -> None:
    for _ in range(2):
        service(store).note_gap("orders/1", 5, 9, LATER)
    assert rows(store, gaps) == [("orders/1", 5, 9, LATER)]


# ── who it is about ─────────────────────────────────────────────────────────────────────────────────────────────


def ann(account: str, number: int = 0) -> Event:
    known = {"attributes": {"email": "ann@example.com"}}
    return happening(number, "crm.contact_updated", account, START, "ann", **known)


def test_an_event_that_names_only_a_contact_is_its_accounts(store: Database) -> None:
    made = service(store)
    made.take(records([ann("acme")]), LATER)
    made.take(records([happening(1, "product.login", None, START, "ann")], first=1), LATER)
    assert [row[2] for row in rows(store, events)] == ["acme", "acme"]


def test_an_event_that_named_only_a_contact_is_known_again_when_it_is_sent_again(store: Database) -> None:
    made, kept, feed = service(store), EmbeddedLog(store), LogFeed(store)
    unnamed = happening(1, "product.login", None, START, "ann")
    kept.append([ann("acme"), unnamed])
    made.take(feed.poll(10, 0), LATER)
    assert [row[2] for row in rows(store, events)] == ["acme", "acme"]
    assert kept.append([unnamed]).outcomes == ["duplicate"]


def test_a_contact_may_come_to_be_known_in_the_same_batch(store: Database) -> None:
    service(store).take(records([ann("acme"), happening(1, "product.login", None, START, "ann")]), LATER)
    assert [row[2] for row in rows(store, events)] == ["acme", "acme"]


def test_a_contact_of_two_accounts_or_of_none_makes_a_dead_letter(store: Database) -> None:
    told = [ann("acme"), ann("globex", 1), happening(2, "product.login", None, START, "ann")]
    told += [happening(3, "product.login", None, START, "bob")]
    taken = service(store).take(records(told), LATER)
    assert (taken.folded, taken.dead) == (2, 2)
    assert reasons(store) == ["ambiguous_account", "no_account"]
    assert [(record.offset, problem.reason) for record, problem in taken.letters] == [
        (2, "ambiguous_account"),
        (3, "no_account"),
    ]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"not json", "malformed"),
        (None, "tombstone"),
        (b"", "malformed"),
        (b'{"specversion":"1.0"}', "invalid"),
    ],
)
def test_what_is_no_event_is_a_dead_letter_with_its_bytes(
    store: Database, value: bytes | None, reason: str
) -> None:
    taken = service(store).take([raw(value, 0), *records(story("acme"), first=1)], LATER)
    assert (taken.dead, taken.folded) == (1, 7)
    (kept,) = rows(store, dead_letters)
    assert (kept[2], kept[6]) == (reason, value)


def test_text_that_postgres_cannot_keep_is_refused_before_it_gets_there(store: Database) -> None:
    lying = [
        raw(cloud("nul", "product.login", account="acme", data={"x": "a\0b"}), 0),
        raw(
            cloud("sur", "product.login", account="acme").replace(b'"data":{}', b'"data":{"x":"\\ud800"}'), 1
        ),
        raw(cloud("nul-id", "product.login", account="a\0b"), 2),
        raw(
            cloud("big", "product.login", account="acme").replace(b'"data":{}', b'"data":{"x":%d}' % 2**70), 3
        ),
    ]
    taken = service(store).take(lying, LATER)
    assert (taken.folded, taken.dead) == (0, 4)
    assert set(reasons(store)) <= {"malformed", "invalid"}
    assert position(store) == 4


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_backlog_from_kafka_is_lived_through_at_the_time_the_broker_had_it(store: Database) -> None:
    """A worker that was away for ten days: what the backlog refutes does not fire, what fell due in between does."""
    told = story("acme")
    back = happening(10, "product.login", "acme", START + 4 * DAY)
    service(store).take(records([*told, back]), START + 10 * DAY)
    with store.read() as connection:
        received = (
            connection.execute(sa.select(events.c.received_at).order_by(events.c.received_at)).scalars().all()
        )
        (started,) = connection.execute(sa.select(journeys.c.started_at)).scalars()
    assert started == START + 30 * MINUTE
    assert received[-1] == START + 4 * DAY


def test_an_event_is_received_no_earlier_than_it_is_and_no_later_than_now(store: Database) -> None:
    lagging = replace(records([happening(1, "a.b", "acme", START)])[0], received_at=START - DAY)
    untimed = cloud("untimed", "a.b", account="acme").replace(b'"time":"2026-03-02T09:00:00Z",', b"")
    service(store).take([lagging, replace(raw(untimed, 1), received_at=START + MINUTE)], LATER)
    with store.read() as connection:
        found = connection.execute(
            sa.select(events.c.time, events.c.received_at).order_by(events.c.time)
        ).all()
    assert [tuple(each) for each in found] == [(START, START), (START + MINUTE, START + MINUTE)]


# ── writes ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_write_is_taken_again_when_its_account_came_into_being_meanwhile(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, failed = store_accounts.save, []

    def overtaken(*about: Any) -> None:
        if not failed:
            failed.append(True)
            raise LostUpdate("created by another writer just now")
        save(*about)

    monkeypatch.setattr(store_accounts, "save", overtaken)
    service(store).write([happening(1, "product.login", "acme", START)], LATER)
    assert failed == [True]
    assert len(rows(store, events)) == 1


def test_a_write_told_twice_counts_once(store: Database) -> None:
    for _ in range(2):
        service(store).write([happening(1, "product.login", "acme", START)], LATER)
    assert [row[1] for row in rows(store, accounts)] == [1]
