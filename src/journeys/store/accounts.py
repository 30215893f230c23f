"""Account states: locked and loaded for a whole batch, saved likewise, with the narrow rows people search by."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
import sqlalchemy as sa

from channels.address import BadAddress, lookup_key
from journeys.state import AccountState, pack, unpack
from journeys.store import bulk
from journeys.store.database import on_commit
from journeys.store.tables import accounts, contacts, memberships, open_signals, tags
from signals.attributes import owner
from signals.instant import Instant
from signals.profile import Contact, Profile, address, is_open


class Loaded(msgspec.Struct):
    """A state as it was found, and the version to compare with when it is saved."""

    state: AccountState
    version: int


class LostUpdate(RuntimeError):
    """Another writer saved the account in between: the batch is rolled back and taken again (I7)."""


def lock_and_load(connection: sa.Connection, ids: Iterable[str]) -> dict[str, Loaded]:
    """The accounts that exist, their rows locked in id order (deadlocks cannot form)."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    kept: dict[str, Loaded] = connection.info["kept"]
    versions = _lock(connection, wanted)
    unknown = [
        account
        for account, version in versions.items()
        if account not in kept or kept[account].version != version
    ]
    fresh: dict[str, Loaded] = {}
    for some in bulk.slices(unknown):
        asked = sa.select(accounts.c.id, accounts.c.state, accounts.c.version).where(
            bulk.among(connection, accounts.c.id, some)
        )
        fresh |= {row.id: Loaded(unpack(row.state), row.version) for row in connection.execute(asked)}
    return {account: fresh.get(account) or kept[account] for account in versions}


def lock(connection: sa.Connection, ids: Iterable[str]) -> None:
    """Lock those of these accounts that exist, in id order."""
    _lock(connection, sorted(set(ids)))


def _lock(connection: sa.Connection, wanted: Sequence[str]) -> dict[str, int]:
    """Versions of those of these accounts that exist, locked in the order given."""
    found: dict[str, int] = {}
    for some in bulk.slices(wanted):
        locked = sa.select(accounts.c.id, accounts.c.version).where(
            bulk.among(connection, accounts.c.id, some)
        )
        found.update(connection.execute(locked.order_by(accounts.c.id).with_for_update()).all())
    return found


def load(connection: sa.Connection, account: str) -> AccountState | None:
    """One account's state, to look at."""
    raw = connection.execute(sa.select(accounts.c.state).where(accounts.c.id == account)).scalar()
    return None if raw is None else unpack(raw)


def look(connection: sa.Connection, ids: Sequence[str]) -> list[AccountState]:
    """The states of those of these accounts that exist, in order of ids, to look at."""
    wanted = (
        sa.select(accounts.c.state).where(bulk.among(connection, accounts.c.id, ids)).order_by(accounts.c.id)
    )
    return [unpack(raw) for raw in connection.execute(wanted).scalars()]


