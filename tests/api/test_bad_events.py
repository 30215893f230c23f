"""Bad events at the public door: B1-B29, B33, B35 and B36 of the catalogue, each with its answer and no trace of it.

The cases that need a wire (B30-B32, B34) are in `test_bad_wire.py`.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from api.house import NOW, House
from signals.instant import DAY, MINUTE, SECOND, iso

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e1",
    "source": "tests",
    "type": "product.report_viewed",
    "time": "2026-03-02T08:00:00Z",
    "account": "acme",
    "contact": "ann",
    "data": {"report": "weekly"},
}
LONE = '"\\ud800"'


def event(**changed: Any) -> dict[str, Any]:
    """The good event with these attributes instead; None takes one away."""
    return {name: value for name, value in {**GOOD, **changed}.items() if value is not None}


def raw(data: str = "{}", **changed: Any) -> bytes:
    """The good event with its data written out by hand."""
    return json.dumps(event(**changed, data="@")).replace('"@"', data).encode()


def body(**changed: Any) -> bytes:
    """The good event with these attributes instead, as bytes."""
    return json.dumps(event(**changed)).encode()


class Case(NamedTuple):
    """What is sent and what it gets."""

    rule: str
    sent: bytes
    status: int
    reason: str
    pointer: str | None = None


def invalid(rule: str, sent: bytes, pointer: str | None = None, reason: str = "invalid") -> Case:
    """JSON that says something we cannot take."""
    return Case(rule, sent, 422, reason, pointer)


def malformed(rule: str, sent: bytes) -> Case:
    """What is no JSON document."""
    return Case(rule, sent, 400, "malformed")


CASES = [
    malformed("B1 an empty body", b""),
    malformed("B1 a blank body", b" \r\n\t "),
    invalid("B2 null", b"null", ""),
    invalid("B2 an empty list", b"[]", ""),
    invalid("B2 a list of an event", b"[" + body() + b"]", ""),
    invalid("B2 a string", b'"x"', ""),
    invalid("B2 a number", b"7", ""),
    invalid("B2 an empty object", b"{}", "/specversion"),
    malformed("B3 half a document", body()[:-20]),
    malformed("B3 an open string", b'{"id": "e1'),
    malformed("B4 something after the end", body() + b"{}"),
    malformed("B4 a comma after the last", b'{"id": "e1",}'),
    malformed("B5 UTF-16 with a mark", body().decode().encode("utf-16")),
    malformed("B5 UTF-16 without a mark", body().decode().encode("utf-16-le")),
    malformed("B5 UTF-32", body().decode().encode("utf-32-be")),
    malformed("B5 a byte order mark", b"\xef\xbb\xbf" + body()),
    malformed("B6 a byte that is no UTF-8", body().replace(b"weekly", b"\xff")),
    malformed("B6 an overlong slash", body().replace(b"weekly", b"\xc0\xaf")),
    malformed("B6 a surrogate in UTF-8", body().replace(b"weekly", b"\xed\xa0\x80")),
    invalid("B7 half a surrogate pair in data", raw(f'{{"a": {LONE}}}'), "/data/a"),
    invalid("B7 half a surrogate pair in a list", raw(f'{{"a": ["x", {LONE}]}}'), "/data/a/1"),
    invalid("B7 half a surrogate pair in a name", raw(f"{{{LONE}: 1}}"), "/data"),
    invalid("B7 half a surrogate pair in the id", body().replace(b'"e1"', LONE.encode()), "/id"),
    invalid("B8 NUL in data", raw('{"a": "x\\u0000y"}'), "/data/a"),
    invalid("B8 NUL in a name", raw('{"a\\u0000": 1}'), "/data"),
    invalid("B8 NUL in the id", body(id="e\x001"), "/id"),
    invalid("B8 NUL in the account", body(account="ac\x00me"), "/account"),
    invalid("B9 NaN", raw('{"a": NaN}'), "/data/a"),
    invalid("B9 Infinity", raw('{"a": {"b": Infinity}}'), "/data/a/b"),
    invalid("B9 -Infinity", raw('{"a": -Infinity}'), "/data/a"),
    invalid("B9 1e999", raw('{"a": 1e999}'), "/data/a"),
    invalid("B10 10^30", raw(f'{{"a": {10**30}}}'), "/data/a"),
    invalid("B10 2^63", raw(f'{{"a": {2**63}}}'), "/data/a"),
    invalid("B10 -2^63-1", raw(f'{{"a": {-(2**63) - 1}}}'), "/data/a"),
    malformed("B11 5,000 digits", raw(f'{{"a": {"9" * 5_000}}}')),
    invalid("B12 a name twice in data", raw('{"a": 1, "a": 2}'), "/data/a"),
    invalid("B12 the id twice", body()[:-1] + b', "id": "e2"}', "/id"),
    invalid("B12 a name twice, once escaped", raw('{"a": 1, "\\u0061": 2}'), "/data/a"),
    malformed("B13 lists 100,000 deep", raw("[" * 100_000 + "]" * 100_000)),
    malformed("B13 objects 30,000 deep", raw('{"a":' * 30_000 + "1" + "}" * 30_000)),
    malformed("B13 100,000 open lists", b"[" * 100_000),
    invalid("B14 10,000 properties", raw(json.dumps({str(n): 0 for n in range(10_000)})), "/data"),
    invalid("B14 a name of 64 KiB", raw(json.dumps({"k" * 65_536: 0})), "/data"),
    invalid("B15 is_admin", body(is_admin=True), "/is_admin"),
    invalid("B15 __proto__", body(__proto__={"admin": True}), "/__proto__"),
    invalid("B15 an attribute that is an object", body(admin={"a": 1}), "/admin"),
    invalid("B16 a time without zone", body(time="2026-03-02T08:00:00"), "/time"),
    invalid("B16 a time with a word", body(time="2026-03-02T08:00:00 Europe/Berlin"), "/time"),
    invalid("B17 seconds", body(time=1_767_225_600), "/time"),
    invalid("B17 what pydantic takes for milliseconds", body(time=20_000_000_001), "/time"),
    invalid("B17 a fraction of seconds", body(time=1.5), "/time"),
    invalid("B17 true", body(time=True), "/time"),
    invalid("B18 digits in a string", body(time="1767225600"), "/time"),
    invalid("B18 an empty string", body(time=""), "/time"),
    invalid("B19 a leap second", body(time="2016-12-31T23:59:60Z"), "/time"),
    invalid("B20 30 February", body(time="2026-02-30T00:00:00Z"), "/time"),
    invalid("B20 29 February of no leap year", body(time="2025-02-29"), "/time"),
    invalid("B20 hour 25", body(time="2026-03-02T25:00:00Z"), "/time"),
    invalid("B21 before the year 1 in UTC", body(time="0001-01-01T00:00:00+14:00"), "/time"),
    invalid("B21 after the year 9999 in UTC", body(time="9999-12-31T23:59:59-14:00"), "/time"),
    invalid("B22 the year 9999", body(time="9999-12-31T23:59:59Z"), "/time", "in_the_future"),
    invalid("B23 more than 5 min ahead", body(time=iso(NOW + 5 * MINUTE + SECOND)), "/time", "in_the_future"),
    invalid("B25 no id", body(id=None), "/id"),
    invalid("B25 an id that is null", body().replace(b'"e1"', b"null"), "/id"),
    invalid("B25 an empty id", body(id=""), "/id"),
    invalid("B25 a blank id", body(id="   "), "/id"),
    invalid("B25 an id of 256 characters", body(id="x" * 256), "/id"),
    invalid("B25 a number as id", body(id=7), "/id"),
    invalid("B25 no source", body(source=None), "/source"),
    invalid("B25 no type", body(type=None), "/type"),
    invalid("B35 an account id with a path", body(account="../../x"), "/account"),
    invalid("B35 an account id with SQL", body(account="' OR 1=1--"), "/account"),
    invalid("B35 300 emoji", body(account="\U0001f4a9" * 300), "/account"),
    invalid("B35 a bidi override", body(account="acme\u202egnp"), "/account"),
    invalid("B35 a line feed at the end", body(account="acme\n"), "/account"),
    invalid("B35 a contact id with markup", body(contact="<img src=x>"), "/contact"),
    invalid("B35 an account id in data", body(account=None, data={"account_id": "../x"}), "/data/account_id"),
    invalid("B35 a bidi override in the id", body(id="e\u202e1"), "/id"),
    invalid("B36 a number as specversion", body(specversion=1.0), "/specversion"),
    invalid("B36 a number as account", body(account=1_000), "/account"),
    invalid("B36 true as type", body(type=True), "/type"),
    invalid("B36 text as data", body(data="1_000"), "/data"),
    invalid("B36 a list as data", body(data=[1]), "/data"),
]


@pytest.fixture
def untouched(shared: House) -> Iterator[House]:
    """The service, which must be afterwards what it was before."""
    before = shared.everything()
    yield shared
    assert shared.everything() == before


def post(house: House, sent: bytes, kind: str | None = STRUCTURED, **headers: str) -> Any:
    """One request to the ingest route."""
    given = {**house.signed("ingest"), **{name.replace("_", "-"): text for name, text in headers.items()}}
    if kind is not None:
        given["content-type"] = kind
    return house.http.post("/v1/events", content=sent, headers=given)


def refused(answer: Any, status: int, reason: str, pointer: str | None = None) -> None:
    """A problem of that status and reason, whole in form, pointing where it should."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["type"] == f"urn:journeys:{reason}"
    assert said["status"] == status
    assert said["title"]
    assert said["detail"]
    assert [error["pointer"] for error in said.get("errors", [])] == ([] if pointer is None else [pointer])


