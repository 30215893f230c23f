"""A round of the dispatcher: everything that is due judged under the locks of its accounts, in one transaction.

What must not go is settled, in-app messages are delivered (they are rows of our own), and what goes outside is handed
over: up to a group of parcels wait for their conversations.
"""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from msgspec.structs import replace

from channels.address import BadAddress
from channels.batch import judge_together
from channels.facts import ContentFailure, Facts
from channels.headers import BadHeader
from channels.judgement import Judgement
from channels.message import NOBODY, Message, Reason, Status
from channels.port import Call, Mail
from channels.render import Rendered
from journeys.aftermath import decision_on
from journeys.brakes import Tripped, counted
from journeys.composer import Composer
from journeys.facts import facts_for, hold_ends
from journeys.journey import Journey
from journeys.react import Settled
from journeys.state import AccountState
from journeys.store import sending
from journeys.store.consent import lock_people, suppression_keys
from journeys.store.sending import Ledger, Move
from journeys.work import Work
from signals.instant import MINUTE, SECOND, Instant

GROUP = 20
"""E-mails and webhooks handed over per commit: at most this many are in doubt after a crash."""

LEASE = 15 * MINUTE
"""How long a conversation may take before its message counts as in doubt (RFC 5321 grants 10 min after the dot)."""


RATED = ("email", "webhook")
"""Channels that reach the outside world, each at its own rate."""


class Parcel(NamedTuple):
    """An e-mail or a webhook that has been handed over and waits for its conversation."""

    message: Message
    content: Mail | Call
    judgement: Judgement


