"""The Segment HTTP Tracking API, by its public door: keys, answers, limits, leniency (interfaces §3, ecosystem §3.2)."""

import gzip
import math
from base64 import b64encode
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from api.house import NOW, House
from api.routes import SEGMENT
from journeys.ingest import Unavailable
from journeys.store.tables import dead_letters, events, log
from signals.event import Event, unpack
from signals.instant import HOUR, MINUTE, iso
from signals.sources.segment import MAX_BATCH, MAX_BYTES, MAX_MESSAGE

SUCCESS = b'{"success": true}'
PATHS = sorted(path for _, path in SEGMENT)
CALL = {
    "type": "track",
    "event": "Report Created",
    "userId": "ann",
    "messageId": "m1",
    "context": {"groupId": "acme"},
}


def basic(key: str) -> dict[str, str]:
    """A write key where Segment's libraries put it."""
    return {"authorization": f"Basic {b64encode(f'{key}:'.encode()).decode()}"}


def post(house: House, path: str, body: Any, **headers: str) -> Any:
    """One request with a write key; bytes go as they are."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    key = basic(house.key("ingest"))
    return house.http.post(path, content=raw, headers={"content-type": "application/json", **key, **headers})


def taken(house: House) -> list[Event]:
    """What lies in the log, in the order of arrival."""
    with house.database.read() as connection:
        return [
            unpack(body).event
            for body in connection.execute(sa.select(log.c.body).order_by(log.c.offset)).scalars()
        ]


def aside(house: House) -> list[tuple[str, bytes]]:
    """Dead letters: why, and the bytes."""
    with house.database.read() as connection:
        asked = sa.select(dead_letters.c.reason, dead_letters.c.value).order_by(dead_letters.c.detail)
        return [tuple(row) for row in connection.execute(asked)]


def failed(answer: Any, status: int, code: str) -> str:
    """What an answer says that must be a failure in Segment's form."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), answer.text
    said: dict[str, Any] = answer.json()
    assert said.keys() == {"success", "code", "message"}
    assert (said["success"], said["code"]) == (False, code)
    return str(said["message"])


# ── calls ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", PATHS)
def test_every_route_answers_success_once_the_event_is_in_the_log(house: House, path: str) -> None:
    body = {**CALL, "groupId": "acme", "previousId": "old"}
    many = path.rsplit("/", 1)[1] in ("batch", "import", "b")
    answer = post(house, path, {"batch": [body]} if many else body)
    assert (answer.status_code, answer.content) == (200, SUCCESS)
    assert answer.headers["content-type"] == "application/json"
    (event,) = taken(house)
    assert (event.id, event.contact, event.account) == ("m1", "ann", "acme")


def test_the_path_says_what_a_call_is_and_in_a_batch_its_type_does(house: House) -> None:
    post(house, "/v1/identify", {**CALL, "type": "track"})
    post(house, "/v1/batch", {"batch": [{**CALL, "messageId": "m2", "type": "screen"}]})
    assert [event.type for event in taken(house)] == ["crm.contact_updated", "product.screen_viewed"]


def test_a_customer_appears_from_calls_alone(house: House) -> None:
    post(house, "/v1/group", {"userId": "ann", "groupId": "acme", "traits": {"name": "Acme", "plan": "pro"}})
    post(house, "/v1/identify", {"userId": "ann", "traits": {"email": "ann@example.com", "firstName": "Ann"}})
    post(house, "/v1/track", {"userId": "ann", "event": "Order Completed", "properties": {"total": 12.5}})
    house.fold()
    found = house.get("/v1/accounts/acme")
    assert (found["name"], found["attributes"]["plan"], found["attributes"]["ltv"]) == ("Acme", "pro", 12.5)
    assert [(who["id"], who["name"], who["email"]) for who in found["contacts"]] == [
        ("ann", "Ann", "ann@example.com")
    ]


def test_the_same_call_again_counts_once_however_much_later_it_is_sent(house: House) -> None:
    call = {**CALL, "timestamp": iso(NOW - HOUR)}
    for _ in range(2):
        assert (
            post(house, "/v1/batch", {"batch": [call, call], "sentAt": iso(house.clock())}).content == SUCCESS
        )
        house.clock.at += MINUTE
    house.fold()
    post(house, "/v1/track", {**call, "sentAt": iso(house.clock())})
    house.fold()
    assert house.counts() == {"log": 0, "events": 1, "accounts": 1, "dead_letters": 0}


def test_calls_without_an_id_are_each_one_of_their_own(house: House) -> None:
    call = {name: value for name, value in CALL.items() if name != "messageId"}
    post(house, "/v1/track", call)
    post(house, "/v1/track", call)
    assert len({event.id for event in taken(house)}) == 2


