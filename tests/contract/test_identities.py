"""Ids that become one, on every database: rows that move, and workers, senders and writers at the same time."""

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import sqlalchemy as sa

from builders import START
from channels.outbox import Outbox
from channels.port import Mail, Outcome
from faults.pausing import Paused, has_to_wait
from households import BOOK as COUNTING
from households import END, left
from journeys.dispatcher import Dispatcher
from journeys.service import Service
from journeys.store import identities
from journeys.store.accounts import LostUpdate, load
from journeys.store.database import Database
from journeys.store.tables import (
    accounts,
    aliases,
    contacts,
    events,
    identity_merges,
    journeys,
    messages,
    metadata,
    tasks,
)
from seen import composer
from signals.event import Event
from signals.instant import HOUR, MINUTE, Instant
from stores import rows
from yard import BOOK, happening, records, service, story

LATER = START + 2 * HOUR


def merge(
    kind: str, into: str, old: str, account: str = "acme", number: int = 0, at: Instant = LATER
) -> Event:
    """Say that `old` is `into`."""
    contact = None if kind == "account" else into
    home = into if kind == "account" else account
    return happening(number, f"crm.{kind}_merged", home, at, contact, **{"from": old})


def named(database: Database, column: sa.Column[str]) -> set[str]:
    with database.read() as connection:
        return set(connection.execute(sa.select(column)).scalars())


# ── rows ───────────────────────────────────────────────────────────────────────────────────────────────────────

STANDING = {"aliases", "external_ids", "unassigned", "visitors", "consents", "tasks"}
"""Tables that are moved in a way of their own, or name nobody by a column `account` or `contact`."""


def test_every_table_that_names_an_account_or_a_contact_goes_with_it() -> None:
    with_account = {table for table in metadata.sorted_tables if "account" in table.c}
    with_contact = {table for table in metadata.sorted_tables if "contact" in table.c}
    assert {table.name for table in with_account} - STANDING == {
        table.name
        for table in (*identities.MOVED_WITH_ACCOUNT, *identities.MADE_ANEW)
        if table is not accounts
    }
    assert {table.name for table in with_contact} - STANDING == {
        table.name for table in identities.MOVED_WITH_CONTACT
    }


def test_an_account_takes_its_events_journeys_messages_tasks_and_decisions_along(store: Database) -> None:
    made = service(store)
    told = [*story("acme"), *story("beta", START + MINUTE)]
    made.take(records(told), LATER)
    before = len(rows(store, events))
    made.take(records([merge("account", "acme", "beta")], first=len(told)), LATER)
    for column in (
        events.c.account,
        journeys.c.account,
        messages.c.account,
        tasks.c.account,
        contacts.c.account,
    ):
        assert named(store, column) == {"acme"}
    assert named(store, accounts.c.id) == {"acme"}
    assert len(rows(store, events)) == before + 1
    with store.read() as connection:
        state = load(connection, "acme")
        assert connection.execute(sa.select(tasks.c.value)).scalars().all()
    assert state is not None
    assert len(state.journeys) == 1
    assert {journey.account for journey in state.journeys} == {"acme"}
    assert sorted(state.profile.contacts) == ["acme.ann", "beta.ann"]


def test_a_merge_in_the_middle_of_a_batch_leaves_what_three_batches_leave(store: Database) -> None:
    told = [*story("acme")[:4], merge("account", "acme", "beta"), *story("beta")]
    service(store, lambda: COUNTING).take(records(told), END)
    whole = left(store)
    store.kept.clear()
    with store.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(sa.delete(table))
    offset = 0
    for part in (told[:4], told[4:5], told[5:]):
        service(store, lambda: COUNTING).take(records(part, first=offset), END)
        offset += len(part)
    assert left(store) == whole


