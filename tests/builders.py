"""Builders the tests of signals, plays and journeys share: events, profiles, playbooks, all at fixed instants."""

from collections.abc import Iterable
from itertools import count
from typing import Any

from channels.policies import Policies
from journeys.playbook import Playbook
from journeys.react import Reaction, Stimulus, live_through
from journeys.state import AccountState, new_state
from plays.play import CompiledPlay, Play
from signals.conditions import Moment, Node, compile_condition
from signals.definitions import Milestone, Segment, Signal, Stage
from signals.event import Event
from signals.fold import after
from signals.instant import Instant, parse_duration, parse_instant
from signals.profile import Profile
from signals.watch import Watched

ACCOUNT = "acme"
START = parse_instant("2026-03-02T09:00:00Z")
"""A Monday morning: where most tests begin."""

_NUMBERS = count(1)


def after_start(span: str) -> Instant:
    """The instant this long after `START`; `-3d` lies before it."""
    return START - parse_duration(span[1:]) if span.startswith("-") else START + parse_duration(span)


def event(
    kind: str,
    when: str | Instant = START,
    *,
    contact: str | None = None,
    name: str | None = None,
    source: str = "test",
    **data: Any,
) -> Event:
    """An event of the account; `when` is an instant or a span after `START`."""
    instant = after_start(when) if isinstance(when, str) else when
    identifier = name or f"e{next(_NUMBERS)}"
    return Event(identifier, source, kind, instant, ACCOUNT, contact, data, instant)


def attributes(when: str | Instant = START, **given: Any) -> Event:
    """What the CRM says of the account."""
    return event("crm.account_updated", when, attributes=given)


def person(
    contact: str,
    when: str | Instant = START,
    *,
    roles: list[Any] | None = None,
    email: str | None = "",
    **given: Any,
) -> Event:
    """What the CRM says of a contact; an address of their own unless `email` is None."""
    if email is not None:
        given["email"] = email or f"{contact}@example.com"
    data: dict[str, Any] = {"attributes": given}
    if roles is not None:
        data["roles"] = roles
    return event("crm.contact_updated", when, contact=contact, **data)


def folded(
    events: Iterable[Event], watched: Watched, *, created_at: Instant = START, now: Instant | None = None
) -> Profile:
    """The profile these events make, in the order given; each is received at its time, or all at `now`."""
    profile = Profile(id=ACCOUNT, created_at=created_at)
    for each in events:
        received = each.time if now is None else now
        profile, _ = after(profile, each, watched.measures_of(each.type), received)
    return profile


def ask(
    condition: dict[str, Any],
    events: Iterable[Event] = (),
    now: str | Instant = START,
    *,
    created_at: str | Instant = START,
) -> bool | None:
    """Whether the condition holds after these events at `now`."""
    return asked(condition, events, now, created_at=created_at)[0]


def asked(
    condition: dict[str, Any],
    events: Iterable[Event] = (),
    now: str | Instant = START,
    *,
    created_at: str | Instant = START,
) -> tuple[bool | None, Instant | None]:
    """Whether the condition holds, and until when that is certain."""
    node = compile_condition(condition)
    instant = after_start(now) if isinstance(now, str) else now
    created = after_start(created_at) if isinstance(created_at, str) else created_at
    profile = folded(events, watching(node), created_at=created)
    return node.test(Moment(profile, instant))


def watching(node: Node) -> Watched:
    """Definitions that keep what one condition counts."""
    return Watched(also=[node])


def signal(key: str, **body: Any) -> Signal:
    """A signal, checked."""
    return Signal.model_validate({"key": key, **body})


def segment(key: str, **body: Any) -> Segment:
    """A segment, checked."""
    return Segment.model_validate({"key": key, **body})


def milestone(key: str, **body: Any) -> Milestone:
    """A milestone, checked."""
    return Milestone.model_validate({"key": key, **body})


def stages(*pairs: tuple[str, dict[str, Any]]) -> list[Stage]:
    """An ordered list of stages."""
    return [Stage.model_validate({"key": key, "when": when}) for key, when in pairs]


def play(key: str = "rescue", *, version: int = 1, paused: bool = False, **body: Any) -> CompiledPlay:
    """A play that an event `go` starts, unless `trigger` says otherwise."""
    given = {"key": key, "trigger": {"event": "go"}, "steps": [{"wait": {"for": "30d"}}], **body}
    return CompiledPlay(Play.model_validate(given), version, paused)


def playbook(*plays: CompiledPlay, policies: dict[str, Any] | None = None, **parts: Any) -> Playbook:
    """All live definitions of a test; every policy that is not named is off."""
    return Playbook(plays=plays, policies=Policies.only(policies or {}), **parts)


class Account:
    """One account living through events at their own instants; keeps every reaction."""

    def __init__(self, book: Playbook, *, created_at: Instant = START) -> None:
        self.book = book
        self.state: AccountState = new_state(ACCOUNT, created_at)
        self.reactions: list[Reaction] = []

    def live(self, stimulus: Stimulus, now: str | Instant | None = None) -> list[Reaction]:
        """All that falls due up to `now` (an event's own time by default), then the stimulus."""
        given = stimulus.time if now is None and isinstance(stimulus, Event) else now
        instant = after_start(given) if isinstance(given, str) else given
        assert instant is not None
        reactions = live_through(self.state, stimulus, self.book, instant)
        self.state = reactions[-1].state if reactions else self.state
        self.reactions += reactions
        return reactions

    def happens(self, kind: str, when: str | Instant = START, **about: Any) -> list[Reaction]:
        """An event of this kind arrives at its own time."""
        return self.live(event(kind, when, **about))

    def until(self, now: str | Instant) -> list[Reaction]:
        """Nothing but time passes."""
        return self.live(None, now)

    def journeys(self, play_key: str | None = None) -> list[Any]:
        """The last that was seen of every journey, in order of start."""
        last: dict[str, Any] = {}
        for reaction in self.reactions:
            last.update(reaction.journeys)
        return [journey for journey in last.values() if play_key in (None, journey.play)]

    def statuses(self, play_key: str | None = None) -> list[str]:
        """Their statuses, with the reason where there is one: `failed:loop`."""
        return [
            journey.status.value + (f":{journey.reason}" if journey.reason else "")
            for journey in self.journeys(play_key)
        ]

    def messages(self) -> list[Any]:
        """Every message there was, in order."""
        return [message for reaction in self.reactions for message in reaction.messages]

    def tasks(self) -> list[Any]:
        """Every task ordered."""
        return [task for reaction in self.reactions for task in reaction.tasks]

    def decisions(self, subject: str = "start") -> list[tuple[str | None, str, str | None]]:
        """Every decision on the subject as (play, outcome, reason)."""
        return [
            (decision.play, decision.outcome, decision.reason)
            for reaction in self.reactions
            for decision in reaction.decisions
            if decision.subject == subject
        ]

    def edges(self) -> list[str]:
        """Every edge there was as `kind key change`, silent ones in brackets."""
        told = [
            (f"{edge.kind} {edge.key} {edge.change}", edge.silent)
            for reaction in self.reactions
            for edge in reaction.edges
        ]
        return [f"({words})" if silent else words for words, silent in told]
