"""CloudEvents 1.0 over HTTP and Kafka (guarantees B2, B15-B25, B29, B33, B35-B43; interfaces §3, §4)."""

import json
import re
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from cloudevents.core.bindings import http as sdk_http
from cloudevents.core.bindings import kafka as sdk_kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from signals.event import Event, encode
from signals.instant import DAY, MINUTE, SECOND, iso, parse_instant, to_datetime
from signals.problem import Problem, Refused
from signals.sources.cloudevents import Reading, read_http, read_record

NOW = parse_instant("2026-03-02T09:00:00Z")
VECTORS = Path(__file__).parents[3] / "../shared/vectors/cloudevents"
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="../shared/vectors is not here")

STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json; charset=utf-8"}
KAFKA_STRUCTURED = [("content-type", b"application/cloudevents+json; charset=UTF-8")]


def body(**changes: Any) -> dict[str, Any]:
    """A good event, with members changed; `...` leaves one out."""
    event = {
        "specversion": "1.0",
        "id": "e1",
        "source": "app",
        "type": "product.report_created",
        "time": "2026-03-02T08:00:00Z",
        "account": "acme",
        "contact": "ann",
        "data": {"n": 1},
    }
    return {name: value for name, value in (event | changes).items() if value is not ...}


def http_binary(**attributes: str) -> dict[str, str]:
    named = {"specversion": "1.0", "id": "e1", "source": "app", "type": "product.login"} | attributes
    return {"content-type": "application/json"} | {f"ce-{name}": value for name, value in named.items()}


def kafka_binary(**attributes: bytes) -> list[tuple[str, bytes]]:
    named = {"specversion": b"1.0", "id": b"e1", "source": b"app", "type": b"product.login"} | attributes
    return [("content-type", b"application/json"), *((f"ce_{name}", value) for name, value in named.items())]


def single(changed: Any) -> Event | Problem:
    (item,) = read_http(orjson.dumps(changed), STRUCTURED, NOW).items
    return item


def event_of(item: Event | Problem) -> Event:
    assert isinstance(item, Event), item
    return item


def problem_of(item: Event | Problem) -> Problem:
    assert isinstance(item, Problem), item
    return item


def refusal(raw: bytes, headers: dict[str, str]) -> Problem:
    with pytest.raises(Refused) as refused:
        read_http(raw, headers, NOW)
    return refused.value.problem


# --- what is taken ----------------------------------------------------------------------------------------------


def test_all_three_modes_give_the_same_event() -> None:
    structured = read_http(orjson.dumps(body()), STRUCTURED, NOW)
    batch = read_http(orjson.dumps([body()]), BATCH, NOW)
    headers = http_binary(
        type="product.report_created", time="2026-03-02T08:00:00Z", account="acme", contact="ann"
    )
    binary = read_http(b'{"n": 1}', headers, NOW)
    assert structured.single
    assert binary.single
    assert not batch.single
    assert structured.items == batch.items == binary.items
    event = event_of(structured.items[0])
    assert event == Event(
        id="e1",
        source="app",
        type="product.report_created",
        time=NOW - 60 * MINUTE,
        account="acme",
        contact="ann",
        data={"n": 1},
        received_at=NOW,
    )


def test_what_the_log_writes_is_read_back_alike() -> None:
    event = event_of(single(body()))
    assert read_record(encode(event), KAFKA_STRUCTURED, NOW) == [event]
    assert read_record(encode(event), (), NOW) == [event]


def test_account_and_contact_may_be_named_in_the_data() -> None:
    event = event_of(single(body(account=..., contact=..., data={"account_id": "a", "contact_id": "c"})))
    assert (event.account, event.contact) == ("a", "c")


def test_an_attribute_goes_before_the_data() -> None:
    assert event_of(single(body(data={"account_id": "other"}))).account == "acme"


def test_neither_account_nor_contact_is_left_to_whoever_resolves_identity() -> None:
    event = event_of(single(body(account=None, contact=...)))
    assert (event.account, event.contact) == (None, None)


