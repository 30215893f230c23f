"""What a marketer writes about signals, segments, milestones, stages and health (definitions.md), checked by Pydantic."""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, field_validator, model_validator

from signals.conditions import compile_condition
from signals.conditions.grammar import Word
from signals.conditions.numbers import Number
from signals.instant import DAY, Duration, DurationField
from signals.score import Band

Key = Annotated[
    str, Field(strict=True, min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
]
Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")


def checked(condition: Any) -> Any:
    """The condition as written, once it is known to compile. Raises ValueError with what is wrong."""
    compile_condition(condition)
    return condition


def numbered(value: Any) -> Any:
    """An atom without comparison as written, once it is known to be one. Raises ValueError with what is wrong."""
    Number(value)
    return value


Points = Annotated[StrictInt | StrictFloat, Field(ge=0, le=100)]


class Definition(BaseModel):
    """What all definitions share: unknown keys are refused, nothing changes once read."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, frozen=True)


class Level(Definition):
    """One severity of a signal and when it is reached."""

    when: dict[str, Any]
    severity: Severity

    _compiles = field_validator("when")(checked)


class Dates(Definition):
    """Edges at fixed spans before a date: `{attribute: account.renews_at, before: [180d, 120d]}`."""

    attribute: Word
    before: Annotated[list[DurationField], Field(min_length=1, max_length=24)]

    @field_validator("attribute")
    @classmethod
    def _of_the_account(cls, name: str) -> str:
        if not name.startswith("account."):
            raise ValueError("dates watches an attribute of the account: account.renews_at")
        return name


class Signal(Definition):
    """A named edge: a condition became true (semantics §4)."""

    key: Key
    name: str | None = None
    when: dict[str, Any] | None = None
    levels: Annotated[list[Level], Field(min_length=1)] | None = None
    dates: Dates | None = None
    clear: dict[str, Any] | None = None
    cooldown: DurationField = 7 * DAY
    severity: Severity = "warning"
    says: list[str] = []
    domain: str | None = None

    _compiles = field_validator("when", "clear")(lambda value: value if value is None else checked(value))

    @model_validator(mode="after")
    def _one_way(self) -> "Signal":
        if sum(way is not None for way in (self.when, self.levels, self.dates)) != 1:
            raise ValueError("a signal has exactly one of when, levels, dates")
        return self


class Segment(Definition):
    """A state an account is in: entry condition, exit condition (default: not `enter`)."""

    key: Key
    name: str | None = None
    enter: dict[str, Any]
    leave: dict[str, Any] | None = None
    tag: bool = False

    _compiles = field_validator("enter", "leave")(lambda value: value if value is None else checked(value))


class Milestone(Definition):
    """Reached the first time `when` holds; `product.milestone_reached` reaches it too."""

    key: Key
    name: str | None = None
    when: dict[str, Any]

    _compiles = field_validator("when")(checked)


class Stage(Definition):
    """One stage of the ordered list: the first whose condition holds is the account's."""

    key: Key
    name: str | None = None
    when: dict[str, Any]

    _compiles = field_validator("when")(checked)


class LastKnown(Definition):
    """A number counts for so long after the newest event behind it: `{last_known: 30d}`."""

    last_known: Annotated[DurationField, Field(gt=0)]


class HealthMeasure(Definition):
    """One measure of a health score: a number, what it is worth, how much it weighs, what if it is missing."""

    key: Key
    name: str | None = None
    value: dict[str, Any]
    map: Annotated[list[tuple[StrictInt | StrictFloat, Points]], Field(min_length=1, max_length=50)]
    weight: Annotated[StrictInt | StrictFloat, Field(gt=0, le=1_000_000)]
    missing: Literal["exclude", "zero"] | LastKnown = "exclude"

    _is_a_number = field_validator("value")(numbered)

    @field_validator("map")
    @classmethod
    def _rises(cls, pairs: list[tuple[float, float]]) -> list[tuple[float, float]]:
        if any(one[0] >= other[0] for one, other in pairwise(pairs)):
            raise ValueError("the numbers of a map rise from pair to pair: [[0, 0], [5, 100]]")
        return pairs

    @model_validator(mode="after")
    def _is_known(self) -> "HealthMeasure":
        Number(self.value, self.known_for)
        return self

    @property
    def known_for(self) -> Duration | None:
        """How long after its newest event the number counts; None where its age does not matter."""
        return self.missing.last_known if isinstance(self.missing, LastKnown) else None


class Flag(Definition):
    """While it holds, the band is no better than its cap."""

    key: Key
    name: str | None = None
    when: dict[str, Any]
    cap: Literal["red", "amber"] = "red"

    _compiles = field_validator("when")(checked)


class Bands(Definition):
    """The best scores of the red and the amber band; what is better is green."""

    red: Annotated[StrictInt, Field(ge=0, le=98)] = 50
    amber: Annotated[StrictInt, Field(ge=1, le=99)] = 75

    @model_validator(mode="after")
    def _in_order(self) -> "Bands":
        if self.red >= self.amber:
            raise ValueError("amber begins above red: its top is the greater of the two")
        return self

    def of(self, score: int) -> Band:
        """The band of a score."""
        return "red" if score <= self.red else "amber" if score <= self.amber else "green"


class HealthRules(Definition):
    """How an account's health is scored (semantics §4), under the one key `health`.

    Another `version` begins another course of scores: they are not compared with those before.
    """

    key: Literal["health"] = "health"
    version: StrictInt | Annotated[str, Field(strict=True, min_length=1, max_length=100)] = 1
    measures: Annotated[list[HealthMeasure], Field(min_length=1, max_length=40)]
    bands: Bands = Bands()
    flags: Annotated[list[Flag], Field(max_length=40)] = []

    @model_validator(mode="after")
    def _told_apart(self) -> "HealthRules":
        keys = [*(measure.key for measure in self.measures), *(flag.key for flag in self.flags)]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise ValueError(
                f"measures and flags are told apart by their keys: {', '.join(twice)} stands twice"
            )
        return self
