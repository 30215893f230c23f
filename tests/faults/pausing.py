"""A database that stops before a commit, so that two transactions can be put in the order a test wants."""

import threading
from collections.abc import Callable, Iterator
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


def has_to_wait(paused: Paused, first: Callable[[], object], second: Callable[[], object]) -> bool:
    """`first` stops before its commit in `paused`, `second` begins then; both end, and neither fails.

    Answers whether `second` waited for a lock until `first` went on; if not, it had ended by then.
    """
    failed: list[BaseException] = []
    paused.pause = True
    threads = [_begin(first, failed)]
    assert paused.arrived.wait(SOON)
    threads.append(_begin(second, failed))
    _wait_until_stuck_or_done(paused, threads[1])
    waited = threads[1].is_alive()
    paused.go_on.set()
    for thread in threads:
        thread.join(SOON)
        assert not thread.is_alive()
    assert not failed
    return waited


def _begin(act: Callable[[], object], failed: list[BaseException]) -> threading.Thread:
    def run() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - the test says what it was
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def _wait_until_stuck_or_done(database: Database, thread: threading.Thread) -> None:
    """Until the thread waits for a lock of PostgreSQL, or has ended because it did not have to."""
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    for _ in range(2_000):
        with database.read() as connection:
            if connection.execute(waiting).scalar() or not thread.is_alive():
                return
    raise AssertionError("it neither waits nor ends")
