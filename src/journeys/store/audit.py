"""The audit: who changed what, append-only, each row chained to the one before it by a hash (guarantees I28)."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

import orjson
import sqlalchemy as sa

from journeys.store import bulk
from journeys.store.reads.page import Listing, Page, fetch
from journeys.store.tables import audit
from signals.instant import Instant, iso

SERVICE = "the service"
"""Who acts where nobody asked it to."""

COMMAND_LINE = "the command line"
"""Who acts on the machine itself, where no key is asked for."""

_CHAIN = 0x61756469
"""The advisory lock that lets one row be added after another (PostgreSQL)."""


def append(
    connection: sa.Connection,
    at: Instant,
    actor: str,
    action: str,
    about: str,
    from_hash: str | None,
    to_hash: str | None,
    **detail: Any,
) -> None:
    """Write down a change in the transaction that makes it. Hashes are those of contents, None for none."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CHAIN)))
    newest = connection.execute(sa.select(audit).order_by(audit.c.number.desc()).limit(1)).first()
    row = {
        "number": 1 if newest is None else newest.number + 1,
        "at": at,
        "actor": actor,
        "action": action,
        "about": about,
        "from_hash": from_hash,
        "to_hash": to_hash,
        "detail": {name: value for name, value in detail.items() if value is not None},
    }
    row["chain"] = _chain("" if newest is None else newest.chain, row)
    bulk.insert(connection, audit, [row])


def _chain(before: str, row: dict[str, Any]) -> str:
    told = {name: value for name, value in row.items() if name != "chain"}
    return sha256(before.encode() + orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()


def broken(connection: sa.Connection) -> int | None:
    """The number of the first row that was changed, or follows one that was taken away; None where all is whole."""
    before, expected = "", 1
    for row in _all(connection):
        if row["number"] != expected or row["chain"] != _chain(before, row):
            return expected
        before, expected = row["chain"], expected + 1
    return None


def _all(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    for row in connection.execute(sa.select(audit).order_by(audit.c.number)).yield_per(1_000):
        yield {str(name): value for name, value in row._mapping.items()}


def page(
    connection: sa.Connection,
    limit: int,
    cursor: str | None,
    kind: str | None = None,
    about: str | None = None,
    actor: str | None = None,
    action: str | None = None,
) -> Page:
    """Changes, newest first; `about` is a definition as `kind/key`. Raises BadCursor."""
    wanted = sa.select(audit)
    if kind is not None:
        wanted = wanted.where(audit.c.about.startswith(f"{kind}/", autoescape=True))
    for column, value in ((audit.c.about, about), (audit.c.actor, actor), (audit.c.action, action)):
        wanted = wanted if value is None else wanted.where(column == value)
    return fetch(connection, wanted, _LISTING, _shown, limit, cursor)


_LISTING = Listing("audit", (audit.c.number,), (int,))
_SHOWN = [column.name for column in audit.c]


def _shown(rows: Sequence[sa.Row[Any]]) -> list[dict[str, Any]]:
    return [{**{name: row._mapping[name] for name in _SHOWN}, "at": iso(row.at)} for row in rows]
