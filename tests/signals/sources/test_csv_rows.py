"""Rows of files, one by one, whatever is in them (guarantees B82)."""

import gzip
import io
import json
import tracemalloc
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.problem import Problem
from signals.sources.csv_rows import MAX_ROW, Format, read_rows, rows_of

VECTORS = Path(__file__).parents[3] / "../shared/vectors/csv-spectrum"
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="../shared/vectors is not here")


def rows(raw: bytes, form: Format = "csv") -> list[Any]:
    """The rows; a Problem as (status, pointer)."""
    found = list(rows_of(io.BytesIO(raw), form))
    assert [number for number, _ in found] == list(range(1, len(found) + 1))
    return [(row.status, row.pointer) if isinstance(row, Problem) else row for _, row in found]


def test_a_row_is_its_cells_by_the_names_of_the_header() -> None:
    assert rows(b"id, name \n1,Ann\n2,\n") == [{"id": "1", "name": "Ann"}, {"id": "2", "name": ""}]


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"id\n"])
def test_a_file_without_rows_has_none(raw: bytes) -> None:
    assert rows(raw) == []


def test_a_byte_order_mark_and_blank_lines_are_stepped_over() -> None:
    assert rows(b"\xef\xbb\xbf\nid\r\n\r\n1\r\n") == [{"id": "1"}]
    assert rows(b'\xef\xbb\xbf{"id": 1}\n\n{"id": 2}', "json") == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("mark", [b";", b"\t"])
def test_semicolons_and_tabs_part_cells_too(mark: bytes) -> None:
    assert rows(mark.join([b"a", b"b"]) + b"\n" + mark.join([b"1,5", b"2"])) == [{"a": "1,5", "b": "2"}]


def test_a_header_may_have_line_breaks_and_nameless_columns() -> None:
    assert rows(b'"first\nname",,\nAnn,x,\n') == [{"first\nname": "Ann"}]


@pytest.mark.parametrize(
    ("bad", "pointer"),
    [
        pytest.param(b"1", None, id="too few cells"),
        pytest.param(b"1,2,3", None, id="too many cells"),
        pytest.param(b"1,a\0b", "/b", id="NUL"),
        pytest.param(b"1,caf\xe9", "/b", id="latin-1"),
        pytest.param(b'1,"a"b', None, id="text after a quote"),
        pytest.param(b"1," + b"x" * 200_000, None, id="a cell of 200 kB"),
        pytest.param(b"1" + b"," * 1_000_000, None, id="a million columns"),
    ],
)
def test_a_bad_row_is_a_problem_and_the_next_goes_on(bad: bytes, pointer: str | None) -> None:
    assert rows(b"a,b\n" + bad + b"\n3,4\n") == [(422, pointer), {"a": "3", "b": "4"}]


def test_a_line_that_is_too_long_is_stepped_over() -> None:
    raw = b"a,b\n" + b"x" * (2 * MAX_ROW) + b",1\n3,4\n"
    assert rows(raw) == [(413, None), {"a": "3", "b": "4"}]


def test_a_row_of_many_lines_is_too_long_all_the_same() -> None:
    raw = b"a,b\n" + b'"1\n",' * (MAX_ROW // 4) + b"\n"
    assert rows(raw)[0] == (413, None)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"a,b,a", id="a name twice"),
        pytest.param(b"caf\xe9,b", id="not UTF-8"),
        pytest.param(b"a\0,b", id="NUL"),
        pytest.param(b",,", id="no names"),
        pytest.param(b",".join(b"c%d" % n for n in range(1001)), id="too many columns"),
        pytest.param("a,b".encode("utf-16"), id="UTF-16"),
        pytest.param(b"a" * 2 * MAX_ROW, id="too long"),
        pytest.param(b'"a"b,c', id="not CSV"),
    ],
)
def test_a_header_of_no_use_ends_the_file(header: bytes) -> None:
    (problem,) = rows(header + b"\n1,2\n")
    assert problem[0] in (400, 413, 422)


def test_json_lines_are_strict_each_by_itself() -> None:
    raw = b'{"a": 1}\n{"a": NaN}\n[1]\n{"a": \n' + b'"' + b"x" * 2 * MAX_ROW + b'"\n{"a": 2}'
    assert rows(raw, "json") == [{"a": 1}, (422, "/a"), (422, None), (400, None), (413, None), {"a": 2}]


def test_gzip_is_told_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(gzip.compress(b"a\n1\n"))
    assert list(read_rows(path, "csv")) == [(1, {"a": "1"})]
    path.write_bytes(b"a\n1\n")
    assert list(read_rows(path, "csv")) == [(1, {"a": "1"})]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_gzip_that_breaks_off_gives_what_it_has_and_says_so(tmp_path: Path, form: Format) -> None:
    lines = b"a\n" if form == "csv" else b""
    lines += b"".join(b'{"n": %d}\n' % n if form == "json" else b"%d\n" % n for n in range(50_000))
    path = tmp_path / "rows.gz"
    packed = gzip.compress(lines)
    for broken in (packed[: len(packed) // 2], packed[:-8] + b"\0" * 8, packed + b"garbage"):
        path.write_bytes(broken)
        *good, (number, last) = list(read_rows(path, form))
        assert isinstance(last, Problem)
        assert last.status == 400
        assert number == len(good) + 1
        assert len(good) > 1000


def test_a_large_file_is_read_in_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"a,b\n")
        for _ in range(100):
            file.write((b"x" * 1000 + b",y\n") * 100)
    tracemalloc.start()
    count = sum(1 for _ in read_rows(path, "csv"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 10_000
    assert peak < 1_000_000


def test_rows_come_before_the_file_is_read_to_its_end() -> None:
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            buffer[:] = (b"1\n" * len(buffer))[: len(buffer)]
            return len(buffer)

    assert len(list(islice(rows_of(io.BufferedReader(Endless(), 64), "csv"), 10))) == 10


@given(raw=st.binary(max_size=80) | st.text(alphabet='a,"\n\r\0;é{}:1', max_size=40).map(str.encode))
def test_no_bytes_ever_raise(raw: bytes) -> None:
    rows(raw, "csv")
    rows(raw, "json")


@needs_vectors
@pytest.mark.parametrize("path", sorted(VECTORS.glob("csvs/*.csv")), ids=lambda path: path.stem)
def test_csv_spectrum(path: Path) -> None:
    if path.stem == "location_coordinates":
        pytest.skip("its expectation names another phone number than its file")
    raw = path.read_bytes()
    if path.stem.endswith("_crlf"):  # the copy lost what the file is named for
        raw = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert rows(raw) == json.loads((VECTORS / "json" / f"{path.stem}.json").read_text())
