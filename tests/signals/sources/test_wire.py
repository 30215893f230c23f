"""One strict JSON parser for HTTP, Kafka and files (guarantees B1-B14, B29)."""

import json
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.problem import Problem, Refused
from signals.sources import wire

VECTORS = Path(__file__).parents[3] / "../shared/vectors"
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="../shared/vectors is not here")


def answer(raw: bytes) -> Any:
    """The value, or (status, pointer)."""
    try:
        return wire.parse(raw)
    except Refused as refused:
        return refused.problem.status, refused.problem.pointer


def slow(raw: bytes) -> Any:
    try:
        return wire._unflawed(wire._slow(raw))
    except Refused as refused:
        return refused.problem.status, refused.problem.pointer


def same(one: Any, other: Any) -> bool:
    """Equal in value, type and the sign of zero."""
    return repr(one) == repr(other)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="B1 empty"),
        pytest.param(b" \n", id="B1 blank"),
        pytest.param(b'{"a": 1', id="B3 truncated"),
        pytest.param(b'{"a": 1}{}', id="B4 trailing"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="B5 utf-16"),
        pytest.param('{"a": 1}'.encode("utf-16-le"), id="B5 utf-16 without mark"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', id="B5 byte order mark"),
        pytest.param(b'{"a": "\xff"}', id="B6 invalid utf-8"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', id="B6 surrogate in utf-8"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", id="B11 5,000 digits"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="B13 deep"),
        pytest.param(b'{"a":' * 100_000, id="B13 deep and truncated"),
        pytest.param(b"[" * 129 + b"]" * 129, id="B13 one level too deep"),
        pytest.param(b"{'a': 1}", id="single quotes"),
        pytest.param(b'{"a": 01}', id="leading zero"),
        pytest.param(b'{"a": "\n"}', id="raw control character"),
    ],
)
def test_what_is_no_json_document_is_malformed(raw: bytes) -> None:
    assert answer(raw) == (400, None)
    with pytest.raises(Refused):
        wire.parse_items(raw)


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        pytest.param(b'{"a": "\\ud800"}', "/a", id="B7 lone surrogate"),
        pytest.param(b'{"a": ["x", "\\udc00\\ud800"]}', "/a/1", id="B7 wrong way round"),
        pytest.param(b'{"a": {"b": "x\\u0000"}}', "/a/b", id="B8 NUL"),
        pytest.param(b'{"a": {"b\\u0000": 1}}', "/a", id="B8 NUL in a name"),
        pytest.param(b'{"a": NaN}', "/a", id="B9 NaN"),
        pytest.param(b'{"a": -Infinity}', "/a", id="B9 Infinity"),
        pytest.param(b'{"a": 1e999}', "/a", id="B9 1e999"),
        pytest.param(b'{"a": 1' + b"0" * 30 + b"}", "/a", id="B10 10^30"),
        pytest.param(b'{"a": 9223372036854775808}', "/a", id="B10 2^63"),
        pytest.param(b'{"a": 18446744073709551615}', "/a", id="B10 2^64 - 1"),
        pytest.param(b'{"a": -9223372036854775809}', "/a", id="B10 -2^63 - 1"),
        pytest.param(b'{"a": [ \n 9223372036854775808]}', "/a/0", id="B10 after blanks"),
        pytest.param(b'{"a": {"x/y": 1, "x/y": 2}}', "/a/x~1y", id="B12 twice"),
        pytest.param(b'{"a": 1, "\\u0061": 2}', "/a", id="B12 twice, once escaped"),
        pytest.param(b'{"a": 1, "a": "\\u003a"}', "/a", id="B12 twice, with a colon to make up for it"),
        pytest.param(b'{"a": 1, "a": "\\u003A"}', "/a", id="B12 twice, with a colon in capitals"),
        pytest.param(orjson.dumps({str(n): n for n in range(10_000)}), "", id="B14 10k members"),
        pytest.param(orjson.dumps({"a": {"k" * 65_536: 1}}), "/a", id="B14 64 KiB name"),
        pytest.param(orjson.dumps({"a": {'"' * 1025: 1}}), "/a", id="B14 name of quotation marks"),
        pytest.param(orjson.dumps({"é" * 600: 1}), "", id="B14 counted in bytes"),
    ],
)
def test_what_cannot_be_kept_is_invalid_and_pointed_to(raw: bytes, pointer: str) -> None:
    assert answer(raw) == (422, pointer)
    assert answer(b"[" + raw + b"]") == (422, "/0" + pointer)
    first, second = wire.parse_items(b"[" + raw + b', {"good": 1}]')
    assert isinstance(first, Problem)
    assert (first.status, first.pointer) == (422, pointer)
    assert second == {"good": 1}


@pytest.mark.parametrize(
    "value",
    [
        {"n": 2**63 - 1, "m": -(2**63)},
        {"id": "12345678901234567890123", "ratio": 0.1234567890123456789},
        {"colons": ":::", "quote": '\\"', "brackets": "[" * 500},
        {"e": "é", "nul": "\\u0000", "emoji": "😀"},
        {str(n): n for n in range(1000)},
        {"k" * 1024: 1},
        [],
        {},
        [[]] * 200,
    ],
)
def test_what_can_be_kept_is_kept_as_it_is(value: Any) -> None:
    assert same(wire.parse(orjson.dumps(value)), value)
    assert same(wire.parse(json.dumps(value, indent=1).encode()), value)


