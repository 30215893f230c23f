"""Deliveries of vendors: what they send, signed as they sign it, and what became of it."""

import json
from typing import Any

import pytest
import sqlalchemy as sa

from api.house import HOOK_SECRETS, House
from journeys.store.tables import dead_letters, log
from signals.instant import SECOND, Instant, parse_instant
from signers import Sign, by_bearer, by_hubspot, by_intercom, by_standard, by_stripe, by_zendesk

NOW = parse_instant("2026-03-02T09:00:00Z")


def stripe_event(kind: str, at: Instant, name: str = "evt_1", **object_: Any) -> dict[str, Any]:
    return {"id": name, "type": kind, "created": at // SECOND, "data": {"object": object_}}


def failed_invoice(at: Instant, name: str = "evt_1", **more: Any) -> dict[str, Any]:
    invoice = {"id": "in_1", "customer": "cus_1", "amount_due": 4900, "currency": "usd", "attempt_count": 1}
    invoice |= {"metadata": {"account_id": "acme"}} | more
    return stripe_event("invoice.payment_failed", at, name, **invoice)


ZENDESK = {
    "type": "zen:event-type:ticket.created",
    "id": "zd-1",
    "time": "2026-03-02T08:59:00.123456789Z",
    "detail": {
        "id": "35",
        "organization_id": "77",
        "requester_id": "88",
        "priority": "URGENT",
        "status": "NEW",
    },
}
HUBSPOT = [
    {
        "eventId": 1,
        "subscriptionType": "company.creation",
        "objectId": 123,
        "occurredAt": NOW // 1000 - 1000,
        "attemptNumber": 0,
    }
]
INTERCOM = {
    "id": "notif_1",
    "topic": "company.created",
    "created_at": NOW // SECOND,
    "data": {"item": {"type": "company", "id": "c9", "company_id": "acme", "name": "Acme"}},
}
SALESFORCE = {
    "ChangeEventHeader": {
        "entityName": "Account",
        "recordIds": ["001x"],
        "changeType": "UPDATE",
        "changedFields": ["Name"],
        "commitTimestamp": NOW // 1000,
        "transactionKey": "0002",
        "sequenceNumber": 1,
    },
    "Account_Id__c": "acme",
    "Name": "Acme",
}
BILLING = {"events": [{"kind": "paid", "number": "i-7", "customer": "acme"}]}
BILLING_MAPPING = {
    "key": "billing",
    "rows": "events",
    "each": [
        {
            "type": "billing.invoice_paid",
            "when": {"kind": "paid"},
            "id": "{$delivery}",
            "account": "customer",
            "data": {"invoice": "number"},
        }
    ],
}
SENT: dict[str, tuple[Sign, Any]] = {
    "stripe": (by_stripe, failed_invoice(NOW)),
    "zendesk": (by_zendesk, ZENDESK),
    "hubspot": (by_hubspot, HUBSPOT),
    "intercom": (by_intercom, INTERCOM),
    "salesforce": (by_bearer, SALESFORCE),
    "generic/billing": (by_standard, BILLING),
}
every = pytest.mark.parametrize("source", SENT)


def post(house: House, source: str, body: bytes, headers: dict[str, str]) -> Any:
    return house.http.post(f"/v1/hooks/{source}", content=body, headers=headers)


def deliver(house: House, source: str, payload: Any, secret: str | None = None) -> Any:
    """Sign with the newest secret and send, as the vendor does."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    sign = SENT[source][0]
    return post(house, source, body, sign(secret or HOOK_SECRETS[source][0], house.clock(), body))


def taken(house: House, source: str, payload: Any) -> dict[str, int]:
    answer = deliver(house, source, payload)
    assert answer.status_code == 200, answer.text
    receipt: dict[str, int] = answer.json()
    return {name: count for name, count in receipt.items() if count}


def letters(house: House) -> list[Any]:
    with house.database.read() as connection:
        return list(connection.execute(sa.select(dead_letters).order_by(dead_letters.c.detail)))


def in_log(house: House) -> int:
    with house.database.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(log)).scalar_one())


def activate(house: House, mapping: dict[str, Any]) -> None:
    house.ok("PUT", f"/v1/mappings/{mapping['key']}", mapping)
    house.ok("POST", f"/v1/mappings/{mapping['key']}/activate")
    house.parts.playbooks.changed()