def test_an_event_without_time_happens_when_it_is_received() -> None:
    event = event_of(single(body(time=...)))
    assert (event.time, event.timed) == (NOW, False)


def test_unknown_extensions_are_legal_and_not_kept() -> None:
    event = single(body(partitionkey="p", sequence=7, sampled=True, traceparent=None, subject="s"))
    assert event == single(body())


def test_data_may_come_in_base64() -> None:
    encoded = b64encode(b'{"n": 1}').decode()
    assert single(body(data=..., data_base64=encoded)) == single(body())


@pytest.mark.parametrize("data", [..., None, {}])
def test_absent_data_is_an_empty_object(data: Any) -> None:
    assert event_of(single(body(data=data))).data == {}


@pytest.mark.parametrize("zone", ["Z", "z", "+00:00", "-00:00"])
def test_time_is_read_in_any_zone(zone: str) -> None:
    assert event_of(single(body(time=f"2026-03-02T08:00:00{zone}"))).time == NOW - 60 * MINUTE


@pytest.mark.parametrize("ahead", [0, SECOND, 5 * MINUTE])
def test_up_to_five_minutes_ahead_is_taken_as_now(ahead: int) -> None:
    assert event_of(single(body(time=iso(NOW + ahead)))).time == NOW


def test_an_old_event_keeps_its_time() -> None:
    assert event_of(single(body(time=iso(NOW - 90 * DAY)))).time == NOW - 90 * DAY


def test_an_empty_batch_is_legal() -> None:
    assert read_http(b"[]", BATCH, NOW) == Reading(False, [])


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents+json",
        "Application/CloudEvents+JSON",
        'application/cloudevents+json; charset="UTF-8"',
    ],
)
def test_content_types_are_compared_without_case_and_parameters(content_type: str) -> None:
    event_of(read_http(orjson.dumps(body()), {"content-type": content_type}, NOW).items[0])


