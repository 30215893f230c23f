"""What a mapping can say of one row: which field, which text, which number, which instant, and whether.

Everything here is made once from the text of a definition, raising ValueError with a sentence for its author, and is
then called once a row, raising Refused for what the row does not have.

A *spec* names a field, or is a template. A field is a column, or a dotted path into a JSON row (`user.id`,
`lines.0.sku`); a column whose own name has a dot is found first. A template has fields in braces, `churn-{account_id}`
or `{{ account_id }}`, and nothing else: no filters, no expressions. A list of these is the first that is there and not
empty: where a vendor has moved a field, `[subscription, parent.subscription_details.subscription]`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from html.parser import HTMLParser
from math import isfinite
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from signals.instant import EARLIEST, LATEST, SECOND, Instant, from_datetime, iso, parse_instant, to_datetime
from signals.sources.envelope import reject

Row: TypeAlias = Mapping[str, Any]
Read: TypeAlias = Callable[[Row], Any]
"""From a row to a value; None where it is missing."""

RFC_3339 = "rfc3339"

_FIELD = re.compile(r"\{\{\s*([^{}|%#]+?)\s*\}\}|\{\s*([^{}|%#]+?)\s*\}")  # no signs of a template language
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")
_LARGEST = 2**63 - 1
_SAMPLE = datetime(2001, 12, 23, 16, 45, 56, tzinfo=UTC)


class CsvRow(dict[str, Any]):
    """A row of text cells: an empty one is missing, and a column that is not there is a mistake in the mapping."""


# --- fields and templates ---------------------------------------------------------------------------------------


def field(row: Row, path: str) -> Any:
    """The value there, or None. Raises Refused for a column that a CSV file does not have."""
    if path in row:
        value = row[path]
        return None if value == "" and isinstance(row, CsvRow) else value
    if isinstance(row, CsvRow):
        reject(f"there is no column {path!r:.60}", f"/{path[:80]}", reason="unmapped")
    value = row
    for name in path.split("."):
        value = _member(value, name)
    return value


def _member(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, list) and name.isdecimal() and len(name) < 5 and int(name) < len(value):
        return value[int(name)]
    return None


def spec(text: str | Sequence[str]) -> Read:
    """A field by its name, a template, or the first of several; see the head of this module."""
    if not isinstance(text, str):
        return _first(text)
    if not text.strip():
        raise ValueError("name a field, or write a template such as churn-{account_id}")
    if "{" in text or "}" in text:
        return template(text)
    return lambda row: field(row, text)


def _first(texts: Sequence[str]) -> Read:
    if not texts:
        raise ValueError("name at least one field")
    reads = [_if_filled(text) if "{" in text or "}" in text else spec(text) for text in texts]

    def read(row: Row) -> Any:
        return next((value for find in reads if (value := find(row)) not in (None, "")), None)

    return read


def _if_filled(text: str) -> Read:
    """A template that is missing where one of its fields is."""
    fill, (_, paths) = template(text), _split(text)
    return lambda row: fill(row) if all(field(row, path) is not None for path in paths) else None


def shown(text: str | Sequence[str]) -> str:
    """A spec as a complaint names it."""
    return text if isinstance(text, str) else " or ".join(text)


def template(text: str) -> Callable[[Row], str]:
    """Text with fields in braces. A field that is missing refuses the row."""
    literals, paths = _split(text)

    def fill(row: Row) -> str:
        parts = [literals[0]]
        for path, literal in zip(paths, literals[1:], strict=True):
            parts += (_needed(row, path), literal)
        return "".join(parts)

    return fill


def _split(text: str) -> tuple[list[str], list[str]]:
    """The texts around the fields (one more than fields), and the fields."""
    literals, paths, end = [], [], 0
    for match in _FIELD.finditer(text):
        literals.append(text[end : match.start()])
        paths.append(match[1] or match[2])
        end = match.end()
    literals.append(text[end:])
    if any(brace in literal for literal in literals for brace in "{}"):
        raise ValueError(
            f"{text!r:.80}: fields stand in braces, like churn-{{account_id}}; nothing else does"
        )
    return literals, paths


def _needed(row: Row, path: str) -> str:
    value = as_text(field(row, path))
    if value is None:
        reject(f"{path} is missing", f"/{path}")
    return value


# --- what a value is read as ------------------------------------------------------------------------------------


def as_text(value: Any) -> str | None:
    """Text as it is, numbers and booleans as JSON writes them. Raises Refused for a list or an object."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (int, float)):
        reject(f"a {type(value).__name__} is no text")
    return repr(value)


def as_number(value: Any) -> int | float | None:
    """`17`, `17.5`, `1e3`; no thousands separators. Raises Refused for what is no number."""
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else _number(value)
    if number is None and value is not None:
        reject(f"{value!r:.60} is no number")
    return number


