"""Who visitors and newcomers turn out to be: what they did waits until that is known (semantics §2, Identity).

A *visitor* is named by `data.anonymous_id` and nothing else. Who signs in (`crm.contact_updated` or
`crm.account_updated` with a contact and that id, `crm.contact_merged` from it) is who it was before, and who it is
until somebody else signs in there. Nobody is merged by that: two people at one browser stay two.

A *newcomer* is a contact of a Segment library that belongs to no account yet: its `identify` comes before its `group`.
What it did is a dead letter, and is taken out of that by itself once it is seen at an account.
"""

from collections.abc import Iterable, Iterator, Sequence

import sqlalchemy as sa
from msgspec.structs import replace

from journeys.arrivals import Arrival
from journeys.store import dead, feeds, outcomes, visitors
from journeys.store.accounts import LostUpdate
from journeys.store.visitors import SignIn, Waiting
from signals.event import Event, Named, encode, pack
from signals.instant import Instant
from signals.problem import Problem, id_conflict
from signals.sources.segment import ANONYMOUS, SOURCE

MOST_SIGN_INS = 20
"""Sign-ins remembered of one visitor; the oldest are forgotten first."""

_SIGNS_IN = {"crm.contact_updated": ANONYMOUS, "crm.account_updated": ANONYMOUS, "crm.contact_merged": "from"}
"""Types that say who a visitor is, and the member of `data` that names the visitor."""

_VISITOR, _CONTACT = "?", "="
"""What the name begins with under which events wait."""


class Visits:
    """What one batch says of visitors and newcomers. Nothing that counts is written before `save`."""

    def __init__(self, connection: sa.Connection, arrivals: Sequence[Arrival], now: Instant) -> None:
        self._connection, self._now = connection, now
        nameless = (a for a in arrivals if a.event.account is None and a.event.contact is None)
        self._visitors = {a.key: name for a in nameless if (name := visitor_of(a.event)) is not None}
        self._known: dict[str, list[SignIn]] = {}
        self._stored: dict[str, list[Waiting]] = {}
        self._waiting: list[tuple[str, Arrival, Problem]] = []
        self._signed_in: list[tuple[str, SignIn, int]] = []
        self._released: list[tuple[Waiting, int]] = []
        signing = [
            (name, a.event) for a in arrivals if a.event.type in _SIGNS_IN for name in signs_in(a.event)
        ]
        self._signing = bool(signing)
        self._load({*self._visitors.values(), *(name for name, _ in signing)}, {name for name, _ in signing})
        self._hoped = dict(self._known)
        for name, event in signing:
            self._hoped[name] = with_sign_in(self._hoped[name], _sign_in(event))

    def _load(self, names: set[str], signed: set[str]) -> None:
        """Lock these, and find what waits for those who sign in; also for those whom that would make known."""
        while names:
            self._known |= visitors.lock_and_load(self._connection, names, self._now)
            found = visitors.waiting(self._connection, signed) if signed else {}
            self._stored |= found
            events = (entry.named.event for entries in found.values() for entry in entries)
            signed = {name for event in events for name in signs_in(event)} - self._known.keys()
            names = signed

    def recognise(self, arrivals: list[Arrival]) -> list[Arrival]:
        """With the contacts that visitors are known to be, or become in this very batch."""
        return [self._recognised(arrival) for arrival in arrivals] if self._visitors else arrivals

    def _recognised(self, arrival: Arrival) -> Arrival:
        name = self._visitors.get(arrival.key)
        who = None if name is None else who_at(self._hoped[name], arrival.event.time)
        return arrival if who is None else arrival._replace(event=_as(arrival.event, who))

    def hoped_for(self) -> Iterator[Named]:
        """What may be released, as who it may be: what has to be known of it can be loaded with the rest."""
        for name, entries in self._stored.items():
            for named, *_ in entries:
                who = who_at(self._hoped.get(name, ()), named.event.time)
                yield named if who is None else replace(named, event=_as(named.event, who))

    def wait(self, arrival: Arrival, problem: Problem) -> bool:
        """Keep the event, which belongs to no account, until its visitor or newcomer is known; False where it is
        nobody's of these.
        """
        name = self._visitors.get(arrival.key)
        event = arrival.event if name is None else replace(arrival.event, account=None, contact=None)
        name = newcomer(arrival.event, problem) if name is None else name
        if name is not None:
            self._waiting.append((name, arrival._replace(event=event), problem))
        return name is not None

    def released_by(self, arrival: Arrival) -> Iterator[Arrival]:
        """What was waiting for those whom the event makes known, as theirs, and as received with it."""
        if not self._signing or arrival.event.account is None:
            return
        for name in signs_in(arrival.event):
            sign_in = _sign_in(arrival.event)
            self._signed_in.append((name, sign_in, arrival.record.offset))
            known = with_sign_in(self._known.get(name, ()), sign_in)
            for entry in [*self._stored.pop(name, ()), *self._called_off(name)]:
                self._released.append((entry, arrival.record.offset))
                who = who_at(known, entry.named.event.time) if name.startswith(_VISITOR) else sign_in
                yield _released(entry, who or sign_in, arrival)

    def _called_off(self, name: str) -> list[Waiting]:
        """What began to wait in this very batch."""
        mine = [_waiting(arrival, None) for waits_for, arrival, _ in self._waiting if waits_for == name]
        self._waiting = [entry for entry in self._waiting if entry[0] != name]
        return mine

    def settle(self) -> Iterator[tuple[Arrival, Problem | None]]:
        """What becomes of those that began to wait: a dead letter with its Problem, or nothing for one known before.

        A visitor's leave no letter. Raises LostUpdate where a newcomer has just come to be known.
        """
        if not self._waiting:
            return
        self._look_again()
        keys = [arrival.key for _, arrival, _ in self._waiting]
        known = outcomes.known_hashes(self._connection, keys) | visitors.hashes(self._connection, keys)
        kept = []
        for name, arrival, problem in self._waiting:
            if arrival.key not in known:
                known[arrival.key] = arrival.content
                kept.append((name, arrival, problem))
                if name.startswith(_CONTACT):
                    yield arrival, problem
            else:
                first, event = known[arrival.key], arrival.event
                yield arrival, None if first == arrival.content else id_conflict(event.id, event.source)
        self._waiting = kept

    def _look_again(self) -> None:
        """Another worker may have made a newcomer known while nobody held their row."""
        names = {name for name, *_ in self._waiting if name.startswith(_CONTACT)} - self._known.keys()
        if not names:
            return
        self._known |= visitors.lock_and_load(self._connection, names, self._now)
        if visitors.any_at_home(self._connection, [name.removeprefix(_CONTACT) for name in sorted(names)]):
            raise LostUpdate("somebody came to be known by another writer just now")

    def save(self, following: int) -> None:
        """Write what the records before this offset said of visitors and newcomers."""
        if not self._known:
            return
        for name, sign_in, offset in self._signed_in:
            if offset < following and name.startswith(_VISITOR):
                self._known[name] = with_sign_in(self._known.get(name, ()), sign_in)
        visitors.remember(self._connection, self._known, self._now)
        kept = [
            (name, _waiting(a, problem)) for name, a, problem in self._waiting if a.record.offset < following
        ]
        visitors.keep(self._connection, kept, self._now)
        self._tell_feeds(waiting.named.event for _, waiting in kept)
        gone = [entry for entry, offset in self._released if offset < following]
        visitors.let_go(self._connection, [entry.named.key for entry in gone])
        letters = [entry.letter for entry in gone if entry.letter is not None]
        dead.replayed(self._connection, letters, self._now)

    def _tell_feeds(self, events: Iterable[Event]) -> None:
        """A feed has spoken, of whomever it was."""
        told: dict[str, list[Instant]] = {}
        for event in events:
            told.setdefault(event.source, []).append(event.time)
        feeds.hear(self._connection, told)


