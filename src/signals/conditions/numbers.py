"""Atoms without comparison: a number of the account, and until when it stands (definitions.md, `health` measures)."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel

from signals.attributes import DERIVED, account_value
from signals.conditions import compile_condition, parse_condition
from signals.conditions.attribute import AttributeNode
from signals.conditions.change import ChangeNode
from signals.conditions.history import AbsentNode
from signals.conditions.node import Moment, Node, soonest
from signals.conditions.states import ConditionRefused
from signals.conditions.windows import CountNode, DistinctNode, MeasureNode, WindowNode
from signals.instant import Duration, Instant
from signals.measures import ALL, Last, Measure, tally_at
from signals.operators import MISSING, Comparison, is_number, ratio

_NEVER_ASKED: dict[str, dict[str, Any]] = {
    "attribute": {"exists": True},
    **{word: {"gte": 0} for word in ("count", "sum", "average", "distinct", "change")},
    "absent": {"for": "0s"},
    "min": {"gte": 0},  # after `change`, which has a `min` of its own
    "max": {"gte": 0},
}
"""The atoms that are numbers, and what makes each a condition: it is checked and compiled as one, and never asked.

`absent` is the whole days since the last such event.
"""
_COMPARISONS = frozenset(("is", "is_not", "gt", "gte", "lt", "lte"))
_OF_ATTRIBUTES = _COMPARISONS | {
    *("in", "not_in", "contains", "starts_with", "matches", "exists"),
    *("for", "within", "past", "last"),
}
_EMPTY_ARE_MISSING = ("average", "min", "max")

_Reader = Callable[[Any, Moment], tuple[Any, Instant | None]]

Reading = tuple[float | None, Instant | None]
"""A number, None where there is none, and the earliest instant at which it could change without an event."""


class Number(Node):
    """A compiled atom without comparison: a node that is read, not tested.

    `known_for` (`last_known`) says for how long after its newest event it counts.
    """

    def __init__(self, source: dict[str, Any], known_for: Duration | None = None) -> None:
        """Raises pydantic.ValidationError where it is no atom, ConditionRefused where it is no number."""
        super().__init__(source)
        self.known_for = known_for
        self.word = _word(source)
        atom = parse_condition({**source, **_NEVER_ASKED[self.word]})
        self.node: Any = compile_condition(atom)
        if getattr(self.node, "of_journey", False) or getattr(self.node, "root", "account") != "account":
            raise ConditionRefused("a number of the account, not of one journey, contact or event")
        self._number: _Reader = _READERS.get(type(self.node), _of_window)
        self.newest = None if known_for is None else _newest(self, atom)

    def read(self, moment: Moment) -> Reading:
        """The number now; of a mean, least or largest with `known_for`, the last one there was."""
        value, until = self._number(self.node, moment)
        if self.newest is not None and self.known_for is not None:
            newest = self.newest(moment)
            if newest is None or moment.now > newest + self.known_for:
                return None, until
            until = soonest(until, newest + self.known_for + 1)
            value = self._last(moment) if value is MISSING else value
        return (float(value) if is_number(value) else None), until

    def _last(self, moment: Moment) -> Any:
        """The number just before its window became empty, by today's divisor."""
        if self.word not in _EMPTY_ARE_MISSING:
            return MISSING
        node: WindowNode = self.node
        last = max(
            (node.buckets(state)[-1] for state in node.state(moment).values() if state[0]), default=None
        )
        if last is None or node.far is None:
            return MISSING
        number = node.number(moment._replace(now=(last + 1) * node.step + node.far - 1))
        if node.divisor is None:
            return number
        return ratio(number, account_value(moment.profile, node.divisor, moment.now)[0])

    def reads(self) -> Iterator[str]:
        yield from self.node.reads()
        if isinstance(self.newest, _Newest):
            yield from self.newest.reads()

    def measures(self) -> Iterator[Measure]:
        yield from self.node.measures()
        if isinstance(self.newest, _Newest):
            yield from self.newest.measures()