def test_another_call_under_a_known_id_is_a_dead_letter(house: House) -> None:
    post(house, "/v1/track", CALL)
    other = {**CALL, "event": "Report Deleted"}
    assert post(house, "/v1/track", other).content == SUCCESS
    assert aside(house) == [("id_conflict", orjson.dumps(other))]


def test_a_mapping_of_ones_own_goes_before_the_shipped_names(house: House) -> None:
    rule = {"when": {"event": "Report Created"}, "type": "product.report_made", "id": "messageId"}
    house.ok("PUT", "/v1/mappings/segment", {"each": [rule]})
    house.ok("POST", "/v1/mappings/segment/activate")
    post(house, "/v1/track", CALL)
    assert [event.type for event in taken(house)] == ["product.report_made"]


# ── leniency ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_gzip_is_taken(house: House) -> None:
    raw = gzip.compress(orjson.dumps({"batch": [CALL]}))
    assert post(house, "/v1/batch", raw, **{"content-encoding": "gzip"}).content == SUCCESS
    assert len(taken(house)) == 1


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", ""]
)
def test_any_content_type_is_taken(house: House, kind: str) -> None:
    assert post(house, "/v1/track", CALL, **{"content-type": kind}).content == SUCCESS


def test_calls_that_could_not_be_taken_are_dead_letters_and_the_others_are_in_the_log(house: House) -> None:
    nameless = {"type": "track", "userId": "ann"}
    late = {**CALL, "messageId": "m2", "timestamp": iso(NOW + HOUR)}
    answer = post(house, "/v1/batch", {"batch": [nameless, CALL, 5, late]})
    assert (answer.status_code, answer.content) == (200, SUCCESS)
    assert [event.id for event in taken(house)] == ["m1"]
    kept = aside(house)
    assert sorted(reason for reason, _ in kept) == ["in_the_future", "invalid", "invalid"]
    assert {value for _, value in kept} == {orjson.dumps(nameless), b"5", orjson.dumps(late)}


def test_the_same_bad_call_again_is_the_same_dead_letter(house: House) -> None:
    for _ in range(2):
        post(house, "/v1/track", {"userId": "ann"})
    assert len(aside(house)) == 1


@pytest.mark.parametrize("value", [b"NaN", b'"\\u0000"', b'"\\ud800"', b"1" + b"0" * 30])
def test_a_value_nobody_can_keep_spoils_only_its_call(house: House, value: bytes) -> None:
    bad = b'{"type":"track","userId":"ann","event":"x","properties":{"v":%s}}' % value
    body = b'{"batch":[%s,%s]}' % (orjson.dumps(CALL), bad)
    assert post(house, "/v1/batch", body).content == SUCCESS
    assert [event.id for event in taken(house)] == ["m1"]
    assert aside(house) == [("invalid", body)]
    failed(post(house, "/v1/track", bad), 400, "invalid")


def test_a_call_that_looks_like_a_batch_is_a_call(house: House) -> None:
    failed(post(house, "/v1/track", b'{"batch": [NaN], "userId": "ann", "event": "x"}'), 400, "invalid")
    assert post(house, "/v1/track", {**CALL, "batch": [5]}).content == SUCCESS
    assert len(taken(house)) == 1


def test_an_infinite_property_of_the_python_library_does_not_lose_the_batch(house: House) -> None:
    """json.dumps writes `Infinity`, which is no JSON."""
    import json

    bad = {**CALL, "messageId": "m2", "properties": {"ratio": math.inf}}
    assert post(house, "/v1/batch", json.dumps({"batch": [CALL, bad]}).encode()).content == SUCCESS
    assert len(taken(house)) == 1


# ── limits and what is no call at all ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"a":1}{}', b"\xef\xbb\xbf{}", b"[" * 200, b"nonsense"]
)
@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/v1/t"])
def test_what_is_no_json_is_400(house: House, path: str, body: bytes) -> None:
    failed(post(house, path, body), 400, "malformed")
    assert house.counts() == {"log": 0, "events": 0, "accounts": 0, "dead_letters": 0}


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"x"'])
def test_a_body_that_is_no_object_is_400(house: House, body: bytes) -> None:
    failed(post(house, "/v1/track", body), 400, "invalid")
    failed(post(house, "/v1/batch", body), 400, "invalid")


@pytest.mark.parametrize("body", [{}, {"batch": None}, {"batch": {}}, {"batch": "x"}])
def test_a_batch_without_calls_in_it_is_400(house: House, body: dict[str, Any]) -> None:
    assert "batch" in failed(post(house, "/v1/batch", body), 400, "invalid")


def test_an_empty_batch_is_a_success(house: House) -> None:
    assert post(house, "/v1/batch", {"batch": []}).content == SUCCESS


