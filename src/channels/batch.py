"""Messages that are due at one instant, judged together: what goes first counts for those behind it.

Without this, two messages loaded at once would both find the cap room that only one of them may use. Control
messages count for control, real ones for real ones: shadow room never touches a person's own.
"""

from collections import defaultdict
from collections.abc import Iterable

from msgspec.structs import replace

from channels.facts import Facts, Rival, RivalState
from channels.judgement import Judgement, judge
from channels.message import Message, MessageClass, Status, charges_caps, rank
from channels.policies import Policies
from signals.instant import Instant


def judge_together(
    due: Iterable[tuple[Message, Facts]], policies: Policies, now: Instant
) -> list[tuple[Message, Judgement]]:
    """Every message with its judgement, best rank first. All facts are of one moment, before any of these went.

    The channel's rate is not shared out here: hand in no more messages than the channel has room for.
    """
    pairs = list(due)
    facts_of = {message.id: facts for message, facts in pairs}
    behind = _Behind(now)
    judged = []
    for message in rank(message for message, _ in pairs):
        facts = behind.catch_up(message, facts_of[message.id])
        judgement = judge(message, facts, policies, now)
        behind.note(message, facts, judgement)
        judged.append((message, judgement))
    return judged


class _Behind:
    """What the messages judged so far mean for those behind them."""

    def __init__(self, now: Instant) -> None:
        self._now = now
        self._judged: set[str] = set()
        self._gone_to: dict[tuple[str, bool], list[Message]] = defaultdict(list)
        self._gone_from: dict[tuple[str, bool], list[Message]] = defaultdict(list)

    def note(self, message: Message, facts: Facts, judgement: Judgement) -> None:
        self._judged.add(message.id)
        if judgement.outcome in {Status.SENT, Status.WITHHELD}:
            arm = message.arm_control or facts.control
            self._gone_to[message.contact, arm].append(message)
            self._gone_from[message.account, arm].append(message)

    def catch_up(self, message: Message, facts: Facts) -> Facts:
        arm = message.arm_control or facts.control
        for_person = self._after_person(message, facts, self._gone_to[message.contact, arm])
        return self._after_account(message, for_person, self._gone_from[message.account, arm])

    def _after_person(self, message: Message, facts: Facts, gone: list[Message]) -> Facts:
        waiting = tuple(rival for rival in facts.rivals if rival.id not in self._judged)
        charged = sum(map(charges_caps, gone))
        same = any((other.content, other.channel) == (message.content, message.channel) for other in gone)
        return replace(
            facts,
            rivals=waiting + tuple(_as_sent(other, self._now) for other in gone),
            contact_sends=facts.contact_sends + (self._now,) * charged,
            last_same_content_at=self._now if same else facts.last_same_content_at,
        )

    def _after_account(self, message: Message, facts: Facts, gone: list[Message]) -> Facts:
        charged = [other for other in gone if charges_caps(other)]
        to_others = any(
            other.contact != message.contact and not _one_step(other, message) for other in charged
        )
        released = any(other.status is Status.HELD for other in gone)
        return replace(
            facts,
            account_sends=facts.account_sends + (self._now,) * len(charged),
            last_other_contact_send_at=self._now if to_others else facts.last_other_contact_send_at,
            last_release_at=self._now if released else facts.last_release_at,
        )


def _as_sent(message: Message, now: Instant) -> Rival:
    marketing = message.cls is MessageClass.MARKETING
    return Rival(id=message.id, priority=message.priority, marketing=marketing, state=RivalState.SENT, at=now)


def _one_step(one: Message, other: Message) -> bool:
    return (one.journey, one.step, one.visit) == (other.journey, other.step, other.visit)
