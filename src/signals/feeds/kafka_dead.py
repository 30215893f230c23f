"""Dead letters of Kafka records, told to Kafka as well: `journeys.dead` (interfaces.md §4)."""

import logging
from collections.abc import Sequence

from signals.feeds.kafka_outlet import KafkaOutlet, Outgoing, OutletRefused, OutletUnavailable
from signals.feeds.port import Record
from signals.problem import Problem

TOPIC = "journeys.dead"

_log = logging.getLogger(__name__)


class DeadTopic:
    """Publishes copies of dead letters that are committed. The database has the truth, a copy is a courtesy: where
    the broker does not take one, that is logged and nothing waits for it.
    """

    def __init__(self, outlet: KafkaOutlet, topic: str = TOPIC) -> None:
        self._outlet, self._topic = outlet, topic

    def publish(self, letters: Sequence[tuple[Record, Problem]]) -> None:
        """The records as they came, each with its reason and where it lay in its headers."""
        copies = [_copy(record, problem) for record, problem in letters]
        try:
            self._outlet.publish_all(self._topic, copies)
        except (OutletUnavailable, OutletRefused) as error:
            _log.warning("%s dead letters are kept, but not in %s: %s", len(copies), self._topic, error)


def _copy(record: Record, problem: Problem) -> Outgoing:
    topic, _, partition = record.partition.rpartition("/")
    whence = (
        ("error", f"{problem.reason}: {problem.detail}".encode()),
        ("source-topic", topic.encode()),
        ("source-partition", partition.encode()),
        ("source-offset", str(record.offset).encode()),
    )
    return Outgoing(record.value, record.key, (*record.headers, *whence))
