"""The messages of one account from being made to being settled, judged as the dispatcher judges them.

What goes is taken as sent at once, and nobody answers: what providers and people did with real messages is in the
history, and no word of what they would have done with these.
"""

from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from channels.batch import judge_together
from channels.facts import ContentFailure
from channels.judgement import Judgement
from channels.message import Message, Reason, Status
from journeys.composer import Composer
from journeys.facts import facts_for, hold_ends
from journeys.playbook import Playbook
from journeys.playtest.words import Words
from journeys.state import AccountState
from journeys.store.sending import LOOK_BACK, Charge, Ledger
from signals.instant import Instant

Judged = list[tuple[Message, Judgement]]


class Post:
    """What waits, and what uses cap room. Holds no more than eight days of sends."""

    def __init__(self, playbook: Playbook, composer: Composer) -> None:
        self._playbook, self._composer = playbook, composer
        self.waiting: dict[str, Message] = {}
        self.words = Words()
        self._charges: list[Charge] = []

    def due_at(self) -> Instant | None:
        """When the next message is to be judged."""
        return min(
            (one.next_attempt_at for one in self.waiting.values() if one.next_attempt_at is not None),
            default=None,
        )

    def due(self, now: Instant) -> list[str]:
        """The messages to be judged by then."""
        return [
            one.id
            for one in self.waiting.values()
            if one.next_attempt_at is not None and one.next_attempt_at <= now
        ]

    def add(self, made: Iterable[Message]) -> None:
        """New messages; one that exists already is left alone."""
        for message in made:
            self.waiting.setdefault(message.id, message)

    def bury(self, ended: Sequence[str]) -> list[Message]:
        """Messages of ended journeys die with them; answers which."""
        doomed = [
            replace(message, status=Status.CANCELLED, reason=Reason.JOURNEY_ENDED)
            for message in self.waiting.values()
            if message.journey in ended
        ]
        for message in doomed:
            del self.waiting[message.id]
        return doomed

    def judge(
        self, ids: Iterable[str], queued: Sequence[Message], state: AccountState, now: Instant
    ) -> Judged:
        """These messages, best rank first, judged together. `queued` are those that count as rivals."""
        ledger = self._ledger(queued, state, now)
        pairs = []
        for message in (self.waiting[each] for each in ids if each in self.waiting):
            facts = facts_for(message, state, ledger, self._playbook, now)
            pairs.append((message, replace(facts, content_failure=self._made(message, state, now))))
        return judge_together(pairs, self._playbook.policies, now)

    def _made(
        self, message: Message, state: AccountState, now: Instant
    ) -> Callable[[], ContentFailure | None]:
        """The last check: whether the text can be made for this person."""

        def make() -> ContentFailure | None:
            journey = state.journey(message.journey)
            made = (
                self._composer.call(message, state.profile, journey, now)
                if message.channel == "webhook"
                else self._composer.compose(message, state.profile, journey, self._playbook, now)
            )
            return made if isinstance(made, ContentFailure) else None

        return make

    def _ledger(self, queued: Sequence[Message], state: AccountState, now: Instant) -> Ledger:
        self._charges = [charge for charge in self._charges if charge.at > now - LOOK_BACK]
        ledger = Ledger(suppressed=self.words.suppressed(), consents=self.words.consents())
        ledger.charges_by_account = {state.profile.id: self._charges}
        for charge in self._charges:
            ledger.charges_by_contact.setdefault(charge.contact, []).append(charge)
        for message in queued:
            ledger.queued.setdefault(message.contact, []).append(message)
        return ledger

    def stop(self, message: Message, judgement: Judgement, state: AccountState, now: Instant) -> Message:
        """Held, or settled without being sent."""
        moved = judgement.applied_to(message)
        if moved.reason is Reason.ACCOUNT_HOLD:
            until = hold_ends(state.profile, now, moved.next_attempt_at)
            moved = replace(moved, next_attempt_at=until)
        if moved.status is Status.WITHHELD:
            self._charge(message, now)  # shadow room is used like real room
        self._keep(moved)
        return moved

    def send(self, message: Message, now: Instant) -> Message:
        """It goes, and is there."""
        self._charge(message, now)
        moved = replace(message, status=Status.SENT, reason=None, sent_at=now, next_attempt_at=None)
        self._keep(moved)
        return moved

    def _keep(self, message: Message) -> None:
        if message.status.is_settled:
            self.waiting.pop(message.id, None)
        else:
            self.waiting[message.id] = message

    def _charge(self, message: Message, now: Instant) -> None:
        released = now if message.status is Status.HELD else None
        self._charges.append(
            Charge(
                message=message.id,
                contact=message.contact,
                account=message.account,
                channel=message.channel,
                content=message.content,
                cls=message.cls.value,
                priority=message.priority,
                journey=message.journey,
                step=message.step,
                visit=message.visit,
                control=message.arm_control,
                at=now,
                released_at=released,
            )
        )

    def wake(self, now: Instant, reason: Reason | None = None, people: Iterable[str] | None = None) -> None:
        """Held messages are judged again now: those held for the reason, those of the people, or both."""
        wanted = None if people is None else set(people)
        for message in list(self.waiting.values()):
            held = message.status is Status.HELD and reason in (None, message.reason)
            if held and (wanted is None or message.contact in wanted):
                self.waiting[message.id] = replace(message, next_attempt_at=now)

    def is_held(self, reason: Reason) -> bool:
        """Whether any message waits for this reason."""
        return any(one.status is Status.HELD and one.reason is reason for one in self.waiting.values())
