"""The dispatcher: due messages are judged, handed over, sent; every outcome is recorded (guarantees "Send protocol").

One round is two short transactions with the conversation between them. In the first, under the locks of the
accounts concerned, everything is judged on the facts of this moment, what must not go is settled, in-app messages
are delivered (they are rows of our own), and up to `GROUP` e-mails are marked `handed`. In the second, outcomes are
written and journeys told. A process that dies in between leaves at most `GROUP` messages in doubt.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from msgspec.structs import replace

from channels.address import BadAddress
from channels.batch import judge_together
from channels.facts import ContentFailure, Facts
from channels.headers import BadHeader
from channels.judgement import Judgement
from channels.message import NOBODY, Message, Reason, Status
from channels.outbox import Calls
from channels.port import Blame, Call, Channel, Mail, MailChannel, Outcome, Permanent
from channels.render import Rendered
from journeys.aftermath import after, decision_on, in_doubt
from journeys.composer import Composer
from journeys.facts import facts_for, hold_ends
from journeys.journey import Journey
from journeys.playbook import Playbook
from journeys.react import Settled
from journeys.state import AccountState
from journeys.store import identities, sending
from journeys.store.consent import lock_people, suppression_keys
from journeys.store.database import Database
from journeys.store.sending import Ledger, Move
from journeys.work import Work
from signals.event import Event
from signals.instant import MINUTE, SECOND, Instant

GROUP = 20
"""E-mails handed over per commit: at most this many are in doubt after a crash."""

CLAIM = 200
"""Messages judged per round."""

LEASE = 15 * MINUTE
"""How long a conversation may take before its message counts as in doubt (RFC 5321 grants 10 min after the dot)."""


RATED = ("email", "webhook")
"""Channels that reach the outside world, each at its own rate."""


class Parcel(NamedTuple):
    """An e-mail or a webhook that has been handed over and waits for its conversation."""

    message: Message
    content: Mail | Call
    judgement: Judgement


class Dispatcher:
    """Sends what is due. One per thread: the mail channel is one connection."""

    def __init__(
        self,
        database: Database,
        playbook: Callable[[], Playbook],
        composer: Composer,
        mail: MailChannel,
        oldest_unread: Callable[[], Instant | None] = lambda: None,
        webhooks: Channel[Call] | None = None,
    ) -> None:
        """Without `webhooks` calls are kept and not posted."""
        self._database, self._playbook, self._composer, self._mail = database, playbook, composer, mail
        self._webhooks: Channel[Call] = Calls() if webhooks is None else webhooks
        self.oldest_unread = oldest_unread

    def reached(self, now: Instant) -> Instant:
        """How far accounts may live: messages are judged by the wall clock, but nothing fires that an event still
        unread refutes (semantics §2).
        """
        unread = self.oldest_unread()
        return now if unread is None else min(now, unread)

    def run(self, now: Instant) -> int:
        """Rounds until nothing more can go now; answers how many messages were settled or moved."""
        total = 0
        while moved := self.round(now):
            total += moved
        return total

    def round(self, now: Instant) -> int:
        """One group: judged, handed over, sent, recorded."""
        with self._database.read() as connection:
            due = sending.due_messages(connection, now, CLAIM)
        if not due:
            return 0
        reached = self.reached(now)
        with self._database.write() as connection:
            parcels, moved = _Round(self, connection, due, now, reached).judge()
        if parcels:
            outcomes = [(parcel, self._post(parcel.content)) for parcel in parcels]
            self._record(outcomes, now)
        return moved

    def _post(self, content: Mail | Call) -> Outcome:
        return self._webhooks.post(content) if isinstance(content, Call) else self._mail.post(content)

    def _record(self, outcomes: Sequence[tuple[Parcel, Outcome]], now: Instant) -> None:
        reached = self.reached(now)
        with self._database.write() as connection:
            playbook = self._playbook()
            ids = [parcel.message.id for parcel, _ in outcomes]
            work = self.work(connection, playbook, _homes(connection, ids), reached)
            found = sending.load_handed(connection, ids)
            handed = {one.message.id: one for one in found}
            moves = []
            for parcel, outcome in outcomes:
                if parcel.message.id in handed:
                    moves.append(after(handed[parcel.message.id], outcome, now))
                    work.decide([decision_on(moves[-1].message, parcel.judgement, now)])
                    _feel(work, moves[-1], outcome, now, reached)
            sending.save_moves(connection, moves)
            work.save()
            _wake_outranked(connection, moves, now)

    def work(
        self, connection: sa.Connection, playbook: Playbook, accounts: Iterable[str], now: Instant
    ) -> Work:
        """A unit of work on these accounts, locked."""
        work = Work(connection, playbook, self._composer.wording(playbook), accounts)
        work.catch_up(now)
        return work

    def rescue(self, now: Instant) -> int:
        """Messages handed over by a process that died become in doubt; never sent again by themselves (I16)."""
        with self._database.read() as connection:
            lost = sending.expired_leases(connection, now)
        if not lost:
            return 0
        with self._database.write() as connection:
            ids = [identifier for identifier, _ in lost]
            work = self.work(connection, self._playbook(), _homes(connection, ids), self.reached(now))
            moves = []
            for handed in sending.load_handed(connection, ids):
                moves.append(in_doubt(handed, "the process that handed it over died"))
                work.decide([decision_on(moves[-1].message, None, now)])
            sending.save_moves(connection, moves)
            work.save()
            _wake_outranked(connection, moves, now)
        return len(moves)


class _Round:
    """The first transaction of a round."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        connection: sa.Connection,
        due: Sequence[tuple[str, str]],
        now: Instant,
        reached: Instant,
    ) -> None:
        self._connection, self._now, self._reached = connection, now, reached
        self._composer = dispatcher._composer
        self._work = dispatcher.work(
            connection, dispatcher._playbook(), (account for _, account in due), reached
        )
        self._playbook = self._work.playbook
        self._due = dict(due)
        self._rendered: dict[str, Rendered] = {}
        self._contents: dict[str, Mail | Call] = {}

    def judge(self) -> tuple[list[Parcel], int]:
        """What may go by mail now, and how many messages were moved in all."""
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
        _wake_outranked(self._connection, moves, self._now)
        return parcels, len(moves) + len(dead)

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
        journey: Journey | None = next((one for one in state.journeys if one.id == message.journey), None)
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
            elif len(parcels) < GROUP and room[kind := _rated_as(message)] > 0:
                room[kind] -= 1
                handed = self._handed(message, judgement)
                moves.append(handed)
                parcels.append(Parcel(handed.message, self._contents[message.id], judgement))
        return parcels, moves

    def _room(self, ledger: Ledger, channel: str) -> int:
        """How many may be handed over now: a group, or what the last second leaves of the channel's rate."""
        rate = self._playbook.policies.channel_rate.of(channel)
        if rate is None:
            return GROUP
        return min(GROUP, max(1, int(rate)) - len(ledger.channel_charges[channel]))

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
            _tell(self._work, message, self._reached)
        charged = self._now if moved.status is Status.WITHHELD else None  # shadow room is used like real room
        return Move(moved, "settled" if settled else "new", charged)

    def _delivered(self, message: Message, judgement: Judgement) -> Move:
        """In-app: the row is the delivery, written in this transaction, exactly once."""
        shown = self._worded(judgement.applied_to(message))
        moved = replace(shown, status=Status.SENT, reason=None, sent_at=self._now, next_attempt_at=None)
        self._work.decide([decision_on(moved, judgement, self._now)])
        _tell(self._work, message, self._reached)
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


