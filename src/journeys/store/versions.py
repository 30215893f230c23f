"""The rows of definitions: one for each version, made once, its body never changed."""

from typing import Any

import msgspec
import sqlalchemy as sa

from journeys.definitions import Draft
from journeys.life import ENDING, LIVE, NotPossible
from journeys.playbook import promises_of
from journeys.store import audit, braking, bulk, feeds, fillings
from journeys.store.tables import definitions
from plays.play import Live
from signals.instant import Instant, iso, iso_or_none

PAST = ("retired", "archived")
"""Statuses of versions that journeys may still be on."""


def newest(connection: sa.Connection, kind: str, key: str) -> Any:
    """The newest version of a definition, None where there is none."""
    wanted = sa.select(definitions).where(definitions.c.kind == kind, definitions.c.key == key)
    return connection.execute(wanted.order_by(definitions.c.version.desc()).limit(1)).first()


def live_version(connection: sa.Connection, kind: str, key: str) -> Any:
    """The version that counts, None where none does."""
    wanted = sa.select(definitions).where(definitions.c.kind == kind, definitions.c.key == key)
    return connection.execute(wanted.where(definitions.c.status.in_(LIVE))).first()


def version(connection: sa.Connection, draft: Draft) -> Any:
    """The row of this very version."""
    mine = sa.and_(definitions.c.kind == draft.kind, definitions.c.key == draft.key)
    return connection.execute(
        sa.select(definitions).where(mine, definitions.c.version == draft.version)
    ).one()


def change(connection: sa.Connection, row: Any, **values: Any) -> None:
    """Write these columns of a row."""
    mine = sa.and_(definitions.c.kind == row.kind, definitions.c.key == row.key)
    connection.execute(
        sa.update(definitions).where(mine, definitions.c.version == row.version).values(**values)
    )


def put(connection: sa.Connection, draft: Draft, now: Instant, actor: str) -> Draft:
    """Keep a draft: the next version where it differs from the newest."""
    latest = newest(connection, draft.kind, draft.key)
    if latest is not None and latest.hash == draft.hash:
        return _with(draft, latest.version, latest.status)
    version = 1 if latest is None else latest.version + 1
    row = {
        "kind": draft.kind,
        "key": draft.key,
        "version": version,
        "status": "draft",
        "body": draft.body,
        "hash": draft.hash,
        "author": actor,
        "created_at": now,
        "activated_at": None,
        "approved_by": None,
        "approved_at": None,
        "live": "pin",
        "since": 0,
        "ends": False,
    }
    bulk.insert(connection, definitions, [row])
    before = None if latest is None else latest.hash
    about = f"{draft.kind}/{draft.key}"
    audit.append(connection, now, actor, "draft", about, before, draft.hash, version=version)
    return _with(draft, version, "draft")


def activate(
    connection: sa.Connection,
    draft: Draft,
    row: Any,
    stamp: int,
    live: Live,
    now: Instant,
    actor: str,
    current: bool,
) -> None:
    """Make a version live with this stamp, and retire the one before."""
    before = live_version(connection, draft.kind, draft.key)
    if before is not None and before.version == row.version:
        need_stopped(connection, before)
    elif before is not None:
        change(connection, before, status="retired")
    if draft.kind == "plays":
        braking.forget(connection, [draft.key])
    change(connection, row, status="active", activated_at=now, live=live, since=stamp, ends=False)
    if draft.kind == "policies":
        feeds.expect(connection, promises_of(draft.model), now)
    told = {
        "version": row.version,
        "live": live if draft.kind == "plays" else None,
        "current": current or None,
    }
    from_hash = None if before is None else before.hash
    audit.append(connection, now, actor, "activate", f"{draft.kind}/{draft.key}", from_hash, row.hash, **told)


def need_stopped(connection: sa.Connection, row: Any) -> None:
    """What was stopped goes on only where no journey is left that the stop has still to end."""
    filling = fillings.newest(connection)
    if row.status in ENDING and filling is not None and not filling.finished:
        raise NotPossible(
            f"{row.kind}/{row.key} is being stopped: {filling.done} of {filling.accounts} accounts have been "
            "reached; try again when /v1/definitions/progress has finished"
        )


def end_past(connection: sa.Connection, key: str) -> None:
    """Journeys on the versions before end too."""
    past = sa.and_(definitions.c.kind == "plays", definitions.c.key == key, definitions.c.status.in_(PAST))
    connection.execute(sa.update(definitions).where(past).values(ends=True))


def _with(draft: Draft, version: int, status: str) -> Draft:
    return msgspec.structs.replace(draft, version=version, status=status)


def shown(row: Any) -> dict[str, Any]:
    """The version as the API tells it."""
    return {
        "kind": row.kind,
        "key": row.key,
        "version": row.version,
        "status": row.status,
        "hash": row.hash,
        "author": row.author,
        "created_at": iso(row.created_at),
        "approved_by": row.approved_by,
        "approved_at": iso_or_none(row.approved_at),
        "activated_at": iso_or_none(row.activated_at),
        "live": row.live,
        "body": row.body,
    }
