"""Dead letters: what could not be taken, with its bytes untouched and the reason; written in the batch's transaction."""

from collections.abc import Sequence

import sqlalchemy as sa

from channels.message import identity
from journeys.store import bulk
from journeys.store.log import readable
from journeys.store.tables import dead_letters
from signals.feeds.port import Record
from signals.instant import Instant
from signals.problem import Problem


def bury(connection: sa.Connection, dead: Sequence[tuple[Record, Problem]], now: Instant) -> None:
    """Keep these; the same record buried again for the same reason is one letter."""
    rows = {}
    for record, problem in dead:
        name = letter_id(record, problem)
        rows[name] = {
            "id": name,
            "at": now,
            "reason": problem.reason,
            "detail": _storable(problem.detail),
            "partition": record.partition,
            "offset": record.offset,
            "value": _value(record),
            "record_key": record.key,
            "headers": [[header, value.hex()] for header, value in record.headers],
            "replayed_at": None,
        }
    bulk.insert_new(connection, dead_letters, list(rows.values()))


def letter_id(record: Record, problem: Problem) -> str:
    """The id of the letter that holds this record for this reason."""
    return identity("dead", record.partition, record.offset, problem.reason, problem.detail)


def replayed(connection: sa.Connection, letters: Sequence[str], now: Instant) -> None:
    """What these hold has been taken after all."""
    for some in bulk.slices(letters):
        mine = dead_letters.c.id.in_(some) & dead_letters.c.replayed_at.is_(None)
        connection.execute(sa.update(dead_letters).where(mine).values(replayed_at=now))


def _value(record: Record) -> bytes | None:
    """The bytes as they came; a record of our own log as the event it stands for."""
    own = record.value is not None and record.partition.startswith("log/")
    return readable(record.value) if own and record.value is not None else record.value


def _storable(detail: str) -> str:
    """The detail may quote what came in: NUL and lone surrogates are no text to PostgreSQL."""
    return detail.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
