"""Who is who, as the database has it: loaded for a whole batch, and everything that moves when two become one.

Whoever folds holds the lock of identity with all others who fold; whoever joins two ids holds it alone. So nobody
folds into an id while it becomes another, and what a batch has read of identity holds until it commits. The lock is
taken first, then those of addresses, of accounts and of people. SQLite has one writer, which is the same lock.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from channels.message import identity as stable_id
from journeys.ids import Alias, Facts, Link, Merge
from journeys.naming import ACCOUNT, CONTACT, Asked, Outside, called
from journeys.store import bulk, consent, outcomes
from journeys.store.accounts import LostUpdate
from journeys.store.database import on_commit
from journeys.store.tables import (
    accounts,
    aliases,
    contacts,
    decisions,
    events,
    external_ids,
    health_ledger,
    identity_merges,
    journeys,
    memberships,
    messages,
    open_signals,
    suppressions,
    tags,
    tasks,
)
from signals.event import Event
from signals.instant import Instant
from signals.joins import Join

_IDENTITY = 0x6964656E74697479
"""The advisory lock of who is who ("identity" in ASCII)."""

MOVED_WITH_ACCOUNT = (events, journeys, messages, decisions, identity_merges)
"""Rows that belong to an account and go with it; tasks do as well, with what they hold."""

MADE_ANEW = (accounts, contacts, memberships, open_signals, tags, health_ledger)
"""Rows that are made of an account's state: those of an id that is no more are gone with it."""

MOVED_WITH_CONTACT = (events, messages, decisions, suppressions)
"""Rows that name a contact; consents go with it as well, under the id they were said under."""


class NotAlone(Exception):
    """Two ids are to be joined, and others may be folding: do it again, alone."""


def lock(connection: sa.Connection, *, alone: bool) -> None:
    """Let no id become another until the end of the transaction; `alone`: let nobody else fold either."""
    if connection.dialect.name == "postgresql":
        function = sa.func.pg_advisory_xact_lock if alone else sa.func.pg_advisory_xact_lock_shared
        connection.execute(sa.select(function(_IDENTITY)))


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────


def load(connection: sa.Connection, asked: Asked) -> Facts:
    """What has to be known of these: a fixed number of statements, one where no id has ever become another."""
    facts = Facts()
    if connection.execute(sa.select(sa.exists(sa.select(aliases.c.id)))).scalar():
        _load_aliases(connection, facts, asked.ids, aliases.c.id)
    names = {f"address:{key}" for key in asked.addresses}
    names |= {f"outside:{called(outside)}" for outside in asked.outside}
    consent.lock_people(connection, names, shared=False)
    if asked.outside:
        _load_outside(connection, facts, asked.outside)
    people = _survivors(facts, asked.people) | _named_outside(facts)
    if people or asked.addresses:
        _load_people(connection, facts, people, asked.addresses)
    new = [link for link in asked.links if link not in facts.outside]
    if new:
        _load_called(connection, facts, new)
    joining = _survivors(facts, asked.joining) | (facts.homes.keys() if asked.addresses else set())
    if joining:
        _load_aliases(connection, facts, joining, aliases.c.survivor)
    return facts


def _survivors(facts: Facts, people: set[str]) -> set[str]:
    """The ids they have become, or are."""
    known = [*facts.aliases[CONTACT].items(), *facts.aliases[ACCOUNT].items()]
    return {*people, *(alias.survivor for who, alias in known if who in people)}


def _named_outside(facts: Facts) -> set[str]:
    return {mine for outside, mine in facts.outside.items() if outside.kind == CONTACT}


def _load_aliases(
    connection: sa.Connection, facts: Facts, ids: Iterable[str], column: sa.Column[Any]
) -> None:
    for some in bulk.slices(ids):
        for row in connection.execute(sa.select(aliases).where(bulk.among(connection, column, some))):
            joins = msgspec.convert(row.joins, list[Join])
            facts.aliases[row.kind][row.id] = Alias(row.survivor, joins)
            facts.joins[row.kind, row.survivor] = joins


def _load_outside(connection: sa.Connection, facts: Facts, asked: Iterable[Outside]) -> None:
    wanted = set(asked)
    table = external_ids.c
    for some in bulk.slices({outside.external for outside in wanted}):
        found = sa.select(external_ids).where(bulk.among(connection, table.external, some))
        for row in connection.execute(found):
            outside = Outside(row.kind, row.source, row.external)
            if outside in wanted:
                facts.outside[outside] = row.id


def _load_called(connection: sa.Connection, facts: Facts, links: list[Outside]) -> None:
    """Whether anybody is known by the name that others gave them."""
    for kind, column in ((ACCOUNT, accounts.c.id), (CONTACT, contacts.c.id)):
        names = sorted({called(link) for link in links if link.kind == kind})
        facts.called.update(((kind, name), False) for name in names)
        for some in bulk.slices(names):
            found = sa.select(column).where(bulk.among(connection, column, some))
            facts.called.update(((kind, name), True) for name in connection.execute(found).scalars())


