"""What a Kafka feed and outlet do on any broker: run on the stand-in and on the real one."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, NoReturn

import pytest

from servers import Kafka
from signals.feeds.kafka_feed import MAX_FAILURES, KafkaFeed
from signals.feeds.kafka_outlet import KafkaOutlet, Outgoing
from signals.feeds.port import FeedBroken, Record
from signals.instant import SECOND, Instant, parse_instant

NOW = parse_instant("2100-01-01T00:00:00Z")  # after any broker's timestamp
PATIENCE = 40.0


class Ledger(dict[str, int]):
    """The worker's table of next offsets."""

    def next_offsets(self, partitions: Sequence[str]) -> Mapping[str, int]:
        return {each: self[each] for each in partitions if each in self}

    def commit(self, records: Sequence[Record]) -> None:
        """As the worker does once the effects of the records are in the database."""
        self[records[0].partition] = records[-1].offset + 1


@dataclass
class Desk:
    """One test's topic and group on a broker, and what it opened there."""

    kafka: Kafka
    topic: str = field(default_factory=lambda: f"t-{token_hex(5)}")
    group: str = field(default_factory=lambda: f"g-{token_hex(5)}")
    ledger: Ledger = field(default_factory=Ledger)
    opened: list[KafkaFeed | KafkaOutlet] = field(default_factory=list)

    def outlet(self, **settings: Any) -> KafkaOutlet:
        made = KafkaOutlet(self.kafka.bootstrap, timeout=15, settings={**self.kafka.producer, **settings})
        self.opened.append(made)
        return made

    def feed(
        self,
        positions: Any = None,
        clock: Callable[[], Instant] = lambda: NOW,
        monotonic: Callable[[], float] = time.monotonic,
        **settings: Any,
    ) -> KafkaFeed:
        settings = {**self.kafka.consumer, **settings}
        positions = self.ledger if positions is None else positions
        made = KafkaFeed(
            self.kafka.bootstrap,
            [self.topic],
            self._group(),
            positions,
            clock,
            settings=settings,
            monotonic=monotonic,
        )
        self.opened.append(made)
        return made

    def _group(self) -> str:
        """The same for all feeds of a test, where the broker can settle a group that was joined before."""
        return self.group if self.kafka.settles else f"g-{token_hex(5)}"

    def write(self, *values: bytes | None, key: bytes | None = b"acme") -> None:
        """Values of one key lie in one partition, in this order."""
        self.outlet().publish_all(self.topic, [Outgoing(each, key) for each in values])

    def read(self, feed: KafkaFeed, count: int, limit: int = 500) -> list[Record]:
        """Read and commit until `count` records are there. Fails when they do not come."""
        records: list[Record] = []
        for _ in trying():
            if len(records) >= count:
                return records
            batch = feed.poll(limit, 0.5)
            if batch:
                self.ledger.commit(batch)
                records.extend(batch)
        pytest.fail(f"only {len(records)} of {count} records came: {feed.trouble}")

    def close(self) -> None:
        for each in reversed(self.opened):
            each.close()


def trying() -> Iterator[int]:
    """Count attempts until patience ends."""
    end = time.monotonic() + PATIENCE
    return itertools.takewhile(lambda _: time.monotonic() < end, itertools.count())


def poll_on(feed: KafkaFeed, before: Callable[[KafkaFeed], None] = lambda _: None) -> None:
    """Poll until something is raised or patience ends."""
    for _ in trying():
        before(feed)
        feed.poll(10, 0.2)


def numbered(count: int) -> list[bytes]:
    return [b"%d" % each for each in range(count)]


def values(records: Sequence[Record]) -> list[bytes | None]:
    return [each.value for each in records]


