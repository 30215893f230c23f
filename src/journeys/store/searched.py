"""The narrow rows that accounts and people are searched by: segments, open signals, tags, contacts."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa

from channels.address import BadAddress, lookup_key
from journeys.state import AccountState
from journeys.store import bulk
from journeys.store.tables import contacts, memberships, open_signals, tags
from signals.instant import LATEST, Instant
from signals.profile import Contact, Profile, address, is_open

_Part = TypeVar("_Part")

LONGEST_INDEXED = 255
"""Characters of a text in an index: PostgreSQL refuses entries over 2,704 bytes, SQLite takes any."""


def indexed(text: str | None) -> str | None:
    """What an index holds of a text; the whole of it is in the state."""
    return None if text is None else text[:LONGEST_INDEXED]


def save_searched(
    connection: sa.Connection, old: Mapping[str, Profile], after: Mapping[str, AccountState]
) -> None:
    """Write those of these rows that changed. Only what is another object than before is compared."""
    _save_segments(connection, old, after)
    _save_signals(connection, old, after)
    _save_tags(connection, old, after)
    _save_contacts(connection, old, after)


_NOTHING = Profile(id="", created_at=LATEST)
"""What is known of an account that is new: nothing."""


def _changed(
    old: Mapping[str, Profile], after: Mapping[str, AccountState], part: Callable[[Profile], _Part]
) -> Iterator[tuple[str, _Part, _Part]]:
    """Accounts of which this part of the profile is another object than before: what it was, and what it is."""
    for account, state in after.items():
        known, now = part(old.get(account, _NOTHING)), part(state.profile)
        if now is not known:
            yield account, known, now


def _save_segments(
    connection: sa.Connection, old: Mapping[str, Profile], after: Mapping[str, AccountState]
) -> None:
    entered: list[dict[str, Any]] = []
    left: list[tuple[str, str]] = []
    for account, known, segments in _changed(old, after, lambda profile: profile.segments):
        left += [(account, key) for key in known if key not in segments]
        entered += [
            {"account": account, "segment": key, "since": since}
            for key, since in segments.items()
            if known.get(key) != since
        ]
    bulk.delete_pairs(connection, memberships, ("account", "segment"), left)
    bulk.upsert(connection, memberships, entered)


def _save_signals(
    connection: sa.Connection, old: Mapping[str, Profile], after: Mapping[str, AccountState]
) -> None:
    opened: list[dict[str, Any]] = []
    cleared: list[tuple[str, str]] = []
    for account, known, signals in _changed(old, after, lambda profile: profile.signals):
        for key, signal in signals.items():
            if known.get(key) is signal or key.startswith("@"):  # a play's own dates are nobody else's
                continue
            if signal.open:
                row = {"account": account, "signal": key, "since": signal.since, "severity": signal.severity}
                opened.append({**row, "evidence": signal.evidence})
            elif key in known and known[key].open:
                cleared.append((account, key))
        gone = known.keys() - signals.keys()  # with their definitions
        cleared += [(account, key) for key in gone if known[key].open]
    bulk.delete_pairs(connection, open_signals, ("account", "signal"), cleared)
    bulk.upsert(connection, open_signals, opened)


def _save_tags(
    connection: sa.Connection, old: Mapping[str, Profile], after: Mapping[str, AccountState]
) -> None:
    given: list[dict[str, Any]] = []
    taken: list[tuple[str, str]] = []
    for account, known, now in _changed(old, after, lambda profile: profile.tags):
        given += [{"account": account, "tag": indexed(tag)} for tag in now if tag not in known]
        taken += [(account, tag[:LONGEST_INDEXED]) for tag in known if tag not in now]
    bulk.delete_pairs(connection, tags, ("account", "tag"), taken)
    bulk.insert_new(connection, tags, given)


def _save_contacts(
    connection: sa.Connection, old: Mapping[str, Profile], after: Mapping[str, AccountState]
) -> None:
    rows = []
    for account, known, people in _changed(old, after, lambda profile: profile.contacts):
        rows += [
            _contact_row(account, contact, after[account].now)
            for key, contact in people.items()
            if (was := known.get(key)) is not contact and _differs(was, contact)
        ]
    bulk.upsert(connection, contacts, rows)


def _differs(old: Contact | None, new: Contact) -> bool:
    """Whether what is searched by has changed; being seen again does not count."""
    if old is None or old is new:
        return old is None
    same = old.attributes is new.attributes and old.roles is new.roles and old.first_seen == new.first_seen
    return not (same and old.left_at == new.left_at)


def _contact_row(account: str, contact: Contact, now: Instant) -> dict[str, Any]:
    email = address(contact)
    names = contact.attributes.get("name")
    held = [span.role for span in contact.spans if span.until is None or span.until > now]
    return {
        "account": account,
        "id": contact.id,
        "email": email,
        "address_key": address_key(email),
        "name": names[-1].value if names and isinstance(names[-1].value, str) else None,
        "roles": held,
        "is_open": is_open(contact),
        "first_seen": contact.first_seen,
    }


def address_key(email: str | None) -> str | None:
    """Under which key an address is looked up; None where it is none."""
    try:
        return None if email is None else lookup_key(email)
    except BadAddress:
        return None
