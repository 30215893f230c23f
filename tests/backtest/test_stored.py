"""The stored history as a back-test reads it, on every database."""

import pytest
import sqlalchemy as sa

from backtest.worlds import told
from builders import START
from journeys.store import bulk
from journeys.store.database import Database
from journeys.store.outcomes import event_row
from journeys.store.reads import history
from journeys.store.tables import events
from signals.event import Event
from signals.instant import DAY


def keep(database: Database, happened: list[Event], history: bool = False) -> None:
    with database.write() as connection:
        bulk.insert(
            connection, events, [event_row(event, event.account or "", history) for event in happened]
        )


def read(database: Database) -> list[tuple[str, int]]:
    return [(found[0].account or "", len(found)) for found in history.histories(database)]


@pytest.mark.parametrize(("at_once", "accounts"), [(5_000, 500), (4, 3), (1, 1)])
def test_every_account_comes_once_and_whole_in_the_order_of_ids(
    store: Database, monkeypatch: pytest.MonkeyPatch, at_once: int, accounts: int
) -> None:
    monkeypatch.setattr(history, "AT_ONCE", at_once)
    monkeypatch.setattr(history, "ACCOUNTS", accounts)
    sizes = {"Zoe": 1, "a-1": 3, "a1": 9, "b": 1, "c": 2, "ä": 1}
    keep(store, [told(account, "x", n) for account, many in sizes.items() for n in range(many)])
    found = read(store)
    assert dict(found) == sizes
    assert len(found) == len(sizes)


def test_an_event_is_read_as_it_came_in(store: Database) -> None:
    live = Event("1", "app", "x", START, "a", "ann", {"n": 1}, START + DAY)
    keep(store, [live])
    keep(store, [Event("2", "app", "y", START + 2 * DAY, "a", None, {}, START + 300 * DAY)], history=True)
    (found,) = history.histories(store)
    assert found == [
        Event("1", "app", "x", START, "a", "ann", {"n": 1}, START + DAY),
        Event("2", "app", "y", START + 2 * DAY, "a", None, {}, START + 2 * DAY),
    ]
    with store.read() as connection:
        assert history.extent(connection) == (2, START + DAY, START + 2 * DAY)


def test_nothing_is_held_in_the_database_while_an_account_is_worked_on(store: Database) -> None:
    keep(store, [told("a", "x", 1), told("b", "x", 1)])
    reading = history.histories(store)
    next(reading)
    with store.write() as connection:
        connection.execute(sa.delete(events))
    assert len(list(reading)) <= 1
