"""The stored history, account by account, as it came in: for back-tests."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa

from journeys.store.database import Database
from journeys.store.tables import events
from signals.event import Event
from signals.instant import Instant

AT_ONCE = 5_000
"""Events read at once where accounts are small; one with more is read alone."""

ACCOUNTS = 500
"""Accounts whose events are counted in one query."""

_ARRIVED = sa.case((events.c.history, events.c.time), else_=events.c.received_at)
"""When an event came in: one that was imported as history is taken as come when it happened."""

_READ = sa.select(
    events.c.account,
    events.c.id,
    events.c.source,
    events.c.type,
    events.c.time,
    events.c.contact,
    events.c.data,
).add_columns(_ARRIVED.label("arrived"))


class Extent(NamedTuple):
    """How much history there is, and when its first and last event came in (None: there is none)."""

    events: int
    first: Instant | None
    last: Instant | None


def extent(connection: sa.Connection) -> Extent:
    """All there is, in one query over every event."""
    asked = sa.select(sa.func.count(), sa.func.min(_ARRIVED), sa.func.max(_ARRIVED)).select_from(events)
    return Extent(*connection.execute(asked).one())


def histories(database: Database) -> Iterator[list[Event]]:
    """Each account's events, accounts in id order; `received_at` is when the event came in (see `_ARRIVED`).

    In memory is one account, or `AT_ONCE` events of small ones. Every look is a short transaction of its own: nothing
    is held while an account is worked on, and accounts that come meanwhile may or may not be seen.
    """
    last = ""
    while counted := _counted(database, last):
        while counted:
            taken = _page(counted)
            rows = _rows(database, last, counted[taken - 1][0])
            last, counted = counted[taken - 1][0], counted[taken:]
            yield from _by_account(rows)


def _counted(database: Database, after: str) -> list[tuple[str, int]]:
    """The next accounts and how many events each has."""
    account = events.c.account
    asked = sa.select(account, sa.func.count()).where(account > after).group_by(account).order_by(account)
    with database.read() as connection:
        return [(name, many) for name, many in connection.execute(asked.limit(ACCOUNTS))]


def _page(counted: list[tuple[str, int]]) -> int:
    """How many of these accounts to read at once."""
    taken, many = 0, 0
    while taken < len(counted) and (not taken or many + counted[taken][1] <= AT_ONCE):
        many += counted[taken][1]
        taken += 1
    return taken


def _rows(database: Database, after: str, to: str) -> list[Any]:
    asked = _READ.where(events.c.account > after, events.c.account <= to).order_by(
        events.c.account, events.c.time
    )
    with database.read() as connection:
        return list(connection.execute(asked))


def _by_account(rows: list[Any]) -> Iterator[list[Event]]:
    for _, mine in groupby(rows, key=itemgetter(0)):
        yield [_event(*row) for row in mine]


def _event(
    account: str, id_: str, source: str, type_: str, time: Instant, contact: str, data: Any, arrived: Instant
) -> Event:
    return Event(id_, source, type_, time, account, contact, data, arrived)
