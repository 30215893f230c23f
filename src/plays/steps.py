"""The steps of a play as a marketer writes them (definitions.md "Steps"), checked by Pydantic."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from signals.conditions.grammar import Types, Where, Word
from signals.definitions import Definition, Key, checked
from signals.instant import Duration, DurationField, parse_duration

STEP_KINDS = ("message", "task", "wait", "branch", "split", "update", "goto", "end")
MAX_STEPS = 500
LONGEST_WAIT = 1100 * 86_400_000_000
"""Three years: longer waits are mistakes (B89)."""


class Each(Definition):
    """One message for each of these roles, a lane each."""

    each: Annotated[list[Word], Field(min_length=1)]


class All(Definition):
    """Everyone who holds the role."""

    all: Word


Channels = Annotated[
    list[Literal["email", "in_app", "invitation"]],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    Field(min_length=1),
]


class MessageStep(Definition):
    """Something for a person: to whom, on which channel, which content."""

    to: str | Annotated[list[Word], Field(min_length=1)] | Each | All
    channel: Channels = ["email"]
    content: Key
    topic: Word | None = None
    cls: Annotated[Literal["marketing", "service", "transactional"] | None, Field(alias="class")] = None
    valid_for: DurationField | None = None
    seen_within: DurationField = parse_duration("24h")
    if_vacant: "Literal['task', 'none'] | list[Step] | None" = None

    @property
    def roles(self) -> list[str]:
        """Every role the step names."""
        if isinstance(self.to, Each):
            return self.to.each
        if isinstance(self.to, All):
            return [self.to.all]
        return [self.to] if isinstance(self.to, str) else self.to


class TaskStep(Definition):
    """Something for a human of ours."""

    to: Word = "csm"
    title: Annotated[str, Field(min_length=1, max_length=500)]
    content: Key | None = None
    type: Word | None = None
    reason: Word | None = None
    sla: Word = "standard"
    priority: Annotated[int, Field(ge=0, le=100)] | None = None
    checklist: list[str] = []


def _offset(value: Any) -> Any:
    if isinstance(value, str):
        return -parse_duration(value[1:]) if value.startswith("-") else parse_duration(value)
    return value


class WaitStep(Definition):
    """For a duration, until a condition (with a limit), or until an instant."""

    for_: Annotated[DurationField | None, Field(alias="for")] = None
    until: dict[str, Any] | None = None
    at: Word | None = None
    offset: Annotated[Duration, BeforeValidator(_offset)] = 0
    else_: Annotated[Key | None, Field(alias="else")] = None

    _compiles = field_validator("until")(lambda value: value if value is None else checked(value))

    @model_validator(mode="after")
    def _one_way(self) -> "WaitStep":
        if (self.for_ is None) == (self.at is None):
            raise ValueError("a wait has either for (the limit of an until, too) or at")
        if self.at is not None and self.until is not None:
            raise ValueError("a wait with at takes no until")
        if self.for_ is not None and not 0 < self.for_ <= LONGEST_WAIT:
            raise ValueError("a wait is longer than nothing and at most three years")
        return self


class Arm(Definition):
    """One arm of a branch: the first whose condition holds is taken."""

    when: dict[str, Any] | None = None
    otherwise: Literal[True] | None = None
    steps: "list[Step]"

    _compiles = field_validator("when")(lambda value: value if value is None else checked(value))

    @model_validator(mode="after")
    def _one_way(self) -> "Arm":
        if (self.when is None) == (self.otherwise is None):
            raise ValueError("a branch's arm has either when or otherwise: true")
        return self


class SplitArm(Definition):
    """One arm of an experiment."""

    name: Key
    weight: Annotated[float, Field(gt=0)] = 1
    steps: "list[Step]"


def percent(value: Any) -> float:
    """`5%` or 5, as 5.0."""
    text = value[:-1] if isinstance(value, str) and value.endswith("%") else value
    try:
        number = float(text)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a percentage like 5%") from None
    if not 0 <= number <= 100:
        raise ValueError("a percentage lies between 0% and 100%")
    return number


Percent = Annotated[float, BeforeValidator(percent)]


class SplitStep(Definition):
    """An experiment: arms by hash of (key, account), sticky for ever."""

    key: Key
    arms: Annotated[list[SplitArm], Field(min_length=1)]
    control: Percent = 0.0


class Tags(Definition):
    """Tags to add to and remove from the account."""

    add: list[Word] = []
    remove: list[Word] = []


class UpdateStep(Definition):
    """Change the account's attributes and tags."""

    attributes: dict[str, Any] = {}
    tags: Tags = Tags()


class EndStep(Definition):
    """The journey's last step."""


class Step(Definition):
    """One step: exactly one kind, and an `id` where others point to it."""

    id: Key | None = None
    message: MessageStep | None = None
    task: TaskStep | None = None
    wait: WaitStep | None = None
    branch: Annotated[list[Arm], Field(min_length=1)] | None = None
    split: SplitStep | None = None
    update: UpdateStep | None = None
    goto: Key | None = None
    end: EndStep | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "Step":
        if len([kind for kind in STEP_KINDS if getattr(self, kind) is not None]) != 1:
            raise ValueError("a step is exactly one of " + ", ".join(STEP_KINDS))
        return self

    @property
    def kind(self) -> str:
        """Which kind of step it is."""
        return next(kind for kind in STEP_KINDS if getattr(self, kind) is not None)


class Trigger(Definition):
    """What starts the play: a signal, an event, a segment's edge, or spans before a date."""

    signal: Key | None = None
    event: Types | None = None
    where: Where = {}
    segment: Key | None = None
    edge: Literal["enter", "leave"] = "enter"
    date: Word | None = None
    before: Annotated[list[DurationField], Field(max_length=24)] = []

    @model_validator(mode="after")
    def _one_way(self) -> "Trigger":
        if sum(way is not None for way in (self.signal, self.event, self.segment, self.date)) != 1:
            raise ValueError("a trigger has exactly one of signal, event, segment, date")
        if (self.date is None) != (not self.before):
            raise ValueError(
                "a date trigger names the spans before it: {date: account.renews_at, before: [90d]}"
            )
        return self


class Goal(Definition):
    """What the play is for, and within how long of its start."""

    when: dict[str, Any]
    within: DurationField

    _compiles = field_validator("when")(checked)


for _model in (MessageStep, Arm, SplitArm, SplitStep, Step):
    _model.model_rebuild()
