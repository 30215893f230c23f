"""Mappings: rows of anybody's file to events (definitions "mapping")."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from signals.event import Event
from signals.instant import DAY, HOUR, SECOND, parse_instant
from signals.problem import Problem
from signals.sources import mapped
from signals.sources.mapped import Lookups, Mapper, Mapping

NOW = parse_instant("2026-03-02T09:00:00Z")
ROW = {"id": "r1", "at": "2026-03-01T00:00:00Z", "who": "acme", "n": "17", "empty": ""}


def mapper(form: str = "csv", lookup: Any = None, **parts: Any) -> Mapper:
    rule = {"type": "crm.row_seen", "id": "row-{id}", "time": "at", "account": "who"} | parts
    if lookup is not None:
        rule["lookup"] = lookup
    rule = {name: part for name, part in rule.items() if part is not ...}
    return mapped.compile(Mapping.model_validate({"key": "m", "format": form, "each": [rule]}))


def taken(row: dict[str, Any], form: str = "csv", lookups: Lookups | None = None, **parts: Any) -> Event:
    (event,) = mapper(form, **parts).events(row, 7, "file", lookups or {}, NOW)
    assert isinstance(event, Event), event
    return event


def refused(row: dict[str, Any], form: str = "csv", lookups: Lookups | None = None, **parts: Any) -> Problem:
    (problem,) = mapper(form, **parts).events(row, 7, "file", lookups or {}, NOW)
    assert isinstance(problem, Problem), problem
    assert problem.detail.startswith("row 7: ")
    return problem


def test_a_row_becomes_an_event() -> None:
    event = taken(ROW, contact="{who}:owner", data={"count": {"field": "n", "as": "integer"}, "raw": "n"})
    assert event == Event(
        id="row-r1",
        source="file",
        type="crm.row_seen",
        time=NOW - DAY - 9 * HOUR,
        account="acme",
        contact="acme:owner",
        data={"count": 17, "raw": "17"},
        received_at=NOW,
    )


def test_one_row_may_give_several_events() -> None:
    opened = {"type": "support.ticket_opened", "id": "o-{id}", "time": "at", "account": "who"}
    solved = opened | {"type": "support.ticket_solved", "id": "s-{id}", "when": {"n": {"gte": 17}}}
    mapping = Mapping.model_validate({"key": "m", "format": "csv", "each": [opened, solved]})
    both = mapped.compile(mapping).events(ROW, 1, "file", {}, NOW)
    assert [event.id for event in both if isinstance(event, Event)] == ["o-r1", "s-r1"]
    assert len(mapped.compile(mapping).events(ROW | {"n": "16"}, 1, "file", {}, NOW)) == 1


def test_a_row_that_no_rule_takes_is_unmapped() -> None:
    assert refused(ROW, when={"who": "other"}).reason == "unmapped"


def test_type_and_source_may_be_templates() -> None:
    event = taken(ROW, type="product.{who}", source="crm/{who}")
    assert (event.type, event.source) == ("product.acme", "crm/acme")


@pytest.mark.parametrize("id_", ["row-{id}", "row-{{ id }}", "row-{{id}}", "row-{ id }"])
def test_fields_stand_in_one_or_two_braces(id_: str) -> None:
    assert taken(ROW, id=id_).id == "row-r1"


def test_dotted_paths_lead_into_json_rows() -> None:
    row = ROW | {"user": {"id": 5, "tags": ["a", "b"]}, "a.b": "dotted"}
    data = {
        "tag": "user.tags.1",
        "dotted": "a.b",
        "absent": "user.x.y",
        "beyond": "user.tags.7",
        "whole": "user",
    }
    event = taken(row, "json", contact="u-{user.id}", data=data)
    assert event.contact == "u-5"
    assert event.data == {"tag": "b", "dotted": "dotted", "whole": row["user"]}


def test_a_number_is_an_id_only_by_a_template() -> None:
    assert refused(ROW | {"who": 5}, "json").pointer == "/account"
    assert taken(ROW | {"who": 5}, "json", account="{who}").account == "5"


def test_a_column_that_is_not_there_is_said_at_once() -> None:
    for parts in ({"account": "acount"}, {"data": {"x": "acount"}}, {"when": {"acount": "x"}}):
        problem = refused(ROW, **parts)
        assert (problem.reason, problem.pointer) == ("unmapped", "/acount")


@pytest.mark.parametrize(
    ("parts", "row", "pointer"),
    [
        ({}, {"id": ""}, "/id"),
        ({}, {"at": ""}, "/at"),
        ({}, {"at": "yesterday"}, "/at"),
        ({}, {"who": "../x"}, "/account"),
        ({"type": "crm.{who}"}, {"who": "not a type"}, "/type"),
        ({"data": {"x": {"field": "n", "as": "number"}}}, {"n": "1,000"}, "/n"),
        ({"data": {"x": {"field": "n", "as": "integer"}}}, {"n": "1.5"}, "/n"),
        ({"data": {"x": {"field": "n", "as": "integer"}}}, {"n": "9" * 30}, "/n"),
        ({"data": {"x": {"field": "n", "as": "number"}}}, {"n": "1e999"}, "/n"),
        ({"data": {"x": {"field": "n", "as": "boolean"}}}, {"n": "maybe"}, "/n"),
        ({"data": {"x": {"field": "n", "as": "instant"}}}, {"n": "17"}, "/n"),
        ({"data": {"x": {"field": "empty", "missing": "refuse"}}}, {}, "/empty"),
        ({"data": {"x": "{who}-{empty}"}}, {}, "/empty"),
    ],
)
def test_what_cannot_be_read_is_invalid_and_pointed_to(
    parts: dict[str, Any], row: dict[str, Any], pointer: str
) -> None:
    problem = refused(ROW | row, **parts)
    assert (problem.status, problem.reason, problem.pointer) == (422, "invalid", pointer)


def test_a_future_row_is_refused_and_a_nearly_present_one_is_now() -> None:
    assert refused(ROW | {"at": "2027-01-01"}).reason == "in_the_future"
    assert taken(ROW | {"at": "2026-03-02T09:04:00Z"}).time == NOW
    plus = {"field": "at", "plus": {"field": "n", "unit": "days"}}
    assert refused(ROW | {"n": "2920000"}, time=plus).reason == "in_the_future"


def test_without_a_time_a_row_happens_as_it_is_received() -> None:
    event = taken(ROW, time=...)
    assert (event.time, event.timed) == (NOW, False)


@pytest.mark.parametrize(
    ("text", "time", "instant"),
    [
        ("2026-03-01", {}, "2026-03-01T00:00:00Z"),
        ("2026-03-01T00:00:00+02:00", {}, "2026-02-28T22:00:00Z"),
        ("01-03-2026", {"format": "%d-%m-%Y"}, "2026-03-01T00:00:00Z"),
        ("01-03-2026 10:30", {"format": ["%d-%m-%Y", "%d-%m-%Y %H:%M"]}, "2026-03-01T10:30:00Z"),
        ("2026-03-01", {"format": "%Y-%m-%d", "zone": "Europe/Berlin"}, "2026-02-28T23:00:00Z"),
        ("2026-03-01 +0530", {"format": "%Y-%m-%d %z", "zone": "Europe/Berlin"}, "2026-02-28T18:30:00Z"),
        ("1772323200", {"format": "unix"}, "2026-03-01T00:00:00Z"),
        ("1772323200.25", {"format": "unix"}, "2026-03-01T00:00:00.250000Z"),
        ("1772323200000", {"format": "unix_ms"}, "2026-03-01T00:00:00Z"),
        ("2026-03-01", {"format": ["unix", "RFC 3339"]}, "2026-03-01T00:00:00Z"),
        ("2025-10-26 02:30", {"format": "%Y-%m-%d %H:%M", "zone": "Europe/Berlin"}, "2025-10-26T00:30:00Z"),
    ],
)
def test_times_are_read_by_the_first_format_that_fits(text: str, time: dict[str, Any], instant: str) -> None:
    assert taken(ROW | {"at": text}, time={"field": "at", **time}).time == parse_instant(instant)


@pytest.mark.parametrize("value", [True, "1e400000000", "NaN", "Infinity", "1" * 30, [], None, "-1e20"])
def test_what_is_no_unix_time_is_refused(value: Any) -> None:
    assert (
        refused(ROW | {"at": value}, "json", time={"field": "at", "format": ["unix", "unix_ms"]}).status
        == 422
    )


def test_a_span_beside_an_instant_is_added() -> None:
    plus = {"field": "at", "plus": {"field": "n", "unit": "hours"}}
    assert taken(ROW | {"n": "1.5"}, time=plus).time == parse_instant("2026-03-01T01:30:00Z")
    for bad in ("-1", "", "x", "1e300"):
        assert refused(ROW | {"n": bad}, time=plus).pointer == "/n"


@pytest.mark.parametrize(
    ("cell", "text", "value"),
    [
        ({"as": "number"}, "49.0", 49.0),
        ({"as": "number"}, "-3", -3),
        ({"as": "number"}, " 1e3 ", 1000.0),
        ({"as": "integer"}, "17.0", 17),
        ({"as": "boolean"}, "TRUE", True),
        ({"as": "boolean"}, "0", False),
        ({"as": "text"}, "0017", "0017"),
        ({"as": "any"}, "0017", "0017"),
        ({"as": "instant", "format": "%d-%m-%Y"}, "01-03-2026", "2026-03-01T00:00:00Z"),
        ({"as": "number", "default": 0}, "", 0),
        ({"as": "number", "default": None}, "", None),
    ],
)
def test_cells_are_read_as_what_they_are(cell: dict[str, Any], text: str, value: Any) -> None:
    data = taken(ROW | {"n": text}, data={"x": {"field": "n", **cell}}).data
    assert repr(data) == repr({"x": value})


def test_empty_cells_are_dropped_and_said_values_are_kept() -> None:
    data = {"a": "empty", "b": {"field": "empty", "as": "number"}, "c": {"value": None}, "d": {"value": [1]}}
    assert taken(ROW, data=data).data == {"c": None, "d": [1]}


def test_data_may_be_nested() -> None:
    data = {
        "attributes": {"plan": "who", "size": {"seats": {"field": "n", "as": "integer"}}, "gone": "empty"}
    }
    assert taken(ROW, data=data).data == {"attributes": {"plan": "acme", "size": {"seats": 17}}}


def test_values_translate_what_they_name() -> None:
    values = {"who": {"acme": "a-1"}, "n": {"17": True}}
    event = taken(ROW, values=values, data={"n": "n"}, when={"who": "acme"})
    assert (event.account, event.data) == ("a-1", {"n": True})
    assert taken(ROW | {"who": "other"}, values=values).account == "other"
    assert taken(ROW | {"flag": True}, "json", values={"flag": {"true": "yes"}}, data={"x": "flag"}).data == {
        "x": "yes"
    }


def test_a_lookup_joins_a_column_of_another_table() -> None:
    on_id = {"table": "owners", "on": {"who": "name"}, "take": "account"}
    joined = mapper(lookup=on_id, account="account", values={"account": {"a": "A"}})
    assert joined.tables == {"owners": "name"}
    table: list[tuple[int, Any]] = [
        (1, {"name": "acme", "account": "a", "more": "x"}),
        (2, Problem(422, "invalid", "a bad row")),
        (3, {"name": "", "account": "b"}),
    ]
    lookups = {"owners": joined.index("owners", table)}
    assert lookups == {"owners": {"acme": {"account": "a"}}}
    (event,) = joined.events(ROW, 1, "file", lookups, NOW)
    assert isinstance(event, Event)
    assert event.account == "A"
    for row, tables in ((ROW | {"who": "nobody"}, lookups), (ROW | {"who": ""}, lookups), (ROW, {})):
        problem = refused(row, lookups=tables, lookup=on_id, account="account")
        assert (problem.reason, problem.pointer) == ("unmapped", "/who")


def test_yaml_reading_on_as_true_does_no_harm() -> None:
    assert mapper(lookup={"table": "t", True: "who", "take": "account"}).tables == {"t": "who"}


@pytest.mark.parametrize(
    ("when", "text", "holds"),
    [
        ({"n": "17"}, "17", True),
        ({"n": 17}, "17", True),
        ({"n": 17}, "17.0", True),
        ({"n": 17}, "x", False),
        ({"n": True}, "TRUE", True),
        ({"n": False}, "True", False),
        ({"n": {"is_not": "17"}}, "", True),
        ({"n": {"is_not": 17}}, "17", False),
        ({"n": {"in": [1, "17"]}}, "17", True),
        ({"n": {"not_in": ["17"]}}, "17", False),
        ({"n": {"not_in": ["17"]}}, "", True),
        ({"n": {"gt": 16, "lt": 18}}, "17", True),
        ({"n": {"gte": 17.5}}, "17", False),
        ({"n": {"lte": "2026"}}, "2025", True),
        ({"n": {"lt": 5}}, "", False),
        ({"n": {"contains": "7"}}, "17", True),
        ({"n": {"contains": "7"}}, "", False),
        ({"n": {"starts_with": "1"}}, "17", True),
        ({"n": {"exists": True}}, "", False),
        ({"n": {"exists": False}}, "", True),
        ({}, "", True),
    ],
)
def test_when_takes_rows_whose_text_reads_so(when: dict[str, Any], text: str, holds: bool) -> None:
    (item,) = mapper(when=when).events(ROW | {"n": text}, 1, "file", {}, NOW)
    assert isinstance(item, Event) == holds


@pytest.mark.parametrize(
    ("when", "value", "holds"),
    [
        ({"n": 17}, "17", False),
        ({"n": 17}, 17.0, True),
        ({"n": 1}, True, False),
        ({"n": True}, True, True),
        ({"n": {"gt": "a"}}, 5, False),
        ({"n": {"contains": "b"}}, ["a", "b"], True),
        ({"n": {"contains": 1}}, [True], False),
        ({"n": {"exists": True}}, "", True),
        ({"u.v": {"is": 1}}, None, False),
    ],
)
def test_json_values_are_not_coerced(when: dict[str, Any], value: Any, holds: bool) -> None:
    (item,) = mapper("json", when=when).events(ROW | {"n": value}, 1, "file", {}, NOW)
    assert isinstance(item, Event) == holds


@pytest.mark.parametrize(
    "parts",
    [
        {"unknown": 1},
        {"type": "not a type"},
        {"type": "x.{y"},
        {"id": "{}"},
        {"id": "a}"},
        {"id": "{{ a.__class__ | attr }} {% x %}"},
        {"id": " "},
        {"time": {"field": "at", "format": "nonsense"}},
        {"time": {"field": "at", "format": "%H:%M"}},
        {"time": {"field": "at", "format": []}},
        {"time": {"field": "at", "format": "%Q"}},
        {"time": {"field": "at", "zone": "right/UTC"}},
        {"time": {"field": "at", "zone": "../../etc/passwd"}},
        {"when": {"a": {"like": "x"}}},
        {"when": {"a": {}}},
        {"when": {"a": None}},
        {"when": {"a": [1]}},
        {"when": {"a": {"in": "x"}}},
        {"when": {"a": {"gt": True}}},
        {"when": {"a": {"exists": "yes"}}},
        {"when": {"a": {"starts_with": 1}}},
        {"when": {"a": {"contains": [1]}}},
        {"data": {"x": {"field": "a", "value": 1}}},
        {"data": {"x": {"field": "a", "as": "colour"}}},
        {"data": {"x": {"field": "a", "missing": "drop", "default": 1}}},
        {"data": {"x": {"value": float("nan")}}},
        {"data": {"x": {"value": 10**30}}},
        {"data": {"x": 5}},
        {"lookup": {"table": "t", "on": {"a": "b", "c": "d"}, "take": "x"}},
        {"lookup": {"table": "t", "on": "a", "take": []}},
        {"values": {"a": {"b": "\0"}}},
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused_when_it_is_written(parts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        mapper(**parts)


def test_a_table_is_looked_into_by_one_column() -> None:
    rule = {"type": "a.b", "id": "x", "lookup": {"table": "t", "on": "a", "take": "c"}}
    other = rule | {"lookup": {"table": "t", "on": "b", "take": "c"}}
    with pytest.raises(ValidationError, match="two columns"):
        Mapping.model_validate({"key": "m", "each": [rule, other]})


def test_the_schema_can_be_served() -> None:
    assert Mapping.model_json_schema()["properties"]["each"]


def test_a_row_of_more_than_an_event_may_weigh_is_too_large() -> None:
    assert refused(ROW | {"n": "x" * 300_000}, data={"n": "n"}).reason == "too_large"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abn"), inner, max_size=2),
    max_leaves=5,
)
EVERYTHING: dict[str, Any] = {
    "type": "crm.{who}",
    "when": {"n": {"is_not": "zzz", "not_in": [1, True]}},
    "time": {
        "field": "at",
        "format": ["rfc3339", "unix", "unix_ms", "%Y-%m-%d"],
        "zone": "Asia/Kathmandu",
        "plus": {"field": "n", "unit": "minutes"},
    },
    "values": {"n": {"1": 2}},
    "data": {
        kind: {"field": "n", "as": kind}
        for kind in ("any", "text", "number", "integer", "boolean", "instant")
    },
}


@given(row=st.fixed_dictionaries({"id": values, "at": values, "who": values, "n": values}))
def test_no_row_ever_raises(row: dict[str, Any]) -> None:
    for form in ("csv", "json"):
        for parts in ({}, {"time": ...}, EVERYTHING, {"data": {"n": "n", "a": "n.a", "t": "x-{n}"}}):
            assert mapper(form, **parts).events(row, 1, "file", {}, NOW + SECOND)
