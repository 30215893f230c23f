"""Conditions as data: any atom, and their nesting, told apart by the atom's word (semantics §3)."""

from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Field, Tag

from signals.conditions.atoms import (
    AbsentAtom,
    AnyHealthAtom,
    AttributeAtom,
    AverageAtom,
    ChangeAtom,
    CountAtom,
    DistinctAtom,
    HealthAtom,
    LatestAtom,
    MaxAtom,
    MinAtom,
    MissedAtom,
    NotReachedAtom,
    ReachedAtom,
    RegularAtom,
    RoleAtom,
    SegmentAtom,
    SequenceAtom,
    SignalAtom,
    StageAtom,
    Strict,
    SumAtom,
    TagAtom,
    Types,
    Where,
    Word,
)
from signals.operators import Comparison, Scalar


class AllAtom(BaseModel):
    """Every one holds (Kleene)."""

    model_config = Strict

    all: "list[Condition]"


class AnyAtom(BaseModel):
    """At least one holds (Kleene)."""

    model_config = Strict

    any: "list[Condition]"


class NotAtom(BaseModel):
    """It does not hold (unknown stays unknown)."""

    model_config = Strict

    not_: "Condition" = Field(alias="not")


ATOMS: dict[str, type[BaseModel]] = {
    "attribute": AttributeAtom,
    "count": CountAtom,
    "sum": SumAtom,
    "average": AverageAtom,
    "distinct": DistinctAtom,
    "change": ChangeAtom,
    "regular": RegularAtom,
    "sequence": SequenceAtom,
    "latest": LatestAtom,
    "absent": AbsentAtom,
    "missed": MissedAtom,
    "reached": ReachedAtom,
    "not_reached": NotReachedAtom,
    "role": RoleAtom,
    "segment": SegmentAtom,
    "stage": StageAtom,
    "tag": TagAtom,
    "signal": SignalAtom,
    "health": HealthAtom,
    "all": AllAtom,
    "any": AnyAtom,
    "not": NotAtom,
    "min": MinAtom,  # after `change`, which has a `min` of its own
    "max": MaxAtom,
}


def _which(value: Any) -> str | None:
    if isinstance(value, BaseModel):
        return next((word for word, model in ATOMS.items() if isinstance(value, model)), None)
    if isinstance(value, dict):
        return next((word for word in ATOMS if word in value), None)
    return None


Condition = Annotated[
    Annotated[AttributeAtom, Tag("attribute")]
    | Annotated[CountAtom, Tag("count")]
    | Annotated[SumAtom, Tag("sum")]
    | Annotated[AverageAtom, Tag("average")]
    | Annotated[MinAtom, Tag("min")]
    | Annotated[MaxAtom, Tag("max")]
    | Annotated[DistinctAtom, Tag("distinct")]
    | Annotated[ChangeAtom, Tag("change")]
    | Annotated[RegularAtom, Tag("regular")]
    | Annotated[SequenceAtom, Tag("sequence")]
    | Annotated[LatestAtom, Tag("latest")]
    | Annotated[AbsentAtom, Tag("absent")]
    | Annotated[MissedAtom, Tag("missed")]
    | Annotated[ReachedAtom, Tag("reached")]
    | Annotated[NotReachedAtom, Tag("not_reached")]
    | Annotated[SegmentAtom, Tag("segment")]
    | Annotated[StageAtom, Tag("stage")]
    | Annotated[TagAtom, Tag("tag")]
    | Annotated[SignalAtom, Tag("signal")]
    | Annotated[RoleAtom, Tag("role")]
    | Annotated[AnyHealthAtom, Tag("health")]
    | Annotated[AllAtom, Tag("all")]
    | Annotated[AnyAtom, Tag("any")]
    | Annotated[NotAtom, Tag("not")],
    Discriminator(
        _which,
        custom_error_type="unknown_condition",
        custom_error_message="not a condition: it needs one of " + ", ".join(sorted(ATOMS)),
    ),
]
"""Any condition. A dict is told apart by the atom's word in it."""

for _model in (AllAtom, AnyAtom, NotAtom):
    _model.model_rebuild()

__all__ = ["ATOMS", "Comparison", "Condition", "Scalar", "Types", "Where", "Word"]