def padded(size: int) -> dict[str, Any]:
    """A call of this many bytes."""
    call = {**CALL, "properties": {"pad": ""}}
    call["properties"] = {"pad": "x" * (size - len(orjson.dumps(call)))}
    return call


def test_a_call_may_have_32_kb(house: House) -> None:
    assert post(house, "/v1/track", padded(MAX_MESSAGE)).content == SUCCESS
    failed(post(house, "/v1/track", padded(MAX_MESSAGE + 1)), 400, "too_large")
    failed(post(house, "/v1/batch", {"batch": [CALL, padded(MAX_MESSAGE + 1)]}), 400, "too_large")
    assert len(taken(house)) == 1


def test_a_batch_may_have_2500_calls(house: House) -> None:
    calls = [
        {"type": "track", "event": "x", "userId": "u", "messageId": f"{n}"} for n in range(MAX_BATCH + 1)
    ]
    failed(post(house, "/v1/batch", {"batch": calls}), 400, "too_large")
    assert taken(house) == []
    assert post(house, "/v1/batch", {"batch": calls[1:]}).content == SUCCESS
    assert len(taken(house)) == MAX_BATCH


def test_a_request_may_have_500_kb_inflated_or_not(house: House) -> None:
    whole = {"batch": [padded(30_000) for _ in range(17)]}
    room = MAX_BYTES - len(orjson.dumps(whole))
    body = orjson.dumps({**whole, "pad": "x" * (room - len(',"pad":""'))})
    assert len(body) == MAX_BYTES
    assert post(house, "/v1/batch", body).content == SUCCESS
    too_large = [
        post(house, "/v1/batch", body + b" "),
        post(house, "/v1/batch", gzip.compress(body + b" "), **{"content-encoding": "gzip"}),
    ]
    for answer in too_large:
        failed(answer, 400, "too_large")
        assert answer.headers["access-control-allow-origin"] == "*"


def test_what_is_no_gzip_is_400(house: House) -> None:
    failed(post(house, "/v1/batch", b"nonsense", **{"content-encoding": "gzip"}), 400, "malformed")
    failed(post(house, "/v1/batch", b"nonsense", **{"content-encoding": "br"}), 400, "unsupported_media_type")


def test_other_routes_keep_their_own_limit(house: House) -> None:
    """`/v1/t` is no prefix of `/v1/tasks`."""
    answer = house.call("POST", "/v1/tasks/none/comment", headers={"content-length": str(MAX_BYTES + 1)})
    assert answer.status_code != 413


def test_when_nothing_can_be_made_durable_the_library_is_to_come_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise Unavailable("the log could not be written")

    monkeypatch.setattr("journeys.ingest.GroupCommit.accept", full)
    answer = post(house, "/v1/track", CALL)
    failed(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "2"
    assert house.counts()["dead_letters"] == 0


# ── keys ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_write_key_may_stand_in_the_body_as_browsers_send_it(house: House) -> None:
    key = house.key("ingest")
    assert house.http.post("/v1/t", content=orjson.dumps({**CALL, "writeKey": key})).content == SUCCESS
    body = {"batch": [{**CALL, "messageId": "m2"}], "writeKey": key}
    assert house.http.post("/v1/b", content=orjson.dumps(body)).content == SUCCESS
    assert len(taken(house)) == 2


@pytest.mark.parametrize("scope", ["ingest", "admin"])
def test_a_bearer_key_opens_too(house: House, scope: str) -> None:
    assert house.http.post("/v1/track", json=CALL, headers=house.signed(scope)).content == SUCCESS


@pytest.mark.parametrize("path", PATHS)
def test_no_call_is_taken_without_a_key_of_the_scope(house: House, path: str) -> None:
    body = orjson.dumps({**CALL, "batch": [CALL], "groupId": "g", "previousId": "p"})
    key = house.key("ingest")
    wrong = [
        {},
        {"authorization": ""},
        *(
            {"authorization": f"{word} {given}"}
            for word in ("Basic", "Bearer", "Token")
            for given in ("", "!!", "x")
        ),
        basic("jk_wrong"),
        basic(key[:-1]),
        {"authorization": f"Basic {b64encode(f'x:{key}'.encode()).decode()}"},
        {"authorization": f"Token {key}"},
        {"authorization": "Basic /w=="},
    ]
    for headers in wrong:
        answer = house.http.post(path, content=body, headers=headers)
        failed(answer, 401, "invalid_write_key")
        assert answer.headers["www-authenticate"].startswith("Basic")
    for scope in ("csm", "marketer"):
        failed(house.http.post(path, content=body, headers=basic(house.key(scope))), 403, "forbidden")
    assert taken(house) == []


@pytest.mark.parametrize("key", [None, 5, "", [], {"a": 1}, "jk_wrong", "é"])
def test_a_write_key_in_the_body_that_is_none_is_401(house: House, key: Any) -> None:
    failed(
        house.http.post("/v1/t", content=orjson.dumps({**CALL, "writeKey": key})), 401, "invalid_write_key"
    )


def test_a_wrong_key_is_told_before_the_body_is_read(house: House) -> None:
    failed(house.http.post("/v1/track", content=b"{", headers=basic("jk_wrong")), 401, "invalid_write_key")


def test_the_key_of_the_body_is_kept_nowhere(house: House) -> None:
    key = house.key("ingest")
    house.http.post("/v1/t", content=orjson.dumps({"writeKey": key, "userId": "ann"}))
    house.http.post("/v1/t", content=orjson.dumps({**CALL, "writeKey": key}))
    house.http.post("/v1/b", content=b'{"batch": [{"x": NaN}], "writeKey": "%s"}' % key.encode())
    assert len(aside(house)) == 2
    house.close()
    kept = b"".join(path.read_bytes() for path in house.folder.iterdir())
    assert key.encode() not in kept


# ── browsers ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_page_of_any_origin_may_post(house: House) -> None:
    origin = {"origin": "https://app.example.com"}
    asking = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    before = house.http.options("/v1/t", headers={**origin, **asking})
    assert before.status_code == 204
    allowed = before.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "x-retry-count"} <= set(allowed)
    assert "POST" in before.headers["access-control-allow-methods"]
    for answer in (before, post(house, "/v1/t", CALL, **origin), post(house, "/v1/t", b"{", **origin)):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