def visitor_of(event: Event) -> str | None:
    """Under which name a visitor's event waits; None where more is known of whose it is."""
    if event.account is not None or event.contact is not None:
        return None
    return _named(_VISITOR, event.data.get(ANONYMOUS))


def newcomer(event: Event, problem: Problem) -> str | None:
    """Under which name the event of a contact without an account waits; None where it is nobody's that could come."""
    awaited = problem.reason == "no_account" and event.source == SOURCE
    return _named(_CONTACT, event.contact) if awaited else None


def signs_in(event: Event) -> Iterable[str]:
    """The names of those of whom the event says who they are."""
    member = _SIGNS_IN.get(event.type)
    if member is None or event.contact is None:
        return ()
    names = [_named(_VISITOR, event.data.get(member))]
    if event.source == SOURCE:
        names.append(_named(_CONTACT, event.contact))
    return [name for name in names if name is not None]


def who_at(sign_ins: Sequence[SignIn], time: Instant) -> SignIn | None:
    """Who it was then: the last to have signed in by then, else the first who ever did."""
    before = [each for each in sign_ins if each.at <= time]
    return before[-1] if before else next(iter(sign_ins), None)


def with_sign_in(sign_ins: Sequence[SignIn], new: SignIn) -> list[SignIn]:
    """The sign-ins by time with one more; of the same person in a row the first and the last are kept, so that a
    late one of somebody else finds its place between them.
    """
    kept: list[SignIn] = []
    for each in sorted({*sign_ins, new}, key=_order):
        if len(kept) > 1 and _same(kept[-2], kept[-1]) and _same(kept[-1], each):
            kept.pop()
        kept.append(each)
    return kept[-MOST_SIGN_INS:]


def _same(one: SignIn, other: SignIn) -> bool:
    return (one.contact, one.account) == (other.contact, other.account)


def _order(sign_in: SignIn) -> tuple[Instant, str, str]:
    return sign_in.at, sign_in.contact, sign_in.account


def _named(kind: str, value: object) -> str | None:
    return f"{kind}{value}" if isinstance(value, str) and 0 < len(value) <= 255 else None


def _sign_in(event: Event) -> SignIn:
    assert event.contact is not None
    return SignIn(event.time, event.contact, event.account or "")


def _as(event: Event, who: SignIn) -> Event:
    return replace(event, contact=who.contact, account=who.account or None)


def _released(entry: Waiting, who: SignIn, by: Arrival) -> Arrival:
    """The event that waited; should it come to nothing, its letter holds its own bytes."""
    named = entry.named
    value = pack(named) if by.record.partition.startswith("log/") else encode(named.event)
    event = replace(_as(named.event, who), received_at=by.event.received_at)
    record = replace(by.record, value=value, key=None)
    return Arrival(event, record, entry.history, named.key, named.content)


def _waiting(arrival: Arrival, problem: Problem | None) -> Waiting:
    """What is kept of an arrival; a newcomer's has a letter."""
    letter = None
    if problem is not None and arrival.event.contact is not None:
        letter = dead.letter_id(arrival.record, problem)
    return Waiting(Named(arrival.event, arrival.key, arrival.content), arrival.history, letter)
