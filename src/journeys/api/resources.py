"""The resources as OpenAPI documents them (interfaces.md §3). Instants are RFC 3339 in UTC."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from journeys.store.reads.timeline import Kind

Severity = Literal["info", "warning", "critical"]


class RoleSpan(BaseModel):
    """A role someone holds, or held until `until`."""

    role: str
    since: str
    until: str | None


class ContactResource(BaseModel):
    """A person at an account. `open` is false once they have left, `suppressed` says why mail to them stopped,
    `tone` how they write: brief, standard or detailed, and warm or neutral."""

    id: str
    email: str | None
    name: str | None
    roles: list[RoleSpan]
    timezone: str | None
    locale: str | None
    tone: str | None
    open: bool
    suppressed: str | None
    external: dict[str, list[str]] = Field(description="What others call them, by source.")
    last_seen_at: str | None


class OpenSignal(BaseModel):
    """A signal that is open, with what it rests on."""

    signal: str
    since: str
    severity: Severity
    evidence: list[dict[str, Any]]


Band = Literal["red", "amber", "green"]


class Reason(BaseModel):
    """What pulls a health score down: a measure with the points it costs, or a flag that caps the band."""

    key: str
    kind: Literal["measure", "flag"]
    points: int
    value: float | None = Field(
        description="The number the measure saw; null for a flag and where it is missing."
    )


class Health(BaseModel):
    """The health score with the top three of what pulls it down."""

    score: int
    band: Band
    trend: int | None = Field(description="The change against 14 days ago, null while that is not known.")
    reasons: list[Reason]
    version: int | str = Field(description="The version of the definition that scored it.")


class StaleFeed(BaseModel):
    """A feed that is silent for longer than it promised: absences and drops on its types are unknown."""

    feed: str
    types: list[str]
    every: str
    silent_since: str


class AccountResource(BaseModel):
    """Everything known of one account now."""

    id: str
    name: str | None
    attributes: dict[str, Any]
    external: dict[str, list[str]] = Field(description="What others call it, by source.")
    contacts: list[ContactResource]
    stage: str | None
    segments: list[str]
    tags: list[str]
    milestones: dict[str, str]
    health: Health | None = Field(description="Null where no health definition scores it.")
    open_signals: list[OpenSignal]
    last_event_at: str | None
    stale_feeds: list[StaleFeed]


class TimelineRow(BaseModel):
    """One thing on an account's time line; `refs` names what it is about, by kind of resource."""

    at: str
    kind: Kind
    title: str
    detail: str | None
    status: str | None
    refs: dict[str, Any]


class JourneyResource(BaseModel):
    """One account going through one version of one play."""

    id: str
    account: str
    play: str
    version: int
    key: str | None
    status: Literal["active", "completed", "exited", "preempted", "failed"]
    reason: str | None
    step: str | None
    started_at: str
    ended_at: str | None
    wakes_at: str | None
    arm: str | None


class MessageResource(BaseModel):
    """Something meant for one contact on one channel, or for another system (`webhook`)."""

    id: str
    journey: str
    play: str
    version: int
    step: str
    account: str
    contact: str | None = Field(description="None of a webhook: it is for another system.")
    role: str | None
    address: str | None
    channel: str
    content: str
    class_: str = Field(alias="class")
    topic: str | None
    subject: str | None
    priority: int
    status: Literal[
        "queued",
        "held",
        "in_doubt",
        "sent",
        "delivered",
        "failed",
        "suppressed",
        "withheld",
        "expired",
        "cancelled",
    ]
    reason: str | None
    detail: str | None
    due_at: str
    valid_until: str | None
    next_attempt_at: str | None
    attempts: int
    sent_at: str | None


class Rendering(BaseModel):
    """What a message says, word for word. `html` is a whole document for mail."""

    subject: str | None
    text: str
    html: str | None


class WholeMessage(MessageResource):
    """A message with what it says, once it has been rendered."""

    rendering: Rendering | None


class Note(BaseModel):
    """One line of a task's history."""

    at: str
    by: str
    did: str
    text: str


class TaskResource(BaseModel):
    """Something meant for a human of ours."""

    id: str
    account: str
    owner: str | None
    type: str
    title: str
    body: str
    reason: str
    play: str | None
    journey: str | None
    severity: Severity | None
    priority: int
    checklist: list[str]
    evidence: Any
    context: dict[str, Any]
    status: Literal["open", "started", "waiting", "snoozed", "closed"]
    first_touch_by: str | None
    resolve_by: str | None
    breached: bool
    level: int
    raised: int
    created_at: str
    started_at: str | None
    waiting_since: str | None
    snoozed_until: str | None
    closed_at: str | None
    outcome: str | None
    close_reason: str | None
    notes: list[Note]


class Check(BaseModel):
    """One step of a decision: whether it let it pass, and what it saw."""

    check: str
    passed: bool
    saw: Any


class DecisionResource(BaseModel):
    """Why a play did or did not start, why a message was or was not sent; `sentence` says it in words."""

    id: str
    at: str
    account: str
    contact: str | None
    play: str | None
    version: int | None
    journey: str | None
    message: str | None
    task: str | None
    subject: str
    outcome: str
    reason: str | None
    checks: list[Check]
    sentence: str


class Explanation(BaseModel):
    """The decisions that answer why or why not, in order; `summary` is the last word."""

    account: str
    play: str | None
    contact: str | None
    at: str | None
    summary: str
    stale_feeds: list[StaleFeed]
    decisions: list[DecisionResource]


class DeadLetter(BaseModel):
    """Something that came in and could not be taken; `value` is the beginning of its bytes as text."""

    id: str
    at: str
    reason: str
    detail: str
    partition: str
    offset: int
    size: int | None
    value: str | None
    replayed_at: str | None