class FailingOnce:
    """Positions that cannot be read the first time, as while a database restarts."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.failed = ledger, False

    def next_offsets(self, partitions: Sequence[str]) -> Mapping[str, int]:
        if not self.failed:
            self.failed = True
            raise ConnectionResetError("the database went away")
        return self.ledger.next_offsets(partitions)


class KafkaFeedCases:
    """Each subclass says what `kafka` is."""

    @pytest.fixture
    def desk(self, kafka: Kafka) -> Iterator[Desk]:
        desk = Desk(kafka)
        yield desk
        desk.close()

    def test_records_come_in_order_and_each_poll_brings_one_partition(self, desk: Desk) -> None:
        for key in (b"acme", b"globex", b"initech", b"umbrella", b"hooli"):
            desk.write(*numbered(20), key=key)
        feed, batches = desk.feed(), []
        while sum(map(len, batches)) < 100:
            batches.append(desk.read(feed, 1, limit=7))
        assert all(len(batch) <= 7 and len({each.partition for each in batch}) == 1 for batch in batches)
        by_key: dict[bytes | None, list[bytes | None]] = {}
        for each in itertools.chain(*batches):
            by_key.setdefault(each.key, []).append(each.value)
        assert by_key == dict.fromkeys((b"acme", b"globex", b"initech", b"umbrella", b"hooli"), numbered(20))

    def test_bytes_come_out_as_they_went_in_whatever_they_are(self, desk: Desk) -> None:
        outlet = desk.outlet()
        sent = [
            Outgoing(
                b'\xff\xfe\x00{"not": json', b"\x80key", (("error", b"\xff\x00"), ("source-offset", b"7"))
            ),
            Outgoing(None, b"\x80key", ()),  # a tombstone
            Outgoing(b"", b"\x80key", (("twice", b"1"), ("twice", b"2"), ("empty", b""))),
        ]
        outlet.publish_all(desk.topic, sent)
        came = desk.read(desk.feed(), 3)
        assert [Outgoing(each.value, each.key, each.headers) for each in came] == sent

    def test_a_record_without_key_is_taken(self, desk: Desk) -> None:
        desk.write(b"keyless", key=None)
        (record,) = desk.read(desk.feed(), 1)
        assert (record.key, record.value) == (None, b"keyless")

    def test_a_record_of_a_megabyte_passes_and_does_not_hold_up_the_next(self, desk: Desk) -> None:
        large = b"x" * 1_000_000
        desk.write(large, b"next")
        assert values(desk.read(desk.feed(), 2)) == [large, b"next"]

    def test_a_rewound_partition_is_read_again(self, desk: Desk) -> None:
        desk.write(*numbered(10))
        feed = desk.feed()
        first = desk.read(feed, 4, limit=4)
        feed.rewind(first[0].partition, first[2].offset)
        assert values(desk.read(feed, 8)) == numbered(10)[2:]

    def test_a_restart_goes_on_where_the_database_says(self, desk: Desk) -> None:
        desk.write(*numbered(10))
        feed = desk.feed()
        desk.read(feed, 4, limit=4)
        feed.close()
        assert values(desk.read(desk.feed(), 6)) == numbered(10)[4:]

    def test_an_offset_beyond_the_log_stops_the_feed_and_names_the_gap(self, desk: Desk) -> None:
        desk.write(*numbered(3))
        partition = desk.read(desk.feed(), 3)[0].partition
        desk.opened[-1].close()
        desk.ledger[partition] = 1000
        feed = desk.feed()
        with pytest.raises(FeedBroken, match=r"read up to 1000, but its log ends at 3") as broken:
            poll_on(feed)
        assert broken.value.gap == (partition, 1000, 3)

    def test_what_is_unread_holds_the_clock_until_it_is_read(self, desk: Desk) -> None:
        moment = [NOW]
        feed = desk.feed(clock=lambda: moment[0])
        assert feed.oldest_unread() == 0  # nothing is known yet
        desk.write(*numbered(4))
        batch = desk.read(feed, 2, limit=4)[:4]
        while feed.oldest_unread() is not None:
            feed.poll(4, 0.5)
        moment[0] += 10 * SECOND  # it has not asked the broker for ten seconds: who knows what came in
        assert feed.oldest_unread() == NOW
        assert batch[0].received_at < NOW

    def test_a_database_that_is_away_is_asked_again(self, desk: Desk) -> None:
        desk.write(*numbered(3))
        feed = desk.feed(positions=FailingOnce(desk.ledger))
        with pytest.raises(ConnectionResetError):
            desk.read(feed, 3)
        assert values(desk.read(feed, 3)) == numbered(3)

    def test_a_client_that_keeps_failing_stops_the_feed(self, desk: Desk) -> None:
        desk.write(b"poison")
        feed = desk.feed()
        with pytest.raises(FeedBroken, match=rf"failed {MAX_FAILURES} times, last: ValueError: bad checksum"):
            poll_on(feed, before=break_client)

    def test_a_dead_letter_carries_where_it_came_from(self, desk: Desk) -> None:
        headers = [("error", b"malformed"), ("source-topic", b"orders"), ("source-offset", b"17")]
        desk.outlet().publish(desk.topic, b"k", b"\x00\xff", headers)
        (record,) = desk.read(desk.feed(), 1)
        assert (record.value, list(record.headers)) == (b"\x00\xff", headers)


def client(feed: KafkaFeed) -> Any:
    """The feed's kafka-python consumer, to be tampered with as only a defect could."""
    assert feed._session is not None
    return feed._session._consumer


def break_client(feed: KafkaFeed) -> None:
    """Let the client's next poll raise as it does for a batch it cannot decode."""

    def poll(**_: Any) -> NoReturn:
        raise ValueError("bad checksum")

    if feed._session is not None:
        client(feed).poll = poll
