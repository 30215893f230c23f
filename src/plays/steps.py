"""The steps of a play as a marketer writes them (definitions.md "Steps"), checked by Pydantic."""

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from channels.business_time import Calendar
from channels.days_off import Holidays
from channels.policy_fields import TimeOfDay
from channels.policy_parts import WEEKDAYS, Weekday
from signals.conditions.grammar import Types, Where, Word
from signals.definitions import Definition, Key, checked
from signals.instant import Duration, DurationField, parse_duration

STEP_KINDS = (
    "message",
    "task",
    "wait",
    "branch",
    "split",
    "offer",
    "update",
    "webhook",
    "goto",
    "end",
)
MAX_STEPS = 500
LONGEST_WAIT = 1100 * 86_400_000_000
"""Three years: longer waits are mistakes (B89)."""


def _within_reason(span: Duration) -> Duration:
    if not 0 < span <= LONGEST_WAIT:
        raise ValueError("it is longer than nothing and at most three years")
    return span


Reasonable = Annotated[DurationField, AfterValidator(_within_reason)]
"""A duration that somebody may have meant (B89)."""


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
    valid_for: Reasonable | None = None
    seen_within: Reasonable = parse_duration("24h")
    if_vacant: "Literal['task', 'none'] | list[Step] | None" = None

    @property
    def roles(self) -> list[str]:
        """Every role the step names."""
        if isinstance(self.to, Each):
            return self.to.each
        if isinstance(self.to, All):
            return [self.to.all]
        return [self.to] if isinstance(self.to, str) else self.to


class OfferStep(MessageStep):
    """A message that makes the first of these offers the account may have; `else` (steps, or an id) where it is none."""

    offers: Annotated[list[Key], Field(min_length=1, max_length=50)]
    else_: Annotated["Key | list[Step] | None", Field(alias="else")] = None


class WebhookStep(Definition):
    """A call to another system: which of the endpoints the operator set up, and the data, its texts being templates."""

    endpoint: Key
    data: dict[str, Any] = {}


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


class Window(Definition):
    """Hours of the day and days of the week on somebody's clock: the next message's addressee, the account, the service."""

    from_: Annotated[TimeOfDay, Field(alias="from")] = 9 * 60
    to: TimeOfDay = 17 * 60
    days: Annotated[list[Weekday], Field(min_length=1)] = ["mon", "tue", "wed", "thu", "fri"]
    zone: Literal["contact", "account", "service"] = "contact"

    @model_validator(mode="after")
    def _opens(self) -> "Window":
        if self.from_ >= self.to:
            raise ValueError('a window opens before it closes, on the same day: {from: "09:00", to: "17:00"}')
        return self

    def calendar(self, place: ZoneInfo, holidays: Holidays) -> Calendar:
        """The window as business hours of a place."""
        return Calendar(
            place, frozenset(WEEKDAYS.index(day) for day in self.days), self.from_, self.to, holidays
        )


class WaitStep(Definition):
    """For a duration, until a condition (with a limit), until an instant, or until a window is open."""

    for_: Annotated[DurationField | None, Field(alias="for")] = None
    until: dict[str, Any] | None = None
    at: Word | None = None
    offset: Annotated[Duration, BeforeValidator(_offset)] = 0
    window: Window | None = None
    else_: Annotated[Key | None, Field(alias="else")] = None

    _compiles = field_validator("until")(lambda value: value if value is None else checked(value))

    @model_validator(mode="after")
    def _one_way(self) -> "WaitStep":
        if sum(way is not None for way in (self.for_, self.at, self.window)) != 1:
            raise ValueError("a wait has exactly one of for (the limit of an until, too), at, window")
        if self.for_ is None and self.until is not None:
            raise ValueError("an until takes a limit: for, not at or window")
        if abs(self.offset) > LONGEST_WAIT:
            raise ValueError("an offset is at most three years")
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
    weight: Annotated[float, Field(gt=0, le=1_000_000)] = 1
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
    offer: OfferStep | None = None
    update: UpdateStep | None = None
    webhook: WebhookStep | None = None
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
    within: Reasonable

    _compiles = field_validator("when")(checked)


for _model in (MessageStep, OfferStep, Arm, SplitArm, SplitStep, Step):
    _model.model_rebuild()
