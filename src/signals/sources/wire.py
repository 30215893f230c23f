"""Bytes to JSON values, strictly: the one parser in front of HTTP, Kafka and files (ASVS 5.0 1.5.3, B1-B14).

Two answers are told apart. What is not a JSON document (RFC 8259, UTF-8, nested less than `MAX_DEPTH`) is refused
as a whole, 400 `malformed`. What is JSON but cannot be kept faithfully by PostgreSQL, SQLite and Python alike (NUL,
lone surrogates, NaN, integers beyond 63 bits, duplicate keys, giant objects) is a 422 `invalid` with a pointer, and
in a batch spoils only its own item (B29).

orjson reads the bytes; a few scans prove that nothing it lets pass or repairs silently can be in them. Whatever they
cannot prove clean goes to the slow path on the standard library, which alone decides what is wrong and where.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import isinf
from typing import Any, NamedTuple, TypeAlias

import orjson

from signals.problem import Problem, Refused

MAX_DEPTH = 128
"""Arrays and objects inside one another; orjson writes 254, and the log wraps what it keeps."""

MAX_PROPERTIES = 1000
"""Members of one object."""

MAX_KEY = 1024
"""UTF-8 bytes of one member name."""

MAX_DIGITS = 4300
"""Digits of one integer; Python itself reads no more (CVE-2020-10735)."""

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1

_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_RUN = b"0" * 19  # 2**63 has 19 digits
_LONG_NUMBER = re.compile(rb"[\[,:][ \t\r\n]*-?[0-9]{19}")  # as a value; snowflake ids in strings are fine
_BLOCK = MAX_KEY // 2
_BEFORE_NUMBER = b" \t\r\n[,:-"
_TELLING_ESCAPE = re.compile(rb"\\u00(?:00|3[aA])")  # NUL; a colon that would upset the count of members
_BRACKETS = re.compile(
    r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL
)  # strings are stepped over, never entered
_SURROGATE_OR_NUL = re.compile("[\0\ud800-\udfff]")
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


_Path: TypeAlias = "tuple[_Path, str] | None"  # the names on the way to a value, the last one first


class _Flaw(NamedTuple):
    """Stands in the slow path's tree where a value cannot be kept."""

    detail: str
    key: str | None = None  # the member of the object that is meant


def parse(raw: bytes) -> Any:
    """One JSON document. Raises Refused: 400 when it is none, 422 with a pointer when a value cannot be kept."""
    value = _fast(raw, batch=False)
    if value is not None:
        return value
    return _unflawed(_slow(raw))


def parse_items(raw: bytes) -> list[Any | Problem]:
    """A JSON array, each item a value or the Problem that spoils it (pointers start at the item).

    Raises Refused: 400 when the whole is not JSON, 422 when it is something other than an array.
    """
    value = _fast(raw, batch=True)
    if value is None:
        value = _slow(raw)
        if isinstance(value, list):
            value = [_value_or_problem(item) for item in value]
    if not isinstance(value, list):
        raise Refused(Problem(422, "invalid", "a batch is a JSON array of events", ""))
    return value


def parse_envelope(raw: bytes, member: str) -> Any:
    """One JSON document; where it is an object whose `member` is an array, each item of that is a value or the Problem
    that spoils it (pointers start at the item). Raises Refused as `parse` does for all that lies around the array.
    """
    value = _fast(raw, batch=True, member=member)
    if value is not None:
        return value
    value = _slow(raw)
    if not isinstance(value, dict) or not isinstance(value.get(member), list):
        return _unflawed(value)
    items = [_value_or_problem(item) for item in value[member]]
    return {**_unflawed({**value, member: []}), member: items}


def _fast(raw: bytes, *, batch: bool, member: str | None = None) -> Any:
    """The value, when cheap scans prove it clean; else None (a null document is also left to the slow path)."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, (dict, list)) or _suspicious(raw):
        return None
    colons = 0
    for item in _apart(value, member) if batch else (value,):
        members = _members(item)
        if members < 0:
            return None
        colons += members
    return value if raw.count(b":") == colons else None  # fewer: a name was there twice and one was dropped


def _apart(value: Any, member: str | None) -> Sequence[Any]:
    """What is judged by itself: the items of the array, and what lies around it."""
    if member is None:
        return value if isinstance(value, list) else (value,)
    inner = value.get(member) if isinstance(value, dict) else None
    return [{**value, member: []}, *inner] if isinstance(inner, list) else (value,)


def _suspicious(raw: bytes) -> bool:
    """True where an escape or a number needs the slow path's eye."""
    if b"\\u" in raw and _TELLING_ESCAPE.search(raw):
        return True
    zeros = raw.translate(_DIGITS_TO_ZERO)
    start = zeros.find(_LONG_RUN)
    while start >= 0:
        if raw[start - 1] in _BEFORE_NUMBER:
            return _LONG_NUMBER.search(raw) is not None
        start = zeros.find(_LONG_RUN, start + len(_LONG_RUN))
    return False


