"""Offers by the public door: kept, checked, made live, and used by plays (definitions.md, kind `offers`)."""

from typing import Any

from api.house import House

HALF: dict[str, Any] = {
    "key": "half",
    "kind": "discount",
    "value": {"percent": 50},
    "limit": {"per_account": 1, "in": "365d"},
}


def put(house: House, key: str, body: Any, kind: str = "offers") -> Any:
    return house.call("PUT", f"/v1/{kind}/{key}", body, scope="marketer")


def test_an_offer_is_kept_listed_and_has_a_schema(house: House) -> None:
    kept = put(house, "half", HALF).json()
    assert (kept["version"], kept["status"], kept["body"]) == (1, "draft", HALF)
    assert [each["key"] for each in house.get("/v1/offers")["items"]] == ["half"]
    assert set(house.get("/v1/schemas/offers")["properties"]) == {"key", "kind", "when", "value", "limit"}


def test_an_offer_that_means_nothing_is_refused_where_it_is_wrong(shared: House) -> None:
    answer = put(shared, "half", {**HALF, "kind": "bribe"})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/offers/half/kind"]


def test_a_play_is_not_made_live_before_its_offer_is_defined(house: House) -> None:
    step = {"offer": {"offers": ["half"], "to": "admin", "content": "save"}}
    body = {"key": "save", "trigger": {"event": "crm.cancel_asked"}, "steps": [step]}
    text = {"key": "save", "channel": "email", "class": "service", "subject": "Stay", "body": "Please stay."}
    put(house, "save", text, "content")
    house.ok("POST", "/v1/content/save/activate", scope="marketer")
    put(house, "save", body, "plays")
    answer = house.call("POST", "/v1/plays/save/activate", scope="marketer")
    assert answer.status_code == 422
    assert "there is no offer 'half'" in answer.text
    put(house, "half", HALF)
    house.ok("POST", "/v1/offers/half/activate", scope="marketer")
    house.ok("POST", "/v1/plays/save/activate", scope="marketer")
