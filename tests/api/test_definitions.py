"""Definitions by the public door: drafts, versions, faults, what counts and since when."""

from copy import deepcopy
from typing import Any

import pytest

from api.house import House
from api.tale import DEFINITIONS, people, trouble
from journeys.definitions import MODELS
from signals.instant import HOUR

SIGNAL: dict[str, Any] = {"key": "pro", "when": {"attribute": "account.plan", "is": "pro"}}
PLAY = DEFINITIONS["plays"][0]


def refused(answer: Any, status: int, *pointers: str) -> None:
    """A problem of this status that points there."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json().get("errors", [])] == list(pointers)


def put(house: House, kind: str, key: str, body: Any) -> Any:
    """One try to keep a draft."""
    return house.call("PUT", f"/v1/{kind}/{key}", body, scope="marketer")


def without(**names: Any) -> dict[str, Any]:
    """The play with these fields instead."""
    return {**deepcopy(PLAY), **names}


def test_a_draft_is_kept_under_its_key_and_counts_for_nothing_yet(house: House) -> None:
    kept = put(house, "signals", "pro", SIGNAL).json()
    assert (kept["version"], kept["status"], kept["activated_at"]) == (1, "draft", None)
    assert house.get("/v1/signals/pro") == kept
    house.ok("PUT", "/v1/accounts/acme", {"attributes": {"plan": "pro"}})
    assert house.get("/v1/accounts/acme")["open_signals"] == []


def test_the_key_may_stand_in_the_address_alone(house: House) -> None:
    assert put(house, "signals", "pro", {"when": SIGNAL["when"]}).json()["body"]["key"] == "pro"


def test_another_key_in_the_body_is_refused(shared: House) -> None:
    refused(put(shared, "signals", "other", SIGNAL), 422, "/signals/other/key")


def test_the_same_body_again_is_the_same_version_and_another_the_next(house: House) -> None:
    put(house, "signals", "pro", SIGNAL)
    assert put(house, "signals", "pro", SIGNAL).json()["version"] == 1
    changed = {**SIGNAL, "severity": "critical"}
    assert put(house, "signals", "pro", changed).json()["version"] == 2
    versions = house.get("/v1/signals/pro/versions")["items"]
    assert [(one["version"], one["body"]) for one in versions] == [(2, changed), (1, SIGNAL)]


def test_activation_reaches_the_accounts_there_are_silently(house: House) -> None:
    house.ok("PUT", "/v1/accounts/acme", {"attributes": {"plan": "pro"}})
    put(house, "signals", "pro", SIGNAL)
    live = house.ok("POST", "/v1/signals/pro/activate", scope="marketer")
    assert (live["status"], live["activated_at"] is not None) == ("active", True)
    assert [one["signal"] for one in house.get("/v1/accounts/acme")["open_signals"]] == ["pro"]


def test_a_new_version_retires_the_old_one(house: House) -> None:
    for body in (SIGNAL, {**SIGNAL, "severity": "critical"}):
        put(house, "signals", "pro", body)
        house.ok("POST", "/v1/signals/pro/activate")
    versions = house.get("/v1/signals/pro/versions")["items"]
    assert [one["status"] for one in versions] == ["active", "retired"]


def test_a_dry_run_checks_and_changes_nothing(house: House) -> None:
    put(house, "signals", "pro", SIGNAL)
    before = house.everything()
    assert house.ok("POST", "/v1/signals/pro/activate?dry_run=true")["status"] == "draft"
    assert house.everything() == before
    put(house, "plays", "rescue", PLAY)
    assert house.call("POST", "/v1/plays/rescue/activate?dry_run=true").status_code == 422


@pytest.mark.parametrize(
    ("kind", "body", "pointer"),
    [
        ("signals", {**SIGNAL, "colour": "red"}, "/signals/pro/colour"),
        ("signals", {"key": "pro"}, "/signals/pro"),
        ("signals", {**SIGNAL, "severity": "dire"}, "/signals/pro/severity"),
        ("signals", {**SIGNAL, "when": {"attribute": "account.plan"}}, "/signals/pro/when"),
        ("segments", {"key": "pro", "enter": {"moon": "full"}}, "/segments/pro/enter"),
        ("segments", {"key": "pro", "enter": 7}, "/segments/pro/enter"),
        ("blocks", {"key": "pro", "slot": "opening", "body": "Hi", "when": 7}, "/blocks/pro/when"),
        ("content", {"key": "pro", "channel": "pigeon", "body": "Hi"}, "/content/pro/channel"),
    ],
)
def test_a_body_that_makes_no_sense_is_422_with_its_place(
    shared: House, kind: str, body: dict[str, Any], pointer: str
) -> None:
    before = shared.everything()
    answer = put(shared, kind, "pro", body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(pointer), answer.text
    assert answer.json()["errors"][0]["detail"]
    assert shared.everything() == before


@pytest.mark.parametrize("body", [[], "x", 7, None])
def test_a_definition_is_an_object(shared: House, body: Any) -> None:
    answer = shared.http.put(
        "/v1/plays/x",
        content=b"null" if body is None else str(body).replace("x", '"x"').encode(),
        headers={**shared.signed("marketer"), "content-type": "application/json"},
    )
    assert answer.status_code == 422


def test_lint_names_what_points_nowhere_and_activation_refuses_it(house: House) -> None:
    put(house, "plays", "rescue", without(trigger={"signal": "nowhere"}))
    faults = house.ok("POST", "/v1/plays/rescue/lint")["faults"]
    trigger = next(fault for fault in faults if fault["pointer"] == "/trigger/signal")
    assert (trigger["detail"], trigger["blocking"]) == ("there is no signal 'nowhere'", True)
    assert any("there is no content 'sorry'" in fault["detail"] for fault in faults)
    answer = house.call("POST", "/v1/plays/rescue/activate")
    assert answer.status_code == 422
    told = {error["pointer"]: error["mend"] for error in answer.json()["errors"]}
    assert told.keys() >= {"/plays/rescue/trigger/signal", "/plays/rescue/step 2"}
    assert told["/plays/rescue/step 2"] == "define it in content/"
    assert house.get("/v1/plays/rescue")["status"] == "draft"


def test_signals_in_a_circle_are_refused_and_what_was_live_stays(house: House) -> None:
    put(house, "segments", "a", {"key": "a", "enter": {"attribute": "account.plan", "is": "pro"}})
    put(house, "segments", "b", {"key": "b", "enter": {"segment": "a"}})
    for key in "ab":
        house.ok("POST", f"/v1/segments/{key}/activate")
    put(house, "segments", "a", {"key": "a", "enter": {"segment": "b"}})
    assert house.call("POST", "/v1/segments/a/activate").status_code == 422
    house.ok("PUT", "/v1/accounts/acme", {"attributes": {"plan": "pro"}})
    assert house.get("/v1/accounts/acme")["segments"] == ["a", "b"]


def test_a_paused_play_starts_nothing_until_it_is_activated_again(told: House) -> None:
    assert told.ok("POST", "/v1/plays/rescue/pause")["status"] == "paused"
    people(told, "beta")
    trouble(told, "beta")
    assert told.get("/v1/journeys", account="beta")["items"] == []
    told.ok("POST", "/v1/plays/rescue/activate")
    people(told, "gamma")
    trouble(told, "gamma")
    assert len(told.get("/v1/journeys", account="gamma")["items"]) == 1


def test_what_is_paused_is_told_where_a_draft_is_newer(told: House) -> None:
    put(told, "plays", "rescue", without(priority=7))
    for verb, status in (("pause", "paused"), ("resume", "active"), ("stop", "draining")):
        answer = told.ok("POST", f"/v1/plays/rescue/{verb}")
        assert (answer["version"], answer["status"]) == (1, status)


@pytest.mark.parametrize("verb", ["activate", "pause", "resume", "stop", "archive"])
def test_options_sent_where_nobody_reads_them_are_refused_and_nothing_happens(told: House, verb: str) -> None:
    before = told.everything()
    for body in ({"dry_run": True}, {"mode": "abort"}, [1]):
        refused(told.call("POST", f"/v1/plays/rescue/{verb}", body), 422)
    assert told.everything() == before


def test_only_plays_are_paused(told: House) -> None:
    refused(told.call("POST", "/v1/signals/ticket_spike/pause"), 422)


def test_what_is_archived_counts_no_more_and_breaks_nothing(told: House) -> None:
    """The play and the segment that name the signal stay live: they find that it never opens."""
    assert told.ok("POST", "/v1/signals/ticket_spike/archive")["status"] == "archived"
    people(told, "beta")
    trouble(told, "beta")
    told.clock.at += HOUR
    told.tick()
    found = told.get("/v1/accounts/beta")
    assert (found["open_signals"], found["segments"]) == ([], [])
    assert told.get("/v1/dead")["items"] == []
    refused(told.call("POST", "/v1/signals/ticket_spike/archive"), 409)


@pytest.mark.parametrize("verb", ["lint", "activate", "pause", "archive"])
def test_a_verb_on_what_is_not_there_is_404(shared: House, verb: str) -> None:
    refused(shared.call("POST", f"/v1/plays/nowhere/{verb}"), 404)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/plays/nowhere",
        "/v1/plays/nowhere/versions",
        "/v1/unicorns",
        "/v1/unicorns/x",
        "/v1/schemas/unicorns",
    ],
)
def test_what_is_not_there_is_404(shared: House, path: str) -> None:
    refused(shared.call("GET", path), 404)


def test_an_unknown_kind_takes_no_definition(shared: House) -> None:
    answer = put(shared, "unicorns", "x", {})
    refused(answer, 404)
    assert "signals" in answer.json()["detail"]


@pytest.mark.parametrize("kind", MODELS)
def test_every_kind_has_its_schema(shared: House, kind: str) -> None:
    schema = shared.get(f"/v1/schemas/{kind}")
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False


def test_a_schema_says_durations_and_instants_as_people_write_them(shared: House) -> None:
    assert shared.get("/v1/schemas/signals")["properties"]["cooldown"]["type"] == "string"


# ── the single documents ───────────────────────────────────────────────────────────────────────────────────────

STAGES = [{"key": "new", "when": {"attribute": "account.tenure_days", "lt": 30}}]


@pytest.mark.parametrize("body", [STAGES, {"stages": STAGES}], ids=["a list", "an object"])
def test_stages_are_one_document(house: House, body: Any) -> None:
    put(house, "stages", "stages", body)
    house.ok("POST", "/v1/stages/stages/activate")
    house.ok("PUT", "/v1/accounts/acme", {})
    assert house.get("/v1/accounts/acme")["stage"] == "new"


def test_policies_are_one_document_with_defaults(house: House) -> None:
    assert put(house, "policies", "policies", {"hold_ttl": "24h"}).status_code == 200
    assert house.ok("POST", "/v1/policies/policies/activate")["body"] == {"hold_ttl": "24h"}
    refused(put(house, "policies", "other", {}), 422, "/policies/other/key")
    refused(put(house, "policies", "policies", {"hold_tll": "24h"}), 422, "/policies/policies/hold_tll")


# ── lists ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_is_walked_by_its_cursor(house: House) -> None:
    keys = [f"s{number}" for number in range(5)]
    for key in keys:
        put(house, "signals", key, {**SIGNAL, "key": key})
    found, query = [], {"limit": 2}
    while True:
        page = house.get("/v1/signals", **query)
        assert len(page["items"]) <= 2
        found += [one["key"] for one in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert found == keys
    refused(house.call("GET", "/v1/plays", params={"cursor": query["cursor"]}), 400)


@pytest.mark.parametrize("query", ["limit=-1", "limit=1e9", "limit=0", "order_by=password"])
def test_b85_a_list_takes_nothing_else(shared: House, query: str) -> None:
    assert shared.call("GET", f"/v1/signals?{query}").status_code == 422


def test_b84_a_cursor_made_up_is_400(shared: House) -> None:
    refused(shared.call("GET", "/v1/signals?cursor=AAAA"), 400)
