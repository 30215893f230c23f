"""The clock and the dispatcher's loop: time falls due, messages go out. APScheduler only says "now"."""

import logging
import threading
from collections.abc import Callable

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import DBAPIError

from journeys.dispatcher import Dispatcher
from journeys.filling import Filler
from journeys.service import Service
from signals.instant import EARLIEST, SECOND, Instant

LOOK_FOR_FILLING = 30 * SECOND
"""How often a clock looks whether definitions made live elsewhere have been left half-filled."""

TICK = 1.0
"""Seconds between looks; what is known to fall due sooner is looked at in its instant."""

log = logging.getLogger(__name__)


class Pulse:
    """Wakes whoever waits, once a second and whenever there is reason to."""

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(timezone="UTC")
        self._waiting: list[threading.Event] = []

    def listen(self) -> threading.Event:
        """An event that is set at every beat; whoever waits on it clears it."""
        event = threading.Event()
        self._waiting.append(event)
        return event

    def beat(self) -> None:
        """Wake everybody now."""
        for event in self._waiting:
            event.set()

    def start(self) -> None:
        """Beat every second; a late beat is given, not skipped, and never doubled."""
        self._scheduler.add_job(
            self.beat, "interval", seconds=TICK, misfire_grace_time=None, coalesce=True, max_instances=1
        )
        self._scheduler.start()

    def stop(self) -> None:
        """No more beats; whoever waits is woken to see that it is over."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self.beat()


class Clock:
    """Lets accounts and tasks live through what falls due, never past the oldest event still unread (semantics §2)."""

    def __init__(
        self,
        service: Service,
        now: Callable[[], Instant],
        oldest_unread: Callable[[], Instant | None],
        filler: Filler | None = None,
    ) -> None:
        self._service, self._now, self._oldest_unread = service, now, oldest_unread
        self._filler, self._fill_at = filler, EARLIEST
        self.ticked_at: Instant | None = None
        self._next: Instant | None = None

    def tick(self) -> int:
        """Everything due now; answers how many accounts and tasks moved."""
        now = self._now()
        unread = self._oldest_unread()
        safe = now if unread is None else min(now, unread - 1)
        moved = 0
        due = self._next = self._service.next_due()
        if due is not None and due <= safe:
            while count := self._service.tick(safe):
                moved += count
            moved += self._service.sweep_tasks(safe)
        moved += self._fill(now)
        self.ticked_at = now
        return moved

    def rest(self) -> float | None:
        """Seconds until what falls due next, as seen at the last look, if that is before the next beat; else None."""
        if self._next is None or self.ticked_at is None or self._next <= self.ticked_at:
            return None  # what was due then has been done, or may not be done yet
        ahead = (self._next - self._now()) / SECOND
        return max(0.0, ahead) if ahead < TICK else None

    def fill_soon(self) -> None:
        """Definitions have been made live here, and nobody else brings the accounts to them: begin at the next beat."""
        self._fill_at = EARLIEST

    def _fill(self, now: Instant) -> int:
        """Go on with what is not filled, some accounts a beat; where all is, look again in a while."""
        if self._filler is None or now < self._fill_at:
            return 0
        filling = self._filler.step(now)
        if filling is None or filling.finished:
            self._fill_at = now + LOOK_FOR_FILLING
            return 0
        return 1


def run_clock(clock: Clock, pulse: Pulse, woken: threading.Event, stop: threading.Event) -> None:
    """The clock's loop: one indexed look per beat, more only where something is due: it is then woken at that instant."""
    while not stop.is_set():
        woken.wait(clock.rest())
        woken.clear()
        if stop.is_set():
            return
        try:
            if clock.tick():
                pulse.beat()
        except DBAPIError as error:
            log.warning("the database did not answer the clock: %s", error.__class__.__name__)
        except Exception:
            log.exception("the clock stumbled; it goes on")


def run_dispatcher(
    dispatcher: Dispatcher, now: Callable[[], Instant], woken: threading.Event, stop: threading.Event
) -> None:
    """The dispatcher's loop: one indexed look per beat, rounds while there is something to send."""
    while not stop.is_set():
        woken.wait()
        woken.clear()
        if stop.is_set():
            return
        try:
            dispatcher.rescue(now())
            while not stop.is_set() and dispatcher.round(now()):
                pass
        except DBAPIError as error:
            log.warning("the database did not answer the dispatcher: %s", error.__class__.__name__)
        except Exception:
            log.exception("the dispatcher stumbled; it goes on")
