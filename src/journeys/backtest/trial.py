"""One account after the other lives through its history again, by the function that decides live (`react`)."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from channels.policies import Policies
from journeys.backtest.question import Question
from journeys.definitions import Draft, build, maker_of, parse
from journeys.playbook import Playbook
from journeys.react import Reaction, live_through
from journeys.state import AccountState, new_state
from signals.effects import EFFECTS
from signals.event import Event
from signals.instant import Duration, Instant
from signals.watch import OWN_SOURCE, Watched, tokens_made

_OWN = "backtest."
"""What the keys of a trial's own definitions begin with."""

POPULATION = f"{_OWN}population"
"""The segment of those among whom is counted; it is entered and left like any other."""


class Variant(NamedTuple):
    """A signal to run: as written, or with one value changed (`setting` says which)."""

    key: str
    body: dict[str, Any]
    setting: str | None = None
    value: Any = None


class Life(msgspec.Struct):
    """What one account's history comes to.

    `firings` are the instants at which each variant fired; `silent` how often each opened without firing, by an
    event too old to act on; `inside` the spans [entered, left) in which the account was one of the population;
    `events` how many there were, `felt` how many of them could matter.
    """

    first: Instant
    created_at: Instant
    firings: list[list[Instant]]
    silent: list[int]
    outcomes: list[Instant]
    inside: list[tuple[Instant, Instant]]
    events: int = 0
    felt: int = 0

    def is_inside(self, at: Instant) -> bool:
        """Whether the account was one of the population at that instant."""
        place = bisect_right(self.inside, at, key=lambda span: span[0]) - 1
        return place >= 0 and at < self.inside[place][1]


class Trial:
    """The variants and all they stand on, compiled. Holds nothing of the accounts that have lived through it."""

    def __init__(
        self,
        variants: Sequence[Variant],
        context: Iterable[Draft],
        question: Question,
        max_trigger_age: Duration | None = None,
    ) -> None:
        """`context`: the definitions that count where the variants refer to others. Raises Refused.

        `max_trigger_age`: how old an event may be when it comes in and still be acted on (policies; None: any age).
        """
        self.variants, self.question = list(variants), question
        self.playbook = _playbook(self.variants, list(context), question, max_trigger_age)
        self._place = {f"{_OWN}{number}": number for number in range(len(self.variants))}
        self._own = {*self.playbook.signals, *self.playbook.segments, *(v.key for v in self.variants)}
        self._is_outcome = None if question.outcome is None else question.outcome.matcher()
        self._types: dict[str, bool] = {}
        reads = {token for watch in self.playbook.watched.watches for token in watch.reads}
        self._people = not reads.isdisjoint({"contacts", "roles"})

    def live(self, history: Sequence[Event]) -> Life | None:
        """All that happens at one account up to the question's end; None where nothing does.

        `received_at` of the events is when they came in, whatever their order here. An event that can change
        nothing the definitions read is passed over: what they make of the account is the same to the instant.
        """
        arrivals = sorted(history, key=_arrival)
        until = self.question.until
        if not arrivals or arrivals[0].received_at > until:
            return None
        first = arrivals[0]
        state = new_state(first.account or "", first.time)
        life = Life(
            first.received_at, first.time, [[] for _ in self.variants], [0] * len(self.variants), [], []
        )
        for event in arrivals:
            if self._is_outcome is not None and event.time <= until and self._is_outcome(event):
                life.outcomes.append(event.time)
            if event.received_at > until:
                continue
            life.events += 1
            if self._matters(event, state):
                life.felt += 1
                state = self._note(life, state, live_through(state, event, self.playbook, event.received_at))
        state = self._note(life, state, live_through(state, None, self.playbook, until))
        if life.inside and life.inside[-1][1] == _STILL:
            life.inside[-1] = (life.inside[-1][0], until + 1)
        life.created_at = state.profile.created_at
        life.outcomes.sort()
        return life

    def _matters(self, event: Event, state: AccountState) -> bool:
        """Whether the event could change anything that is read: exact for the first sight of accounts and people."""
        matters = self._types.get(event.type)
        if matters is None:
            matters = event.type in EFFECTS or bool(self.playbook.watched.measures_of(event.type))
            self._types[event.type] = matters
        if matters:
            return event.source != OWN_SOURCE or not self._told_here(event)
        profile = state.profile
        if not state.now or (event.time < profile.created_at and profile.given_created_at is None):
            return True
        if not self._people or event.contact is None:
            return False
        known = profile.contacts.get(event.contact)
        return known is None or event.time < known.first_seen

    def _told_here(self, event: Event) -> bool:
        """What the live service told of definitions that are run here is told by them again."""
        return event.type.startswith(("signal.", "segment.")) and (
            event.data.get("signal") in self._own or event.data.get("segment") in self._own
        )

    def _note(self, life: Life, state: AccountState, reactions: list[Reaction]) -> AccountState:
        for reaction in reactions:
            for edge in reaction.edges:
                place = self._place.get(edge.key)
                if edge.key == POPULATION:
                    _cross(life.inside, edge.change, edge.at)
                elif place is not None and edge.change == "fired":
                    life.firings[place].append(edge.at)
                elif place is not None and edge.change == "opened":
                    life.silent[place] += 1
        return reactions[-1].state if reactions else state


_STILL = 1 << 62
"""The end of a span that has not ended."""


def _cross(inside: list[tuple[Instant, Instant]], change: str, at: Instant) -> None:
    if change == "entered":
        inside.append((at, _STILL))
    else:
        inside[-1] = (inside[-1][0], at)


def _arrival(event: Event) -> tuple[Instant, Instant, str, str]:
    return event.received_at, event.time, event.source, event.id


# ── what the variants stand on ─────────────────────────────────────────────────────────────────────────────────


def _playbook(
    variants: list[Variant], context: list[Draft], question: Question, max_trigger_age: Duration | None
) -> Playbook:
    among = question.among if question.among is not None else {"not": {"any": []}}
    asked = [parse("segments", {"key": POPULATION, "enter": among})]
    asked += [_renamed(variant, number) for number, variant in enumerate(variants)]
    others = [draft for draft in context if draft.kind in _REFERRED_TO]
    policies = Policies.only({}).model_copy(update={"max_trigger_age": max_trigger_age})
    whole = build([*asked, *others], "UTC", policies)
    needed = _needed(whole.watched)
    return build([*asked, *(draft for draft in others if (draft.kind, draft.key) in needed)], "UTC", policies)


_REFERRED_TO = ("signals", "segments", "milestones", "stages", "health")
"""The kinds a condition may refer to."""


def _renamed(variant: Variant, number: int) -> Draft:
    """The variant under a key of its own, so that several of one signal stand beside one another."""
    draft = parse("signals", variant.body)
    key = f"{_OWN}{number}"
    return Draft("signals", key, draft.body, draft.model.model_copy(update={"key": key}))


def _needed(watched: Watched) -> set[tuple[str, str]]:
    """Kind and key of the definitions asked for and of all that they use, however far away."""
    needed, reads = set[tuple[str, str]](), set[str]()
    for watch in reversed(watched.watches):  # what one uses stands before it
        made = tokens_made(watch, watched.measures.values())
        if watch.key.startswith(_OWN) or not reads.isdisjoint(made):
            needed.add(maker_of(watch.token))
            reads |= watch.reads
    return needed
