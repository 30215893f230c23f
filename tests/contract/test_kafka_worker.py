"""From a topic to a dead letter: the worker on Kafka, with the offsets in the database."""

import time
from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Any

import pytest
import sqlalchemy as sa
from kafka import KafkaAdminClient

from builders import START
from contract.kafka_cases import Desk, trying
from journeys.ingest import KafkaIngest
from journeys.services import free_port
from journeys.store.database import Database
from journeys.store.log import StoredPositions
from journeys.store.tables import dead_letters, events, journeys, positions
from journeys.worker import Worker
from servers import Kafka
from signals.event import Event
from signals.feeds.kafka_dead import DeadTopic
from signals.feeds.kafka_feed import KafkaFeed
from signals.feeds.kafka_outlet import KafkaOutlet, Outgoing
from signals.feeds.port import Record
from signals.instant import HOUR
from signals.problem import Problem
from stores import opened, rows
from yard import STRUCTURED, cloud, happening, service, story

pytestmark = pytest.mark.kafka

NOW = START + 2 * HOUR


class Works:
    """A worker on a topic and a database, as `journeys worker` puts it together."""

    def __init__(self, desk: Desk, database: Database) -> None:
        self.desk, self.database = desk, database
        self.dead = f"dead-{token_hex(4)}"
        self.ingest = KafkaIngest(desk.outlet(), desk.topic)

    def worker(self) -> tuple[Worker, KafkaFeed]:
        """A new worker; the database's offsets are all it knows."""
        feed = self.desk.feed(positions=StoredPositions(self.database), clock=lambda: NOW)
        dead = DeadTopic(self.desk.outlet(), self.dead)
        made = Worker(
            feed, service(self.database), lambda: NOW, batch=5, buried=dead.publish, noted=feed.note_progress
        )
        return made, feed

    def work_until(self, done: Callable[[], bool]) -> None:
        """A worker of its own works until this is so, and goes."""
        made, feed = self.worker()
        for _ in trying():
            made.once(0.5)
            if done():
                break
        else:
            pytest.fail(f"it did not come to this: {feed.trouble}")
        feed.close()

    def count(self, table: sa.Table) -> int:
        return len(rows(self.database, table))


class KafkaWorkerCases:
    """Each subclass says what `kafka` is; both databases are used in turn."""

    @pytest.fixture(params=["file", pytest.param("postgres", marks=pytest.mark.postgres)])
    def works(self, request: pytest.FixtureRequest, kafka: Kafka) -> Iterator[Works]:
        desk, database = Desk(kafka), opened(request.param, request)
        yield Works(desk, database)
        desk.close()
        database.close()

    def test_what_http_takes_in_lands_on_the_topic_and_is_folded(self, works: Works) -> None:
        told = [*story("acme"), *story("globex")]
        assert works.ingest.accept([*told, told[0]]) == ["new"] * 14 + ["duplicate"]
        works.work_until(lambda: works.count(journeys) == 2 and works.count(events) >= 14)
        assert works.count(dead_letters) == 0

    def test_a_restart_goes_on_where_the_database_says_and_folds_nothing_twice(self, works: Works) -> None:
        first, later = logins(12), logins(20)[12:]
        works.ingest.accept(first)
        works.work_until(lambda: works.count(events) >= 5)
        works.ingest.accept(first[:6])  # a client that had no answer tries again
        works.ingest.accept(later)
        works.work_until(lambda: stored(works) == 26)
        assert works.count(events) == 20
        assert works.count(dead_letters) == 0

    def test_a_dead_letter_is_kept_with_its_bytes_and_told_with_where_it_lay(self, works: Works) -> None:
        good = Outgoing(cloud("one", "product.login", account="acme"), b"acme", STRUCTURED)
        bad = Outgoing(b"\x00\xff not json", b"acme", (*STRUCTURED, ("trace", b"17")))
        works.desk.outlet().publish_all(works.desk.topic, [good, bad, good])
        works.work_until(lambda: stored(works) == 3)
        (letter,) = rows(works.database, dead_letters)
        assert (letter[2], letter[5], letter[6], letter[7]) == ("malformed", 1, bad.value, b"acme")
        told = self.dead_of(works)
        assert (told.value, told.key) == (bad.value, b"acme")
        headers = dict(told.headers)
        topic, _, partition = str(letter[4]).rpartition("/")
        assert topic == works.desk.topic
        assert headers["error"].startswith(b"malformed: ")
        assert headers["source-topic"] == works.desk.topic.encode()
        assert headers["source-partition"] == partition.encode()
        assert headers["source-offset"] == b"1"
        assert headers["trace"] == b"17"

    def dead_of(self, works: Works) -> Any:
        """The one record on the topic of dead letters."""
        desk = Desk(works.desk.kafka, topic=works.dead)
        try:
            (record,) = desk.read(desk.feed(), 1)
        finally:
            desk.close()
        return record


def logins(count: int) -> list[Event]:
    return [happening(number, "product.login", "acme", START + number) for number in range(count)]


def stored(works: Works) -> int:
    """How many records the database says are done."""
    return sum(row[1] for row in rows(works.database, positions))  # type: ignore[misc]


@pytest.mark.slow  # the stand-in lets three seconds pass at every join
class TestStandIn(KafkaWorkerCases):
    @pytest.fixture
    def kafka(self, kafka_stand_in: Kafka) -> Kafka:
        return kafka_stand_in


@pytest.mark.slow
class TestRealBroker(KafkaWorkerCases):
    @pytest.fixture
    def kafka(self, kafka_real: Kafka) -> Kafka:
        return kafka_real

    def test_lag_tools_are_told_how_far_we_are(self, works: Works) -> None:
        works.ingest.accept(logins(7))
        works.work_until(lambda: stored(works) == 7)
        with KafkaAdminClient(bootstrap_servers=works.desk.kafka.bootstrap) as admin:
            told = admin.list_group_offsets({works.desk.group: None})
        assert "offset" in str(told)
        assert "7" in str(told)


def test_a_dead_topic_that_cannot_be_reached_holds_nothing_up() -> None:
    outlet = KafkaOutlet(f"127.0.0.1:{free_port()}", timeout=0.3)
    began = time.monotonic()
    DeadTopic(outlet).publish([(Record("orders/0", 1, b"x"), Problem(400, "malformed", "no"))])
    assert time.monotonic() - began < 5
    outlet.close()
