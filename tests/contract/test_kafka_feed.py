"""The Kafka feed and outlet, on the stand-in and on a real broker."""

import threading
import time
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaTimeoutError

from contract.kafka_cases import Desk, KafkaFeedCases, break_client, client, numbered, poll_on, trying, values
from journeys.services import free_port
from servers import Kafka
from signals.feeds.kafka_client import connected
from signals.feeds.kafka_feed import KafkaFeed
from signals.feeds.kafka_outlet import KafkaOutlet, OutletRefused, OutletUnavailable
from signals.feeds.kafka_session import topic_partition
from signals.feeds.port import FeedBroken

pytestmark = pytest.mark.kafka


@pytest.mark.slow  # the stand-in lets three seconds pass at every join
class TestStandIn(KafkaFeedCases):
    """It seldom settles a group of two, or one that somebody has left, and it removes nothing: such cases need
    the real one."""

    @pytest.fixture
    def kafka(self, kafka_stand_in: Kafka) -> Kafka:
        return kafka_stand_in


@pytest.mark.slow
class TestRealBroker(KafkaFeedCases):
    @pytest.fixture
    def kafka(self, kafka_real: Kafka) -> Kafka:
        return kafka_real

    def test_what_the_group_has_committed_is_of_no_account(self, desk: Desk) -> None:
        desk.write(*numbered(10))
        feed = desk.feed()
        records = desk.read(feed, 10)
        feed.note_progress(records[0].partition, 10)
        feed.close()
        desk.ledger[records[0].partition] = 3
        assert values(desk.read(desk.feed(), 7)) == numbered(10)[3:]

    def test_a_client_that_fails_is_replaced_and_nothing_is_lost(self, desk: Desk) -> None:
        desk.write(*numbered(10))
        feed = desk.feed()
        desk.read(feed, 4, limit=4)
        break_client(feed)
        assert values(desk.read(feed, 6)) == numbered(10)[4:]

    def test_a_client_that_brings_nothing_though_there_is_something_is_replaced(self, desk: Desk) -> None:
        desk.write(*numbered(3))
        lost = [0.0]  # seconds that pass while the client does nothing
        feed = desk.feed(monotonic=lambda: time.monotonic() + lost[0])
        first = desk.read(feed, 3)[0]
        del desk.ledger[first.partition]  # as if the transaction had been rolled back
        feed.rewind(first.partition, first.offset)

        def poll(**_: Any) -> dict[Any, Any]:
            lost[0] += 20
            return {}

        client(feed).poll = poll
        assert values(desk.read(feed, 3)) == numbered(3)

    def test_a_second_worker_shares_the_partitions_and_takes_over_all_when_the_first_goes(
        self, desk: Desk
    ) -> None:
        for key in (b"acme", b"globex", b"initech", b"umbrella", b"hooli"):
            desk.write(*numbered(5), key=key)
        first, second = desk.feed(), desk.feed()
        seen = desk.read(first, 10, limit=5)
        for _ in trying():
            if len(first.partitions) == len(second.partitions) == 2:
                break
            for feed in (first, second):
                if batch := feed.poll(5, 0.2):
                    desk.ledger.commit(batch)
                    seen += batch
        assert not first.partitions & second.partitions
        first.close()
        for key in (b"acme", b"globex", b"initech", b"umbrella", b"hooli"):
            desk.write(b"later", key=key)
        seen += desk.read(second, 30 - len(seen))
        assert len({(each.partition, each.offset) for each in seen}) == len(seen) == 30

    def test_records_of_an_aborted_transaction_are_never_seen(self, desk: Desk) -> None:
        with KafkaProducer(bootstrap_servers=desk.kafka.bootstrap, transactional_id=desk.group) as producer:
            producer.init_transactions()
            for value, commit in ((b"kept", True), (b"aborted", False), (b"also kept", True)):
                producer.begin_transaction()
                producer.send(desk.topic, value, key=b"acme")
                producer.flush()
                producer.commit_transaction() if commit else producer.abort_transaction()
        feed = desk.feed()
        assert values(desk.read(feed, 2)) == [b"kept", b"also kept"]
        for _ in trying():
            if feed.oldest_unread() is None:  # the markers after them are not unread records
                break
            assert feed.poll(10, 0.5) == []

    def test_records_removed_unread_stop_the_feed_and_name_the_gap(self, desk: Desk) -> None:
        desk.write(*numbered(5))
        partition = desk.read(desk.feed(), 2, limit=2)[0].partition
        desk.opened[-1].close()
        remove_before(desk, partition, 4)
        feed = desk.feed()
        with pytest.raises(FeedBroken, match=r"records 2 to 3 of .* are gone") as broken:
            poll_on(feed)
        assert broken.value.gap == (partition, 2, 4)

    def test_records_removed_under_a_reader_stop_the_feed_too(self, desk: Desk) -> None:
        desk.write(*numbered(5))
        feed = desk.feed()
        partition = desk.read(feed, 5)[0].partition
        feed.rewind(partition, 1)
        remove_before(desk, partition, 4)
        desk.ledger[partition] = 1
        feed.rewind(partition, 1)
        with pytest.raises(FeedBroken) as broken:
            poll_on(feed)
        assert broken.value.gap == (partition, 1, 4)

    def test_a_partition_added_later_is_read_from_its_first_record(self, desk: Desk) -> None:
        desk.write(*numbered(3))
        feed = desk.feed(metadata_max_age_ms=1_000)
        desk.read(feed, 3)
        with KafkaAdminClient(bootstrap_servers=desk.kafka.bootstrap) as admin:
            admin.create_partitions({desk.topic: 12})
        for number in range(40):  # enough keys to reach the new ones
            desk.outlet().publish(desk.topic, b"key-%d" % number, b"v")
        desk.read(feed, 40)
        assert len(feed.partitions) == 12

    def test_a_record_no_broker_will_take_is_refused_for_good(self, desk: Desk) -> None:
        outlet = desk.outlet()
        for size in (2_000_000, 20_000_000):  # over the topic's limit, over the client's own
            with pytest.raises(OutletRefused, match="TooLarge"):
                outlet.publish(desk.topic, b"k", b"x" * size)
        outlet.publish(desk.topic, b"k", b"small enough")
        assert values(desk.read(desk.feed(), 1)) == [b"small enough"]


