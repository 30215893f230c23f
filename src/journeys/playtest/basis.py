"""What a play is back-tested on: itself, the live plays beside it, and all they stand on, compiled once."""

from collections.abc import Sequence

import msgspec

from channels.policies import Policies
from channels.policy_parts import ChannelRate
from journeys.backtest.question import Question
from journeys.backtest.trial import POPULATION
from journeys.composer import Composer
from journeys.definitions import Draft, build, maker_of, parse
from journeys.playbook import Playbook
from journeys.state import AccountState
from journeys.store.consent import speaks_of_consent
from journeys.unseen import SEEN
from signals.effects import EFFECTS
from signals.event import Event
from signals.watch import OWN_SOURCE, tokens_made

_SPARED = ("signals", "segments", "health")
"""Kinds that cost at every event and are left out where nothing that runs reads them. Stages choose texts: they stay."""


class Basis:
    """The play and what it stands on. Holds nothing of the accounts that have lived through it."""

    def __init__(
        self, play: Draft, context: Sequence[Draft], question: Question, composer: Composer, zone: str
    ) -> None:
        """`context`: the definitions that count beside the play, its policies among them. Raises Refused."""
        self.key, self.question, self.composer = play.key, question, composer
        drafts = [draft for draft in context if (draft.kind, draft.key) != ("plays", play.key)]
        drafts.append(msgspec.structs.replace(play, status="active"))
        self.playbook = _playbook(drafts, question, zone)
        self.beside = sorted(self.playbook.plays.keys() - {play.key})
        self._is_outcome = None if question.outcome is None else question.outcome.matcher()
        self._types: dict[str, bool] = {}
        self._own = {*self.playbook.signals, *self.playbook.segments}

    def is_outcome(self, event: Event) -> bool:
        """Whether the event is one of those that the play is held against."""
        return self._is_outcome is not None and self._is_outcome(event)

    def matters(self, event: Event, state: AccountState) -> bool:
        """Whether the event could change anything here: exact for the first sight of accounts and people."""
        if event.source == OWN_SOURCE and self._done_again(event):
            return False
        matters = self._types.get(event.type)
        if matters is None:
            matters = event.type in EFFECTS or bool(self.playbook.watched.measures_of(event.type))
            matters = matters or event.type in SEEN or bool(self.playbook.triggered_by_event(event.type))
            self._types[event.type] = matters
        return matters or speaks_of_consent(event) or _is_first_sight(event, state)

    def _done_again(self, event: Event) -> bool:
        """What the live service told of definitions that are run here, and what its plays changed: the run itself
        tells and changes it. What a provider answered stands, though it was the service that wrote it down.
        """
        if event.type.startswith(("signal.", "segment.")):
            return event.data.get("signal") in self._own or event.data.get("segment") in self._own
        return not event.type.startswith("engagement.")


def _is_first_sight(event: Event, state: AccountState) -> bool:
    profile = state.profile
    if not state.now or (event.time < profile.created_at and profile.given_created_at is None):
        return True
    if event.contact is None:
        return False
    known = profile.contacts.get(event.contact)
    return known is None or event.time < known.first_seen


# ── what the plays stand on ────────────────────────────────────────────────────────────────────────────────────


def _playbook(drafts: list[Draft], question: Question, zone: str) -> Playbook:
    policies = next((draft.model for draft in drafts if draft.kind == "policies"), None) or Policies()
    played = policies.model_copy(update={"channel_rate": ChannelRate(), "feeds": []})
    if question.outcome is not None:
        among = question.among if question.among is not None else {"not": {"any": []}}
        drafts = [*drafts, parse("segments", {"key": POPULATION, "enter": among})]
    needed = _needed(build(drafts, zone, played))
    kept = [draft for draft in drafts if draft.kind not in _SPARED or (draft.kind, draft.key) in needed]
    return build(kept, zone, played)


def _needed(whole: Playbook) -> set[tuple[str, str]]:
    """Kind and key of the definitions that plays, stages, texts and policies use, however far away."""
    triggers = [play.play.trigger for play in whole.plays.values()]
    needed = {("signals", str(trigger.signal)) for trigger in triggers}
    needed |= {("segments", str(trigger.segment)) for trigger in triggers} | {("segments", POPULATION)}
    reads = {token for node in whole.nodes() for token in node.reads()}
    tagged = _texts_read_tags(whole)
    for watch in reversed(whole.watched.watches):  # what one uses stands before it
        kind, key = maker_of(watch.token)
        made = tokens_made(watch, whole.watched.measures.values())
        used = (kind, key) in needed or not reads.isdisjoint(made) or _starts(whole, kind, key)
        if kind not in _SPARED or used or (tagged and f"tag:{key}" in made):
            needed.add((kind, key))
            reads |= watch.reads
    return needed


def _starts(whole: Playbook, kind: str, key: str) -> bool:
    """Whether a play starts at an event that the definition tells."""
    told = {"signals": [f"signal.{key}"], "segments": ["segment.entered", "segment.left"]}
    return any(whole.triggered_by_event(event_type) for event_type in told.get(kind, ()))


def _texts_read_tags(whole: Playbook) -> bool:
    """Whether any text may show tags: then every segment that gives one counts."""
    bodies = [content.body for some in whole.contents.values() for content in some]
    bodies += [block.body for block in whole.blocks.values()]
    return any("tags" in body for body in bodies)
