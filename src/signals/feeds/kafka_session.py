"""One life of a Kafka consumer: joined once, thrown away whole at the first error (guarantees, kafka-python 3.x).

kafka-python calls the rebalance listener on its I/O thread, where nothing may block. So the listener only notes
what was given and holds it back; the main thread asks the database where to read and lets it flow (`place`).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError, LogTruncationError, OffsetOutOfRangeError
from kafka.structs import OffsetAndMetadata

from signals.feeds.kafka_client import connected
from signals.feeds.port import FeedBroken

SETTINGS: Mapping[str, Any] = {
    "client_id": "journeys",
    "enable_auto_commit": False,  # the database holds the offsets; Kafka's are for lag tools
    "auto_offset_reset": "none",  # the default jumps to the end when records are gone (I9)
    "isolation_level": "read_committed",  # the default shows records of aborted transactions (B45)
    "partition_assignment_strategy": [RangePartitionAssignor],
    "session_timeout_ms": 10_000,
    "heartbeat_interval_ms": 3_000,
    "max_poll_interval_ms": 60_000,  # a wedged worker loses its partitions after this
    "metadata_max_age_ms": 30_000,  # a new partition or topic is found within it
    "request_timeout_ms": 15_000,
    "bootstrap_timeout_ms": 5_000,  # the constructor blocks this long when no broker answers
    "reconnect_backoff_max_ms": 1_000,
    "allow_auto_create_topics": False,  # a misspelt topic must not come into being by being read
    "metrics_enabled": False,
}
"""How every consumer of ours is set up. Deserializers stay unset: one that raises wedges the client (0.2)."""

_ASK_MS = 5_000
"""How long a question about offsets may take."""


class Session(ConsumerRebalanceListener):  # type: ignore[misc] # kafka-python ships no types
    """A consumer that is a member of the group, and what the group has given it. Not thread-safe.

    `assigned` is None while the group has not said what is ours; `waiting` are the partitions given but not
    yet placed. Any exception but FeedBroken means: `close` it and open another.
    """

    def __init__(self, topics: Sequence[str], settings: Mapping[str, Any]) -> None:
        self.assigned: frozenset[str] | None = None
        self.waiting: tuple[str, ...] = ()
        self._consumer = connected(KafkaConsumer, settings)
        self._consumer.subscribe(list(topics), listener=self)

    def on_partitions_revoked(self, _revoked: Iterable[TopicPartition]) -> None:
        """On the I/O thread: the group is sharing out everything anew (the Range assignor gives all back first)."""
        self.assigned, self.waiting = None, ()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """On the I/O thread: hold all that is given, also what we had before, until it is placed.

        Any position keeps the client from looking up the group's own, which may be stale or missing;
        none is read from while paused.
        """
        given = list(assigned)
        for each in given:
            self._consumer.seek(each, 0)
        self._consumer.pause(*given)
        self.waiting = tuple(sorted(map(partition_name, given)))
        self.assigned = frozenset(self.waiting)

    @property
    def flowing(self) -> frozenset[str]:
        """What is ours and placed: only its records may be handed out."""
        return (self.assigned or frozenset()).difference(self.waiting)

    def place(self, waiting: tuple[str, ...], stored: Mapping[str, int]) -> None:
        """Read the partitions from where the database says, from the earliest record where it says nothing.

        Raises FeedBroken where the stored offset lies outside the log: records are gone (I9).
        """
        partitions = [topic_partition(each) for each in waiting]
        first = self._consumer.beginning_offsets(partitions, timeout_ms=_ASK_MS)
        end = self._consumer.end_offsets(partitions, timeout_ms=_ASK_MS)
        for name, each in zip(waiting, partitions, strict=True):
            wanted = stored.get(name, first[each])
            if not first[each] <= wanted <= end[each]:
                raise _gap(name, wanted, first[each], end[each])
            self._consumer.seek(each, wanted)
        self._consumer.resume(*partitions)
        if self.waiting is waiting:
            self.waiting = ()

    def fetch(self, limit: int, timeout: float) -> dict[str, list[Any]]:
        """Up to `limit` of kafka-python's records in all, by partition, each list in offset order."""
        try:
            found = self._consumer.poll(timeout_ms=round(timeout * 1000), max_records=limit)
        except OffsetOutOfRangeError as error:
            partition, wanted = next(iter(error.args[0].items()))
            raise self._broken(partition, wanted) from error
        except LogTruncationError as error:
            partition = next(iter(error.divergent_offsets))
            raise self._broken(partition, self._consumer.position(partition, timeout_ms=_ASK_MS)) from error
        return {partition_name(partition): records for partition, records in found.items()}

    def _broken(self, partition: TopicPartition, wanted: int) -> FeedBroken:
        first = self._consumer.beginning_offsets([partition], timeout_ms=_ASK_MS)[partition]
        end = self._consumer.end_offsets([partition], timeout_ms=_ASK_MS)[partition]
        return _gap(partition_name(partition), wanted, first, end)

    def progress(self) -> dict[str, tuple[int, int]]:
        """For each partition that flows, (the next offset to fetch, the end of what may be read), asked now."""
        names = sorted(self.flowing)
        partitions = [topic_partition(each) for each in names]
        ends = self._consumer.end_offsets(partitions, timeout_ms=_ASK_MS) if partitions else {}
        return {
            name: (self._consumer.position(each, timeout_ms=_ASK_MS) or 0, ends[each])
            for name, each in zip(names, partitions, strict=True)
        }

    def seek(self, partition: str, offset: int) -> None:
        """Read the partition again from `offset`; nothing to do for one that is not placed: it will be."""
        if partition in self.flowing:
            self._consumer.seek(topic_partition(partition), offset)

    def note(self, offsets: Mapping[str, int], wait: bool = False) -> None:
        """Tell the group how far we are, for those who watch its lag. Fails silently: nobody relies on it."""
        known = {
            topic_partition(name): OffsetAndMetadata(at, "", -1)
            for name, at in offsets.items()
            if name in self.flowing
        }
        if not known:
            return
        if not wait:
            self._consumer.commit_async(known)
            return
        with suppress(KafkaError):
            self._consumer.commit(known, timeout_ms=1_000)

    def close(self) -> None:
        """Leave the group, without waiting long for a broker that does not answer."""
        with suppress(KafkaError, OSError):
            self._consumer.close(autocommit=False, timeout_ms=3_000)


def partition_name(partition: TopicPartition) -> str:
    """`("orders", 3)` → `orders/3`. A topic's name cannot hold a slash."""
    return f"{partition.topic}/{partition.partition}"


def topic_partition(name: str) -> TopicPartition:
    """The inverse of `partition_name`."""
    topic, _, number = name.rpartition("/")
    return TopicPartition(topic, int(number))


def _gap(name: str, wanted: int, first: int, end: int) -> FeedBroken:
    """Why the partition cannot be read on: its log begins later, or ends before, the offset we stand at."""
    if wanted < first:
        detail = f"the records {wanted} to {first - 1} of {name} are gone: retention removed them unread"
        return FeedBroken(
            f"{detail}. Accept the loss by resetting the partition to {first}.", (name, wanted, first)
        )
    detail = f"{name} is read up to {wanted}, but its log ends at {end}: it was cut back or made anew"
    return FeedBroken(f"{detail}. Reset the partition to where reading should go on.", (name, wanted, end))