def due(connection: sa.Connection, now: Instant, limit: int) -> list[str]:
    """Accounts at which something is due, the longest due first; rows another worker holds are left to it."""
    wanted = (
        sa.select(accounts.c.id)
        .where(accounts.c.due_at <= now)
        .order_by(accounts.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(connection.execute(wanted).scalars())


def after(connection: sa.Connection, last: str, limit: int) -> list[str]:
    """The next accounts in id order."""
    wanted = sa.select(accounts.c.id).where(accounts.c.id > last).order_by(accounts.c.id).limit(limit)
    return list(connection.execute(wanted).scalars())


def next_due(connection: sa.Connection) -> Instant | None:
    """When the next account falls due: one look at an index."""
    found: Instant | None = connection.execute(sa.select(sa.func.min(accounts.c.due_at))).scalar()
    return found


def save(connection: sa.Connection, before: Mapping[str, Loaded], after: Mapping[str, AccountState]) -> None:
    """Write every state that changed, and what is searched by where it changed."""
    old = {account: loaded.state.profile for account, loaded in before.items()}
    new, changed, moved = [], [], []
    for account, state in after.items():
        known = before.get(account)
        if known is None:
            new.append(_row(state, 1) | _searched(state.profile))
        elif known.state is not state:
            row = _row(state, known.version + 1)
            if _is_found_alike(old[account], state.profile):
                moved.append(row)
            else:
                changed.append(row | _searched(state.profile))
    if new and bulk.insert_new(connection, accounts, new) != len(new):
        raise LostUpdate("an account seen for the first time was created by another writer just now")
    for rows in (changed, moved):
        if bulk.update_next(connection, accounts, rows) != len(rows):
            raise LostUpdate("an account was saved by another writer since it was loaded")
    saved = {row["id"]: Loaded(after[row["id"]], row["version"]) for row in (*new, *changed, *moved)}
    kept: dict[str, Loaded] = connection.info["kept"]
    on_commit(connection, lambda: _keep(kept, saved))
    _save_segments(connection, old, after)
    _save_signals(connection, old, after)
    _save_tags(connection, old, after)
    _save_contacts(connection, old, after)


STATES_KEPT = 20_000
"""States a process remembers between transactions; the version in the locked row says whether they still hold."""


def _keep(kept: dict[str, Loaded], saved: Mapping[str, Loaded]) -> None:
    """Remember what was committed; states are values, so they can be shared. The oldest are forgotten first."""
    for account, loaded in saved.items():
        kept.pop(account, None)
        kept[account] = loaded
    for account in list(islice(kept, max(0, len(kept) - STATES_KEPT))):
        del kept[account]


def _row(state: AccountState, version: int) -> dict[str, Any]:
    """What every event moves."""
    return {
        "id": state.profile.id,
        "version": version,
        "state": pack(state),
        "due_at": state.due(),
        "last_event_at": state.profile.last_event_at,
        "live_journeys": len(state.journeys),
    }


def _is_found_alike(old: Profile, new: Profile) -> bool:
    """Whether nothing that accounts are found by has changed; attributes are another dict where one may have been."""
    if old.stage != new.stage or old.created_at != new.created_at or _band(old) != _band(new):
        return False
    return old.attributes is new.attributes or _searched(old) == _searched(new)


def _band(profile: Profile) -> str | None:
    return None if profile.health is None else profile.health.band


def _searched(profile: Profile) -> dict[str, Any]:
    """What accounts are found by; few events change any of it."""
    name = profile.value("name")
    return {
        "created_at": profile.created_at,
        "name": name if isinstance(name, str) else None,
        "stage": profile.stage,
        "owner": _indexed(owner(profile)),
        "band": _band(profile),
    }


LONGEST_INDEXED = 255
"""Characters of a text in an index: PostgreSQL refuses entries over 2,704 bytes, SQLite takes any."""


def _indexed(text: str | None) -> str | None:
    """What an index holds of a text; the whole of it is in the state."""
    return None if text is None else text[:LONGEST_INDEXED]


def _save_segments(
    connection: sa.Connection, old: Mapping[str, Profile], after: Mapping[str, AccountState]
) -> None:
    entered: list[dict[str, Any]] = []
    left: list[tuple[str, str]] = []
    for account, state in after.items():
        known = old[account].segments if account in old else {}
        segments = state.profile.segments
        if segments is known:
            continue
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
    for account, state in after.items():
        known = old[account].signals if account in old else {}
        if state.profile.signals is known:
            continue
        for key, signal in state.profile.signals.items():
            if known.get(key) is signal or key.startswith("@"):  # a play's own dates are nobody else's
                continue
            if signal.open:
                row = {"account": account, "signal": key, "since": signal.since, "severity": signal.severity}
                opened.append({**row, "evidence": signal.evidence})
            elif key in known and known[key].open:
                cleared.append((account, key))
        gone = known.keys() - state.profile.signals.keys()  # with their definitions
        cleared += [(account, key) for key in gone if known[key].open]
    bulk.delete_pairs(connection, open_signals, ("account", "signal"), cleared)
    bulk.upsert(connection, open_signals, opened)


def _save_tags(
    connection: sa.Connection, old: Mapping[str, Profile], after: Mapping[str, AccountState]
) -> None:
    given: list[dict[str, Any]] = []
    taken: list[tuple[str, str]] = []
    for account, state in after.items():
        known = old[account].tags if account in old else []
        now = state.profile.tags
        if now is not known:
            given += [{"account": account, "tag": _indexed(tag)} for tag in now if tag not in known]
            taken += [(account, tag[:LONGEST_INDEXED]) for tag in known if tag not in now]
    bulk.delete_pairs(connection, tags, ("account", "tag"), taken)
    bulk.insert_new(connection, tags, given)


def _save_contacts(
    connection: sa.Connection, old: Mapping[str, Profile], after: Mapping[str, AccountState]
) -> None:
    rows = []
    for account, state in after.items():
        known = old[account].contacts if account in old else {}
        rows += [
            _contact_row(account, contact, state.now)
            for key, contact in state.profile.contacts.items()
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
