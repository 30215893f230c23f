"""Making a kafka-python client that leaves nothing behind when no broker answers."""

from collections.abc import Mapping
from typing import Any

import crc32c  # noqa: F401 - kafka-python takes it when it is there, and is 7 times slower without (performance.md)
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient


def connected(kind: Any, settings: Mapping[str, Any]) -> Any:
    """A KafkaConsumer or KafkaProducer (`kind`) with these settings.

    Raises KafkaError, a KafkaTimeoutError when no broker answers in time. kafka-python 3.0.12 then leaves its
    I/O thread and four file descriptors behind, one set for every attempt of an outage; here they are closed.
    """
    made: list[Any] = []

    def client(**configs: Any) -> Any:
        made.append(KafkaNetClient(**configs))
        return made[-1]

    try:
        return kind(**settings, kafka_client=client)
    except KafkaError:
        for each in made:
            each.close()
        raise
