"""The task: something meant for a human of ours, with a clock until it is touched and one until it is resolved."""

from enum import StrEnum
from typing import Any, Literal, TypeAlias

import msgspec

from channels.message import identity
from channels.sla_clock import SlaClock
from signals.instant import Instant, iso, iso_or_none

Severity: TypeAlias = Literal["info", "warning", "critical"]


class TaskStatus(StrEnum):
    """Where a task stands, in the public words of interfaces.md §3."""

    OPEN = "open"
    STARTED = "started"
    WAITING = "waiting"
    SNOOZED = "snoozed"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How a task ended."""

    SAVED = "saved"
    LOST = "lost"
    NO_RISK = "no_risk"
    DUPLICATE = "duplicate"
    NO_CONTACT = "no_contact"
    DONE = "done"


class TaskRefused(Exception):
    """Raised where a task cannot go that way; the message says why and what to do instead."""


class Note(msgspec.Struct, frozen=True):
    """One line of a task's history: who did what, and what they said."""

    at: Instant
    by: str
    did: str
    text: str = ""

    def as_json(self) -> dict[str, Any]:
        """The public fields."""
        return {"at": iso(self.at), "by": self.by, "did": self.did, "text": self.text}


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One task. `id` never changes; every transition is a new value.

    `owner` is a member of the team, None the queue. `first_touch_by` and `resolve_by` are the deadlines as last
    computed: they stand still with a paused clock and move when it runs on. `level` is the highest reached on the
    clock that counts; `breached` stays true. `was` is the status a snoozed task wakes to.
    """

    id: str
    account: str
    type: str
    reason: str
    title: str
    body: str = ""
    owner: str | None = None
    play: str | None = None
    journey: str | None = None
    step: str | None = None
    severity: Severity | None = None
    priority: int = 50
    checklist: tuple[str, ...] = ()
    evidence: Any = None
    context: dict[str, Any] = {}
    status: TaskStatus = TaskStatus.OPEN
    was: TaskStatus | None = None
    sla: str | None = None
    first_touch: SlaClock | None = None
    resolve: SlaClock | None = None
    first_touch_by: Instant | None = None
    resolve_by: Instant | None = None
    level: int = 0
    breached: bool = False
    raised: int = 1
    created_at: Instant
    started_at: Instant | None = None
    waiting_since: Instant | None = None
    snoozed_until: Instant | None = None
    closed_at: Instant | None = None
    outcome: Outcome | None = None
    close_reason: str | None = None
    notes: tuple[Note, ...] = ()

    @property
    def dedupe_key(self) -> tuple[str, str, str]:
        """While a task of this key is not closed, the same is raised again instead of made anew."""
        return self.account, self.type, self.reason

    def as_json(self) -> dict[str, Any]:
        """The public fields of interfaces.md §3, and those that explain them."""
        return {
            "id": self.id,
            "account": self.account,
            "owner": self.owner,
            "type": self.type,
            "title": self.title,
            "body": self.body,
            "reason": self.reason,
            "play": self.play,
            "journey": self.journey,
            "severity": self.severity,
            "priority": self.priority,
            "checklist": list(self.checklist),
            "evidence": self.evidence,
            "context": self.context,
            "status": self.status.value,
            "first_touch_by": iso_or_none(self.first_touch_by),
            "resolve_by": iso_or_none(self.resolve_by),
            "breached": self.breached,
            "level": self.level,
            "raised": self.raised,
            "created_at": iso(self.created_at),
            "started_at": iso_or_none(self.started_at),
            "waiting_since": iso_or_none(self.waiting_since),
            "snoozed_until": iso_or_none(self.snoozed_until),
            "closed_at": iso_or_none(self.closed_at),
            "outcome": self.outcome.value if self.outcome is not None else None,
            "close_reason": self.close_reason,
            "notes": [note.as_json() for note in self.notes],
        }


def task_id(account: str, kind: str, reason: str, *cause: str | int) -> str:
    """The identity of a task, 32 hex digits. `cause` is what made it: a journey with step and visit, or another
    task with its level; the same cause makes the same task, however often a process dies."""
    return identity("task", account, kind, reason, *cause)
