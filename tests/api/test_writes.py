"""What people and programs write: each is an event, and a read sees it at once."""

import json
from typing import Any

import pytest

from api.house import NOW, House
from api.tale import define, people, trouble
from signals.instant import DAY, HOUR, iso


def refused(answer: Any, status: int, *words: str) -> None:
    """A problem of this status that says these words."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    for word in words:
        assert word in answer.text


# ── accounts and contacts ──────────────────────────────────────────────────────────────────────────────────────


def test_a_read_sees_an_account_that_was_just_written(house: House) -> None:
    house.ok("PUT", "/v1/accounts/acme", {"name": "Acme", "attributes": {"plan": "pro", "seats": 5}})
    house.ok("PUT", "/v1/accounts/acme", {"attributes": {"seats": 6, "plan": None}})
    found = house.get("/v1/accounts/acme")
    assert found["name"] == "Acme"
    assert found["attributes"]["seats"] == 6
    assert "plan" not in found["attributes"]
    assert house.fold() == 0


def test_a_read_sees_a_person_and_their_roles(house: House) -> None:
    people(house)
    since = iso(NOW - DAY)
    roles = ["admin", {"role": "champion", "since": since}]
    house.ok("PUT", "/v1/contacts/acme.ann", {"account": "acme", "timezone": "Europe/Berlin", "roles": roles})
    (ann,) = house.get("/v1/accounts/acme")["contacts"]
    assert (ann["name"], ann["email"], ann["timezone"]) == ("Ann", "ann@example.com", "Europe/Berlin")
    assert {(one["role"], one["since"]) for one in ann["roles"]} >= {("admin", iso(NOW)), ("champion", since)}


def test_a_signal_opens_with_the_write_that_makes_it_true(house: House) -> None:
    house.ok("PUT", "/v1/segments/pro", {"key": "pro", "enter": {"attribute": "account.plan", "is": "pro"}})
    house.ok("POST", "/v1/segments/pro/activate")
    house.ok("PUT", "/v1/accounts/acme", {"attributes": {"plan": "pro"}})
    assert house.get("/v1/accounts/acme")["segments"] == ["pro"]


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/v1/accounts/acme", {"is_admin": True}, "/is_admin"),
        ("/v1/accounts/acme", {"__proto__": {}}, "/__proto__"),
        ("/v1/accounts/acme", {"name": 7}, "/name"),
        ("/v1/accounts/acme", {"name": ""}, "/name"),
        ("/v1/accounts/acme", {"attributes": []}, "/attributes"),
        ("/v1/accounts/acme", {"attributes": {"timezone": "right/UTC"}}, "/attributes"),
        ("/v1/accounts/acme", {"attributes": {"created_at": "yesterday"}}, "/attributes"),
        ("/v1/accounts/acme", {"a/b~c": 1}, "/a~1b~0c"),
        ("/v1/contacts/ann", {}, "/account"),
        ("/v1/contacts/ann", {"account": "../../x"}, "/account"),
        ("/v1/contacts/ann", {"account": "acme", "email": "a@b.example.com, c@d.example.com"}, "/email"),
        ("/v1/contacts/ann", {"account": "acme", "email": "a@example.com\r\nBcc: b@example.com"}, "/email"),
        ("/v1/contacts/ann", {"account": "acme", "email": "ann@localhost"}, "/email"),
        ("/v1/contacts/ann", {"account": "acme", "email": f"{'a' * 65}@example.com"}, "/email"),
        ("/v1/contacts/ann", {"account": "acme", "attributes": {"email": "none"}}, "/attributes"),
        ("/v1/contacts/ann", {"account": "acme", "timezone": "posixrules"}, "/timezone"),
        ("/v1/contacts/ann", {"account": "acme", "timezone": "../../etc/passwd"}, "/timezone"),
        ("/v1/contacts/ann", {"account": "acme", "timezone": "x" * 5_000}, "/timezone"),
        ("/v1/contacts/ann", {"account": "acme", "roles": "champion"}, "/roles"),
    ],
)
def test_a_field_that_makes_no_sense_is_422_and_writes_nothing(
    shared: House, path: str, body: dict[str, Any], pointer: str
) -> None:
    shared.key("admin")
    before = shared.everything()
    answer = shared.call("PUT", path, body)
    refused(answer, 422)
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert shared.everything() == before


@pytest.mark.parametrize(
    "role", [7, None, {}, {"role": ""}, {"role": "champion", "since": 5}, {"role": "x", "a": 1}]
)
def test_a_role_that_is_none_is_422(shared: House, role: Any) -> None:
    answer = shared.call("PUT", "/v1/contacts/ann", {"account": "acme", "roles": [role]})
    refused(answer, 422, "/roles/0")


@pytest.mark.parametrize(
    "account", ["..%2F..%2Fx", "'%20OR%201=1--", "%F0%9F%92%A9", "ac%00me", "a" * 256, "%E2%80%AEx"]
)
def test_b35_an_id_of_another_pattern_is_422(shared: House, account: str) -> None:
    shared.key("admin")
    before = shared.everything()
    assert shared.call("PUT", f"/v1/accounts/{account}", {}).status_code in (404, 422)
    assert shared.everything() == before


RAW = [
    ("B1", b"", 400),
    ("B2", b"[]", 422),
    ("B2", b"null", 422),
    ("B3", b'{"attributes": {', 400),
    ("B4", b"{}{}", 400),
    ("B5", b"\xef\xbb\xbf{}", 400),
    ("B5", "{}".encode("utf-16"), 400),
    ("B6", b'{"name": "\xff"}', 400),
    ("B7", b'{"name": "\\ud800"}', 422),
    ("B7", b'{"\\ud800": 1}', 422),
    ("B8", b'{"attributes": {"a": "\\u0000"}}', 422),
    ("B9", b'{"attributes": {"a": NaN}}', 422),
    ("B9", b'{"attributes": {"a": 1e999}}', 422),
    ("B10", b'{"attributes": {"a": 1000000000000000000000000000000}}', 422),
    ("B11", b'{"attributes": {"a": ' + b"9" * 5_000 + b"}}", 400),
    ("B12", b'{"name": "a", "name": "b"}', 422),
    ("B13", b'{"attributes": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    ("B14", json.dumps({"attributes": {str(n): 0 for n in range(10_000)}}).encode(), 422),
]


@pytest.mark.parametrize(("rule", "sent", "status"), RAW)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/accounts/acme"),
        ("PUT", "/v1/contacts/ann"),
        ("POST", "/v1/accounts/acme/holds"),
        ("POST", "/v1/tasks/none/start"),
        ("PUT", "/v1/signals/x"),
        ("POST", "/v1/definitions"),
    ],
)
def test_every_body_is_read_by_the_one_strict_parser(
    shared: House, method: str, path: str, rule: str, sent: bytes, status: int
) -> None:
    headers = {**shared.signed("admin"), "content-type": "application/json"}
    before = shared.everything()
    answer = shared.http.request(method, path, content=sent, headers=headers)
    may_be_empty = method == "POST" and path != "/v1/definitions" and rule == "B1"
    refused(answer, 404 if may_be_empty else status)  # no account, no task: for those an empty body is enough
    assert shared.everything() == before


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
@pytest.mark.parametrize("path", ["/v1/accounts/acme", "/v1/signals/x"])
def test_another_content_type_is_415(shared: House, path: str, kind: str | None) -> None:
    headers = {**shared.signed("admin"), **({} if kind is None else {"content-type": kind})}
    refused(shared.http.put(path, content=b"{}", headers=headers), 415)


# ── holds ──────────────────────────────────────────────────────────────────────────────────────────────────────


def hold_names(house: House) -> list[str]:
    """The holds a delete finds on the account, told by trying."""
    return [
        name
        for name in ("manual", "legal/case 7")
        if house.call("DELETE", f"/v1/accounts/acme/holds/{name}").status_code == 204
    ]


def test_a_hold_stands_until_it_is_released(house: House) -> None:
    people(house)
    until = iso(NOW + DAY)
    made = house.call("POST", "/v1/accounts/acme/holds", {"reason": "legal/case 7", "until": until})
    assert made.status_code == 201
    assert made.json() == {"id": "legal/case 7", "account": "acme", "reason": "legal/case 7", "until": until}
    assert hold_names(house) == ["legal/case 7"]
    assert hold_names(house) == []


def test_a_hold_that_has_run_out_is_gone(house: House) -> None:
    people(house)
    house.ok("POST", "/v1/accounts/acme/holds", {"until": iso(NOW + HOUR)})
    house.clock.at += HOUR
    assert hold_names(house) == []


def test_a_hold_keeps_marketing_back(told: House) -> None:
    content = {"key": "sorry", "channel": "email", "class": "marketing", "subject": "News", "body": "News."}
    told.ok("PUT", "/v1/content/sorry", content)
    told.ok("POST", "/v1/content/sorry/activate")
    people(told, "beta")
    told.ok("POST", "/v1/accounts/beta/holds")
    trouble(told, "beta")
    told.clock.at += HOUR
    told.tick()
    told.send()
    (mail,) = told.get("/v1/messages", account="beta", channel="email")["items"]
    assert mail["status"] == "held"
    told.ok("DELETE", "/v1/accounts/beta/holds/manual")
    told.clock.at += HOUR
    told.tick()
    told.send()
    assert told.get(f"/v1/messages/{mail['id']}")["status"] == "sent"


def test_a_hold_makes_no_account(house: House) -> None:
    house.key("admin")
    before = house.everything()
    refused(house.call("POST", "/v1/accounts/nobody/holds"), 404, "no account")
    refused(house.call("DELETE", "/v1/accounts/nobody/holds/manual"), 404, "no account")
    assert {**house.everything(), "idempotency": 0} == {**before, "idempotency": 0}


def test_a_hold_placed_twice_with_one_key_is_placed_once(house: House) -> None:
    people(house)
    key = {"idempotency-key": "h1"}
    first, again = (house.call("POST", "/v1/accounts/acme/holds", headers=key) for _ in range(2))
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert again.headers["idempotency-replayed"] == "true"
    refused(house.call("POST", "/v1/accounts/acme/holds", {"reason": "other"}, headers=key), 422)


# ── tasks ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Desk:
    """The one task of the story."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.id = house.get("/v1/tasks")["items"][0]["id"]

    def move(self, verb: str, **body: Any) -> Any:
        """Try a verb."""
        return self.house.call("POST", f"/v1/tasks/{self.id}/{verb}", body or None, scope="csm")

    def did(self, verb: str, **body: Any) -> Any:
        """The task after a verb that must succeed, as a read sees it."""
        answer = self.move(verb, **body)
        assert answer.status_code == 200, answer.text
        found = self.house.get(f"/v1/tasks/{self.id}")
        assert answer.json() == found
        return found


