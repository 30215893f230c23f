"""What mappings say of webhook payloads: moved fields, lists, money, outside names, what is ignored."""

from typing import Any

import pytest
from pydantic import ValidationError

from signals.event import Event
from signals.instant import parse_instant
from signals.problem import Problem, Refused
from signals.sources import mapped
from signals.sources.mapped import Mapper, Mapping

NOW = parse_instant("2026-03-02T09:00:00Z")


def mapper(rule: dict[str, Any], **parts: Any) -> Mapper:
    rules = [{"type": "crm.seen", "id": "{id}"} | rule]
    return mapped.compile(Mapping.model_validate({"key": "m", "each": rules} | parts))


def one(row: dict[str, Any], **rule: Any) -> Event:
    (item,) = mapper(rule).events({"id": "e1"} | row, 0, "vendor", {}, NOW)
    assert isinstance(item, Event), item
    return item


def refused(row: dict[str, Any], **rule: Any) -> Problem:
    (item,) = mapper(rule).events({"id": "e1"} | row, 0, "vendor", {}, NOW)
    assert isinstance(item, Problem), item
    return item


def datum(row: dict[str, Any], data: Any) -> Any:
    return one(row, data={"x": data}).data.get("x")


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"old": "a", "new": {"place": "b"}}, "a"),
        ({"new": {"place": "b"}}, "b"),
        ({"old": None, "new": {"place": "b"}}, "b"),
        ({"old": "", "new": {"place": "b"}}, "b"),
        ({"old": 0, "new": {"place": "b"}}, 0),
        ({"old": False, "new": {"place": "b"}}, False),
        ({"number": 7}, "n-7"),
        ({"new": "no object"}, None),
        ({}, None),
    ],
)
def test_the_first_place_that_has_something_counts(row: dict[str, Any], found: Any) -> None:
    places = ["old", "new.place", "n-{number}"]
    assert datum(row, places) == found
    assert datum(row, {"field": places}) == found


def test_ids_and_times_may_have_moved_too() -> None:
    rule = {
        "id": ["uid", "{id}"],
        "time": {"field": ["at", "created"], "format": "unix"},
        "account": ["a", "b"],
    }
    event = one({"created": NOW // 10**6, "b": "acme", "a": ""}, **rule)
    assert (event.id, event.time, event.account) == ("e1", NOW, "acme")
    problem = refused({}, time={"field": ["at", "created"]})
    assert problem.detail == "at or created is missing: it says when the event happened"


def test_nobody_is_named_by_an_empty_text() -> None:
    event = one({"a": "", "c": ""}, account="a", contact="c", account_external="a", contact_email=["c"])
    assert (event.account, event.contact, event.data) == (None, None, {})


def test_a_vendors_own_names_travel_in_the_data() -> None:
    event = one(
        {"customer": "cus_1", "who": {"id": 7, "mail": "ann@example.com"}},
        account_external="customer",
        contact_external="{who.id}",
        contact_email="who.mail",
        data={"amount": "none"},
    )
    assert event.data == {
        "account_external": "cus_1",
        "contact_external": "7",
        "contact_email": "ann@example.com",
    }
    assert refused({"n": 7}, account_external="n").detail == "account_external must be a string, not int"
    assert refused({"n": "x" * 256}, contact_external="n").pointer == "/contact_external"


def test_a_member_of_data_may_be_named_by_the_payload() -> None:
    event = one({"property": "plan", "value": "pro"}, data={"attributes": {"{property}": "value"}})
    assert event.data == {"attributes": {"plan": "pro"}}
    assert refused({"value": "pro"}, data={"{property}": "value"}).detail == "property is missing"


def test_names_are_translated_before_they_are_used() -> None:
    event = one(
        {"property": "hubspot_owner_id", "value": "7"},
        values={"property": {"hubspot_owner_id": "owner"}},
        data={"{property}": "value"},
    )
    assert event.data == {"owner": "7"}


@pytest.mark.parametrize(
    ("minor", "currency", "whole"),
    [
        (1999, "usd", 19.99),
        (2000, "USD", 20),
        (-500, "eur", -5),
        (1999, "jpy", 1999),
        (5124, "kwd", 5.124),
        (500, "ugx", 5),
        (500, "isk", 5),
        ("1500", "usd", 15),
        ("0.5", "usd", 0.005),
        (0, "usd", 0),
        (None, "usd", None),
        (1999, None, None),
        (1999, 840, None),
    ],
)
def test_money_comes_in_whole_units(minor: Any, currency: Any, whole: Any) -> None:
    assert datum({"m": minor, "c": currency}, {"minor_units": "m", "currency": "c"}) == whole


MRR = {
    "each": "items.data",
    "minor_units": ["price.unit_amount", "plan.amount"],
    "currency": "price.currency",
    "times": "quantity",
    "per_month": {"interval": "price.interval", "count": "price.every"},
}


def item(minor: Any, interval: Any = "month", quantity: Any = 1, every: Any = 1) -> dict[str, Any]:
    price = {"unit_amount": minor, "currency": "usd", "interval": interval, "every": every}
    return {"price": price, "quantity": quantity}


@pytest.mark.parametrize(
    ("items", "month"),
    [
        ([item(1500)], 15),
        ([item(1500, quantity=3)], 45),
        ([item(1500, quantity=None)], 15),
        ([item(12_000, "year")], 10),
        ([item(9000, "month", every=3)], 30),
        ([item(9000, "quarter")], 30),
        ([item(1200, "week")], 52),
        ([item(1200, "day")], 365),
        ([item(10_000, "year")], 8.33),
        ([item(1500), item(12_000, "year", 2)], 35),
        ([item(1500), item(None)], None),
        ([item(1500), "no object"], None),
        ([item(1500, None)], None),
        ([], None),
        ("no list", None),
    ],
)
def test_prices_of_every_rhythm_add_up_to_a_month(items: Any, month: Any) -> None:
    assert datum({"items": {"data": items}}, MRR) == month


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (item(1500, "fortnight"), "'fortnight' is no interval"),
        (item(1500, every=0), "more than none"),
        (item("dear"), "minor_units: 'dear' is no number"),
        (item(10**16), "no amount of money"),
        (item(1500, quantity=[2]), "times: [2] is no number"),
    ],
)
def test_a_price_that_is_none_is_refused(bad: Any, said: str) -> None:
    assert said in refused({"items": {"data": [bad]}}, data={"mrr": MRR}).detail


