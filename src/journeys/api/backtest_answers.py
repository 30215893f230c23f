"""What the back-tests of signals and plays answer, as the API document has it."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

Count = Annotated[int, Field(ge=0)]


class Rate(BaseModel):
    """A share and its interval; null where there is nothing to take a share of."""

    value: float | None
    low: float | None
    high: float | None


class Chance(Rate):
    """What a random account-week gives."""

    account_weeks: Count
    followed: Count


class Recall(Rate):
    """Of the outcomes, how many had a firing before them within the window."""

    outcomes: Count
    caught: Count


class Lift(BaseModel):
    """Precision over chance at the same age; `shown` only where their intervals lie apart."""

    value: float | None
    shown: bool


class LeadDays(BaseModel):
    """From the first firing in the window to the outcome."""

    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None


class Week(BaseModel):
    """The firings of one week, named by its Monday."""

    week: str
    firings: Count


class Volume(BaseModel):
    """How many firings there are a week."""

    mean: float | None
    most: Count
    weeks: list[Week]


class BacktestRow(BaseModel):
    """How one signal, or one setting of it, did. What needs an outcome is absent where none was asked about."""

    signal: str
    setting: str | None = Field(description="Null: as written.")
    value: Any
    firings: Count
    accounts: Count
    opened_silently: Count = Field(description="By an event that came in too late to act on.")
    per_week: Volume
    judged: Count = Field(0, description="Firings whose window had passed when the history ended.")
    followed: Count = Field(0, description="Judged firings that an outcome followed.")
    near_the_end: Count = 0
    outside: Count = Field(0, description="Firings at accounts that are not of those compared.")
    precision: Rate | None = None
    chance_at_that_age: Rate | None = None
    lift: Lift | None = None
    recall: Recall | None = None
    lead_days: LeadDays | None = None


class Best(BaseModel):
    """The best setting of a sweep among those that show lift, as a definition."""

    setting: str
    value: Any
    f1: float
    definition: dict[str, Any]


class Saved(BaseModel):
    """The draft that was kept."""

    key: str
    version: int
    status: str
    at: str


class OutcomeMeant(BaseModel):
    """What was to be foretold."""

    type: str
    where: dict[str, Any]


class Lived(BaseModel):
    """How much was lived through. `complete` is false where time was up before every account had been looked at."""

    since: str | None = Field(alias="from")
    to: str
    weeks: float
    accounts: Count
    events: Count
    events_that_matter: Count
    complete: bool
    seconds: float
    events_per_second: Count
    outcome: OutcomeMeant | None
    within: str | None = None
    among: dict[str, Any] | None = None
    outcomes: Count = 0
    outcomes_outside: Count = 0
    confidence: float | None = Field(None, description="That all intervals are right together.")
    chance: Chance | None = None


class BacktestAnswer(Lived):
    """What signals would have said."""

    rows: list[BacktestRow]
    best: Best | None
    saved: Saved | None


class StartsOfWeek(BaseModel):
    """The journeys that started in one week, named by its Monday."""

    week: str
    started: Count


class Starts(BaseModel):
    """How many journeys start a week."""

    mean: float | None
    most: Count
    weeks: list[StartsOfWeek]


class JourneysTried(BaseModel):
    """The journeys the play would have started, and the candidates it would not."""

    candidates: Count
    started: Count
    accounts: Count
    not_started: dict[str, Count] = Field(description="By reason, as in decisions.")
    ended: dict[str, Count] = Field(
        description="By status and reason, as in `exited:exit`; `active`: not ended."
    )
    arms: dict[str, Count] = Field(description="Holdout, control, and arms of experiments.")
    per_week: Starts


class OfDay(BaseModel):
    """How many there were on one day, UTC."""

    day: str
    count: Count


class OfRole(BaseModel):
    """How many there were for one role."""

    role: str
    count: Count
    most_a_day: Count
    days: list[OfDay]


class MessagesTried(BaseModel):
    """The play's messages. What providers and people would have done with them nobody knows."""

    made: Count
    sent: Count
    ended: dict[str, Count] = Field(description="By status and reason, as in `suppressed:unsubscribed`.")
    waiting: Count = Field(description="Neither sent nor settled when the history ended.")
    roles: list[OfRole]


class TasksTried(BaseModel):
    """The tasks the play would have raised, whether new or for one still open, by whom they are for."""

    raised: Count
    roles: list[OfRole]


class Collisions(BaseModel):
    """Where the play met others, by their keys."""

    blocked_by: dict[str, Count] = Field(description="Not started: the group was busy with it.")
    blocks: dict[str, Count] = Field(description="The other was not started.")
    preempted_by: dict[str, Count]
    preempts: dict[str, Count]
    outranked_by: dict[str, Count] = Field(description="Messages that had to wait for the other's.")
    outranks: dict[str, Count] = Field(description="Messages of the other that had to wait.")
    same_contact: dict[str, Count] = Field(
        description="Messages that fell due within the arbitration window of one of the other's to the same person."
    )


class Worth(BaseModel):
    """What the starts were worth as a forecast of the outcome, counted like firings of a signal."""

    judged: Count
    followed: Count
    near_the_end: Count
    outside: Count
    precision: Rate
    chance_at_that_age: Rate
    lift: Lift
    recall: Recall
    lead_days: LeadDays


class PlayBacktestAnswer(Lived):
    """What a play would have done, beside the plays that are live."""

    play: str
    beside: list[str]
    journeys: JourneysTried
    messages: MessagesTried
    tasks: TasksTried
    held: dict[str, Count] = Field(description="Messages that had to wait, by each reason they waited for.")
    collisions: Collisions
    worth: Worth | None
