"""The policies document: defaults, null is off, and nothing but what a scenario names (definitions.md "Policies")."""

from datetime import date
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from channels.policies import Policies
from signals.instant import DAY, HOUR, MINUTE, parse_instant

DOCUMENT = """
contact_cap: {per_day: 1, per_7d: 3}
account_cap: {per_7d: 5}
role_gap: 24h
duplicate_window: 18h
arbitration_window: 10m
quiet_hours: {from: "20:00", to: "08:00", weekends: false, holidays: null}
hold_ttl: 72h
release_every: 1m
channel_rate: {email: null, webhook: null}
max_trigger_age: 72h
control: {percent: 0, salt: "2026Q4"}
holds: [{key: urgent_ticket, when: {attribute: account.open_urgent_tickets, gte: 1}}]
brake: {failed: 10%, of_at_least: 20}
topics: {product_tips: {}, newsletter: {opt_in: true}}
feeds: []
calendar: {zone: service, days: [mon, tue, wed, thu, fri], hours: ["09:00", "17:00"], holidays: null}
sla: [{key: standard, rules: [{when: {any: [{attribute: account.tenure_months, gte: 24}, {tag: high_ltv}]}, first_touch: 2h, resolve: 2d},
                              {when: {attribute: account.tier, is: enterprise}, first_touch: 4h, resolve: 3d}, {first_touch: 8h, resolve: 5d}]}]
team: []
discretion: [{credit: 50, per: quarter}]
retention: {events: 730d, messages: 730d, decisions: 400d, dead_letters: 90d}
lint: on
"""


def member(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "role": "csm", **more}


def test_the_defaults_are_those_of_the_definitions_page() -> None:
    assert Policies.read(yaml.safe_load(DOCUMENT)) == Policies()


def test_what_is_written_is_read_back() -> None:
    full = Policies.read(
        {
            "quiet_hours": {"from": "22:00", "to": "24:00", "weekends": True, "holidays": ["2026-12-24"]},
            "calendar": {"zone": "Europe/Berlin", "holidays": "DE-BE"},
            "team": [member("cem", absent=[{"from": "2026-01-01", "until": "2026-01-08T12:00:00Z"}])],
            "discretion": [{"credit": "49.90", "extension": "14d", "when": {"tag": "high_ltv"}}],
        }
    )
    assert Policies.read(full.as_json()) == full


def test_a_policy_named_in_part_keeps_the_other_defaults() -> None:
    cap = Policies.read({"contact_cap": {"per_day": 2}}).contact_cap
    assert cap is not None
    assert (cap.per_day, cap.per_7d) == (2, 3)


@pytest.mark.parametrize(
    "key",
    [
        "contact_cap",
        "account_cap",
        "role_gap",
        "duplicate_window",
        "arbitration_window",
        "quiet_hours",
        "hold_ttl",
        "release_every",
        "max_trigger_age",
        "brake",
    ],
)
def test_null_switches_a_policy_off(key: str) -> None:
    assert getattr(Policies.read({key: None}), key) is None


def test_a_null_list_is_empty_and_a_null_calendar_never_closes() -> None:
    off = Policies.read(
        {"holds": None, "topics": None, "team": None, "sla": None, "calendar": None, "control": None}
    )
    assert (off.holds, off.topics, off.team, off.sla, off.control.percent) == ([], {}, [], [], 0)
    assert off.calendar.at("UTC").daily == DAY


def test_in_a_scenario_what_is_not_named_is_off() -> None:
    bare = Policies.only({})
    off = (bare.contact_cap, bare.account_cap, bare.role_gap, bare.arbitration_window, bare.quiet_hours)
    assert off == (None,) * 5
    assert (bare.hold_ttl, bare.release_every, bare.brake, bare.lint) == (None, None, None, False)
    assert (bare.holds, bare.topics, bare.feeds, bare.sla, bare.team) == ([], {}, [], [], [])


