"""A set of events folded in one transaction, cut where two ids become one.

Between two merges everything is set by set, as in a batch without any.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import sqlalchemy as sa

from journeys.arrivals import Arrival
from journeys.merging import Merging
from journeys.store import accounts
from journeys.work import Work
from signals.instant import Instant

OpenWork: TypeAlias = Callable[[sa.Connection, Iterable[str], Instant], Work]
"""Makes the unit of work on these accounts, locked and brought to the present playbook."""


def fold(open_work: OpenWork, connection: sa.Connection, arrivals: Sequence[Arrival], now: Instant) -> bool:
    """Everything in the order of arrival, saved; True where something is to be done outside the accounts."""
    emitted = False
    if any(arrival.merges for arrival in arrivals):  # all locks at once, in one order
        accounts.lock(connection, homes(arrivals))
    for some in _cut(arrivals):
        if some and some[0].merges:
            emitted = join(open_work, connection, some[0]) or emitted
        work = open_work(connection, homes(some), some[0].event.received_at if some else now)
        for arrival in some:
            emitted = feel(work, arrival) or emitted
        work.save()
    return emitted


def feel(work: Work, arrival: Arrival) -> bool:
    """The event is reacted to; True where something is to be done outside the accounts."""
    event = arrival.event
    if event.account is None:  # a merge of people nobody knows yet
        return False
    names = arrival.key, arrival.content
    return work.feel(event.account, event, event.received_at, arrival.history, names)


def join(open_work: OpenWork, connection: sa.Connection, arrival: Arrival) -> bool:
    """Those the event joins live through what fell due before, each by itself, and become one."""
    event, emitted = arrival.event, False
    for merge in arrival.merges:
        if not arrival.history:
            work = open_work(connection, merge.accounts, event.received_at)
            for account in sorted(work.states):
                emitted = work.feel(account, None, event.received_at) or emitted
            work.save()
        work = open_work(connection, merge.accounts, event.received_at)
        emitted = Merging(work, merge, event, event.received_at, arrival.history).join() or emitted
        work.save()
    return emitted


def homes(arrivals: Iterable[Arrival]) -> set[str]:
    """All accounts that these events touch."""
    found: set[str] = set()
    for arrival in arrivals:
        if arrival.event.account is not None:
            found.add(arrival.event.account)
        found.update(*(merge.accounts for merge in arrival.merges))
    return found


def _cut(arrivals: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
    """The arrivals in parts; a merge begins a new one."""
    start = 0
    for place, arrival in enumerate(arrivals):
        if arrival.merges and place > start:
            yield arrivals[start:place]
            start = place
    yield arrivals[start:]
