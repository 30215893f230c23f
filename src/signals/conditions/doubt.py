"""Doubt: where missing events could change an answer, it is unknown (semantics §3 "Freshness").

Conditions are compiled as ever; only the atoms on types that some feed has promised are then put in a wrapper that
asks what was heard of that feed. Where nothing is promised, nothing is wrapped.

Missing events can only be more events. So what more of them could not change stays known: a count that is already
reached, an absence that is already refuted. All else is unknown while the feed is silent, and nobody is woken for
that: known to unknown changes nothing (decision 19). What is unknown is looked at again until the feed has caught
up.
"""

from collections.abc import Iterator
from typing import Any

from signals.conditions.history import AbsentNode, MissedNode
from signals.conditions.node import Answer, Everything, Evidence, Moment, Negation, Node, soonest
from signals.conditions.rests import SURE_IF_SO, Rests, rests_on
from signals.conditions.states import NotReachedNode, ReachedNode
from signals.freshness import Feeds, Promise, Promises, Silence, silent_times
from signals.instant import DAY, MINUTE, Duration, Instant, format_duration, iso, iso_or_none
from signals.measures import Measure


def doubting(node: Node, promises: Promises, negated: bool = False) -> Node:
    """The compiled condition with its atoms on promised types made to doubt; a tree nobody else has yet is changed
    in place. `negated`: it stands under an odd number of `not`s.
    """
    if isinstance(node, Negation):
        node.child = doubting(node.child, promises, not negated)
    elif isinstance(node, Everything):
        node.children = [doubting(child, promises, negated) for child in node.children]
    else:
        return _leaf(node, promises, negated)
    return node


def _leaf(node: Node, promises: Promises, negated: bool) -> Node:
    if isinstance(node, ReachedNode | NotReachedNode):
        made = promises.on_milestone(node.milestone)
        if not made:
            return node
        return Lasting(node, made) if isinstance(node, NotReachedNode) else Counting(node, made, SURE_IF_SO)
    made = promises.on(pattern for measure in node.measures() for pattern in measure.types)
    if not made:
        return node
    if isinstance(node, AbsentNode):
        return Lasting(node, made)
    if isinstance(node, MissedNode):
        return _missed(node, promises)
    rests = rests_on(node, negated)
    return node if rests is None else Counting(node, made, rests)


def unsure(node: Node, promises: Promises | None) -> "Counting | None":
    """What doubts a number that is not compared; None where it rests on nothing promised. It is unknown while a feed
    behind it is silent, and while its window holds a silence that is over.
    """
    types = [pattern for measure in node.measures() for pattern in measure.types]
    made = () if promises is None else promises.on(types)
    if not made:
        return None
    rests = rests_on(node, negated=False) or Rests(sure=None)
    return Counting(node, made, rests._replace(sure=None, drop=rests.far is not None))


def _missed(node: MissedNode, promises: Promises) -> Node:
    """What is awaited may have come unheard, and so may what it should follow: each has feeds of its own."""
    awaited, begun = promises.on(node.answers), promises.on(node.asks)
    doubted: Node = Lasting(node, awaited) if awaited else node
    return Counting(doubted, begun, SURE_IF_SO) if begun else doubted


class Doubt(Node):
    """An atom on promised types. Tokens, measures and what it saw are the atom's own."""

    def __init__(self, node: Node, promises: tuple[Promise, ...]) -> None:
        super().__init__(node.source)
        self.node, self.promises = node, promises

    def silence(self, moment: Moment) -> tuple[Promise, Silence] | None:
        """Whose silence makes it unknown, or keeps it from holding; None where none does."""
        raise NotImplementedError  # abstract: the kinds below define it

    def saw(self, moment: Moment) -> Any:
        return self.node.saw(moment)

    def because(self, moment: Moment) -> Iterator[Evidence]:
        holds = self.test(moment)[0]
        found = self.silence(moment)
        for evidence in self.node.because(moment):
            told = {**evidence, "holds": holds}
            if found is not None and holds is not evidence["holds"]:
                told |= {"because": "stale_feed", **_said(*found)}
            yield told

    def reads(self) -> Iterator[str]:
        return self.node.reads()

    def measures(self) -> Iterator[Measure]:
        return self.node.measures()


def _said(promise: Promise, silence: Silence) -> Evidence:
    return {
        "feed": promise.source,
        "silent_since": iso(silence.start),
        "silent_until": iso_or_none(silence.end),
        "every": format_duration(promise.every),
    }


# ── counts, amounts, habits, sequences, the latest: a number that more events would change ──────────────────────


