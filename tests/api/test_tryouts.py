"""Test users: a draft is tried on named accounts, its mails go to the author, and nobody there is touched."""

from typing import Any

import pytest

from api.house import House, MakeHouse
from api.tale import people
from api.test_activation import live
from api.test_definitions import put, refused
from channels.outbox import Outbox

AUTHOR = "ada@author.example.com"
HI = {"key": "hi", "channel": "email", "topic": None, "subject": "Hi {{ contact.name }}", "body": "About {{ event.data.ticket }}.",
      "facts": {"contact.name": "required", "event.data.ticket": {"default": "nothing"}}}  # fmt: skip
WALK: dict[str, Any] = {
    "key": "walk",
    "trigger": {"event": "support.ticket_opened"},
    "holdout": "100%",
    "steps": [
        {"id": "say", "message": {"to": "champion", "channel": "email", "content": "hi"}},
        {"wait": {"for": "30d"}},
        {"task": {"to": "csm", "title": "Call {{ account.name }}"}},
        {"update": {"attributes": {"walked": True}}},
        {"id": "again", "message": {"to": "champion", "channel": "email", "content": "hi"}},
    ],
}


@pytest.fixture
def study(make_house: MakeHouse) -> House:
    """Two drafts nobody made live, and an account with a champion."""
    house = make_house(test_addresses=["@author.example.com"])
    put(house, "content", "hi", HI)
    put(house, "plays", "walk", WALK)
    people(house)
    outbox = Outbox()
    house.parts.proofs._mail = lambda: outbox
    house.outbox = outbox  # type: ignore[attr-defined]
    return house


def tried(house: House, **body: Any) -> Any:
    asked = {"accounts": ["acme"], "to": AUTHOR, **body}
    return house.call("POST", "/v1/plays/walk/test", asked, scope="marketer")


def mailed(house: House) -> list[str]:
    return [mail.recipient for mail in house.outbox]


def test_a_draft_is_walked_to_its_end_and_its_mails_go_to_the_author(study: House) -> None:
    told = tried(study, event={"data": {"ticket": "T7"}}).json()
    (acme,) = told["accounts"]
    assert (acme["started"], acme["journey"]["status"]) == (True, "completed")
    assert [(one["step"], one["at"], one["contact"], one["subject"]) for one in acme["messages"]] == [
        ("say", "2026-03-02T09:00:00Z", "acme.ann", "Hi Ann"),
        ("again", "2026-04-01T09:00:00Z", "acme.ann", "Hi Ann"),
    ]
    assert "About T7" in acme["messages"][0]["text"]
    assert acme["messages"][0]["mailed"]["to"] == AUTHOR
    assert [(one["title"], one["at"]) for one in acme["tasks"]] == [("Call Acme", "2026-04-01T09:00:00Z")]
    assert acme["updates"][0]["data"] == {"attributes": {"walked": True}}
    assert mailed(study) == [AUTHOR, AUTHOR]


def test_nobody_of_the_account_is_touched(study: House) -> None:
    account, before = study.get("/v1/accounts/acme"), study.everything()
    tried(study)
    after = study.everything()
    assert {name for name in after if after[name] != before[name]} == {"decisions", "audit"}
    assert study.get("/v1/accounts/acme") == account
    assert study.get("/v1/messages")["items"] == study.get("/v1/tasks")["items"] == []
    assert study.get("/v1/plays/walk")["status"] == "draft"


def test_it_is_seen_in_the_decisions_and_in_the_audit_as_a_test(study: House) -> None:
    tried(study)
    found = study.get("/v1/decisions", account="acme", play="walk")["items"]
    assert sorted((one["subject"], one["outcome"]) for one in found) == [
        ("send", "tested"),
        ("send", "tested"),
        ("start", "tested"),
    ]
    assert {one["checks"][0]["saw"]["to"] for one in found} == {AUTHOR}
    assert study.get("/v1/audit", action="test")["items"][0]["detail"]["accounts"] == ["acme"]
    assert "tried walk" in str(study.get("/v1/accounts/acme/explain"))


def test_an_account_that_would_not_start_says_why(study: House) -> None:
    put(study, "plays", "walk", {**WALK, "audience": {"attribute": "account.plan", "is": "gold"}})
    (acme,) = tried(study).json()["accounts"]
    assert (acme["started"], acme["reason"], acme["messages"]) == (False, "audience", [])
    assert mailed(study) == []


def test_only_listed_addresses_get_tests(study: House, make_house: MakeHouse) -> None:
    refused(tried(study, to="ann@example.com"), 403)
    refused(tried(study, to="ada@author.example.com, ann@example.com"), 422)
    study.ok("POST", "/v1/sending/stop")
    refused(tried(study), 409)
    assert mailed(study) == []


def test_a_draft_with_faults_is_not_tried(study: House) -> None:
    put(study, "plays", "walk", {**WALK, "trigger": {"signal": "nowhere"}})
    assert tried(study).status_code == 422
    assert mailed(study) == []


@pytest.mark.parametrize(
    "body", [{"accounts": []}, {"accounts": ["a"] * 11}, {"to": ""}, {"who": "me"}, {"event": 7}]
)
def test_a_body_that_makes_no_sense_is_422(study: House, body: dict[str, Any]) -> None:
    assert tried(study, **body).status_code == 422


def test_who_is_not_there_is_404(study: House) -> None:
    refused(tried(study, accounts=["nobody"]), 404)
    refused(study.call("POST", "/v1/plays/none/test", {"accounts": ["acme"], "to": AUTHOR}), 404)


def test_a_play_that_is_live_is_tried_as_it_would_be_next(study: House) -> None:
    live(study, "content", HI)
    live(study, "plays", WALK)
    put(study, "plays", "walk", {**WALK, "steps": WALK["steps"][:1]})
    (acme,) = tried(study).json()["accounts"]
    assert len(acme["messages"]) == 1
