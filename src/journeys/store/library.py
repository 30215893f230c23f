"""Definitions as rows: drafts, versions, what is live; a stamp tells every worker that something changed."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from journeys.definitions import Draft, parse
from journeys.playbook import promises_of
from journeys.store import bulk, feeds, fillings
from journeys.store.database import Database
from journeys.store.tables import definitions, switches
from signals.instant import Instant, iso, iso_or_none

LIVE = ("active", "paused", "draining")
"""Statuses in which a definition counts."""


class SeenOtherwise(RuntimeError):
    """The definitions are not those the dry run saw: run it again, and activate with its token."""

    def __init__(self) -> None:
        super().__init__(str(self.__doc__))


class Library:
    """The definitions in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, drafts: Sequence[Draft], now: Instant) -> list[Draft]:
        """Keep each as a draft: a new version where it differs from the newest, which is otherwise answered."""
        with self._database.write() as connection:
            return [_put(connection, draft, now) for draft in drafts]

    def live(self) -> list[Draft]:
        """Everything that counts now, and retired versions of plays that journeys may still be on."""
        with self._database.read() as connection:
            changed_at = connection.execute(
                sa.select(switches.c.at).where(switches.c.name == "playbook")
            ).scalar()
            return _load(connection, definitions.c.status.in_((*LIVE, "retired")), changed_at)

    def stamp(self) -> tuple[int, bool]:
        """The number of the present set of live definitions, and whether it is to act on what holds already."""
        with self._database.read() as connection:
            value = connection.execute(
                sa.select(switches.c.value).where(switches.c.name == "playbook")
            ).scalar()
        number, _, current = (value or "0").partition(":")
        return int(number), current == "current"

    def activate(
        self, wanted: Sequence[Draft], now: Instant, current: bool = False, seen: int | None = None
    ) -> int:
        """Make these versions live, all or nothing; answers the new stamp.

        Raises SeenOtherwise where the stamp is not the one that was `seen`.
        """
        with self._database.write() as connection:
            fillings.change_definitions(connection)
            if seen not in (None, fillings.present_stamp(connection)):
                raise SeenOtherwise
            for draft in wanted:
                mine = sa.and_(definitions.c.kind == draft.kind, definitions.c.key == draft.key)
                live = sa.and_(mine, definitions.c.status.in_(LIVE), definitions.c.version != draft.version)
                connection.execute(sa.update(definitions).where(live).values(status="retired"))
                one = sa.and_(mine, definitions.c.version == draft.version)
                connection.execute(
                    sa.update(definitions).where(one).values(status="active", activated_at=now)
                )
                if draft.kind == "policies":
                    feeds.expect(connection, promises_of(draft.model), now)
            return _restamp(connection, now, current)

    def set_status(self, kind: str, key: str, status: str, now: Instant) -> bool:
        """Pause, resume, drain or archive the live version; False where there is none."""
        mine = sa.and_(definitions.c.kind == kind, definitions.c.key == key, definitions.c.status.in_(LIVE))
        with self._database.write() as connection:
            fillings.change_definitions(connection)
            changed = connection.execute(sa.update(definitions).where(mine).values(status=status)).rowcount
            if changed and kind == "policies" and status not in LIVE:
                feeds.expect(connection, (), now)
            if changed:
                _restamp(connection, now, current=False)
        return bool(changed)

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """The newest version."""
        versions = self.versions(kind, key)
        return versions[0] if versions else None

    def versions(self, kind: str, key: str) -> list[dict[str, Any]]:
        """Every version, newest first."""
        mine = sa.and_(definitions.c.kind == kind, definitions.c.key == key)
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(definitions).where(mine).order_by(definitions.c.version.desc())
            )
            return [_shown(row) for row in rows]

    def changes(self, drafts: Sequence[Draft], activate: bool = False) -> Sequence[dict[str, Any]]:
        """What `put` would make of these, and with `activate` which drafts would become live:
        `{kind, key, change, file}`, `change` being `new`, `version n` or `activated`."""
        found = []
        for draft in drafts:
            newest = self.get(draft.kind, draft.key)
            change = None
            if newest is None:
                change = "new"
            elif newest["hash"] != draft.hash:
                change = f"version {newest['version'] + 1}"
            elif activate and newest["status"] == "draft":
                change = "activated"
            if change is not None:
                found.append({"kind": draft.kind, "key": draft.key, "change": change, "file": draft.file})
        return found

    def list(self, kind: str) -> list[dict[str, Any]]:
        """The newest version of each key."""
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(definitions)
                .where(definitions.c.kind == kind)
                .order_by(definitions.c.key, definitions.c.version.desc())
            ).all()
        newest: dict[str, Any] = {}
        for row in rows:
            newest.setdefault(row.key, row)
        return [_shown(row) for row in newest.values()]


def _put(connection: sa.Connection, draft: Draft, now: Instant) -> Draft:
    newest = connection.execute(
        sa.select(definitions)
        .where(definitions.c.kind == draft.kind, definitions.c.key == draft.key)
        .order_by(definitions.c.version.desc())
        .limit(1)
    ).first()
    if newest is not None and newest.hash == draft.hash:
        return _with(draft, newest.version, newest.status)
    version = 1 if newest is None else newest.version + 1
    row = {
        "kind": draft.kind,
        "key": draft.key,
        "version": version,
        "status": "draft",
        "body": draft.body,
        "hash": draft.hash,
        "created_at": now,
        "activated_at": None,
    }
    bulk.insert(connection, definitions, [row])
    return _with(draft, version, "draft")


def _with(draft: Draft, version: int, status: str) -> Draft:
    return Draft(draft.kind, draft.key, draft.body, draft.model, draft.file, version, status)


def _load(
    connection: sa.Connection, which: sa.ColumnElement[bool], changed_at: Instant | None
) -> list[Draft]:
    rows = connection.execute(
        sa.select(definitions)
        .where(which)
        .order_by(definitions.c.kind, definitions.c.key, definitions.c.version)
    )
    found = []
    for row in rows:
        parsed = parse(row.kind, row.body)
        fresh = row.activated_at is not None and row.activated_at == changed_at
        found.append(Draft(row.kind, row.key, row.body, parsed.model, None, row.version, row.status, fresh))
    return found


def _restamp(connection: sa.Connection, now: Instant, current: bool) -> int:
    value = connection.execute(sa.select(switches.c.value).where(switches.c.name == "playbook")).scalar()
    stamp = int((value or "0").partition(":")[0]) + 1
    told = f"{stamp}:current" if current else str(stamp)
    bulk.upsert(connection, switches, [{"name": "playbook", "value": told, "at": now}])
    fillings.begin(connection, stamp, now)
    return stamp


def _shown(row: Any) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "key": row.key,
        "version": row.version,
        "status": row.status,
        "hash": row.hash,
        "created_at": iso(row.created_at),
        "activated_at": iso_or_none(row.activated_at),
        "body": row.body,
    }
