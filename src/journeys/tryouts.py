"""Tryouts: a play, a draft too, walked by named accounts in memory, for its author to read (semantics §5 "Test users").

The accounts are copies: nothing of what happens here is kept of them, and nobody there is written to. Time does not
pass: from each wait the walk goes on at once at the instant at which the wait would be over. Pure.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from channels.message import Message
from journeys.engine import Candidate, TaskOrder
from journeys.journey import Cause, Decision, Journey
from journeys.playbook import Playbook
from journeys.react import Reaction, Settled, react, refill
from journeys.state import AccountState
from signals.event import Event
from signals.instant import DAY, Instant
from signals.profile import Profile

HORIZON = 400 * DAY
"""How far ahead of now a walk goes: past a year's play."""

LONGEST = 300
"""Reactions after which a walk is cut off: it goes round."""


class Made(NamedTuple):
    """A message as its play made it, with what it is read on."""

    message: Message
    profile: Profile
    journey: Journey | None
    at: Instant


class Ordered(NamedTuple):
    """A task as its play ordered it, with what its title is read on."""

    order: TaskOrder
    profile: Profile


class Walk(msgspec.Struct):
    """What the account would go through. `journey` None: it would not start, and `decisions` say why."""

    account: str
    journey: Journey | None = None
    messages: list[Made] = []
    tasks: list[Ordered] = []
    updates: list[Event] = []
    decisions: list[Decision] = []


def walk(
    state: AccountState, history: Iterable[Event], playbook: Playbook, play: str, cause: Cause, now: Instant
) -> Walk:
    """The account goes through the play of this key in the playbook, from its start to its end or the horizon."""
    alone = msgspec.structs.replace(state, journeys=[], ended={})
    now = max(now, state.now)
    state = refill(alone, history, playbook, now).state
    made = Walk(state.profile.id)
    candidate = Candidate(playbook.plays[play], cause, None, too_old=False)
    state = _take(made, react(state, None, playbook, now, also=[candidate]), play)
    for _ in range(LONGEST):
        journey = next((one for one in state.journeys if one.play == play), None)
        if journey is None:
            break
        if journey.pending:
            settled = Settled(journey.id, frozenset(journey.pending))
            state = _take(made, react(state, settled, playbook, state.now), play)
            continue
        due = state.due()
        if due is None or due > now + HORIZON:
            break
        state = _take(made, react(state, None, playbook, max(due, state.now)), play)
    return made


def _take(made: Walk, reaction: Reaction, play: str) -> AccountState:
    state = reaction.state
    for journey in reaction.journeys.values():
        made.journey = journey if journey.play == play else made.journey
    made.messages += [Made(one, state.profile, made.journey, state.now) for one in reaction.messages]
    made.tasks += [Ordered(one, state.profile) for one in reaction.tasks]
    made.decisions += [one for one in reaction.decisions if one.play == play]
    made.updates += [event for event in reaction.events if event.type in _UPDATES]
    return state


_UPDATES = ("crm.account_updated", "account.tagged")


def cause_of(playbook: Playbook, play: str, told: dict[str, Any], now: Instant) -> Cause:
    """What would begin it: the given event (`type`, `contact`, `data`), else one as the play's trigger asks for."""
    trigger = playbook.plays[play].play.trigger
    kind = told.get("type") or next(iter(_triggers(trigger)), "test.started")
    return Cause(f"test/{now}", "test", str(kind), now, told.get("contact"), told.get("data") or {})


def _triggers(trigger: Any) -> Sequence[str]:
    named = [f"signal.{trigger.signal}"] if trigger.signal else []
    named += [f"segment.{'entered' if trigger.edge == 'enter' else 'left'}"] if trigger.segment else []
    return [*named, *(pattern.replace("*", "any") for pattern in trigger.event or ())]
