"""Writing many rows: the same whether few go one way or many another, whatever they hold."""

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from builders import START
from journeys.store import bulk
from journeys.store.database import Database, is_transient
from journeys.store.tables import accounts, consents, dead_letters, memberships
from signals.instant import LATEST, parse_instant
from stores import rows

FEW, MANY = 3, bulk.COPY_FROM * 3

ODD = [
    "", " ", "tab\there", "line\nbreak", "car\rriage", "back\\slash", "\\N", "\\.", '"quoted"', "'; DROP TABLE x; --",
    "emoji 🦔", "ünïcode", "\u202eright to left", "\x7f\x01", "%s %(name)s {}", "x" * 10_000,
]  # fmt: skip


def letter(number: int, **about: Any) -> dict[str, Any]:
    return {
        "id": f"l{number:05}",
        "at": START,
        "reason": "malformed",
        "detail": "",
        "partition": "log/0",
        "offset": number,
        "value": None,
        "record_key": None,
        "headers": [],
        "replayed_at": None,
        **about,
    }


def member(number: int, segment: str = "at_risk", since: int = START) -> dict[str, Any]:
    return {"account": f"a{number:05}", "segment": segment, "since": since}


def put(database: Database, table: sa.Table, given_rows: list[dict[str, Any]]) -> None:
    with database.write() as connection:
        bulk.insert(connection, table, given_rows)


@pytest.mark.parametrize("count", [0, 1, FEW, bulk.COPY_FROM, MANY])
def test_all_rows_arrive(store: Database, count: int) -> None:
    put(store, memberships, [member(number) for number in range(count)])
    assert rows(store, memberships) == [tuple(member(number).values()) for number in range(count)]


@pytest.mark.parametrize("count", [len(ODD), MANY])
def test_text_bytes_and_nothing_come_back_as_they_were(store: Database, count: int) -> None:
    letters = [
        letter(
            number,
            detail=ODD[number % len(ODD)],
            value=[None, b"", b"\x00\xff\\x41\n\t", bytes(range(256))][number % 4],
            headers=[[ODD[number % len(ODD)], 1, None, {"deep": [True, 1.5]}]],
        )
        for number in range(count)
    ]
    put(store, dead_letters, letters)
    assert rows(store, dead_letters) == [tuple(each.values()) for each in letters]


@pytest.mark.parametrize("count", [FEW, MANY])
def test_instants_are_kept_to_the_microsecond_before_1970_and_far_ahead(store: Database, count: int) -> None:
    moments = [parse_instant(text) for text in ("1969-12-31T23:59:59.999999Z", "1900-01-01T00:00:00Z")]
    moments += [
        0,
        1,
        LATEST,
        parse_instant("2024-02-29T12:00:00.000001Z"),
    ]
    letters = [
        letter(number, at=moments[number % len(moments)], replayed_at=moments[-1]) for number in range(count)
    ]
    put(store, dead_letters, letters)
    assert rows(store, dead_letters) == [tuple(each.values()) for each in letters]
    with store.read() as connection:
        assert connection.execute(sa.select(sa.func.min(dead_letters.c.at))).scalar() == moments[1]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    details=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1)
)
def test_any_text_that_was_let_in_is_kept(store: Database, details: list[str]) -> None:
    letters = [letter(number, detail=detail) for number, detail in enumerate(details * bulk.COPY_FROM)]
    with store.write() as connection:
        connection.execute(sa.delete(dead_letters))
        bulk.insert(connection, dead_letters, letters)
    assert rows(store, dead_letters) == [tuple(each.values()) for each in letters]


@pytest.mark.parametrize("count", [FEW, MANY])
def test_only_rows_that_are_not_there_are_inserted_and_counted(store: Database, count: int) -> None:
    put(store, memberships, [member(0, since=START - 1)])
    with store.write() as connection:
        assert (
            bulk.insert_new(connection, memberships, [member(number) for number in range(count)]) == count - 1
        )
        assert bulk.insert_new(connection, memberships, [member(number) for number in range(count)]) == 0
        assert bulk.insert_new(connection, memberships, []) == 0
    found = rows(store, memberships)
    assert len(found) == count
    assert found[0] == ("a00000", "at_risk", START - 1)


