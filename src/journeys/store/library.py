"""Definitions as rows: drafts, versions, what is live; a stamp tells every worker that something changed.

Every change leaves a row in the audit, in the same transaction.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from journeys.definitions import Draft, parse
from journeys.life import LIVE, MOVES, OPENING, WAITING, Approval, NotApproved, SeenOtherwise
from journeys.store import audit, braking, bulk, feeds, fillings, versions
from journeys.store.database import Database
from journeys.store.reads.page import Page
from journeys.store.tables import definitions, switches
from plays.play import Live
from signals.instant import Instant

__all__ = ["LIVE", "Library", "SeenOtherwise"]


class Library:
    """The definitions in the database. `approval` is what an activation asks for (setting `APPROVAL`)."""

    def __init__(self, database: Database, approval: Approval = "none") -> None:
        self._database, self._approval = database, approval

    def put(self, drafts: Sequence[Draft], now: Instant, actor: str = audit.SERVICE) -> list[Draft]:
        """Keep each as a draft: a new version where it differs from the newest, which is otherwise answered."""
        with self._database.write() as connection:
            return [versions.put(connection, draft, now, actor) for draft in drafts]

    def live(self) -> list[Draft]:
        """Everything that counts now, and past versions of plays that journeys may still be on."""
        past = sa.and_(definitions.c.status.in_(versions.PAST), definitions.c.kind == "plays")
        with self._database.read() as connection:
            changed_at = connection.execute(
                sa.select(switches.c.at).where(switches.c.name == "playbook")
            ).scalar()
            return _load(connection, sa.or_(definitions.c.status.in_(LIVE), past), changed_at)

    def stamp(self) -> tuple[int, bool]:
        """The number of the present set of live definitions, and whether it is to act on what holds already."""
        with self._database.read() as connection:
            value = connection.execute(
                sa.select(switches.c.value).where(switches.c.name == "playbook")
            ).scalar()
        number, _, current = (value or "0").partition(":")
        return int(number), current == "current"

    def activate(
        self,
        wanted: Sequence[Draft],
        now: Instant,
        current: bool = False,
        seen: int | None = None,
        live: Live = "pin",
        actor: str = audit.SERVICE,
    ) -> int:
        """Make these versions live, all or nothing; answers the new stamp.

        Raises SeenOtherwise where the stamp is not the one that was `seen`, NotApproved where an approval is asked
        for, and NotPossible while a stop of one of them has not reached every account.
        """
        with self._database.write() as connection:
            fillings.change_definitions(connection)
            before = fillings.present_stamp(connection)
            if seen not in (None, before):
                raise SeenOtherwise
            rows = [versions.version(connection, draft) for draft in wanted]
            self._need_approval(rows)
            for draft, row in zip(wanted, rows, strict=True):
                versions.activate(connection, draft, row, before + 1, live, now, actor, current)
            return _restamp(connection, now, current)

    def _need_approval(self, rows: Sequence[Any]) -> None:
        """Raises NotApproved naming every version that lacks it. What has been live before is not asked again."""
        if self._approval == "none":
            return
        other = self._approval == "other"
        lacking = [
            row
            for row in rows
            if row.status in WAITING
            and (row.approved_by is None or (other and row.approved_by == row.author))
        ]
        if lacking:
            names = [f"{row.kind}/{row.key} version {row.version}" for row in lacking]
            raise NotApproved(names, self._approval)

    def approve(self, kind: str, key: str, seen: str | None, now: Instant, actor: str) -> bool:
        """Approve the newest version: this very content. False where there is none.

        Raises SeenOtherwise where its hash is not the one that was `seen`.
        """
        with self._database.write() as connection:
            row = versions.newest(connection, kind, key)
            if row is None:
                return False
            if seen not in (None, row.hash):
                raise SeenOtherwise("what is to be approved is not the newest version: look at it again")
            status = "approved" if row.status == "draft" else row.status
            versions.change(connection, row, status=status, approved_by=actor, approved_at=now)
            about = f"{kind}/{key}"
            audit.append(connection, now, actor, "approve", about, row.hash, row.hash, version=row.version)
        return True

    def set_status(
        self,
        kind: str,
        key: str,
        status: str,
        now: Instant,
        actor: str = audit.SERVICE,
        reason: str | None = None,
        ends: bool = False,
        also: Callable[[sa.Connection], None] = lambda _: None,
    ) -> bool:
        """Pause, resume, drain, stop or archive the live version; False where there is none that can be.

        `also` is done in the same transaction where it has been. With `ends` its live journeys end (`play_stopped`), on whatever version. Raises NotPossible for a resume
        while a stop has not reached every account.
        """
        with self._database.write() as connection:
            fillings.change_definitions(connection)
            row = versions.live_version(connection, kind, key)
            if row is None or row.status not in MOVES[status]:
                return False
            if status in OPENING:
                versions.need_stopped(connection, row)
                braking.forget(connection, [key])
            versions.change(connection, row, status=status, ends=ends)
            if ends:
                versions.end_past(connection, key)
            if kind == "policies" and status not in LIVE:
                feeds.expect(connection, (), now)
            _restamp(connection, now, current=False)
            verb = _VERBS[status]
            to_hash = row.hash if status in LIVE else None
            told = {"version": row.version, "was": row.status, "reason": reason, "ends": ends or None}
            audit.append(connection, now, actor, verb, f"{kind}/{key}", row.hash, to_hash, **told)
            also(connection)
        return True

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """The newest version."""
        found = self.versions(kind, key)
        return found[0] if found else None

    def newest(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The newest version of everything there is, by kind and key."""
        other = definitions.alias()
        later = sa.select(sa.literal(1)).where(
            other.c.kind == definitions.c.kind,
            other.c.key == definitions.c.key,
            other.c.version > definitions.c.version,
        )
        with self._database.read() as connection:
            rows = connection.execute(sa.select(definitions).where(~later.exists()))
            return {(row.kind, row.key): versions.shown(row) for row in rows}

    def versions(self, kind: str, key: str) -> list[dict[str, Any]]:
        """Every version, newest first."""
        mine = sa.and_(definitions.c.kind == kind, definitions.c.key == key)
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(definitions).where(mine).order_by(definitions.c.version.desc())
            )
            return [versions.shown(row) for row in rows]

    def list(self, kind: str, live: bool = False) -> list[dict[str, Any]]:
        """The newest version of each key; with `live` the version that counts, where one does."""
        which = definitions.c.status.in_(LIVE) if live else sa.true()
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(definitions)
                .where(definitions.c.kind == kind, which)
                .order_by(definitions.c.key, definitions.c.version.desc())
            ).all()
        newest: dict[str, Any] = {}
        for row in rows:
            newest.setdefault(row.key, row)
        return [versions.shown(row) for row in newest.values()]

    def audited(self, limit: int, cursor: str | None, **which: str | None) -> Page:
        """Changes, newest first. Raises BadCursor."""
        with self._database.read() as connection:
            return audit.page(connection, limit, cursor, **which)


_VERBS = {
    "paused": "pause",
    "active": "resume",
    "draining": "stop",
    "stopped": "stop",
    "archived": "archive",
}
"""What was done, by the status it led to."""


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
        told = {
            "version": row.version,
            "status": row.status,
            "fresh": row.activated_at is not None and row.activated_at == changed_at,
            "live": row.live,
            "since": row.since,
            "ends": row.ends,
        }
        found.append(msgspec.structs.replace(parse(row.kind, row.body), key=row.key, **told))
    return found


def _restamp(connection: sa.Connection, now: Instant, current: bool) -> int:
    value = connection.execute(sa.select(switches.c.value).where(switches.c.name == "playbook")).scalar()
    stamp = int((value or "0").partition(":")[0]) + 1
    told = f"{stamp}:current" if current else str(stamp)
    bulk.upsert(connection, switches, [{"name": "playbook", "value": told, "at": now}])
    fillings.begin(connection, stamp, now)
    return stamp
