"""Starting journeys: every candidate and why it did or did not (semantics §5 "Start"). Pure: what is to be done is noted in a `Run`."""

from collections import Counter
from typing import Any, NamedTuple

import msgspec

from channels.message import Message, identity
from journeys.journey import (
    Cause,
    Decision,
    Journey,
    JourneyStatus,
    decide,
    journey_id,
    ledger_key,
    share,
)
from journeys.playbook import Playbook
from journeys.state import AccountState
from plays.experiments import EXPOSED, holdout_of
from plays.play import CompiledPlay
from signals.conditions import Moment, Node
from signals.event import Event
from signals.freshness import Feeds
from signals.instant import Instant
from signals.operators import dig
from signals.profile import Profile
from signals.watch import OWN_SOURCE


class TaskOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A task to be made for a human of ours; who gets it and by when is decided where it is written down."""

    id: str
    account: str
    to: str
    type: str
    title: str
    content: str | None
    reason: str
    sla: str
    priority: int
    play: str
    version: int
    journey: str
    severity: str
    checklist: list[str] = []
    evidence: list[dict[str, Any]] = []
    cause: Cause | None = None
    at: Instant


def moment_of(profile: Profile, now: Instant, journey: Journey, feeds: Feeds | None = None) -> Moment:
    """What the conditions of a journey see: the profile now, its cause with the person who caused it, its key."""
    event = None if journey.cause is None else journey.cause.as_event(journey.account)
    contact = profile.contacts.get(event.contact) if event is not None and event.contact else None
    return Moment(profile, now, event, contact, journey.key, feeds)


class Run:
    """One reaction in progress: the state being moved, and all that is to be done because of it."""

    def __init__(self, state: AccountState, playbook: Playbook, now: Instant) -> None:
        self.state, self.playbook, self.now = state, playbook, now
        self.profile = state.profile
        self.messages: list[Message] = []
        self.tasks: list[TaskOrder] = []
        self.decisions: list[Decision] = []
        self.moved: dict[str, Journey] = {}
        self.dead: list[str] = []
        self.close_tasks: list[str] = []
        self.updates: list[Event] = []
        self._walked: Counter[str] = Counter()

    def steps_of(self, journey: Journey) -> int:
        """How many steps the journey has taken in this reaction, this one included."""
        self._walked[journey.id] += 1
        return self._walked[journey.id]

    def moment(self, journey: Journey | None = None) -> Moment:
        """What conditions see now; inside a journey also its cause and key."""
        if journey is None:
            return Moment(self.profile, self.now, feeds=self.playbook.feeds)
        return moment_of(self.profile, self.now, journey, self.playbook.feeds)

    def put(self, journey: Journey) -> Journey:
        """Keep the journey as it is now."""
        self.moved[journey.id] = journey
        others = [other for other in self.state.journeys if other.id != journey.id]
        self.state.journeys = [*others, journey] if journey.is_live else others
        return journey

    def finish(self, journey: Journey, status: JourneyStatus, reason: str | None) -> Journey:
        """End the journey; what is queued and not handed over dies with it, unless it completed."""
        self.state.ended = {**self.state.ended, ledger_key(journey.play, journey.key): self.now}
        if journey.pending or journey.calls:
            self.dead.append(journey.id)
        by_itself = status is JourneyStatus.COMPLETED and reason is None
        if self.playbook.version(journey.play, journey.version).play.close_tasks and not by_itself:
            self.close_tasks.append(
                journey.id
            )  # what a journey leaves behind when it is done is still to be done
        ended = msgspec.structs.replace(
            journey,
            status=status,
            reason=reason,
            ended_at=self.now,
            wakes_at=None,
            waiting_since=None,
            pending=[],
            calls=[],
            fallbacks=[],
        )
        if by_itself:
            self.state.goals = [*self.state.goals, *self.watching_goal(ended)]
        return self.put(ended)

    def watching_goal(self, journey: Journey) -> list[Journey]:
        """A journey that ended by itself with the instant to look at its goal again; none once its window is over."""
        play = self.playbook.version(journey.play, journey.version)
        if play.goal is None or play.play.goal is None:
            return []
        over = journey.started_at + play.play.goal.within + 1
        if self.now >= over:
            return []
        until = play.goal.test(self.moment(journey))[1]
        wakes = over if until is None else min(max(until, self.now + 1), over)
        return [msgspec.structs.replace(journey, wakes_at=wakes)]

    def expose(self, journey: Journey, before: Node | None, experiment: str, arm: str) -> None:
        """Note the account's arm once: not where it is known to have been exposed `before`, nor again at this instant."""
        name = identity("exposed", experiment, journey.account)
        if before is None or before.test(self.moment())[0] or any(each.id == name for each in self.updates):
            return
        about = {"play": journey.play, "journey": journey.id}
        self.tell(name, EXPOSED, {"experiment": experiment, "arm": arm, **about})

    def tell(self, name: str, event_type: str, data: dict[str, Any]) -> None:
        """An event of our own about the account: folded within this reaction, and kept with all others."""
        account = self.profile.id
        self.updates.append(Event(name, OWN_SOURCE, event_type, self.now, account, None, data, self.now))

    def decide(self, subject: str, outcome: str, reason: str | None, journey: Journey, **about: Any) -> None:
        """Write down a decision about the journey."""
        self.decisions.append(
            decide(
                self.now,
                journey.account,
                subject,
                outcome,
                reason,
                play=journey.play,
                version=journey.version,
                journey=journey.id,
                **about,
            )
        )