@pytest.fixture(scope="module", autouse=True)
def keys(shared: House) -> None:
    """The keys are made before anything is counted."""
    shared.key("ingest")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_bad_event_is_refused_and_leaves_no_trace(untouched: House, case: Case) -> None:
    refused(post(untouched, case.sent), case.status, case.reason, case.pointer)


OF_AN_ITEM = [case for case in CASES if case.status == 422 and not case.rule.startswith("B2 ")]


@pytest.mark.parametrize("case", OF_AN_ITEM, ids=lambda case: case.rule)
def test_in_a_batch_it_spoils_only_itself(shared: House, case: Case) -> None:
    before = shared.counts()
    good = [body(id=f"{place} {case.rule}") for place in ("before", "after")]
    answer = post(shared, b"[" + b",".join([good[0], case.sent, good[1]]) + b"]", BATCH)
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert (told["accepted"], told["duplicates"]) == (2, 0)
    (only,) = told["rejected"]
    assert only["index"] == 1
    assert only["problem"]["status"] == 422
    assert shared.counts() == {**before, "log": before["log"] + 2}


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.status == 400 and case.sent.strip()], ids=lambda case: case.rule
)
def test_what_is_no_json_spoils_the_whole_batch(untouched: House, case: Case) -> None:
    refused(post(untouched, b"[" + body() + b"," + case.sent + b"]", BATCH), 400, "malformed")


