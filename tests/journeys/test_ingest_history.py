"""An import of the past stays marked on its way through either log, and beside events of now."""

from collections.abc import Sequence
from typing import Any

import pytest

from builders import event
from journeys.ingest import GroupCommit, KafkaIngest, answer
from journeys.store.database import Database
from journeys.store.log import HISTORY, EmbeddedLog, LogFeed
from journeys.store.schema import upgrade
from signals.problem import Problem


class Published:
    """Keeps what would be published."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def publish_all(self, topic: str, records: Sequence[Any]) -> None:
        self.records += records


def test_the_embedded_log_marks_what_is_history_and_nothing_else() -> None:
    database = Database("sqlite:///:memory:")
    upgrade(database)
    outlet = GroupCommit(EmbeddedLog(database))
    outlet.accept([event("support.ticket_opened")])
    outlet.accept([event("support.ticket_opened")], history=True)
    records = LogFeed(database).poll(10, 0)
    database.close()
    assert [HISTORY in record.headers for record in records] == [False, True]


@pytest.mark.parametrize("history", [False, True])
def test_kafka_carries_the_mark_as_a_header(history: bool) -> None:
    pytest.importorskip("kafka")
    published = Published()
    bad = Problem(422, "invalid", "no")
    told = answer([event("support.ticket_opened"), bad], KafkaIngest(published), history)
    assert (told["accepted"], [refused["index"] for refused in told["rejected"]]) == (1, [1])
    assert [HISTORY in record.headers for record in published.records] == [history]
