"""Moving journeys: start, exit, goal, steps (semantics §5). Pure: what should happen is noted in a `Run`."""

from bisect import bisect_right
from collections import Counter
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec

from channels.address import BadAddress, normalise
from channels.message import Message, MessageClass, identity, message_id
from journeys.journey import Cause, Decision, Journey, JourneyStatus, decide, journey_id, ledger_key, share
from journeys.playbook import Playbook
from journeys.state import AccountState
from plays.play import CompiledPlay, Op
from plays.recipients import Lane, lanes
from plays.steps import MessageStep, SplitStep, TaskStep, UpdateStep, WaitStep
from signals.attributes import account_value
from signals.conditions import Moment, Node
from signals.conditions.node import soonest
from signals.event import Event
from signals.instant import Instant
from signals.operators import as_instant, dig
from signals.profile import address
from signals.watch import OWN_SOURCE

LONGEST_RUN = 100
"""More steps than this without a wait is a loop: `failed:loop`."""


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
            return Moment(self.profile, self.now)
        event = None if journey.cause is None else journey.cause.as_event(journey.account)
        contact = self.profile.contacts.get(event.contact) if event is not None and event.contact else None
        return Moment(self.profile, self.now, event, contact, journey.key)

    def put(self, journey: Journey) -> Journey:
        """Keep the journey as it is now."""
        self.moved[journey.id] = journey
        others = [other for other in self.state.journeys if other.id != journey.id]
        self.state.journeys = [*others, journey] if journey.is_live else others
        return journey

    def finish(self, journey: Journey, status: JourneyStatus, reason: str | None) -> Journey:
        """End the journey; what is queued and not handed over dies with it, unless it completed."""
        self.state.ended = {**self.state.ended, ledger_key(journey.play, journey.key): self.now}
        if journey.pending:
            self.dead.append(journey.id)
        if self.playbook.version(journey.play, journey.version).play.close_tasks:
            self.close_tasks.append(journey.id)
        return self.put(
            msgspec.structs.replace(
                journey,
                status=status,
                reason=reason,
                ended_at=self.now,
                wakes_at=None,
                waiting_since=None,
                pending=[],
            )
        )

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


# ── exits and goals ─────────────────────────────────────────────────────────────────────────────────────────────


def check_ends(run: Run) -> None:
    """Goal, then exit, of every live journey: at every event and every `until`."""
    for journey in list(run.state.journeys):
        play = run.playbook.version(journey.play, journey.version)
        if play.paused:
            continue  # live journeys stand still
        if _goal_met(run, journey, play):
            run.finish(journey, JourneyStatus.COMPLETED, "goal")
        elif play.exit is not None and play.exit.test(run.moment(journey))[0]:
            run.finish(journey, JourneyStatus.EXITED, "exit")