def _word(source: dict[str, Any]) -> str:
    word = next((word for word in _NEVER_ASKED if word in source), None)
    if word is None:
        raise ConditionRefused(f"not a number: it needs one of {', '.join(sorted(_NEVER_ASKED))}")
    taken = {"attribute": _OF_ATTRIBUTES, "absent": {"for"}}.get(word, _COMPARISONS)
    if compared := sorted(taken & source.keys()):
        raise ConditionRefused(f"a number is not compared: leave away {', '.join(compared)}")
    return word


def _of_attribute(node: AttributeNode, moment: Moment) -> tuple[Any, Instant | None]:
    return node.value(moment)


def _of_window(node: WindowNode, moment: Moment) -> tuple[Any, Instant | None]:
    """Any bucket that leaves may change it."""
    return node.value(moment), WindowNode.until(node, moment, holds=False)


def _of_change(node: ChangeNode, moment: Moment) -> tuple[Any, Instant | None]:
    return node.number(moment)


def _of_absence(node: AbsentNode, moment: Moment) -> tuple[Any, Instant | None]:
    return node.days(moment)


def _of_count(node: CountNode, moment: Moment) -> tuple[Any, Instant | None]:
    """A count of a plain window: the first bucket that leaves is the next change."""
    if (
        node.far is None
        or node.near is not None
        or node.divisor is not None
        or node.measure.keyed is not None
    ):
        return _of_window(node, moment)
    state = node.state(moment).get(ALL)
    if state is None:
        return 0, None
    first = (moment.now - node.far) // node.step
    buckets = node.buckets(state)
    place = bisect_left(buckets, first)
    leaves = (buckets[place] + 1) * node.step + node.far if place < len(buckets) else None
    return tally_at(state, first - 1), leaves


def _of_distinct(node: DistinctNode, moment: Moment) -> tuple[Any, Instant | None]:
    """A value leaves with its last bucket: the first to leave is the next change."""
    if node.far is None or node.near is not None:
        return _of_window(node, moment)
    first = (moment.now - node.far) // node.step
    lasts = [node.buckets(state)[-1] for state in node.state(moment).values()]
    lasts = [last for last in lasts if last >= first]
    leaves = (min(lasts) + 1) * node.step + node.far if lasts else None
    if node.divisor is None:
        return len(lasts), leaves
    by, until = account_value(moment.profile, node.divisor, moment.now)
    return ratio(len(lasts), by), soonest(leaves, until)


_READERS: dict[type[Node], _Reader] = {
    AttributeNode: _of_attribute,
    ChangeNode: _of_change,
    AbsentNode: _of_absence,
    CountNode: _of_count,
    DistinctNode: _of_distinct,
}


class _Newest(MeasureNode):
    """The time of the newest event behind a number."""

    def __call__(self, moment: Moment) -> Instant | None:
        return max(self.state(moment).values(), default=None)


def _newest(number: Number, atom: BaseModel) -> Callable[[Moment], Instant | None]:
    """What answers the time of the newest event behind the number; its measure must remember that one."""
    if number.word == "attribute":
        return _written_at(number.node)
    assert number.known_for is not None
    given: Any = atom
    if getattr(given, "between", None) is not None:
        raise ConditionRefused("last_known does not go with between: nothing says which events are the last")
    where: dict[str, Comparison] = dict(given.where)
    if number.word in ("sum", *_EMPTY_ARE_MISSING):
        where.setdefault(given.of, Comparison(exists=True))
    if number.word in _EMPTY_ARE_MISSING:  # the last number is asked for when its window is long empty
        number.node.measure.look_back(number.known_for)
        number.node.measure.named()
    role = given.by
    last = Last(tuple(getattr(given, number.word)), where, "contact" if role else None).named()
    return _Newest(number.source, last, role)


def _written_at(node: AttributeNode) -> Callable[[Moment], Instant | None]:
    """When the attribute was written last."""
    name = node.path[0]
    if name in DERIVED:
        raise ConditionRefused(f"last_known needs an attribute whose past is kept, and {name} is worked out")

    def at(moment: Moment) -> Instant | None:
        writes = moment.profile.attributes.get(name)
        return writes[-1].at if writes else None

    return at
