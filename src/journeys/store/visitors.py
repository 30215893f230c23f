"""Visitors and newcomers: what was done by people of no account yet, and who visitors turned out to be.

Who waits for whom is `journeys.recognition`'s to say. An event that waits is kept here, unassigned; when it is known
whose it is, it is folded with its own time, and leaves this table in that transaction. The row of a visitor is a lock
as well: keeping an event and finding out whose it is wait for one another, so that none is left behind. Both are
forgotten `KEPT` after they were last heard of.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from journeys.store import bulk
from journeys.store.tables import contacts, unassigned, visitors
from signals.event import Named, pack, unpack
from signals.instant import DAY, Instant

KEPT = 90 * DAY
"""How long events wait for somebody to become known, and how long is remembered who a visitor was."""

AT_ONCE = 1_000
"""How many are forgotten at most whenever some are kept."""


class SignIn(msgspec.Struct, frozen=True, array_like=True):
    """Somebody became known as a visitor: when, who, at which account."""

    at: Instant
    contact: str
    account: str


class Waiting(NamedTuple):
    """An unassigned event, whether it is history, and the dead letter that holds it too."""

    named: Named
    history: bool
    letter: str | None = None


def lock_and_load(connection: sa.Connection, ids: Iterable[str], now: Instant) -> dict[str, list[SignIn]]:
    """Who each of these visitors is known to have been, their rows made where missing and locked in order of id."""
    wanted = sorted(set(ids))
    rows = [{"id": visitor, "sign_ins": [], "seen_at": now} for visitor in wanted]
    bulk.insert_new(connection, visitors, rows)
    found: dict[str, list[SignIn]] = {}
    for some in bulk.slices(wanted):
        asked = sa.select(visitors.c.id, visitors.c.sign_ins).where(
            bulk.among(connection, visitors.c.id, some)
        )
        for row in connection.execute(asked.order_by(visitors.c.id).with_for_update()):
            found[row.id] = msgspec.convert(row.sign_ins, list[SignIn])
    return found


def remember(connection: sa.Connection, known: Mapping[str, Sequence[SignIn]], now: Instant) -> None:
    """Who these visitors are known to have been, and that they were heard of now."""
    rows: list[dict[str, Any]] = [
        {"id": visitor, "sign_ins": msgspec.to_builtins(list(sign_ins)), "seen_at": now}
        for visitor, sign_ins in known.items()
    ]
    bulk.upsert(connection, visitors, rows)


def keep(connection: sa.Connection, waiting: Iterable[tuple[str, Waiting]], now: Instant) -> None:
    """Keep these events, each with its visitor. Lets go of what has waited too long."""
    rows = [
        {
            "key": named.key,
            "hash": named.content,
            "visitor": visitor,
            "body": pack(named),
            "history": history,
            "letter": letter,
            "kept_at": now,
        }
        for visitor, (named, history, letter) in waiting
    ]
    if rows:
        bulk.insert_new(connection, unassigned, rows)
        _forget(connection, unassigned, unassigned.c.key, unassigned.c.kept_at < now - KEPT)
        _forget(connection, visitors, visitors.c.id, visitors.c.seen_at < now - KEPT)


def hashes(connection: sa.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """Content hashes of the events kept unassigned, by key."""
    found: dict[bytes, bytes] = {}
    for some in bulk.slices(keys):
        asked = sa.select(unassigned.c.key, unassigned.c.hash)
        found.update(connection.execute(asked.where(bulk.among(connection, unassigned.c.key, some))).all())
    return found


def waiting(connection: sa.Connection, ids: Iterable[str]) -> dict[str, list[Waiting]]:
    """What waits for each of these visitors to be known, oldest first."""
    found: dict[str, list[Waiting]] = {}
    for some in bulk.slices(sorted(ids)):
        asked = sa.select(unassigned).where(bulk.among(connection, unassigned.c.visitor, some))
        for row in connection.execute(asked):
            found.setdefault(row.visitor, []).append(Waiting(unpack(row.body), row.history, row.letter))
    for entries in found.values():
        entries.sort(key=_when)
    return found


def let_go(connection: sa.Connection, keys: Sequence[bytes]) -> None:
    """These are folded now."""
    for some in bulk.slices(keys):
        connection.execute(sa.delete(unassigned).where(bulk.among(connection, unassigned.c.key, some)))


def any_at_home(connection: sa.Connection, people: Sequence[str]) -> bool:
    """Whether any of these contacts belongs to an account by now."""
    asked = (
        sa.select(contacts.c.id).where(bulk.among(connection, contacts.c.id, some)).limit(1)
        for some in bulk.slices(people)
    )
    return any(connection.execute(each).first() is not None for each in asked)


def _when(entry: Waiting) -> tuple[Instant, str]:
    return entry.named.event.time, entry.named.event.id


def _forget(
    connection: sa.Connection, table: sa.Table, name: sa.Column[Any], old: sa.ColumnElement[bool]
) -> None:
    """Let go of some that are old; those another worker has in hand are left to it."""
    some = sa.select(name).where(old).limit(AT_ONCE).with_for_update(skip_locked=True)
    gone = list(connection.execute(some).scalars())
    if gone:
        connection.execute(sa.delete(table).where(name.in_(gone)))
