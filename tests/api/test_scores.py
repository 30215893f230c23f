"""Health through the API: the definition, the score of an account, its ledger page by page, accounts by band."""

from typing import Any

import pytest

from api.house import House, MakeHouse
from signals.instant import DAY, HOUR

NPS = {
    "key": "nps",
    "name": "Would they",
    "value": {"attribute": "account.nps"},
    "map": [[0, 0], [10, 100]],
    "weight": 2,
}
SEATS = {"key": "seats", "value": {"attribute": "account.seats"}, "map": [[0, 0], [10, 100]], "weight": 1}
HEALTH = {
    "version": 7,
    "measures": [NPS, SEATS],
    "flags": [{"key": "late", "when": {"attribute": "account.late", "is": True}, "cap": "amber"}],
}


def define(house: House, body: Any = HEALTH) -> None:
    house.ok("PUT", "/v1/health/health", body)
    house.ok("POST", "/v1/health/health/activate")


def say(house: House, **attributes: Any) -> None:
    """The account's attributes, told an hour later."""
    house.clock.at += HOUR
    house.ok("PUT", "/v1/accounts/acme", {"attributes": attributes})


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    house = make_house()
    define(house)
    return house


def test_the_score_of_an_account_shows_all_it_is_made_of(house: House) -> None:
    say(house, nps=8)
    say(house, late=True)
    seen = house.get("/v1/accounts/acme/health")
    told = seen.pop("ledger")["items"]
    assert seen == {
        "account": "acme",
        "score": 80,
        "band": "amber",
        "trend": None,
        "version": 7,
        "reasons": [
            {"key": "late", "kind": "flag", "points": 0, "value": None},
            {"key": "nps", "kind": "measure", "points": -20, "value": 8},
        ],
        "measures": [
            {"key": "nps", "name": "Would they", "value": 8, "points": 80, "weight": 2, "share": 1},
            {"key": "seats", "name": "seats", "value": None, "points": None, "weight": 1, "share": 0},
        ],
        "flags": [
            {"key": "late", "name": "late", "cap": "amber", "holds": True, "since": "2026-03-02T11:00:00Z"}
        ],
    }
    assert [(one["key"], one["points"], one["score"], one["at"]) for one in told] == [
        ("late", 0, {"before": 80, "after": 80}, "2026-03-02T11:00:00Z"),
        ("nps", 80, {"before": None, "after": 80}, "2026-03-02T10:00:00Z"),
    ]
    assert all(one["event"] for one in told)
    assert house.get("/v1/accounts/acme")["health"] == {
        name: seen[name] for name in ("score", "band", "trend", "reasons", "version")
    }


def test_measures_are_shown_as_they_stand_now_also_where_the_score_has_not_moved(house: House) -> None:
    say(house, nps=11)
    say(house, nps=12)
    seen = house.get("/v1/accounts/acme/health")
    assert (seen["measures"][0]["value"], len(seen["ledger"]["items"])) == (12, 1)


def test_the_ledger_comes_page_by_page_and_adds_up(house: House) -> None:
    for nps in (3, 9, 4, 10, 1):
        say(house, nps=nps, seats=nps)
    pages, cursor = [], None
    while True:
        asked = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = house.get("/v1/accounts/acme/health", **asked)["ledger"]
        pages += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(pages) == 10
    assert [one["at"] for one in pages] == sorted((one["at"] for one in pages), reverse=True)
    assert sum(one["points"] for one in pages) == house.get("/v1/accounts/acme/health")["score"] == 10
    refused = house.call("GET", "/v1/accounts/acme/health", params={"cursor": "tampered"})
    assert refused.status_code == 400


def test_an_account_without_a_score_has_empty_health_and_an_unknown_one_none(house: House) -> None:
    say(house, plan="pro")
    assert house.get("/v1/accounts/acme")["health"] is None
    seen = house.get("/v1/accounts/acme/health")
    assert (seen["score"], seen["band"], seen["ledger"]["items"]) == (None, None, [])
    assert [one["points"] for one in seen["measures"]] == [None, None]
    assert house.call("GET", "/v1/accounts/nobody/health").status_code == 404


def test_accounts_are_found_by_their_band_as_time_and_events_change_it(house: House) -> None:
    say(house, nps=9)
    assert [one["id"] for one in house.get("/v1/accounts", band="green")["items"]] == ["acme"]
    say(house, nps=2)
    assert house.get("/v1/accounts", band="green")["items"] == []
    assert [one["id"] for one in house.get("/v1/accounts", band="red")["items"]] == ["acme"]
    house.ok("POST", "/v1/health/health/archive")
    house.clock.at += DAY
    house.tick()
    say(house, plan="pro")
    assert house.get("/v1/accounts", band="red")["items"] == []
    assert house.get("/v1/accounts/acme")["health"] is None


def test_a_new_version_scores_anew_and_says_so(house: House) -> None:
    say(house, nps=8)
    define(house, {**HEALTH, "version": 8, "measures": [{**NPS, "map": [[0, 0], [20, 100]]}]})
    seen = house.get("/v1/accounts/acme/health")
    assert (seen["score"], seen["version"]) == (40, 8)
    newest = seen["ledger"]["items"][0]
    assert (newest["kind"], newest["key"], newest["points"]) == ("definition", "8", -40)


def test_the_definition_is_read_as_it_was_put_and_has_a_schema(house: House) -> None:
    assert house.get("/v1/health/health")["body"] == {"key": "health", **HEALTH}
    assert {"version", "measures", "bands", "flags"} <= house.get("/v1/schemas/health")["properties"].keys()


def test_a_definition_that_can_mean_nothing_is_refused_with_the_place(house: House) -> None:
    wrong = {**HEALTH, "measures": [{**NPS, "map": [[5, 0], [1, 100]]}]}
    answer = house.call("PUT", "/v1/health/health", wrong)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/health/health/measures/0/map"


def test_a_circle_through_health_is_refused(house: House) -> None:
    house.ok("PUT", "/v1/segments/risky", {"key": "risky", "enter": {"health": "band", "is": "red"}})
    house.ok("POST", "/v1/segments/risky/activate")
    flags = [{"key": "risk", "when": {"segment": "risky"}}]
    house.ok("PUT", "/v1/health/health", {**HEALTH, "flags": flags})
    answer = house.call("POST", "/v1/health/health/activate")
    assert answer.status_code == 422
    assert "circle" in answer.text