@pytest.mark.parametrize("sent", [b"null", b"{}", b'"x"', body()])
def test_b2_a_batch_is_an_array(untouched: House, sent: bytes) -> None:
    refused(post(untouched, sent, BATCH), 422, "invalid", "")


def test_b2_an_empty_batch_is_legal_and_does_nothing(untouched: House) -> None:
    answer = post(untouched, b"[]", BATCH)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 0, "duplicates": 0, "rejected": []})


def test_b19_a_leap_second_is_told_by_name(untouched: House) -> None:
    assert "leap second" in post(untouched, body(time="2016-12-31T23:59:60Z")).json()["detail"]


def happened_at(house: House) -> str:
    """When the one event that was sent counts as having happened, once it is folded."""
    house.fold()
    (row,) = house.get("/v1/accounts/acme/timeline", kind="event")["items"]
    return str(row["at"])


def test_b23_five_minutes_ahead_are_taken_as_now(house: House) -> None:
    assert post(house, body(time=iso(NOW + 5 * MINUTE))).status_code == 202
    assert happened_at(house) == iso(NOW)


def test_b23_a_retry_of_an_event_slightly_ahead_is_a_duplicate(house: House) -> None:
    ahead = body(time=iso(NOW + 4 * MINUTE))
    post(house, ahead)
    house.clock.at += MINUTE
    assert post(house, ahead).json()["duplicates"] == 1


