"""The clock: what falls due happens, in its order, never past what is still unread, and nothing stops it for good."""

import logging
import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy.exc import OperationalError

from builders import START, after_start, attributes, event, play, playbook
from faults.world import COMPOSER
from journeys.clock import Clock, Pulse, run_clock, run_dispatcher
from journeys.playbook import Playbook
from journeys.service import Service
from journeys.store.database import Database
from journeys.store.tables import journeys, metadata, tasks
from signals.instant import SECOND, Instant

SOON = 20.0
"""Seconds after which a test that waits for a thread has failed."""


class House:
    """A service with a clock in memory."""

    def __init__(self, book: Playbook) -> None:
        self.database = Database("sqlite://")
        with self.database.write() as connection:
            metadata.create_all(connection)
        self.service = Service(self.database, lambda: book, COMPOSER)
        self.now = START
        self.unread: Instant | None = None
        self.clock = Clock(self.service, lambda: self.now, lambda: self.unread)

    def happens(self, kind: str, *accounts: str) -> None:
        self.service.write([replace(event(kind), account=account) for account in accounts], START)

    def ended(self) -> int:
        with self.database.read() as connection:
            wanted = sa.select(sa.func.count()).where(journeys.c.status != "active")
            return int(connection.execute(wanted.select_from(journeys)).scalar_one())

    def column(self, column: sa.Column[int]) -> list[int]:
        with self.database.read() as connection:
            return list(connection.execute(sa.select(column)).scalars())


@pytest.fixture
def house() -> Iterator[House]:
    ladder = {"task": {"to": "csm", "title": "Call them", "sla": "standard"}}
    made = House(
        playbook(
            play(steps=[{"wait": {"for": "1h"}}]),
            play("call", trigger={"event": "call"}, steps=[ladder]),
            policies={"sla": [{"key": "standard", "rules": [{"first_touch": "8h", "resolve": "5d"}]}]},
        )
    )
    yield made
    made.database.close()


def test_a_wait_ends_at_its_instant_and_not_before(house: House) -> None:
    house.happens("go", "ash")
    house.now = after_start("1h") - 1
    assert (house.clock.tick(), house.ended()) == (0, 0)
    house.now = after_start("1h")
    assert (house.clock.tick(), house.ended()) == (1, 1)


def test_a_due_instant_makes_one_transition_however_often_it_ticks(house: House) -> None:
    house.happens("go", "ash")
    house.now = after_start("1h")
    assert [house.clock.tick() for _ in range(3)] == [1, 0, 0]


def test_everything_due_happens_in_one_tick_however_much_it_is(house: House) -> None:
    house.happens("go", *(f"a{number}" for number in range(1_100)))
    house.now = after_start("2h")
    assert house.clock.tick() == 1_100
    assert house.ended() == 1_100


@pytest.mark.parametrize(("unread", "ended"), [("59m", 0), ("1h", 0), ("61m", 1)])
def test_the_clock_never_passes_an_event_that_is_still_unread(unread: str, ended: int, house: House) -> None:
    house.happens("go", "ash")
    house.now, house.unread = after_start("1d"), after_start(unread)
    house.clock.tick()
    assert house.ended() == ended


def test_a_clock_that_jumps_back_undoes_and_repeats_nothing(house: House) -> None:
    house.happens("go", "ash")
    house.now = after_start("2h")
    house.clock.tick()
    house.now = after_start("30m")
    assert house.clock.tick() == 0
    assert house.ended() == 1


def test_a_task_climbs_its_ladder_once_for_each_level(house: House) -> None:
    house.happens("call", "ash")
    levels = []
    for span in ("0h", "30d", "30d"):
        house.now = after_start(span)
        house.clock.tick()
        levels += house.column(tasks.c.level)
    assert levels[0] == 0
    assert levels[1] == levels[2] > 0


def test_a_clock_rests_until_what_falls_due_before_the_next_beat(house: House) -> None:
    house.happens("go", "ash")
    rests = []
    for now in (after_start("58m"), after_start("1h") - SECOND // 4, after_start("1h"), after_start("1h")):
        house.now = now
        house.clock.tick()
        rests.append(house.clock.rest())
    assert rests == [None, 0.25, None, None]


def test_a_clock_does_not_rest_where_the_instant_came_while_it_looked(house: House) -> None:
    house.happens("go", "ash")
    house.now = after_start("1h") - 1
    house.clock.tick()
    house.now = after_start("1h") + 1
    assert house.clock.rest() == 0.0


def test_a_clock_that_may_not_go_on_waits_for_the_beat(house: House) -> None:
    house.happens("go", "ash")
    house.now, house.unread = after_start("61m"), after_start("1h")
    house.clock.tick()
    assert house.clock.rest() is None


def test_when_it_last_ticked_is_known(house: House) -> None:
    house.now = after_start("3h")
    house.clock.tick()
    assert house.clock.ticked_at == after_start("3h")


# ── the loops ──────────────────────────────────────────────────────────────────────────────────────────────────


class Stumbling:
    """A clock and a dispatcher that fail twice before they do their work, and then say stop."""

    def __init__(self, woken: threading.Event, stop: threading.Event) -> None:
        self._woken, self._stop, self.tries = woken, stop, 0

    def tick(self) -> int:
        self.tries += 1
        self._woken.set()
        if self.tries == 1:
            raise OperationalError("SELECT 1", {}, Exception("the database is away"))
        if self.tries == 2:
            raise ValueError("nobody foresaw this")
        self._stop.set()
        return 1

    def rest(self) -> None:
        return None

    def rescue(self, now: Instant) -> int:
        return self.tick()

    def round(self, now: Instant) -> int:
        return 0


@pytest.mark.parametrize("loop", ["clock", "dispatcher"])
def test_a_loop_outlives_a_database_that_is_away_and_what_nobody_foresaw(
    loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    woken, stop = threading.Event(), threading.Event()
    stumbling = Stumbling(woken, stop)
    woken.set()
    with caplog.at_level(logging.WARNING):
        if loop == "clock":
            run = threading.Thread(target=run_clock, args=(stumbling, Pulse(), woken, stop))
        else:
            run = threading.Thread(target=run_dispatcher, args=(stumbling, lambda: START, woken, stop))
        run.start()
        run.join(SOON)
    assert not run.is_alive()
    assert stumbling.tries == 3
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert "OperationalError" in caplog.records[0].message


def test_a_beat_wakes_everybody_who_listens_and_stopping_too() -> None:
    pulse = Pulse()
    listeners = [pulse.listen(), pulse.listen()]
    pulse.beat()
    assert all(listener.is_set() for listener in listeners)
    for listener in listeners:
        listener.clear()
    pulse.stop()
    assert all(listener.is_set() for listener in listeners)


def test_the_pulse_beats_by_itself_once_started() -> None:
    pulse = Pulse()
    listener = pulse.listen()
    pulse.start()
    try:
        assert listener.wait(SOON)
    finally:
        pulse.stop()


def test_an_event_of_the_account_is_reacted_to_after_what_fell_due_before_it(house: House) -> None:
    house.happens("go", "acme")
    house.service.write(
        [replace(attributes("2h", name="Acme"), received_at=after_start("2h"))], after_start("2h")
    )
    assert house.column(journeys.c.ended_at) == [after_start("1h")]
