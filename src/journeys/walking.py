"""Walking journeys through their steps: as far as each goes now (semantics §5 "Steps"). Pure."""

from bisect import bisect_right
from itertools import accumulate
from typing import Any

import msgspec

from channels.address import BadAddress, normalise
from channels.message import Message, MessageClass, identity, message_id
from journeys.engine import Run, TaskOrder
from journeys.journey import Journey, JourneyStatus, share
from plays.play import CompiledPlay, Op
from plays.recipients import Lane, lanes
from plays.steps import MessageStep, SplitStep, TaskStep, UpdateStep, WaitStep
from signals.attributes import account_value
from signals.conditions import Node
from signals.conditions.node import soonest
from signals.event import Event
from signals.instant import Instant
from signals.operators import as_instant, dig
from signals.profile import address
from signals.watch import OWN_SOURCE

LONGEST_RUN = 100
"""More steps than this without a wait is a loop: `failed:loop`."""


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
