"""F7 (guarantees 0.5): a COMMIT whose answer is lost may have succeeded. The outcome is read back, never guessed."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from builders import START
from channels.outbox import Outbox
from faults.checkers import i4_every_state_is_the_fold_of_its_events, i5_positions_and_effects_agree
from faults.cutting import Cut, CuttingProxy
from faults.seen_after import Seen
from faults.stream import ACCOUNTS, Stream, at, make
from faults.world import BOOK, COMPOSER
from journeys.dispatcher import Dispatcher
from journeys.rounds import LEASE
from journeys.service import Service
from journeys.state import unpack
from journeys.store.database import Database
from journeys.store.log import EmbeddedLog, LogFeed
from journeys.store.tables import accounts, decisions, events, log, messages, metadata, positions
from journeys.worker import Worker
from signals.event import Event
from signals.instant import MINUTE

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


class CutDatabase(Database):
    """A database whose next writing transaction is cut at its COMMIT."""

    def __init__(self, proxy: CuttingProxy) -> None:
        super().__init__(proxy.url)
        self._proxy = proxy
        self.cut: Cut | None = None

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        with super().write() as connection:
            yield connection
            if self.cut is not None:
                self._proxy.cut_next(self.cut)
                self.cut = None


class Pair:
    """The same database twice: directly, and through a proxy that cuts."""

    def __init__(self, url: str, proxy: CuttingProxy) -> None:
        self.proxy = proxy
        self.direct, self.through = Database(url), CutDatabase(proxy)
        with self.direct.write() as connection:
            metadata.create_all(connection)
        self.log = EmbeddedLog(self.direct)
        service = Service(self.through, lambda: BOOK, COMPOSER)
        self.now = START
        self.worker = Worker(LogFeed(self.through), service, lambda: self.now, batch=3)
        self.outbox = Outbox()
        self.dispatcher = Dispatcher(self.through, lambda: BOOK, COMPOSER, self.outbox)
        people = [
            make(f"{account}/p", "crm.contact_updated", account, f"{account}.admin", **_admin(account))
            for account in ACCOUNTS
        ]
        self.log.append(people)
        self.drain()

    def drain(self) -> None:
        while self.worker.once():
            pass

    def rows(self, table: sa.Table) -> list[Any]:
        with self.direct.read() as connection:
            return list(connection.execute(sa.select(table)).all())


def _admin(account: str) -> dict[str, object]:
    return {"attributes": {"email": f"{account}@example.com"}, "roles": ["admin"]}


@pytest.fixture
def pair(postgres_url: str) -> Iterator[Pair]:
    with CuttingProxy(postgres_url) as proxy:
        made = Pair(postgres_url, proxy)
        yield made
        made.through.close()
        made.direct.close()


def go(number: int, account: str = "ash") -> Event:
    return make(f"g{number}", "go", account, None, n=f"n{number}")


def seen(pair: Pair) -> Seen:
    """What there is to check of states and positions."""
    where = {row.partition: row.next_offset for row in pair.rows(positions)}
    states = {row.id: unpack(row.state, row.known) for row in pair.rows(accounts)}
    folded = sorted(pair.rows(events), key=lambda row: (row.received_at, row.id))
    return Seen(Stream((), (), ()), [], 0, folded, pair.rows(log), [], where, states, [], [], [])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_batch_whose_commit_was_cut_is_folded_exactly_once(pair: Pair, when: Cut) -> None:
    pair.log.append([go(1), go(2)])
    pair.through.cut = when
    with pytest.raises(DBAPIError):
        pair.worker.once()
    folded = len([row for row in pair.rows(events) if row.type == "go"])
    assert folded == (2 if when == "after" else 0)
    pair.drain()
    assert pair.proxy.cuts == 1
    state = {row.id: unpack(row.state, row.known) for row in pair.rows(accounts)}["ash"]
    assert len(state.journeys) == 2
    assert not pair.rows(log)
    assert not list(i5_positions_and_effects_agree(seen(pair)))


@pytest.mark.parametrize("injections", [15, pytest.param(500, marks=pytest.mark.slow)])
def test_whatever_commit_is_cut_every_state_is_the_fold_of_its_events(pair: Pair, injections: int) -> None:
    random = Random(injections)
    number = 0
    while pair.proxy.cuts < injections:
        pair.now += MINUTE
        number += 1
        kind = random.choice(("go", "product.used", "support.ticket_opened"))
        account = random.choice(ACCOUNTS)
        happened = make(f"c{number:05}", kind, account, None, n=str(number))
        pair.log.append([at(happened, pair.now)])
        if random.random() < 0.8:
            pair.through.cut = random.choice(("before", "after"))
        with suppress(DBAPIError):
            pair.drain()
    pair.drain()
    found = seen(pair)
    assert not [*i4_every_state_is_the_fold_of_its_events(found), *i5_positions_and_effects_agree(found)]
    assert len(found.events) >= number


def test_a_hand_over_whose_commit_was_cut_is_in_doubt_and_not_sent(pair: Pair) -> None:
    pair.log.append([go(1)])
    pair.drain()
    pair.through.cut = "after"
    with pytest.raises(DBAPIError):
        pair.dispatcher.round(pair.now)
    assert pair.dispatcher.run(pair.now) == 0
    assert pair.dispatcher.rescue(pair.now + LEASE) == 1
    assert [row.status for row in pair.rows(messages)] == ["in_doubt"]
    assert len(pair.outbox) == 0


def test_a_hand_over_whose_commit_never_arrived_is_simply_tried_again(pair: Pair) -> None:
    pair.log.append([go(1)])
    pair.drain()
    pair.through.cut = "before"
    with pytest.raises(DBAPIError):
        pair.dispatcher.round(pair.now)
    pair.dispatcher.run(pair.now)
    assert [row.status for row in pair.rows(messages)] == ["sent"]
    assert len(pair.outbox) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_outcome_whose_commit_was_cut_sends_nothing_twice(pair: Pair, when: Cut) -> None:
    pair.log.append([go(1)])
    pair.drain()
    post = pair.outbox.post

    def posting(mail: object) -> object:
        pair.through.cut = when
        return post(mail)  # type: ignore[arg-type]

    pair.outbox.post = posting  # type: ignore[assignment,method-assign]
    with pytest.raises(DBAPIError):
        pair.dispatcher.round(pair.now)
    pair.dispatcher.run(pair.now)
    pair.dispatcher.rescue(pair.now + LEASE)
    expected = "sent" if when == "after" else "in_doubt"
    assert [row.status for row in pair.rows(messages)] == [expected]
    assert len(pair.outbox) == 1
    told = [row.outcome for row in pair.rows(decisions) if row.subject == "send"]
    assert told == [expected]
