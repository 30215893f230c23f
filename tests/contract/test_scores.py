"""The ledger of health as rows, on both databases: written with the states, read back page by page, newest first."""

from typing import Any

import msgspec
import pytest

from builders import Account, attributes, playbook
from journeys.store import scores
from journeys.store.database import Database
from journeys.store.reads import scores as reads
from journeys.store.reads.page import BadCursor
from signals.definitions import HealthRules
from signals.ledger import Entry

MEASURE = {"key": "nps", "value": {"attribute": "account.nps"}, "map": [[0, 0], [10, 100]], "weight": 1}
OTHER = {**MEASURE, "key": "fit", "value": {"attribute": "account.fit"}}


def entries() -> list[Entry]:
    """What twenty-five changes of two measures leave in the ledger."""
    account = Account(
        playbook(health=HealthRules.model_validate({"version": "v", "measures": [MEASURE, OTHER]}))
    )
    for hour in range(25):
        account.live(attributes(f"{hour}h", nps=hour % 10, fit=(hour * 3) % 7))
    return [entry for reaction in account.reactions for entry in reaction.ledger]


def whole(database: Database, limit: int) -> list[dict[str, Any]]:
    """The ledger read page by page."""
    found, cursor = [], None
    with database.read() as connection:
        while True:
            page = reads.ledger(connection, "acme", limit=limit, cursor=cursor)
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                return found


def test_what_was_told_is_read_back_newest_first_whatever_the_page(store: Database) -> None:
    told = entries()
    assert len(told) > 25  # enough for the way many rows go
    with store.write() as connection:
        scores.save(connection, told[:3])
        scores.save(connection, told[3:])
        scores.save(connection, [])
    found = whole(store, 7)
    assert found == whole(store, 200)
    assert [(one["key"], one["points"], one["value"], one["event"]) for one in reversed(found)] == [
        (entry.key, entry.points, entry.value, entry.cause) for entry in told
    ]
    assert sum(one["points"] for one in found) == told[-1].score_after


def test_an_entry_that_time_made_names_no_event_and_none_is_nothing(store: Database) -> None:
    entry = msgspec.structs.replace(
        entries()[0], cause=None, value=None, score_before=None, score_after=None, band_after=None
    )
    with store.write() as connection:
        scores.save(connection, [entry])
    (found,) = whole(store, 10)
    assert (found["event"], found["value"], found["score"], found["band"]) == (
        None,
        None,
        {"before": None, "after": None},
        {"before": None, "after": None},
    )
    assert found["at"] == "2026-03-02T09:00:00Z"


def test_a_cursor_of_another_list_is_refused(store: Database) -> None:
    with store.read() as connection, pytest.raises(BadCursor):
        reads.ledger(connection, "acme", cursor="tampered")
