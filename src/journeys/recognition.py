"""Who visitors turn out to be: what they did waits until somebody becomes known as them (semantics §2, Identity).

A visitor is named by `data.anonymous_id`. Who signs in (`crm.contact_updated` or `crm.account_updated` with a contact
and that id, `crm.contact_merged` from it) is who it was before, and who it is until somebody else signs in there.
Nobody is merged by that: two people at one browser stay two.
"""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from msgspec.structs import replace

from journeys.arrivals import Arrival
from journeys.store import outcomes, visitors
from journeys.store.visitors import SignIn, Waiting
from signals.event import Event, Named
from signals.instant import Instant
from signals.problem import Problem, id_conflict
from signals.sources.segment import ANONYMOUS

MOST_SIGN_INS = 20
"""Sign-ins remembered of one visitor; the oldest are forgotten first."""

_SIGNS_IN = {"crm.contact_updated": ANONYMOUS, "crm.account_updated": ANONYMOUS, "crm.contact_merged": "from"}
"""Types that say who a visitor is, and the member of `data` that names the visitor."""


class Visits:
    """What one batch says of visitors. Nothing is written before `save`."""

    def __init__(self, connection: sa.Connection, arrivals: Sequence[Arrival], now: Instant) -> None:
        self._connection, self._now = connection, now
        self._visitors = {a.key: visitor for a in arrivals if (visitor := visitor_of(a.event)) is not None}
        signing = [(visitor, a.event) for a in arrivals if (visitor := signed_in(a.event)) is not None]
        ids = {*self._visitors.values(), *(visitor for visitor, _ in signing)}
        self._known = visitors.lock_and_load(connection, ids, now) if ids else {}
        self._hoped = dict(self._known)
        for visitor, event in signing:
            assert event.contact is not None
            sign_in = SignIn(event.time, event.contact, event.account or "")
            self._hoped[visitor] = with_sign_in(self._hoped[visitor], sign_in)
        self._waiting: list[tuple[str, Arrival]] = []
        self._signed_in: list[tuple[str, SignIn, int]] = []
        self._taken: list[tuple[bytes, int]] = []

    def recognise(self, arrivals: list[Arrival]) -> list[Arrival]:
        """With the contacts that visitors are known to be, or become in this very batch."""
        return [self._recognised(arrival) for arrival in arrivals] if self._visitors else arrivals

    def _recognised(self, arrival: Arrival) -> Arrival:
        visitor = self._visitors.get(arrival.key)
        who = None if visitor is None else who_at(self._hoped[visitor], arrival.event.time)
        return arrival if who is None else arrival._replace(event=_as(arrival.event, who))

    def wait(self, arrival: Arrival) -> bool:
        """Keep the event, which belongs to no account, until its visitor is known; False where it is no visitor's."""
        visitor = self._visitors.get(arrival.key)
        if visitor is None:
            return False
        event = replace(arrival.event, account=None, contact=None)
        self._waiting.append((visitor, arrival._replace(event=event)))
        return True

    def attach(self, arrivals: list[Arrival]) -> list[Arrival]:
        """With what was waiting, each before the event that says whose it is, and as received with that."""
        signing = {visitor for a in arrivals if (visitor := signed_in(a.event)) is not None}
        if not signing:
            return arrivals
        waiting = visitors.waiting(self._connection, signing)
        found: list[Arrival] = []
        for arrival in arrivals:
            visitor = signed_in(arrival.event)
            if visitor is not None:
                found += self._sign_in(visitor, arrival, waiting.pop(visitor, ()))
            found.append(arrival)
        return found

    def _sign_in(self, visitor: str, arrival: Arrival, waiting: Sequence[Waiting]) -> Iterator[Arrival]:
        event, offset = arrival.event, arrival.record.offset
        assert event.contact is not None
        assert event.account is not None
        sign_in = SignIn(event.time, event.contact, event.account)
        self._signed_in.append((visitor, sign_in, offset))
        known = with_sign_in(self._known[visitor], sign_in)
        for named, history in waiting:
            self._taken.append((named.key, offset))
            who = who_at(known, named.event.time) or sign_in
            attached = replace(_as(named.event, who), received_at=event.received_at)
            yield Arrival(attached, arrival.record, history, named.key, named.content)

    def settle(self) -> Iterator[tuple[Arrival, Problem | None]]:
        """Those that were not to be kept after all: known already, or in conflict with what is known (I3)."""
        if not self._waiting:
            return
        keys = [arrival.key for _, arrival in self._waiting]
        known = outcomes.known_hashes(self._connection, keys) | visitors.hashes(self._connection, keys)
        kept = []
        for visitor, arrival in self._waiting:
            first = known.setdefault(arrival.key, arrival.content)
            if first is arrival.content:
                kept.append((visitor, arrival))
            else:
                event = arrival.event
                yield arrival, None if first == arrival.content else id_conflict(event.id, event.source)
        self._waiting = kept

    def save(self, following: int) -> None:
        """Write what the records before this offset said of visitors."""
        if not self._known:
            return
        for visitor, sign_in, offset in self._signed_in:
            if offset < following:
                self._known[visitor] = with_sign_in(self._known[visitor], sign_in)
        visitors.remember(self._connection, self._known, self._now)
        kept = [(visitor, _waiting(a)) for visitor, a in self._waiting if a.record.offset < following]
        visitors.keep(self._connection, kept, self._now)
        visitors.let_go(self._connection, [key for key, offset in self._taken if offset < following])


def visitor_of(event: Event) -> str | None:
    """Whose event this is, where nothing else is known of that."""
    if event.account is not None or event.contact is not None:
        return None
    return _name(event.data.get(ANONYMOUS))


def signed_in(event: Event) -> str | None:
    """The visitor of whom the event says who they are."""
    member = _SIGNS_IN.get(event.type)
    return None if member is None or event.contact is None else _name(event.data.get(member))


def who_at(sign_ins: Sequence[SignIn], time: Instant) -> SignIn | None:
    """Who it was then: the last to have signed in by then, else the first who ever did."""
    before = [each for each in sign_ins if each.at <= time]
    return before[-1] if before else next(iter(sign_ins), None)


def with_sign_in(sign_ins: Sequence[SignIn], new: SignIn) -> list[SignIn]:
    """The sign-ins by time with one more; of the same person in a row the first is kept."""
    kept: list[SignIn] = []
    for each in sorted((*sign_ins, new), key=_order):
        if not kept or (kept[-1].contact, kept[-1].account) != (each.contact, each.account):
            kept.append(each)
    return kept[-MOST_SIGN_INS:]


def _order(sign_in: SignIn) -> tuple[Instant, str, str]:
    return sign_in.at, sign_in.contact, sign_in.account


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 255 else None


def _as(event: Event, who: SignIn) -> Event:
    return replace(event, contact=who.contact, account=who.account or None)


def _waiting(arrival: Arrival) -> Waiting:
    return Waiting(Named(arrival.event, arrival.key, arrival.content), arrival.history)
