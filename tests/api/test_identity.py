"""Who is who, through the API (semantics §2 "Identity")."""

from typing import Any

from api.house import House
from api.tale import people, trouble
from signals.instant import HOUR

CLOUD = {"content-type": "application/cloudevents+json"}


def tell(house: House, kind: str, **about: Any) -> None:
    """An event from outside, folded."""
    house.clock.at += HOUR
    event = {"specversion": "1.0", "id": f"{kind}-{house.clock()}", "source": "crm", "type": kind, **about}
    house.ok("POST", "/v1/events", event, scope="ingest", headers=CLOUD)
    house.fold()


def dead(house: House) -> list[str]:
    """The reasons of all dead letters."""
    return [letter["reason"] for letter in house.get("/v1/dead")["items"]]


def test_what_others_call_an_account_and_a_person_is_written_and_shown(house: House) -> None:
    people(house)
    house.ok("PUT", "/v1/accounts/acme", {"external": {"stripe": "cus_1"}})
    house.ok("PUT", "/v1/accounts/acme", {"external": {"stripe": "cus_2", "hubspot": "12"}})
    house.ok("PUT", "/v1/contacts/acme.ann", {"account": "acme", "external": {"zendesk": "77"}})
    acme = house.get("/v1/accounts/acme")
    assert acme["external"] == {"hubspot": ["12"], "stripe": ["cus_1", "cus_2"]}
    assert acme["contacts"][0]["external"] == {"zendesk": ["77"]}
    assert house.get("/v1/accounts")["items"][0]["external"] == acme["external"]


def test_an_external_id_of_another_account_is_refused_and_nothing_of_the_write_remains(house: House) -> None:
    people(house)
    house.ok("PUT", "/v1/accounts/acme", {"external": {"stripe": "cus_1"}})
    answer = house.call(
        "PUT", "/v1/accounts/beta", {"attributes": {"plan": "pro"}, "external": {"stripe": "cus_1"}}
    )
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:journeys:external_taken")
    assert "'acme'" in answer.json()["detail"]
    assert house.call("GET", "/v1/accounts/beta").status_code == 404


def test_external_must_be_texts_by_source(house: House) -> None:
    people(house)
    for wrong in ({"stripe": 1}, {"stripe": ""}, ["cus_1"], {"stripe": None}, {"stripe": "x" * 256}):
        assert house.call("PUT", "/v1/accounts/acme", {"external": wrong}).status_code == 422
    tell(house, "crm.account_updated", account="acme", data={"external": {"stripe": 7}})
    assert dead(house) == ["invalid"]


def test_the_address_of_somebody_else_is_refused_to_a_person_who_has_another(house: House) -> None:
    people(house)
    bob = {"account": "acme", "email": "bob@example.com"}
    house.ok("PUT", "/v1/contacts/bob", bob)
    answer = house.call("PUT", "/v1/contacts/bob", {**bob, "email": "Ann@example.com"})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:journeys:address_taken")


def test_a_person_who_gets_a_known_address_is_the_older_one_from_then_on(house: House) -> None:
    people(house)
    house.clock.at += HOUR
    house.ok("PUT", "/v1/contacts/u-17", {"account": "acme", "email": "ann@example.com", "roles": ["admin"]})
    (ann,) = house.get("/v1/accounts/acme")["contacts"]
    assert (ann["id"], {held["role"] for held in ann["roles"]}) == ("acme.ann", {"champion", "admin"})


def test_a_merged_account_answers_under_both_ids_and_its_line_shows_the_merge(told: House) -> None:
    people(told, "beta")
    trouble(told, "beta")
    tell(told, "crm.account_merged", account="beta", data={"from": "acme"})
    assert told.get("/v1/accounts/acme") == told.get("/v1/accounts/beta")
    assert [row["id"] for row in told.get("/v1/accounts")["items"]] == ["beta"]
    line = told.get("/v1/accounts/acme/timeline", limit=100)["items"]
    assert line == told.get("/v1/accounts/beta/timeline", limit=100)["items"]
    assert [row["title"] for row in line if row["refs"].get("type") == "identity.merged"] == [
        "Account acme became beta"
    ]
    assert {row["kind"] for row in line} >= {"signal", "task", "message", "journey"}
    assert {task["account"] for task in told.get("/v1/tasks")["items"]} == {"beta"}
    assert {message["account"] for message in told.get("/v1/messages")["items"]} == {"beta"}


def test_writes_to_an_id_that_has_become_another_reach_the_survivor(told: House) -> None:
    people(told, "beta")
    tell(told, "crm.account_merged", account="beta", data={"from": "acme"})
    told.ok("PUT", "/v1/accounts/acme", {"attributes": {"plan": "enterprise"}})
    assert told.get("/v1/accounts/beta")["attributes"]["plan"] == "enterprise"
    told.ok("POST", "/v1/accounts/acme/holds", {"reason": "talks"})
    told.ok("DELETE", "/v1/accounts/beta/holds/talks")
    (journey,) = told.get("/v1/journeys", account="beta")["items"]
    told.ok("POST", f"/v1/journeys/{journey['id']}/exit")
    assert told.get(f"/v1/journeys/{journey['id']}")["reason"] == "manual"


def test_a_merge_of_people_is_on_the_line_of_each_of_their_accounts(house: House) -> None:
    people(house)
    people(house, "beta")
    tell(house, "crm.contact_merged", account="acme", contact="acme.ann", data={"from": "beta.ann"})
    for account in ("acme", "beta"):
        line = house.get(f"/v1/accounts/{account}/timeline")["items"]
        assert [row["title"] for row in line if row["refs"].get("type") == "identity.merged"] == [
            "Contact beta.ann became Ann"
        ]
        assert [who["id"] for who in house.get(f"/v1/accounts/{account}")["contacts"]] == ["acme.ann"]


def test_the_same_merge_sent_again_is_nothing(house: House) -> None:
    people(house)
    people(house, "beta")
    for _ in range(2):
        tell(house, "crm.account_merged", account="beta", data={"from": "acme"})
    assert dead(house) == []
    assert len(house.get("/v1/accounts")["items"]) == 1


def test_a_merge_that_does_not_say_what_becomes_what_is_a_dead_letter(house: House) -> None:
    people(house)
    tell(house, "crm.contact_merged", account="acme", contact="acme.ann", data={})
    tell(house, "crm.contact_merged", account="acme", data={"from": "x"})
    tell(house, "crm.account_merged", data={"from": "x"})
    assert dead(house) == ["invalid"] * 3


def test_an_event_without_account_sent_again_is_the_same_event(house: House) -> None:
    people(house)
    event = {"specversion": "1.0", "id": "login-1", "source": "app", "type": "product.login"}
    event |= {"contact": "acme.ann", "time": "2026-03-02T08:00:00Z"}
    house.ok("POST", "/v1/events", event, headers=CLOUD)
    house.fold()
    assert house.ok("POST", "/v1/events", event, headers=CLOUD)["duplicates"] == 1
