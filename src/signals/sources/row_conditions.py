"""`when` of a mapping: which rows a rule takes.

`{status: paid, amount: {gt: 0, lte: 500}}` holds when each field is as said; a bare value means `is`. The operators
and their meaning are those of attribute conditions (semantics §3): of a missing value only `is_not`, `not_in` and
`exists: false` hold, and values of different types are neither equal nor ordered. A CSV cell is text, so there, and
only there, a number or a boolean to compare with makes it be read as one.
"""

from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Any

from signals.problem import Refused
from signals.sources.cells import CsvRow, Row, as_boolean, as_number, field


def condition(when: Mapping[str, Any]) -> Callable[[Row], bool]:
    """The condition, ready to be asked of rows. Raises ValueError for one that makes no sense."""
    checks = [(path, holds) for path, wanted in when.items() for holds in _checks(path, wanted)]
    return lambda row: all(holds(_Cell(field(row, path), isinstance(row, CsvRow))) for path, holds in checks)


class _Cell:
    """A value and whether it is a text cell, to be read as what it is compared with."""

    def __init__(self, value: Any, is_text: bool) -> None:
        self.value = value
        self._is_text = is_text

    def like(self, wanted: Any) -> Any:
        """The value, or None where it cannot be compared with `wanted`."""
        value = self.value
        if self._is_text and isinstance(wanted, (bool, int, float)):
            value = _read(as_boolean if isinstance(wanted, bool) else as_number, value)
        return value if _kind(value) == _kind(wanted) else None


def _read(reader: Callable[[Any], Any], value: Any) -> Any:
    try:
        return reader(value)
    except Refused:
        return None


def _kind(value: Any) -> type:
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


def _checks(path: str, wanted: Any) -> list[Callable[[_Cell], bool]]:
    if not isinstance(wanted, Mapping):
        return [_is(path, wanted)]
    if not wanted:
        raise ValueError(f"{path}: name an operator, one of {' '.join(_OPERATORS)}")
    unknown = next((op for op in wanted if op not in _OPERATORS), None)
    if unknown is not None:
        raise ValueError(f"{path}: {unknown!r:.40} is no operator; there are {' '.join(_OPERATORS)}")
    return [_OPERATORS[op](path, operand) for op, operand in wanted.items()]


def _is(path: str, wanted: Any) -> Callable[[_Cell], bool]:
    _need(path, isinstance(wanted, (str, bool, int, float)), "compare with a text, a number or a boolean")
    return lambda cell: bool(cell.like(wanted) == wanted)


def _in(path: str, wanted: Any) -> Callable[[_Cell], bool]:
    _need(path, isinstance(wanted, list), "in and not_in take a list")
    checks = [_is(path, item) for item in wanted]
    return lambda cell: any(check(cell) for check in checks)


def _not(
    make: Callable[[str, Any], Callable[[_Cell], bool]],
) -> Callable[[str, Any], Callable[[_Cell], bool]]:
    def negated(path: str, wanted: Any) -> Callable[[_Cell], bool]:
        check = make(path, wanted)
        return lambda cell: not check(cell)

    return negated


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[str, Any], Callable[[_Cell], bool]]:
    def make(path: str, wanted: Any) -> Callable[[_Cell], bool]:
        orderable = isinstance(wanted, (str, int, float)) and not isinstance(wanted, bool)
        _need(path, orderable, "gt, gte, lt and lte take a number or a text")

        def check(cell: _Cell) -> bool:
            value = cell.like(wanted)
            return value is not None and compare(value, wanted)

        return check

    return make


def _contains(path: str, wanted: Any) -> Callable[[_Cell], bool]:
    _need(path, isinstance(wanted, (str, bool, int, float)), "contains takes a text, a number or a boolean")

    def check(cell: _Cell) -> bool:
        if isinstance(cell.value, list):
            return any(_Cell(item, False).like(wanted) == wanted for item in cell.value)
        return isinstance(cell.value, str) and isinstance(wanted, str) and wanted in cell.value

    return check


def _starts_with(path: str, wanted: Any) -> Callable[[_Cell], bool]:
    _need(path, isinstance(wanted, str), "starts_with takes a text")
    return lambda cell: isinstance(cell.value, str) and cell.value.startswith(wanted)


def _exists(path: str, wanted: Any) -> Callable[[_Cell], bool]:
    _need(path, isinstance(wanted, bool), "exists takes true or false")
    return lambda cell: (cell.value is not None) == wanted


def _need(path: str, fits: bool, otherwise: str) -> None:
    if not fits:
        raise ValueError(f"{path}: {otherwise}")


_OPERATORS: dict[str, Callable[[str, Any], Callable[[_Cell], bool]]] = {
    "is": _is,
    "is_not": _not(_is),
    "in": _in,
    "not_in": _not(_in),
    "gt": _ordered(gt),
    "gte": _ordered(ge),
    "lt": _ordered(lt),
    "lte": _ordered(le),
    "contains": _contains,
    "starts_with": _starts_with,
    "exists": _exists,
}