def test_nesting_is_taken_to_its_limit() -> None:
    raw = b"[" * 128 + b"]" * 128
    assert orjson.dumps(wire.parse(raw)) == raw


@pytest.mark.parametrize("raw", [b"null", b"true", b"0", b'"x"', b"[]", b"{}"])
def test_scalars_are_documents_too(raw: bytes) -> None:
    assert same(wire.parse(raw), json.loads(raw))


@pytest.mark.parametrize("raw", [b"null", b"{}", b'"x"', b'{"a": 1, "a": 2}'])
def test_a_batch_must_be_an_array(raw: bytes) -> None:
    with pytest.raises(Refused) as refused:
        wire.parse_items(raw)
    assert refused.value.problem.status == 422


def test_one_bad_item_of_a_hundred_is_the_only_one_refused() -> None:
    good = [{"n": n} for n in range(99)]
    raw = orjson.dumps(good)[:-1] + b', {"n": NaN}]'
    *items, last = wire.parse_items(raw)
    assert items == good
    assert isinstance(last, Problem)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**63 - 3, 2**63 + 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def spelled(value: Any, ascii_only: bool, indent: int | None) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")


@given(value=json_values, ascii_only=st.booleans(), indent=st.none() | st.integers(0, 2))
def test_the_fast_and_the_slow_path_give_one_answer(value: Any, ascii_only: bool, indent: int | None) -> None:
    raw = spelled(value, ascii_only, indent)
    assert same(answer(raw), slow(raw))


fragments = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"',
        "\\",
        "1",
        "-1",
        "0",
        "1e5",
        "1E999",
        "-0",
        "-0.0",
        "0.1",
        "NaN",
        "Infinity",
        "null",
        "true",
        '"a"',
        '"a":1',
        '"b":[1]',
        "\\u0000",
        "\\ud800",
        "\\udc00",
        "\\u003a",
        "\\u0061",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        '"é"',
        '"',
        '"',
    ]
)


@given(parts=st.lists(fragments, max_size=14), separator=st.sampled_from(["", ",", " "]))
@settings(max_examples=300)
def test_the_paths_agree_on_anything_that_looks_like_json(parts: list[str], separator: str) -> None:
    joined = separator.join(parts)
    for raw in (joined.encode(), f"[{joined}]".encode(), f"{{{joined}}}".encode()):
        assert same(answer(raw), slow(raw))


members = st.tuples(st.sampled_from(['"a"', '"b"', '"\\u0061"', '":"', '"\\u003A"']), json_values)


@given(pairs=st.lists(members, max_size=5), before=json_values)
def test_the_paths_agree_on_names_that_are_there_twice(pairs: list[tuple[str, Any]], before: Any) -> None:
    inside = ",".join(f"{name}: {json.dumps(value)}" for name, value in pairs)
    raw = f"[{json.dumps(before)}, {{{inside}}}]".encode()
    assert same(answer(raw), slow(raw))
    if isinstance(answer(raw), list):
        assert wire.parse_items(raw) == answer(raw)


@given(st.binary(max_size=60))
def test_bytes_never_raise_anything_but_refused(raw: bytes) -> None:
    answer(raw)
    slow(raw)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-400, 400), st.integers(0, 10**40))
def test_floats_are_rounded_alike(number: float, exponent: int, digits: int) -> None:
    for text in (repr(number), f"{digits}e{exponent}", f"0.{digits}", f"{digits}.{digits}"):
        raw = f"[{text}]".encode()
        assert same(answer(raw), slow(raw))


@needs_vectors
@pytest.mark.parametrize("name", ["test_parsing", "test_transform"])
def test_json_test_suite(name: str) -> None:
    """y_ parses unless it holds what cannot be kept, n_ never does, and both paths say the same."""
    kept_out = {
        "y_object_duplicated_key.json",
        "y_object_duplicated_key_and_value.json",
        "y_object_escaped_null_in_key.json",
        "y_string_null_escape.json",
    }
    with tarfile.open(VECTORS / f"json-torture/{name}.tar.gz") as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member)
            if content is None:
                continue
            raw, file = content.read(), Path(member.name).name
            said = answer(raw)
            refused = isinstance(said, tuple)
            assert same(said, slow(raw)), file
            if file.startswith("y_"):
                assert refused == (file in kept_out), (file, said)
            if file.startswith("n_"):
                assert refused, file


@needs_vectors
def test_naughty_strings_come_through_untouched() -> None:
    strings = json.loads((VECTORS / "naughty-strings.json").read_bytes())
    for text in strings:
        for raw in (orjson.dumps({"x": text}), json.dumps({"x": text}).encode()):
            said = answer(raw)
            assert same(said, slow(raw))
            assert said == {"x": text} or "\0" in text


def test_a_hostile_megabyte_is_answered_in_linear_time() -> None:
    """Strings full of quotes and brackets: what would be quadratic does not end within the test's patience."""
    for raw in (b'["' + b'\\"' * 500_000, b'["' + b'\\"[' * 300_000 + b'"]', b"[" * 1_000_000):
        answer(raw)


def test_a_deep_and_broad_document_takes_little_memory() -> None:
    """Long names on the way to many values: a pointer for each would take gigabytes."""
    leaves = b"[" + b",".join([b"1"] * 100_000) + b"]"
    raw = b'{"%s":' % (b"k" * 80) * 100 + leaves + b"}" * 100
    tracemalloc.start()
    with pytest.raises(Refused):
        wire.parse(raw.replace(b"1]", b"NaN]"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000_000
