"""Walking journeys through their steps: as far as each goes now (semantics §5 "Steps"). Pure."""

from typing import Any

import msgspec

from channels.business_time import next_open
from channels.local_time import first_zone
from channels.message import identity
from journeys.engine import Run
from journeys.journey import Journey, JourneyStatus, share
from journeys.reaching import entered, message_step, moved_to, offer_step, task_step, webhook_step
from journeys.unseen import fall_through, next_fallback
from plays.experiments import place_in
from plays.play import CompiledPlay, Op
from plays.recipients import lanes
from plays.steps import SplitStep, UpdateStep, WaitStep, Window
from signals.attributes import account_value, contact_value, zone
from signals.conditions import Node
from signals.conditions.node import soonest
from signals.event import Event
from signals.instant import Instant
from signals.operators import as_instant, dig
from signals.watch import OWN_SOURCE

LONGEST_RUN = 100
"""More steps than this without a wait is a loop: `failed:loop`."""


def advance(run: Run, journey: Journey) -> Journey:
    """As far as the journey goes now: to a wait, to a message it must wait for, or to its end."""
    play = run.playbook.version(journey.play, journey.version)
    if play.paused:
        return run.put(msgspec.structs.replace(journey, wakes_at=None))
    journey = fall_through(run, journey, play)
    while journey.step is not None or not (journey.pending or journey.calls):
        if journey.step is None:
            return run.finish(journey, JourneyStatus.COMPLETED, None)
        op = play.program.ops[journey.step]
        if op.kind in ("message", "offer") and journey.pending:
            break
        if op.kind == "offer" and run.updates:
            break  # what was offered at this very instant counts first
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
    moment, wakes = run.moment(journey), next_fallback(journey)
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


def _deadline(run: Run, journey: Journey, body: WaitStep) -> Instant | None:
    """When the wait is over at the latest; None for an instant that is missing."""
    assert journey.waiting_since is not None
    if body.for_ is not None:
        return journey.waiting_since + body.for_
    if body.window is not None:
        return _opening(run, journey, body.window)
    assert body.at is not None
    root, *path = body.at.split(".")
    if root == "account":
        value, _ = account_value(run.profile, tuple(path), run.now)
    else:
        value = dig({"event": journey.cause.as_plain() if journey.cause else {}}, (root, *path))
    instant = as_instant(value) if isinstance(value, str) else None
    return None if instant is None else instant + body.offset


def _opening(run: Run, journey: Journey, window: Window) -> Instant:
    """When the window is open next: now, where it is. Whose clock counts is seen at every look."""
    names: list[Any] = [run.playbook.zone]
    if window.zone != "service":
        names.insert(0, zone(run.profile))
    if window.zone == "contact":
        names.insert(0, _addressee_zone(run, journey))
    calendar = window.calendar(first_zone(*names), run.playbook.policies.calendar.holidays)
    return next_open(run.now, calendar)


def _addressee_zone(run: Run, journey: Journey) -> Any:
    """The zone of whom the next message would go to now, the first of several; None where that is nobody."""
    program = run.playbook.version(journey.play, journey.version).program
    step = program.next_message(journey.step)
    people = () if step is None else (lane.contact for lane in lanes(step, run.profile, run.now))
    person = next((person for person in people if person is not None), None)
    return None if person is None else contact_value(run.profile, person, ("timezone",), run.now)


def _wait_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    """On, or the same step with `waiting_since` set: it waits."""
    body: WaitStep = op.body
    if journey.waiting_since is None:
        journey = msgspec.structs.replace(journey, waiting_since=run.now)
    until: Node | None = op.until
    holds = False if until is None else until.test(run.moment(journey))[0]
    if holds:
        return moved_to(journey, op.next)
    deadline = _deadline(run, journey, body)
    if (deadline is not None and run.now < deadline) or holds is None:
        return journey  # while its condition is unknown it waits on
    return moved_to(journey, (op.else_ or op.next) if until is not None else op.next)


def _branch_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    for node, target in op.arms:
        if node is None or node.test(run.moment(journey))[0]:
            return moved_to(journey, target)
    return moved_to(journey, op.next)


def _split_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    """Into an arm, or past all of them as the split's own control. What is only compared with enters no experiment."""
    body: SplitStep = op.body
    if share(f"{body.key}/control", journey.account) < body.control:
        _expose(run, journey, op, "control")
        return moved_to(journey, op.next, arm=journey.arm if journey.withheld else "control")
    chosen = place_in([arm.weight for arm in body.arms], share(body.key, journey.account))
    name = body.arms[chosen].name
    _expose(run, journey, op, name)
    return moved_to(journey, op.arms[chosen][1], arm=journey.arm if journey.withheld else name)


def _expose(run: Run, journey: Journey, op: Op, arm: str) -> None:
    if not journey.withheld:
        run.expose(journey, op.exposed, op.body.key, arm)


def _update_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    body: UpdateStep = op.body
    visit, visits = entered(journey, op)
    if journey.withheld:
        run.decide("task", "withheld", "control", journey, also=f"{op.id}/{visit}")
        return moved_to(journey, op.next, visits=visits)
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
    return moved_to(journey, op.next, visits=visits)


def _goto_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    return moved_to(journey, str(op.body))


def _end_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    return moved_to(journey, None)


_STEPS: dict[str, Any] = {
    "message": message_step,
    "offer": offer_step,
    "webhook": webhook_step,
    "task": task_step,
    "wait": _wait_step,
    "branch": _branch_step,
    "split": _split_step,
    "update": _update_step,
    "goto": _goto_step,
    "end": _end_step,
}
