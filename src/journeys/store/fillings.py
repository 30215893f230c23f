"""How far each set of live definitions has reached the accounts: one row per stamp, moved with the accounts it moves."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from journeys.store import bulk
from journeys.store.tables import accounts, fillings, switches
from signals.instant import Instant, iso, iso_or_none

_DEFINITIONS = 0x64656673
"""The advisory lock that lets one change of definitions and the batches under way pass one another (PostgreSQL)."""


class Filling(msgspec.Struct, frozen=True):
    """Bringing all accounts to the definitions of `stamp`: done as far as the account `last`, in id order.

    `measures` are the ids of what these definitions count, None until the first step.
    `accounts` is how many there were at the start, `done` how many have been passed, `made` what it made of them
    (`journeys.impact.Counts`); those that something happened at meanwhile were brought there then, and are not in it.
    """

    stamp: int
    started_at: Instant
    moved_at: Instant
    finished_at: Instant | None
    last: str
    done: int
    accounts: int
    made: dict[str, int]
    measures: list[int] | None = None

    @property
    def finished(self) -> bool:
        """Every account is at these definitions."""
        return self.finished_at is not None

    def further(self, batch: Sequence[str], made: Counter[str], now: Instant) -> "Filling":
        """With these accounts done; an empty batch is the end."""
        if not batch:
            return msgspec.structs.replace(self, moved_at=now, finished_at=now)
        sums = dict(Counter(self.made) + made)
        return msgspec.structs.replace(
            self, moved_at=now, last=batch[-1], done=self.done + len(batch), made=sums
        )


def begin(connection: sa.Connection, stamp: int, now: Instant) -> None:
    """A new set of definitions is live: no account is at it yet."""
    count = connection.execute(sa.select(sa.func.count()).select_from(accounts)).scalar_one()
    save(connection, Filling(stamp, now, now, None, "", 0, count, {}))


def newest(connection: sa.Connection, lock: bool = False) -> Filling | None:
    """The filling of the present definitions, None before the first; `lock`ed, nobody else moves it meanwhile."""
    wanted = sa.select(fillings).order_by(fillings.c.stamp.desc()).limit(1)
    row = connection.execute(wanted.with_for_update() if lock else wanted).first()
    return None if row is None else Filling(**row._mapping)


def save(connection: sa.Connection, filling: Filling) -> None:
    """The filling as it is now."""
    bulk.upsert(connection, fillings, [msgspec.structs.asdict(filling)])


def kept(connection: sa.Connection, stamps: Collection[int]) -> dict[int, frozenset[int]]:
    """What accounts at these stamps have counted already, even where it came to nothing; those unknown are left out."""
    wanted = sa.select(fillings.c.stamp, fillings.c.measures).where(
        fillings.c.stamp.in_(stamps), fillings.c.measures.is_not(None)
    )
    return {row.stamp: frozenset(row.measures) for row in connection.execute(wanted)}


def filling_json(filling: Filling) -> dict[str, Any]:
    """How far it is, as the API tells it."""
    return {
        "stamp": filling.stamp,
        "started_at": iso(filling.started_at),
        "moved_at": iso(filling.moved_at),
        "finished_at": iso_or_none(filling.finished_at),
        "accounts": filling.accounts,
        "done": filling.done,
    }


def change_definitions(connection: sa.Connection) -> None:
    """From here to the end of the transaction no batch runs, so that none saves an account by the definitions before."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_DEFINITIONS)))


def present_stamp(connection: sa.Connection) -> int:
    """The number of the live definitions, which stay so until the end of this transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_DEFINITIONS)))
    value = connection.execute(sa.select(switches.c.value).where(switches.c.name == "playbook")).scalar()
    return int((value or "0").partition(":")[0])
