"""How old what an atom rests on is: the newest event a measure has counted, for evidence (semantics §3)."""

from collections.abc import Callable, Iterable
from typing import Any

from signals.instant import Instant
from signals.measures import Measure

Age = Callable[[Any, Any], Instant | None]


def _of_buckets(measure: Any, state: Any) -> Instant | None:
    newest: Instant | None = state[0][-1] * measure.step if state[0] else None
    return newest


_AGES: dict[str, Age] = {
    "tally": _of_buckets,
    "amounts": _of_buckets,
    "last": lambda _, state: state,
    "latest": lambda _, state: state[0],
    "followed": lambda _, state: max([*state[0][-1:], *state[1][-1:]], default=None),
    "unanswered": lambda _, state: max(each for each in state if each is not None),
}
"""By kind of measure; a count without window remembers no time."""


def newest(measure: Measure, states: Iterable[Any]) -> Instant | None:
    """When the newest event was that these states of the measure have counted, to the bucket where it keeps buckets."""
    age = _AGES.get(measure.kind)
    if age is None:
        return None
    found = (age(measure, state) for state in states)
    return max((at for at in found if at is not None), default=None)
