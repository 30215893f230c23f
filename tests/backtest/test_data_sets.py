"""The tables of docs/relevance.md, worked out again from the data sets beside the repository."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backtest.worlds import CANCELLED
from docs.pages import blocks
from journeys.backtest.question import NOT_CANCELLED, Outcome, Question, Setting, sweep
from journeys.backtest.report import run
from journeys.backtest.trial import Trial, Variant
from journeys.cli.backtest import cells
from journeys.definitions import Draft
from journeys.importer import reader
from journeys.reading import read_folder
from journeys.shipped import shipped
from signals.event import Event
from signals.instant import DAY, parse_instant

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "relevance.md"
NOW = parse_instant("2026-11-20T00:00:00Z")
ACTIVE = {"attribute": "account.status", "is": "active"}
FILES = {
    "ravenstack": [
        (f"ravenstack_{name}.csv", name)
        for name in ("accounts", "subscriptions", "support_tickets", "feature_usage", "churn_events")
    ],
    "saas-growth": [
        (f"{name}.csv.gz", name)
        for name in ("accounts", "subscriptions", "invoices", "product_events", "support_tickets")
    ],
}


def histories(name: str) -> list[list[Event]]:
    """Each account's events as they would be in the database: of equal ids the first, come in when they happened."""
    found: dict[bytes, Event] = {}
    for file, mapping in FILES[name]:
        path = ROOT / "../shared/data" / name / file
        if not path.is_file():
            pytest.skip(f"no {file} of {name} beside the repository")
        read = reader(path, ROOT / "examples" / name / f"{mapping}.yaml")
        for _, event in read(path, NOW):
            assert isinstance(event, Event)
            found.setdefault(event.key, msgspec.structs.replace(event, received_at=event.time))
    by_account: dict[str, list[Event]] = {}
    for event in found.values():
        by_account.setdefault(event.account or "", []).append(event)
    return list(by_account.values())


class World:
    """A data set with the definitions made for it."""

    def __init__(self, name: str) -> None:
        self.histories = histories(name)
        self.end = max(event.received_at for history in self.histories for event in history)
        drafts = {
            (d.kind, d.key): d for d in (*shipped(), *read_folder(ROOT / "examples" / name / "definitions"))
        }
        self.drafts: list[Draft] = list(drafts.values())
        self.bodies: dict[str, Any] = {d.key: d.body for d in self.drafts if d.kind == "signals"}

    def told(self, variants: Sequence[Variant], outcome: str, among: Any) -> dict[str, Any]:
        question = Question(self.end, Outcome(outcome), 90 * DAY, among)
        return run(Trial(variants, self.drafts, question, 3 * DAY), self.histories)

    def of(self, *signals: str) -> list[Variant]:
        return [Variant(key, self.bodies[key]) for key in signals]


def printed(told: dict[str, Any]) -> list[list[str]]:
    """The rows of the table, cell by cell."""
    return [
        [
            str(row["setting"] or row["signal"]),
            *(f"{c:,}" if isinstance(c, int) else str(c) for c in cells(row)),
        ]
        for row in told["rows"]
    ]


def table(number: int) -> list[list[str]]:
    """The rows of a table of the page, cell by cell."""
    lines = blocks(PAGE, "text")[number].splitlines()[1:]
    rows = lines[: lines.index("")] if "" in lines else lines
    return [[cell.strip() for cell in row.split("  ") if cell.strip()] for row in rows]


@pytest.mark.slow
def test_nothing_claims_lift_where_there_is_nothing_to_find() -> None:
    world = World("ravenstack")
    signals = [row[0] for row in table(3)]
    told = world.told(world.of(*signals), "crm.churn_recorded", None)
    assert not any(row["lift"]["shown"] for row in told["rows"])
    assert printed(told) == table(3)


@pytest.mark.slow
def test_no_setting_of_a_sweep_is_offered_where_there_is_nothing_to_find() -> None:
    world = World("ravenstack")
    settings = sweep(world.bodies["tickets_in_a_month"], "when.gte=1..4")
    told = world.told(variants(settings), "crm.churn_recorded", None)
    assert told["best"] is None


def variants(settings: Sequence[Setting]) -> list[Variant]:
    return [Variant(each.body["key"], each.body, str(each), each.value) for each in settings]


@pytest.mark.slow
def test_a_stalled_start_is_found_where_it_was_made_to_matter() -> None:
    world = World("saas-growth")
    stalled = world.of("stalled_adoption")
    everybody, paying = (world.told(stalled, CANCELLED, among) for among in (NOT_CANCELLED, ACTIVE))
    assert (printed(everybody), printed(paying)) == (table(0), table(1))
    assert [told["rows"][0]["lift"]["shown"] for told in (everybody, paying)] == [False, True]
    settings = sweep(stalled[0].body, "when.all.0.for=7d..42d/7d")
    swept = world.told([*stalled, *variants(settings)], CANCELLED, ACTIVE)
    as_written, *rows = table(2)
    assert printed(swept)[1:] == rows
    assert as_written[1:] == printed(swept)[0][1:]
    assert f"{swept['best']['setting']};" in blocks(PAGE, "text")[2]
