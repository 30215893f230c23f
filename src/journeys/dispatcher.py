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
from channels.message import Message, Reason, Status, retry_at
from channels.port import Blame, InDoubt, Mail, MailChannel, Outcome, Permanent, Sent, Temporary
from channels.render import Rendered
from journeys.composer import Composer
from journeys.facts import facts_for
from journeys.journey import Decision, Journey, decide
from journeys.playbook import Playbook
from journeys.react import Settled
from journeys.state import AccountState
from journeys.store import sending
from journeys.store.accounts import address_key
from journeys.store.database import Database
from journeys.store.sending import Ledger, Move
from journeys.work import Work
from signals.event import Event
from signals.instant import MINUTE, Instant

GROUP = 20
"""E-mails handed over per commit: at most this many are in doubt after a crash."""

CLAIM = 200
"""Messages judged per round."""

LEASE = 15 * MINUTE
"""How long a conversation may take before its message counts as in doubt (RFC 5321 grants 10 min after the dot)."""


class Parcel(NamedTuple):
    """An e-mail that has been handed over and waits for its conversation."""

    message: Message
    mail: Mail
    judgement: Judgement


class Dispatcher:
    """Sends what is due. One per thread: the mail channel is one connection."""

    def __init__(
        self, database: Database, playbook: Callable[[], Playbook], composer: Composer, mail: MailChannel
    ) -> None:
        self._database, self._playbook, self._composer, self._mail = database, playbook, composer, mail

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
        with self._database.write() as connection:
            parcels, moved = _Round(self, connection, due, now).judge()
        if parcels:
            outcomes = [(parcel, self._mail.post(parcel.mail)) for parcel in parcels]
            self._record(outcomes, now)
        return moved

    def _record(self, outcomes: Sequence[tuple[Parcel, Outcome]], now: Instant) -> None:
        with self._database.write() as connection:
            playbook = self._playbook()
            homes = [parcel.message.account for parcel, _ in outcomes]
            work = self.work(connection, playbook, homes, now)
            handed = {
                m.id: charged
                for m, charged in sending.load_handed(connection, [p.message.id for p, _ in outcomes])
            }
            moves = []
            for parcel, outcome in outcomes:
                if parcel.message.id in handed:
                    moves.append(_after(parcel.message, outcome, handed[parcel.message.id], now))
                    work.decide([_decision(moves[-1].message, parcel.judgement, now)])
                    self._feel(work, moves[-1], outcome, now)
            sending.save_moves(connection, moves)
            work.save()
            _wake_outranked(connection, moves, now)

    def _feel(self, work: Work, move: Move, outcome: Outcome, now: Instant) -> None:
        """Tell the account: a dead mailbox is an event, a settled message frees its journey."""
        message = move.message
        if isinstance(outcome, Permanent) and outcome.blame is Blame.ADDRESS:
            data = {"message": message.id, "content": message.content, "play": message.play, "bounce": "hard"}
            bounce = Event(
                f"{message.id}/refused",
                "journeys",
                "engagement.bounced",
                now,
                message.account,
                message.contact,
                data,
                now,
            )
            work.feel(message.account, bounce, now)
        if message.status.is_settled:
            work.feel(message.account, Settled(message.journey, frozenset([message.id])), now)

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
            work = self.work(connection, self._playbook(), (account for _, account in lost), now)
            moves = []
            for message, charged in sending.load_handed(connection, [identifier for identifier, _ in lost]):
                doubtful = replace(
                    message, status=Status.IN_DOUBT, detail="the process that handed it over died"
                )
                moves.append(Move(doubtful, "handed", charged))
                work.decide([_decision(doubtful, None, now)])
            sending.save_moves(connection, moves)
            work.save()
            _wake_outranked(connection, moves, now)
        return len(moves)