def test_a_batch_without_merges_asks_one_question_about_identity(store: Database) -> None:
    made = service(store)
    told = [happening(number, "product.login", "acme", START, "ann") for number in range(40)]
    asked: list[str] = []
    sa.event.listen(store.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    made.take(records(told[:1]), LATER)
    asked.clear()
    made.take(records(told[1:], first=1), LATER)
    about = [question for question in asked if "aliases" in question]
    assert len(about) == 1
    assert not [question for question in asked if "external_ids" in question or "FROM contacts" in question]


# ── while others are at it ─────────────────────────────────────────────────────────────────────────────────────


class Two:
    """A worker that stops before its commit, and another that comes in the meantime."""

    def __init__(self, url: str) -> None:
        self.first, self.second = Paused(url), Database(url)
        with self.second.write() as connection:
            metadata.create_all(connection)

    def fold(self, database: Database, partition: str, *told: Event) -> None:
        made = Service(database, lambda: BOOK, composer())
        lying = records(told, partition)
        try:
            made.take(lying, LATER)
        except LostUpdate:
            made.take(lying, LATER)

    def both(self, one: Callable[[], None], other: Callable[[], None]) -> None:
        """The first stops before its commit; the second begins then; both end."""
        has_to_wait(self.first, one, other)

    def close(self) -> None:
        self.first.close()
        self.second.close()


@pytest.fixture
def two(postgres_url: str) -> Iterator[Two]:
    made = Two(postgres_url)
    yield made
    made.close()


def login(number: int, account: str, contact: str) -> Event:
    return happening(number, "product.login", account, START, contact)


@pytest.mark.postgres
def test_a_merge_waits_for_whoever_folds_into_the_old_id_and_takes_that_along(two: Two) -> None:
    two.fold(two.second, "p/0", login(0, "acme", "old"))
    two.both(
        lambda: two.fold(two.first, "p/1", login(1, "zeta", "old")),
        lambda: two.fold(two.second, "p/2", merge("contact", "new", "old")),
    )
    assert named(two.second, contacts.c.id) == {"new"}
    assert named(two.second, events.c.contact) == {"new"}


@pytest.mark.postgres
def test_whoever_folds_into_an_old_id_waits_for_its_merge_and_finds_the_survivor(two: Two) -> None:
    two.fold(two.second, "p/0", login(0, "acme", "old"), login(1, "beta", "bob"))
    two.both(
        lambda: two.fold(
            two.first, "p/1", merge("account", "beta", "acme"), merge("contact", "new", "old", "beta")
        ),
        lambda: two.fold(two.second, "p/2", login(2, "acme", "old")),
    )
    assert named(two.second, accounts.c.id) == {"beta"}
    assert named(two.second, contacts.c.id) == {"new", "bob"}
    assert named(two.second, events.c.account) == {"beta"}


@pytest.mark.postgres
def test_two_people_who_get_one_address_at_once_are_one(two: Two) -> None:
    def gets(number: int, contact: str, account: str) -> Event:
        known = {"email": "ann@example.com"}
        return happening(number, "crm.contact_updated", account, START + number, contact, attributes=known)

    two.both(
        lambda: two.fold(two.first, "p/1", gets(1, "ann", "acme")),
        lambda: two.fold(two.second, "p/2", gets(2, "u-17", "beta")),
    )
    assert named(two.second, contacts.c.id) == {"ann"}
    assert named(two.second, contacts.c.account) == {"acme", "beta"}


@pytest.mark.postgres
def test_who_is_linked_while_somebody_hears_of_the_vendors_name_is_not_left_behind(two: Two) -> None:
    about = {"account_external": "12", "attributes": {"industry": "toys"}}
    heard = Event("h1", "hubspot", "crm.account_updated", START, "hubspot:12", None, about, START)
    link = happening(1, "crm.account_updated", "acme", START, external={"hubspot": "12"})
    two.both(
        lambda: two.fold(two.first, "p/1", heard),
        lambda: two.fold(two.second, "p/2", link),
    )
    assert named(two.second, accounts.c.id) == {"acme"}


def test_workers_that_fold_and_merge_at_once_leave_one_person_and_lose_no_event(
    shared_store: Database,
) -> None:
    made = service(shared_store)
    people = ["a", "b", "c", "d"]
    logins = [login(number, f"h{number % 3}", people[number % 4]) for number in range(40)]
    merges = [
        merge("contact", into, old, "h0", number) for number, (old, into) in enumerate(pairwise(people))
    ]
    merges.append(merge("account", "h0", "h1", number=9))
    failed: list[BaseException] = []

    def work(partition: str, told: list[Event]) -> None:
        try:
            for place, record in enumerate(records(told, partition)):
                while True:
                    try:
                        made.take([record], LATER)
                    except (LostUpdate, sa.exc.OperationalError):
                        continue
                    break
                assert place == record.offset
        except BaseException as error:  # noqa: BLE001 - the test says what it was
            failed.append(error)

    parts = {"p/0": logins[:20], "p/1": logins[20:], "p/2": merges}
    threads = [threading.Thread(target=work, args=part) for part in parts.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    assert named(shared_store, events.c.contact) - {None} == {"d"}
    assert named(shared_store, contacts.c.id) == {"d"}
    assert named(shared_store, accounts.c.id) == {"h0", "h2"}
    with shared_store.read() as connection:
        count = connection.execute(
            sa.select(sa.func.count()).where(events.c.type == "product.login")
        ).scalar()
        assert connection.execute(sa.select(aliases.c.survivor).distinct()).scalars().all()
        assert connection.execute(sa.select(sa.func.count()).select_from(identity_merges)).scalar()
    assert count == 40


class Meanwhile(Outbox):
    """A mail server during whose conversation something else happens here."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self._act = act

    def post(self, mail: Mail) -> Outcome:
        act, self._act = self._act, lambda: None
        act()
        return super().post(mail)


def test_a_mail_on_its_way_while_its_account_becomes_another_is_the_survivors(store: Database) -> None:
    made = service(store)
    told = story("acme")
    made.take(records(told), LATER)

    def becomes() -> None:
        made.take(records([merge("account", "beta", "acme")], first=len(told)), LATER)

    outbox = Meanwhile(becomes)
    Dispatcher(store, lambda: BOOK, composer(), outbox).run(LATER)
    assert len(outbox) == 1
    with store.read() as connection:
        (row,) = connection.execute(sa.select(messages)).all()
        state = load(connection, "beta")
    assert (row.status, row.account) == ("sent", "beta")
    assert state is not None
    assert [journey.pending for journey in state.journeys] == [[]]
