"""Opening the database: SQLite the right way (one writer, BEGIN IMMEDIATE), PostgreSQL with its time-outs set.

SQLite: one process, one writing connection whose pool is the write lock; readers are connections that cannot
write and never checkpoint (guarantees 0.1, "SQLite pitfalls"). PostgreSQL: guarantees "PostgreSQL pitfalls" 1.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError
from sqlalchemy.pool import QueuePool, StaticPool

WRITE_WAIT = 30.0
"""Seconds a writer waits for the one before it."""

POSTGRES_OPTIONS = (
    "-c timezone=UTC -c idle_in_transaction_session_timeout=30s -c statement_timeout=120s "
    "-c lock_timeout=10s -c client_connection_check_interval=2s"
)


class DatabaseBusy(RuntimeError):
    """Another process has the embedded database open."""


class Database:
    """Two ways in: `write()` for a transaction that may write, `read()` for one that only looks."""

    def __init__(self, url: str, *, durable: bool = True, lock: bool = True) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.in_memory = self.is_sqlite and self.url.database in (None, "", ":memory:")
        self._lock = (
            _lock_file(str(self.url.database)) if self.is_sqlite and lock and not self.in_memory else None
        )
        self.kept: dict[
            str, Any
        ] = {}  # what this process remembers of committed rows (journeys.store.accounts)
        self._writer = self._open(durable)
        self._reader = self._writer if self.in_memory or not self.is_sqlite else self._open_reader()

    def _open(self, durable: bool) -> sa.Engine:
        if not self.is_sqlite:
            return sa.create_engine(
                self.url.set(drivername="postgresql+psycopg"),
                pool_pre_ping=True,
                pool_size=8,
                max_overflow=8,
                connect_args={"options": POSTGRES_OPTIONS, "keepalives_idle": 10},
            )
        if self.in_memory:
            engine = sa.create_engine(
                self.url, poolclass=StaticPool, connect_args={"check_same_thread": False}
            )
        else:
            engine = sa.create_engine(
                self.url,
                poolclass=QueuePool,
                pool_size=1,
                max_overflow=0,
                pool_timeout=WRITE_WAIT,
                connect_args={"check_same_thread": False},
            )
        pragmas = ["journal_mode=WAL", f"synchronous={'FULL' if durable else 'OFF'}", "foreign_keys=ON"]
        pragmas += ["busy_timeout=10000", "journal_size_limit=67108864", "cache_size=-65536"]
        _prepare(engine, pragmas, "BEGIN IMMEDIATE")
        return engine

    def _open_reader(self) -> sa.Engine:
        engine = sa.create_engine(
            self.url, pool_size=8, max_overflow=8, connect_args={"check_same_thread": False}
        )
        _prepare(engine, ["query_only=ON", "wal_autocheckpoint=0", "busy_timeout=10000"], "BEGIN")
        return engine

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction that may write; committed at the end, rolled back on any exception.

        What `on_commit` was asked to do is done once the commit has succeeded, and forgotten otherwise.
        """
        done: list[Callable[[], None]] = []
        with self._writer.begin() as connection:
            connection.info["on_commit"] = done
            connection.info["twins"] = set()
            connection.info["kept"] = self.kept
            yield connection
        for act in done:
            act()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent look."""
        with self._reader.begin() as connection:
            yield connection

    @property
    def engine(self) -> sa.Engine:
        """The writing engine, for migrations."""
        return self._writer

    def raw_sqlite(self) -> sqlite3.Connection:
        """The one connection of an in-memory database, to be copied from and to (scenarios)."""
        with self._writer.connect() as connection:
            driver: Any = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            return driver

    def close(self) -> None:
        """Give every connection back and let another process in."""
        self._reader.dispose()
        self._writer.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


_HARDLY = ("0A", "22", "23", "42", "54")
"""Classes of SQLSTATE that trying again does not mend: data, constraints, statements, limits."""


def is_transient(error: DBAPIError) -> bool:
    """Whether the same may succeed later: the connection, a lock, a deadlock, a full disk; but not what was written."""
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None) or ""
    return isinstance(error, OperationalError | InternalError) and state[:2] not in _HARDLY


def on_commit(connection: sa.Connection, act: Callable[[], None]) -> None:
    """Do this once the transaction has been committed."""
    connection.info["on_commit"].append(act)


def _prepare(engine: sa.Engine, pragmas: list[str], begin: str) -> None:
    @sa.event.listens_for(engine, "connect")
    def _connect(driver: sqlite3.Connection, _: Any) -> None:
        driver.isolation_level = None  # we say when a transaction begins
        for pragma in pragmas:
            driver.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)


def _lock_file(database: str) -> int:
    """Hold `<database>.lock` for as long as this process has the database open. Raises DatabaseBusy."""
    import fcntl  # noqa: PLC0415 - POSIX only, and only for the embedded database

    Path(database).parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(f"{database}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise DatabaseBusy(
            f"{database} is open in another process; talk to that one (JOURNEYS_URL, JOURNEYS_KEY) or stop it"
        ) from error
    return handle
