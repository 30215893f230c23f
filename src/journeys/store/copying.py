"""Rows as PostgreSQL reads them fastest: COPY in its binary format (PostgreSQL manual, "COPY", "Binary Format").

Column by column, so that the loops are C's: an instant is eight bytes instead of a formatted date, bytes are
themselves instead of twice as many hexadecimal digits.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat
from operator import itemgetter
from struct import Struct
from typing import Any, TypeAlias

import orjson
import sqlalchemy as sa

from journeys.store.tables import BytesType, InstantType, JsonType

Cell: TypeAlias = Callable[[Any], bytes]

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no extension
_TRAILER = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_EPOCH = 946_684_800_000_000
"""Microseconds from 1970 to 2000, where PostgreSQL's instants begin."""

_length = Struct("!i").pack
_int4 = Struct("!ii").pack
_int8 = Struct("!iq").pack
_YES, _NO = b"\0\0\0\1\1", b"\0\0\0\1\0"


def _text(value: str | None) -> bytes:
    if value is None:
        return _NULL
    raw = value.encode()
    return _length(len(raw)) + raw


def _bytes(value: bytes | None) -> bytes:
    return _NULL if value is None else _length(len(value)) + value


def _json(value: Any) -> bytes:
    return _NULL if value is None else _bytes(orjson.dumps(value))


def _integer(value: int | None) -> bytes:
    return _NULL if value is None else _int4(4, value)


def _big(value: int | None) -> bytes:
    return _NULL if value is None else _int8(8, value)


def _instant(value: int | None) -> bytes:
    return _NULL if value is None else _int8(8, value - _EPOCH)


def _flag(value: bool | None) -> bytes:
    return _NULL if value is None else _YES if value else _NO


_Kind: TypeAlias = type[sa.types.TypeEngine[Any]]
_CELLS: tuple[tuple[_Kind, Cell], ...] = (  # the first that fits: subclasses come first
    (InstantType, _instant),
    (JsonType, _json),
    (BytesType, _bytes),
    (sa.BigInteger, _big),
    (sa.Integer, _integer),
    (sa.Boolean, _flag),
    (sa.Text, _text),
)


def _cell(column: sa.Column[Any]) -> Cell:
    for kind, cell in _CELLS:
        if isinstance(column.type, kind):
            return cell
    raise TypeError(f"no binary form is known for column {column}")


def copy(driver: Any, target: str, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Copy the rows, all with the keys of the first, into `target`, which has the columns of `table`."""
    names = list(rows[0])
    columns = ", ".join(f'"{name}"' for name in names)
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {target} ({columns}) FROM STDIN (FORMAT BINARY)") as into,
    ):
        into.write(packed(table, names, rows))


def packed(table: sa.Table, names: Sequence[str], rows: Sequence[dict[str, Any]]) -> bytes:
    """All rows in the binary format."""
    begin = len(names).to_bytes(2)
    cells: Iterable[Iterable[bytes]] = (
        map(_cell(table.c[name]), map(itemgetter(name), rows)) for name in names
    )
    lines = zip(repeat(begin, len(rows)), *cells, strict=True)
    return b"".join((_HEADER, *chain.from_iterable(lines), _TRAILER))


def array_of(kind: sa.types.TypeEngine[Any], values: Iterable[Any]) -> str:
    """Texts or bytes as PostgreSQL's text for an array: one parameter, however many there are."""
    if isinstance(kind, BytesType):
        return "{" + ",".join(['"\\\\x' + value.hex() + '"' for value in values]) + "}"
    return "{" + ",".join([_quoted(value) for value in values]) + "}"


def _quoted(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'
