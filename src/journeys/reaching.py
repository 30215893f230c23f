"""Steps that reach somebody: messages, offers, calls of other systems, tasks (semantics §5 "Steps", "Roles"). Pure."""

from typing import Any

import msgspec

from channels.address import BadAddress, normalise
from channels.message import NOBODY, Message, MessageClass, identity, message_id
from journeys.engine import Run, TaskOrder
from journeys.journey import Fallback, Journey
from plays.offers import OFFER_MADE, CompiledOffer, choose
from plays.play import CompiledPlay, Op
from plays.recipients import Lane, lanes, reachable
from plays.steps import MessageStep, OfferStep, TaskStep, WebhookStep
from signals.event import Event
from signals.profile import address
from signals.watch import OWN_SOURCE


def moved_to(journey: Journey, step: str | None, **changes: Any) -> Journey:
    """The journey at another step (None: past the last one), waiting for nothing yet."""
    return msgspec.structs.replace(journey, step=step, waiting_since=None, **changes)


def entered(journey: Journey, op: Op) -> tuple[int, dict[str, int]]:
    """Which visit of the step this is, and all visits with it."""
    visit = journey.visits.get(op.id, 0) + 1
    return visit, {**journey.visits, op.id: visit}


def message_step(
    run: Run, journey: Journey, op: Op, play: CompiledPlay, data: dict[str, Any] | None = None
) -> Journey:
    """A message for each lane that somebody stands in; `data` is what its content sees beside the profile."""
    visit, visits = entered(journey, op)
    journey = msgspec.structs.replace(journey, visits=visits)
    pending, vacant, fallbacks = [], [], []
    for place, lane in enumerate(lanes(op.body, run.profile, run.now)):
        if lane.contact is None:
            vacant.append(lane)
            continue
        message = message_for(run, journey, op, lane, visit, place, play, data)
        run.messages.append(message)
        pending.append(message.id)
        fallbacks += _fallback(op.body, message, lane)
    for lane in vacant:
        _vacant(run, journey, op, lane, visit, play)
    fallbacks = [*journey.fallbacks, *fallbacks]
    journey = msgspec.structs.replace(journey, pending=pending, fallbacks=fallbacks)
    return moved_to(journey, op.vacant if vacant and op.vacant is not None else op.next)


def _fallback(body: MessageStep, message: Message, lane: Lane) -> list[Fallback]:
    """What becomes of an in-app message that is not seen: the next channel of the step the person can be reached on."""
    contact = lane.contact
    if contact is None or message.channel != "in_app" or message.arm_control:
        return []
    after = body.channel[body.channel.index("in_app") + 1 :]
    channel = next((each for each in after if reachable(contact, each)), None)
    if channel is None:
        return []
    return [
        Fallback(
            message=message.id,
            step=message.step,
            visit=message.visit,
            place=message.lane,
            contact=contact.id,
            role=lane.role,
            channel=channel,
            within=body.seen_within,
            data=message.data,
        )
    ]


def _vacant(run: Run, journey: Journey, op: Op, lane: Lane, visit: int, play: CompiledPlay) -> None:
    """Nobody stands in the lane: a decision, and where no steps are written for it, by default a task to find them."""
    step = f"{op.id}/{lane.role}"
    checks = [{"check": "role", "passed": False, "saw": lane.role}]
    run.decide("send", "not_sent", "role_vacant", journey, checks=checks, also=step)
    if op.vacant is None and (op.body.if_vacant or play.play.if_vacant) == "task":
        finding = _find_person(lane.role, run.profile.value("name") or run.profile.id)
        _order(run, journey, finding, step, visit)


def offer_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    """The first offer that may be made goes into the message; where there is none, the other way (semantics §9)."""
    body: OfferStep = op.body
    if all(lane.contact is None for lane in lanes(body, run.profile, run.now)):
        return message_step(run, journey, op, play)
    visit, visits = entered(journey, op)
    offer, checks = choose(body.offers, run.playbook.offers, run.moment(journey))
    about = {"checks": checks, "also": f"{op.id}/{visit}"}
    if offer is None:
        run.decide("offer", "not_made", _why_none(checks), journey, **about)
        return moved_to(journey, op.else_ or op.next, visits=visits)
    if journey.withheld:
        run.decide("offer", "withheld", "control", journey, **about)
    else:
        run.decide("offer", "made", None, journey, **about)
        run.updates.append(_made(run, journey, op, visit, offer))
    return message_step(run, journey, op, play, {"offer": offer.as_plain()})


def _why_none(checks: list[dict[str, Any]]) -> str:
    """The one reason for which every offer was passed over, if it is one."""
    reasons = {check["saw"]["why"] for check in checks}
    return str(reasons.pop()) if len(reasons) == 1 else "none_eligible"


def _made(run: Run, journey: Journey, op: Op, visit: int, offer: CompiledOffer) -> Event:
    """The event that limits are counted from."""
    data = {"offer": offer.key, "kind": offer.offer.kind, "play": journey.play, "journey": journey.id}
    name = identity("offer", journey.id, op.id, visit)
    return Event(name, OWN_SOURCE, OFFER_MADE, run.now, journey.account, None, data, run.now)


def webhook_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    """A call that waits for nobody: later messages do not wait for it, the journey's end does."""
    visit, visits = entered(journey, op)
    if journey.withheld:
        run.decide("task", "withheld", "control", journey, also=f"{op.id}/{visit}")
        return moved_to(journey, op.next, visits=visits)
    call = _call(run, journey, op, visit)
    run.messages.append(call)
    return moved_to(journey, op.next, visits=visits, calls=[*journey.calls, call.id])


def _call(run: Run, journey: Journey, op: Op, visit: int) -> Message:
    """For an endpoint and no person: `content` is its key."""
    body: WebhookStep = op.body
    return Message(
        id=message_id(journey.id, op.id, visit, NOBODY),
        journey=journey.id,
        play=journey.play,
        version=journey.version,
        step=op.id,
        visit=visit,
        account=journey.account,
        contact=NOBODY,
        channel="webhook",
        content=body.endpoint,
        cls=MessageClass.SERVICE,
        priority=journey.priority,
        due_at=run.now,
        next_attempt_at=run.now,
        data={"data": body.data},
    )


def _find_person(role: str, account: str) -> TaskStep:
    words = role.replace("_", " ")
    return TaskStep(
        title=f"Find the {words} at {account}".replace("{", "").replace("}", ""),
        type="role_vacant",
        reason=f"role_vacant:{role}",
    )


def message_for(
    run: Run,
    journey: Journey,
    op: Op,
    lane: Lane,
    visit: int,
    place: int,
    play: CompiledPlay,
    data: dict[str, Any] | None,
    fallback: int = 0,
) -> Message:
    """The message for one lane; `fallback` counts the channels given up before."""
    body: MessageStep = op.body
    contact = lane.contact
    assert contact is not None
    content = run.playbook.content(body.content, lane.role, run.profile.stage)
    return Message(
        id=message_id(journey.id, op.id, visit, contact.id, fallback),
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
        data=data,
    )


def usable_address(text: str | None) -> str | None:
    """The one normal form of an address, None where there is none that could be written to."""
    try:
        return None if text is None else normalise(text)
    except BadAddress:
        return None


def task_step(run: Run, journey: Journey, op: Op, play: CompiledPlay) -> Journey:
    """A task for one of us."""
    visit, visits = entered(journey, op)
    _order(run, journey, op.body, op.id, visit)
    return moved_to(journey, op.next, visits=visits)


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
