"""The virtual clock: the same service, every event and every timer at its own instant (scenarios, the demo)."""

from collections.abc import Callable

from journeys.dispatcher import Dispatcher
from journeys.service import Service, next_sla
from journeys.store.database import Database
from journeys.store.log import LogFeed
from journeys.store.sending import next_message_due
from signals.instant import Instant, iso

SMALLEST, LARGEST = 16, 2_000
"""Bounds on how many records are tried at once: it grows while nothing is emitted and shrinks where much is."""


class Simulation:
    """Runs the log's events and everything that falls due, in order, up to an instant."""

    def __init__(
        self,
        database: Database,
        service: Service,
        dispatcher: Dispatcher,
        now: Instant,
        people: Callable[[Instant], None] = lambda _: None,
    ) -> None:
        """`people` is what humans of ours do at an instant at which a task would reach its next level."""
        self._database, self._service, self._dispatcher = database, service, dispatcher
        self._people = people
        self._feed = LogFeed(database)
        self._limit = SMALLEST
        self.now = now
        self.folded = 0
        self.dead = 0

    def run(self, until: Instant, progress: Callable[[int, Instant], None] | None = None) -> None:
        """Everything up to and including `until`; `progress(records, now)` is told of every step."""
        while True:
            waiting = self._next_outside()
            if waiting is not None and waiting <= self.now:
                self._reach_out(waiting)
                continue
            horizon = until if waiting is None else min(until, waiting)
            used, emitted, reached = self._step(horizon)
            self.now = max(self.now, reached)
            if progress is not None:
                progress(used, self.now)
            idle = not emitted and not used and self.now >= horizon
            if idle and self.now >= until and not self._due_now():
                return

    def _due_now(self) -> bool:
        waiting = self._next_outside()
        return waiting is not None and waiting <= self.now

    def _step(self, horizon: Instant) -> tuple[int, bool, Instant]:
        records = self._feed.poll(self._limit, 0)
        within = [record for record in records if record.received_at <= horizon]
        if len(within) < len(records):
            self._feed.rewind(records[0].partition, records[len(within)].offset)
        taken = self._service.step(within, horizon)
        if taken.records < len(within):
            self._feed.rewind(within[0].partition, within[taken.records].offset)
        self.folded += taken.folded
        self.dead += taken.dead
        if taken.emitted:
            self._limit = max(SMALLEST, min(LARGEST, taken.records * 2))
        elif within:
            self._limit = min(LARGEST, self._limit * 2)
        return taken.records, taken.emitted, taken.reached

    def _next_outside(self) -> Instant | None:
        """When a message is to be judged or a task's level comes."""
        with self._database.read() as connection:
            instants = [next_message_due(connection), next_sla(connection)]
        return min((instant for instant in instants if instant is not None), default=None)

    def _reach_out(self, waiting: Instant) -> None:
        """Send and escalate all that is due at this instant."""
        self._dispatcher.run(self.now)
        self._people(self.now)
        self._service.sweep_tasks(self.now)
        if self._next_outside() == waiting:
            raise RuntimeError(f"something due at {iso(waiting)} is neither sent, held nor settled")