def _members(item: Any) -> int:
    """How many colons the item is written with; -1 where depth or size call for the slow path."""
    try:
        written = orjson.dumps(item)
    except orjson.JSONEncodeError:
        return -1  # nested deeper than it writes
    colons = written.count(b":")
    brackets = written.count(b"{") + written.count(b"[")
    if brackets >= MAX_DEPTH and _depth_of(written.decode()) >= MAX_DEPTH:
        return -1
    names_fit = colons <= MAX_PROPERTIES and _no_long_text(written)
    return colons if names_fit or _first_flaw(item) is None else -1


def _no_long_text(written: bytes) -> bool:
    """True when no string, and so no member name, can be longer than `MAX_KEY`.

    A longer one would fill a block of half that size, aligned anywhere, without a quotation mark.
    """
    if len(written) <= MAX_KEY:
        return True
    blocks = (written[start : start + _BLOCK] for start in range(0, len(written) - _BLOCK + 1, _BLOCK))
    return b'\\"' not in written and all(b'"' in block for block in blocks)


def _slow(raw: bytes) -> Any:
    """The tree with a `_Flaw` where a value cannot be kept. Raises Refused (400) for what is not JSON at all."""
    text = _decoded(raw)
    if _depth_of(text) > MAX_DEPTH:
        raise _malformed(f"nested deeper than {MAX_DEPTH} levels: flatten it")
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _malformed(f"not JSON: {error}") from error
    except RecursionError as error:  # the caller's own stack was nearly used up
        raise _malformed("nested too deeply: flatten it") from error


def _decoded(raw: bytes) -> str:
    if not raw.strip(b" \t\r\n"):
        raise _malformed("the body is empty: send a JSON document")
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw[:4]:
        raise _malformed("JSON is sent as UTF-8 without a byte order mark (RFC 8259 §8.1)")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise _malformed(f"byte {error.start} is not UTF-8") from error


def _depth_of(text: str) -> int:
    """The deepest nesting of brackets outside strings; the decoder judges whether they match."""
    steps = (_STEP.get(match[0], 0) for match in _BRACKETS.finditer(text))
    return max(accumulate(steps), default=0)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Flaw:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value] # add returns None, which is what `or` needs
    return _Flaw("the same name is there twice: which value is meant?", twice)


def _integer(digits: str) -> int | _Flaw:
    if len(digits) > MAX_DIGITS:
        raise _malformed(f"an integer of {len(digits)} digits: send it as a string")
    number = int(digits)
    if _SMALLEST <= number <= _LARGEST:
        return number
    return _Flaw("an integer beyond 63 bits: send it as a string")


def _float(digits: str) -> float | _Flaw:
    number = float(digits)
    return _Flaw("a number too large for a double: send it as a string") if isinf(number) else number


def _constant(name: str) -> _Flaw:
    return _Flaw(f"{name} is no JSON value: leave the field out, or send null")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)


def _unflawed(value: Any) -> Any:
    flaw = _first_flaw(value)
    if flaw is not None:
        raise Refused(flaw)
    return value


def _value_or_problem(value: Any) -> Any:
    flaw = _first_flaw(value)
    return value if flaw is None else flaw


def _first_flaw(root: Any) -> Problem | None:
    """The first value, in no particular order, that cannot be kept."""
    stack: list[tuple[_Path, Any]] = [(None, root)]
    while stack:
        path, value = stack.pop()
        detail = _complaint(value)
        if detail is not None:
            if isinstance(value, _Flaw) and value.key is not None:
                path = (path, value.key)
            return Problem(422, "invalid", detail, _pointer(path))
        stack.extend(((path, key), child) for key, child in _children(value))
    return None


def _pointer(path: _Path) -> str:
    """RFC 6901, written only once a flaw is found: writing it for every value would cost depth times size."""
    tokens = []
    while path is not None:
        path, key = path
        tokens.append(f"/{_escaped(key)}")
    return "".join(reversed(tokens))


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        return iter(value.items())
    if isinstance(value, list):
        return ((str(index), child) for index, child in enumerate(value))
    return iter(())


def _complaint(value: Any) -> str | None:
    """What is wrong with this value itself, not with what is in it."""
    if isinstance(value, _Flaw):
        return value.detail
    if isinstance(value, str):
        return _complaint_about_text(value)
    return _complaint_about_names(value) if isinstance(value, dict) else None


def _complaint_about_text(text: str) -> str | None:
    found = _SURROGATE_OR_NUL.search(text)
    if found is None:
        return None
    return "a NUL character" if found[0] == "\0" else f"half of a surrogate pair (U+{ord(found[0]):04X})"


def _complaint_about_names(members: dict[str, Any]) -> str | None:
    if len(members) > MAX_PROPERTIES:
        return f"an object of {len(members)} members, {MAX_PROPERTIES} are taken"
    for name in members:
        if _SURROGATE_OR_NUL.search(name):
            return "a member name with a NUL character or half of a surrogate pair"
        if len(name) > MAX_KEY or len(name.encode()) > MAX_KEY:
            return f"a member name longer than {MAX_KEY} bytes"
    return None


def _escaped(key: str) -> str:
    """A reference token (RFC 6901 §3), shortened and made printable, for a person."""
    shown = _SURROGATE_OR_NUL.sub("�", key[:80])
    return shown.replace("~", "~0").replace("/", "~1")


def _malformed(detail: str) -> Refused:
    return Refused(Problem(400, "malformed", detail))
