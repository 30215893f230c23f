"""Conditions: data a marketer writes, compiled once, evaluated against a profile at an instant (semantics §3)."""

from collections.abc import Callable
from typing import Any

import orjson
from pydantic import BaseModel, TypeAdapter

from signals.conditions import build, scores, states
from signals.conditions.attribute import AttributeNode
from signals.conditions.doubt import doubting
from signals.conditions.grammar import ATOMS, Condition
from signals.conditions.node import Anything, Everything, Moment, Negation, Node, Verdict
from signals.conditions.states import ConditionRefused
from signals.freshness import Promises

_ADAPTER: TypeAdapter[Any] = TypeAdapter(Condition)

_BUILDERS: dict[str, Callable[[dict[str, Any], Any], Node]] = {
    "attribute": AttributeNode,
    "reached": states.ReachedNode,
    "not_reached": states.NotReachedNode,
    "signal": states.SignalNode,
    "role": states.RoleNode,
    "health": scores.health_node,
    "segment": lambda source, atom: states.MemberNode(
        source, f"segment:{atom.segment}", lambda profile: atom.segment in profile.segments
    ),
    "stage": lambda source, atom: states.MemberNode(
        source, "stage", lambda profile: profile.stage == atom.stage
    ),
    "tag": lambda source, atom: states.MemberNode(
        source, f"tag:{atom.tag}", lambda profile: atom.tag in profile.tags
    ),
    "count": build.count_node,
    "sum": lambda source, atom: build.amount_node(source, atom, "sum"),
    "average": lambda source, atom: build.amount_node(source, atom, "average"),
    "min": lambda source, atom: build.amount_node(source, atom, "min"),
    "max": lambda source, atom: build.amount_node(source, atom, "max"),
    "distinct": build.distinct_node,
    "change": build.change_node,
    "regular": build.regular_node,
    "sequence": build.sequence_node,
    "latest": build.latest_node,
    "absent": build.absent_node,
    "missed": build.missed_node,
    "all": lambda source, atom: Everything(source, [*map(_node, source["all"], atom.all)]),
    "any": lambda source, atom: Anything(source, [*map(_node, source["any"], atom.any)]),
    "not": lambda source, atom: Negation(source, _node(source["not"], atom.not_)),
}
_WORDS = {kind: word for word, model in ATOMS.items() for kind in (model, *model.__subclasses__())}


def parse_condition(data: Any) -> BaseModel:
    """The checked condition. Raises pydantic.ValidationError with the place of what is wrong."""
    parsed: BaseModel = _ADAPTER.validate_python(data)
    return parsed


def compile_condition(condition: Any, promises: Promises | None = None) -> Node:
    """A condition, as data or already checked, compiled to the node that answers it; `promises` are what it may doubt.

    Raises pydantic.ValidationError where it is not a condition, ConditionRefused where it can mean nothing.
    """
    if isinstance(condition, BaseModel):
        node = _node(condition.model_dump(by_alias=True, exclude_unset=True, mode="json"), condition)
    else:
        atom = parse_condition(condition)
        node = _node(
            orjson.loads(orjson.dumps(condition)), atom
        )  # as written, with the dates YAML reads as text
    return node if promises is None else doubting(node, promises)


def _node(source: dict[str, Any], atom: BaseModel) -> Node:
    return _BUILDERS[_WORDS[type(atom)]](source, atom)


__all__ = [
    "Condition",
    "ConditionRefused",
    "Moment",
    "Node",
    "Verdict",
    "compile_condition",
    "parse_condition",
]
