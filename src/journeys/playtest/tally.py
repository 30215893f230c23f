"""Journeys, messages, tasks, holds and collisions of one play, counted account by account.

Counted is what started from the question's `since` on, and all that came of it. Sums only: their number grows with
the days of the history and the roles and plays there are, not with the accounts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from channels.judgement import Judgement
from channels.message import Message, Status
from journeys.journey import Decision, Journey, JourneyStatus
from journeys.react import Reaction
from signals.instant import DAY, Duration, Instant

UNMADE = "(not made yet)"
"""In place of the play, where a message is outranked by one that a running wait is about to make."""


class Tally:
    """What the play with this key would have done, and where it met others."""

    def __init__(self, key: str, window: Duration | None, since: Instant | None) -> None:
        """`window`: how near messages to one person are to meet (the policy's arbitration window)."""
        self.key, self._window, self._since = key, window or 0, since
        self.arms, self.not_started, self.ended = Counter[str](), Counter[str](), Counter[str]()
        self.made, self.settled, self.held = 0, Counter[str](), Counter[str]()
        self.sent: Counter[tuple[str, int]] = Counter()
        self.tasks: Counter[tuple[str, int]] = Counter()
        self.collisions: dict[str, Counter[str]] = {name: Counter() for name in COLLISIONS}
        self.begin()

    def begin(self) -> None:
        """Another account: nothing is remembered of the one before."""
        self._journeys: dict[str, Journey] = {}
        self._counted: set[str] = set()
        self._play_of: dict[str, str] = {}
        self._near: defaultdict[str, list[Message]] = defaultdict(list)
        self._noted: set[tuple[str, ...]] = set()

    def end(self) -> None:
        """The account's history has ended: its journeys as they are at last, what is live staying so.

        Not before, because a journey that has ended may yet come to its goal.
        """
        for journey in self._journeys.values():
            self.ended[_named(journey.status, journey.reason)] += 1
            if journey.arm is not None:
                self.arms[journey.arm] += 1
            if journey.status is JourneyStatus.PREEMPTED:
                self.collisions["preempted_by"][str(journey.reason)] += 1

    # ── what `react` leaves behind ─────────────────────────────────────────────────────────────────────────────

    def take(self, reaction: Reaction) -> list[Instant]:
        """One reaction; answers when journeys of the play started in it."""
        started = [decision.at for decision in reaction.decisions if self._is_start(decision)]
        for journey in reaction.journeys.values():
            self._move(journey)
        for message in reaction.messages:
            self._make(message)
        self.tasks.update(
            (order.to, order.at // DAY) for order in reaction.tasks if order.journey in self._counted
        )
        return started

    def _is_start(self, decision: Decision) -> bool:
        """Note a decision about a start; True where it is a start of the play."""
        early = self._since is not None and decision.at < self._since
        if decision.subject != "start" or early:
            return False
        if decision.reason == "group_busy":
            self._blocked(decision)
        if decision.play != self.key:
            return False
        if decision.outcome != "started":
            self.not_started[str(decision.reason)] += 1
            return False
        assert decision.journey is not None
        self._counted.add(decision.journey)
        return True

    def _blocked(self, decision: Decision) -> None:
        blocking = decision.checks[-1]["saw"]
        if decision.play == self.key:
            self.collisions["blocked_by"].update(blocking)
        elif self.key in blocking:
            self.collisions["blocks"][str(decision.play)] += 1

    def _move(self, journey: Journey) -> None:
        if journey.status is JourneyStatus.PREEMPTED and journey.reason == self.key:
            self._once("preempts", journey.id, journey.play)
        if journey.id in self._counted:
            self._journeys[journey.id] = journey

    # ── messages ───────────────────────────────────────────────────────────────────────────────────────────────

    def _make(self, message: Message) -> None:
        if message.id in self._play_of:
            return
        self._play_of[message.id] = message.play
        self.made += message.journey in self._counted
        near = [one for one in self._near[message.contact] if message.due_at - one.due_at <= self._window]
        for other in near:
            self._meet(message, other)
            self._meet(other, message)
        self._near[message.contact] = [*near, message]

    def _meet(self, mine: Message, other: Message) -> None:
        """Two messages to one person fell due close to one another."""
        if mine.journey in self._counted and other.play != self.key:
            self._once("same_contact", mine.id, other.play)

    def stop(self, message: Message, moved: Message, judgement: Judgement) -> None:
        """A judgement did not let the message go."""
        counted = message.journey in self._counted
        if moved.status is not Status.HELD:
            self.settle(moved, judgement.at)
        elif counted:
            reason = str(moved.reason)
            if ("held", message.id, reason) not in self._noted:
                self._noted.add(("held", message.id, reason))
                self.held[reason] += 1
        for play in _outranking(judgement, self._play_of):
            if counted and play != self.key:
                self._once("outranked_by", message.id, play)
            elif not counted and play == self.key and message.play != self.key:
                self._once("outranks", message.id, message.play)

    def settle(self, message: Message, now: Instant) -> None:
        """The message has reached its end."""
        if message.journey not in self._counted:
            return
        reason = None if message.reason is None else message.reason.value
        self.settled[_named(message.status, reason)] += 1
        if message.status is Status.SENT:
            self.sent[message.role or message.channel, now // DAY] += 1  # a webhook is for nobody

    def _once(self, kind: str, what: str, play: str) -> None:
        if (kind, what, play) not in self._noted:
            self._noted.add((kind, what, play))
            self.collisions[kind][play] += 1


COLLISIONS = (
    "blocked_by",
    "blocks",
    "preempted_by",
    "preempts",
    "outranked_by",
    "outranks",
    "same_contact",
)
"""Ways in which the play meets another: its group was busy, or made busy; it was ended by the other, or ended it; its
message waited for the other's, or the other way round; messages of both to one person fell due within the window.
"""


def _named(status: JourneyStatus | Status, reason: str | None) -> str:
    return status.value if reason is None else f"{status.value}:{reason}"


def _outranking(judgement: Judgement, play_of: dict[str, str]) -> Iterator[str]:
    """The plays of the messages that go before this one."""
    shown: Iterable[object] = ()
    for check in judgement.checks:
        if check.check == "arbitration" and isinstance(check.saw, dict):
            shown = check.saw["outranked_by"]
    for rival in shown:
        assert isinstance(rival, dict)
        yield UNMADE if rival["id"] is None else play_of.get(rival["id"], UNMADE)