def remove_before(desk: Desk, partition: str, offset: int) -> None:
    """As retention does."""
    with KafkaAdminClient(bootstrap_servers=desk.kafka.bootstrap) as admin:
        admin.delete_records({topic_partition(partition): offset})


def test_a_feed_without_broker_says_so_and_holds_the_clock() -> None:
    feed = KafkaFeed(
        f"127.0.0.1:{free_port()}",
        ["orders"],
        "g",
        {},  # type: ignore[arg-type] # never asked
        lambda: 0,
        settings={"bootstrap_timeout_ms": 300},
    )
    assert feed.poll(10, 0) == []
    assert feed.trouble is not None
    assert "KafkaTimeoutError" in feed.trouble
    assert feed.oldest_unread() == 0
    feed.close()


def test_attempts_to_reach_a_broker_leave_no_thread_behind() -> None:
    before = set(threading.enumerate())
    for kind in (KafkaConsumer, KafkaProducer):
        with pytest.raises(KafkaTimeoutError):
            connected(kind, {"bootstrap_servers": f"127.0.0.1:{free_port()}", "bootstrap_timeout_ms": 200})
    left = set(threading.enumerate()) - before
    for each in left:
        each.join(5)
    assert not any(each.is_alive() for each in left)


def test_an_outlet_without_broker_answers_soon_and_then_at_once() -> None:
    outlet = KafkaOutlet(f"127.0.0.1:{free_port()}", timeout=0.5)
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(OutletUnavailable):
            outlet.publish("orders", b"k", b"v")
        assert time.monotonic() - began < 3
    outlet.close()