def _homes(connection: sa.Connection, ids: Sequence[str]) -> set[str]:
    """The accounts of these messages, which stay so until the end of the transaction."""
    identities.lock(connection, alone=False)
    return sending.accounts_of(connection, ids)


def _wake_outranked(connection: sa.Connection, moves: Sequence[Move], now: Instant) -> None:
    """Who waited behind a message that has left the queue is judged again."""
    left = {
        move.message.contact
        for move in moves
        if move.message.status is not Status.QUEUED and move.message.reason is not Reason.OUTRANKED
    }
    sending.wake_held(connection, "outranked", now, people=left)


def _feel(work: Work, move: Move, outcome: Outcome, now: Instant, reached: Instant) -> None:
    """Tell the account: a dead mailbox is an event, a settled message frees its journey."""
    message = move.message
    if isinstance(outcome, Permanent) and outcome.blame is Blame.ADDRESS:
        data = {"message": message.id, "content": message.content, "play": message.play, "bounce": "hard"}
        about = (message.account, message.contact, data)
        bounce = Event(f"{message.id}/refused", "journeys", "engagement.bounced", now, *about, now)
        work.feel(message.account, bounce, reached)
    if message.status.is_settled:
        _tell(work, message, reached)


def _tell(work: Work, message: Message, reached: Instant) -> None:
    """The message's journey goes on without it."""
    work.feel(message.account, Settled(message.journey, frozenset([message.id])), reached)
