"""The fourteen steps of semantics §7, one small function each: what was seen, and whether the message stops here."""

from collections.abc import Callable
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from channels.caps import room_today, room_within
from channels.facts import ContentFailure, Facts, Rival, RivalState
from channels.local_time import first_zone
from channels.message import Message, MessageClass, Reason, Status
from channels.policies import Policies
from channels.quiet_hours import is_quiet, quiet_ends
from signals.instant import MINUTE, WEEK, Duration, Instant, iso_or_none, to_datetime

READ_AGAIN_AFTER = MINUTE
"""How soon a consent or suppression that could not be read is read again."""


class Case(msgspec.Struct, frozen=True):
    """One message before the judge."""

    message: Message
    facts: Facts
    policies: Policies
    now: Instant

    @property
    def place(self) -> ZoneInfo:
        """The zone whose clock counts: the contact's, else the account's, else the service's."""
        return first_zone(*self.facts.zones)

    @property
    def is_control(self) -> bool:
        """Whether the message belongs to a holdout, a control arm or the global control group."""
        return self.message.arm_control or self.facts.control


class Finding(msgspec.Struct, frozen=True):
    """What a step saw (JSON), and where it stops the message: outcome, reason, and until when for a hold."""

    saw: Any
    outcome: Status | None = None
    reason: Reason | None = None
    until: Instant | None = None
    detail: str | None = None
    waits_for: str | None = None


Step: TypeAlias = Callable[[Case], Finding]


def journey(case: Case) -> Finding:
    """1. A journey that has ended, or would at this instant, sends nothing more."""
    facts = case.facts
    saw = {"live": facts.journey_live, "exit": facts.exit_holds, "goal": facts.goal_holds}
    if facts.journey_live and not facts.exit_holds and not facts.goal_holds:
        return Finding(saw)
    return Finding(saw, Status.CANCELLED, Reason.JOURNEY_ENDED)


def contact(case: Case) -> Finding:
    """2. The person is there, and has an address where the channel needs one (in-app does not)."""
    saw = {"open": case.facts.contact_open, "address": case.message.address is not None}
    if not case.facts.contact_open:
        return Finding(saw, Status.SUPPRESSED, Reason.CONTACT_CLOSED)
    if case.message.channel != "in_app" and not case.message.address:
        return Finding(saw, Status.SUPPRESSED, Reason.NO_ADDRESS)
    return Finding(saw)


def suppression(case: Case) -> Finding:
    """3. The suppression list. A list that cannot be read is a no: held, never sent."""
    if not case.facts.readable:
        return _held(Reason.CONSENT_UNREADABLE, case.now + READ_AGAIN_AFTER, {"readable": False})
    cause = case.facts.suppression
    if cause is None:
        return Finding({"listed": None})
    return Finding({"listed": cause}, Status.SUPPRESSED, Reason(cause))


def consent(case: Case) -> Finding:
    """4. Consent for the channel and, unless transactional, the topic; unset is yes unless the topic is opt-in."""
    facts, topic = case.facts, case.message.topic
    saw = {"channel": facts.channel_consent, "topic": facts.topic_consent, "name": topic}
    if facts.channel_consent is False:
        return Finding(saw, Status.SUPPRESSED, Reason.UNSUBSCRIBED)
    if case.message.cls is MessageClass.TRANSACTIONAL:
        return Finding(saw)
    if facts.topic_consent is False:
        return Finding(saw, Status.SUPPRESSED, Reason.UNSUBSCRIBED)
    if facts.topic_consent is None and case.policies.needs_opt_in(topic):
        return Finding(saw, Status.SUPPRESSED, Reason.NOT_OPTED_IN)
    return Finding(saw)


def sending(case: Case) -> Finding:
    """The operator's switches: all sending stopped, or this play paused. What they hold may still expire."""
    saw = {"stopped": case.facts.sending_stopped, "play_paused": case.facts.play_paused}
    if case.facts.sending_stopped:
        return _held(Reason.SENDING_STOPPED, None, saw)
    if case.facts.play_paused:
        return _held(Reason.PLAY_PAUSED, None, saw)
    return Finding(saw)


def account_hold(case: Case) -> Finding:
    """5. While the account is on hold, marketing waits for the event that ends it."""
    saw = {"holds": list(case.facts.account_holds)}
    return _held(Reason.ACCOUNT_HOLD, None, saw) if case.facts.account_holds else Finding(saw)


def duplicate(case: Case) -> Finding:
    """6. The same content on the same channel, sent to this person just now."""
    last, window = case.facts.last_same_content_at, case.policies.duplicate_window
    saw = {"last": iso_or_none(last)}
    if window is None or last is None or case.now - last >= window:
        return Finding(saw)
    return Finding(saw, Status.SUPPRESSED, Reason.DUPLICATE)


