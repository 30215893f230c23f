"""Definitions made live reach every account from its history: stoppable anywhere, beside live traffic, and once."""

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from builders import START, event
from channels.render import Renderer
from journeys.assets import asset
from journeys.clock import LOOK_FOR_FILLING, Clock
from journeys.definitions import parse
from journeys.filling import Filler
from journeys.impact import Counts
from journeys.playbook import Playbook
from journeys.playbooks import Playbooks
from journeys.rehearsal import Trials
from journeys.service import Service
from journeys.state import AccountState
from journeys.store.accounts import load
from journeys.store.database import Database
from journeys.store.fillings import Filling
from journeys.store.library import Library
from seen import composer
from signals.conditions import Moment
from signals.event import Event
from signals.instant import DAY, HOUR, Instant

SPIKE = {"key": "spike", "when": {"count": "support.ticket_opened", "in": "7d", "gte": 3}}
QUIET = {"key": "quiet", "when": {"absent": "product.login", "for": "30d"}}


class Office:
    """One process with its own parts on a database others use too; its clock stands until it is set."""

    def __init__(self, database: Database, at: Instant = START) -> None:
        self.database, self.at = database, at
        self.library = Library(database)
        renderer = Renderer.from_dir(asset("templates"))
        self.playbooks = Playbooks(self.library, renderer, "UTC", self.now)
        self.service = Service(database, self.playbooks, composer(), self.playbooks.changed)
        self.filler = Filler(database, self.service)

    def now(self) -> Instant:
        return self.at

    def activate(self, *bodies: dict[str, Any]) -> None:
        """Make these signals live; no account is brought to them yet."""
        kept = self.library.put([parse("signals", body) for body in bodies], self.at)
        self.playbooks.activate(kept, self.at)

    def archive(self, key: str) -> None:
        self.library.set_status("signals", key, "archived", self.at)
        self.playbooks.changed()

    def finish(self) -> Filling:
        filling = self.filler.finish(self.now)
        assert filling is not None
        return filling

    def step(self, limit: int = 2) -> Filling:
        filling = self.filler.step(self.at, limit)
        assert filling is not None
        return filling

    def state(self, account: str) -> AccountState:
        with self.database.read() as connection:
            state = load(connection, account)
        assert state is not None
        return state


def tickets(account: str, number: int, at: Instant = START) -> list[Event]:
    made = [event("support.ticket_opened", at - n * HOUR, name=f"{account}-{at}-{n}") for n in range(number)]
    return [msgspec.structs.replace(each, account=account, received_at=at) for each in made]


def populate(office: Office, names: Iterable[str], number: int = 3) -> None:
    for name in names:
        office.service.write(tickets(name, number), office.at)


def opened(office: Office, names: Sequence[str]) -> list[str]:
    """Those at which the signal is open."""
    return [name for name in names if "spike" in office.state(name).profile.signals]


NAMES = [f"a{number}" for number in range(5)]


@pytest.fixture
def office(shared_store: Database) -> Office:
    return Office(shared_store)


# ── stopped half-way ───────────────────────────────────────────────────────────────────────────────────────────


def test_each_step_brings_the_next_accounts_and_says_how_far_it_is(office: Office) -> None:
    populate(office, NAMES)
    office.activate(SPIKE)
    assert opened(office, NAMES) == []
    first = office.step()
    assert (first.done, first.accounts, first.last, first.finished) == (2, 5, "a1", False)
    assert opened(office, NAMES) == ["a0", "a1"]
    assert office.filler.progress() == first


def test_stopped_in_the_middle_another_process_goes_on_from_there(office: Office) -> None:
    populate(office, NAMES)
    office.activate(SPIKE)
    office.step()
    versions = stored(office)
    other = Office(office.database)
    done = other.finish()
    assert (done.done, done.finished, done.made["signal/spike/opened"]) == (5, True, 5)
    assert opened(other, NAMES) == NAMES
    assert {name: version for name, version in stored(office).items() if versions[name] == version} == {
        name: versions[name] for name in ("a0", "a1")
    }


def stored(office: Office) -> dict[str, int]:
    """How often each account has been saved."""
    with office.database.read() as connection:
        return dict(connection.execute(sa.text("SELECT id, version FROM accounts")).all())


class Breaks(Service):
    """Breaks after it has saved the accounts, before the transaction is over."""

    def bring(self, connection: sa.Connection, some: Sequence[str], now: Instant) -> tuple[Playbook, Counts]:
        super().bring(connection, some, now)
        raise RuntimeError("the lights went out")


def test_a_step_that_breaks_leaves_accounts_and_progress_as_they_were(office: Office) -> None:
    populate(office, NAMES)
    office.activate(SPIKE)
    before = office.filler.progress()
    broken = Breaks(office.database, office.playbooks, composer())
    with pytest.raises(RuntimeError, match="lights"):
        Filler(office.database, broken).step(office.at, 2)
    assert office.filler.progress() == before
    assert opened(office, NAMES) == []
    assert office.finish().done == 5


def test_definitions_made_live_meanwhile_begin_at_the_first_account(office: Office) -> None:
    populate(office, NAMES)
    office.activate(SPIKE)
    office.step()
    office.activate(QUIET)
    assert (office.step().last, office.step().last) == ("a1", "a3")
    done = office.finish()
    assert (done.done, done.finished) == (5, True)
    assert opened(office, NAMES) == NAMES


