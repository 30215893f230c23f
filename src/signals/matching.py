"""Which events a condition, a trigger or a question means: by their type and by what they carry."""

from collections.abc import Callable, Mapping

from signals.event import Event
from signals.operators import Comparison, dig, predicate


def type_matches(pattern: str, event_type: str) -> bool:
    """`product.*` stands for every type that starts with `product.`."""
    if pattern.endswith("*"):
        return event_type.startswith(pattern[:-1])
    return pattern == event_type


def compile_where(where: Mapping[str, Comparison]) -> Callable[[Event], bool] | None:
    """The `where` of an atom as one function of an event; None where everything passes."""
    tests = [(tuple(field.split(".")), predicate(wanted)) for field, wanted in where.items()]
    if not tests:
        return None
    if len(tests) == 1:
        ((path, test),) = tests
        return lambda event: test(dig(event.data, path))
    return lambda event: all(test(dig(event.data, path)) for path, test in tests)