@pytest.mark.parametrize("count", [FEW, MANY])
def test_upsert_inserts_and_changes(store: Database, count: int) -> None:
    put(store, memberships, [member(0, since=START - 1)])
    with store.write() as connection:
        bulk.upsert(connection, memberships, [member(number) for number in range(count)])
        bulk.upsert(connection, memberships, [])
    assert rows(store, memberships) == [tuple(member(number).values()) for number in range(count)]


@pytest.mark.parametrize("count", [FEW, MANY])
def test_upsert_changes_only_what_it_is_told_to(store: Database, count: int) -> None:
    said = [
        {
            "contact": f"c{number:03}",
            "channel": "email",
            "topic": "",
            "said_as": "",
            "allowed": False,
            "at": START,
        }
        for number in range(count)
    ]
    with store.write() as connection:
        bulk.insert(connection, consents, said)
        changed = [{**each, "allowed": True, "at": START + 1} for each in said]
        bulk.upsert(connection, consents, changed, update=["allowed"])
    assert {row[4:] for row in rows(store, consents)} == {(True, START)}


@pytest.mark.parametrize("count", [FEW, MANY])
def test_only_rows_of_the_version_before_are_written_over(store: Database, count: int) -> None:
    def account(number: int, version: int) -> dict[str, Any]:
        row = {
            "id": f"a{number:03}",
            "version": version,
            "state": b"%d" % version,
            "known": b"",
            "due_at": None,
            "stage": None,
        }
        return row | {
            "created_at": START,
            "last_event_at": START,
            "live_journeys": 0,
            "name": None,
            "owner": None,
        }

    with store.write() as connection:
        bulk.insert(connection, accounts, [account(number, 1 + number % 2) for number in range(count)])
        changed = [account(number, 2) for number in range(count)]
        assert bulk.update_next(connection, accounts, [*changed, account(999, 2)]) == (count + 1) // 2
        assert bulk.update_next(connection, accounts, []) == 0
    assert {row[2] for row in rows(store, accounts)} == {b"2"}
    assert len(rows(store, accounts)) == count


@pytest.mark.parametrize("count", [FEW, MANY])
def test_one_transaction_may_write_a_table_many_times(store: Database, count: int) -> None:
    with store.write() as connection:
        for segment in ("a", "b", "c"):
            bulk.insert_new(connection, memberships, [member(number, segment) for number in range(count)])
    assert len(rows(store, memberships)) == 3 * count


def test_after_a_rollback_the_same_connection_writes_as_before(store: Database) -> None:
    """The temporary twin is rolled back too."""
    many = [member(number) for number in range(MANY)]
    many_and_a_fault = [*many, {**member(0), "since": "no instant"}]
    for _ in range(2):
        with pytest.raises(Exception, match=r"no instant|str"), store.write() as connection:
            bulk.insert_new(connection, memberships, many_and_a_fault)
    with store.write() as connection:
        assert bulk.insert_new(connection, memberships, [member(number) for number in range(MANY)]) == MANY


@pytest.mark.parametrize("count", [0, 1, FEW, MANY, bulk.SLICE * 2])
def test_pairs_are_deleted_and_nothing_else(store: Database, count: int) -> None:
    kept = [member(number, "kept") for number in range(FEW)]
    put(store, memberships, [*kept, *(member(number) for number in range(count))])
    with store.write() as connection:
        bulk.delete_pairs(
            connection,
            memberships,
            ("account", "segment"),
            [(f"a{number:05}", "at_risk") for number in range(count)],
        )
    assert rows(store, memberships) == [tuple(each.values()) for each in kept]


@pytest.mark.parametrize("count", [FEW, MANY])
def test_a_row_that_is_there_already_is_an_error_that_does_not_pass(store: Database, count: int) -> None:
    twice = [letter(number % (count - 1)) for number in range(count)]
    with pytest.raises(DBAPIError) as error, store.write() as connection:
        bulk.insert(connection, dead_letters, twice)
    assert not is_transient(error.value)
    assert rows(store, dead_letters) == []


@pytest.mark.postgres
@pytest.mark.parametrize("count", [FEW, MANY])
def test_text_postgres_cannot_keep_is_an_error_that_does_not_pass(pg_store: Database, count: int) -> None:
    letters = [letter(number, detail="a\0b") for number in range(count)]
    with pytest.raises(DBAPIError) as error, pg_store.write() as connection:
        bulk.insert(connection, dead_letters, letters)
    assert not is_transient(error.value)


def test_slices_are_short_and_lose_nothing() -> None:
    assert list(bulk.slices(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(bulk.slices([])) == []
