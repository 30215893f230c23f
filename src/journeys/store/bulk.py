"""Writing many rows at once, the fast way of each database behind one door.

PostgreSQL: COPY into a temporary twin, then one INSERT … SELECT (performance.md, lesson 2). SQLite: executemany.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from journeys.store import copying

Row = dict[str, Any]
Value = TypeVar("Value")

SLICE = 10_000
"""Values asked for in one statement: SQLite binds 32,766 at most, PostgreSQL 65,535."""

_COUNTED = {"preserve_rowcount": True}  # psycopg forgets it otherwise

COPY_FROM = 20
"""Rows from which COPY is worth its temporary table."""


def slices(values: Iterable[Value], size: int = SLICE) -> Iterator[list[Value]]:
    """The values in lists short enough for one statement, in their order."""
    known = list(values)
    for start in range(0, len(known), size):
        yield known[start : start + size]


def insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Insert the rows; a row that is already there is an error."""
    if not rows:
        return
    if _copies(connection, rows):
        _copy(connection, table.name, table, rows)
    else:
        connection.execute(sa.insert(table), rows)


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> int:
    """Insert the rows that are not there yet, by primary key; answers how many were new."""
    return _merge(connection, table, rows, [])


def upsert(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Row], update: Iterable[str] | None = None
) -> None:
    """Insert the rows, or update these columns (default: all given) of those that are there."""
    if rows:
        keys = {column.name for column in table.primary_key}
        _merge(connection, table, rows, [name for name in (update or rows[0]) if name not in keys])


def delete_pairs(
    connection: sa.Connection, table: sa.Table, names: tuple[str, str], pairs: Sequence[tuple[str, str]]
) -> None:
    """Delete the rows with these pairs of values."""
    one, two = (table.c[name] for name in names)
    for some in slices(pairs, SLICE // 2):
        connection.execute(sa.delete(table).where(sa.tuple_(one, two).in_(some)))


def among(connection: sa.Connection, column: sa.Column[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    """`column` is one of many texts or bytes: on PostgreSQL one array instead of a thousand placeholders to parse."""
    if connection.dialect.name == "postgresql":
        listed = sa.bindparam(None, copying.array_of(column.type, values), type_=sa.Text, unique=True)
        return column == sa.func.any(sa.cast(listed, postgresql.ARRAY(column.type)))
    return column.in_(list(values))


def update_next(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> int:
    """Write rows over those of the `version` before theirs, by primary key; answers how many there were (I7)."""
    if not rows:
        return 0
    keys = _keys(table)
    rows = sorted(rows, key=itemgetter(*keys))
    if not _copies(connection, rows):
        of: dict[str, Any] = {name: sa.bindparam(f"of_{name}") for name in rows[0]}
        bound = [{f"of_{name}": value for name, value in row.items()} for row in rows]
        return int(connection.execute(_over(table, keys, of), bound, execution_options=_COUNTED).rowcount)
    twin = _twin(connection, table)
    _copy(connection, twin, table, rows)
    source = sa.table(twin, *(sa.column(name) for name in rows[0]))
    return int(connection.execute(_over(table, keys, source.c), execution_options=_COUNTED).rowcount)


def _over(table: sa.Table, keys: list[str], of: Any) -> sa.Update:
    """The row with these keys and the version before takes the given values; nothing happens where it has another."""
    change = sa.update(table).values({name: of[name] for name in of.keys() if name not in keys})  # noqa: SIM118 - a ColumnCollection iterates over columns
    return change.where(*(table.c[name] == of[name] for name in keys), table.c.version == of["version"] - 1)


def _keys(table: sa.Table) -> list[str]:
    return [column.name for column in table.primary_key]


def _twin(connection: sa.Connection, table: sa.Table) -> str:
    """An empty temporary twin of the table, emptied by the commit, or here where it has been used in this transaction."""
    twin = f"new_{table.name}"
    used: set[str] = connection.info.setdefault("twins", set())
    if twin in used:
        connection.exec_driver_sql(f"TRUNCATE {twin}")
    else:
        connection.exec_driver_sql(
            f"CREATE TEMP TABLE IF NOT EXISTS {twin} ON COMMIT DELETE ROWS AS TABLE {table.name} WITH NO DATA"
        )
        used.add(twin)
    return twin


def _copies(connection: sa.Connection, rows: Sequence[Row]) -> bool:
    return connection.dialect.name == "postgresql" and len(rows) >= COPY_FROM


def _merge(connection: sa.Connection, table: sa.Table, rows: Sequence[Row], update: list[str]) -> int:
    if not rows:
        return 0
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    keys = _keys(table)
    rows = sorted(rows, key=itemgetter(*keys))  # every writer in one order: they wait, but never in a circle
    if not _copies(connection, rows):
        statement = dialect.insert(table)
        statement = _on_conflict(statement, keys, update)
        return int(connection.execute(statement, rows, execution_options=_COUNTED).rowcount)
    twin = _twin(connection, table)
    _copy(connection, twin, table, rows)
    names = list(rows[0])
    source: Any = sa.select(*(sa.column(name) for name in names)).select_from(sa.table(twin))
    statement = dialect.insert(table).from_select(names, source)
    counted = connection.execute(_on_conflict(statement, keys, update), execution_options=_COUNTED)
    return int(counted.rowcount)


def _on_conflict(statement: Any, keys: list[str], update: list[str]) -> Any:
    if not update:
        return statement.on_conflict_do_nothing(index_elements=keys)
    changes = {name: statement.excluded[name] for name in update}
    return statement.on_conflict_do_update(index_elements=keys, set_=changes)


def _copy(connection: sa.Connection, target: str, table: sa.Table, rows: Sequence[Row]) -> None:
    driver: Any = connection.connection.driver_connection
    with _as_sqlalchemy(connection, f"COPY {target}"):
        copying.copy(driver, target, table, rows)


@contextmanager
def _as_sqlalchemy(connection: sa.Connection, command: str) -> Iterator[None]:
    """COPY goes past SQLAlchemy: let its errors look like those of any other statement."""
    base: Any = connection.dialect.loaded_dbapi.Error
    try:
        yield
    except base as error:
        raise sa.exc.DBAPIError.instance(
            command, None, error, base, hide_parameters=True, dialect=connection.dialect
        ) from error