@pytest.fixture
def desk(told: House) -> Desk:
    return Desk(told)


def test_a_task_goes_through_its_life_and_keeps_its_history(desk: Desk) -> None:
    now = desk.house.clock()
    assert desk.did("start", by="nadia")["status"] == "started"
    assert desk.did("comment", by="nadia", text="Left a message")["status"] == "started"
    assert desk.did("wait")["waiting_since"] == iso(now)
    assert desk.did("resume")["status"] == "started"
    asleep = desk.did("snooze", until=iso(now + DAY), reason="They are away")
    assert (asleep["status"], asleep["snoozed_until"]) == ("snoozed", iso(now + DAY))
    assert desk.did("resume")["status"] == "started"
    assert desk.did("reassign", owner="tom")["owner"] == "tom"
    closed = desk.did("close", outcome="saved", reason="All well again")
    assert (closed["status"], closed["outcome"], closed["closed_at"]) == ("closed", "saved", iso(now))
    assert [note["did"] for note in closed["notes"]] == [
        *("start", "comment", "wait", "resume", "snooze", "resume", "reassign", "close")
    ]
    assert [note["by"] for note in closed["notes"]][:2] == ["nadia", "nadia"]
    assert desk.house.get("/v1/tasks", status="closed", owner="tom")["items"][0]["id"] == desk.id


