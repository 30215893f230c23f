"""A migrated database of every kind: what is said of one holds for all (fixture `store`)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from journeys.scenarios.stage import fresh_database as in_memory
from journeys.store.database import Database
from journeys.store.schema import upgrade

KINDS = ("file", "memory", pytest.param("postgres", marks=pytest.mark.postgres))

Fresh = Callable[[Callable[[str], None] | None], str]


def migrated(url: str) -> None:
    """Bring the database at this URL to this version, and leave it."""
    made = Database(url, durable=False)
    upgrade(made)
    made.close()


def opened(kind: str, request: pytest.FixtureRequest) -> Database:
    """A new database of this kind: `file`, `memory` or `postgres`."""
    if kind == "memory":
        return in_memory()
    if kind == "postgres":
        fresh: Fresh = request.getfixturevalue("fresh_database")
        return Database(fresh(migrated))
    folder: Path = request.getfixturevalue("tmp_path")
    url = f"sqlite:///{folder / 'journeys.db'}"
    migrated(url)
    return Database(url, durable=False)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty, migrated database of each kind."""
    made = opened(request.param, request)
    yield made
    made.close()


@pytest.fixture(params=[kind for kind in KINDS if kind != "memory"])
def shared_store(request: pytest.FixtureRequest) -> Iterator[Database]:
    """The same, of the kinds that several threads can use at once."""
    made = opened(request.param, request)
    yield made
    made.close()


@pytest.fixture
def pg_store(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty, migrated database on PostgreSQL."""
    made = opened("postgres", request)
    yield made
    made.close()


def rows(database: Database, table: sa.Table) -> list[tuple[object, ...]]:
    """Every row of the table in the order of its primary key."""
    with database.read() as connection:
        found = connection.execute(sa.select(table).order_by(*table.primary_key)).all()
    return [tuple(row) for row in found]