def test_in_a_scenario_duplicates_trigger_age_and_calendar_stay_on() -> None:
    bare, full = Policies.only({}), Policies()
    assert (bare.duplicate_window, bare.max_trigger_age, bare.calendar) == (18 * HOUR, 3 * DAY, full.calendar)
    assert Policies.only({"duplicate_window": None}).duplicate_window is None


def test_in_a_scenario_a_policy_named_in_part_has_only_that_part_on() -> None:
    some = Policies.only(
        {"contact_cap": {"per_day": 1}, "quiet_hours": {"weekends": True}, "calendar": {"zone": "UTC"}}
    )
    assert some.contact_cap is not None
    assert (some.contact_cap.per_day, some.contact_cap.per_7d) == (1, None)
    assert some.quiet_hours is not None
    assert (some.quiet_hours.rule.begins, some.quiet_hours.rule.ends) == (0, 0)
    assert some.calendar.days == ["mon", "tue", "wed", "thu", "fri"]


def test_one_end_of_quiet_hours_brings_the_other() -> None:
    quiet = Policies.only({"quiet_hours": {"from": "22:00"}}).quiet_hours
    assert quiet is not None
    assert (quiet.rule.begins, quiet.rule.ends) == (22 * 60, 8 * 60)


def test_a_bare_yaml_time_is_the_time_it_looks_like() -> None:
    quiet = Policies.read(yaml.safe_load("quiet_hours: {from: 20:30, to: 08:00}")).quiet_hours
    assert quiet is not None
    assert quiet.begins == 20 * 60 + 30


def test_dates_of_yaml_and_json_are_the_same_holidays() -> None:
    for text in ("[2026-12-24]", '["2026-12-24"]'):
        quiet = Policies.read(yaml.safe_load(f"quiet_hours: {{holidays: {text}}}")).quiet_hours
        assert quiet is not None
        assert quiet.rule.holidays == frozenset({date(2026, 12, 24)})


