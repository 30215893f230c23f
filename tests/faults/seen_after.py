"""What a crash schedule left behind: the tables, read once, and the journal of what was seen from outside."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from faults.stream import Stream
from journeys.state import AccountState, unpack
from journeys.store.tables import (
    accounts,
    dead_letters,
    decisions,
    events,
    journeys,
    log,
    messages,
    positions,
)
from signals.event import Event


class Seen(NamedTuple):
    """All that a schedule left behind."""

    script: Stream
    journal: list[list[str]]
    kills: int
    events: list[Any]
    log: list[Any]
    dead: list[Any]
    positions: dict[str, int]
    states: dict[str, AccountState]
    journeys: list[Any]
    messages: list[Any]
    decisions: list[Any]

    def answered(self) -> Iterator[tuple[Event, str]]:
        """Every event a client was answered for, with the answer."""
        for words in self.journal:
            if words[0] == "answered":
                call = self.script.calls[int(words[1])]
                answers = words[2:] if call.kind == "log" else ["written"]
                yield from zip(call.events, answers, strict=True)
            elif words[0] == "meanwhile":
                yield self.script.meanwhile[int(words[1])], "written"


def look(folder: Path, script: Stream) -> Seen:
    """Read everything once."""
    engine = sa.create_engine(f"sqlite:///{folder / 'base.db'}", poolclass=sa.NullPool)
    journal = [line.split() for line in (folder / "journal").read_text().splitlines()]
    with engine.connect() as connection:

        def rows(table: sa.Table) -> list[Any]:
            return list(connection.execute(sa.select(table).order_by(sa.text("rowid"))).all())

        return Seen(
            script,
            journal,
            sum(words[0] == "killed" for words in journal),
            rows(events),
            rows(log),
            rows(dead_letters),
            {row.partition: row.next_offset for row in rows(positions)},
            {row.id: unpack(row.state, row.known) for row in rows(accounts)},
            rows(journeys),
            rows(messages),
            rows(decisions),
        )
