"""The atoms of conditions as a marketer writes them, checked by Pydantic (semantics §3)."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from signals.instant import DurationField
from signals.operators import Comparison, NumericComparison
from signals.score import Band

Strict = ConfigDict(extra="forbid", populate_by_name=True, frozen=True)
Word = Annotated[str, Field(strict=True, min_length=1, max_length=255)]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Types = Annotated[list[Word], BeforeValidator(_listed), Field(min_length=1)]
"""An event type, a pattern like `product.*`, or a list of them."""


def _where(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError("write the fields and what they must be, like {priority: urgent}")
    return {
        field: wanted if isinstance(wanted, dict | Comparison) else {"is": wanted}
        for field, wanted in value.items()
    }


Where = Annotated[dict[str, Comparison], BeforeValidator(_where)]


class AttributeAtom(Comparison):
    """`{attribute: account.plan, is: pro, for: 7d}`; dates also `within`, `past`, `last`."""

    attribute: Word
    for_: DurationField | None = Field(default=None, alias="for")
    within: DurationField | None = None
    past: DurationField | None = None
    last: DurationField | None = None
    per: Word | None = None

    @model_validator(mode="after")
    def _asks(self) -> "AttributeAtom":
        if not self.model_fields_set - {"attribute", "for_", "per"}:
            raise ValueError("say what the attribute must be: is, in, gte, exists, within, …")
        return self


class _Windowed(NumericComparison):
    in_: DurationField | None = Field(default=None, alias="in")
    between: Annotated[list[DurationField], Field(min_length=2, max_length=2)] | None = None
    where: Where = {}
    by: Word | None = None
    per: Word | None = None

    @model_validator(mode="after")
    def _window(self) -> "_Windowed":
        if self.between is not None and (self.in_ is not None or self.between[0] <= self.between[1]):
            raise ValueError("between is [far, near] with far > near, and takes the place of in")
        if self.in_ is not None and self.in_ <= 0:
            raise ValueError("in must be longer than nothing")
        return self


class CountAtom(_Windowed):
    """`{count: support.ticket_opened, in: 7d, where: {priority: urgent}, gte: 3}`."""

    count: Types
    same: Word | None = None


class SumAtom(_Windowed):
    """`{sum: billing.order_placed, of: amount, in: 90d, gte: 500}`."""

    sum: Types
    of: Word


class AverageAtom(_Windowed):
    """Like sum; of none it does not hold."""

    average: Types
    of: Word


class MinAtom(_Windowed):
    """The smallest; of none it does not hold."""

    min: Types
    of: Word


class MaxAtom(_Windowed):
    """The largest; of none it does not hold."""

    max: Types
    of: Word


class DistinctAtom(_Windowed):
    """`{distinct: product.feature_used, of: feature, in: 28d, lt: 3}`; of nothing it is 0."""

    distinct: Types
    of: Word


class ChangeAtom(NumericComparison):
    """`{change: product.feature_used, in: 14d, against: 56d, lte: -0.4}`: (recent - usual) / usual."""

    change: Types
    in_: DurationField = Field(alias="in")
    against: DurationField
    where: Where = {}
    by: Word | None = None
    at_least: Annotated[int | float, Field(alias="min")] = 10

    @model_validator(mode="after")
    def _blocks(self) -> "ChangeAtom":
        if self.in_ <= 0 or self.against < self.in_ or self.against % self.in_:
            raise ValueError("against must be a multiple of in")
        return self


class RegularAtom(NumericComparison):
    """`{regular: product.report_viewed, every: 7d, of: 4, in_at_least: 3, gte: 2}`: a habit."""

    regular: Types
    every: DurationField
    of: Annotated[int, Field(ge=1, le=366)]
    in_at_least: Annotated[int, Field(ge=1)]
    where: Where = {}
    by: Word | None = None


class SequenceAtom(BaseModel):
    """`{sequence: [trial.started, project.created], within: 3d, in: 30d}`: the second strictly later."""

    model_config = Strict

    sequence: Annotated[list[Word], Field(min_length=2, max_length=2)]
    within: DurationField
    in_: DurationField = Field(alias="in")
    same: Word | None = None
    by: Word | None = None


class LatestAtom(BaseModel):
    """`{latest: survey.nps_received, where: {score: {lte: 6}}}`."""

    model_config = Strict

    latest: Types
    where: Where
    by: Word | None = None


class AbsentAtom(BaseModel):
    """`{absent: product.login, for: 14d}`; never any: measured from the account's `created_at`."""

    model_config = Strict

    absent: Types
    for_: DurationField = Field(alias="for")
    where: Where = {}
    by: Word | None = None


class MissedAtom(BaseModel):
    """`{missed: billing.invoice_paid, after: billing.payment_failed, for: 3d}`."""

    model_config = Strict

    missed: Types
    after: Types
    for_: DurationField = Field(alias="for")
    same: Word | None = None
    by: Word | None = None


class ReachedAtom(BaseModel):
    """`{reached: activated, for: 30d}`."""

    model_config = Strict

    reached: Word
    for_: DurationField | None = Field(default=None, alias="for")


class NotReachedAtom(BaseModel):
    """`{not_reached: activated, since: account.created_at, for: 14d}`."""

    model_config = Strict

    not_reached: Word
    since: Word = "account.created_at"
    for_: DurationField = Field(default=0, alias="for")


class SegmentAtom(BaseModel):
    """`{segment: at_risk}`: the account is in it now."""

    model_config = Strict

    segment: Word


class StageAtom(BaseModel):
    """`{stage: adoption}`."""

    model_config = Strict

    stage: Word


class TagAtom(BaseModel):
    """`{tag: high_ltv}`."""

    model_config = Strict

    tag: Word


class SignalAtom(BaseModel):
    """`{signal: champion_left}` (open now), `{signal: champion_left, in: 30d}` (fired)."""

    model_config = Strict

    signal: Word
    in_: DurationField | None = Field(default=None, alias="in")


class RoleAtom(BaseModel):
    """`{role: champion, vacant: true}`."""

    model_config = Strict

    role: Word
    vacant: Annotated[bool, Field(strict=True)]


class HealthAtom(BaseModel):
    """What the three atoms on the health score share; which one it is, the word says."""


class HealthScoreAtom(NumericComparison, HealthAtom):
    """`{health: score, lt: 50}`."""

    health: Literal["score"]


class HealthChangeAtom(NumericComparison, HealthAtom):
    """`{health: change, in: 14d, lte: -15}`: the score now less the score that long ago."""

    health: Literal["change"]
    in_: Annotated[DurationField, Field(alias="in", gt=0)]


class HealthBandAtom(HealthAtom):
    """`{health: band, is: red}`, `{health: band, in: [red, amber]}`."""

    model_config = Strict

    health: Literal["band"]
    is_: Band | None = Field(default=None, alias="is")
    is_not: Band | None = None
    in_: Annotated[list[Band], Field(min_length=1)] | None = Field(default=None, alias="in")
    not_in: Annotated[list[Band], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _asks(self) -> "HealthBandAtom":
        if not self.model_fields_set - {"health"}:
            raise ValueError("say which band: one of is, is_not, in, not_in")
        return self


AnyHealthAtom = Annotated[HealthScoreAtom | HealthChangeAtom | HealthBandAtom, Field(discriminator="health")]
