"""The worker: batches from a feed into the service, poison set aside, positions only ever with their effects."""

import gc
import logging
import threading
from collections.abc import Callable, Sequence

from sqlalchemy.exc import DBAPIError

from journeys.service import Service, StaleOwner
from journeys.store.accounts import LostUpdate
from journeys.store.database import is_transient
from signals.feeds.port import Feed, FeedBroken, Record
from signals.instant import Instant
from signals.problem import Problem

ATTEMPTS = 3
"""How often one record may fail before it is a dead letter (I8)."""

Letters = Sequence[tuple[Record, Problem]]
"""Records that could not be taken, each with its reason."""

log = logging.getLogger(__name__)


class Worker:
    """Owns one feed. `run` is the process loop; `once` one batch.

    `emitted` is called when something is to be done outside the accounts; `buried` with the dead letters of a batch,
    both after the commit; `noted` with a partition and the offset that was committed for it.
    """

    def __init__(
        self,
        feed: Feed,
        service: Service,
        clock: Callable[[], Instant],
        *,
        batch: int = 1_000,
        emitted: Callable[[], None] = lambda: None,
        buried: Callable[[Letters], None] = lambda _: None,
        noted: Callable[[str, int], None] = lambda *_: None,
    ) -> None:
        self._feed, self._service, self._clock, self._batch = feed, service, clock, batch
        self._emitted, self._buried, self._noted = emitted, buried, noted
        self.broken: str | None = None
        self.in_hand: Instant | None = None
        """When the oldest record of the batch under way came in: the clock stays behind it as well."""

    def run(self, stop: threading.Event, wait: float = 1.0) -> None:
        """Batches until told to stop. A feed that cannot go on is left alone and named in `broken` (I9)."""
        calm_collector()
        while not stop.is_set() and self.broken is None:
            try:
                self._turn(wait)
            except DBAPIError as error:
                log.warning("the database did not answer; trying again: %s", error.__class__.__name__)
                stop.wait(1.0)
            except Exception:
                log.exception("the worker stumbled; it goes on from what is committed")
                self._feed.close()  # it may have got ahead of the database: the next poll starts from there
                stop.wait(1.0)
        self._feed.close()

    def _turn(self, wait: float) -> None:
        """One batch, or the end of the feed. Its gap goes on record first: until then, polling meets it again."""
        try:
            self.once(wait)
        except FeedBroken as error:
            if error.gap is not None:
                self._service.note_gap(*error.gap, self._clock())
            self.broken = str(error)
            log.critical("the feed cannot go on: %s", error)

    def once(self, wait: float = 0.0) -> int:
        """One batch; answers how many records it took. Raises DBAPIError where the database is to be asked again."""
        records = self._feed.poll(self._batch, wait)
        if not records:
            return 0
        self.in_hand = min(record.received_at for record in records)
        try:
            return self._work(records)
        finally:
            self.in_hand = None

    def _work(self, records: Sequence[Record]) -> int:
        try:
            return self._take(records)
        except (
            Exception
        ) as error:  # one nobody foresaw must not stop the partition: it is found and set aside
            if _is_passing(error):
                self._roll_back(records[0], error)
                return 0
            where = records[0].partition
            log.exception("a batch of %s records of %s failed; taking them singly", len(records), where)
        return self._search(records)

    def _take(self, records: Sequence[Record]) -> int:
        taken = self._service.take(records, self._clock())
        self._done(records[-1], taken.letters)
        if taken.emitted:
            self._emitted()
        return len(records)

    def _done(self, last: Record, letters: Letters) -> None:
        """All up to this record is committed: those who watch may be told."""
        self._noted(last.partition, last.offset + 1)
        if letters:
            self._buried(letters)

    def _roll_back(self, record: Record, error: Exception) -> None:
        """Read on where the database says. At this record first: the database may not answer, and none may be lost.
        Raises the error where it is the database's.
        """
        self._feed.rewind(record.partition, record.offset)
        if isinstance(error, DBAPIError):
            raise error
        log.info("rolled back: %s", error)
        position = self._service.position(record.partition)
        if position > record.offset:
            self._feed.rewind(record.partition, position)

    def _search(self, records: Sequence[Record]) -> int:
        """Take the records singly, so that only the one at fault is set aside; answers how many were taken."""
        for number, record in enumerate(records):
            try:
                self._take_singly(record)
            except (StaleOwner, LostUpdate, DBAPIError) as error:
                self._roll_back(record, error)
                return number
        return len(records)

    def _take_singly(self, record: Record) -> None:
        """One record, given up after some attempts. Raises only what is no fault of the record's."""
        detail = ""
        for _ in range(ATTEMPTS):
            try:
                self._take([record])
            except Exception as error:  # the poison itself; its bytes are kept with the reason
                if _is_passing(error):
                    raise
                detail = _said(error)
            else:
                return
        self._done(record, [self._service.bury(record, "poison", detail, self._clock())])


def _is_passing(error: Exception) -> bool:
    """Whether the same records may be taken later: another worker was quicker, or the database is away."""
    return isinstance(error, StaleOwner | LostUpdate) or (
        isinstance(error, DBAPIError) and is_transient(error)
    )


def _said(error: Exception) -> str:
    """What a dead letter says of the error: the database's own words without the statement and its values."""
    told = error.orig if isinstance(error, DBAPIError) else error
    return f"{told.__class__.__name__}: {told}"[:500].replace("\0", "")


def calm_collector() -> None:
    """Profiles are values without cycles: let the cyclic collector look seldom, and never at what is here already.

    Its passes over kept states cost more than folding did (performance.md, "Floors").
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
