"""How the sends of each play have gone since it was last made live or resumed (semantics §5 "Brake")."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from channels.message import Message, Reason, Status
from journeys.store.tables import brakes


class Tally(NamedTuple):
    """Of a play: how many sends came to their end, and how many of them failed."""

    sends: int
    failed: int


def count(connection: sa.Connection, ended: Iterable[Message]) -> dict[str, Tally]:
    """Add how these messages ended; answers the sums of their plays. Those that never went, or only lacked a fact, do not count."""
    return _add(
        connection, ((message, Tally(1, int(_failed(message)))) for message in ended if _sent(message))
    )


def count_bounces(connection: sa.Connection, receipted: Iterable[Message]) -> None:
    """Sends that counted as good have bounced."""
    bounced = (message for message in receipted if message.reason is Reason.BOUNCED)
    _add(connection, ((message, Tally(0, 1)) for message in bounced))


def forget(connection: sa.Connection, plays: Iterable[str]) -> None:
    """Made live anew or resumed, these are counted from the beginning."""
    connection.execute(sa.delete(brakes).where(brakes.c.play.in_(list(plays))))


def _sent(message: Message) -> bool:
    return message.status in (Status.SENT, Status.DELIVERED) or _failed(message)


def _failed(message: Message) -> bool:
    return message.status is Status.FAILED and message.reason is not Reason.MISSING_FACT


def _add(connection: sa.Connection, told: Iterable[tuple[Message, Tally]]) -> dict[str, Tally]:
    sums: dict[str, Tally] = {}
    for message, (sends, failed) in told:
        known = sums.get(message.play, Tally(0, 0))
        sums[message.play] = Tally(known.sends + sends, known.failed + failed)
    if not sums:
        return {}
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    rows = [
        {"play": play, **sums[play]._asdict()} for play in sorted(sums)
    ]  # one order: nobody waits in a circle
    adding = dialect.insert(brakes).values(rows)
    more = {name: brakes.c[name] + adding.excluded[name] for name in ("sends", "failed")}
    wanted = adding.on_conflict_do_update(index_elements=["play"], set_=more).returning(brakes)
    return {row.play: Tally(row.sends, row.failed) for row in connection.execute(wanted)}