class Round:
    """The first transaction of a round."""

    def __init__(
        self,
        connection: sa.Connection,
        work: Work,
        composer: Composer,
        due: Sequence[tuple[str, str]],
        now: Instant,
        reached: Instant,
        group: int = GROUP,
    ) -> None:
        """`work` is open on the accounts of the `due` messages, (id, account) each; `group` of them go out at most."""
        self._group = group
        self._connection, self._work, self._composer = connection, work, composer
        self._now, self._reached = now, reached
        self._playbook = work.playbook
        self._due = dict(due)
        self._rendered: dict[str, Rendered] = {}
        self._contents: dict[str, Mail | Call] = {}

    def judge(self) -> tuple[list[Parcel], int, list[Tripped]]:
        """What may go by mail now, how many messages were moved in all, and the plays the brake has caught."""
        for account in list(self._work.states):
            self._work.feel(account, None, self._reached)
        dead = self._work.flush_dead()
        waiting = [
            message
            for message in sending.load_waiting(self._connection, list(self._due))
            if message.journey not in dead and message.account == self._due[message.id]
        ]  # one whose account has just become another comes with the next round
        ledger = self._ledger(waiting)
        pairs = [(message, self._facts(message, ledger)) for message in waiting]
        judged = judge_together(pairs, self._playbook.policies, self._now)
        parcels, moves = self._settle(judged, {channel: self._room(ledger, channel) for channel in RATED})
        sending.save_moves(self._connection, moves)
        self._save_renderings(moves)
        self._work.save()
        wake_outranked(self._connection, moves, self._now)
        return parcels, len(moves) + len(dead), counted(self._connection, self._playbook, moves)

    def _ledger(self, waiting: Sequence[Message]) -> Ledger:
        people = (one for one in waiting if one.contact != NOBODY)
        keys = {key for one in people for key in suppression_keys(one.contact, one.address)}
        lock_people(self._connection, keys, shared=True)
        ledger = sending.load_ledger(self._connection, waiting, keys, self._now)
        for channel in RATED:
            rate = self._playbook.policies.channel_rate.of(channel)
            if rate is not None:
                since = self._now - max(SECOND, int(SECOND / rate))
                ledger.channel_charges[channel] = sending.recent_charges(self._connection, channel, since)
        return ledger

    def _facts(self, message: Message, ledger: Ledger) -> Facts:
        state = self._work.states.get(message.account)
        facts = facts_for(message, state, ledger, self._playbook, self._now)
        return replace(facts, content_failure=lambda: self._render(message, state))

    def _render(self, message: Message, state: AccountState | None) -> ContentFailure | None:
        """The last check: can it be made? What is made is kept for sending."""
        assert state is not None
        journey = state.journey(message.journey)
        if message.channel == "webhook":
            return self._render_call(message, state, journey)
        made = self._composer.compose(message, state.profile, journey, self._playbook, self._now)
        if isinstance(made, ContentFailure):
            return made
        self._rendered[message.id] = made
        if message.channel == "in_app":
            return None
        try:
            self._contents[message.id] = self._composer.office.mail(message, made, self._now)
        except (BadHeader, BadAddress) as failure:
            return ContentFailure(Reason.BAD_SUBJECT, str(failure))
        return None

    def _render_call(
        self, message: Message, state: AccountState, journey: Journey | None
    ) -> ContentFailure | None:
        made = self._composer.call(message, state.profile, journey, self._now)
        if isinstance(made, ContentFailure):
            return made
        self._contents[message.id] = made
        self._rendered[message.id] = Rendered("", made.content.decode(), None)
        return None

    def _settle(
        self, judged: Sequence[tuple[Message, Judgement]], room: dict[str, int]
    ) -> tuple[list[Parcel], list[Move]]:
        parcels: list[Parcel] = []
        moves: list[Move] = []
        for message, judgement in judged:
            if message.journey in self._work.flush_dead():
                continue  # what was settled before it has ended its journey, and cancels it with this work
            if not judgement.may_go:
                moves.append(self._stopped(message, judgement))
            elif message.channel == "in_app":
                moves.append(self._delivered(message, judgement))
            elif len(parcels) < self._group and room[kind := _rated_as(message)] > 0:
                room[kind] -= 1
                handed = self._handed(message, judgement)
                moves.append(handed)
                parcels.append(Parcel(handed.message, self._contents[message.id], judgement))
        return parcels, moves

    def _room(self, ledger: Ledger, channel: str) -> int:
        """How many may be handed over now: a group, or what the last second leaves of the channel's rate."""
        rate = self._playbook.policies.channel_rate.of(channel)
        if rate is None:
            return self._group
        return min(self._group, max(1, int(rate)) - len(ledger.channel_charges[channel]))

    def _stopped(self, message: Message, judgement: Judgement) -> Move:
        """Held, or settled without being sent; news leaves a decision."""
        moved = judgement.applied_to(message)
        if moved.reason is Reason.ACCOUNT_HOLD:
            profile = self._work.states[message.account].profile
            moved = replace(moved, next_attempt_at=hold_ends(profile, self._now, moved.next_attempt_at))
        settled = moved.status.is_settled
        if judgement.is_news(message):
            self._work.decide([decision_on(moved, judgement, self._now)])
        if settled:
            moved = replace(moved, next_attempt_at=None)
            tell(self._work, moved, self._reached)
        charged = self._now if moved.status is Status.WITHHELD else None  # shadow room is used like real room
        return Move(moved, "settled" if settled else "new", charged)

    def _delivered(self, message: Message, judgement: Judgement) -> Move:
        """In-app: the row is the delivery, written in this transaction, exactly once."""
        shown = self._worded(judgement.applied_to(message))
        moved = replace(shown, status=Status.SENT, reason=None, sent_at=self._now, next_attempt_at=None)
        self._work.decide([decision_on(moved, judgement, self._now)])
        tell(self._work, message, self._reached, shown=True)
        return Move(moved, "settled", self._now, self._released(message))

    def _handed(self, message: Message, judgement: Judgement) -> Move:
        moved = self._worded(judgement.applied_to(message))
        return Move(moved, "handed", self._now, self._released(message), self._now + LEASE)

    def _worded(self, message: Message) -> Message:
        return replace(message, subject=self._rendered[message.id].subject)

    def _released(self, message: Message) -> Instant | None:
        return self._now if message.status is Status.HELD else None

    def _save_renderings(self, moves: Sequence[Move]) -> None:
        kept = (Status.SENT, Status.QUEUED, Status.WITHHELD)
        rows = [
            {"message": move.message.id, "subject": made.subject, "text": made.text, "html": made.html}
            for move in moves
            if move.message.status in kept and (made := self._rendered.get(move.message.id)) is not None
        ]
        sending.save_renderings(self._connection, rows)


def _rated_as(message: Message) -> str:
    """Whose rate it counts for: an invitation is an e-mail."""
    return "webhook" if message.channel == "webhook" else "email"


def wake_outranked(connection: sa.Connection, moves: Sequence[Move], now: Instant) -> None:
    """Who waited behind a message that has left the queue is judged again."""
    left = {
        move.message.contact
        for move in moves
        if move.message.status is not Status.QUEUED and move.message.reason is not Reason.OUTRANKED
    }
    sending.wake_held(connection, "outranked", now, people=left)


def tell(work: Work, message: Message, reached: Instant, shown: bool = False) -> None:
    """The message's journey goes on without it, or waits for the person to see what is `shown` in-app."""
    left = message if message.reason is Reason.CONTACT_CLOSED else None
    work.feel(message.account, Settled(message.journey, frozenset([message.id]), shown, left), reached)
