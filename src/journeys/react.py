"""The one screen: what an event, or time passing, makes of an account. Pure; nothing else may decide.

    event → profile → signal → play → journey → message, task, decision

Live worker, tick, scenario, backtest and dry run are this function with another clock and another store.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from channels.message import Message
from journeys.candidates import candidates, cause_of
from journeys.ending import check_ends
from journeys.engine import Candidate, Run, TaskOrder, start
from journeys.journey import Decision, Journey, JourneyStatus
from journeys.migrating import migrated
from journeys.playbook import Playbook
from journeys.state import AccountState
from journeys.unseen import SEEN, hand_over, note_seen, settled
from journeys.walking import advance
from signals.event import Event
from signals.fold import after, remember
from signals.instant import Instant
from signals.ledger import Entry
from signals.measures import Measure
from signals.profile import Profile
from signals.tone import heard
from signals.watch import Edge, watch

SETTLING_ROUNDS = 500
"""Rounds of update steps and what they change before an account is taken for a circle."""


class Reaction(msgspec.Struct):
    """The new state and all that is to be done because of it. Nothing has been done yet."""

    state: AccountState
    edges: list[Edge] = []
    events: list[Event] = []
    messages: list[Message] = []
    tasks: list[TaskOrder] = []
    decisions: list[Decision] = []
    journeys: dict[str, Journey] = {}
    dead_journeys: list[str] = []
    close_tasks: list[str] = []
    ledger: list[Entry] = []
    stayed: list[str] = []

    @property
    def emits(self) -> bool:
        """Whether something beyond the account is to be done: someone is to be reached, or a queue emptied."""
        return bool(self.messages or self.tasks or self.dead_journeys or self.close_tasks)


class Settled(NamedTuple):
    """News from the dispatcher: these messages of a journey have reached their end, or are `shown` in-app.

    `left` is the one whose addressee was found to have left.
    """

    journey: str
    messages: frozenset[str]
    shown: bool = False
    left: Message | None = None


class Exit(NamedTuple):
    """A person ends a journey by hand."""

    journey: str
    reason: str


Stimulus = Event | Settled | Exit | None
"""What an account reacts to. None: time has passed."""


class NeverSettles(RuntimeError):
    """Update steps and definitions change one another without end at this account."""


def react(
    state: AccountState,
    stimulus: Stimulus,
    playbook: Playbook,
    now: Instant,
    silent: bool = False,
    also: Iterable[Candidate] = (),
) -> Reaction:
    """One stimulus at one instant: fold, edges, goal, exit, pre-emption, starts, advance; until nothing changes.

    The given state is left as it is. `silent` (imports of history, activation) opens signals and segments
    without firing and starts nothing. `also` are candidates beside those that something here brings.
    """
    new = not state.now
    state = msgspec.structs.replace(state, now=max(state.now, now))
    run, reaction = None, Reaction(state)
    event = heard(stimulus) if isinstance(stimulus, Event) else None
    too_old = event is not None and _too_old(event, playbook, now)
    if isinstance(stimulus, Settled | Exit):
        run = Run(state, playbook, now)
        if not _note(run, stimulus):
            return reaction
    elif event is not None and state.journeys and event.type in SEEN:
        run = Run(state, playbook, now)
        note_seen(run, event)
    profile, touched = _taken(state.profile, event, playbook, now)
    if new or _is_due(stimulus, profile, now):
        touched = None
    for _ in range(SETTLING_ROUNDS):
        state.profile = profile
        sight = watch(profile, playbook.watched, now, touched, silent, too_old, playbook.feeds)
        if sight.ledger:
            reaction.ledger += playbook.watched.explained(sight.ledger, event, touched)
        quiet = not (sight.edges or also or (event is not None and playbook.triggered_by_event(event.type)))
        if run is None and quiet and _rest(state, playbook, touched, sight.made):
            return reaction  # what happens most: something is known more, and nothing follows
        run = run or Run(state, playbook, now)
        run.profile = profile
        reaction.edges += sight.edges
        reaction.events += sight.events
        coming = [] if silent else [*candidates(playbook, sight.edges, event, sight.events, too_old), *also]
        _walk(run, coming)
        also = ()
        if not run.updates:
            return _answer(reaction, run)
        reaction.events += run.updates
        event, (profile, touched) = None, _updated(run, profile, playbook, now)
    raise NeverSettles(
        f"account {state.profile.id} does not settle at {now}: its plays undo one another's updates"
    )


def _taken(
    profile: Profile, event: Event | None, playbook: Playbook, now: Instant
) -> tuple[Profile, set[str] | None]:
    """The profile with the event in it, and what that touched; without one, a copy to be looked at."""
    if event is None:
        return profile.looked_at(), set()
    return after(profile, event, playbook.watched.measures_of(event.type), now)


def _walk(run: Run, coming: list[Candidate]) -> None:
    """Goals and exits end journeys, those that are coming start, and each goes as far as it can."""
    check_ends(run)
    start(run, coming)
    for journey in list(run.state.journeys):
        advance(run, journey)


def _updated(run: Run, profile: Profile, playbook: Playbook, now: Instant) -> tuple[Profile, set[str]]:
    """The profile with what update steps wrote in this round, and what that touched."""
    touched: set[str] = set()
    for update in run.updates:
        profile, more = after(profile, update, playbook.watched.measures_of(update.type), now)
        touched |= more
    run.updates = []
    return profile, touched


def _is_due(stimulus: Stimulus, profile: Profile, now: Instant) -> bool:
    """Whether time has passed up to where definitions are to be looked at."""
    return stimulus is None and profile.look_at is not None and profile.look_at <= now


def _rest(state: AccountState, playbook: Playbook, touched: set[str] | None, made: set[str]) -> bool:
    """Whether every journey stays where it is: its time has not come, and its play asks for nothing that was touched."""
    if not (state.journeys or state.goals):
        return True
    if touched is None:
        return False
    changed = touched | made
    return all(
        (journey.wakes_at is None or journey.wakes_at > state.now)
        and playbook.version(journey.play, journey.version).reads.isdisjoint(changed)
        for journey in (*state.journeys, *state.goals)
    )


def refill(state: AccountState, history: Iterable[Event], playbook: Playbook, now: Instant) -> Reaction:
    """Definitions have changed: count what is newly watched from the history, then look at everything.

    What holds already is opened silently, unless the playbook is to act on it at once (semantics §4). Signals and
    segments that are no longer defined are closed and left silently.
    """
    missing = unfilled(state, playbook)
    profile = remember(state.profile, history, missing, now)
    watched = {watch.key for watch in playbook.watched.watches}
    profile.measures = {
        key: kept for key, kept in profile.measures.items() if key in playbook.watched.measures
    }
    profile.signals = {key: signal for key, signal in profile.signals.items() if key in watched}
    profile.segments = {key: since for key, since in profile.segments.items() if key in watched}
    tags = (key for key in profile.segments if playbook.segments[key].tag)
    profile.tags = sorted({*tags, *profile.given_tags})
    profile.health = profile.health if playbook.watched.health is not None else None
    profile.look_at, profile.waits = now, None
    journeys, stayed = migrated(state, playbook)
    brought = msgspec.structs.replace(
        state, profile=profile, journeys=journeys, stamp=playbook.stamp, now=state.now or now
    )
    reaction = react(
        brought, None, playbook, now, silent=not playbook.current, also=_open_already(profile, playbook, now)
    )
    reaction.stayed = stayed
    return reaction


def _open_already(profile: Profile, playbook: Playbook, now: Instant) -> list[Candidate]:
    """Plays just made live with `current`, whose trigger is open now: they start too (semantics §4)."""
    found = []
    for play in (playbook.plays[key] for key in playbook.fresh if playbook.current and key in playbook.plays):
        trigger = play.play.trigger
        signal = profile.signals.get(trigger.signal or "")
        if signal is not None and signal.open:
            edge = Edge("signal", str(trigger.signal), "fired", now, False, signal.severity, signal.evidence)
            found.append(Candidate(play, cause_of(None, edge), signal.severity, too_old=False))
        elif trigger.segment in profile.segments and trigger.edge == "enter":
            edge = Edge("segment", str(trigger.segment), "entered", now)
            found.append(Candidate(play, cause_of(None, edge), None, too_old=False))
    return found


def unfilled(state: AccountState, playbook: Playbook) -> list[Measure]:
    """Measures the playbook asks for and the profile does not keep yet."""
    if state.stamp == playbook.stamp:
        return []
    return [
        measure for key, measure in playbook.watched.measures.items() if key not in state.profile.measures
    ]


def live_through(state: AccountState, stimulus: Stimulus, playbook: Playbook, now: Instant) -> list[Reaction]:
    """All that falls due at the account up to `now`, one instant after the other, then the stimulus (semantics §2).

    The last reaction has the newest state; with nothing due and no stimulus the list is empty.
    """
    reactions: list[Reaction] = []
    while (due := state.due()) is not None and due <= now:
        reactions.append(react(state, None, playbook, max(due, state.now)))
        state = reactions[-1].state
        following = state.due()
        if following is not None and following <= due:
            raise NeverSettles(
                f"account {state.profile.id} is due at {following} again after it was looked at"
            )
    if stimulus is not None:
        reactions.append(react(state, stimulus, playbook, max(now, state.now)))
    return reactions


def _too_old(event: Event, playbook: Playbook, now: Instant) -> bool:
    limit = playbook.policies.max_trigger_age
    return limit is not None and event.time < now - limit


def _note(run: Run, stimulus: Settled | Exit) -> bool:
    """Take news about a journey; False where it is not live any more."""
    journey = run.state.journey(stimulus.journey)
    if journey is None:
        return False
    if isinstance(stimulus, Exit):
        run.finish(journey, JourneyStatus.EXITED, stimulus.reason)
    else:
        journey = run.put(settled(journey, stimulus.messages, stimulus.shown, run.now))
        if stimulus.left is not None:
            hand_over(run, journey, stimulus.left)
    return True


def _answer(reaction: Reaction, run: Run) -> Reaction:
    reaction.messages, reaction.tasks, reaction.decisions = run.messages, run.tasks, run.decisions
    reaction.journeys, reaction.dead_journeys, reaction.close_tasks = run.moved, run.dead, run.close_tasks
    return reaction
