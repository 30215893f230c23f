"""What definitions would do, without doing it: activated on every account (or an even sample), previewed on one."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from journeys.impact import Counts, impact
from journeys.playbook import Playbook
from journeys.preview import preview
from journeys.react import refill, unfilled
from journeys.state import AccountState
from journeys.store import accounts, feeds, fillings, outcomes
from journeys.store.database import Database
from journeys.store.tables import accounts as table
from signals.event import Event
from signals.instant import Instant
from signals.profile import Profile

SAMPLE = 20_000
"""Accounts looked at unless more are asked for: a request's patience, on this year's machines."""

_AT_ONCE = 100


class Trials:
    """Tries definitions on the accounts as they are; writes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rehearse(
        self, present: Playbook, coming: Playbook, now: Instant, sample: int = SAMPLE
    ) -> tuple[int, Counts]:
        """How many accounts there are, and what the coming definitions would make of those looked at.

        Where there are more than `sample`, every second (third, …) is looked at, in order of ids.
        """
        counts = Counts()
        with self._database.read() as connection:
            present, coming = feeds.seen(connection, present), feeds.seen(connection, coming)
            total = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            ids: list[str] = list(connection.execute(_every(max(1, -(-total // sample)))).scalars())
        for start in range(0, len(ids), _AT_ONCE):
            with self._database.read() as connection:
                states = accounts.look(connection, ids[start : start + _AT_ONCE])
                for state, history in self._with_histories(connection, states, (present, coming)):
                    counts += _made(state, history, present, coming, now)
        return total, counts

    def profiles(self, most: int) -> list[Profile]:
        """Up to so many profiles, evenly over all ids: the same ones for the same accounts."""
        with self._database.read() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            ids: list[str] = list(connection.execute(_every(max(1, -(-total // most)))).scalars())
            return [state.profile for state in accounts.look(connection, ids[:most])]

    def preview(
        self, account: str, playbook: Playbook, kind: str, key: str, at: Instant, now: Instant
    ) -> dict[str, Any] | None:
        """What a definition of the playbook says of an account at an instant; None where there is no such account.

        Of an instant ahead of `now`, feeds are taken to go on speaking.
        """
        with self._database.read() as connection:
            playbook = playbook if at > now else feeds.seen(connection, playbook)
            state = accounts.load(connection, account)
            history = outcomes.histories(connection, [account]).get(account, [])
        return None if state is None else preview(state, history, playbook, kind, key, at)

    def _with_histories(
        self, connection: sa.Connection, states: Sequence[AccountState], books: Sequence[Playbook]
    ) -> Iterator[tuple[AccountState, Sequence[Event]]]:
        """The states, each with its events where one of the playbooks counts anew."""
        kept, nothing = fillings.kept(connection, {state.stamp for state in states}), frozenset[int]()
        counted = {measure for book in books for measure in book.watched.measures}
        hungry = [
            state.profile.id
            for state in states
            if not counted <= kept.get(state.stamp, nothing) and any(unfilled(state, book) for book in books)
        ]
        histories = outcomes.histories(connection, hungry)
        return ((state, histories.get(state.profile.id, ())) for state in states)


def _every(step: int) -> sa.Select[Any]:
    numbered = sa.select(
        table.c.id, sa.func.row_number().over(order_by=table.c.id).label("number")
    ).subquery()
    return sa.select(numbered.c.id).where(numbered.c.number % step == 0).order_by(numbered.c.id)


def _made(
    state: AccountState, history: Sequence[Event], present: Playbook, coming: Playbook, now: Instant
) -> Counts:
    now = max(now, state.now)
    if state.stamp != present.stamp:
        state = refill(state, history, present, now).state
    return impact(state, refill(state, history, coming, now))
