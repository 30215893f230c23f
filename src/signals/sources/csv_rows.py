"""Files of rows: CSV and JSON lines, plain or gzipped, one row at a time in constant memory (B82).

Text is UTF-8; a byte order mark at the start is stepped over. A row that cannot be read is a Problem beside its
number and the next row goes on; a file that cannot be read on (no header, cut gzip) ends with a Problem.
CSV cells stay text: what they mean is said by a mapping.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, cast

from signals.problem import Problem, Refused
from signals.sources import wire

Format: TypeAlias = Literal["csv", "json"]
Row: TypeAlias = dict[str, Any]

MAX_COLUMNS = 1000
"""Columns of a CSV file."""

MAX_ROW = 1024 * 1024
"""Bytes of one row, its line breaks included."""

_GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS = ",;\t"


def read_rows(path: Path, format: Format) -> Iterator[tuple[int, Row | Problem]]:  # noqa: A002 - the word of the mapping
    """(row number, row or Problem) of a file; gzip is told by its first bytes, not by its name.

    Rows are counted from 1, a CSV header not among them. Raises OSError when the file cannot be opened.
    """
    with path.open("rb") as file:
        packed = file.peek(2)[:2] == _GZIP_MAGIC
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
        yield from rows_of(stream, format)


def rows_of(stream: BinaryIO, format: Format) -> Iterator[tuple[int, Row | Problem]]:  # noqa: A002 - as above
    """As `read_rows`, from an open stream of uncompressed bytes, such as an upload."""
    number = 0
    rows = _csv_rows(_Lines(stream)) if format == "csv" else _json_rows(_Lines(stream))
    try:
        for number, row in enumerate(rows, start=1):
            yield number, row
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        yield number + 1, _problem(f"the file ends here, its gzip is broken: {error}", status=400)
    except Refused as refused:
        yield number + 1, refused.problem


class _Lines:
    """The lines of a stream as text, none longer than `MAX_ROW`, and no row of many lines either.

    Bytes that are no UTF-8 become lone surrogates, to be found in the row they spoil.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._row_bytes = 0
        self._first = True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.next_bytes()
        if not line:
            raise StopIteration
        return line.decode("utf-8", "surrogateescape")

    def start_row(self) -> None:
        """What comes now is another row."""
        self._row_bytes = 0

    def next_bytes(self) -> bytes:
        """The next line, empty at the end. Raises _TooLong after stepping over a line that is too long."""
        line = self._stream.readline(MAX_ROW + 1)
        if self._first:
            line = self._without_mark(line)
        self._row_bytes += len(line)
        if self._row_bytes > MAX_ROW:
            self._step_over(line)
            raise _TooLong
        return line

    def _without_mark(self, line: bytes) -> bytes:
        self._first = False
        if line.startswith(_UTF16):
            raise Refused(_problem("the file is UTF-16: save it as UTF-8", status=400))
        return line.removeprefix(_BOM)

    def _step_over(self, line: bytes) -> None:
        while line and not line.endswith(b"\n"):
            line = self._stream.readline(MAX_ROW)


class _TooLong(Exception):
    """A row of more than MAX_ROW bytes."""


# --- JSON lines -------------------------------------------------------------------------------------------------


def _json_rows(lines: _Lines) -> Iterator[Row | Problem]:
    while True:
        lines.start_row()
        try:
            line = lines.next_bytes()
        except _TooLong:
            yield _too_long()
            continue
        if not line:
            return
        if line.strip():
            yield _json_row(line)


def _json_row(line: bytes) -> Row | Problem:
    try:
        row = wire.parse(line)
    except Refused as refused:
        return refused.problem
    return row if isinstance(row, dict) else _problem("a row is a JSON object")


# --- CSV --------------------------------------------------------------------------------------------------------


def _csv_rows(lines: _Lines) -> Iterator[Row | Problem]:
    """Rows by the names of the header; blank lines are passed over. Raises Refused for a header of no use."""
    names: list[str] | None = None
    for cells in _records(lines):
        if names is None:
            names = _header(cells)
        else:
            yield cells if isinstance(cells, Problem) else _csv_row(names, cells)


def _records(lines: _Lines) -> Iterator[list[str] | Problem]:
    """Cells, record by record, the header among them; after a record that cannot be read comes the next line."""
    first = _first_line(lines)
    reader = csv.reader(chain([first], lines), delimiter=_delimiter(first), strict=True)
    while True:
        lines.start_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _problem(f"not CSV (RFC 4180): {error}")
        except _TooLong:
            yield _too_long()
        else:
            if cells:
                yield cells


def _first_line(lines: _Lines) -> str:
    try:
        return next((line for line in lines if line.strip()), "")
    except _TooLong:
        raise Refused(_too_long()) from None


def _delimiter(line: str) -> str:
    """The one that parts the header into most columns."""
    return max(_DELIMITERS, key=line.count)


def _header(cells: list[str] | Problem) -> list[str]:
    if isinstance(cells, Problem):
        raise Refused(cells)
    names = [name.strip() for name in cells]
    complaint = _complaint_about_header(names)
    if complaint:
        raise Refused(_problem(f"the header cannot be used: {complaint}", status=400))
    return names


def _complaint_about_header(names: Sequence[str]) -> str | None:
    if len(names) > MAX_COLUMNS:
        return f"{len(names)} columns, {MAX_COLUMNS} are taken"
    if any(_unreadable(name) for name in names):
        return "a name is not UTF-8 text: save the file as UTF-8"
    named = [name for name in names if name]
    twice = next((name for index, name in enumerate(named) if name in named[:index]), None)
    return "it is empty" if not named else f"column {twice!r:.60} is there twice" if twice else None


def _csv_row(names: Sequence[str], cells: list[str]) -> Row | Problem:
    if len(cells) != len(names):
        return _problem(f"{len(cells)} cells where the header has {len(names)} columns")
    for name, cell in zip(names, cells, strict=True):
        if _unreadable(cell):
            shown = name.replace("~", "~0").replace("/", "~1")
            return _problem("a NUL character or bytes that are no UTF-8: save the file as UTF-8", f"/{shown}")
    return {name: cell for name, cell in zip(names, cells, strict=True) if name}


def _unreadable(cell: str) -> bool:
    if cell.isascii():
        return "\0" in cell
    return "\0" in cell or any("\ud800" <= letter <= "\udfff" for letter in cell)


def _too_long() -> Problem:
    return Problem(413, "too_large", f"a row of more than {MAX_ROW} bytes")


def _problem(detail: str, pointer: str | None = None, status: int = 422) -> Problem:
    return Problem(status, "malformed" if status == 400 else "invalid", detail, pointer)
