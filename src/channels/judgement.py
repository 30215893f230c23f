"""Which message may go now: the order of semantics §7 as one pure function.

The first step that stops a message decides. What would be held or sent past its time is expired instead, so a
message that is settled for a better reason (its journey ended, the person left) says that one.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import replace

from channels import checks
from channels.checks import Case, Finding, Step
from channels.facts import Facts
from channels.message import UNCAPPED, Message, MessageClass, Reason, Status
from channels.policies import Policies
from signals.instant import Duration, Instant, iso_or_none

_Passing: TypeAlias = Callable[[Message], str | None]


class Check(msgspec.Struct, frozen=True):
    """One step of a decision: its name, whether it let the message pass, and the JSON it saw."""

    check: str
    passed: bool
    saw: Any

    def as_json(self) -> dict[str, Any]:
        """The row of `decision.checks` (interfaces.md §3)."""
        return {"check": self.check, "passed": self.passed, "saw": self.saw}


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a message at an instant. `outcome` is SENT where it may go now.

    Of a hold, `until` is the exact instant at which its reason ends (None: only an event ends it, or the settling
    of the message `waits_for`), `expires_at` when the message would expire under this reason; `look_at` is the
    earlier one, the instant at which it must be judged again at the latest.
    """

    at: Instant
    outcome: Status
    reason: Reason | None
    checks: tuple[Check, ...]
    detail: str | None = None
    until: Instant | None = None
    expires_at: Instant | None = None
    waits_for: str | None = None
    quiet_time: Duration = 0

    @property
    def may_go(self) -> bool:
        """Whether every check passed."""
        return self.outcome is Status.SENT

    @property
    def look_at(self) -> Instant | None:
        """When a held message must be judged again, None where only an event can tell."""
        return min((at for at in (self.until, self.expires_at) if at is not None), default=None)

    def is_news(self, message: Message) -> bool:
        """Whether this is worth a decision row: outcome or reason changed."""
        return (message.status, message.reason) != (self.outcome, self.reason)

    def applied_to(self, message: Message) -> Message:
        """The message after this judgement. One that may go is queued without a hold: sending it decides the rest."""
        return replace(
            message,
            status=Status.QUEUED if self.may_go else self.outcome,
            reason=self.reason,
            detail=self.detail,
            next_attempt_at=self.look_at,
            held_since=self._held_since(message),
            held_until=self.until,
            quiet_time=self.quiet_time,
        )

    def _held_since(self, message: Message) -> Instant | None:
        if self.outcome is not Status.HELD:
            return None
        # Quiet time is settled at every judgement, so its span begins anew.
        if self.is_news(message) or self.reason is Reason.QUIET_HOURS:
            return self.at
        return message.held_since


def judge(message: Message, facts: Facts, policies: Policies, now: Instant) -> Judgement:
    """The judgement of one due message. Pure, except that a `facts.content_failure` function is called once."""
    case = Case(message, facts, policies, now)
    seen: list[Check] = []
    for name, step, passing in _STEPS:
        passes = passing(message)
        finding = Finding({"passes": passes}) if passes else step(case)
        seen.append(Check(name, finding.outcome is None, finding.saw))
        if finding.outcome is not None:
            return _conclude(case, finding, seen)
    return _conclude(case, Finding(None, Status.SENT), seen)


def quiet_time(message: Message, now: Instant) -> Duration:
    """For how long the message has been held for quiet hours. A late look does not make them longer."""
    if message.status is not Status.HELD or message.reason is not Reason.QUIET_HOURS:
        return message.quiet_time
    since = now if message.held_since is None else message.held_since
    until = now if message.held_until is None else min(now, message.held_until)
    return message.quiet_time + max(0, until - since)


def _conclude(case: Case, finding: Finding, seen: list[Check]) -> Judgement:
    if finding.outcome is Status.HELD and (late := _validity(case)).outcome is not None:
        seen.append(Check("validity", False, late.saw))
        finding = late if case.message.status is Status.HELD else _because(late, finding)
    held = finding.outcome is Status.HELD
    return Judgement(
        at=case.now,
        outcome=finding.outcome or Status.SENT,
        reason=finding.reason,
        checks=tuple(seen),
        detail=finding.detail,
        until=finding.until,
        expires_at=_expires_under(finding.reason, case) if held else None,
        waits_for=finding.waits_for,
        quiet_time=quiet_time(case.message, case.now),
    )


def _because(late: Finding, hold: Finding) -> Finding:
    """Expired at its very first hold: that is the last reason there is."""
    return Finding(late.saw, late.outcome, hold.reason)


def _validity(case: Case) -> Finding:
    """Whether the message has outlived its time, with the last reason that kept it."""
    expires_at = _expires_at(case)
    saw = {"expires_at": iso_or_none(expires_at)}
    if expires_at is None or case.now < expires_at:
        return Finding(saw)
    return Finding(saw, Status.EXPIRED, case.message.reason or Reason.LATE)


def _expires_at(case: Case) -> Instant | None:
    """`valid_until` on the wall clock, else the policy's time to live, which stands still in quiet hours."""
    message, ttl = case.message, case.policies.hold_ttl
    if message.valid_until is not None:
        return message.valid_until
    return None if ttl is None else message.due_at + ttl + quiet_time(message, case.now)


def _expires_under(reason: Reason | None, case: Case) -> Instant | None:
    stands_still = reason is Reason.QUIET_HOURS and case.message.valid_until is None
    return None if stands_still else _expires_at(case)


def _nothing(_message: Message) -> str | None:
    return None


def _transactional(message: Message) -> str | None:
    return "transactional" if message.cls is MessageClass.TRANSACTIONAL else None


def _machine(message: Message) -> str | None:
    """A webhook is for no person: what protects people does not hold it."""
    return "webhook" if message.channel == "webhook" else None


def _alone(message: Message) -> str | None:
    return _machine(message) or _transactional(message)


def _not_marketing(message: Message) -> str | None:
    return None if message.cls is MessageClass.MARKETING else message.cls.value


def _uncapped(message: Message) -> str | None:
    return message.channel if message.channel in UNCAPPED else _transactional(message)


_STEPS: tuple[tuple[str, Step, _Passing], ...] = (
    ("journey", checks.journey, _nothing),
    ("contact", checks.contact, _machine),
    ("suppression", checks.suppression, _machine),
    ("consent", checks.consent, _machine),
    ("sending", checks.sending, _nothing),
    ("account_hold", checks.account_hold, _not_marketing),
    ("duplicate", checks.duplicate, _alone),
    ("arbitration", checks.arbitration, _alone),
    ("contact_cap", checks.contact_cap, _uncapped),
    ("account_cap", checks.account_cap, _uncapped),
    ("role_gap", checks.role_gap, _uncapped),
    ("quiet_hours", checks.quiet_hours, _uncapped),
    ("validity", _validity, _nothing),
    ("release", checks.release, _nothing),
    ("rate", checks.rate, _nothing),
    ("content", checks.content, _nothing),
    ("control", checks.control, _transactional),
)
"""Each step, and which messages pass it unseen and why."""
