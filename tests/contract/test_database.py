"""Opening, writing, reading: one behaviour on every database."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from builders import START
from journeys.store.database import Database, is_transient, on_commit
from journeys.store.tables import switches
from stores import Fresh, migrated, rows


def put(connection: sa.Connection, name: str, value: str = "1") -> None:
    connection.execute(sa.insert(switches), [{"name": name, "value": value, "at": START}])


def fail_after(database: Database, act: Callable[[sa.Connection], None]) -> None:
    """Do this in a transaction that then fails."""
    with database.write() as connection:
        act(connection)
        raise ZeroDivisionError


def test_what_was_written_is_read(store: Database) -> None:
    with store.write() as connection:
        put(connection, "one")
    assert rows(store, switches) == [("one", "1", START)]


def test_an_exception_leaves_nothing_behind_and_the_next_writer_free(store: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_after(store, lambda connection: put(connection, "lost"))
    with store.write() as connection:
        put(connection, "kept")
    assert [name for name, *_ in rows(store, switches)] == ["kept"]


def test_what_was_to_be_done_on_commit_is_done_after_it_and_only_then(store: Database) -> None:
    done: list[str] = []
    with store.write() as connection:
        put(connection, "one")
        on_commit(connection, lambda: done.append("one"))
        assert done == []
    assert done == ["one"]
    with pytest.raises(ZeroDivisionError):
        fail_after(store, lambda connection: on_commit(connection, lambda: done.append("never")))
    with store.write():
        pass
    assert done == ["one"]


def test_what_fails_at_the_commit_itself_is_not_done_after_it(pg_store: Database) -> None:
    done: list[str] = []
    with pg_store.write() as connection:
        connection.execute(sa.text("CREATE TABLE late (n int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)"))

    def twice() -> None:
        with pg_store.write() as connection:
            connection.execute(sa.text("INSERT INTO late VALUES (1), (1)"))
            on_commit(connection, lambda: done.append("never"))

    with pytest.raises(IntegrityError):
        twice()
    assert done == []


def test_a_writer_waits_for_the_one_before_and_sees_what_it_wrote(shared_store: Database) -> None:
    """Each reads what is there and adds one: with a lost update the sum would be short."""
    with shared_store.write() as connection:
        put(connection, "sum", "0")

    def add(_: int) -> None:
        with shared_store.write() as connection:
            mine = sa.select(switches.c.value).where(switches.c.name == "sum").with_for_update()
            value = int(connection.execute(mine).scalar_one())
            connection.execute(sa.update(switches).values(value=str(value + 1)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(40)))
    assert rows(shared_store, switches) == [("sum", "40", START)]


def test_readers_go_on_while_somebody_writes_and_see_only_what_is_committed(shared_store: Database) -> None:
    with shared_store.write() as connection:
        put(connection, "open")
        assert rows(shared_store, switches) == []
    assert len(rows(shared_store, switches)) == 1


def test_a_reader_of_the_embedded_database_cannot_write(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'journeys.db'}"
    migrated(url)
    database = Database(url, durable=False)
    with pytest.raises(DBAPIError, match="readonly"), database.read() as connection:
        put(connection, "no")
    assert rows(database, switches) == []
    database.close()


def test_one_look_sees_one_moment(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'journeys.db'}"
    migrated(url)
    database = Database(url, durable=False)
    count = sa.select(sa.func.count()).select_from(switches)
    with database.read() as reader:
        before = reader.execute(count).scalar_one()
        with database.write() as connection:
            put(connection, "meanwhile")
        assert reader.execute(count).scalar_one() == before
    database.close()


def test_a_second_process_is_told_that_the_embedded_database_is_open(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'journeys.db'}"
    migrated(url)
    database = Database(url, durable=False)
    assert "is open in another process; talk to that one" in _elsewhere(url)
    database.close()
    assert _elsewhere(url) == "opened"


def _elsewhere(url: str) -> str:
    """What another process says that opens this database."""
    program = "import sys; from journeys.store.database import Database; Database(sys.argv[1]).close()"
    done = subprocess.run(
        [sys.executable, "-c", program, url], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stderr or "opened"


def test_the_embedded_database_is_durable_and_has_its_locks(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'journeys.db'}"
    migrated(url)
    database = Database(url)
    with database.write() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    database.close()


@pytest.mark.postgres
def test_sessions_on_postgres_have_their_timeouts_and_are_in_utc(pg_store: Database) -> None:
    names = ("timezone", "idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout")
    with pg_store.write() as connection:
        found = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names]
    assert found == ["UTC", "30s", "2min", "10s"]


@pytest.mark.postgres
def test_errors_of_the_data_are_not_taken_for_errors_that_pass(fresh_database: Fresh) -> None:
    database = Database(fresh_database(migrated))
    with database.write() as connection:
        put(connection, "one")
        connection.execute(sa.text("CREATE INDEX ON switches (value)"))
        long = sa.text("SELECT string_agg(md5(n::text), '') FROM generate_series(1, 500) n")
        too_long_for_an_index = connection.execute(long).scalar_one()
    for name, value in (("n", "a\0b"), ("one", "again"), ("long", too_long_for_an_index)):
        with pytest.raises(DBAPIError) as error, database.write() as connection:
            put(connection, name, value)
        assert not is_transient(error.value)
    database.close()


@pytest.mark.postgres
def test_a_deadlock_and_a_lost_connection_are_errors_that_pass(pg_store: Database) -> None:
    with pg_store.write() as connection:
        put(connection, "a")
        put(connection, "b")
    found: list[DBAPIError] = []
    both = threading.Barrier(2)

    def cross(names: tuple[str, str]) -> None:
        try:
            with pg_store.write() as connection:
                for name in names:
                    mine = sa.update(switches).where(switches.c.name == name)
                    connection.execute(mine.values(value=names[0]))
                    if name == names[0]:
                        both.wait(10)
        except DBAPIError as error:
            found.append(error)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(cross, [("a", "b"), ("b", "a")]))
    with pytest.raises(DBAPIError) as cut, pg_store.write() as connection:
        connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
    assert [is_transient(each) for each in (*found, cut.value)] == [True, True]
    assert rows(pg_store, switches)
