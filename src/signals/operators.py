"""The comparison words a condition may use, and what they mean for a value that may be missing.

No coercion (semantics §3): values of other types are not equal and do not compare. A missing value satisfies
only `is_not`, `not_in` and `exists: false`.
"""

import operator
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictFloat, StrictInt, model_validator

from signals.instant import parse_instant

MISSING: Any = type("Missing", (), {"__repr__": lambda _: "missing", "__bool__": lambda _: False})()
"""Stands for "there is no value", where None could be one."""

Number: TypeAlias = int | float | Decimal
Predicate: TypeAlias = Callable[[Any], bool]


def _missing() -> Any:
    """As a factory, for a default that a JSON Schema cannot show."""
    return MISSING


def _plain(value: Any) -> Any:
    """YAML reads bare dates and timestamps itself; conditions keep them as the text they were."""
    if isinstance(value, date):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and value != value:
        raise ValueError("NaN equals nothing: write a number")
    if value is not None and not isinstance(value, str | int | float | bool | list):
        raise ValueError("compare with text, a number, true or false")
    return value


def _ordered(value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number or a date")
    if isinstance(value, str) and as_instant(value) is None:
        raise ValueError(f"{value!r} is neither a number nor a date")
    return value


Scalar = Annotated[Any, BeforeValidator(_plain)]
Ordered = Annotated[Any, BeforeValidator(_ordered)]


class Comparison(BaseModel):
    """`is is_not in not_in gt gte lt lte contains starts_with matches exists`; where several stand, all must hold."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, frozen=True)

    is_: Scalar = Field(default_factory=_missing, alias="is")
    is_not: Scalar = Field(default_factory=_missing)
    in_: Annotated[list[Scalar], Field(strict=True)] | None = Field(default=None, alias="in")
    not_in: Annotated[list[Scalar], Field(strict=True)] | None = None
    gt: Ordered = None
    gte: Ordered = None
    lt: Ordered = None
    lte: Ordered = None
    contains: Scalar = Field(default_factory=_missing)
    starts_with: Annotated[str, Field(strict=True)] | None = None
    matches: Annotated[str, Field(strict=True, max_length=256)] | None = None
    exists: Annotated[bool, Field(strict=True)] | None = None


class NumericComparison(BaseModel):
    """The words that compare a number the service has computed itself."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, frozen=True)

    is_: StrictInt | StrictFloat | None = Field(default=None, alias="is")
    is_not: StrictInt | StrictFloat | None = None
    gt: StrictInt | StrictFloat | None = None
    gte: StrictInt | StrictFloat | None = None
    lt: StrictInt | StrictFloat | None = None
    lte: StrictInt | StrictFloat | None = None

    @model_validator(mode="after")
    def _compares(self) -> "NumericComparison":
        if not self.words():
            raise ValueError("say what to compare with: one of is, is_not, gt, gte, lt, lte")
        return self

    def words(self) -> dict[str, int | float]:
        """The comparisons given, by word."""
        found = {name: getattr(self, name) for name in ("is_", "is_not", "gt", "gte", "lt", "lte")}
        return {name.rstrip("_"): value for name, value in found.items() if value is not None}


def is_number(value: Any) -> bool:
    """True for numbers; a boolean is none."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


@lru_cache(maxsize=65_536)
def as_instant(text: str) -> int | None:
    """The instant an attribute's text names, or None where it names none."""
    if not text[:1].isdigit():
        return None
    try:
        return parse_instant(text)
    except ValueError:
        return None


def equal(left: Any, right: Any) -> bool:
    """Equality without coercion: `True` is not 1, `"1"` is not 1, 1 is 1.0, a sum of exactly 0.1 is 0.1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    left, right = _alike(left, right)
    return (type(left) is type(right) and left == right) or (
        is_number(left) and is_number(right) and left == right
    )


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """An exact decimal meets a float as the decimal it was written as, not as the binary fraction beside it."""
    if isinstance(left, Decimal) and isinstance(right, float):
        return left, Decimal(str(right))
    if isinstance(left, float) and isinstance(right, Decimal):
        return Decimal(str(left)), right
    return left, right


def ratio(value: Any, by: Any) -> Any:
    """`value / by`; `MISSING` where either is no number or `by` is 0 (definitions, small rules: `per`)."""
    if not is_number(value) or not is_number(by) or by == 0:
        return MISSING
    value, by = _alike(value, by)
    return value / by


def comparable(left: Any, right: Any) -> tuple[Any, Any] | None:
    """The pair as things that can be ordered (two numbers, or two instants), else None."""
    if is_number(left) and is_number(right):
        return _alike(left, right)
    if isinstance(left, str) and isinstance(right, str):
        first, second = as_instant(left), as_instant(right)
        if first is not None and second is not None:
            return first, second
    return None


def _orders(word: str, threshold: Any) -> Predicate:
    def gt(value: Any) -> bool:
        pair = comparable(value, threshold)
        return pair is not None and pair[0] > pair[1]

    def gte(value: Any) -> bool:
        pair = comparable(value, threshold)
        return pair is not None and pair[0] >= pair[1]

    def lt(value: Any) -> bool:
        pair = comparable(value, threshold)
        return pair is not None and pair[0] < pair[1]

    def lte(value: Any) -> bool:
        pair = comparable(value, threshold)
        return pair is not None and pair[0] <= pair[1]

    return {"gt": gt, "gte": gte, "lt": lt, "lte": lte}[word]


def _contains(part: Any) -> Predicate:
    def contains(value: Any) -> bool:
        if isinstance(value, str):
            return isinstance(part, str) and part in value
        return isinstance(value, list) and any(equal(item, part) for item in value)

    return contains


def _among(members: list[Any]) -> Predicate:
    return lambda value: any(equal(value, member) for member in members)


def _negated(test: Predicate) -> Predicate:
    return lambda value: not test(value)


def _equals(wanted: Any) -> Predicate:
    return lambda value: equal(value, wanted)


def _starts(start: str) -> Predicate:
    return lambda value: isinstance(value, str) and value.startswith(start)


def _matches(glob: str) -> Predicate:
    return lambda value: isinstance(value, str) and fnmatchcase(value, glob)


def _exists(wanted: bool) -> Predicate:
    return lambda value: (value is not MISSING) is wanted


_BUILDERS: dict[str, Callable[[Any], Predicate]] = {
    "is_": _equals,
    "is_not": lambda wanted: _negated(_equals(wanted)),
    "in_": _among,
    "not_in": lambda members: _negated(_among(members)),
    "gt": partial(_orders, "gt"),
    "gte": partial(_orders, "gte"),
    "lt": partial(_orders, "lt"),
    "lte": partial(_orders, "lte"),
    "contains": _contains,
    "starts_with": _starts,
    "matches": _matches,
    "exists": _exists,
}


def predicate(comparison: Comparison) -> Predicate:
    """The comparison as one function of a value (or `MISSING`)."""
    given = comparison.model_fields_set & _BUILDERS.keys()
    checks = [_BUILDERS[word](getattr(comparison, word)) for word in sorted(given)]
    if len(checks) == 1:
        return checks[0]
    return lambda value: all(check(value) for check in checks)


def mistyped(comparison: Comparison, value: Any) -> bool:
    """Whether the value is of a type that one of the words given does not compare with (semantics §3: no coercion)."""
    if value is MISSING:
        return False
    given = comparison.model_fields_set & _BUILDERS.keys() - {"exists"}
    return not all(_meets(word, getattr(comparison, word), value) for word in given)


def _meets(word: str, wanted: Any, value: Any) -> bool:
    if word in ("gt", "gte", "lt", "lte"):
        return comparable(value, wanted) is not None
    if word in ("in_", "not_in"):
        return not wanted or any(_alike_in_type(value, each) for each in wanted)
    if word == "contains" and isinstance(value, list):
        return True
    return _alike_in_type(value, wanted)


def _alike_in_type(one: Any, other: Any) -> bool:
    return type(one) is type(other) or (is_number(one) and is_number(other))


_NUMERIC: dict[str, Callable[[Any, Any], bool]] = {
    "is": operator.eq,
    "is_not": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def numeric_predicate(words: dict[str, int | float]) -> Predicate:
    """The comparison of a number the service has computed itself, as one function; missing satisfies only `is_not`."""
    tests = [_numeric(word, threshold) for word, threshold in words.items()]
    if len(tests) == 1:
        return tests[0]
    return lambda value: all(test(value) for test in tests)


def _numeric(word: str, threshold: float) -> Predicate:
    compare, of_missing = _NUMERIC[word], word == "is_not"
    exact = Decimal(str(threshold)) if isinstance(threshold, float) else threshold

    def test(value: Any) -> bool:
        if value is MISSING:
            return of_missing
        return compare(value, exact if type(value) is Decimal else threshold)

    return test


def dig(data: Any, path: tuple[str, ...]) -> Any:
    """The value at a dotted path of plain data, or `MISSING`. JSON null is missing."""
    for name in path:
        if not isinstance(data, dict):
            return MISSING
        data = data.get(name, MISSING)
    return MISSING if data is None else data
