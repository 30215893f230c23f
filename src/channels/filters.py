"""The filters and tests content may use: each total, cheap and bounded (guarantees B55-B57).

Filters of Jinja that can allocate or reach far (`center format indent wordwrap attr map(method) safe urlize
xmlattr tojson pprint random batch slice`) are not here, and therefore do not exist.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date as calendar_date
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from jinja2 import Undefined
from jinja2.filters import FILTERS as JINJA

MAX_TEXT = 64 * 1024
"""Characters a joined or replaced text may have."""

MAX_AMONG = 100
"""Items the test `in` looks among."""


class Limit(Exception):
    """A cap was met; the message says which."""


def joined(items: Iterable[Any], separator: str = "", attribute: str | None = None) -> str:
    """`join`, and what `~` becomes. Raises Limit over MAX_TEXT."""
    texts: list[str] = []
    size = 0
    for item in items:
        text = _text(item if attribute is None else _field(item, attribute))
        size += len(text) + len(separator)
        if size > MAX_TEXT:
            raise Limit(f"a text over {MAX_TEXT} characters")
        texts.append(text)
    return separator.join(texts)


def _text(value: Any) -> str:
    if value is None:
        raise TypeError("nothing (None) cannot be joined to text: give it a default")
    if isinstance(value, Mapping | list | tuple):
        raise TypeError(f"a {type(value).__name__} cannot be joined to text: name one of its fields")
    return str(value)


def _field(item: Any, attribute: str) -> Any:
    for segment in attribute.split("."):
        if not isinstance(item, Mapping) or segment not in item:
            raise TypeError(f"an item has no field {segment!r}")
        item = item[segment]
    return item


def default(value: Any, otherwise: Any = "") -> Any:
    """The value, or `otherwise` where it is missing or None. An empty text is a value."""
    return otherwise if value is None or isinstance(value, Undefined) else value


def replace(text: Any, old: str, new: str) -> str:
    """Every `old` by `new`. Raises ValueError for an empty `old`, Limit over MAX_TEXT."""
    source = _text(text)
    if not old:
        raise ValueError("replace needs a text to look for")
    if len(source) + source.count(old) * (len(new) - len(old)) > MAX_TEXT:
        raise Limit(f"a text over {MAX_TEXT} characters")
    return source.replace(old, new)


def round_number(value: Any, digits: int = 0) -> Decimal | int:
    """Half up, as people round: 2.5 → 3. `digits` 0 to 9; with 0 a whole number."""
    if not 0 <= digits <= 9:
        raise ValueError("round takes 0 to 9 digits")
    rounded = _decimal(value).quantize(Decimal(1).scaleb(-digits), rounding="ROUND_HALF_UP")
    return int(rounded) if digits == 0 else rounded


def number(value: Any, digits: int | None = None) -> str:
    """With thousands apart: 1234567.5 → `1,234,567.5`; `digits` fixes the decimals."""
    exact = _decimal(value)
    if digits is not None:
        return f"{round_number(exact, digits):,}"
    return f"{exact.normalize():,f}"


def money(value: Any, currency: str) -> str:
    """Two decimals and the currency's code: `1,234.50 EUR`."""
    return f"{round_number(value, 2):,f} {currency}"


def _decimal(value: Any) -> Decimal:
    try:
        exact = Decimal(str(value))
    except InvalidOperation:
        raise TypeError(f"{value!r:.40} is not a number") from None
    if not exact.is_finite() or abs(exact.adjusted()) > 18:
        raise Limit("a number outside 10^-18 to 10^18")
    return exact


def date(value: Any) -> str:
    """An RFC 3339 instant or a date as `2 March 2026` (in UTC, as it was given)."""
    day = _day(value)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _day(value: Any) -> calendar_date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, calendar_date):
        return value
    try:
        return datetime.fromisoformat(value).date()
    except (TypeError, ValueError):
        raise TypeError(f"{value!r:.40} is not a date") from None


def first_name(value: Any) -> str:
    """`Ann Lee` → `Ann`; `Lee, Ann` → `Ann`. Raises TypeError where there is no name."""
    family, comma, given = _text(value).partition(",")
    words = (given if comma and given.strip() else family).split()
    if not words:
        raise TypeError("an empty name has no first name: give it a default")
    return words[0]


def within(value: Any, several: Any) -> bool:
    """The test `in`, which `selectattr` asks once for every item. Raises Limit over MAX_AMONG items."""
    if isinstance(several, list | tuple | Mapping) and len(several) > MAX_AMONG:
        raise Limit(f"more than {MAX_AMONG} items to look among")
    return value in several


_PLAIN_JINJA = (
    "abs capitalize dictsort first float int items join last length count list lower max min reverse sort "
    "string sum title trim truncate unique upper wordcount selectattr rejectattr"
)
FILTERS: dict[str, Callable[..., Any]] = {
    **{name: JINJA[name] for name in _PLAIN_JINJA.split()},
    "join": joined,
    "default": default,
    "d": default,
    "replace": replace,
    "round": round_number,
    "number": number,
    "money": money,
    "date": date,
    "first_name": first_name,
}
"""Name → function; the whole list."""

_PLAIN_TESTS = (
    "defined undefined none number string boolean mapping sequence true false odd even divisibleby in "
    "eq equalto == ne != gt greaterthan > ge >= lt lessthan < le <="
)
TESTS = frozenset(_PLAIN_TESTS.split())
"""The tests of Jinja that stay."""
