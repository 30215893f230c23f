"""The journey: one account going through one version of one play, and the record of what was decided."""

from enum import StrEnum
from hashlib import blake2b
from typing import Any

import msgspec

from channels.message import identity
from signals.event import Event
from signals.instant import Duration, Instant, iso, iso_or_none


class JourneyStatus(StrEnum):
    """Where a journey is; all but `active` are final."""

    ACTIVE = "active"
    COMPLETED = "completed"
    EXITED = "exited"
    PREEMPTED = "preempted"
    FAILED = "failed"


PLAY_STOPPED = "play_stopped"
"""The reason of journeys, and of their tasks, that ended because their play was stopped by abort."""


class Cause(msgspec.Struct, frozen=True):
    """The event a journey was started by, as content and conditions see it under `event`."""

    id: str
    source: str
    type: str
    time: Instant
    contact: str | None
    data: dict[str, Any]

    def as_event(self, account: str) -> Event:
        """The event again."""
        return Event(self.id, self.source, self.type, self.time, account, self.contact, self.data, self.time)

    def as_plain(self) -> dict[str, Any]:
        """Plain data for templates."""
        return {
            "id": self.id,
            "type": self.type,
            "time": iso(self.time),
            "contact": self.contact,
            "data": self.data,
        }


class Fallback(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is done where an in-app message is not seen `within` of being shown: the same on another channel.

    `at` is that instant once it is shown. `step`, `visit`, `place` and `data` are those of the message.
    """

    message: str
    step: str
    visit: int
    place: int
    contact: str
    role: str
    channel: str
    within: Duration
    data: dict[str, Any] | None = None
    at: Instant | None = None


class Journey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One journey; every move makes a new value.

    `step` is the step it stands at (None: all done, waiting for its messages to settle), `waiting_since` when that
    wait began, `wakes_at` when to look at it again without an event; `pending` are its unsettled messages, `calls` its
    unsettled webhooks, `fallbacks` what becomes of in-app messages nobody sees; `visits` counts how often each step was entered. `arm` is `holdout`, `control` or an experiment's arm.
    """

    id: str
    account: str
    play: str
    version: int
    priority: int
    group: str | None = None
    key: str | None = None
    status: JourneyStatus = JourneyStatus.ACTIVE
    reason: str | None = None
    step: str | None = None
    started_at: Instant
    ended_at: Instant | None = None
    waiting_since: Instant | None = None
    wakes_at: Instant | None = None
    arm: str | None = None
    visits: dict[str, int] = {}
    pending: list[str] = []
    calls: list[str] = []
    fallbacks: list[Fallback] = []
    cause: Cause | None = None
    severity: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether it goes on."""
        return self.status is JourneyStatus.ACTIVE

    @property
    def withheld(self) -> bool:
        """Whether it only runs to be compared with: nothing of it reaches anyone."""
        return self.arm in ("holdout", "control")

    def as_json(self) -> dict[str, Any]:
        """The public fields of interfaces.md §3."""
        return {
            "id": self.id,
            "account": self.account,
            "play": self.play,
            "version": self.version,
            "key": self.key,
            "status": self.status.value,
            "reason": self.reason,
            "step": self.step,
            "started_at": iso(self.started_at),
            "ended_at": iso_or_none(self.ended_at),
            "wakes_at": iso_or_none(self.wakes_at),
            "arm": self.arm,
        }


def journey_id(account: str, play: str, key: str | None, started_at: Instant, cause: str) -> str:
    """32 hex digits, the same on every machine: an account starts a play (and key) once for a cause at an instant."""
    return identity("journey", account, play, key or "", started_at, cause)


def ledger_key(play: str, key: str | None) -> str:
    """Under which name an account remembers when it last ended this play (and key)."""
    return play if key is None else f"{play}|{key}"


def share(key: str, account: str) -> float:
    """Where the account falls in [0, 100) for an experiment: the same on every machine, for ever."""
    digest = blake2b(f"{key}\0{account}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64 * 100


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Why a play did or did not start, a message was or was not sent, a task was made (semantics §1)."""

    id: str
    at: Instant
    account: str
    contact: str | None = None
    play: str | None = None
    version: int | None = None
    journey: str | None = None
    message: str | None = None
    task: str | None = None
    subject: str
    outcome: str
    reason: str | None = None
    checks: list[dict[str, Any]] = []

    def as_json(self) -> dict[str, Any]:
        """The public fields of interfaces.md §3."""
        body: dict[str, Any] = msgspec.structs.asdict(self)
        return {**body, "at": iso(self.at)}


def decide(
    at: Instant, account: str, subject: str, outcome: str, reason: str | None, **about: Any
) -> Decision:
    """A decision with an id made of what it is about: written twice, it is one row."""
    parts = [str(about.get(name)) for name in ("play", "journey", "message", "task", "contact")]
    return Decision(
        id=identity(
            "decision", account, at, subject, outcome, reason or "", *parts, str(about.pop("also", ""))
        ),
        at=at,
        account=account,
        subject=subject,
        outcome=outcome,
        reason=reason,
        **about,
    )