@pytest.mark.parametrize(
    ("html", "prose"),
    [
        ("<p>Hello</p>", "Hello"),
        ("<p>One</p><p>two &amp; three<br>four</p>", "One two & three four"),
        ("no tags, 3 < 4", "no tags, 3 < 4"),
        ("", ""),
        (None, None),
    ],
)
def test_what_a_person_wrote_is_read_without_its_html(html: Any, prose: Any) -> None:
    assert datum({"body": html}, {"field": "body", "as": "prose"}) == prose


def test_what_is_ignored_gives_nothing_and_what_is_unknown_a_problem() -> None:
    ready = mapper({"when": {"kind": "known"}}, ignore=[{"kind": {"starts_with": "noise."}}, {"test": True}])
    assert ready.events({"id": "1", "kind": "noise.x"}, 0, "v", {}, NOW) == []
    assert ready.events({"id": "1", "kind": "known", "test": True}, 0, "v", {}, NOW) == []
    (problem,) = ready.events({"id": "1", "kind": "new"}, 0, "v", {}, NOW)
    assert isinstance(problem, Problem)
    assert problem.reason == "unmapped"


def test_a_payload_is_a_row_or_rows_or_has_them_inside() -> None:
    assert mapper({}).rows({"id": 1}) == [{"id": 1}]
    assert mapper({}).rows([{"id": 1}, {"id": 2}]) == [{"id": 1}, {"id": 2}]
    inside = mapper({}, rows="data.events")
    assert inside.rows({"data": {"events": [{"id": 1}]}}) == [{"id": 1}]
    for wrong in ({}, {"data": {"events": {}}}, [{"id": 1}], 7):
        with pytest.raises(Refused, match="no list of rows"):
            inside.rows(wrong)


@pytest.mark.parametrize(
    "part",
    [
        {"data": {"x": []}},
        {"data": {"x": [""]}},
        {"data": {"x": ["a", 3]}},
        {"data": {"x": {"minor_units": "a"}}},
        {"data": {"x": {"minor_units": "a", "currency": "b", "per_month": "month"}}},
        {"data": {"x-{": "a"}},
        {"account_external": ""},
        {"account": ["a{"]},
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused_as_it_is_read(part: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        mapper(part)