def test_what_is_finished_stays_so_and_what_never_began_is_nothing(office: Office) -> None:
    assert office.filler.step(START) is None
    office.activate(SPIKE)
    done = office.finish()
    assert done.finished
    office.at += DAY
    assert office.step() == done


# ── beside live traffic ────────────────────────────────────────────────────────────────────────────────────────


def test_an_account_something_happens_at_is_brought_there_at_once(office: Office) -> None:
    populate(office, NAMES, 2)
    office.activate(SPIKE)
    office.service.write(tickets("a4", 1, START + HOUR), START + HOUR)
    profile = office.state("a4").profile
    assert profile.signals["spike"].fired == 1
    assert office.finish().made["accounts"] == 4


def test_live_traffic_goes_on_meanwhile_and_every_event_is_counted_once(shared_store: Database) -> None:
    office, names = Office(shared_store), [f"a{number:03}" for number in range(60)]
    populate(office, names)
    office.activate(SPIKE)
    filled = threading.Event()

    def fill() -> None:
        while not office.step(1).finished:
            pass
        filled.set()

    filling = threading.Thread(target=fill)
    filling.start()
    for number in range(120):
        name = names[(number * 7) % len(names)]
        late = START + number + 1
        office.service.write(tickets(name, 1, late), late)
    filling.join(60)
    assert filled.is_set()
    written = {name: 3 + sum(names[(n * 7) % 60] == name for n in range(120)) for name in names}
    assert {name: total(office, name) for name in names} == written


def total(office: Office, account: str) -> int:
    """How many tickets the account's signal sees."""
    state = office.state(account)
    book = office.playbooks()
    (watch,) = book.watched.watches
    (evidence,) = watch.nodes[0].because(Moment(state.profile, state.now))
    return int(evidence["saw"])


def test_a_process_that_has_not_heard_of_a_change_takes_no_account_back(shared_store: Database) -> None:
    here, there = Office(shared_store), Office(shared_store)
    populate(here, NAMES)
    assert there.playbooks().stamp == 0  # looked at just now: it does not look again within a second
    here.activate(SPIKE)
    here.finish()
    there.service.write(tickets("a0", 1, START + 1), START + 1)
    there.service.write(tickets("new", 3, START + 2), START + 2)
    assert there.state("a0").stamp == there.state("new").stamp == 1
    assert there.state("new").profile.signals["spike"].fired == 1


# ── counted once, forgotten ────────────────────────────────────────────────────────────────────────────────────


def test_archiving_forgets_what_only_it_counted(office: Office) -> None:
    populate(office, NAMES)
    office.activate(SPIKE, QUIET)
    office.finish()
    assert len(office.state("a0").profile.measures) == 1
    office.archive("spike")
    office.finish()
    assert [office.state(name).profile.measures for name in NAMES] == [{}] * 5
    assert opened(office, NAMES) == []


def test_what_was_counted_before_is_not_read_from_the_history_again(office: Office) -> None:
    """Also where it came to nothing: no account here has ever logged in."""
    populate(office, NAMES)
    office.activate(SPIKE, QUIET)
    office.finish()
    asked: list[str] = []
    listen = sa.event.listens_for(office.database.engine, "before_cursor_execute")
    listen(lambda _c, _u, statement, *_: asked.append(statement))
    office.activate({**SPIKE, "severity": "critical"})
    office.finish()
    assert [statement for statement in asked if "FROM events" in statement] == []
    office.activate({"key": "bills", "when": {"absent": "billing.invoice_paid", "for": "40d"}})
    office.finish()
    assert [statement for statement in asked if "FROM events" in statement]


# ── the clock ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_clock_goes_on_with_what_was_left_half_filled_and_then_lets_be(office: Office) -> None:
    populate(office, NAMES)
    office.activate(SPIKE)
    office.step()
    clock = Clock(office.service, office.now, lambda: None, office.filler)
    assert clock.tick() == 1
    assert clock.tick() == 0
    assert opened(office, NAMES) == NAMES
    office.activate(QUIET)
    assert clock.tick() == 0  # it looks again in a while,
    office.at += LOOK_FOR_FILLING
    assert clock.tick() == 1
    office.activate({**QUIET, "severity": "info"})
    clock.fill_soon()  # or when it is told
    assert [clock.tick(), clock.tick()] == [1, 0]


# ── in mind only ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rehearsal_counts_what_the_filling_then_makes_and_writes_nothing(office: Office) -> None:
    populate(office, NAMES)
    populate(office, ["few"], 1)
    wanted = office.library.put([parse("signals", SPIKE)], office.at)
    coming = office.playbooks.with_these(wanted)
    before = stored(office)
    total, counts = Trials(office.database).rehearse(office.playbooks(), coming, office.at)
    assert (total, counts["accounts"], counts["signal/spike/opened"]) == (6, 6, 5)
    assert stored(office) == before
    office.playbooks.activate(wanted, office.at)
    assert office.finish().made == counts


def test_a_rehearsal_of_many_looks_at_an_even_part(office: Office) -> None:
    populate(office, [f"b{number}" for number in range(10)])
    coming = office.playbooks.with_these(office.library.put([parse("signals", SPIKE)], office.at))
    total, counts = Trials(office.database).rehearse(office.playbooks(), coming, office.at, sample=5)
    assert (total, counts["accounts"]) == (10, 5)
