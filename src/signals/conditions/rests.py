"""What an atom on events rests on: which of its answers more events could not change, and over which window."""

from typing import Any, NamedTuple

from signals.conditions.change import ChangeNode
from signals.conditions.history import LatestNode, RegularNode, SequenceNode
from signals.conditions.node import Node
from signals.conditions.windows import WindowNode
from signals.instant import MINUTE, Duration
from signals.measures import resolution

_RISING = frozenset(("gt", "gte"))
_FALLING = frozenset(("lt", "lte"))
_WORDS = _RISING | _FALLING | {"is", "is_not"}


class Rests(NamedTuple):
    """What an atom rests on. `sure`: the answer that more events cannot change (None: they could change either).

    Its window is (now - far, now - near], left at the resolution `step`; `far` None is ever. A `drop` stays unknown
    while its window overlaps a silence that is over.
    """

    sure: bool | None
    far: Duration | None = None
    near: Duration | None = None
    step: Duration = MINUTE
    drop: bool = False


SURE_IF_SO = Rests(sure=True)


def rests_on(node: Node, negated: bool) -> Rests | None:
    """What a leaf rests on; None for one that rests on no events."""
    if isinstance(node, LatestNode):
        return Rests(sure=None)
    if isinstance(node, SequenceNode):
        return Rests(True, node.window, None, resolution(node.window), drop=negated)
    if isinstance(node, RegularNode):
        far, near, step = node.every * node.of, None, node.step
    elif isinstance(node, ChangeNode):
        far, near, step = node.block * (node.blocks + 1), None, node.step
    elif isinstance(node, WindowNode):
        if node.far is None:
            return Rests(sure_of(node.source))
        far, near, step = node.far, node.near, node.step
    else:
        return None
    sure = sure_of(node.source)
    falls = bool(node.source.keys() & (_FALLING | {"is"}))
    return Rests(sure, far, near, step, drop=negated if sure else falls)


def sure_of(source: dict[str, Any]) -> bool | None:
    """Which answer of a comparison more events cannot change."""
    words = _WORDS & source.keys()
    if "min" in source and "change" not in source:  # a smallest only becomes smaller
        return True if words <= _FALLING else None
    if words <= _RISING:
        return True
    summed = source.keys() & {"count", "sum", "distinct", "regular"}
    return False if words <= _FALLING and summed else None