def _goal_met(run: Run, journey: Journey, play: CompiledPlay) -> bool:
    if play.goal is None or play.play.goal is None:
        return False
    in_window = run.now <= journey.started_at + play.play.goal.within
    return in_window and bool(play.goal.test(run.moment(journey))[0])


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
    moment = Moment(run.profile, run.now, candidate.cause.as_event(run.profile.id), None, key)

    def failed(name: str, bad: bool, saw: Any) -> bool:
        checks.append({"check": name, "passed": not bad, "saw": saw})
        return bad

    live = [other for other in run.state.journeys if other.play == play.key and other.key == key]
    if failed("too_old", candidate.too_old, candidate.cause.type):
        return "too_old", checks
    if failed("play_paused", play.paused or play.draining, "paused" if play.paused else "active"):
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
    return run.put(
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


# ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────────


def advance(run: Run, journey: Journey) -> Journey:
    """As far as the journey goes now: to a wait, to a message it must wait for, or to its end."""
    play = run.playbook.version(journey.play, journey.version)
    if play.paused:
        return run.put(msgspec.structs.replace(journey, wakes_at=None))
    while journey.step is not None or not journey.pending:
        if journey.step is None:
            return run.finish(journey, JourneyStatus.COMPLETED, None)
        op = play.program.ops[journey.step]
        if op.kind == "message" and journey.pending:
            break
        if run.steps_of(journey) > LONGEST_RUN:
            return run.finish(journey, JourneyStatus.FAILED, "loop")
        moved: Journey = _STEPS[op.kind](run, journey, op, play)
        waits = moved.step == journey.step and moved.waiting_since is not None
        journey = moved
        if waits or run.updates:
            break  # it waits, or what it changed is to be seen by everything first
    return run.put(msgspec.structs.replace(journey, wakes_at=_wakes_at(run, journey, play)))


def _wakes_at(run: Run, journey: Journey, play: CompiledPlay) -> Instant | None:
    """When this journey is to be looked at without an event: its wait, its exit, its goal."""
    moment, wakes = run.moment(journey), None
    for node in (play.exit, play.goal):
        if node is not None:
            wakes = soonest(wakes, node.test(moment)[1])
    op = play.program.ops.get(journey.step) if journey.step else None
    if op is not None and isinstance(op.body, WaitStep) and journey.waiting_since is not None:
        deadline = _deadline(run, journey, op.body)
        wakes = soonest(wakes, deadline if deadline is not None and deadline > run.now else None)
        if op.until is not None:
            wakes = soonest(wakes, op.until.test(moment)[1])
    return None if wakes is None else max(wakes, run.now + 1)


def _to(journey: Journey, step: str | None, **changes: Any) -> Journey:
    return msgspec.structs.replace(journey, step=step, waiting_since=None, **changes)


def _visit(journey: Journey, op: Op) -> tuple[int, dict[str, int]]:
    visit = journey.visits.get(op.id, 0) + 1
    return visit, {**journey.visits, op.id: visit}


def _message_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    body: MessageStep = op.body
    visit, visits = _visit(journey, op)
    journey = msgspec.structs.replace(journey, visits=visits)
    pending, vacant = [], []
    for place, lane in enumerate(lanes(body, run.profile, run.now)):
        if lane.contact is None:
            vacant.append(lane)
            continue
        message = _message(run, journey, op, lane, visit, place, play)
        run.messages.append(message)
        pending.append(message.id)
    journey = msgspec.structs.replace(journey, pending=pending)
    following = op.next
    for lane in vacant:
        run.decide(
            "send",
            "not_sent",
            "role_vacant",
            journey,
            checks=[{"check": "role", "passed": False, "saw": lane.role}],
            also=f"{op.id}/{lane.role}",
        )
        if op.vacant is not None:
            following = op.vacant
        elif (body.if_vacant or play.play.if_vacant) == "task":
            _order(
                run,
                journey,
                _find_person(lane.role, run.profile.value("name") or run.profile.id),
                f"{op.id}/{lane.role}",
                visit,
            )
    return _to(journey, following)


def _find_person(role: str, account: str) -> TaskStep:
    words = role.replace("_", " ")
    return TaskStep(
        title=f"Find the {words} at {account}".replace("{", "").replace("}", ""),
        type="role_vacant",
        reason=f"role_vacant:{role}",
    )


def _message(
    run: Run, journey: Journey, op: Op, lane: Lane, visit: int, place: int, play: CompiledPlay
) -> Message:
    body: MessageStep = op.body
    contact = lane.contact
    assert contact is not None
    content = run.playbook.content(body.content, lane.role, run.profile.stage)
    return Message(
        id=message_id(journey.id, op.id, visit, contact.id),
        journey=journey.id,
        play=journey.play,
        version=journey.version,
        step=op.id,
        visit=visit,
        lane=place,
        account=journey.account,
        contact=contact.id,
        role=lane.role,
        address=usable_address(address(contact)) if lane.channel != "in_app" else None,
        channel=lane.channel,  # type: ignore[arg-type]  # one of the words the step's model allows
        content=body.content,
        cls=MessageClass(body.cls or play.play.cls or (content.class_ if content else "marketing")),
        topic=body.topic or (content.topic if content else None),
        priority=journey.priority,
        due_at=run.now,
        valid_until=None if body.valid_for is None else run.now + body.valid_for,
        next_attempt_at=run.now,
        arm_control=journey.withheld,
    )


def usable_address(text: str | None) -> str | None:
    """The one normal form of an address, None where there is none that could be written to."""
    try:
        return None if text is None else normalise(text)
    except BadAddress:
        return None


def _task_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    visit, visits = _visit(journey, op)
    _order(run, journey, op.body, op.id, visit)
    return _to(journey, op.next, visits=visits)


def _order(run: Run, journey: Journey, body: TaskStep, step: str, visit: int) -> None:
    """A task is ordered, or withheld from a control account; either leaves a decision."""
    task = identity("task", journey.id, step, visit)
    if journey.withheld:
        run.decide("task", "withheld", "control", journey, task=task)
        return
    cause = journey.cause
    signal = (
        cause.type.removeprefix("signal.") if cause is not None and cause.type.startswith("signal.") else None
    )
    trigger = run.playbook.version(journey.play, journey.version).play.trigger.signal
    state = run.profile.signals.get(trigger or signal or "")
    run.tasks.append(
        TaskOrder(
            id=task,
            account=journey.account,
            to=body.to,
            type=body.type or body.content or (step if not step[:1].isdigit() else "task"),
            title=body.title,
            content=body.content,
            reason=body.reason or trigger or signal or journey.play,
            sla=body.sla,
            priority=journey.priority if body.priority is None else body.priority,
            play=journey.play,
            version=journey.version,
            journey=journey.id,
            severity=journey.severity or "warning",
            checklist=body.checklist,
            evidence=list(state.evidence) if state is not None else [],
            cause=cause,
            at=run.now,
        )
    )
    run.decide("task", "created", None, journey, task=task)


def _deadline(run: Run, journey: Journey, body: WaitStep) -> Instant | None:
    """When the wait is over at the latest; None for an instant that is missing."""
    assert journey.waiting_since is not None
    if body.for_ is not None:
        return journey.waiting_since + body.for_
    assert body.at is not None
    root, *path = body.at.split(".")
    if root == "account":
        value, _ = account_value(run.profile, tuple(path), run.now)
    else:
        value = dig({"event": journey.cause.as_plain() if journey.cause else {}}, (root, *path))
    instant = as_instant(value) if isinstance(value, str) else None
    return None if instant is None else instant + body.offset


def _wait_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    """On, or the same step with `waiting_since` set: it waits."""
    body: WaitStep = op.body
    if journey.waiting_since is None:
        journey = msgspec.structs.replace(journey, waiting_since=run.now)
    until: Node | None = op.until
    holds = False if until is None else until.test(run.moment(journey))[0]
    if holds:
        return _to(journey, op.next)
    deadline = _deadline(run, journey, body)
    if (deadline is not None and run.now < deadline) or holds is None:
        return journey  # while its condition is unknown it waits on
    return _to(journey, (op.else_ or op.next) if until is not None else op.next)


def _branch_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    for node, target in op.arms:
        if node is None or node.test(run.moment(journey))[0]:
            return _to(journey, target)
    return _to(journey, op.next)


def _split_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    body: SplitStep = op.body
    if share(f"{body.key}/control", journey.account) < body.control:
        return _to(journey, op.next, arm=journey.arm if journey.withheld else "control")
    place = share(body.key, journey.account) / 100 * sum(arm.weight for arm in body.arms)
    reached = list(accumulate(arm.weight for arm in body.arms))
    chosen = min(bisect_right(reached, place), len(reached) - 1)
    arm = journey.arm if journey.withheld else body.arms[chosen].name
    return _to(journey, op.arms[chosen][1], arm=arm)


def _update_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    body: UpdateStep = op.body
    visit, visits = _visit(journey, op)
    if journey.withheld:
        run.decide("task", "withheld", "control", journey, also=f"{op.id}/{visit}")
        return _to(journey, op.next, visits=visits)
    identifier = identity("update", journey.id, op.id, visit)
    told: list[tuple[str, dict[str, Any]]] = (
        [("crm.account_updated", {"attributes": body.attributes})] if body.attributes else []
    )
    if body.tags.add or body.tags.remove:
        told.append(("account.tagged", {"add": body.tags.add, "remove": body.tags.remove}))
    for event_type, data in told:
        run.updates.append(
            Event(
                f"{identifier}/{event_type}",
                OWN_SOURCE,
                event_type,
                run.now,
                journey.account,
                None,
                data,
                run.now,
            )
        )
    return _to(journey, op.next, visits=visits)


def _goto_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    return _to(journey, str(op.body))


def _end_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    return _to(journey, None)


_STEPS: dict[str, Any] = {
    "message": _message_step,
    "task": _task_step,
    "wait": _wait_step,
    "branch": _branch_step,
    "split": _split_step,
    "update": _update_step,
    "goto": _goto_step,
    "end": _end_step,
}
