"""One transaction's work: accounts loaded, reactions gathered, everything saved set by set."""

from collections import Counter
from collections.abc import Callable, Iterable

import sqlalchemy as sa
from msgspec.structs import replace

from channels.message import Message, Reason, Status
from channels.task import Task, TaskStatus
from journeys.desk import Desk
from journeys.engine import TaskOrder
from journeys.impact import Counts, impact
from journeys.journey import PLAY_STOPPED, Decision, Journey, decide
from journeys.playbook import Playbook
from journeys.react import Reaction, Settled, Stimulus, live_through, react, refill, unfilled
from journeys.state import AccountState, new_state
from journeys.store import accounts, braking, bulk, consent, feeds, fillings, outcomes, scores, sending
from journeys.store.tables import events as events_table
from signals.event import Event
from signals.freshness import Promises
from signals.instant import Instant
from signals.ledger import Entry
from signals.profile import Profile, address

Wording = Callable[[TaskOrder, Profile], tuple[str, str]]
"""Makes a task's title and body from its templates."""


class Work:
    """The accounts of one transaction, moved one stimulus at a time, saved at the end."""

    def __init__(
        self, connection: sa.Connection, playbook: Playbook, wording: Wording, wanted: Iterable[str]
    ) -> None:
        self.connection = connection
        self._promises = playbook.promises
        self.playbook = feeds.seen(connection, playbook)
        self._heard: dict[str, list[Instant]] = {}
        self._wording = wording
        self._before = accounts.lock_and_load(connection, wanted)
        self.states: dict[str, AccountState] = {
            account: loaded.state for account, loaded in self._before.items()
        }
        self._happened: list[tuple[Event, str, bool, tuple[bytes, bytes] | None]] = []
        self._messages: dict[str, Message] = {}
        self._orders: list[TaskOrder] = []
        self._decisions: list[Decision] = []
        self._journeys: dict[str, Journey] = {}
        self._dead: list[str] = []
        self._close_tasks: list[str] = []
        self._ledger: list[Entry] = []
        self._receipted: list[Message] = []
        self.made: Counts = Counter()
        self.now: Instant = 0

    def catch_up(self, now: Instant) -> None:
        """Bring accounts last seen under another playbook to this one, from their histories where it counts anew."""
        stale = [account for account, state in self.states.items() if state.stamp != self.playbook.stamp]
        if not stale:
            return
        histories = outcomes.histories(self.connection, self._hungry(stale))
        sending.wake_held(self.connection, "play_paused", now, accounts=stale)
        for account in stale:
            state = self.states[account]
            reaction = refill(state, histories.get(account, ()), self.playbook, now)
            self.made += impact(state, reaction)
            self._gather(account, reaction)
        self.now = max(self.now, now)

    def _hungry(self, stale: list[str]) -> list[str]:
        """Those of these accounts where the definitions count what has not been counted there before."""
        kept = fillings.kept(self.connection, {self.states[account].stamp for account in stale})
        counted, nothing = self.playbook.watched.measures.keys(), frozenset[int]()
        return [
            account
            for account in stale
            if not counted <= kept.get(self.states[account].stamp, nothing)
            and unfilled(self.states[account], self.playbook)
        ]

    def feel(
        self,
        account: str,
        stimulus: Stimulus,
        now: Instant,
        silent: bool = False,
        names: tuple[bytes, bytes] | None = None,
    ) -> bool:
        """The account reacts to all that fell due and to the stimulus; True where something is to be done outside it.

        `silent` (history) folds without living through what fell due: an import brings no time with it. `names` are
        the event's key and content hash where they are known already.
        """
        state = self.states.get(account)
        if state is None:
            if not isinstance(stimulus, Event):
                return False
            state = new_state(account, stimulus.time, self.playbook.stamp)
        if self._promises is not None and isinstance(stimulus, Event):
            self._hear(stimulus, self._promises)
        if silent:
            reactions = [react(state, stimulus, self.playbook, max(now, state.now), silent=True)]
        else:
            reactions = live_through(state, stimulus, self.playbook, now)
        if isinstance(stimulus, Event):
            self._happened.append((stimulus, account, silent, names))
        for reaction in reactions:
            self._gather(account, reaction)
        self.now = max(self.now, now)
        return any(reaction.emits for reaction in reactions)

    def _hear(self, event: Event, promises: Promises) -> None:
        """Note that a promised feed has spoken: whoever is looked at from here on goes by it."""
        if event.source in promises.sources and self.playbook.feeds is not None:
            self._heard.setdefault(event.source, []).append(event.time)
            self.playbook = self.playbook.seeing(self.playbook.feeds.hear(event.source, [event.time]))

    def look(self, account: str, now: Instant, silent: bool = False) -> bool:
        """Let the account do the next thing that is due at it, and no more; True where it is to be done outside."""
        state = self.states[account]
        reaction = react(state, None, self.playbook, max(now, state.now), silent)
        self._gather(account, reaction)
        self.now = max(self.now, now)
        return reaction.emits

    def _gather(self, account: str, reaction: Reaction) -> None:
        self.states[account] = reaction.state
        self._happened += [(event, account, False, None) for event in reaction.events]
        self._messages.update({message.id: message for message in reaction.messages})
        self._orders += reaction.tasks
        self._decisions += reaction.decisions
        self._journeys.update(reaction.journeys)
        self._dead += reaction.dead_journeys
        self._close_tasks += reaction.close_tasks
        self._ledger += reaction.ledger

    def decide(self, made: Iterable[Decision]) -> None:
        """Decisions of others to be written with this work."""
        self._decisions += made

    def flush_dead(self) -> set[str]:
        """Journeys that have ended in this work: their messages are not to be judged."""
        return set(self._dead)

    def save(self) -> None:
        """Everything at once, in a fixed number of statements."""
        connection = self.connection
        self._take_receipts()
        accounts.save(connection, self._before, self.states, self.now)
        rows = [outcomes.event_row(*happened) for happened in self._happened]
        bulk.insert(connection, events_table, rows)
        self._save_consents()
        self._wake()
        outcomes.insert_messages(connection, self._messages.values())
        freed = outcomes.cancel_messages(connection, self._dead, self.now)
        sending.wake_held(connection, "outranked", self.now, people=freed)  # who waited behind them goes on
        outcomes.save_journeys(connection, self._journeys.values())
        self._save_tasks()
        outcomes.save_decisions(connection, self._decisions)
        feeds.hear(connection, self._heard)
        scores.save(connection, self._ledger)

    def _take_receipts(self) -> None:
        """What a provider says of a message settles it: delivered, bounced; one in doubt frees its journey (semantics §7)."""
        told = {
            str(event.data["message"]): event
            for event, *_ in self._happened
            if event.type in _RECEIPTS and event.data.get("message")
        }
        if not told:
            return
        for message in sending.load_sent(self.connection, list(told)):
            event = told[message.id]
            moved = _receipted(message, event)
            if moved is not None:
                self._receipted.append(moved)
                self._decisions.append(_receipt_decision(moved, event, self.now))
                if message.status is Status.IN_DOUBT:
                    self.feel(message.account, Settled(message.journey, frozenset([message.id])), self.now)
        sending.save_receipts(self.connection, self._receipted)
        braking.count_bounces(self.connection, self._receipted)

    def _wake(self) -> None:
        """Held messages are judged again when the reason may be over: an account hold, a word of the person."""
        held = sending.accounts_held(self.connection, list(self._before))
        eased = [
            account
            for account in held
            if self._held(self._before[account].state) != self._held(self.states[account])
        ]
        sending.wake_held(self.connection, "account_hold", self.now, accounts=eased)
        said = {event.contact for event, *_ in self._happened if event.contact and _settles(event)}
        sending.wake_people(self.connection, said, self.now)

    def _held(self, state: AccountState) -> tuple[str, ...]:
        return self.playbook.holds_on(state.profile, state.now)

    def _save_consents(self) -> None:
        said = [(event, account) for event, account, *_ in self._happened if consent.speaks_of_consent(event)]
        if not said:
            return
        people = [(event.contact, self.states[account].profile.contacts) for event, account in said]
        addresses = {who: address(known[who]) for who, known in people if who is not None and who in known}
        consent.save_consents(self.connection, (event for event, _ in said), addresses)

    def _save_tasks(self) -> None:
        if not self._orders and not self._close_tasks:
            return
        desk = Desk(self.playbook)
        touched = {order.account for order in self._orders} | {
            journey.account for journey in self._journeys.values() if journey.id in self._close_tasks
        }
        open_tasks = {task.id: task for task in outcomes.open_tasks_of(self.connection, sorted(touched))}
        changed: dict[str, Task] = {}
        for order in self._orders:
            profile = self.states[order.account].profile
            title, body = self._wording(order, profile)
            task = desk.take(order, title, body, profile, open_tasks.values())
            open_tasks[task.id] = changed[task.id] = task
        for task in list(open_tasks.values()):
            if task.journey in self._close_tasks:
                stopped = self._journeys[task.journey].reason == PLAY_STOPPED
                reason = PLAY_STOPPED if stopped else "journey_ended"
                changed[task.id] = replace(
                    task, status=TaskStatus.CLOSED, closed_at=self.now, close_reason=reason
                )
        outcomes.save_tasks(self.connection, ((task, desk.next_sla_at(task)) for task in changed.values()))


