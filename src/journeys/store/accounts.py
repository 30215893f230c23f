"""Account states: locked and loaded for a whole batch, saved likewise, with the narrow rows people search by."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice

import msgspec
import sqlalchemy as sa

from journeys.state import AccountState, is_known_alike, pack_known, pack_moved, unpack
from journeys.store import bulk
from journeys.store.bulk import Row
from journeys.store.database import on_commit
from journeys.store.searched import indexed, save_searched
from journeys.store.tables import accounts
from signals.attributes import owner
from signals.instant import Instant
from signals.profile import Profile


class Loaded(msgspec.Struct):
    """A state as it was found, the version to compare with when it is saved, and under which instant it is due."""

    state: AccountState
    version: int
    due_at: Instant | None


class LostUpdate(RuntimeError):
    """Another writer saved the account in between: the batch is rolled back and taken again (I7)."""


PACKED = (accounts.c.state, accounts.c.known)
"""The columns a state is unpacked from."""


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
        asked = sa.select(accounts.c.id, *PACKED, accounts.c.version, accounts.c.due_at).where(
            bulk.among(connection, accounts.c.id, some)
        )
        for row in connection.execute(asked):
            fresh[row.id] = Loaded(unpack(row.state, row.known), row.version, row.due_at)
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
    found = connection.execute(sa.select(*PACKED).where(accounts.c.id == account)).first()
    return None if found is None else unpack(*found)


def look(connection: sa.Connection, ids: Sequence[str]) -> list[AccountState]:
    """The states of those of these accounts that exist, in order of ids, to look at."""
    wanted = sa.select(*PACKED).where(bulk.among(connection, accounts.c.id, ids)).order_by(accounts.c.id)
    return [unpack(*packed) for packed in connection.execute(wanted)]


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


def save(
    connection: sa.Connection, before: Mapping[str, Loaded], after: Mapping[str, AccountState], now: Instant
) -> None:
    """Write of every state what changed of it, and that alone. `now` is until when everything has been looked at."""
    old = {account: loaded.state.profile for account, loaded in before.items()}
    new: list[Row] = []
    moved: dict[str, list[Row]] = {}  # by the columns that are written
    for account, state in after.items():
        known = before.get(account)
        if known is None:
            new.append(_moved(state, 1, state.due()) | _known(state) | _searched(state.profile))
        elif known.state is not state or _is_due_for_nothing(known, now):
            row = _moved(state, known.version + 1, _due_at(known.due_at, state, now))
            columns = _changed(known.state, state)
            moved.setdefault("+".join(columns), []).append(row | columns)
    if new and bulk.insert_new(connection, accounts, new) != len(new):
        raise LostUpdate("an account seen for the first time was created by another writer just now")
    for rows in moved.values():
        if bulk.update_next(connection, accounts, rows) != len(rows):
            raise LostUpdate("an account was saved by another writer since it was loaded")
    written = chain(new, *moved.values())
    saved = {row["id"]: Loaded(after[row["id"]], row["version"], row["due_at"]) for row in written}
    kept: dict[str, Loaded] = connection.info["kept"]
    on_commit(connection, lambda: _keep(kept, saved))
    save_searched(connection, old, after)


def _due_at(written: Instant | None, state: AccountState, now: Instant) -> Instant | None:
    """Under which instant the account is found when it falls due: what is written already, where that is early enough.

    An instant that only moves away is not written anew at every event: PostgreSQL then need not touch an index
    (heap-only tuples), and one look in vain, at the instant that was written, puts it right.
    """
    due = state.due()
    if written is None or written <= max(now, state.now):
        return due
    return written if due is None or written <= due else due


def _is_due_for_nothing(known: Loaded, now: Instant) -> bool:
    """Whether the written instant, by which it was found to be due, is no longer the one that counts."""
    return known.due_at is not None and known.due_at <= now and known.due_at != known.state.due()


STATES_KEPT = 20_000
"""States a process remembers between transactions; the version in the locked row says whether they still hold."""


def _keep(kept: dict[str, Loaded], saved: Mapping[str, Loaded]) -> None:
    """Remember what was committed; states are values, so they can be shared. The oldest are forgotten first."""
    for account, loaded in saved.items():
        kept.pop(account, None)
        kept[account] = loaded
    for account in list(islice(kept, max(0, len(kept) - STATES_KEPT))):
        del kept[account]


def _moved(state: AccountState, version: int, due_at: Instant | None) -> Row:
    """What every event moves."""
    return {
        "id": state.profile.id,
        "version": version,
        "state": pack_moved(state),
        "due_at": due_at,
        "last_event_at": state.profile.last_event_at,
        "live_journeys": len(state.journeys),
    }


def _known(state: AccountState) -> Row:
    return {"known": pack_known(state)}


def _changed(old: AccountState, new: AccountState) -> Row:
    """The columns few events change, where this one did."""
    if is_known_alike(old, new):
        same = _band(old.profile) == _band(new.profile)
        return {} if same else _searched(new.profile)
    searched = _searched(new.profile)
    return _known(new) if searched == _searched(old.profile) else _known(new) | searched


def _band(profile: Profile) -> str | None:
    return None if profile.health is None else profile.health.band


def _searched(profile: Profile) -> Row:
    """What accounts are found by; few events change any of it."""
    name = profile.value("name")
    return {
        "created_at": profile.created_at,
        "name": name if isinstance(name, str) else None,
        "stage": profile.stage,
        "owner": indexed(owner(profile)),
        "band": _band(profile),
    }