class Candidate(NamedTuple):
    """A play that something would start, and what that was."""

    play: CompiledPlay
    cause: Cause
    severity: str | None
    too_old: bool


# ── starts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def start(run: Run, candidates: list[Candidate]) -> None:
    """Every candidate leaves a decision; highest priority first, then by key (semantics §5 "Start")."""
    for candidate in sorted(candidates, key=lambda one: (-one.play.priority, one.play.key)):
        key = _journey_key(candidate)
        reason, checks = _why_not(run, candidate, key)
        play = candidate.play
        about = {"play": play.key, "version": play.version, "checks": checks, "also": candidate.cause.id}
        account = run.profile.id
        if reason is not None:
            run.decisions.append(decide(run.now, account, "start", "not_started", reason, **about))
            continue
        journey = _begin(run, candidate, key)
        arm = journey.arm if journey.withheld else None
        run.decisions.append(decide(run.now, account, "start", "started", arm, journey=journey.id, **about))


def _journey_key(candidate: Candidate) -> str | None:
    path = candidate.play.play.journey_key
    if path is None:
        return None
    value = dig({"event": candidate.cause.as_plain()}, tuple(path.split(".")))
    return str(value) if value or value == 0 else ""


def _why_not(run: Run, candidate: Candidate, key: str | None) -> tuple[str | None, list[dict[str, Any]]]:
    """The first check that fails, and every check with what it saw."""
    play, checks = candidate.play, []
    cause = candidate.cause.as_event(run.profile.id)
    moment = Moment(run.profile, run.now, cause, None, key, run.playbook.feeds)

    def failed(name: str, bad: bool, saw: Any) -> bool:
        checks.append({"check": name, "passed": not bad, "saw": saw})
        return bad

    live = [other for other in run.state.journeys if other.play == play.key and other.key == key]
    if failed("too_old", candidate.too_old, candidate.cause.type):
        return "too_old", checks
    if failed("play_paused", play.shut is not None, play.shut or "active"):
        return "play_paused", checks
    if failed("already_live", bool(live), live[0].id if live else None):
        return "already_live", checks
    if play.audience is not None:
        holds, because = play.audience.test(moment)[0], list(play.audience.because(moment))
        if failed("audience", not holds, because):
            return ("stale_feed" if holds is None else "audience"), checks
    if failed("re_entry", not _may_re_enter(run, play, key), run.state.ended.get(ledger_key(play.key, key))):
        return "re_entry", checks
    if play.exit is not None:
        holds = play.exit.test(moment)[0]
        if failed("exit_holds", bool(holds), list(play.exit.because(moment))):
            return "exit_holds", checks
    if play.goal is not None:
        holds = play.goal.test(moment)[0]
        if failed("goal_met", bool(holds), list(play.goal.because(moment))):
            return "goal_met", checks
    rivals = [other for other in run.state.journeys if play.play.group and other.group == play.play.group]
    blocking = [other for other in rivals if other.priority >= play.priority]
    if failed("group_busy", bool(blocking), [other.play for other in blocking]):
        return "group_busy", checks
    for other in rivals:
        run.finish(other, JourneyStatus.PREEMPTED, play.key)
    return None, checks


def _may_re_enter(run: Run, play: CompiledPlay, key: str | None) -> bool:
    ended = run.state.ended.get(ledger_key(play.key, key))
    rule = play.play.re_entry
    if ended is None or rule == "always":
        return True
    return rule != "never" and run.now >= ended + int(rule)


def _begin(run: Run, candidate: Candidate, key: str | None) -> Journey:
    play, account = candidate.play, run.profile.id
    arm = None
    if share(f"holdout/{play.key}", account) < play.play.holdout:
        arm = "holdout"
    elif run.playbook.in_control(account):
        arm = "control"
    journey = run.put(
        Journey(
            id=journey_id(account, play.key, key, run.now, candidate.cause.id),
            account=account,
            play=play.key,
            version=play.version,
            priority=play.priority,
            group=play.play.group,
            key=key,
            step=play.program.start,
            started_at=run.now,
            arm=arm,
            cause=candidate.cause,
            severity=candidate.severity,
        )
    )
    kept_out = "holdout" if arm == "holdout" else "treated"
    run.expose(journey, play.held_out, holdout_of(play.key), kept_out)
    run.expose(journey, *run.playbook.control_group(account))
    return journey