class Counting(Doubt):
    """Unknown while missing events could change the number enough; a drop also while its window holds a silence."""

    def __init__(self, node: Node, promises: tuple[Promise, ...], rests: Rests) -> None:
        super().__init__(node, promises)
        self.rests = rests

    def test(self, moment: Moment) -> Answer:
        holds, until = self.node.test(moment)
        if holds is None or holds is self.rests.sure or moment.feeds is None:
            return holds, until
        found, again = self._doubt(moment, moment.feeds)
        return (holds if found is None else None), soonest(until, again)

    def doubts(self, moment: Moment) -> tuple[bool, Instant | None]:
        """Whether a silence makes it unknown, and when to look again for that."""
        if moment.feeds is None:
            return False, None
        found, again = self._doubt(moment, moment.feeds)
        return found is not None, again

    def silence(self, moment: Moment) -> tuple[Promise, Silence] | None:
        return None if moment.feeds is None else self._doubt(moment, moment.feeds)[0]

    def _doubt(self, moment: Moment, feeds: Feeds) -> tuple[tuple[Promise, Silence] | None, Instant | None]:
        """The silence that makes it unknown, and when to look again; without one, when a known one will."""
        found, again = None, None
        for promise in self.promises:
            silence = feeds.silence(promise, moment.now)
            if silence is not None and moment.now >= self._enters(silence.start):
                found = promise, silence
                again = soonest(again, _heard_again(silence, promise, moment.now, self.rests.far))
            elif self.rests.drop:
                gap, over = self._overlapped(feeds, promise, moment)
                found = found if gap is None else (promise, gap)
                again = soonest(again, over)
        return found, again

    def _overlapped(
        self, feeds: Feeds, promise: Promise, moment: Moment
    ) -> tuple[Silence | None, Instant | None]:
        """The newest silence of the past within the window, and when that changes."""
        assert self.rests.far is not None
        until = None
        for start, end in reversed(feeds.gaps(promise, moment.now)):
            if end <= moment.profile.created_at or moment.now >= (leaves := self._leaves(end - 1)):
                break
            if moment.now >= (enters := self._enters(start)):
                return Silence(start, end), min(leaves, _filled(promise, moment.now))
            until = enters
        return None, until

    def _enters(self, start: Instant) -> Instant:
        """When the first event that could be missing would count: only `between` has to wait for it."""
        if self.rests.near is None:
            return start
        return (start + 1) // self.rests.step * self.rests.step + self.rests.step + self.rests.near

    def _leaves(self, last: Instant) -> Instant:
        """When the last event that could be missing would have left the window."""
        assert self.rests.far is not None
        return last // self.rests.step * self.rests.step + self.rests.step + self.rests.far


# ── absences, what was missed, milestones not reached: the silent time does not count ───────────────────────────


class Lasting(Doubt):
    """Unknown while silent once it would hold; when the feed has caught up, the silent time is subtracted."""

    def __init__(self, node: AbsentNode | MissedNode | NotReachedNode, promises: tuple[Promise, ...]) -> None:
        super().__init__(node, promises)
        self.lasting, self.holds_for = node, node.holds_for

    def test(self, moment: Moment) -> Answer:
        holds, until = self.lasting.test(moment)
        feeds, now = moment.feeds, moment.now
        if not holds or feeds is None:
            return holds, until
        matures = self._matures(moment, feeds)
        if now < matures:
            filled = min(_filled(promise, now) for promise in self.promises)
            return False, soonest(until, min(matures, filled))
        silent = [(each, found) for each in self.promises if (found := feeds.silence(each, now)) is not None]
        for promise, silence in silent:
            spans = [span for span in (self.holds_for, matures - silence.start) if span > 0]
            until = soonest(until, _heard_again(silence, promise, now, min(spans, default=None)))
        if silent:
            return None, until
        for promise in self.promises:  # what matured in a silence not yet too long may prove to have not
            falls = feeds.falls_silent(promise)
            if falls is not None and matures > falls - promise.every - 1:
                until = soonest(until, falls)
        return True, until

    def _matures(self, moment: Moment, feeds: Feeds) -> Instant:
        """When it has lasted long enough, silent times not counted."""
        since = self.lasting.counts_from(moment)
        assert since is not None  # it holds
        matures = since + self.holds_for
        for start, end in silent_times(feeds, self.promises, moment.now):
            if start >= matures:
                break
            if end > since:
                matures += end - max(start, since)
        return matures

    def silence(self, moment: Moment) -> tuple[Promise, Silence] | None:
        if moment.feeds is None:
            return None
        for promise in self.promises:
            found = moment.feeds.silence(promise, moment.now)
            if found is not None:
                return promise, found
        gaps = [(gap, promise) for promise in self.promises for gap in moment.feeds.gaps(promise, moment.now)]
        if not gaps:
            return None
        gap, promise = max(gaps, key=lambda pair: pair[0])
        return promise, Silence(*gap)


def _heard_again(silence: Silence, promise: Promise, now: Instant, span: Duration | None) -> Instant:
    """When to look again at what a silence makes unknown. Caught up this very moment, nothing could come of it before
    its own span has passed; but what was missing may be delivered too, so never later than the feed's own pace.
    """
    if silence.end is not None:
        return silence.end
    return now + max(MINUTE, promise.every if span is None else min(span, promise.every))


def _filled(promise: Promise, now: Instant) -> Instant:
    """When to look whether a silence of the past has been filled by events that came late."""
    return now + max(promise.every, DAY)