@pytest.mark.parametrize(
    ("body", "where"),
    [
        pytest.param({"contact_caps": None}, "contact_caps", id="an unknown policy"),
        pytest.param({"contact_cap": {"per_week": 1}}, "contact_cap.per_week", id="an unknown part"),
        pytest.param({"contact_cap": {"per_day": 0}}, "contact_cap.per_day", id="a cap of nothing"),
        pytest.param({"contact_cap": {"per_day": "1_000"}}, "contact_cap.per_day", id="text for a number"),
        pytest.param({"contact_cap": {"per_day": True}}, "contact_cap.per_day", id="a switch for a number"),
        pytest.param({"role_gap": 24}, "role_gap", id="a duration without unit"),
        pytest.param({"role_gap": "1 day"}, "role_gap", id="no duration"),
        pytest.param({"hold_ttl": "0s"}, "hold_ttl", id="no time at all"),
        pytest.param({"hold_ttl": "999999999w"}, "hold_ttl", id="a million years"),
        pytest.param({"quiet_hours": {"from": "24:01"}}, "quiet_hours.from", id="no time of day"),
        pytest.param({"quiet_hours": {"from": "8:00"}}, "quiet_hours.from", id="a digit missing"),
        pytest.param({"quiet_hours": {"begins": 5}}, "quiet_hours.begins", id="a name of ours"),
        pytest.param({"quiet_hours": {"from": "00:00", "to": "24:00"}}, "quiet_hours", id="always quiet"),
        pytest.param({"quiet_hours": {"from": None}}, "quiet_hours", id="one end only"),
        pytest.param({"quiet_hours": {"weekends": "yes"}}, "quiet_hours.weekends", id="a word for a switch"),
        pytest.param({"quiet_hours": {"holidays": "XX"}}, "quiet_hours.holidays", id="an unknown country"),
        pytest.param({"quiet_hours": {"holidays": "DE-ZZ"}}, "quiet_hours.holidays", id="an unknown region"),
        pytest.param({"quiet_hours": {"holidays": ["soon"]}}, "quiet_hours.holidays", id="no date"),
        pytest.param({"calendar": {"zone": "right/UTC"}}, "calendar.zone", id="no IANA zone"),
        pytest.param({"calendar": {"days": []}}, "calendar.days", id="no business day"),
        pytest.param({"calendar": {"days": ["monday"]}}, "calendar.days.0", id="a day spelled out"),
        pytest.param(
            {"calendar": {"hours": ["17:00", "09:00"]}}, "calendar.hours", id="closing before opening"
        ),
        pytest.param({"control": {"percent": 101}}, "control.percent", id="more than all"),
        pytest.param({"brake": {"failed": "ten"}}, "brake.failed", id="no percentage"),
        pytest.param({"channel_rate": {"email": 0}}, "channel_rate.email", id="a rate of nothing"),
        pytest.param({"channel_rate": {"email": float("nan")}}, "channel_rate.email", id="not a number"),
        pytest.param(
            {"sla": [{"key": "a", "rules": [{"resolve": "soon"}]}]}, "sla.0.rules.0.resolve", id="no SLA"
        ),
        pytest.param({"discretion": [{"credit": "much"}]}, "discretion.0.credit", id="no amount"),
        pytest.param({"holds": [{"key": "a", "when": {}}, {"key": "a", "when": {}}]}, "", id="a key twice"),
        pytest.param({"team": [member("cem", manager="zoe")]}, "", id="a manager nobody knows"),
        pytest.param(
            {"team": [member("cem", manager="ann"), member("ann", manager="cem")]}, "", id="a circle"
        ),
        pytest.param([], "", id="no document"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_stands(body: Any, where: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Policies.read(body)
    assert ".".join(map(str, refused.value.errors()[0]["loc"])).startswith(where)


def test_a_circle_above_somebody_is_reported_and_does_not_hang() -> None:
    with pytest.raises(ValidationError, match="their own manager"):
        Policies.read(
            {
                "team": [
                    member("joe", manager="cem"),
                    member("cem", manager="ann"),
                    member("ann", manager="cem"),
                ]
            }
        )


def test_a_task_is_counted_in_its_owners_calendar_else_the_services() -> None:
    policies = Policies.read({"team": [member("cem", calendar={"zone": "Asia/Tokyo"}), member("ann")]})
    assert policies.calendar_of("cem", "Europe/Berlin").zone.key == "Asia/Tokyo"
    assert policies.calendar_of("ann", "Europe/Berlin").zone.key == "Europe/Berlin"
    assert policies.calendar_of(None, "Europe/Berlin").zone.key == "Europe/Berlin"


def test_somebody_is_away_until_the_end_of_the_absence() -> None:
    away = {"from": "2026-01-01", "until": "2026-01-08"}
    person = Policies.read({"team": [member("cem", absent=[away])]}).team[0]
    begin, end = parse_instant("2026-01-01"), parse_instant("2026-01-08")
    assert [person.is_absent(t) for t in (begin - 1, begin, end - 1, end)] == [False, True, True, False]


def test_topics_need_a_yes_only_where_it_is_said() -> None:
    policies = Policies()
    assert [policies.needs_opt_in(topic) for topic in ("newsletter", "product_tips", "other", None)] == [
        True
    ] + [False] * 3


def test_an_sla_is_found_by_its_key() -> None:
    standard = Policies().sla_policy("standard")
    assert standard is not None
    assert standard.rules[-1].first_touch == "8h"
    assert Policies().sla_policy("gold") is None


def test_the_schema_shows_people_what_they_write() -> None:
    schema = Policies.model_json_schema()
    assert schema["additionalProperties"] is False
    assert schema["properties"]["release_every"]["anyOf"][0]["type"] == "string"
    assert Policies().release_every == MINUTE