def test_binary_headers_are_percent_decoded() -> None:
    headers = http_binary(id="a%20b%25%E2%82%AC", source='"quoted \\"x\\""')
    event = event_of(read_http(b"", headers, NOW).items[0])
    assert (event.id, event.source, event.data) == ("a b%€", 'quoted "x"', {})


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        pytest.param({"id": ...}, "/id", id="B25 missing"),
        pytest.param({"id": ""}, "/id", id="B25 empty"),
        pytest.param({"id": " \u2003 "}, "/id", id="B25 blank"),
        pytest.param({"id": "x" * 256}, "/id", id="B25 long"),
        pytest.param({"id": "a\nb"}, "/id", id="B25 newline"),
        pytest.param({"id": "a\x7fb"}, "/id", id="B25 DEL"),
        pytest.param({"id": "a\u202eb"}, "/id", id="B25 turned round"),
        pytest.param({"id": 7}, "/id", id="B36 number"),
        pytest.param({"source": None}, "/source", id="source null"),
        pytest.param({"source": ["x"]}, "/source", id="source list"),
        pytest.param({"type": ...}, "/type", id="type missing"),
        pytest.param({"type": "product login"}, "/type", id="type with a blank"),
        pytest.param({"type": "é.x"}, "/type", id="type not ASCII"),
        pytest.param({"type": "x" * 256}, "/type", id="type long"),
        pytest.param({"type": True}, "/type", id="type boolean"),
        pytest.param({"specversion": ...}, "/specversion", id="no version"),
        pytest.param({"specversion": 1.0}, "/specversion", id="version as a number"),
        pytest.param({"time": "2026-03-02T08:00:00"}, "/time", id="B16 naive"),
        pytest.param({"time": 20000000001}, "/time", id="B17 integer"),
        pytest.param({"time": "1767225600"}, "/time", id="B18 digits"),
        pytest.param({"time": "2016-12-31T23:59:60Z"}, "/time", id="B19 leap second"),
        pytest.param({"time": "2026-02-30T00:00:00Z"}, "/time", id="B20 30 February"),
        pytest.param({"time": "0001-01-01T00:00:00+14:00"}, "/time", id="B21 before year 1"),
        pytest.param({"account": "../../x"}, "/account", id="B35 path"),
        pytest.param({"account": ".."}, "/account", id="B35 dots"),
        pytest.param({"account": "' OR 1=1--"}, "/account", id="B35 SQL"),
        pytest.param({"account": "😀" * 300}, "/account", id="B35 emoji"),
        pytest.param({"contact": "a\u202eb"}, "/contact", id="B35 bidi"),
        pytest.param({"account": ""}, "/account", id="empty account"),
        pytest.param({"account": 17}, "/account", id="B36 number as account"),
        pytest.param({"account": ..., "data": {"account_id": 17}}, "/data/account_id", id="B36 in the data"),
        pytest.param({"contact": ..., "data": {"contact_id": "a b"}}, "/data/contact_id", id="contact_id"),
        pytest.param({"is_admin": True}, "/is_admin", id="B15 is_admin"),
        pytest.param({"__proto__": {}}, "/__proto__", id="B15 __proto__"),
        pytest.param({"accountId": "x"}, "/accountId", id="B15 upper case"),
        pytest.param({"": "x"}, "/", id="B15 empty name"),
        pytest.param({"ext": {"a": 1}}, "/ext", id="extension object"),
        pytest.param({"ext": 1.5}, "/ext", id="extension float"),
        pytest.param({"ext": 2**31}, "/ext", id="extension beyond 32 bits"),
        pytest.param({"subject": 5}, "/subject", id="subject number"),
        pytest.param({"data": "text"}, "/data", id="data text"),
        pytest.param({"data": []}, "/data", id="data list"),
        pytest.param({"data_base64": "e30="}, "/data_base64", id="data twice"),
        pytest.param({"data": ..., "data_base64": "e30"}, "/data_base64", id="no base64"),
        pytest.param({"data": ..., "data_base64": "é"}, "/data_base64", id="base64 not ASCII"),
        pytest.param({"data": ..., "data_base64": 5}, "/data_base64", id="base64 number"),
        pytest.param({"data": ..., "data_base64": "W10="}, "/data_base64", id="base64 of a list"),
        pytest.param({"data": ..., "data_base64": "eyJhIjpOYU59"}, "/data_base64/a", id="base64 of NaN"),
    ],
)
def test_a_bad_field_is_invalid_and_pointed_to(changes: dict[str, Any], pointer: str) -> None:
    bad = body(**changes)
    problem = problem_of(single(bad))
    assert (problem.status, problem.reason, problem.pointer) == (422, "invalid", pointer)
    good, rejected = read_http(orjson.dumps([body(), bad]), BATCH, NOW).items
    assert event_of(good).id == "e1"
    assert rejected == problem
    assert read_record(orjson.dumps(bad), KAFKA_STRUCTURED, NOW) == [problem]


@pytest.mark.parametrize("time", [iso(NOW + 5 * MINUTE + 1), "9999-12-31T23:59:59Z"])
def test_further_ahead_is_in_the_future(time: str) -> None:
    problem = problem_of(single(body(time=time)))
    assert (problem.status, problem.reason, problem.pointer) == (422, "in_the_future", "/time")


def test_another_specversion_is_parked_as_unsupported() -> None:
    assert problem_of(single(body(specversion="0.3"))).reason == "unsupported_version"


@pytest.mark.parametrize("document", [None, [], "x", 5])
def test_an_event_is_an_object(document: Any) -> None:
    assert problem_of(single(document)).status == 422
    (item,) = read_http(orjson.dumps([document]), BATCH, NOW).items
    assert problem_of(item).status == 422