def _load_people(connection: sa.Connection, facts: Facts, people: set[str], keys: set[str]) -> None:
    """Where they are known, since when and by which address; with those who have one of these addresses."""
    table = contacts.c
    known: set[str] = set(people)
    for some in bulk.slices(keys):
        holders = sa.select(table.id).where(bulk.among(connection, table.address_key, some))
        known.update(connection.execute(holders).scalars())
    facts.homes.update((who, set()) for who in known)
    columns = table.id, table.account, table.address_key, table.first_seen
    for some in bulk.slices(known):
        for row in connection.execute(sa.select(*columns).where(bulk.among(connection, table.id, some))):
            facts.homes[row.id].add(row.account)
            facts.first_seen[row.id] = min(row.first_seen, facts.first_seen.get(row.id, row.first_seen))
            if row.address_key is not None:
                facts.addresses[row.id] = row.address_key


def current(connection: sa.Connection, kind: str, name: str) -> str:
    """The id that this one has become, or is."""
    wanted = sa.select(aliases.c.survivor).where(aliases.c.id == name, aliases.c.kind == kind)
    return str(connection.execute(wanted).scalar() or name)


def externals(connection: sa.Connection, kind: str, names: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """What others call each of these: by source, in the order of the text."""
    found: dict[str, dict[str, list[str]]] = {}
    table = external_ids.c
    wanted = sa.select(external_ids).where(table.kind == kind, bulk.among(connection, table.id, names))
    for row in connection.execute(wanted.order_by(table.source, table.external)):
        found.setdefault(row.id, {}).setdefault(row.source, []).append(row.external)
    return found


# ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────


def save_links(connection: sa.Connection, links: Iterable[Link], now: Instant) -> None:
    """Remember what others call these of ours. Raises LostUpdate where another writer was quicker with one of them."""
    rows = [{**link.outside._asdict(), "id": link.id, "at": now} for link in links]
    if bulk.insert_new(connection, external_ids, rows) != len(rows):
        raise LostUpdate("an external id was linked by another writer just now")


def record(connection: sa.Connection, merge: Merge, event: Event, now: Instant) -> None:
    """The old id, and all that had become it, are the survivor from here on; and it is known why."""
    joins = msgspec.to_builtins(merge.joins)
    mine = sa.and_(aliases.c.kind == merge.kind, aliases.c.survivor.in_((merge.old, merge.into)))
    connection.execute(sa.update(aliases).where(mine).values(survivor=merge.into, joins=joins))
    if merge.old == merge.into:
        return
    connection.execute(sa.delete(aliases).where(aliases.c.kind == merge.kind, aliases.c.id == merge.into))
    row = {"id": merge.old, "kind": merge.kind, "survivor": merge.into, "joins": joins}
    bulk.upsert(connection, aliases, [row])
    theirs = sa.and_(external_ids.c.kind == merge.kind, external_ids.c.id == merge.old)
    connection.execute(sa.update(external_ids).where(theirs).values(id=merge.into))
    homes = {merge.into} if merge.kind == ACCOUNT else merge.accounts or {""}
    rows = [_merge_row(merge, event, account, now) for account in homes]
    bulk.insert_new(connection, identity_merges, rows)


def _merge_row(merge: Merge, event: Event, account: str, now: Instant) -> dict[str, Any]:
    return {
        "id": stable_id("merge", merge.kind, merge.old, merge.into, account),
        "account": account,
        "kind": merge.kind,
        "old": merge.old,
        "survivor": merge.into,
        "at": event.time,
        "because": merge.because,
        "source": event.source,
        "event": event.id,
        "merged_at": now,
    }


def move_account(connection: sa.Connection, old: str, into: str) -> None:
    """Whatever belonged to the old account belongs to the survivor; what is made of states is left to them."""
    for table in MOVED_WITH_ACCOUNT:
        connection.execute(sa.update(table).where(table.c.account == old).values(account=into))
    _move_tasks(connection, old, into)
    for table in MADE_ANEW:
        column = table.c.id if table is accounts else table.c.account
        connection.execute(sa.delete(table).where(column == old))
    kept: dict[str, Any] = connection.info["kept"]
    on_commit(connection, lambda: kept.pop(old, None))


def _move_tasks(connection: sa.Connection, old: str, into: str) -> None:
    wanted = sa.select(tasks.c.value, tasks.c.sla_at).where(tasks.c.account == old)
    theirs = [(outcomes.task_of(row.value), row.sla_at) for row in connection.execute(wanted)]
    moved = [(msgspec.structs.replace(task, account=into), sla_at) for task, sla_at in theirs]
    outcomes.save_tasks(connection, moved)


def move_contact(connection: sa.Connection, merge: Merge) -> None:
    """Whatever named the old contact names the survivor. The strictest consent wins, and no suppression is lost."""
    old, into = merge.old, merge.into
    if old == into:
        consent.move(connection, old, into, merge.joins)
        return
    consent.lock_people(connection, (f"contact:{who}" for who in (old, into)), shared=False)
    for table in MOVED_WITH_CONTACT:
        connection.execute(sa.update(table).where(table.c.contact == old).values(contact=into))
    connection.execute(sa.delete(contacts).where(contacts.c.id == old))
    consent.move(connection, old, into, merge.joins)
