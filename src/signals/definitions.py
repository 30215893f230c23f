"""What a marketer writes about signals, segments, milestones and stages (definitions.md), checked by Pydantic."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from signals.conditions import compile_condition
from signals.conditions.grammar import Word
from signals.instant import DAY, DurationField

Key = Annotated[
    str, Field(strict=True, min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
]
Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")


def checked(condition: Any) -> Any:
    """The condition as written, once it is known to compile. Raises ValueError with what is wrong."""
    compile_condition(condition)
    return condition


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
