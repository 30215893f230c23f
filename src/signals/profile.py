"""The profile: everything known of one account now (semantics §1, §2). How events get into it: `signals.fold`.

A profile is a value: its containers are copied before they are written to, and what lies in them is replaced,
never changed. Where order matters (attributes, roles) writes are kept with the time of their event, so that a late
event lands where it belongs.
"""

from collections.abc import Mapping
from copy import copy
from typing import Any, TypeVar

import msgspec

from signals.event import Event
from signals.instant import Instant
from signals.joins import Join, RoleSet, as_one
from signals.score import Health

WRITES_KEPT = 24
"""Writes kept of a set of roles; older ones between two equal ones are forgotten first."""

VALUES_KEPT = 2
"""Writes kept of an attribute: what it is, and what it was before that. How long it has been so: `signals.runs`."""


EVERY_HOLD = ""
"""Under this reason the newest release of all holds is kept."""


class Write(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One value given to an attribute: when, by which event (ties: the greater wins), what. None: removed."""

    at: Instant
    by: str
    value: Any


class Held(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One person in one role: since when, and until when where it has ended."""

    contact: str
    role: str
    since: Instant
    until: Instant | None


class Contact(msgspec.Struct, array_like=True):
    """A person at the account. `roles` holds the writes of the whole role set; `spans` what they come to: made when a
    role is written, read at every evaluation.
    """

    id: str
    attributes: dict[str, list[Write]] = {}
    roles: list[RoleSet] = []
    left_at: Instant | None = None
    first_seen: Instant = 0
    suppressed: str | None = None
    spans: list[Held] = []
    went_at: Instant | None = None  # the newest leaving, whether or not they came back
    suppression: Write | None = None  # the newest word on it; `suppressed` is its value
    joins: list[Join] = []  # contacts that turned out to be this one


class Ticket(msgspec.Struct, array_like=True):
    """A support ticket: times of the newest opening and solving, and what was last said of it.

    A ticket that was only ever updated counts as opened when it was first heard of.
    """

    opened_at: Instant | None = None
    updated_at: Instant | None = None
    solved_at: Instant | None = None
    priority: Write | None = None
    topic: Write | None = None

    @property
    def since(self) -> Instant | None:
        """When it was last opened."""
        return self.updated_at if self.opened_at is None else self.opened_at

    @property
    def is_open(self) -> bool:
        """Opened and not solved since."""
        return self.since is not None and (self.solved_at is None or self.since > self.solved_at)


class SignalState(msgspec.Struct, array_like=True):
    """What is remembered of one signal at one account."""

    open: bool = False
    since: Instant = 0
    severity: str = "warning"
    level: int = -1
    fired: int = 0
    last_fired: Instant | None = None
    date: Instant | None = None
    edges: list[int] = []
    evidence: list[dict[str, Any]] = []


class Profile(msgspec.Struct, array_like=True):
    """One account. Attributes, contacts, milestones, measures, and what the definitions made of them."""

    id: str
    created_at: Instant
    given_created_at: Instant | None = None
    last_event_at: Instant = 0
    seq: int = 0
    attributes: dict[str, list[Write]] = {}
    contacts: dict[str, Contact] = {}
    seen: dict[str, Instant] = {}  # the newest event of each contact
    tickets: dict[str, Ticket] = {}
    holds: dict[str, list[Any]] = {}
    milestones: dict[str, Instant] = {}
    orders: list[Any] = []
    measures: dict[int, Any] = {}
    signals: dict[str, SignalState] = {}
    segments: dict[str, Instant] = {}
    given_tags: dict[str, Instant] = {}
    tag_words: dict[str, Write] = {}
    tags: list[str] = []
    stage: str | None = None
    stage_since: Instant = 0
    look_at: Instant | None = None
    waits: dict[int, Instant] | None = (
        None  # when each definition is to be looked at next; None: all of them, now
    )
    health: Health | None = None
    joins: list[Join] = []  # accounts that turned out to be this one

    def copy(self) -> "Profile":
        """A profile whose containers may be written to without the other noticing."""
        twin = self.looked_at()
        for name in _SAID:
            setattr(twin, name, getattr(twin, name).copy())
        return twin

    def looked_at(self) -> "Profile":
        """A copy whose measures may be written to; whoever writes to more of it copies that first."""
        twin = copy(self)
        twin.measures = self.measures.copy()
        return twin

    def value(self, name: str) -> Any:
        """The attribute's value now, None where there is none. Ask `signals.facts` for derived ones."""
        writes = self.attributes.get(name)
        return writes[-1].value if writes else None


_SAID = ("attributes", "contacts", "tickets", "holds", "orders", "given_tags", "tag_words", "milestones")
"""What only events with an effect of their own write to."""


Entry = TypeVar("Entry", bound=Write | RoleSet)


def write(writes: list[Entry], new: Entry) -> list[Entry]:
    """The writes with one more in its place by (time, event), bounded by `WRITES_KEPT`."""
    place = len(writes)
    while place and (writes[place - 1].at, writes[place - 1].by) > (new.at, new.by):
        place -= 1
    result = [*writes[:place], new, *writes[place:]]
    return result if len(result) <= WRITES_KEPT else _shortened(result)


def newest(kept: Write | None, new: Write) -> Write:
    """Which of two words counts: the later, of one instant that of the greater event."""
    return new if kept is None or (new.at, new.by) > (kept.at, kept.by) else kept


def _shortened(writes: list[Entry]) -> list[Entry]:
    """Without the oldest write that repeats both neighbours, else without the oldest."""
    for place in range(1, len(writes) - 1):
        if writes[place - 1].value == writes[place].value == writes[place + 1].value:
            return writes[:place] + writes[place + 1 :]
    return writes[1:]


def tie(event: Event) -> str:
    """What decides between two writes of one instant: the greater source, then id."""
    return f"{event.source} {event.id}"


def merge_attributes(
    kept: dict[str, list[Write]], given: Mapping[str, Any], at: Instant, by: str
) -> dict[str, list[Write]]:
    """One level deep (semantics §1): null removes, a nested object is replaced whole, "" is a value."""
    merged = dict(kept)
    for name, value in given.items():
        merged[name] = newest_writes(merged.get(name, []), [Write(at, by, value)])
    return merged


def newest_writes(some: list[Write], others: list[Write]) -> list[Write]:
    """The last of these writes, by time and event."""
    return sorted([*some, *others], key=lambda each: (each.at, each.by))[-VALUES_KEPT:]


# ── roles ──────────────────────────────────────────────────────────────────────────────────────────────────────


def with_roles(profile: Profile, contact: Contact, roles: list[RoleSet]) -> Contact:
    """The contact of this account with these writes of its role set."""
    sets = roles
    if profile.joins or contact.joins:
        sets = as_one(roles, (profile.id, contact.id), profile.joins, contact.joins)
    return msgspec.structs.replace(contact, roles=roles, spans=_spans(contact.id, sets))


def _spans(contact: str, writes: list[RoleSet]) -> list[Held]:
    """Every role held or ever held: a role ends where a set without it was written, or where it was said to end.

    Given again it goes on since when it began; after it had ended by its own date it begins anew.
    """
    spans: list[Held] = []
    running: dict[str, tuple[Instant, Instant | None]] = {}
    for entry in writes:
        wanted = {role: (since, until) for role, since, until in entry.value}
        for role in [
            role for role in running if role not in wanted or _over(running[role], wanted[role], entry)
        ]:
            since, until = running.pop(role)
            spans.append(Held(contact, role, since, entry.at if until is None else min(until, entry.at)))
        for role, (since, until) in wanted.items():
            begun = running[role][0] if role in running and since is None else since
            running[role] = (entry.at if begun is None else begun, until)
    spans += [Held(contact, role, since, until) for role, (since, until) in running.items()]
    return spans


def _over(
    running: tuple[Instant, Instant | None], wanted: tuple[Instant | None, Instant | None], entry: RoleSet
) -> bool:
    """Whether the role had ended by its own date before it was given again, without a beginning of its own."""
    return wanted[0] is None and running[1] is not None and running[1] <= entry.at


def holders(profile: Profile, role: str, now: Instant) -> list[Held]:
    """Who holds the role now: longest first, then the smaller contact id."""
    found = [
        span
        for contact in profile.contacts.values()
        for span in contact.spans
        if span.role == role and span.since <= now and (span.until is None or span.until > now)
    ]
    return sorted(found, key=lambda span: (span.since, span.contact))


def ever_held(profile: Profile, role: str, now: Instant) -> bool:
    """Whether anyone held it at any instant up to now."""
    return any(
        span.role == role and span.since <= now and (span.until is None or span.until > span.since)
        for contact in profile.contacts.values()
        for span in contact.spans
    )


def is_open(contact: Contact) -> bool:
    """Whether they are still at this account; a contact is closed once it left its last one."""
    return contact.left_at is None


def address(contact: Contact) -> str | None:
    """The contact's e-mail address, None where there is none."""
    writes = contact.attributes.get("email")
    return writes[-1].value if writes and isinstance(writes[-1].value, str) else None


# ── what is derived ────────────────────────────────────────────────────────────────────────────────────────────


def open_tickets(profile: Profile) -> list[Ticket]:
    """Tickets opened and not solved since."""
    return [ticket for ticket in profile.tickets.values() if ticket.is_open]


def open_holds(profile: Profile, now: Instant) -> list[str]:
    """Reasons of the account holds that stand now."""
    all_released = profile.holds.get(EVERY_HOLD, [0, 0])[1]
    return sorted(
        reason
        for reason, (opened, closed, until, *_) in profile.holds.items()
        if opened > max(closed, all_released) and (until is None or now < until)
    )
