"""A database that stops before a commit, so that two transactions can be put in the order a test wants."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from journeys.store.database import Database

SOON = 20.0
"""Seconds after which a test that waits for a thread has failed."""


class Paused(Database):
    """A database that stops before its next commit until it is told to go on."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.pause = False
        self.arrived, self.go_on = threading.Event(), threading.Event()

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        with super().write() as connection:
            yield connection
            if self.pause:
                self.pause = False
                self.arrived.set()
                assert self.go_on.wait(SOON)


def wait_until_stuck_or_done(database: Database, thread: threading.Thread) -> None:
    """Until the thread waits for a lock of PostgreSQL, or has ended because it did not have to."""
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    for _ in range(2_000):
        with database.read() as connection:
            if connection.execute(waiting).scalar() or not thread.is_alive():
                return
    raise AssertionError("it neither waits nor ends")
