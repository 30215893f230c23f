"""Two profiles, or two people of one, become one (semantics §2 "Identity").

Whatever events said is what it would be, had they named the survivor from the start: attributes by the time they were
written, first and last times, sums. Roles alone are kept apart until the instant of the merge (`signals.joins`).
Measures are not here: they are counted anew from both histories (`signals.fold.remember`).
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from msgspec.structs import replace

from signals.effects.marks import placed_last, settle_tags
from signals.effects.people import came_or_went
from signals.instant import Instant
from signals.joins import Join, Name, RoleSet, joined
from signals.profile import Contact, Profile, SignalState, Ticket, Write, newest, newest_writes, write

Value = TypeVar("Value")
SEVERITIES = ("info", "warning", "critical")


def merge_accounts(kept: Profile, gone: Profile, joins: list[Join]) -> Profile:
    """Everything known of both accounts under the id of `kept`, without what is counted. Neither is changed.

    `joins` are all those of ids that are one with it.
    """
    twin = kept.copy()
    twin.joins = joins
    twin.given_created_at = _first(kept.given_created_at, gone.given_created_at)
    twin.created_at = twin.given_created_at or min(kept.created_at, gone.created_at)
    twin.last_event_at = max(kept.last_event_at, gone.last_event_at)
    twin.seq = max(kept.seq, gone.seq)
    twin.attributes = _each(kept.attributes, gone.attributes, newest_writes)
    twin.seen = _each(kept.seen, gone.seen, max)
    twin.tickets = _each(kept.tickets, gone.tickets, _tickets)
    twin.holds = _each(kept.holds, gone.holds, _holds)
    twin.milestones = _each(kept.milestones, gone.milestones, min)
    twin.orders = _orders(kept.orders, gone.orders)
    twin.measures = {}
    twin.signals = _each(kept.signals, gone.signals, merge_signals)
    twin.segments = _each(kept.segments, gone.segments, min)
    twin.tag_words = _each(kept.tag_words, gone.tag_words, newest)
    twin.tags = sorted({*kept.tags, *gone.tags})
    settle_tags(twin)
    people = {name: _moved(contact, gone.id) for name, contact in gone.contacts.items()}
    twin.contacts = _each(kept.contacts, people, _people)
    _settle_roles(twin)
    return twin


def with_joins(profile: Profile, joins: list[Join]) -> Profile:
    """The account that has been known by these other ids; the given profile is not changed."""
    twin = profile.copy()
    twin.joins = joins
    _settle_roles(twin)
    return twin


def merge_contacts(profile: Profile, old: str, into: str, joins: list[Join]) -> Profile:
    """The account with `old` and `into` as one person called `into`; the given profile is not changed.

    `joins` are all those of ids that are one with it. An account where only one of them is known learns of them all
    the same: a late event may name the other.
    """
    twin = profile.copy()
    gone, kept = twin.contacts.pop(old, None), twin.contacts.get(into)
    if gone is not None:
        twin.seen = _each(
            {into: twin.seen[old]}, {each: at for each, at in twin.seen.items() if each != old}, max
        )
        gone = replace(gone, id=into, roles=_named(gone.roles, (profile.id, old)))
    found = [contact for contact in (kept, gone) if contact is not None]
    if found:
        one = found[0] if len(found) == 1 else _people(found[0], found[1])
        twin.contacts[into] = replace(one, joins=joins)
        _settle_roles(twin)
    return twin


def merge_signals(kept: SignalState, gone: SignalState) -> SignalState:
    """One signal as both remember it: open where it is open at either, and as severe as the worse of the two.

    A signal that is open has fired; one that fired at both does not fire for the merge.
    """
    if not (kept.open or gone.open):
        first = max(kept, gone, key=lambda one: one.last_fired or 0)
    else:
        still = [one for one in (kept, gone) if one.open]
        first = max(still, key=lambda one: (one.level, _rank(one.severity), -one.since))
    return replace(
        first,
        since=min(one.since for one in (kept, gone) if one.open == first.open),
        fired=kept.fired + gone.fired,
        last_fired=_last(kept.last_fired, gone.last_fired),
        edges=sorted({*kept.edges, *gone.edges}) if kept.date == gone.date else first.edges,
    )


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


def _each(
    kept: Mapping[str, Value], gone: Mapping[str, Value], both: Callable[[Value, Value], Value]
) -> dict[str, Value]:
    """All keys of both; what only one has as it is, what both have made one."""
    shared = {key: both(kept[key], gone[key]) for key in kept.keys() & gone.keys()}
    return {key: shared.get(key, value) for key, value in {**gone, **kept}.items()}


def _role_sets(kept: list[RoleSet], gone: list[RoleSet]) -> list[RoleSet]:
    for each in gone:
        kept = write(kept, each)
    return kept


def _tickets(kept: Ticket, gone: Ticket) -> Ticket:
    return Ticket(
        opened_at=_last(kept.opened_at, gone.opened_at),
        updated_at=_first(kept.updated_at, gone.updated_at),
        solved_at=_last(kept.solved_at, gone.solved_at),
        priority=_word(kept.priority, gone.priority),
        topic=_word(kept.topic, gone.topic),
    )


def _holds(kept: list[Any], gone: list[Any]) -> list[Any]:
    opened, _, *rest = max(kept, gone, key=placed_last)
    return [opened, max(kept[1], gone[1]), *rest]


def _orders(kept: list[Any], gone: list[Any]) -> list[Any]:
    if not (kept and gone):
        return kept or gone
    return [kept[0] + gone[0], str(Decimal(kept[1]) + Decimal(gone[1])), max(kept[2], gone[2])]


def _moved(contact: Contact, account: str) -> Contact:
    """The contact of an account that is another's now: its roles were written for it there."""
    return replace(contact, roles=_named(contact.roles, (account, contact.id)))


def _named(roles: list[RoleSet], name: Name) -> list[RoleSet]:
    return [replace(entry, of=entry.of or name) for entry in roles]


def _people(kept: Contact, gone: Contact) -> Contact:
    suppression = _word(kept.suppression, gone.suppression)
    return Contact(
        id=kept.id,
        attributes=_each(kept.attributes, gone.attributes, newest_writes),
        roles=_role_sets(kept.roles, gone.roles),
        first_seen=min(kept.first_seen, gone.first_seen),
        suppressed=None if suppression is None else suppression.value,
        went_at=_last(kept.went_at, gone.went_at),
        suppression=suppression,
        joins=joined(kept.joins, gone.joins),
    )


def _settle_roles(profile: Profile) -> None:
    """Which roles everybody holds, now that names have been joined."""
    people = list(profile.contacts.values())
    profile.contacts = {
        each.id: came_or_went(profile, each, _at_home(each.roles, (profile.id, each.id))) for each in people
    }


def _at_home(roles: list[RoleSet], name: Name) -> list[RoleSet]:
    """What was written for the name that they have now needs no mention of it."""
    return [replace(entry, of=None) if entry.of == name else entry for entry in roles]


def _word(kept: Write | None, gone: Write | None) -> Write | None:
    if kept is None or gone is None:
        return kept or gone
    return newest(kept, gone)


def _first(one: Instant | None, other: Instant | None) -> Instant | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _last(one: Instant | None, other: Instant | None) -> Instant | None:
    return max((each for each in (one, other) if each is not None), default=None)
