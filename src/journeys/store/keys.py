"""API keys: shown once, kept as SHA-256 with a prefix to tell them apart by (guarantees API2)."""

import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec
import sqlalchemy as sa

from journeys.store import bulk
from journeys.store.database import Database
from journeys.store.tables import api_keys
from signals.instant import Instant, iso, iso_or_none

SCOPES = ("ingest", "marketer", "csm", "admin")
"""What a key may do; `admin` may do everything."""


class Caller(msgspec.Struct, frozen=True):
    """Who a key belongs to and what it may do."""

    id: str
    name: str
    scopes: tuple[str, ...]

    def may(self, scope: str) -> bool:
        """Whether this key has the scope."""
        return scope in self.scopes or "admin" in self.scopes


class Keys:
    """The keys in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, scopes: Sequence[str], now: Instant) -> str:
        """A new key, answered once and never again. Raises ValueError for a scope that does not exist."""
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise ValueError(f"scopes are {', '.join(SCOPES)}; not {', '.join(unknown) or 'none'}")
        key = f"jk_{secrets.token_urlsafe(32)}"
        row = {
            "id": secrets.token_hex(8),
            "name": name,
            "prefix": key[:8],
            "hash": _hash(key),
            "scopes": list(scopes),
            "created_at": now,
            "revoked_at": None,
        }
        with self._database.write() as connection:
            bulk.insert(connection, api_keys, [row])
        return key

    def find(self, key: str) -> Caller | None:
        """Who this key belongs to; None where it is unknown or revoked. Asked at every request."""
        wanted = sa.select(api_keys).where(api_keys.c.hash == _hash(key), api_keys.c.revoked_at.is_(None))
        with self._database.read() as connection:
            row = connection.execute(wanted).first()
        return None if row is None else Caller(row.id, row.name, tuple(row.scopes))

    def revoke(self, key_id: str, now: Instant) -> bool:
        """The key opens nothing from now on; False where there is no such key."""
        mine = sa.update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        with self._database.write() as connection:
            return bool(connection.execute(mine.values(revoked_at=now)).rowcount)

    def list(self) -> list[dict[str, Any]]:
        """Every key, without what opens anything."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(api_keys).order_by(api_keys.c.created_at)).all()
        return [
            {
                "id": row.id,
                "name": row.name,
                "prefix": row.prefix,
                "scopes": row.scopes,
                "created_at": iso(row.created_at),
                "revoked_at": iso_or_none(row.revoked_at),
            }
            for row in rows
        ]


def _hash(key: str) -> bytes:
    return sha256(key.encode()).digest()