@pytest.mark.parametrize(
    ("verb", "body", "says"),
    [
        ("resume", {}, "only a waiting or snoozed task"),
        ("snooze", {"until": iso(NOW + 2 * DAY), "reason": "x"}, "start it first"),
        ("close", {"outcome": "saved"}, "without a reason"),
        ("close", {"reason": "x"}, "not an outcome"),
        ("comment", {"text": "  "}, "with nothing"),
    ],
)
def test_a_move_that_is_not_possible_is_409_and_says_why(
    desk: Desk, verb: str, body: dict[str, Any], says: str
) -> None:
    before = desk.house.get(f"/v1/tasks/{desk.id}")
    refused(desk.move(verb, **body), 409, says)
    assert desk.house.get(f"/v1/tasks/{desk.id}") == before


def test_a_closed_task_only_takes_comments(desk: Desk) -> None:
    desk.did("close", outcome="no_risk", reason="A test")
    for verb in ("start", "wait", "resume", "reassign"):
        refused(desk.move(verb), 409)
    refused(desk.move("close", outcome="saved", reason="again"), 409, "it is over")
    assert desk.did("comment", text="For the record")["status"] == "closed"


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("close", {"outcome": "happy", "reason": "x"}),
        ("snooze", {}),
        ("snooze", {"until": "tomorrow", "reason": "x"}),
        ("snooze", {"until": 1_767_225_600, "reason": "x"}),
        ("reassign", {"owner": "../x"}),
        ("start", {"status": "closed"}),
        ("comment", {"text": 7}),
        ("comment", {"text": "x" * 10_001}),
        ("dance", {}),
    ],
)
def test_a_move_that_makes_no_sense_is_422(desk: Desk, verb: str, body: dict[str, Any]) -> None:
    refused(desk.move(verb, **body), 422)


