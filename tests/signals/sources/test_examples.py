"""The mappings in examples/ against the whole data sets they are for: every row gives events, none is lost."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from signals.event import Event
from signals.instant import parse_instant
from signals.problem import Problem
from signals.sources import mapped
from signals.sources.csv_rows import read_rows
from signals.sources.mapped import Mapper, Mapping

EXAMPLES = Path(__file__).parents[3] / "examples"
DATA = Path(__file__).parents[3] / "../shared/data"
NOW = parse_instant("2026-04-01T00:00:00Z")
MAPPINGS = sorted(
    path for name in ("ravenstack", "saas-growth", "exports") for path in (EXAMPLES / name).glob("*.yaml")
)

NAMED = {"account_external", "contact_external"}

needs_data = pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not here")


def mapper(name: str) -> Mapper:
    return mapped.compile(Mapping.model_validate(yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())))


def imported(name: str, file: str, rows: int, *, ignored: bool = False) -> list[Event]:
    """The events of a file, after checking that it has so many rows and that each of them gives some, or is ignored."""
    ready = mapper(name)
    folder = (DATA / file).parent
    lookups = {table: ready.index(table, read_rows(folder / f"{table}.csv", "csv")) for table in ready.tables}
    events: list[Event] = []
    seen = 0
    for number, row in read_rows(DATA / file, "csv"):
        assert not isinstance(row, Problem), (number, row)
        items = ready.events(row, number, "import", lookups, NOW)
        events += [item for item in items if isinstance(item, Event)]
        assert not [item for item in items if isinstance(item, Problem)]
        assert items or ignored
        seen += 1
    assert seen == rows
    assert all(event.timed and (event.account or NAMED & {*event.data}) for event in events)
    return events


def types(events: list[Event]) -> dict[str, int]:
    return dict(Counter(event.type for event in events))


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_example_is_a_valid_mapping_and_named_in_the_readme(path: Path) -> None:
    assert mapper(f"{path.parent.name}/{path.stem}").mapping.format == "csv"
    assert f"examples/{path.parent.name}/{path.name}" in (EXAMPLES / "README.md").read_text()


@needs_data
@pytest.mark.parametrize(
    ("name", "file", "rows", "expected"),
    [
        ("accounts", "accounts", 500, {"crm.account_updated": 500}),
        (
            "subscriptions",
            "subscriptions",
            5000,
            {"billing.subscription_started": 5000, "billing.subscription_cancelled": 486},
        ),
        (
            "support_tickets",
            "support_tickets",
            2000,
            {"support.ticket_opened": 2000, "support.ticket_solved": 2000, "support.csat_received": 1175},
        ),
        ("churn_events", "churn_events", 600, {"crm.churn_recorded": 600}),
    ],
)
def test_ravenstack(name: str, file: str, rows: int, expected: dict[str, int]) -> None:
    events = imported(f"ravenstack/{name}", f"ravenstack/ravenstack_{file}.csv", rows)
    assert types(events) == expected
    assert len({event.key for event in events}) == len(events)


@needs_data
def test_ravenstack_usage_finds_its_account_and_keeps_its_reused_ids() -> None:
    events = imported("ravenstack/feature_usage", "ravenstack/ravenstack_feature_usage.csv", 25_000)
    first: dict[bytes, bytes] = {}
    reused = [
        event for event in events if first.setdefault(event.key, event.content_hash) != event.content_hash
    ]
    assert len(events) == 25_000
    assert len(reused) == 21
    assert len(first) == 25_000 - 21


@needs_data
def test_the_excel_copy_gives_the_same_events() -> None:
    original = imported("ravenstack/support_tickets", "ravenstack/ravenstack_support_tickets.csv", 2000)
    file = "ravenstack/variant_excel_ddmmyyyy/ravenstack_support_tickets.csv"
    assert imported("ravenstack/support_tickets_excel", file, 2000) == original


@needs_data
@pytest.mark.parametrize(
    ("name", "rows", "expected"),
    [
        ("accounts", 6000, {"crm.account_updated": 6000}),
        (
            "subscriptions",
            6000,
            {
                "billing.trial_started": 6000,
                "billing.subscription_started": 2827,
                "billing.subscription_cancelled": 1780,
            },
        ),
        ("invoices", 27_678, {"billing.invoice_paid": 27_678}),
        (
            "support_tickets",
            6447,
            dict.fromkeys(["support.ticket_opened", "support.ticket_solved", "support.csat_received"], 6447),
        ),
        ("marketing_touches", 11_898, {"marketing.touch_recorded": 11_898}),
    ],
)
def test_saas_growth(name: str, rows: int, expected: dict[str, int]) -> None:
    assert types(imported(f"saas-growth/{name}", f"saas-growth/{name}.csv.gz", rows)) == expected


@needs_data
@pytest.mark.slow
def test_saas_growth_product_events() -> None:
    events = imported("saas-growth/product_events", "saas-growth/product_events.csv.gz", 261_501)
    counts = types(events)
    milestones = Counter(e.data["milestone"] for e in events if e.type == "product.milestone_reached")
    assert sum(counts.values()) - counts["product.milestone_reached"] == 261_501
    assert milestones == {
        "workspace_created": counts["product.created_workspace"],
        "profile_completed": counts["product.completed_profile"],
        "teammate_invited": counts["product.invited_teammate"],
        "integration_connected": counts["product.connected_integration"],
    }


@needs_data
@pytest.mark.parametrize(
    ("name", "file", "rows", "expected"),
    [
        ("zendesk_organizations", "zendesk/organization", 10, {"crm.account_updated": 10}),
        ("zendesk_tickets", "zendesk/ticket", 10, {"support.ticket_opened": 8, "support.ticket_solved": 8}),
        ("hubspot_companies", "hubspot/company", 24, {"crm.account_updated": 24}),
        ("recurly_accounts", "recurly/account_history", 5, {"crm.account_updated": 5}),
        (
            "recurly_subscriptions",
            "recurly/subscription_history",
            5,
            {
                "billing.subscription_started": 5,
                "billing.subscription_changed": 3,
                "billing.subscription_cancelled": 2,
            },
        ),
        ("recurly_invoices", "recurly/invoice_history", 5, {"billing.invoice_paid": 5}),
        ("recurly_transactions", "recurly/transaction", 5, {}),
        ("salesforce_accounts", "salesforce/sf_account", 10, {"crm.account_updated": 1}),
        (
            "salesforce_opportunities",
            "salesforce/sf_opportunity",
            10,
            {"crm.opportunity_changed": 10, "crm.negotiation_ended": 9},
        ),
    ],
)
def test_exports_of_vendors_tables(name: str, file: str, rows: int, expected: dict[str, int]) -> None:
    events = imported(f"exports/{name}", f"rows/{file}_data.csv", rows, ignored=True)
    assert types(events) == expected
    assert {event.source for event in events} <= {name.partition("_")[0]}
    first: dict[bytes, bytes] = {}
    assert all(first.setdefault(event.key, event.content_hash) == event.content_hash for event in events)


@needs_data
def test_an_exported_row_names_its_account_as_the_vendor_does() -> None:
    opened = imported("exports/zendesk_tickets", "rows/zendesk/ticket_data.csv", 10, ignored=True)[0]
    assert (opened.account, opened.data["account_external"]) == (None, "370469077513")
    company = imported("exports/hubspot_companies", "rows/hubspot/company_data.csv", 24, ignored=True)[0]
    assert (company.account, company.data["external"]) == ("hubspot:2182162682", {"hubspot": "2182162682"})