class _Round:
    """The first transaction of a round."""

    def __init__(
        self, dispatcher: Dispatcher, connection: sa.Connection, due: Sequence[tuple[str, str]], now: Instant
    ) -> None:
        self._connection, self._now = connection, now
        self._composer = dispatcher._composer
        self._playbook = dispatcher._playbook()
        self._work = dispatcher.work(connection, self._playbook, (account for _, account in due), now)
        self._ids = [identifier for identifier, _ in due]
        self._rendered: dict[str, Rendered] = {}
        self._mails: dict[str, Mail] = {}

    def judge(self) -> tuple[list[Parcel], int]:
        """What may go by mail now, and how many messages were moved in all."""
        for account in list(self._work.states):
            self._work.feel(account, None, self._now)
        dead = self._work.flush_dead()
        waiting = [
            message
            for message in sending.load_waiting(self._connection, self._ids)
            if message.journey not in dead
        ]
        ledger = self._ledger(waiting)
        pairs = [(message, self._facts(message, ledger)) for message in waiting]
        judged = judge_together(pairs, self._playbook.policies, self._now)
        parcels, moves = self._settle(judged)
        sending.save_moves(self._connection, moves)
        self._save_renderings(moves)
        self._work.save()
        _wake_outranked(self._connection, moves, self._now)
        return parcels, len(moves) + len(dead)

    def _ledger(self, waiting: Sequence[Message]) -> Ledger:
        keys = {key for message in waiting if (key := address_key(message.address)) is not None}
        ledger = sending.load_ledger(self._connection, waiting, keys, self._now)
        if self._playbook.policies.channel_rate.email is not None:
            ledger.channel_charges["email"] = sending.recent_charges(self._connection, "email", self._now)
        return ledger

    def _facts(self, message: Message, ledger: Ledger) -> Facts:
        state = self._work.states.get(message.account)
        facts = facts_for(message, state, ledger, self._playbook, self._now, address_key(message.address))
        return replace(facts, content_failure=lambda: self._render(message, state))

    def _render(self, message: Message, state: AccountState | None) -> ContentFailure | None:
        """The last check: can it be made? What is made is kept for sending."""
        assert state is not None
        journey: Journey | None = next((one for one in state.journeys if one.id == message.journey), None)
        made = self._composer.compose(message, state.profile, journey, self._playbook, self._now)
        if isinstance(made, ContentFailure):
            return made
        self._rendered[message.id] = made
        if message.channel == "in_app":
            return None
        try:
            self._mails[message.id] = self._composer.office.mail(message, made, self._now)
        except (BadHeader, BadAddress) as failure:
            return ContentFailure(Reason.BAD_SUBJECT, str(failure))
        return None

    def _settle(self, judged: Sequence[tuple[Message, Judgement]]) -> tuple[list[Parcel], list[Move]]:
        parcels: list[Parcel] = []
        moves: list[Move] = []
        room = self._room()
        for message, judgement in judged:
            if not judgement.may_go:
                moves.append(self._stopped(message, judgement))
            elif message.channel == "in_app":
                moves.append(self._delivered(message, judgement))
            elif len(parcels) < room:
                handed = self._handed(message, judgement)
                moves.append(handed)
                parcels.append(Parcel(handed.message, self._mails[message.id], judgement))
        return parcels, moves

    def _room(self) -> int:
        """How many e-mails may be handed over now: a group, or what the channel's rate leaves of it."""
        rate = self._playbook.policies.channel_rate.email
        return GROUP if rate is None else max(1, min(GROUP, int(rate)))

    def _stopped(self, message: Message, judgement: Judgement) -> Move:
        """Held, or settled without being sent; news leaves a decision."""
        moved = judgement.applied_to(message)
        if moved.reason is Reason.ACCOUNT_HOLD:
            moved = replace(moved, next_attempt_at=self._hold_ends(message, moved.next_attempt_at))
        settled = moved.status.is_settled
        if judgement.is_news(message):
            self._work.decide([_decision(moved, judgement, self._now)])
        if settled:
            moved = replace(moved, next_attempt_at=None)
            self._work.feel(message.account, Settled(message.journey, frozenset([message.id])), self._now)
        charged = self._now if moved.status is Status.WITHHELD else None  # shadow room is used like real room
        return Move(moved, "settled" if settled else "new", charged)

    def _hold_ends(self, message: Message, otherwise: Instant | None) -> Instant | None:
        """When the account's dated holds end by themselves, where that is sooner."""
        profile = self._work.states[message.account].profile
        ends = [
            until
            for opened, closed, until, *_ in profile.holds.values()
            if opened > closed and until is not None
        ]
        coming = [until for until in ends if until > self._now]
        return min([*coming, *([otherwise] if otherwise is not None else [])], default=None)

    def _delivered(self, message: Message, judgement: Judgement) -> Move:
        """In-app: the row is the delivery, written in this transaction, exactly once."""
        shown = self._worded(judgement.applied_to(message))
        moved = replace(shown, status=Status.SENT, reason=None, sent_at=self._now, next_attempt_at=None)
        self._work.decide([_decision(moved, judgement, self._now)])
        self._work.feel(message.account, Settled(message.journey, frozenset([message.id])), self._now)
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


