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
    if any(arrival.merge is not None for arrival in arrivals):  # all locks at once, in one order
        accounts.lock(connection, homes(arrivals))
    for some in _cut(arrivals):
        first = some[0] if some else None
        began = now if first is None else first.event.received_at
        if first is not None and first.merge is not None:
            emitted = live_up_to(open_work, connection, first) or emitted
        work = open_work(connection, homes(some), began)
        for arrival in some:
            emitted = feel(work, arrival) or emitted
        work.save()
    return emitted


def feel(work: Work, arrival: Arrival) -> bool:
    """The event is reacted to, after what it joins; True where something is to be done outside the accounts."""
    event, emitted = arrival.event, False
    if arrival.merge is not None:
        emitted = Merging(work, arrival.merge, event, event.received_at, arrival.history).join()
    if event.account is None:  # a merge of people nobody knows yet
        return emitted
    names = arrival.key, arrival.content
    return work.feel(event.account, event, event.received_at, arrival.history, names) or emitted


def live_up_to(open_work: OpenWork, connection: sa.Connection, arrival: Arrival) -> bool:
    """Those who are to become one live through what fell due before, each by itself."""
    if arrival.merge is None or arrival.history:
        return False
    work = open_work(connection, arrival.merge.accounts, arrival.event.received_at)
    done = [work.feel(account, None, arrival.event.received_at) for account in sorted(work.states)]
    work.save()
    return any(done)


def homes(arrivals: Iterable[Arrival]) -> set[str]:
    """All accounts that these events touch."""
    found: set[str] = set()
    for arrival in arrivals:
        if arrival.event.account is not None:
            found.add(arrival.event.account)
        if arrival.merge is not None:
            found |= arrival.merge.accounts
    return found


def _cut(arrivals: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
    """The arrivals in parts; a merge begins a new one."""
    start = 0
    for place, arrival in enumerate(arrivals):
        if arrival.merge is not None and place > start:
            yield arrivals[start:place]
            start = place
    yield arrivals[start:]