def test_one_bad_of_a_hundred_leaves_ninety_nine() -> None:
    raw = orjson.dumps([body(id=f"e{n}") for n in range(99)])[:-1] + b', {"id": "x", "id": "y"}]'
    items = read_http(raw, BATCH, NOW).items
    assert [type(item) for item in items] == [Event] * 99 + [Problem]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="missing"),
        pytest.param({"content-type": "application/json"}, id="plain JSON"),
        pytest.param({"content-type": "text/plain"}, id="text"),
        pytest.param({"content-type": "application/cloudevents+avro"}, id="another format"),
        pytest.param({"content-type": "application/cloudevents-batch+avro"}, id="another batch format"),
        pytest.param({"content-type": "application/cloudevents+json; charset=latin-1"}, id="another charset"),
        pytest.param(http_binary() | {"content-type": "text/plain"}, id="binary mode with text"),
    ],
)
def test_a_wrong_content_type_is_unsupported(headers: dict[str, str]) -> None:
    problem = refusal(orjson.dumps(body()), headers)
    assert (problem.status, problem.reason) == (415, "unsupported_media_type")


@pytest.mark.parametrize("headers", [STRUCTURED, BATCH, http_binary()])
def test_what_is_no_json_refuses_the_request(headers: dict[str, str]) -> None:
    assert refusal(b'{"id": ', headers).status == 400


def test_size_caps() -> None:
    large = orjson.dumps(body(data={"x": "x" * 256 * 1024}))
    assert refusal(large, STRUCTURED).status == 413
    assert refusal(large, http_binary()).status == 413
    assert problem_of(read_record(large, (), NOW)[0]).status == 413
    assert refusal(orjson.dumps([{}] * 501), BATCH).status == 413
    assert refusal(b"[" + b" " * 1024 * 1024 + b"]", BATCH).status == 413
    fits, too_large = read_http(b"[" + orjson.dumps(body()) + b"," + large + b"]", BATCH, NOW).items
    assert event_of(fits)
    assert problem_of(too_large).status == 413


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"id": "%E2%82"}, "/id"),
        ({"id": "%zz"}, "/id"),
        ({"id": "é"}, "/id"),
        ({"id": "a%00b"}, "/id"),
        ({"data": "x"}, "/data"),
        ({"is_admin": "x"}, "/is_admin"),
        ({"time": ""}, "/time"),
    ],
)
def test_a_bad_binary_header_is_invalid(attributes: dict[str, str], pointer: str) -> None:
    problem = problem_of(read_http(b"{}", http_binary(**attributes), NOW).items[0])
    assert (problem.status, problem.pointer) == (422, pointer)


def test_a_flaw_in_binary_data_is_pointed_to_from_the_event() -> None:
    problem = problem_of(read_http(b'{"a": NaN}', http_binary(), NOW).items[0])
    assert (problem.status, problem.pointer) == (422, "/data/a")


# --- Kafka ------------------------------------------------------------------------------------------------------


def test_a_null_value_is_a_tombstone() -> None:
    assert problem_of(read_record(None, KAFKA_STRUCTURED, NOW)[0]).reason == "tombstone"


def test_a_record_that_is_no_json_is_malformed() -> None:
    for headers in ((), KAFKA_STRUCTURED, kafka_binary()):
        assert problem_of(read_record(b"\x00\x01garbage", headers, NOW)[0]).reason == "malformed"


def test_a_record_that_says_nothing_of_itself_is_unsupported() -> None:
    assert problem_of(read_record(b'{"event": "x"}', (), NOW)[0]).status == 415
    batch = [("content-type", b"application/cloudevents-batch+json")]
    assert problem_of(read_record(b"[]", batch, NOW)[0]).status == 415


def test_a_header_that_is_not_utf8_spoils_only_a_ce_header() -> None:
    assert problem_of(read_record(b"{}", kafka_binary(id=b"\xff"), NOW)[0]).reason == "invalid"
    event_of(read_record(b"{}", [*kafka_binary(), ("other", b"\xff")], NOW)[0])


def test_ten_thousand_foreign_headers_are_ignored() -> None:
    headers = [(f"h{n}", b"\xff") for n in range(10_000)] + kafka_binary()
    assert event_of(read_record(b"{}", headers, NOW)[0]).id == "e1"


