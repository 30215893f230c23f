"""The dispatcher: due messages are judged, handed over, sent; every outcome is recorded (guarantees "Send protocol").

One round is two short transactions with the conversation between them. In the first, under the locks of the
accounts concerned, everything is judged on the facts of this moment, what must not go is settled, in-app messages
are delivered (they are rows of our own), and up to `GROUP` e-mails are marked `handed`. In the second, outcomes are
written and journeys told. A process that dies in between leaves at most `GROUP` messages in doubt.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from channels.message import Message
from channels.outbox import Calls
from channels.port import Blame, Call, Channel, InDoubt, Mail, MailChannel, Outcome, Permanent
from journeys.aftermath import after, decision_on
from journeys.brakes import Pause, Tripped, counted
from journeys.composer import Composer
from journeys.playbook import Playbook
from journeys.rounds import GROUP, Parcel, Round, tell, wake_outranked
from journeys.store import identities, sending
from journeys.store.database import Database
from journeys.store.sending import Move
from journeys.work import Work, present
from signals.event import Event
from signals.instant import Instant

CLAIM = 200
"""Messages judged per round, and the group where what is handed over stays in the house and cannot be in doubt."""

_DIED = InDoubt("the process that handed it over died")


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
        look_again: Callable[[], None] = lambda: None,
        pause: Pause = lambda _, __: None,
        group: int = GROUP,
    ) -> None:
        """Without `webhooks` calls are kept and not posted. `look_again` has `playbook` look at the database before it
        answers, `pause` is what the brake does. `group`: how many are handed over per commit.
        """
        self.group = group
        self._database, self._playbook, self._composer, self._mail = database, playbook, composer, mail
        self._webhooks: Channel[Call] = Calls() if webhooks is None else webhooks
        self.oldest_unread = oldest_unread
        self._look_again, self._pause = look_again, pause

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
            due = sending.due_messages(connection, now, max(CLAIM, self.group))
        if not due:
            return 0
        some = _as_many_as_may_go(due, self.group)
        reached = self.reached(now)
        with self._database.write() as connection:
            work = self.work(connection, {account for _, account in some}, reached)
            made = Round(connection, work, self._composer, some, now, reached, self.group)
            parcels, moved, over = made.judge()
        self._brake(over, now)
        if parcels:
            self._record(self._post(parcels), now)
        return moved

    def _brake(self, over: Iterable[Tripped], now: Instant) -> None:
        """Between transactions: a pause takes the lock of all definitions."""
        for found in over:
            self._pause(found, now)

    def _post(self, parcels: Sequence[Parcel]) -> list[tuple[Parcel, Outcome]]:
        """Every conversation: mails one after the other, calls beside them, so that a slow endpoint keeps no mail waiting."""
        calls = [(parcel, parcel.content) for parcel in parcels if isinstance(parcel.content, Call)]
        mails = [(parcel, parcel.content) for parcel in parcels if isinstance(parcel.content, Mail)]
        if not calls:
            return [(parcel, self._mail.post(mail)) for parcel, mail in mails]
        with ThreadPoolExecutor(min(len(calls), GROUP), "webhooks") as pool:
            asked = [(parcel, pool.submit(self._webhooks.post, call)) for parcel, call in calls]
            answered = [(parcel, self._mail.post(mail)) for parcel, mail in mails]
            return answered + [(parcel, future.result()) for parcel, future in asked]

    def _record(self, outcomes: Sequence[tuple[Parcel, Outcome]], now: Instant) -> None:
        reached = self.reached(now)
        with self._database.write() as connection:
            ids = [parcel.message.id for parcel, _ in outcomes]
            work = self.work(connection, _homes(connection, ids), reached)
            found = sending.load_handed(connection, ids)
            handed = {one.message.id: one for one in found}
            moves = []
            for parcel, outcome in outcomes:
                if parcel.message.id in handed:
                    one = handed[parcel.message.id]
                    moves.append(after(one, outcome, now, _is_live(work, one.message)))
                    work.decide([decision_on(moves[-1].message, parcel.judgement, now)])
                    _feel(work, moves[-1], outcome, now, reached)
            sending.save_moves(connection, moves)
            work.save()
            wake_outranked(connection, moves, now)
            over = counted(connection, work.playbook, moves)
        self._brake(over, now)

    def work(self, connection: sa.Connection, accounts: Iterable[str], now: Instant) -> Work:
        """A unit of work on these accounts, locked, by the definitions that are live in this very transaction: a pause
        counts at the next hand-over, in every process."""
        playbook = present(connection, self._playbook, self._look_again)
        work = Work(connection, playbook, self._composer.wording(playbook), accounts)
        work.catch_up(now)
        return work

    def rescue(self, now: Instant) -> int:
        """Mails handed over by a process that died become in doubt, and are never sent again by themselves (I16); calls
        are made again, under the same id."""
        with self._database.read() as connection:
            lost = sending.expired_leases(connection, now)
        if not lost:
            return 0
        with self._database.write() as connection:
            ids = [identifier for identifier, _ in lost]
            work = self.work(connection, _homes(connection, ids), self.reached(now))
            moves = []
            for handed in sending.load_handed(connection, ids):
                moves.append(after(handed, _DIED, now, _is_live(work, handed.message)))
                work.decide([decision_on(moves[-1].message, None, now)])
            sending.save_moves(connection, moves)
            work.save()
            wake_outranked(connection, moves, now)
        return len(moves)


def _as_many_as_may_go(due: Iterable[sending.Due], group: int) -> list[tuple[str, str]]:
    """Of what is due, best rank first: all that stays with us, and no more than a group of what goes out. To judge and
    render what could not be handed over in this round would be work for nothing: it is judged when it can be.
    """
    some: list[tuple[str, str]] = []
    outward = 0
    for message in due:
        outward += message.channel != "in_app"
        if message.channel == "in_app" or outward <= group:
            some.append((message.id, message.account))
    return some


def _homes(connection: sa.Connection, ids: Sequence[str]) -> set[str]:
    """The accounts of these messages, which stay so until the end of the transaction."""
    identities.lock(connection, alone=False)
    return sending.accounts_of(connection, ids)


def _is_live(work: Work, message: Message) -> bool:
    """Whether the message's journey goes on: it may have ended while the provider was spoken to."""
    state = work.states.get(message.account)
    return state is not None and state.journey(message.journey) is not None


def _feel(work: Work, move: Move, outcome: Outcome, now: Instant, reached: Instant) -> None:
    """Tell the account: a dead mailbox is an event, a settled message frees its journey."""
    message = move.message
    if isinstance(outcome, Permanent) and outcome.blame is Blame.ADDRESS:
        data = {"message": message.id, "content": message.content, "play": message.play, "bounce": "hard"}
        about = (message.account, message.contact, data)
        bounce = Event(f"{message.id}/refused", "journeys", "engagement.bounced", now, *about, now)
        work.feel(message.account, bounce, reached)
    if message.status.is_settled:
        tell(work, message, reached)
