"""What a back-test is asked: which outcome, how soon, among whom; and the sweep of one value of the definition."""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec
import yaml

from signals.conditions.atoms import CountAtom
from signals.event import Event
from signals.instant import DAY, Duration, Instant, format_duration, parse_duration
from signals.matching import compile_where, type_matches

MOST_SETTINGS = 50
"""Rows a sweep may have: each is one more definition that every account lives through."""

NOT_CANCELLED: dict[str, Any] = {"attribute": "account.status", "is_not": "cancelled"}
"""Among whom firings and chance are compared unless said otherwise: a customer who has gone can go no more."""

_RANGE = re.compile(r"(?P<first>[^.\s/][^\s/]*?)\.\.(?P<last>[^\s/]+)(?:/(?P<step>\S+))?")


class BadQuestion(ValueError):
    """The back-test asked for makes no sense; the message says what to write instead."""


class Outcome(NamedTuple):
    """What the signal is to foretell: events of a type (or pattern) whose data are like `where`."""

    type: str
    where: Mapping[str, Any] = {}

    def matcher(self) -> Callable[[Event], bool]:
        """Whether an event is one. Raises pydantic.ValidationError where `where` compares nothing."""
        wanted = compile_where(
            CountAtom.model_validate({"count": self.type, "where": self.where, "gte": 1}).where
        )
        return lambda event: type_matches(self.type, event.type) and (wanted is None or wanted(event))


class Question(msgspec.Struct, frozen=True):
    """What is asked of the history, up to its end `until`. `since`: what came before is lived through, not counted."""

    until: Instant
    outcome: Outcome | None = None
    within: Duration = 90 * DAY
    among: dict[str, Any] | None = msgspec.field(default_factory=NOT_CANCELLED.copy)
    since: Instant | None = None

    def __post_init__(self) -> None:
        if self.within <= 0:
            raise BadQuestion(
                "within must be longer than nothing: how soon after a firing does an outcome count?"
            )
        if self.since is not None and self.since >= self.until:
            raise BadQuestion(
                "the back-test ends before it begins: look at from and to, and at where the history ends"
            )


# ── sweeps ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Setting(NamedTuple):
    """One row of a sweep: the definition with this value at this path."""

    path: str
    value: Any
    body: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.path} = {self.value}"


def sweep(body: dict[str, Any], asked: str) -> list[Setting]:
    """The settings of `PATH=a..b`, `PATH=a..b/step` or `PATH=a,b,c`; a step is 1, or 1d for durations, unless given.

    PATH leads into the body by names and places: `when.gte`, `levels.0.when.all.2.lte`. Raises BadQuestion.
    """
    path, found, text = asked.partition("=")
    if not found or not path or not text:
        raise BadQuestion(
            f"{asked!r} is no sweep: write PATH=a..b like when.gte=2..6, a..b/step, or PATH=a,b,c"
        )
    _at(body, path)
    values = list(_values(text))
    if len(values) > MOST_SETTINGS:
        raise BadQuestion(
            f"{asked} has {len(values)} settings, {MOST_SETTINGS} are the most: take a larger step"
        )
    return [Setting(path, value, _with(body, path, value)) for value in values]


def _with(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = deepcopy(body)
    parent, place = _at(changed, path)
    parent[place] = value
    return changed


def _at(body: Any, path: str) -> tuple[Any, Any]:
    """The container the path leads to, and the place in it. Raises BadQuestion where there is nothing, or a whole."""
    *way, last = path.split(".")
    for name in way:
        parent, place = _inside(body, name, path)
        body = parent[place]
    parent, place = _inside(body, last, path)
    if isinstance(parent[place], dict | list):
        raise BadQuestion(f"{path} is not one value; go on to {_offer(parent[place])}")
    return parent, place


def _inside(body: Any, name: str, path: str) -> tuple[Any, Any]:
    if isinstance(body, dict) and name in body:
        return body, name
    if isinstance(body, list) and name.isdecimal() and int(name) < len(body):
        return body, int(name)
    raise BadQuestion(f"there is no {name!r} on the way {path}; there is {_offer(body)}")


def _offer(body: Any) -> str:
    if isinstance(body, dict):
        return ", ".join(map(str, body))
    return f"0 to {len(body) - 1}" if isinstance(body, list) and body else "nothing below"


def _values(text: str) -> Iterator[Any]:
    ranged = _RANGE.fullmatch(text)
    if ranged is None:
        yield from (_scalar(part.strip()) for part in text.split(","))
        return
    first, last, step = ranged["first"], ranged["last"], ranged["step"]
    read, write = _numbers if _is_number(first) else _durations
    try:
        start, end, stride = read(first), read(last), read(step or ("1" if _is_number(first) else "1d"))
    except (ValueError, InvalidOperation) as error:
        raise BadQuestion(
            f"{text!r} is no range of numbers or durations: 2..6, -0.6..-0.2/0.1, 7d..28d/7d"
        ) from error
    if stride <= 0 or start > end:
        raise BadQuestion(f"{text!r} runs nowhere: from the smaller to the larger, by a step above 0")
    for _ in range(MOST_SETTINGS + 1):
        if start > end:
            return
        yield write(start)
        start += stride


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _plain_number(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)


_numbers: tuple[Callable[[str], Any], Callable[[Any], Any]] = (Decimal, _plain_number)
_durations: tuple[Callable[[str], Any], Callable[[Any], Any]] = (parse_duration, format_duration)


def _scalar(text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadQuestion(f"{text!r} is no value to try") from error
    return text if isinstance(value, dict | list) or value is None or hasattr(value, "isoformat") else value