def present(
    connection: sa.Connection, playbook: Callable[[], Playbook], look_again: Callable[[], None]
) -> Playbook:
    """The playbook of the definitions that are live in this transaction, and until its end.

    `playbook` answers what it last saw in the database, `look_again` has it look before it answers.
    """
    found = playbook()
    if fillings.present_stamp(connection) > found.stamp:
        look_again()
        found = playbook()
    return found


def _settles(event: Event) -> bool:
    """Whether the event may settle messages held for its contact at once."""
    return consent.speaks_of_consent(event) or event.type == "crm.contact_left"


_RECEIPTS = (
    "engagement.delivered",
    "engagement.bounced",
    "engagement.opened",
    "engagement.clicked",
    "engagement.replied",
)


def _receipted(message: Message, event: Event) -> Message | None:
    """The message after a provider's word; None where it changes nothing."""
    if event.type == "engagement.bounced":
        return replace(
            message, status=Status.FAILED, reason=Reason.BOUNCED, detail=str(event.data.get("bounce", ""))
        )
    if message.status is Status.DELIVERED:
        return None
    return replace(message, status=Status.DELIVERED, reason=None, sent_at=message.sent_at or event.time)


def _receipt_decision(message: Message, event: Event, now: Instant) -> Decision:
    checks = [{"check": "receipt", "passed": message.status is Status.DELIVERED, "saw": event.type}]
    return decide(
        now,
        message.account,
        "send",
        message.status.value,
        None if message.reason is None else message.reason.value,
        contact=message.contact,
        play=message.play,
        version=message.version,
        journey=message.journey,
        message=message.id,
        checks=checks,
    )
