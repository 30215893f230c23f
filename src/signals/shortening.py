"""What measures keep, written shorter: what lies in a large state twice, or could be less, is left out.

Buckets and totals only grow: each is written as what it adds to the one before. People are written by their place
among those who were seen. `longer` gives back exactly what `shorter` was given (a property in the tests).
"""

from collections.abc import Iterable
from itertools import accumulate
from operator import sub
from typing import Any

Measures = dict[int, Any]


def shorter(measures: Measures, people: Iterable[str]) -> Measures:
    """The states of these measures, shorter; `people` are contacts they may be kept by."""
    places = {person: place for place, person in enumerate(people)}
    return {key: _shorter(state, places) for key, state in measures.items()}


def longer(measures: Measures, people: Iterable[str]) -> Measures:
    """The states as they were; `people` are the same, in the same order."""
    names = list(people)
    return {key: _longer(state, names) for key, state in measures.items()}


def _shorter(state: Any, places: dict[str, int]) -> Any:
    if type(state) is dict:
        return {places.get(key, key): _by_steps(kept) for key, kept in state.items()}
    return _by_steps(state)


def _longer(state: Any, names: list[str]) -> Any:
    if type(state) is dict:
        return {
            names[key] if type(key) is int else key: _summed(kept) for key, kept in state.items()
        }  # a measure's own keys are texts
    return _summed(state)


def _is_series(state: Any) -> bool:
    """Whether it is `[buckets, something for each]`: a list of two lists, the first of which holds whole numbers."""
    return (
        type(state) is list
        and len(state) == 2
        and type(state[0]) is list
        and type(state[1]) is list
        and _is_whole(state[0])
    )


def _is_whole(numbers: list[Any]) -> bool:
    return set(map(type, numbers)) == {int}


def _by_steps(state: Any) -> Any:
    if not _is_series(state):
        return state
    buckets, of_each = state
    return [_steps(buckets), _steps(of_each) if _is_whole(of_each) else of_each]


def _summed(state: Any) -> Any:
    if not _is_series(state):
        return state
    steps, of_each = state
    return [list(accumulate(steps)), list(accumulate(of_each)) if _is_whole(of_each) else of_each]


def _steps(numbers: list[int]) -> list[int]:
    return [numbers[0], *map(sub, numbers[1:], numbers)]
