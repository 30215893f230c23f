"""One process at work: worker, clock and dispatcher in threads, until they are stopped."""

import threading
from collections.abc import Callable
from typing import Any

from journeys.bootstrap import Parts, dead_topic, kafka_feed
from journeys.clock import Clock, Pulse, run_clock, run_dispatcher
from journeys.store.log import LogFeed, oldest_unread
from journeys.worker import Worker
from signals.feeds.port import Feed
from signals.instant import Instant


class Engine:
    """The moving parts of one process: worker, clock and dispatcher in threads, a pulse to wake them."""

    def __init__(
        self, parts: Parts, *, worker: bool = True, clock: bool = True, dispatcher: bool = True
    ) -> None:
        self.parts = parts
        self.pulse = Pulse()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.feed: Feed | None = None
        self.worker: Worker | None = None
        self.clock = Clock(parts.service, parts.now, self._oldest_unread, parts.filler)
        if worker:
            self._add_worker()
        if clock:
            self._add("clock", run_clock, self.clock, self.pulse, self.pulse.listen(), self._stop)
        if dispatcher:
            parts.dispatcher.oldest_unread = self._oldest_unread
            self._add(
                "dispatcher", run_dispatcher, parts.dispatcher, parts.now, self.pulse.listen(), self._stop
            )

    def _add(self, name: str, run: Callable[..., None], *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=run, args=arguments, name=name, daemon=True))

    def _add_worker(self) -> None:
        parts, size = self.parts, self.parts.settings.batch_size
        appended = self.pulse.listen()

        def wait(seconds: float) -> None:
            appended.wait(seconds)
            appended.clear()

        emitted = self.pulse.beat
        if parts.settings.kafka_bootstrap:
            feed = self.feed = kafka_feed(parts)
            buried, noted = dead_topic(parts), feed.note_progress
            self.worker = Worker(
                feed, parts.service, parts.now, batch=size, emitted=emitted, buried=buried, noted=noted
            )
        else:
            self.feed = LogFeed(parts.database, parts.settings.log_partitions, wait)
            self.worker = Worker(self.feed, parts.service, parts.now, batch=size, emitted=emitted)
        self._add("worker", self.worker.run, self._stop)

    def _oldest_unread(self) -> Instant | None:
        """A process without a worker asks the database, where the embedded log is everybody's."""
        if self.feed is not None and self.worker is not None:
            bounds = (self.worker.in_hand, self.feed.oldest_unread())
            return min((each for each in bounds if each is not None), default=None)
        with self.parts.database.read() as connection:
            return oldest_unread(connection)

    def fill_soon(self) -> None:
        """Bring the accounts to what has just been made live, beside all else."""
        self.clock.fill_soon()
        self.pulse.beat()

    def start(self) -> None:
        """Let everything run."""
        for thread in self._threads:
            thread.start()
        self.pulse.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Finish what is under way, start nothing new."""
        self._stop.set()
        self.pulse.stop()
        for thread in self._threads:
            thread.join(timeout)

    def trouble(self) -> str | None:
        """What stands still, for /readyz: also what goes on by itself once the broker is back."""
        unread: str | None = getattr(self.feed, "trouble", None)
        return self.broken() or (None if unread is None else f"nothing can be read from Kafka: {unread}")

    def broken(self) -> str | None:
        """What stands still until somebody does something about it."""
        if self.worker is not None and self.worker.broken is not None:
            return self.worker.broken
        dead = [thread.name for thread in self._threads if not thread.is_alive()]
        return f"not running: {', '.join(dead)}" if dead else None