def test_b24_an_event_90_days_late_is_folded_where_it_belongs(house: House) -> None:
    late = iso(NOW - 90 * DAY)
    assert post(house, body(time=late)).status_code == 202
    assert happened_at(house) == late


def test_b26_the_same_again_is_a_duplicate_before_and_after_it_is_folded(house: House) -> None:
    answers = [post(house, body()).json(), post(house, body()).json()]
    house.fold()
    answers.append(post(house, body()).json())
    assert [(told["accepted"], told["duplicates"]) for told in answers] == [(1, 0), (0, 1), (0, 1)]
    assert house.fold() == 0
    assert house.counts() == {"log": 0, "events": 1, "accounts": 1, "dead_letters": 0}


@pytest.mark.parametrize("folded", [False, True], ids=["in the log", "folded"])
def test_b27_the_same_id_with_other_content_is_a_conflict(house: House, folded: bool) -> None:
    post(house, body())
    if folded:
        house.fold()
    before = house.everything()
    refused(post(house, body(data={"report": "other"})), 409, "id_conflict", "/id")
    answer = post(house, json.dumps([event(type="product.login"), event()]).encode(), BATCH).json()
    assert (answer["accepted"], answer["duplicates"]) == (0, 1)
    assert [(one["index"], one["problem"]["status"]) for one in answer["rejected"]] == [(0, 409)]
    assert house.everything() == before


def test_b27_within_a_batch_the_first_wins(house: House) -> None:
    items = [event(data={"n": 1}), event(data={"n": 2}), event(data={"n": 1})]
    answer = post(house, json.dumps(items).encode(), BATCH).json()
    assert (answer["accepted"], answer["duplicates"]) == (1, 1)
    assert [one["index"] for one in answer["rejected"]] == [1]


def test_b27_the_same_id_of_another_source_is_another_event(house: House) -> None:
    post(house, body())
    assert post(house, body(source="elsewhere", data={})).json()["accepted"] == 1


