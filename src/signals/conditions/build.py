"""From an atom on events to its node, with the cheapest measure that can answer it."""

from collections.abc import Mapping
from typing import Any

from signals.conditions.amounts import AmountNode
from signals.conditions.atoms import (
    AbsentAtom,
    ChangeAtom,
    CountAtom,
    DistinctAtom,
    LatestAtom,
    MissedAtom,
    RegularAtom,
    SequenceAtom,
)
from signals.conditions.change import ChangeNode
from signals.conditions.history import (
    AbsentNode,
    LatestNode,
    MissedNode,
    RegularNode,
    SequenceNode,
)
from signals.conditions.node import Node
from signals.conditions.states import ConditionRefused
from signals.conditions.windows import CountNode, DistinctNode
from signals.instant import DAY, Duration
from signals.measures import Amounts, Last, Latest, Measure, Tally, Total, resolution
from signals.operators import Comparison
from signals.pairs import Followed, Unanswered

JOURNEY_KEY = "$key"
"""In exits, goals, waits and branches of a keyed journey this stands for its key (semantics §5)."""


def _of_journey(where: Mapping[str, Comparison]) -> tuple[dict[str, Comparison], str | None]:
    """The `where` without the field that is to be the journey's key, and that field."""
    fields = [field for field, wanted in where.items() if wanted.is_ == JOURNEY_KEY]
    if len(fields) > 1:
        raise ConditionRefused("$key stands for one field of the data, not for several")
    rest = {field: wanted for field, wanted in where.items() if field not in fields}
    return rest, fields[0] if fields else None


def _keyed(role: str | None, same: str | None, field: str | None) -> str | None:
    """By what the measure is kept apart: contact, a field, the journey's key; one of them at most."""
    if sum(by is not None for by in (role, same, field)) > 1:
        raise ConditionRefused("by, same and $key do not go together: a count is kept apart by one of them")
    return "contact" if role is not None else same or field


def _longest(atom: Any) -> Duration | None:
    longest: Duration | None = atom.between[0] if atom.between else atom.in_
    return longest


def count_node(source: dict[str, Any], atom: CountAtom) -> Node:
    """A count, with the cheapest measure that can answer it."""
    window, types = _longest(atom), tuple(atom.count)
    where, field = _of_journey(atom.where)
    keyed = _keyed(atom.by, atom.same, field)
    step = resolution(window) if window else 0
    measure: Measure = Total(types, where, keyed, 0) if window is None else Tally(types, where, keyed, step)
    measure.look_back(window)
    return CountNode(source, atom, measure.named(), step, of_journey=field is not None)


def amount_node(source: dict[str, Any], atom: Any, word: str) -> Node:
    """A sum, an average, a smallest or largest."""
    window = _longest(atom)
    step = resolution(window) if window else DAY
    types = tuple(getattr(atom, word))
    where, field = _of_journey(atom.where)
    measure = Amounts(types, where, _keyed(atom.by, None, field), step, atom.of)
    measure.look_back(window)
    return AmountNode(source, atom, measure.named(), step, word, of_journey=field is not None)


def distinct_node(source: dict[str, Any], atom: DistinctAtom) -> Node:
    """How many different values."""
    if atom.by is not None:
        raise ConditionRefused("distinct does not take by: count people with of: contact")
    window, types = _longest(atom), tuple(atom.distinct)
    step = resolution(window) if window else 0
    measure: Measure = (
        Total(types, atom.where, atom.of, 0) if window is None else Tally(types, atom.where, atom.of, step)
    )
    measure.look_back(window)
    return DistinctNode(source, atom, measure.named(), step)


def change_node(source: dict[str, Any], atom: ChangeAtom) -> Node:
    """A change against the usual."""
    span = atom.in_ + atom.against
    step = resolution(span)
    measure = Tally(tuple(atom.change), atom.where, "contact" if atom.by else None, step)
    measure.look_back(span + atom.in_)
    return ChangeNode(source, atom, measure.named(), step)


def regular_node(source: dict[str, Any], atom: RegularAtom) -> Node:
    """A habit."""
    span = atom.every * atom.of
    step = resolution(span)
    measure = Tally(tuple(atom.regular), atom.where, "contact" if atom.by else None, step)
    measure.look_back(span)
    return RegularNode(source, atom, measure.named(), step)


def latest_node(source: dict[str, Any], atom: LatestAtom) -> Node:
    """What the most recent event is like."""
    like, field = _of_journey(atom.where)
    measure = Latest(tuple(atom.latest), like, _keyed(atom.by, None, field))
    return LatestNode(source, atom, measure.named(), of_journey=field is not None)


def absent_node(source: dict[str, Any], atom: AbsentAtom) -> Node:
    """Nothing for so long."""
    return AbsentNode(
        source, atom, Last(tuple(atom.absent), atom.where, "contact" if atom.by else None).named()
    )


def sequence_node(source: dict[str, Any], atom: SequenceAtom) -> Node:
    """One followed by another."""
    if atom.by is not None and atom.same is not None:
        raise ConditionRefused("sequence takes by or same, not both")
    first, second = atom.sequence
    measure = Followed(first, second, atom.within, "contact" if atom.by else atom.same)
    measure.look_back(atom.in_ + resolution(atom.in_))
    return SequenceNode(source, atom, measure.named())


def missed_node(source: dict[str, Any], atom: MissedAtom) -> Node:
    """Something that should have followed."""
    if atom.by is not None:
        raise ConditionRefused("missed does not take by")
    return MissedNode(source, atom, Unanswered(tuple(atom.missed), tuple(atom.after), atom.same))
