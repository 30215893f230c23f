"""Migrations make exactly the tables the code names, on both databases; a database of another version is refused."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from journeys.bootstrap import Parts
from journeys.settings import Settings
from journeys.store.database import Database
from journeys.store.schema import WrongSchema, current, head, require, upgrade
from journeys.store.tables import metadata


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'journeys.db'}" if is_sqlite else request.getfixturevalue("postgres_url")
    made = Database(url, durable=False)
    yield made
    made.close()


def test_migrations_make_the_tables_and_indexes_the_code_names(database: Database) -> None:
    upgrade(database)
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_primary_keys_and_partial_indexes_are_those_the_code_names(database: Database) -> None:
    """What Alembic does not compare."""
    upgrade(database)
    inspector = sa.inspect(database.engine)
    for table in metadata.sorted_tables:
        found = inspector.get_pk_constraint(table.name)
        assert found["constrained_columns"] == [column.name for column in table.primary_key]
    with database.read() as connection:
        catalogue = "sqlite_master" if database.is_sqlite else "pg_indexes"
        column, name = ("sql", "name") if database.is_sqlite else ("indexdef", "indexname")
        wanted = sa.text(f"SELECT {column} FROM {catalogue} WHERE {name} = 'ix_messages_waiting'")
        assert "WHERE" in connection.execute(wanted).scalar_one()


def test_migrating_twice_does_nothing_the_second_time(database: Database) -> None:
    assert upgrade(database) == (None, head())
    with database.write() as connection:
        connection.execute(
            sa.text("INSERT INTO switches (name, value, at) VALUES ('kept', '1', '2026-03-02 00:00:00')")
        )
    assert upgrade(database) == (head(), head())
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT name FROM switches")).scalars().all() == ["kept"]


def test_an_empty_database_is_refused_with_what_to_do(database: Database) -> None:
    assert current(database) is None
    with pytest.raises(
        WrongSchema, match=rf"on version none, this program needs {head()}: run `journeys migrate`"
    ):
        require(database)


def test_a_database_of_a_newer_program_is_refused(database: Database) -> None:
    upgrade(database)
    require(database)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WrongSchema, match="on version 9999"):
        require(database)


def test_a_database_of_a_newer_program_is_not_migrated(database: Database) -> None:
    upgrade(database)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WrongSchema, match="on version 9999, which this program does not know"):
        upgrade(database)


@pytest.mark.postgres
def test_both_databases_have_the_same_tables(postgres_url: str, tmp_path: Path) -> None:
    shapes = []
    for url in (f"sqlite:///{tmp_path / 'journeys.db'}", postgres_url):
        database = Database(url, durable=False)
        upgrade(database)
        shapes.append(shape(database))
        database.close()
    assert shapes[0] == shapes[1]


def shape(database: Database) -> dict[str, tuple[dict[str, bool], set[tuple[str, ...]]]]:
    """Of each table: its columns with whether they may be empty, and what its indexes are on."""
    inspector = sa.inspect(database.engine)
    return {
        table: (
            {column["name"]: column["nullable"] for column in inspector.get_columns(table)},
            {tuple(map(str, index["column_names"])) for index in inspector.get_indexes(table)}
            | {tuple(unique["column_names"]) for unique in inspector.get_unique_constraints(table)},
        )
        for table in inspector.get_table_names()
    }


@pytest.mark.postgres
def test_two_processes_that_migrate_at_once_do_not_stumble_over_each_other(postgres_url: str) -> None:
    databases = [Database(postgres_url) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        found = sorted(pool.map(upgrade, databases), key=str)
    assert found == [(head(), head()), (None, head())]
    for each in databases:
        require(each)
        each.close()


def test_a_program_starts_on_an_empty_database_so_that_it_can_be_migrated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'journeys.db'}"
    settings = Settings(_env_file=None, database_url=url, secret="only for these tests")
    with closing(Parts(settings)) as parts:
        assert current(parts.database) is None
