"""Bringing every account to the live definitions, from its history, while life goes on (architecture "Back-fill").

In id order, some accounts at a time, each time in one transaction that also says how far it has come: stopped
anywhere, it goes on from there, in this process or another.
"""

import time
from collections.abc import Callable

import msgspec

from journeys.service import Service
from journeys.store import fillings
from journeys.store.accounts import after
from journeys.store.database import Database
from journeys.store.fillings import Filling
from signals.instant import Instant

AT_ONCE = 200
"""Accounts a transaction: what comes in meanwhile waits no longer than that takes."""

BREATH = 0.002
"""Seconds between two transactions, in which those that wait for the database come first."""


class Filler:
    """Moves the filling of the present definitions on."""

    def __init__(self, database: Database, service: Service) -> None:
        self._database, self._service = database, service

    def progress(self) -> Filling | None:
        """How far it is; None before the first activation."""
        with self._database.read() as connection:
            return fillings.newest(connection)

    def step(self, now: Instant, limit: int = AT_ONCE) -> Filling | None:
        """The next accounts, or the end; what is finished, and what nobody has begun, stays as it is."""
        with self._database.write() as connection:
            filling = fillings.newest(connection, lock=True)
            if filling is None or filling.finished:
                return filling
            batch = after(connection, filling.last, limit)
            playbook, made = self._service.bring(connection, batch, now)
            if (
                playbook.stamp != filling.stamp
            ):  # other definitions have come: theirs begins at the first account
                return fillings.newest(connection)
            counted = sorted(playbook.watched.measures)
            moved = msgspec.structs.replace(filling.further(batch, made, now), measures=counted)
            fillings.save(connection, moved)
            return moved

    def finish(
        self, now: Callable[[], Instant], told: Callable[[Filling], None] = lambda _: None
    ) -> Filling | None:
        """All that is left, `told` being called after each step."""
        while True:
            filling = self.step(now())
            if filling is None or filling.finished:
                return filling
            told(filling)
            time.sleep(BREATH)