@pytest.mark.parametrize("days", [-1, 0, 31])
def test_a_snooze_ends_within_30_days_to_come(desk: Desk, days: int) -> None:
    desk.did("start")
    refused(desk.move("snooze", until=iso(desk.house.clock() + days * DAY), reason="x"), 409, "30 days")


def test_a_comment_sent_twice_with_one_key_is_written_once(desk: Desk) -> None:
    for _ in range(2):
        path, key = f"/v1/tasks/{desk.id}/comment", {"idempotency-key": "c1"}
        assert desk.house.call("POST", path, {"text": "Called"}, headers=key).status_code == 200
    assert len(desk.house.get(f"/v1/tasks/{desk.id}")["notes"]) == 1


def test_a_task_that_is_not_there_is_404(shared: House) -> None:
    refused(shared.call("POST", "/v1/tasks/none/start"), 404)


# ── journeys and sending ───────────────────────────────────────────────────────────────────────────────────────


def test_a_journey_ended_by_hand_is_over_once(told: House) -> None:
    (journey,) = told.get("/v1/journeys", status="active")["items"]
    assert told.ok("POST", f"/v1/journeys/{journey['id']}/exit") == {"id": journey["id"], "account": "acme"}
    found = told.get(f"/v1/journeys/{journey['id']}")
    assert (found["status"], found["reason"], found["ended_at"]) == ("exited", "manual", iso(told.clock()))
    refused(told.call("POST", f"/v1/journeys/{journey['id']}/exit"), 409, "exited")
    refused(told.call("POST", "/v1/journeys/none/exit"), 404)


def test_nothing_is_sent_while_sending_is_stopped(house: House) -> None:
    define(house)
    people(house)
    assert house.ok("POST", "/v1/sending/stop") == {"sending": "stopped"}
    trouble(house)
    house.clock.at += HOUR
    house.tick()
    house.send()
    assert house.get("/v1/messages", status="sent")["items"] == []
    assert house.ok("POST", "/v1/sending/start") == {"sending": "on"}
    house.tick()
    house.send()
    assert len(house.get("/v1/messages", status="sent")["items"]) == 2


def test_there_are_two_ways_to_throw_the_switch(shared: House) -> None:
    refused(shared.call("POST", "/v1/sending/pause"), 422)
