"""I2, I6, I7 on PostgreSQL: two workers have the same records at the same time, and every event is folded once."""

from collections.abc import Iterator, Sequence

import pytest
import sqlalchemy as sa

from builders import START
from faults.pausing import Paused, has_to_wait
from faults.stream import make
from faults.world import BOOK, COMPOSER
from journeys.service import Service
from journeys.store.database import Database
from journeys.store.log import StoredPositions
from journeys.store.tables import accounts, dead_letters, events, metadata, positions
from journeys.worker import Worker
from signals.event import encode
from signals.feeds.port import Record
from signals.instant import Instant

pytestmark = [pytest.mark.postgres]
HEADERS = (("content-type", b"application/cloudevents+json"),)
GOES = [make(f"g{number}", "go", "ash", None, n=str(number)) for number in range(3)]


def records(partition: str) -> list[Record]:
    """The three events as records of this partition."""
    return [Record(partition, place, encode(one), HEADERS, None, START) for place, one in enumerate(GOES)]


class ListFeed:
    """Records of one partition, from where the reader believes to be."""

    def __init__(self, held: Sequence[Record], database: Database) -> None:
        self._held, self._next = held, 0
        self.positions = StoredPositions(database)

    def poll(self, limit: int, timeout: float) -> Sequence[Record]:
        found = [record for record in self._held if record.offset >= self._next]
        self._next = len(self._held)
        return found

    def rewind(self, partition: str, offset: int) -> None:
        self._next = offset

    def oldest_unread(self) -> Instant | None:
        return None

    def close(self) -> None:
        self._next = 0


class Owners:
    """An owner that stops before its commit, and another that comes in the meantime."""

    def __init__(self, url: str) -> None:
        self.first, self.second = Paused(url), Database(url)
        with self.second.write() as connection:
            metadata.create_all(connection)

    def take_both(self, one: str, other: str) -> None:
        """Both take the events, from these partitions, and go on until there is nothing left."""
        has_to_wait(self.first, lambda: self._take(one, self.first), lambda: self._take(other, self.second))

    def _take(self, partition: str, base: Database) -> None:
        feed = ListFeed(records(partition), base)
        worker = Worker(feed, Service(base, lambda: BOOK, COMPOSER), lambda: START)
        while worker.once():
            pass
        worker.once()  # one that was rolled back reads again

    def left(self) -> tuple[int, dict[str, int], int]:
        """Events folded, positions, dead letters."""
        with self.second.read() as connection:
            count = connection.execute(sa.select(sa.func.count()).where(events.c.type == "go")).scalar_one()
            where = dict(connection.execute(sa.select(positions.c.partition, positions.c.next_offset)).all())
            dead = connection.execute(sa.select(sa.func.count()).select_from(dead_letters)).scalar_one()
        return count, where, dead

    def close(self) -> None:
        self.first.close()
        self.second.close()


@pytest.fixture
def owners(postgres_url: str) -> Iterator[Owners]:
    made = Owners(postgres_url)
    yield made
    made.close()


def test_a_stale_owner_commits_nothing_after_the_newer_ones_first_commit(owners: Owners) -> None:
    owners.take_both("outside/0", "outside/0")
    assert owners.left() == (3, {"outside/0": 3}, 0)
    assert version(owners) == 1


def test_the_same_events_in_two_partitions_at_once_are_folded_once_and_none_is_dead(owners: Owners) -> None:
    owners.take_both("outside/0", "outside/1")
    assert owners.left() == (3, {"outside/0": 3, "outside/1": 3}, 0)
    assert version(owners) == 1


def version(owners: Owners) -> int:
    """How often the account was saved: a second fold would have saved it again."""
    with owners.second.read() as connection:
        return int(connection.execute(sa.select(accounts.c.version)).scalar_one())
