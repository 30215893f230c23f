"""A trial is the live service on old events: the same edges at the same instants, one account in memory at a time."""

import weakref
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.worlds import END, TICKET, answer, customer, question, told
from builders import START
from histories import conditions, histories
from journeys.backtest.report import run
from journeys.backtest.trial import Life, Trial, Variant
from journeys.definitions import Draft, build, parse
from journeys.demo.base import customer_base
from journeys.scenarios.stage import fresh_database
from journeys.shipped import shipped
from journeys.state import AccountState
from journeys.store.database import Database
from journeys.store.reads.history import extent
from journeys.store.reads.history import histories as stored
from journeys.store.tables import events
from signals.event import Event
from signals.instant import DAY, HOUR, parse_instant
from yard import records, service

TODAY = parse_instant("2026-11-20T15:30:00Z")
SIGNALS = [draft for draft in shipped() if draft.kind == "signals"]
CONTEXT = [
    draft for draft in shipped() if draft.kind in ("signals", "segments", "milestones", "stages", "health")
]


def live(database: Database, happened: list[Event], until: int) -> None:
    """The real service takes the events day by day, as they come in, and then lives on to the end."""
    book = build(CONTEXT, "UTC")
    made = service(database, lambda: book)
    offset = 0
    for day, mine in groupby(happened, key=lambda event: event.received_at // DAY):
        batch = list(mine)
        made.take(records(batch, first=offset), min((day + 1) * DAY, until))
        offset += len(batch)
    while made.tick(until):
        pass


def fired(database: Database) -> dict[tuple[str, str], list[int]]:
    """When each signal fired at each account, as the service told it."""
    c = events.c
    asked = sa.select(c.account, c.type, c.time).where(c.source == "journeys", c.type.startswith("signal."))
    found: dict[tuple[str, str], list[int]] = {}
    with database.read() as connection:
        for account, kind, time in connection.execute(asked.order_by(c.time)):
            found.setdefault((account, kind.removeprefix("signal.")), []).append(time)
    return found


@pytest.mark.slow
def test_a_year_of_customers_fires_the_same_signals_at_the_same_instants_as_live() -> None:
    base = customer_base(TODAY, accounts=12)
    database = fresh_database()
    try:
        live(database, list(base.events()), base.end)
        trial = Trial(
            [Variant(d.key, d.body) for d in SIGNALS], CONTEXT, question(until=base.end, outcome=None)
        )
        again = {
            (history[0].account, variant.key): firings
            for history in stored(database)
            if (life := trial.live(history)) is not None
            for variant, firings in zip(trial.variants, life.firings, strict=True)
            if firings
        }
        assert again == fired(database)
        assert len({signal for _, signal in again}) > 10
    finally:
        database.close()


class Attentive(Trial):
    """Passes no event over."""

    def _matters(self, event: Event, state: AccountState) -> bool:
        return True


@settings(deadline=None, max_examples=100)
@given(
    st.lists(conditions, min_size=1, max_size=3),
    histories(),
    st.lists(st.integers(0, 5 * DAY // HOUR), min_size=14, max_size=14),
)
def test_passing_over_events_changes_no_firing(
    when: list[Any], happened: list[Event], delays: list[int]
) -> None:
    """Whatever is asked, and however late the events come in."""
    late = [
        Event(e.id, e.source, e.type, e.time, e.account, e.contact, e.data, e.time + delay * HOUR)
        for e, delay in zip(happened, delays, strict=False)
    ]
    variants = [
        Variant(f"s{n}", {"key": f"s{n}", "when": one, "cooldown": "0s"}) for n, one in enumerate(when)
    ]
    asked = question(outcome=None, until=START + 200 * DAY)
    lives = [kind(variants, (), asked, 3 * DAY).live(late) for kind in (Trial, Attentive)]
    assert edges(lives[0]) == edges(lives[1])


def edges(life: Life | None) -> Any:
    return None if life is None else (life.firings, life.silent, life.inside, life.created_at)


def trial(*bodies: dict[str, Any], context: tuple[Draft, ...] = (), **asked: Any) -> Trial:
    return Trial([Variant(body["key"], body) for body in bodies], context, question(**asked))


def test_an_absence_fires_at_its_instant_though_nothing_happens_then() -> None:
    quiet = {"key": "quiet", "when": {"absent": "product.login", "for": "14d"}}
    life = trial(quiet).live([told("a", "product.login", 3)])
    assert life is not None
    assert life.firings == [[START + 17 * DAY]]


def test_a_condition_that_holds_at_first_sight_fires_at_the_first_event_of_any_type() -> None:
    none = {"key": "none", "when": {"count": TICKET, "lt": 1}}
    life = trial(none).live([told("a", "marketing.touch", 5), told("a", TICKET, 9)])
    assert life is not None
    assert life.firings == [[START + 5 * DAY]]


def test_an_event_that_came_too_late_opens_silently_and_is_counted() -> None:
    late = [Event(f"e{n}", "test", TICKET, START, "a", None, {}, START + 10 * DAY) for n in range(3)]
    spike = {"key": "spike", "when": {"count": TICKET, "in": "30d", "gte": 3}}
    life = Trial([Variant("spike", spike)], (), question(), 3 * DAY).live([told("a", "x", 0), *late])
    assert life is not None
    assert (life.firings, life.silent) == ([[]], [1])


def test_what_a_signal_refers_to_is_run_with_it_and_nothing_else() -> None:
    context = tuple(
        parse(kind, body)
        for kind, body in (
            ("milestones", {"key": "started", "when": {"count": "go", "gte": 1}}),
            ("segments", {"key": "busy", "enter": {"signal": "other"}, "tag": True}),
            ("signals", {"key": "other", "when": {"reached": "started"}}),
            ("segments", {"key": "apart", "enter": {"count": "elsewhere", "gte": 1}}),
        )
    )
    made = trial({"key": "s", "when": {"tag": "busy"}}, context=context)
    assert {*made.playbook.segments} == {"backtest.population", "busy"}
    assert {*made.playbook.signals} == {"backtest.0", "other"}
    life = made.live([told("a", "x", 0), told("a", "elsewhere", 1), told("a", "go", 2)])
    assert life is not None
    assert life.firings == [[START + 2 * DAY]]
    assert (life.events, life.felt) == (3, 2)


def test_what_the_service_told_of_a_signal_is_not_counted_again() -> None:
    """The stored history holds `signal.other` of when it was live; here it is told by the run itself."""
    other = parse("signals", {"key": "other", "when": {"count": "go", "gte": 1}})
    twice = {"key": "twice", "when": {"count": "signal.other", "gte": 2}}
    said = Event("s1", "journeys", "signal.other", START + DAY, "a", None, {"signal": "other"}, START + DAY)
    life = trial(twice, context=(other,)).live([told("a", "go", 1), said])
    assert life is not None
    assert life.firings == [[]]


def test_the_population_is_entered_and_left_at_its_instants() -> None:
    among = {"absent": "product.login", "for": "10d"}
    made = trial({"key": "s", "when": {"count": "x", "gte": 1}}, among=among)
    life = made.live([told("a", "product.login", 0), told("a", "product.login", 30)])
    assert life is not None
    assert life.inside == [(START + 10 * DAY, START + 30 * DAY), (START + 40 * DAY, END + 1)]


class Held(list[Event]):
    """A history that can be watched."""


class OneAtATime:
    """Hands out histories, and fails where the one before is still held by anybody."""

    def __init__(self, many: int) -> None:
        self.many, self.handed = many, 0

    def __iter__(self) -> Iterator[list[Event]]:
        before: weakref.ref[Held] | None = None
        for number in range(self.many):
            assert before is None or before() is None, "two histories are in memory"
            history = Held(customer(f"a{number}", spikes=[10], cancels=[30]))
            before = weakref.ref(history)
            yield history
            del history

    def __len__(self) -> int:
        return self.many


def test_no_more_than_one_history_is_held() -> None:
    assert answer(OneAtATime(50))["accounts"] == 50  # type: ignore[arg-type]


def test_it_stops_when_told_and_says_so() -> None:
    seen: list[int] = []
    asked = [customer(f"a{n}", spikes=[10]) for n in range(5)]
    made = Trial([Variant("s", {"key": "s", "when": {"count": "x", "gte": 1}})], (), question())
    told_so = run(made, asked, seen.append, lambda: len(seen) == 2)
    assert (told_so["complete"], told_so["accounts"], seen) == (False, 2, [4, 8])


def test_an_account_without_events_up_to_the_end_is_none() -> None:
    made = trial({"key": "s", "when": {"count": "x", "gte": 1}})
    assert made.live([]) is None
    assert made.live([told("a", "x", 500)]) is None


def test_an_empty_database_has_no_extent() -> None:
    database = fresh_database()
    try:
        with database.read() as connection:
            assert extent(connection) == (0, None, None)
        assert list(stored(database)) == []
    finally:
        database.close()
