"""Writing to Kafka: what HTTP ingest takes in (`journeys.events`), and the dead letters (`journeys.dead`)."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

import msgspec
from kafka import KafkaProducer
from kafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from signals.feeds.kafka_client import connected

_REFUSALS = (
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

_log = logging.getLogger(__name__)


class OutletUnavailable(Exception):
    """The broker did not say that it has the record; it may or may not have it. Try again later with the same
    ids: readers drop the second one (I2). The API answers 503."""


class OutletRefused(Exception):
    """The broker will never take this record: too large, or a topic we may not write to. Trying again is vain."""


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """One record to write. Records of one key keep their order."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class KafkaOutlet:
    """A durable writer, safe to share between threads: it returns when all in-sync replicas have the records.

    `timeout` (seconds) bounds one call. It connects at the first one, so that a service can start without
    its broker. `settings` are further kafka-python ones.
    """

    def __init__(
        self,
        bootstrap: str | Sequence[str],
        *,
        timeout: float = 5.0,
        settings: Mapping[str, Any] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = {
            **_settings(round(timeout * 1000)),
            "bootstrap_servers": bootstrap,
            **(settings or {}),
        }
        self._timeout, self._monotonic = timeout, monotonic
        self._lock = threading.Lock()
        self._producer: Any = None
        self._not_before = monotonic()

    def publish(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Write one record. Raises OutletUnavailable or OutletRefused."""
        self.publish_all(topic, [Outgoing(value, key, tuple(headers))])

    def publish_all(self, topic: str, records: Sequence[Outgoing]) -> None:
        """Write the records together. Raises OutletUnavailable or OutletRefused; some may be written then."""
        until = self._monotonic() + self._timeout
        try:
            producer = self._connected()
            sent = [
                producer.send(topic, value=each.value, key=each.key, headers=list(each.headers))
                for each in records
            ]
            for each in sent:
                each.get(timeout=max(until - self._monotonic(), 0.001))
        except KafkaError as error:
            self._fail(topic, error)

    def close(self) -> None:
        """Let go of the broker, without waiting long for one that does not answer."""
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError):
                producer.close(timeout=3)

    def _connected(self) -> Any:
        """The producer. While no broker answers, one thread a second tries and the others fail at once."""
        with self._lock:
            if self._producer is None:
                if self._monotonic() < self._not_before:
                    raise OutletUnavailable("no Kafka broker has answered a moment ago")
                self._producer = self._connect()
            return self._producer

    def _connect(self) -> Any:
        try:
            return connected(KafkaProducer, self._settings)
        except KafkaError:
            self._not_before = self._monotonic() + 1.0
            raise

    def _fail(self, topic: str, error: KafkaError) -> NoReturn:
        if not error.retriable:  # such an error may have ended the producer: the next call makes another
            _log.warning("starting a new Kafka producer: %s", error)
            self.close()
        if isinstance(error, _REFUSALS):
            raise OutletRefused(f"Kafka refuses this record for {topic}: {error}") from error
        raise OutletUnavailable(f"Kafka did not confirm the record for {topic}: {error}") from error


def _settings(timeout_ms: int) -> dict[str, Any]:
    return {
        "client_id": "journeys",
        "acks": "all",
        "enable_idempotence": True,
        "max_block_ms": timeout_ms,
        "request_timeout_ms": timeout_ms,
        "delivery_timeout_ms": timeout_ms,
        "bootstrap_timeout_ms": timeout_ms,
        "reconnect_backoff_max_ms": 1_000,
        "max_request_size": 16
        * 1024
        * 1024,  # the topic's own limit decides, not the client's default of 1 MB
        "metrics_enabled": False,
    }