def arbitration(case: Case) -> Finding:
    """7. A marketing message of higher priority to the same person goes first, and has the window to itself."""
    window = case.policies.arbitration_window
    if window is None:
        return Finding("off")
    above = [rival for rival in case.facts.rivals if _outranks(rival, case, window)]
    if not above:
        return Finding({"outranked_by": []})
    ends = [_rival_ends(rival, case.now, window) for rival in above]
    until = None if None in ends else max(end for end in ends if end is not None)
    first = max(above, key=lambda rival: rival.priority)
    shown = [{"id": rival.id, "priority": rival.priority, "state": rival.state.value} for rival in above]
    return Finding({"outranked_by": shown}, Status.HELD, Reason.OUTRANKED, until, waits_for=first.id)


def contact_cap(case: Case) -> Finding:
    """8. How often one person is written to: per local calendar day, and in any seven days."""
    cap, sends = case.policies.contact_cap, case.facts.contact_sends
    if cap is None:
        return Finding("off")
    today = room_today(sends, cap.per_day, case.now, case.place)
    week = room_within(sends, cap.per_7d, case.now, WEEK)
    saw = {"today": today.used, "per_day": cap.per_day, "last_7d": week.used, "per_7d": cap.per_7d}
    full = [room.full_until for room in (today, week) if room.full_until is not None]
    return _held(Reason.CONTACT_CAP, max(full), saw) if full else Finding(saw)


def account_cap(case: Case) -> Finding:
    """9a. How often the people of one account are written to."""
    cap = case.policies.account_cap
    if cap is None:
        return Finding("off")
    week = room_within(case.facts.account_sends, cap.per_7d, case.now, WEEK)
    saw = {"last_7d": week.used, "per_7d": cap.per_7d}
    return _held(Reason.ACCOUNT_CAP, week.full_until, saw) if week.full_until is not None else Finding(saw)


def role_gap(case: Case) -> Finding:
    """9b. A day between two people of one account, except those of one step."""
    last, gap = case.facts.last_other_contact_send_at, case.policies.role_gap
    saw = {"last": iso_or_none(last)}
    if gap is None or last is None or case.now - last >= gap:
        return Finding(saw)
    return _held(Reason.ROLE_GAP, last + gap, saw)


def quiet_hours(case: Case) -> Finding:
    """10. Not at night, nor on days off, on the person's own clock."""
    policy = case.policies.quiet_hours
    if policy is None:
        return Finding("off")
    place = case.place
    saw = {"zone": place.key, "local": to_datetime(case.now).astimezone(place).isoformat()}
    if not is_quiet(case.now, policy.rule, place):
        return Finding(saw)
    return _held(Reason.QUIET_HOURS, quiet_ends(case.now, policy.rule, place), saw)


def release(case: Case) -> Finding:
    """11a. Of what was held, one message per account and minute: no burst at 08:00."""
    last, every = case.facts.last_release_at, case.policies.release_every
    saw = {"held": case.message.status is Status.HELD, "last": iso_or_none(last)}
    if case.message.status is not Status.HELD or every is None or last is None or case.now - last >= every:
        return Finding(saw)
    return _held(Reason.RATE, last + every, saw)


def rate(case: Case) -> Finding:
    """11b. No faster than the channel may go. Control uses up no token, so it waits for none."""
    free_at = case.facts.rate_next_at
    saw = {"free_at": iso_or_none(free_at)}
    if free_at is None or free_at <= case.now or case.is_control:
        return Finding(saw)
    return _held(Reason.RATE, free_at, saw)


def content(case: Case) -> Finding:
    """12. The content can be made for this person."""
    failure = case.facts.content_failure
    if failure is not None and not isinstance(failure, ContentFailure):
        failure = failure()
    if failure is None:
        return Finding({"fails": None})
    return Finding({"fails": failure.detail}, Status.FAILED, failure.reason, detail=failure.detail)


def control(case: Case) -> Finding:
    """13. What control would have got."""
    saw = {"control": case.is_control}
    return Finding(saw, Status.WITHHELD, Reason.CONTROL) if case.is_control else Finding(saw)


def _held(reason: Reason, until: Instant | None, saw: Any) -> Finding:
    return Finding(saw, Status.HELD, reason, until)


def _outranks(rival: Rival, case: Case, window: Duration) -> bool:
    if not rival.marketing or rival.priority <= case.message.priority or rival.id == case.message.id:
        return False
    if rival.state is RivalState.DUE:
        return rival.at - case.now <= window
    return rival.state is RivalState.QUEUED or case.now - rival.at < window


def _rival_ends(rival: Rival, now: Instant, window: Duration) -> Instant | None:
    """When to look again because of this rival; None where only its being settled tells."""
    if rival.state is RivalState.SENT:
        return rival.at + window
    return rival.at if rival.at > now else None