def test_a_ce_header_given_twice_must_agree() -> None:
    assert event_of(read_record(b"{}", [*kafka_binary(), ("ce_id", b"e1")], NOW)[0])
    problem = problem_of(read_record(b"{}", [*kafka_binary(), ("ce_id", b"e2")], NOW)[0])
    assert problem.pointer == "/id"


@given(
    value=st.binary(max_size=40) | st.none(),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["ce_id", "ce_type", "ce_specversion", "content-type", "x"]),
            st.binary(max_size=9),
        ),
        max_size=5,
    ),
)
def test_no_record_ever_raises(value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> None:
    assert len(read_record(value, headers, NOW)) == 1


# --- vectors and oracle -----------------------------------------------------------------------------------------


@needs_vectors
@pytest.mark.parametrize("path", sorted(VECTORS.glob("json-v1/*.json")), ids=lambda path: path.stem)
def test_json_format_vectors(path: Path) -> None:
    """The SDK's vectors; those whose data is no JSON object are refused by us, with a pointer to it."""
    (item,) = read_http(path.read_bytes(), STRUCTURED, NOW).items
    not_objects = {"text_data", "xml_data", "base64_text_data", "base64_xml_data"}
    if path.stem in not_objects:
        assert problem_of(item).pointer in ("/data", "/data_base64")
    elif "fail" in path.stem or "invalid" in path.stem or "upper_case" in path.stem:
        assert problem_of(item).status == 422
    else:
        event = event_of(item)
        given = json.loads(path.read_bytes())
        assert (event.id, event.source, event.type) == (given["id"], given["source"], given["type"])
        assert event.timed == ("time" in given)


@needs_vectors
def test_conformance_features_of_both_bindings() -> None:
    text = (VECTORS / "features/kafka-protocol-binding.feature").read_text()
    headers = [(m[1], m[2].encode()) for m in re.finditer(r"\|\s*(ce_\w+)\s*\|\s*(\S+)\s*\|", text)]
    payload = b'{"message": "Hello World!"}'
    (kafka,) = read_record(payload, [*headers, ("content-type", b"application/json")], NOW)
    text = (VECTORS / "features/http-protocol-binding.feature").read_text()
    http_headers = {m[1]: m[2] for m in re.finditer(r"(ce-\w+): (\S+)", text)}
    for content_type in ("application/json", "application/json; charset=utf-8"):
        reading = read_http(payload, http_headers | {"content-type": content_type}, NOW)
        assert reading.items == [kafka]
    event = event_of(kafka)
    assert (event.id, event.source, event.type) == (
        "1234-1234-1234",
        "/mycontext/subcontext",
        "com.example.someevent",
    )
    assert event.data == {"message": "Hello World!"}


printable = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20)
plain_data = st.dictionaries(
    st.text(st.characters(codec="ascii", min_codepoint=32), max_size=5), st.integers(-9, 9)
)


@given(name=printable, source=printable, micros=st.integers(-10 * DAY, 0), data=plain_data)
def test_the_sdk_and_we_understand_each_other(
    name: str, source: str, micros: int, data: dict[str, int]
) -> None:
    attributes = {
        "id": name,
        "source": source,
        "type": "product.login",
        "specversion": "1.0",
        "time": to_datetime(NOW + micros),
        "account": "acme",
        "datacontenttype": "application/json",
    }
    oracle = CloudEvent(attributes=attributes, data=data)
    wanted = Event(name, source, "product.login", NOW + micros, "acme", None, data, NOW)
    for message in (
        sdk_http.to_structured_event(oracle),
        sdk_http.to_binary_event(oracle),
    ):
        headers = {name.lower(): value for name, value in message.headers.items()}
        assert read_http(message.body, headers, NOW).items == [wanted]
    for record in (sdk_kafka.to_structured_event(oracle), sdk_kafka.to_binary_event(oracle)):
        assert read_record(record.value, list(record.headers.items()), NOW) == [wanted]
    back = JSONFormat().read(CloudEvent, encode(wanted))
    assert (back.get_id(), back.get_source(), back.get_data()) == (name, source, data)
