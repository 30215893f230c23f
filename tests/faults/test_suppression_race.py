"""F15 on PostgreSQL: a word answered before a message's hand-over is committed is seen by its judgement (I17)."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from builders import START
from channels.outbox import Outbox
from faults.pausing import Paused, has_to_wait
from faults.stream import make
from faults.world import BOOK, COMPOSER
from journeys.dispatcher import Dispatcher
from journeys.service import Service
from journeys.store.tables import messages, metadata

pytestmark = [pytest.mark.postgres]


class Two:
    """A dispatcher and an API on one database."""

    def __init__(self, url: str) -> None:
        self.sending, self.api = Paused(url), Paused(url)
        with self.api.write() as connection:
            metadata.create_all(connection)
        self.outbox = Outbox()
        self.dispatcher = Dispatcher(self.sending, lambda: BOOK, COMPOSER, self.outbox)
        self.service = Service(self.api, lambda: BOOK, COMPOSER)
        for account, contact in (("ash", "ash.admin"), ("elm", "elm.friend")):
            known = {"attributes": {"email": "ann@example.com"}, "roles": ["admin"]}
            self.write(make(f"{contact}/p", "crm.contact_updated", account, contact, **known))
        self.write(make("g1", "go", "ash", None, n="1"))

    def write(self, event: Any) -> None:
        self.service.write([event], START)

    def statuses(self) -> list[str]:
        with self.api.read() as connection:
            rows = connection.execute(sa.select(messages.c.status, messages.c.reason)).all()
        return [f"{row.status}:{row.reason}" for row in rows]

    def close(self) -> None:
        self.sending.close()
        self.api.close()


@pytest.fixture
def two(postgres_url: str) -> Iterator[Two]:
    made = Two(postgres_url)
    yield made
    made.close()


WORD = make("s1", "engagement.complained", "elm", "elm.friend")
"""A complaint from the same address, heard at another account."""


def test_a_word_that_comes_while_a_message_is_judged_is_answered_after_its_hand_over(two: Two) -> None:
    assert has_to_wait(two.sending, lambda: two.dispatcher.round(START), lambda: two.write(WORD))
    assert len(two.outbox) == 1


def test_a_message_that_is_judged_while_a_word_is_written_waits_for_it_and_is_not_sent(two: Two) -> None:
    assert has_to_wait(two.api, lambda: two.write(WORD), lambda: two.dispatcher.round(START))
    assert two.statuses() == ["suppressed:complaint"]
    assert len(two.outbox) == 0