def test_no_other_route_is_open_to_pages(house: House) -> None:
    asking = {"origin": "https://app.example.com", "access-control-request-method": "POST"}
    for path in ("/v1/events", "/v1/accounts", "/v1/tasks", "/v1/trackers"):
        assert "access-control-allow-origin" not in house.http.options(path, headers=asking).headers


def test_what_a_page_sends_as_it_goes_is_taken(house: House) -> None:
    """sendBeacon and fetch with keepalive: text/plain, no authorization, the key in the body."""
    body = orjson.dumps({"writeKey": house.key("ingest"), "batch": [CALL], "sentAt": iso(NOW)}).decode()
    headers = {"origin": "https://app.example.com", "content-type": "text/plain;charset=UTF-8"}
    assert house.http.post("/v1/b", content=body, headers=headers).content == SUCCESS


def test_analytics_js_is_told_where_to_post(house: House) -> None:
    answer = house.http.get("/v1/projects/anyKey_1/settings", headers={"origin": "https://app.example.com"})
    ours = answer.json()["integrations"]["Segment.io"]
    assert (ours["apiKey"], ours["protocol"], ours["apiHost"]) == (
        "anyKey_1",
        "https",
        "service.example.com/v1",
    )
    assert answer.headers["access-control-allow-origin"] == "*"
    assert house.http.get("/v1/projects/a%3Cscript%3E/settings").status_code == 422


# ── whose it is ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_known_user_without_a_group_is_at_their_one_account(house: House) -> None:
    post(house, "/v1/group", {"userId": "ann", "groupId": "acme"})
    house.fold()
    post(house, "/v1/track", {"userId": "ann", "event": "x"})
    post(house, "/v1/track", {"userId": "bob", "event": "x"})
    house.fold()
    post(house, "/v1/group", {"userId": "ann", "groupId": "globex"})
    house.fold()
    post(house, "/v1/track", {"userId": "ann", "event": "x"})
    house.fold()
    assert sorted(reason for reason, _ in aside(house)) == ["ambiguous_account", "no_account"]
    with house.database.read() as connection:
        found = (
            connection.execute(sa.select(events.c.account).where(events.c.type == "product.x"))
            .scalars()
            .all()
        )
    assert found == ["acme"]


def test_a_visitor_becomes_a_contact_with_all_they_did(house: House) -> None:
    for number in range(3):
        call = {"anonymousId": "anon", "messageId": f"p{number}", "timestamp": iso(NOW - HOUR)}
        assert post(house, "/v1/page", call).content == SUCCESS
    house.fold()
    assert house.counts() == {"log": 0, "events": 0, "accounts": 0, "dead_letters": 0}
    assert "journeys_events_unassigned 3.0" in house.http.get("/metrics").text
    post(house, "/v1/group", {"userId": "ann", "groupId": "acme"})
    for number in range(2):
        post(house, "/v1/identify", {"userId": "ann", "anonymousId": "anon", "messageId": f"i{number}"})
        house.fold()
    with house.database.read() as connection:
        rows = connection.execute(sa.select(events).where(events.c.type == "product.page_viewed")).all()
    assert [(row.account, row.contact, row.time) for row in rows] == [("acme", "ann", NOW - HOUR)] * 3
    assert "journeys_events_unassigned 0.0" in house.http.get("/metrics").text