def test_b29_one_bad_of_a_hundred_keeps_the_ninety_nine(house: House) -> None:
    items = [event(id=f"e{number}") for number in range(100)]
    items[41]["time"] = "yesterday"
    answer = post(house, json.dumps(items).encode(), BATCH)
    assert answer.status_code == 202
    assert (answer.json()["accepted"], [one["index"] for one in answer.json()["rejected"]]) == (99, [41])
    assert answer.json()["rejected"][0]["problem"]["errors"][0]["pointer"] == "/time"
    assert house.counts()["log"] == 99


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "application/json",
        "application/x-www-form-urlencoded",
        "application/cloudevents+xml",
    ],
)
def test_b33_another_content_type_is_415(untouched: House, kind: str | None) -> None:
    refused(post(untouched, body(), kind), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind",
    [
        f"{STRUCTURED}; charset=utf-16",
        f"{STRUCTURED}; charset=latin-1",
        "application/cloudevents-batch",
        "application/cloudevents-batch+avro",
        "application/cloudevents+protobuf",
    ],
)
def test_b33_another_format_or_charset_is_415(untouched: House, kind: str) -> None:
    refused(post(untouched, b"[]", kind), 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", [f"{STRUCTURED}; charset=UTF-8", "Application/CloudEvents+JSON"])
def test_b33_the_right_type_may_be_written_in_many_ways(house: House, kind: str) -> None:
    assert post(house, body(), kind).status_code == 202


def test_an_event_of_more_than_256_kib_is_413(untouched: House) -> None:
    refused(post(untouched, body(data={"a": "x" * 262_144})), 413, "too_large")


def test_a_large_item_spoils_only_itself(house: House) -> None:
    items = [event(id="large", data={"a": "x" * 262_144}), event(id="small")]
    answer = post(house, json.dumps(items).encode(), BATCH).json()
    assert answer["accepted"] == 1
    assert answer["rejected"][0]["problem"]["status"] == 413


def test_a_batch_of_501_events_is_413_and_none_is_taken(untouched: House) -> None:
    items = [event(id=f"e{number}") for number in range(501)]
    refused(post(untouched, json.dumps(items).encode(), BATCH), 413, "too_large")


def test_a_body_of_more_than_a_mebibyte_is_413(untouched: House) -> None:
    refused(post(untouched, b" " * (1024 * 1024 + 1), BATCH), 413, "too_large")


BINARY = {"ce_specversion": "1.0", "ce_id": "e1", "ce_source": "tests", "ce_type": "product.login"}
BAD_HEADERS = [
    ("B8 NUL, percent-encoded", {"ce_id": "a%00b"}, "/id"),
    ("B7 a surrogate, percent-encoded", {"ce_id": "%ED%A0%80"}, "/id"),
    ("B6 no UTF-8, percent-encoded", {"ce_source": "%ff"}, "/source"),
    ("B6 a percent sign alone", {"ce_source": "100%"}, "/source"),
    ("B18 digits as time", {"ce_time": "1767225600"}, "/time"),
    ("B22 the year 9999", {"ce_time": "9999-12-31T23:59:59Z"}, "/time"),
    ("B25 an empty id", {"ce_id": ""}, "/id"),
    ("B15 data as an attribute", {"ce_data": "{}"}, "/data"),
    ("B15 a name with an underscore", {"ce_is-admin": "true"}, "/is-admin"),
    ("B35 an account id with a path", {"ce_account": "../../x"}, "/account"),
    ("B36 another version", {"ce_specversion": "0.3"}, "/specversion"),
]


@pytest.mark.parametrize(("rule", "headers", "pointer"), BAD_HEADERS, ids=[rule for rule, *_ in BAD_HEADERS])
def test_a_bad_header_of_the_binary_mode_is_422(
    untouched: House, rule: str, headers: dict[str, str], pointer: str
) -> None:
    answer = post(untouched, b"{}", "application/json", **{**BINARY, **headers})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("rule", "sent", "status"),
    [
        ("B1", b"  ", 400),
        ("B2", b"null", 422),
        ("B3", b'{"a": ', 400),
        ("B5", b"\xef\xbb\xbf{}", 400),
        ("B6", b'{"a": "\xff"}', 400),
        ("B7", b'{"a": "\\ud800"}', 422),
        ("B8", b'{"a": "\\u0000"}', 422),
        ("B9", b'{"a": NaN}', 422),
        ("B10", b'{"a": 1000000000000000000000000000000}', 422),
        ("B12", b'{"a": 1, "a": 2}', 422),
        ("B13", b"[" * 100_000, 400),
    ],
)
def test_bad_data_of_the_binary_mode_is_refused_alike(
    untouched: House, rule: str, sent: bytes, status: int
) -> None:
    answer = post(untouched, sent, "application/json", **BINARY)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("kind", [None, "text/plain", "application/xml", "application/json; charset=utf-16"])
def test_b33_data_of_another_type_is_415(untouched: House, kind: str | None) -> None:
    refused(post(untouched, b"<a/>", kind, **BINARY), 415, "unsupported_media_type")
