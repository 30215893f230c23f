"""`backtest_events_per_minute`: a signal over the stored history, from the database to the last figure, in one process.

A year of the demo's customers lies in an embedded database. Each signal is back-tested as `journeys backtest` does
it, on process CPU time, so that other work on the machine does not count; the figure is the slowest of them, for
the goal is meant of any signal. The same once more with no event passed over must fire alike. Health is reported
apart: it is recomputed for an account at every event that one of its measures reads.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from journeys.backtest.question import Outcome, Question
from journeys.backtest.report import run as ask
from journeys.backtest.trial import Trial, Variant
from journeys.demo.base import customer_base
from journeys.shipped import shipped
from journeys.state import AccountState
from journeys.store import bulk
from journeys.store.database import Database
from journeys.store.outcomes import event_row
from journeys.store.reads.history import extent, histories
from journeys.store.schema import upgrade
from journeys.store.tables import events
from signals.event import Event
from signals.instant import DAY, parse_instant

TODAY = parse_instant("2026-11-20T00:00:00Z")
SIGNALS = (
    "stalled_adoption",
    "ticket_spike",
    "champion_quiet",
    "seat_underuse",
    "usage_drop",
    "expansion_ready",
)
"""From what reads little of the history to what reads most of it."""

GOAL = 1_000_000


class Attentive(Trial):
    """Passes no event over."""

    def _matters(self, event: Event, state: AccountState) -> bool:
        return not self._told_here(event)


def run() -> Iterator[dict[str, Any]]:
    """The figure, and a sweep of ten rows beside it."""
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'journeys.db'}", durable=False)
        try:
            _fill(database)
            yield from _figures(database)
        finally:
            database.close()


def _fill(database: Database) -> None:
    upgrade(database)
    rows = [event_row(event, str(event.account), False) for event in customer_base(TODAY).events()]
    with database.write() as connection:
        bulk.insert(connection, events, rows)


def _figures(database: Database) -> Iterator[dict[str, Any]]:
    bodies = {draft.key: draft.body for draft in shipped() if draft.kind == "signals"}
    rates, firings = {}, {}
    for key in SIGNALS:
        rates[key], told = _timed(database, Trial, [Variant(key, bodies[key])])
        firings[key] = told["rows"][0]["firings"]
    _, whole = _timed(database, Attentive, [Variant(key, bodies[key]) for key in SIGNALS])
    assert [row["firings"] for row in whole["rows"]] == list(firings.values()), "events passed over mattered"
    detail = {"events": whole["events"], "per_signal": rates, "firings": firings}
    yield _figure("backtest_events_per_minute", min(rates.values()), GOAL, detail)
    settings = [Variant("usage_drop", bodies["usage_drop"], f"row {n}") for n in range(10)]
    yield _figure(
        "backtest_sweep_of_ten", _timed(database, Trial, settings)[0], None, {"signal": "usage_drop"}
    )
    if "health_drop" in bodies:
        rate, _ = _timed(database, Trial, [Variant("health_drop", bodies["health_drop"])])
        yield _figure("backtest_of_health", rate, None, {"signal": "health_drop"})


def _timed(database: Database, kind: type[Trial], variants: list[Variant]) -> tuple[int, dict[str, Any]]:
    """Events a minute of process time, and the answer."""
    begun = time.process_time()
    with database.read() as connection:
        until = extent(connection).last
    assert until is not None
    question = Question(until, Outcome("billing.subscription_cancelled"))
    told = ask(kind(variants, shipped(), question, 3 * DAY), histories(database))
    return round(told["events"] / (time.process_time() - begun) * 60), told


def _figure(name: str, value: int, goal: int | None, detail: dict[str, Any]) -> dict[str, Any]:
    return {"figure": name, "value": value, "unit": "events/min", "goal": goal, "detail": detail}
