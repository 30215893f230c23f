"""The brake: a play whose sends fail too often is paused, and its owner gets a task (semantics §5, policy `brake`)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from channels.message import Message, Status, identity
from channels.policy_parts import Brake
from journeys.desk import Desk
from journeys.engine import TaskOrder
from journeys.playbook import Playbook
from journeys.store import accounts, braking, identities, outcomes
from journeys.store.braking import Tally
from journeys.store.sending import Move
from signals.instant import Instant

ACTOR = "the brake"
"""Who paused a play, as the audit names it."""


class Tripped(NamedTuple):
    """A play to be paused: how its sends went, and the message that shows it."""

    message: Message
    tally: Tally

    @property
    def play(self) -> str:
        """The play's key."""
        return self.message.play

    @property
    def reason(self) -> str:
        """Why it is paused, for people."""
        return f"{self.tally.failed} of {self.tally.sends} sends failed"


Pause = Callable[[Tripped, Instant], None]
"""Pauses the play if it is open, and raises the task in the same transaction."""


def tripped(sums: Mapping[str, Tally], ended: Iterable[Message], brake: Brake | None) -> list[Tripped]:
    """The plays of these messages that are to be paused, each shown by its newest failure."""
    found: dict[str, Message] = {}
    for message in ended:
        known = found.get(message.play)
        if known is None or message.status is Status.FAILED:
            found[message.play] = message
    over = (play for play, tally in sums.items() if brake is not None and _too_many(tally, brake))
    return [Tripped(found[play], sums[play]) for play in over]


def counted(connection: sa.Connection, playbook: Playbook, moves: Sequence[Move]) -> list[Tripped]:
    """Count how these sends ended, where the policies have a brake; answers the plays it catches."""
    brake = playbook.policies.brake
    ended = [move.message for move in moves if move.delivery == "settled"]
    return [] if brake is None else tripped(braking.count(connection, ended), ended, brake)


def _too_many(tally: Tally, brake: Brake) -> bool:
    return tally.sends >= brake.of_at_least and tally.failed * 100 >= brake.failed * tally.sends > 0


def raise_task(connection: sa.Connection, playbook: Playbook, found: Tripped, now: Instant) -> None:
    """The task of the play's owner, at the account where a send failed; without an owner it lies in the queue."""
    home = identities.current(connection, "account", found.message.account)
    loaded = accounts.lock_and_load(connection, [home]).get(home)
    play = playbook.plays.get(found.play)
    if loaded is None or play is None:
        return
    desk, order = Desk(playbook), _order(found, home, play.play.name or play.key, now)
    known = outcomes.open_tasks_of(connection, [home])
    body = (
        f"{found.reason} since the play was made live or resumed, the last one to {found.message.address or 'nobody'}"
        f": {found.message.detail or found.message.reason or 'without a word'}. Nobody starts it and its journeys "
        "stand still until it is resumed; its sends are counted anew then."
    )
    task = desk.take(order, order.title, body, loaded.state.profile, known, owner=play.play.owner)
    outcomes.save_tasks(connection, [(task, desk.next_sla_at(task))])


def _order(found: Tripped, account: str, name: str, now: Instant) -> TaskOrder:
    message = found.message
    return TaskOrder(
        id=identity("brake", message.play, message.id, now),
        account=account,
        to="",
        type="brake",
        title=f"{name} was paused: {found.reason}",
        content=None,
        reason=f"brake:{message.play}",
        sla="standard",
        priority=message.priority,
        play=message.play,
        version=message.version,
        journey=message.journey,
        severity="critical",
        at=now,
    )
