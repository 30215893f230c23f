"""A failed expectation, said so that the mistake is found at a glance: what was expected, what is, and why."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

_MOST = 6
"""Rows shown of what was seen: the likest first."""


class Mismatch(NamedTuple):
    """One failed expectation. `because` are the decisions that explain what is seen, in words."""

    at: str
    what: str
    expected: Any
    seen: Any
    because: list[str]

    def __str__(self) -> str:
        lines = [f"at {self.at}: {self.what}", *_told("expected", [self.expected])]
        lines += _told("seen", _likest(self.seen, self.expected))
        return "\n".join([*lines, *_told("because", self.because)])


def _told(head: str, values: Iterable[Any]) -> Iterator[str]:
    """The values a line each, the first beside its heading."""
    for place, value in enumerate(values):
        yield f"  {head if place == 0 else '':<9} {_plain(value)}"


def _likest(seen: Any, expected: Any) -> list[Any]:
    """Rows, those first that have most in common with what was expected; what is no list of rows is one value."""
    if not isinstance(seen, list) or not seen or not all(isinstance(row, Mapping) for row in seen):
        return [seen]
    wanted = expected.items() if isinstance(expected, Mapping) else ()
    ranked = sorted(seen, key=lambda row: -sum(row.get(name) == value for name, value in wanted))
    more = len(ranked) - _MOST
    return ranked[:_MOST] + ([f"and {more} more"] if more > 0 else [])


def _plain(value: Any) -> str:
    """As it stands in a scenario file."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_plain(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_plain, value)) + "]" if value else "nothing"
    return (
        {None: "null", True: "true", False: "false"}.get(value, str(value)) if _is_word(value) else str(value)
    )


def _is_word(value: Any) -> bool:
    return value is None or isinstance(value, bool)
