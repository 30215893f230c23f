"""The playbook: all live definitions compiled once, shared by every worker until one of them changes."""

from collections.abc import Collection, Iterable, Sequence
from copy import copy
from functools import cached_property
from typing import Any

import orjson

from channels.policies import Policies
from channels.policy_parts import SlaRule
from journeys.journey import Journey, share
from plays.content import Block, Content, variant
from plays.experiments import control_of, exposed
from plays.offers import CompiledOffer, Offer
from plays.play import CompiledPlay
from signals.conditions import Moment, Node, compile_condition
from signals.conditions.node import Keeper
from signals.definitions import HealthRules, Milestone, Segment, Signal, Stage
from signals.freshness import Feeds, Promise, Promises
from signals.instant import Instant
from signals.profile import Profile, open_holds
from signals.sources import mapped
from signals.sources.mapping import Mapping as RowMapping
from signals.sources.segment import MAPPING, Translator, Unnamed, digest_id
from signals.tone import Tone
from signals.watch import Watched


class Playbook:
    """What `react` goes by. Plays are found by key, or by (key, version) for journeys pinned to an older one.

    `stamp` tells one set of live definitions from the next; `current` says whether the change that made it was to
    fire and start where things hold already (semantics §4), and `fresh` are the plays it made live. `promises` is
    what the policies promise of feeds (None: nothing), `feeds` what was heard of them.
    """

    def __init__(
        self,
        *,
        signals: Iterable[Signal] = (),
        segments: Iterable[Segment] = (),
        milestones: Iterable[Milestone] = (),
        stages: Sequence[Stage] = (),
        health: HealthRules | None = None,
        plays: Iterable[CompiledPlay] = (),
        retired: Iterable[CompiledPlay] = (),
        contents: Iterable[Content] = (),
        blocks: Iterable[Block] = (),
        offers: Iterable[Offer] = (),
        mappings: Iterable[RowMapping] = (),
        policies: Policies | None = None,
        zone: str = "UTC",
        stamp: int = 0,
        current: bool = False,
        fresh: Collection[str] = (),
    ) -> None:
        self.fresh = frozenset(fresh)
        self.stamp, self.current = stamp, current
        self.policies = policies or Policies()
        self.zone = zone
        milestones = list(milestones)
        self.promises = promised(self.policies, milestones)
        self.feeds: Feeds | None = None
        self.signals = {signal.key: signal for signal in signals}
        self.segments = {segment.key: segment for segment in segments}
        self.plays = {play.key: play.heeding(self.promises) for play in plays}
        older = [play.heeding(self.promises) for play in retired]
        self._versions = {(play.key, play.version): play for play in (*older, *self.plays.values())}
        self.contents: dict[str, list[Content]] = {}
        for content in contents:
            self.contents.setdefault(content.key, []).append(content)
        self.blocks = {block.key: block for block in blocks}
        self.offers = {offer.key: CompiledOffer(offer, self.promises) for offer in offers}
        self._mappings = {mapping.key: mapping for mapping in mappings}
        self._heed(self.policies)
        self.watched = Watched(
            self.signals.values(),
            self.segments.values(),
            milestones,
            stages,
            [signal for play in self.plays.values() if (signal := play.date_signal()) is not None],
            self.nodes(),
            promises=self.promises,
            health=health,
        )
        self._by_type: dict[str, list[CompiledPlay]] = {}

    @cached_property
    def _block_conditions(self) -> dict[bytes, Node]:
        whens = (block.when for block in self.blocks.values() if block.when is not None)
        return {_as_written(when): self._compiled(when) for when in whens}

    def _heed(self, policies: Policies) -> None:
        """Who is in the control group, what holds an account, and how soon its tasks are to be done."""
        control = policies.control
        self._controlled = exposed(control_of(control.salt)) if control.percent else None
        self.holds = [(hold.key, self._compiled(hold.when)) for hold in policies.holds]
        self.sla = {policy.key: [*map(self._sla_rule, policy.rules)] for policy in policies.sla}

    def _compiled(self, condition: Any) -> Node:
        return compile_condition(condition, self.promises)

    def _sla_rule(self, rule: SlaRule) -> tuple[Node | None, SlaRule]:
        return None if rule.when is None else self._compiled(rule.when), rule

    @cached_property
    def mappings(self) -> dict[str, mapped.Mapper]:
        """How rows and webhooks become events, by key; compiled where it is first asked for."""
        return {key: mapped.compile(mapping) for key, mapping in self._mappings.items()}

    def seeing(self, feeds: Feeds) -> "Playbook":
        """The same definitions, going by what was heard of the feeds."""
        seeing = copy(self)
        seeing.feeds = feeds
        return seeing

    def nodes(self) -> list[Node]:
        """Every condition outside the watched ones: what it counts must be kept too."""
        nodes = [node for play in self._versions.values() for node in play.nodes()]
        nodes += [node for offer in self.offers.values() for node in offer.nodes()]
        nodes += [node for _, node in self.holds]
        nodes += [] if self._controlled is None else [self._controlled]
        nodes += [node for rules in self.sla.values() for node, _ in rules if node is not None]
        tone = self.policies.tone
        if tone.warm or tone.brief_under_words:
            nodes.append(Keeper(Tone(tone.warm, tone.brief_under_words).named()))
        return nodes + list(self._block_conditions.values())

    def segment(self, unnamed: Unnamed = digest_id) -> Translator:
        """How calls of Segment libraries are read: a mapping called `segment` goes before the shipped names."""
        return Translator(self._segment, unnamed)

    @cached_property
    def _segment(self) -> mapped.Mapper | None:
        """The mapping called `segment`: asked for at every batch, the others only where something comes by them."""
        mine = self._mappings.get(MAPPING)
        return None if mine is None else mapped.compile(mine)

    def version(self, play: str, version: int) -> CompiledPlay:
        """The version of the play a journey is pinned to."""
        return self._versions[play, version]

    def versions_after(self, journey: Journey) -> list[CompiledPlay]:
        """Versions of its play that became live after the one the journey is on, oldest first."""
        since = self.version(journey.play, journey.version).since
        after = (
            play for (key, _), play in self._versions.items() if key == journey.play and play.since > since
        )
        return sorted(after, key=lambda play: play.since)

    def triggered_by_signal(self, signal: str) -> list[CompiledPlay]:
        """Plays that start when the signal fires."""
        return [play for play in self.plays.values() if play.play.trigger.signal == signal]

    def triggered_by_segment(self, segment: str, change: str) -> list[CompiledPlay]:
        """Plays that start when the segment is `entered` or `left`."""
        edge = {"entered": "enter", "left": "leave"}[change]
        return [
            play
            for play in self.plays.values()
            if play.play.trigger.segment == segment and play.play.trigger.edge == edge
        ]

    def triggered_by_event(self, event_type: str) -> list[CompiledPlay]:
        """Plays that start at an event of the type (its `where` is still to be asked)."""
        found = self._by_type.get(event_type)
        if found is None:
            found = [play for play in self.plays.values() if play.takes(event_type)]
            self._by_type[event_type] = found
        return found

    def content(
        self, key: str, role: str | None, stage: str | None, locale: str | None = None
    ) -> Content | None:
        """The variant for this role, stage and locale; one without them serves the rest."""
        return variant(self.contents.get(key, ()), role, stage, locale or "en")

    def holds_on(self, profile: Profile, now: Instant) -> tuple[str, ...]:
        """Every reason for which the account is held now: holds placed on it, and those of the policies."""
        moment = Moment(profile, now, feeds=self.feeds)
        return (*open_holds(profile, now), *(key for key, node in self.holds if node.test(moment)[0]))

    def block_condition(self, when: Any) -> Node:
        """The compiled condition of a block."""
        return self._block_conditions[_as_written(when)]

    def control_group(self, account: str) -> tuple[Node | None, str, str]:
        """The global control group as an experiment: whether the account was exposed before, its name, the arm."""
        arm = "control" if self.in_control(account) else "treated"
        return self._controlled, control_of(self.policies.control.salt), arm

    def in_control(self, account: str) -> bool:
        """Whether the account is in the global control group."""
        control = self.policies.control
        return bool(control.percent) and share(f"control/{control.salt}", account) < control.percent


def _as_written(condition: Any) -> bytes:
    """The key under which a block's compiled condition is kept."""
    return orjson.dumps(condition, option=orjson.OPT_SORT_KEYS)


def promised(policies: Policies, milestones: Iterable[Milestone]) -> Promises | None:
    """What the policies promise of feeds, None where that is nothing: then no condition has doubts."""
    if not policies.feeds:
        return None
    derived = {
        each.key: [
            pattern for measure in compile_condition(each.when).measures() for pattern in measure.types
        ]
        for each in milestones
    }
    return Promises(promises_of(policies), derived)


def promises_of(policies: Policies) -> list[Promise]:
    """The promises as written."""
    return [Promise(feed.source, tuple(feed.types), feed.every) for feed in policies.feeds]
