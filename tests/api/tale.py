"""A small story told through the API alone: definitions, a customer in trouble, a play under way, a task, a message."""

from typing import Any

from api.house import House
from signals.instant import HOUR, MINUTE

LETTER = {
    "key": "letter",
    "channel": "email",
    "subject": "{{ account.name }}: invoice {{ event.data.invoice }}",
    "facts": ["account.name", "event.data.invoice"],
    "body": "Hello.",
    "blocks": {"next": ["pay"]},
}
FINANCE = {**LETTER, "role": "finance", "body": "Dear treasurer."}
PAY = {"key": "pay", "slot": "next", "body": "Please pay."}
"""A letter about an invoice, its variant for who pays, and the block both end with."""

DEFINITIONS: dict[str, list[dict[str, Any]]] = {
    "signals": [{"key": "ticket_spike", "when": {"count": "support.ticket_opened", "in": "7d", "gte": 3}}],
    "segments": [{"key": "at_risk", "enter": {"signal": "ticket_spike"}}],
    "milestones": [{"key": "activated", "when": {"count": "product.report_viewed", "in": "90d", "gte": 1}}],
    "content": [
        {
            "key": "sorry",
            "channel": "email",
            "class": "service",
            "subject": "About your tickets",
            "body": "We saw your tickets and are on it.",
        },
        {
            "key": "note",
            "channel": "in_app",
            "class": "service",
            "subject": "We are on it",
            "body": "Your tickets have our attention.",
        },
    ],
    "plays": [
        {
            "key": "rescue",
            "trigger": {"signal": "ticket_spike"},
            "steps": [
                {"task": {"to": "csm", "title": "Call them", "type": "call", "reason": "tickets"}},
                {"message": {"to": "champion", "channel": "email", "content": "sorry"}},
                {"message": {"to": "champion", "channel": "in_app", "content": "note"}},
                {"wait": {"for": "3d"}},
                {"end": {}},
            ],
        }
    ],
}
POLICIES = {"quiet_hours": None, "arbitration_window": None, "role_gap": None}


def define(house: House) -> None:
    """Put and activate every definition of the story."""
    house.ok("PUT", "/v1/policies/policies", POLICIES)
    house.ok("POST", "/v1/policies/policies/activate")
    for kind, bodies in DEFINITIONS.items():
        for body in bodies:
            house.ok("PUT", f"/v1/{kind}/{body['key']}", body)
            house.ok("POST", f"/v1/{kind}/{body['key']}/activate")


def people(house: House, account: str = "acme") -> None:
    """An account with a champion."""
    house.ok(
        "PUT", f"/v1/accounts/{account}", {"name": "Acme", "attributes": {"plan": "pro", "owner": "nadia"}}
    )
    home = "example.com" if account == "acme" else f"{account}.example.com"
    ann = {"account": account, "email": f"ann@{home}", "name": "Ann", "roles": ["champion"]}
    house.ok("PUT", f"/v1/contacts/{account}.ann", ann)


def trouble(house: House, account: str = "acme") -> None:
    """Three tickets within the hour, told as events and folded."""
    for number in range(3):
        told = {
            "specversion": "1.0",
            "id": f"{account}-{house.clock()}-{number}",
            "source": "desk",
            "type": "support.ticket_opened",
            "account": account,
            "contact": f"{account}.ann",
            "data": {"ticket": f"T{number}"},
        }
        house.clock.at += MINUTE
        house.ok("POST", "/v1/events", told, headers={"content-type": "application/cloudevents+json"})
        house.fold()


def tell(house: House) -> None:
    """The whole story, up to the messages that went out."""
    define(house)
    people(house)
    trouble(house)
    house.clock.at += HOUR
    house.tick()
    house.send()