def _number(value: Any) -> int | float | None:
    text = value.strip() if isinstance(value, str) else ""
    if len(text) > 400 or not _NUMBER.fullmatch(text):
        return None
    if text.lstrip("+-").isdecimal():
        whole = int(text)
        return whole if -_LARGEST - 1 <= whole <= _LARGEST else None
    return float(text) if isfinite(float(text)) else None


def as_integer(value: Any) -> int | None:
    """A whole number; `17.0` is one, as spreadsheets write them. Raises Refused for anything else."""
    number = as_number(value)
    if number is None:
        return None
    if number != int(number) or abs(number) > _LARGEST:
        reject(f"{value!r:.60} is no whole number")
    return int(number)


def as_boolean(value: Any) -> bool | None:
    """`true yes 1` and `false no 0` in any case. Raises Refused for anything else."""
    boolean = value if isinstance(value, bool) else _boolean(value)
    if boolean is None and value is not None:
        reject(f"{value!r:.60} is neither true nor false")
    return boolean


def _boolean(value: Any) -> bool | None:
    word = value.strip().lower() if isinstance(value, str) else ""
    return True if word in _TRUE else False if word in _FALSE else None


class _Prose(HTMLParser):
    """Collects what is between tags."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """A tag parts words, as it does on a page."""
        self.found.append(" ")

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        self.found.append(data)


def as_prose(value: Any) -> str | None:
    """What a person wrote, without the HTML it came in. Raises Refused for a list or an object."""
    text = as_text(value)
    if text is None:
        return None
    prose = _Prose()
    prose.feed(text)
    prose.close()
    return " ".join("".join(prose.found).split())


# --- instants ---------------------------------------------------------------------------------------------------


def instants(formats: Sequence[str], zone: str) -> Callable[[Any], Instant]:
    """Reads an instant by the first of the formats that fits: `rfc3339`, `unix`, `unix_ms`, or a strptime pattern.

    `zone` (IANA) is meant where the text names none; an hour that came twice is its first, one that was left out in
    spring is read as if clocks had not changed. Raises ValueError for a format or zone of no use; the function it
    returns raises Refused.
    """
    if not formats:
        raise ValueError("name at least one format")
    readers = [_reader(format_, zone_of(zone)) for format_ in formats]

    def read(value: Any) -> Instant:
        found = next((instant for reader in readers if (instant := _try(reader, value)) is not None), None)
        if found is None:
            reject(f"{value!r:.60} is not a time in the form {' or '.join(formats)}")
        return found

    return read


def _try(reader: Callable[[Any], Instant], value: Any) -> Instant | None:
    try:
        return reader(value)
    except (ValueError, TypeError, OverflowError):
        return None


def as_instant(formats: Sequence[str], zone: str) -> Callable[[Any], str | None]:
    """As `instants`, for `data`: RFC 3339 text in UTC, None for a missing value."""
    read = instants(formats, zone)
    return lambda value: None if value is None else iso(read(value))


@lru_cache
def zone_of(name: str) -> ZoneInfo:
    """A zone by its IANA name; raises ValueError for `right/UTC`, paths and the like (B86)."""
    if name not in available_timezones():
        raise ValueError(f"{name!r:.60} is no time zone: write one like Europe/Berlin")
    return ZoneInfo(name)


def _reader(format_: str, zone: ZoneInfo) -> Callable[[Any], Instant]:
    word = format_.lower().replace(" ", "")
    if word == RFC_3339:
        return parse_instant
    if word in ("unix", "unix_ms"):
        scale = SECOND if word == "unix" else 1000
        return lambda value: _from_unix(value, scale)
    _check_pattern(format_)
    return lambda value: _from_pattern(value, format_, zone)


def _check_pattern(format_: str) -> None:
    """A pattern must at least bring a date back."""
    try:
        back = datetime.strptime(_SAMPLE.strftime(format_), format_)  # noqa: DTZ007 - only its date is looked at
    except (ValueError, re.error) as error:
        raise ValueError(
            f"{format_!r:.60} is neither rfc3339, unix, unix_ms nor a strptime pattern"
        ) from error
    if back.date() != _SAMPLE.date():
        raise ValueError(f"{format_!r:.60} does not say year, month and day: use %Y %m %d")


def _from_pattern(value: Any, format_: str, zone: ZoneInfo) -> Instant:
    moment = datetime.strptime(value, format_)  # noqa: DTZ007 - the zone comes next
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def _from_unix(value: Any, scale: int) -> Instant:
    if isinstance(value, bool):
        raise TypeError("a boolean is no time")
    try:
        count = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError("no number") from error
    if not count.is_finite() or count.copy_abs() > max(LATEST, -EARLIEST) // scale:
        raise ValueError("outside the years 1 to 9999")  # looked at first: 1e999999999 must not become an int
    return from_datetime(to_datetime(int(count * scale)))