def _wake_outranked(connection: sa.Connection, moves: Sequence[Move], now: Instant) -> None:
    """Who waited behind a message that has left the queue is judged again."""
    left = {
        move.message.contact
        for move in moves
        if move.message.status is not Status.QUEUED and move.message.reason is not Reason.OUTRANKED
    }
    sending.wake_held(connection, "outranked", now, people=left)


def _after(message: Message, outcome: Outcome, charged: Instant | None, now: Instant) -> Move:
    """The message after its conversation."""
    match outcome:
        case Sent(remote_id):
            sent = replace(message, status=Status.SENT, reason=None, sent_at=now, next_attempt_at=None)
            return Move(sent, "settled", charged or now, remote_id=remote_id)
        case InDoubt(detail):
            doubtful = replace(
                message, status=Status.IN_DOUBT, reason=None, detail=detail, next_attempt_at=None
            )
            return Move(doubtful, "handed", charged)
        case Temporary(detail, after):
            return _again(message, detail, after, now)
        case Permanent(
            detail, _, Blame.CONFIGURATION
        ):  # not this message's fault: it waits until we are set up right
            return Move(
                replace(message, reason=Reason.TEMPORARY, detail=detail, next_attempt_at=now + MINUTE)
            )
        case Permanent(detail):
            failed = replace(
                message, status=Status.FAILED, reason=Reason.PERMANENT, detail=detail, next_attempt_at=None
            )
            return Move(failed, "settled")


def _again(message: Message, detail: str, after: int | None, now: Instant) -> Move:
    """Another try at 1 m, 5 m, 30 m, 2 h, 8 h, or later where the provider asks for it; then failed."""
    attempts = message.attempts + 1
    at = retry_at(attempts, now)
    if at is None:
        failed = replace(message, status=Status.FAILED, attempts=attempts, next_attempt_at=None)
        return Move(replace(failed, reason=Reason.TEMPORARY, detail=detail), "settled")
    at = max(at, now + (after or 0))
    return Move(
        replace(message, attempts=attempts, reason=Reason.TEMPORARY, detail=detail, next_attempt_at=at)
    )


def _decision(message: Message, judgement: Judgement | None, now: Instant) -> Decision:
    checks = [] if judgement is None else [check.as_json() for check in judgement.checks]
    if message.detail is not None:
        checks.append({"check": "delivery", "passed": message.status is Status.SENT, "saw": message.detail})
    reason = None if message.reason is None else message.reason.value
    return decide(
        now,
        message.account,
        "send",
        message.status.value,
        reason,
        contact=message.contact,
        play=message.play,
        version=message.version,
        journey=message.journey,
        message=message.id,
        checks=checks,
        also=message.attempts,
    )
