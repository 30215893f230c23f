"""What people say of being written to: the newest word counts whatever the order of arrival; no is never lost."""

from collections.abc import Iterator
from itertools import permutations

import pytest
import sqlalchemy as sa

from builders import event
from journeys.store.consent import save_consents
from journeys.store.database import Database
from journeys.store.tables import consents, metadata, suppressions
from signals.event import Event

NO = event("engagement.unsubscribed", "2h", contact="ann", topic="tips")
YES_BEFORE = event("engagement.subscribed", "1h", contact="ann", topic="tips")
YES_AFTER = event("engagement.subscribed", "3h", contact="ann", topic="tips")
YES_AT_ONCE = event("engagement.subscribed", "2h", contact="ann", topic="tips")
SUPPRESSED = event("contact.suppressed", "2h", contact="ann")
LIFTED_BEFORE = event("contact.unsuppressed", "1h", contact="ann")
LIFTED_AFTER = event("contact.unsuppressed", "3h", contact="ann")


@pytest.fixture
def database() -> Iterator[Database]:
    made = Database("sqlite://")
    with made.write() as connection:
        metadata.create_all(connection)
    yield made
    made.close()


def say(database: Database, *told: Event, email: str | None = "ann@example.com", apart: bool = True) -> None:
    for some in [[one] for one in told] if apart else [list(told)]:
        with database.write() as connection:
            save_consents(connection, some, {"ann": email})


def allowed(database: Database) -> list[bool]:
    with database.read() as connection:
        return list(connection.execute(sa.select(consents.c.allowed)).scalars())


def keys(database: Database) -> list[str]:
    with database.read() as connection:
        return sorted(connection.execute(sa.select(suppressions.c.address_key)).scalars())


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize(
    ("told", "expected"), [((NO, YES_BEFORE), False), ((NO, YES_AFTER), True), ((NO, YES_AT_ONCE), False)]
)
def test_the_newest_word_counts_in_whatever_order_it_arrives(
    told: tuple[Event, ...], expected: bool, apart: bool, database: Database
) -> None:
    for order in permutations(told):
        say(database, *order, apart=apart)
        assert allowed(database) == [expected]


@pytest.mark.parametrize("apart", [True, False])
def test_a_late_word_of_a_time_before_the_suppression_does_not_lift_it(
    apart: bool, database: Database
) -> None:
    say(database, SUPPRESSED, LIFTED_BEFORE, apart=apart)
    assert keys(database) == ["ann@example.com", "contact:ann"]


@pytest.mark.parametrize("apart", [True, False])
def test_a_suppression_that_follows_its_lifting_stands(apart: bool, database: Database) -> None:
    say(database, LIFTED_BEFORE, SUPPRESSED, apart=apart)
    assert keys(database) == ["ann@example.com", "contact:ann"]


@pytest.mark.parametrize("apart", [True, False])
def test_a_suppression_is_lifted_by_a_later_word(apart: bool, database: Database) -> None:
    say(database, SUPPRESSED, LIFTED_AFTER, apart=apart)
    assert keys(database) == []


def test_a_person_without_an_address_is_suppressed_under_their_name(database: Database) -> None:
    say(database, SUPPRESSED, email=None)
    assert keys(database) == ["contact:ann"]
