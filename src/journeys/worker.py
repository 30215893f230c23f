"""The worker: batches from a feed into the service, poison set aside, positions only ever with their effects."""

import logging
import threading
from collections.abc import Callable, Sequence

from sqlalchemy.exc import DBAPIError

from journeys.service import Service, StaleOwner
from journeys.store.accounts import LostUpdate
from signals.feeds.port import Feed, FeedBroken, Record
from signals.instant import Instant

ATTEMPTS = 3
"""How often one record may fail before it is a dead letter (I8)."""

log = logging.getLogger(__name__)


class Worker:
    """Owns one feed. `run` is the process loop; `once` one batch."""

    def __init__(
        self,
        feed: Feed,
        service: Service,
        clock: Callable[[], Instant],
        *,
        batch: int = 1_000,
        emitted: Callable[[], None] = lambda: None,
    ) -> None:
        self._feed, self._service, self._clock, self._batch, self._emitted = (
            feed,
            service,
            clock,
            batch,
            emitted,
        )
        self.broken: str | None = None

    def run(self, stop: threading.Event, wait: float = 1.0) -> None:
        """Batches until told to stop. A feed that cannot go on is left alone and named in `broken` (I9)."""
        while not stop.is_set() and self.broken is None:
            try:
                self.once(wait)
            except FeedBroken as error:
                self.broken = str(error)
                log.critical("the feed cannot go on: %s", error)
            except DBAPIError as error:
                log.warning("the database did not answer; trying again: %s", error.__class__.__name__)
                stop.wait(1.0)
        self._feed.close()

    def once(self, wait: float = 0.0) -> int:
        """One batch; answers how many records it took."""
        records = self._feed.poll(self._batch, wait)
        if not records:
            return 0
        try:
            taken = self._service.take(records, self._clock())
        except (StaleOwner, LostUpdate) as error:
            log.info("batch rolled back: %s", error)
            self._feed.rewind(records[0].partition, records[0].offset)
            return 0
        except DBAPIError:
            self._feed.rewind(records[0].partition, records[0].offset)
            raise
        except Exception:  # a record nobody foresaw must not stop the partition: find it and set it aside
            log.exception(
                "batch of %s records of %s failed; taking them singly", len(records), records[0].partition
            )
            self._singly(records)
            self._emitted()
            return len(records)
        if taken.emitted:
            self._emitted()
        return len(records)

    def _singly(self, records: Sequence[Record]) -> None:
        for record in records:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    self._service.take([record], self._clock())
                    break
                except (StaleOwner, LostUpdate, DBAPIError):
                    self._feed.rewind(record.partition, record.offset)
                    raise
                except Exception as error:  # noqa: BLE001 - the poison itself; its bytes are kept with the reason
                    if attempt == ATTEMPTS:
                        detail = f"{error.__class__.__name__}: {error}"
                        self._service.bury(record, "poison", detail[:500], self._clock())
