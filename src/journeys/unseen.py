"""What goes instead of a message: of one that nobody sees in-app, of one to somebody who has left (semantics §5 "Roles").

The first goes to the same person on the next channel of its step, the second to who holds the role now. A message
stays unsettled for its journey until it is seen, or until what went instead of it is settled: a later message waits
for it like for any other. Pure.
"""

from collections.abc import Set

from msgspec.structs import replace

from channels.message import Message
from journeys.engine import Run
from journeys.journey import Fallback, Journey
from journeys.reaching import message_for
from plays.play import CompiledPlay
from plays.recipients import Lane, first_reachable
from plays.steps import All, MessageStep
from signals.event import Event
from signals.instant import Instant

SEEN = frozenset({"engagement.inapp_seen", "engagement.inapp_clicked", "engagement.inapp_dismissed"})
"""Events that tell that a person has seen an in-app message."""

FELL_THROUGH, HANDED_OVER = 1, 2
"""Part of the identity of what goes instead: a person may have had the same step's message already."""


def settled(journey: Journey, messages: Set[str], shown: bool, now: Instant) -> Journey:
    """The journey after these of its messages were settled; what was `shown` in-app may still be waiting to be seen."""
    waiting = [
        _shown(each, now) if shown and each.message in messages else each for each in journey.fallbacks
    ]
    fallbacks = [each for each in waiting if each.at is not None or each.message not in messages]
    kept = {each.message for each in fallbacks}
    over = {message for message in messages if message not in kept}
    return _without(replace(journey, fallbacks=fallbacks), over)


def _shown(fallback: Fallback, now: Instant) -> Fallback:
    return replace(fallback, at=now + fallback.within)


def _without(journey: Journey, messages: Set[str]) -> Journey:
    pending = [message for message in journey.pending if message not in messages]
    calls = [message for message in journey.calls if message not in messages]
    return replace(journey, pending=pending, calls=calls)


def note_seen(run: Run, event: Event) -> None:
    """A person has seen one of our messages: nothing goes instead of it."""
    message = event.data.get("message")
    for journey in list(run.state.journeys):
        left = [each for each in journey.fallbacks if each.message != message]
        if len(left) < len(journey.fallbacks):
            run.put(_without(replace(journey, fallbacks=left), {str(message)}))


def fall_through(run: Run, journey: Journey, play: CompiledPlay) -> Journey:
    """What was not seen in time goes on the next channel, to the same person."""
    for fallback in journey.fallbacks:
        if fallback.at is not None and fallback.at <= run.now:
            journey = _instead(run, journey, fallback, play)
    return journey


def _instead(run: Run, journey: Journey, fallback: Fallback, play: CompiledPlay) -> Journey:
    left = [each for each in journey.fallbacks if each.message != fallback.message]
    journey = _without(replace(journey, fallbacks=left), {fallback.message})
    op = play.program.ops.get(fallback.step)
    contact = run.profile.contacts.get(fallback.contact)
    if op is None or contact is None or not isinstance(op.body, MessageStep):
        return journey
    lane = Lane(fallback.role, contact, fallback.channel)
    message = message_for(
        run, journey, op, lane, fallback.visit, fallback.place, play, fallback.data, FELL_THROUGH
    )
    run.messages.append(message)
    return replace(journey, pending=[*journey.pending, message.id])


def hand_over(run: Run, journey: Journey, left: Message) -> Journey:
    """Whoever holds the role now gets what somebody who has left was to get; nobody where it is vacant."""
    play = run.playbook.version(journey.play, journey.version)
    op = play.program.ops.get(left.step)
    if left.role is None or op is None or not isinstance(op.body, MessageStep) or isinstance(op.body.to, All):
        return journey
    lane = first_reachable(run.profile, [left.role], op.body.channel, run.now)
    if lane.contact is None or lane.contact.id == left.contact:
        return journey
    message = message_for(run, journey, op, lane, left.visit, left.lane, play, left.data, HANDED_OVER)
    run.messages.append(message)
    return run.put(replace(journey, pending=[*journey.pending, message.id]))


def next_fallback(journey: Journey) -> Instant | None:
    """When the first message not seen falls through."""
    return min((each.at for each in journey.fallbacks if each.at is not None), default=None)
