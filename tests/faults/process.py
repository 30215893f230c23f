"""One process of a crash schedule: ingest, worker, clock and dispatcher on a database file, until killed or done."""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from builders import START
from faults.stream import Stream, at
from faults.world import BOOK, COMPOSER, Chaos, Journal, MortalDatabase, OutsideFeed, Provider, note_hand_over
from journeys.clock import Clock
from journeys.dispatcher import Dispatcher
from journeys.service import Service
from journeys.store.log import EmbeddedLog, LogFeed
from journeys.worker import Worker
from signals.event import Event
from signals.instant import HOUR, MINUTE, Instant

STEP, LEAP = 20 * MINUTE, 9 * HOUR
"""How far the clock goes with each round while input lasts, and after."""

ROUNDS_AFTER = 14
"""Leaps after the last input: past every retry, lease, wait and hold."""

DEADLINE = 60
"""Seconds after which a process that hangs is ended by its alarm."""


class Life:
    """One incarnation. What outlives it is in the folder: database, journal, the clock's file."""

    def __init__(self, folder: Path, seed: int, script: Stream, fatal: int | None) -> None:
        self._script, self._ticks = script, folder / "ticks"
        self._ticks.touch()
        self._busy = max(len(script.calls), len(script.records)) + 6
        self._journal = Journal(folder / "journal")
        chaos = Chaos(self._journal, fatal)
        self._database = MortalDatabase(folder / "base.db", chaos, self._journal)
        api = MortalDatabase(folder / "base.db", chaos, self._journal)
        note_hand_over(self._database)
        self._past = (folder / "journal").read_text().splitlines()
        self._log = EmbeddedLog(api)
        self._api = Service(api, lambda: BOOK, COMPOSER)
        service = Service(self._database, lambda: BOOK, COMPOSER)
        log_feed = LogFeed(self._database)
        outside = OutsideFeed(script.records, self._database, chaos, self.now)
        self._workers = [Worker(feed, service, self.now, batch=5) for feed in (log_feed, outside)]
        self._feeds = (log_feed, outside)
        self._clock = Clock(service, self.now, self._oldest_unread)
        provider = Provider(self._journal, chaos, seed, self._meanwhile)
        self._dispatcher = Dispatcher(self._database, lambda: BOOK, COMPOSER, provider, self._oldest_unread)

    def now(self) -> Instant:
        """The clock all parts share: as far as the rounds of all incarnations have brought it."""
        rounds, busy = self._rounds(), self._busy
        return START + min(rounds, busy) * STEP + max(0, rounds - busy) * LEAP

    def run(self) -> None:
        """Rounds until all has been handed in and all waiting is over."""
        while self._rounds() < self._busy + ROUNDS_AFTER:
            with self._ticks.open("ab", buffering=0) as ticks:
                ticks.write(b".")
            self._call()
            for worker in self._workers:
                while worker.once():
                    pass
            self._clock.tick()
            self._dispatcher.rescue(self.now())
            while self._dispatcher.round(self.now()):
                pass

    def _rounds(self) -> int:
        """How many rounds all incarnations have begun."""
        return self._ticks.stat().st_size

    def _oldest_unread(self) -> Instant | None:
        found = [feed.oldest_unread() for feed in self._feeds]
        return min((instant for instant in found if instant is not None), default=None)

    def _call(self) -> None:
        """The client's next request; one that was not answered is asked again with the same ids (I2)."""
        done = sum(line.startswith("answered ") for line in self._past)
        if done < len(self._script.calls):
            call = self._script.calls[done]
            happened = [at(event, self.now()) for event in call.events]
            if call.kind == "log":
                outcomes = self._log.append(happened).outcomes
                self._tell("answered", str(done), *outcomes)
            else:
                self._api.write(happened, self.now())
                self._tell("answered", str(done), "written")

    def _meanwhile(self) -> None:
        """During a conversation something else comes in through the API."""
        done = sum(line.startswith("meanwhile ") for line in self._past)
        if done < len(self._script.meanwhile):
            event: Event = self._script.meanwhile[done]
            self._api.write([at(event, self.now())], self.now())
            self._tell("meanwhile", str(done))

    def _tell(self, *words: str) -> None:
        self._journal.write(*words)
        self._past.append(" ".join(words))


def live(folder: Path, seed: int, script: Stream, fatal: int | None, mutate: Callable[[], None]) -> int:
    """Fork a process that lives one life; answers its exit status (0 done, -9 killed, else it broke)."""
    pid = os.fork()
    if pid == 0:
        status = 70
        signal.alarm(DEADLINE)
        with suppress(BaseException):
            status = _inside(folder, seed, script, fatal, mutate)
        os._exit(status)
    _, waited = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(waited)


def _inside(folder: Path, seed: int, script: Stream, fatal: int | None, mutate: Callable[[], None]) -> int:
    logging.disable(logging.CRITICAL)  # a mutant makes a great noise
    try:
        mutate()
        Life(folder, seed, script, fatal).run()
    except BaseException:  # noqa: BLE001 - written down for the parent, which names it
        (folder / "broke").write_text("".join(traceback.format_exception(*sys.exc_info())))
        return 70
    return 0
