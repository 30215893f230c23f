"""A call of another system seen from outside: a message for nobody, in lists, on the time line and in the console."""

from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.house import House
from api.tale import people
from journeys import console
from seen import TEMPLATES

STEP: dict[str, Any] = {"webhook": {"endpoint": "crm", "data": {"who": "{{ account.name }}"}}}
PLAY: dict[str, Any] = {"key": "tell", "trigger": {"event": "crm.deal_won"}, "steps": [STEP]}
WON = {"specversion": "1.0", "id": "1", "source": "crm", "type": "crm.deal_won", "account": "acme"}


def test_a_call_is_shown_as_a_message_for_nobody_that_waits_for_its_endpoint(house: House) -> None:
    people(house)
    house.ok("PUT", "/v1/plays/tell", PLAY)
    house.ok("POST", "/v1/plays/tell/activate")
    headers = {"content-type": "application/cloudevents+json"}
    house.ok("POST", "/v1/events", WON, headers=headers)
    house.fold()
    house.parts.dispatcher.run(house.clock())
    (message,) = house.get("/v1/messages")["items"]
    assert (message["channel"], message["content"], message["contact"]) == ("webhook", "crm", None)
    assert (message["status"], message["reason"]) == ("queued", "temporary")
    assert "JOURNEYS_WEBHOOKS" in message["detail"]
    titles = [row["title"] for row in house.get("/v1/accounts/acme/timeline")["items"]]
    assert "Call to crm" in titles
    assert_told_in_the_console(house, message["id"])


def assert_told_in_the_console(house: House, message: str) -> None:
    app = FastAPI()
    app.include_router(console.router(house.database, house.clock, TEMPLATES))
    client = TestClient(app)
    for page in ("/outbox", f"/outbox/{message}", "/decisions", "/accounts/acme"):
        told = client.get(page)
        assert told.status_code == 200, page
        assert ">None<" not in told.text
    assert "crm" in client.get("/outbox").text
