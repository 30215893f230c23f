"""The ledger of health scores as rows: written with what made them, never changed."""

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from journeys.store import bulk
from journeys.store.tables import health_ledger
from signals.ledger import Entry


def save(connection: sa.Connection, told: Iterable[Entry]) -> None:
    """New entries; each account's are numbered by its own state, which is saved in the same transaction."""
    bulk.insert(connection, health_ledger, [msgspec.structs.asdict(entry) for entry in told])
