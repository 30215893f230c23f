"""The shipped mappings of webhooks, against recorded payloads and the shapes vendors document."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

import signals
from signals.event import Event
from signals.instant import iso, parse_instant
from signals.problem import Problem
from signals.sources import mapped
from signals.sources.mapped import Mapper, Mapping

LIBRARY = Path(signals.__file__).parent / "library/mappings"
VECTORS = Path(__file__).parents[3] / "../shared/vectors"
NOW = parse_instant("2026-03-02T09:00:00Z")
UNIX = NOW // 10**6
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="../shared/vectors is not here")
MAPPERS = {
    path.stem: mapped.compile(Mapping.model_validate(yaml.safe_load(path.read_text())))
    for path in LIBRARY.glob("*.yaml")
}


def items(source: str, payload: Any) -> list[Event | Problem]:
    mapper: Mapper = MAPPERS[source]
    rows = mapper.rows(payload)
    return [item for row in rows for item in mapper.events({"$delivery": "d1", **row}, 0, source, {}, NOW)]


def events(source: str, payload: Any) -> list[Event]:
    found = items(source, payload)
    assert not [item for item in found if isinstance(item, Problem)], found
    return [item for item in found if isinstance(item, Event)]


def one(source: str, payload: Any) -> Event:
    (event,) = events(source, payload)
    return event


def types(source: str, payload: Any) -> list[str]:
    return [event.type for event in events(source, payload)]


def recorded(path: str) -> Any:
    return json.loads((VECTORS / path).read_bytes())


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_mapping_is_called_as_its_source(path: Path) -> None:
    assert MAPPERS[path.stem].mapping.key == path.stem
    assert MAPPERS[path.stem].mapping.format == "json"


def test_every_vendor_has_one() -> None:
    from signals.sources.signatures import SCHEMES

    assert {*SCHEMES} <= {*MAPPERS}


# ── Stripe ─────────────────────────────────────────────────────────────────────────────────────────────────────


def stripe(kind: str, object_: dict[str, Any], previous: dict[str, Any] | None = None) -> dict[str, Any]:
    data = {"object": object_} | ({} if previous is None else {"previous_attributes": previous})
    return {"id": "evt_1", "type": kind, "created": UNIX, "data": data}


@needs_vectors
def test_every_recorded_stripe_event_is_mapped_or_ignored() -> None:
    found = {
        path.stem: types("stripe", json.loads(path.read_bytes()))
        for path in (VECTORS / "stripe/webhooks").glob("*.json")
    }
    assert len(found) == 88
    assert {name: kinds for name, kinds in found.items() if kinds} == {
        "charge.dispute.closed": ["billing.dispute_closed"],
        "charge.dispute.created": ["billing.dispute_opened"],
        "charge.refunded": ["billing.refunded"],
        "customer.created": ["crm.account_updated"],
        "customer.subscription.created": ["billing.subscription_started"],
        "customer.subscription.deleted": ["billing.subscription_cancelled"],
        "customer.subscription.trial_will_end": ["billing.trial_ending"],
        "customer.subscription.updated": ["billing.subscription_changed"],
        "customer.updated": ["crm.account_updated"],
        "invoice.paid": ["billing.invoice_paid"],
        "invoice.payment_action_required": ["billing.payment_action_required"],
        "invoice.payment_failed": ["billing.payment_failed"],
        "invoice.upcoming": ["billing.invoice_upcoming"],
    }


@needs_vectors
def test_a_recorded_failed_payment() -> None:
    event = one("stripe", recorded("stripe/webhooks/invoice.payment_failed.json"))
    assert (event.source, event.id, event.account) == ("stripe", "evt_000000000000000000000000", None)
    assert iso(event.time) == "2022-03-26T18:40:09Z"
    url = event.data.pop("payment_url")
    assert url.startswith("https://invoice.stripe.com/")
    assert event.data == {
        "account_external": "cus_00000000000000",
        "invoice": "in_000000000000000000000000",
        "number": "C93E45D7-0001",
        "amount": 20,
        "currency": "usd",
        "attempt": 1,
    }


@needs_vectors
def test_a_recorded_subscription_with_the_old_places() -> None:
    event = one("stripe", recorded("stripe/webhooks/customer.subscription.updated.json"))
    assert event.data == {
        "account_external": "cus_00000000000000",
        "subscription": "sub_000000000000000000000000",
        "status": "active",
        "plan": "price_000000000000000000000000",
        "mrr": 15,
        "currency": "usd",
        "seats": 1,
        "interval": "month",
        "started_at": "2022-03-26T18:41:45Z",
        "renews_at": "2022-04-26T18:41:45Z",
        "cancel_at_period_end": False,
    }


ITEM = {
    "quantity": 3,
    "current_period_start": UNIX,
    "current_period_end": UNIX + 86_400,
    "price": {
        "id": "price_1",
        "lookup_key": "team",
        "currency": "usd",
        "unit_amount": 1000,
        "recurring": {"interval": "month", "interval_count": 1},
    },
}
SUBSCRIPTION = {
    "id": "sub_1",
    "customer": "cus_1",
    "status": "active",
    "metadata": {"account_id": "acme"},
    "items": {"data": [ITEM]},
    "cancel_at_period_end": False,
}


def test_a_subscription_with_the_new_places() -> None:
    event = one("stripe", stripe("customer.subscription.updated", SUBSCRIPTION, {"metadata": {}}))
    assert (event.account, event.data["renews_at"], event.data["mrr"]) == (
        "acme",
        iso(NOW + 86_400 * 10**6),
        30,
    )


def test_the_subscription_of_an_invoice_in_its_old_and_its_new_place() -> None:
    details = {"subscription": "sub_1", "metadata": {"account_id": "acme"}}
    for invoice in (
        {"subscription": "sub_1", "subscription_details": details},
        {"parent": {"subscription_details": details}},
    ):
        event = one("stripe", stripe("invoice.payment_failed", {"id": "in_1", "metadata": {}} | invoice))
        assert (event.account, event.data["subscription"]) == ("acme", "sub_1")


@pytest.mark.parametrize(
    ("changed", "previous", "expected"),
    [
        ({}, {"quantity": 2}, ["billing.subscription_changed"]),
        (
            {"current_period_start": UNIX},
            {"current_period_start": UNIX - 86_400},
            ["billing.subscription_changed", "billing.subscription_renewed"],
        ),
        (
            {},
            {"items": {"data": [{"current_period_start": UNIX - 86_400}]}},
            ["billing.subscription_changed", "billing.subscription_renewed"],
        ),
        (
            {"cancel_at_period_end": True, "cancellation_details": {"feedback": "too_expensive"}},
            {"cancel_at_period_end": False},
            ["billing.subscription_changed", "billing.cancel_flow_started"],
        ),
        ({"status": "active"}, {"status": "incomplete"}, ["billing.subscription_started"]),
        ({"status": "past_due"}, {"status": "active"}, ["billing.subscription_changed"]),
        ({"status": "past_due"}, {"current_period_start": UNIX}, ["billing.subscription_changed"]),
    ],
)
def test_what_changed_of_a_subscription_says_what_happened(
    changed: Any, previous: Any, expected: list[str]
) -> None:
    found = events("stripe", stripe("customer.subscription.updated", SUBSCRIPTION | changed, previous))
    assert [event.type for event in found] == expected
    assert len({event.id for event in found}) == len(found)
    assert all(event.account == "acme" for event in found)


def test_a_subscription_begins_when_it_is_paid_and_ends_in_our_words() -> None:
    unpaid = SUBSCRIPTION | {"status": "incomplete"}
    assert types("stripe", stripe("customer.subscription.created", unpaid)) == []
    event = one(
        "stripe",
        stripe("customer.subscription.updated", SUBSCRIPTION | {"status": "canceled"}, {"status": "active"}),
    )
    assert event.data["status"] == "cancelled"


def test_a_customer_links_its_stripe_id_to_ours() -> None:
    event = one(
        "stripe",
        stripe("customer.created", {"id": "cus_1", "metadata": {"account_id": "acme"}, "email": None}),
    )
    assert (event.account, event.data) == (
        "acme",
        {"external": {"stripe": "cus_1"}, "account_external": "cus_1", "attributes": {}},
    )


# ── support ────────────────────────────────────────────────────────────────────────────────────────────────────

TICKET = {
    "id": "35",
    "organization_id": "77",
    "requester_id": "88",
    "priority": "URGENT",
    "status": "OPEN",
    "subject": "Exports fail",
    "tags": ["export"],
    "via": {"channel": "web"},
}


def zendesk(kind: str, event: Any = None, **detail: Any) -> dict[str, Any]:
    time = "2026-03-02T08:59:00.123456789Z"
    return {
        "type": f"zen:event-type:{kind}",
        "id": "zd-1",
        "time": time,
        "detail": detail,
        "event": event or {},
    }


def test_zendesk_tells_a_ticket_and_its_first_words() -> None:
    opened, said = events("zendesk", zendesk("ticket.created", **TICKET, description="Please help"))
    assert (opened.type, opened.id, iso(opened.time)) == (
        "support.ticket_opened",
        "zd-1",
        "2026-03-02T08:59:00.123456Z",
    )
    assert opened.data == {
        "account_external": "77",
        "contact_external": "88",
        "ticket": "35",
        "subject": "Exports fail",
        "priority": "urgent",
        "status": "open",
        "tags": ["export"],
        "channel": "web",
    }
    assert (said.type, said.id, said.data["text"]) == ("support.message_received", "zd-1/text", "Please help")


@pytest.mark.parametrize(
    ("previous", "current", "expected"),
    [
        ("OPEN", "SOLVED", "support.ticket_solved"),
        ("open", "solved", "support.ticket_solved"),
        ("SOLVED", "CLOSED", "support.ticket_solved"),
        ("SOLVED", "OPEN", "support.ticket_opened"),
        ("NEW", "PENDING", "support.ticket_updated"),
    ],
)
def test_zendesk_statuses(previous: str, current: str, expected: str) -> None:
    event = one(
        "zendesk", zendesk("ticket.status_changed", {"previous": previous, "current": current}, **TICKET)
    )
    assert event.type == expected
    assert event.data.get("reopened") == (True if expected.endswith("opened") else None)


def test_zendesk_comments_of_customers_are_heard_and_those_of_agents_are_not() -> None:
    comment = {"body": "<p>Still broken</p>", "author": {"id": "99", "is_staff": False}}
    event = one("zendesk", zendesk("ticket.comment_added", {"comment": comment}, **TICKET))
    assert (event.type, event.data["text"], event.data["contact_external"]) == (
        "support.message_received",
        "Still broken",
        "99",
    )
    comment = comment | {"author": {"id": "1", "is_staff": True}}
    assert types("zendesk", zendesk("ticket.comment_added", {"comment": comment}, **TICKET)) == []


def test_zendesk_satisfaction_comes_by_a_trigger_of_ones_own() -> None:
    body = {"type": "csat", "id": "csat-35-Good", "time": "2026-03-02T08:00:00Z", "ticket": "35"}
    body |= {"organization": "77", "requester": "88", "email": "ann@example.com"}
    for rating, score in (("Good", 5), ("Bad", 1), ("good", 5)):
        event = one("zendesk", body | {"rating": rating})
        assert (event.type, event.data["score"], event.data["contact_email"]) == (
            "support.csat_received",
            score,
            "ann@example.com",
        )


def test_zendesk_organizations_and_users_link_to_our_ids() -> None:
    event = one("zendesk", zendesk("organization.created", id="77", name="Acme", external_id="acme"))
    assert (event.account, event.data["external"]) == ("acme", {"zendesk": "77"})
    user = {
        "id": "88",
        "name": "Ann",
        "email": "ann@example.com",
        "external_id": "ann",
        "organization_id": "77",
    }
    event = one("zendesk", zendesk("user.created", **user, role="end-user"))
    assert (event.type, event.account, event.contact) == ("crm.contact_updated", None, "ann")
    assert event.data["account_external"] == "77"
    assert types("zendesk", zendesk("user.created", **user, role="agent")) == []


@needs_vectors
def test_every_recorded_intercom_topic_is_mapped_or_ignored() -> None:
    found = {
        path.stem: types("intercom", json.loads(path.read_bytes()))
        for path in (VECTORS / "support/intercom").glob("*.json")
    }
    assert len(found) == 25
    assert {name: kinds for name, kinds in found.items() if kinds} == {
        "conversation_admin_closed": ["support.ticket_solved"],
        "conversation_admin_opened": ["support.ticket_opened"],
        "conversation_user_created": ["support.ticket_opened", "support.message_received"],
        "conversation_user_replied": ["support.message_received"],
        "event_created": ["product.invited-friend"],
        "user_created": ["crm.contact_updated"],
        "user_unsubscribed": ["engagement.unsubscribed"],
    }


@needs_vectors
def test_recorded_intercom_payloads() -> None:
    reply = one("intercom", recorded("support/intercom/conversation_user_replied.json"))
    assert reply.id == "notif_2c71fff0-65ef-46be-bbfe-dbf637bbff15"
    assert reply.data["ticket"] == "21322009097"
    assert reply.data["text"] == "Well, I need some help getting access to a developer account."
    assert reply.data["contact_external"] == "5c9553cb27e377f24eed49f7"
    user = one("intercom", recorded("support/intercom/user_created.json"))
    assert (user.account, user.contact) == ("366", "25")
    assert user.data["external"] == {"intercom": "5c9ab3e78cd7330140ce5033"}


def test_intercom_ratings_and_companies() -> None:
    rating = {"rating": 2, "remark": "slow", "contact": {"id": "u1"}}
    item = {"type": "conversation", "id": "c1", "conversation_rating": rating}
    note = {"id": "n1", "topic": "conversation.rating.added", "created_at": UNIX, "data": {"item": item}}
    event = one("intercom", note)
    assert (event.type, event.data["score"], event.data["contact_external"]) == (
        "support.csat_received",
        2,
        "u1",
    )
    company = {"type": "company", "id": "c9", "company_id": "acme", "name": "Acme"}
    event = one("intercom", note | {"topic": "company.created", "data": {"item": company}})
    assert (event.account, event.data["external"]) == ("acme", {"intercom": "c9"})


@needs_vectors
def test_recorded_delighted_and_freshdesk_payloads() -> None:
    event = one("delighted", recorded("support/delighted/survey_response_updated_non_promoter.json"))
    assert (event.type, event.data["score"], iso(event.time)) == (
        "survey.nps_received",
        5,
        "2016-12-24T14:33:29Z",
    )
    found = {
        path.stem: items("freshdesk", json.loads(path.read_bytes()))
        for path in (VECTORS / "support/freshdesk").glob("*.json")
    }
    assert {name: [getattr(item, "type", None) for item in some] for name, some in found.items()} == {
        "inline_images": ["support.ticket_opened"],
        "ticket_created": ["support.ticket_opened"],
        "priority_changed": ["support.ticket_updated"],
        "status_changed": ["support.ticket_updated"],
        "private_note": [],
        "public_note": [],
        "status_changed_fixture_with_missing_key": [None],
        "unknown_payload": [None],
    }
    (opened,) = found["inline_images"]
    assert isinstance(opened, Event)
    assert (opened.data["priority"], opened.data["ticket"]) == ("urgent", "12")


# ── CRM ────────────────────────────────────────────────────────────────────────────────────────────────────────


def hubspot(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "eventId": 9,
        "subscriptionType": kind,
        "objectId": 123,
        "occurredAt": NOW // 1000,
        "attemptNumber": 0,
    } | more


def test_hubspot_companies_become_accounts_named_after_them() -> None:
    rows = [
        hubspot("company.creation"),
        hubspot("company.propertyChange", propertyName="name", propertyValue="Acme"),
        hubspot(
            "object.propertyChange", objectTypeId="0-2", propertyName="hubspot_owner_id", propertyValue="7"
        ),
        hubspot("object.creation", objectTypeId="0-2"),
    ]
    found = events("hubspot", rows)
    assert {(event.type, event.account) for event in found} == {("crm.account_updated", "hubspot:123")}
    assert {event.data["account_external"] for event in found} == {"123"}
    assert [event.data["attributes"] for event in found[1:3]] == [{"name": "Acme"}, {"owner": "7"}]
    assert len({event.id for event in found}) == 4


def test_hubspot_sent_again_is_the_same_event() -> None:
    first = one("hubspot", [hubspot("company.creation")])
    again = one("hubspot", [hubspot("company.creation", attemptNumber=3)])
    assert (first.key, first.content_hash) == (again.key, again.content_hash)


def test_hubspot_people() -> None:
    joined = hubspot(
        "contact.associationChange", fromObjectId=5, toObjectId=123, associationType="CONTACT_TO_COMPANY"
    )
    rows = [
        joined | {"associationRemoved": False},
        joined | {"associationRemoved": True},
        hubspot("contact.propertyChange", objectId=5, propertyName="email", propertyValue="ann@example.com"),
        hubspot("contact.propertyChange", objectId=5, propertyName="jobtitle", propertyValue="CTO"),
        hubspot("contact.merge", primaryObjectId=5, mergedObjectIds=[6]),
    ]
    found = events("hubspot", rows)
    assert [event.type for event in found] == [
        "crm.contact_updated",
        "crm.contact_left",
        "crm.contact_updated",
        "crm.contact_updated",
        "crm.contact_merged",
    ]
    assert {event.contact for event in found} == {"hubspot:5"}
    assert found[2].data["contact_email"] == "ann@example.com"
    assert found[3].data["attributes"] == {"title": "CTO"}
    assert found[4].data["from"] == "hubspot:6"


def test_hubspot_objects_that_name_no_company_are_ignored_and_a_privacy_deletion_is_not() -> None:
    ignored = ["deal.propertyChange", "ticket.creation", "contact.creation", "company.deletion"]
    assert events("hubspot", [hubspot(kind) for kind in ignored]) == []
    (problem,) = items("hubspot", [hubspot("contact.privacyDeletion")])
    assert isinstance(problem, Problem)
    assert problem.reason == "unmapped"


def salesforce(entity: str, change: str, changed: list[str], **fields: Any) -> dict[str, Any]:
    header = {
        "entityName": entity,
        "recordIds": ["001x"],
        "changeType": change,
        "changedFields": changed,
        "commitTimestamp": NOW // 1000,
        "transactionKey": "0002",
        "sequenceNumber": 1,
    }
    return {"ChangeEventHeader": header, **fields}


def test_salesforce_accounts_keep_our_id_where_they_have_one() -> None:
    mine = one("salesforce", salesforce("Account", "UPDATE", ["Name"], Account_Id__c="acme", Name="Acme"))
    theirs = one("salesforce", salesforce("Account", "CREATE", [], Account_Id__c=None, Name="Acme"))
    assert (mine.account, theirs.account) == ("acme", "salesforce:001x")
    assert mine.data["external"] == theirs.data["external"] == {"salesforce": "001x"}


@pytest.mark.parametrize(
    ("entity", "change", "changed", "fields", "expected"),
    [
        ("Contact", "UPDATE", ["Email"], {"Email": "ann@example.com"}, ["crm.contact_updated"]),
        ("Contact", "DELETE", [], {}, ["crm.contact_left"]),
        ("Opportunity", "UPDATE", ["Amount"], {"Amount": 7}, ["crm.opportunity_changed"]),
        (
            "Opportunity",
            "UPDATE",
            ["StageName"],
            {"StageName": "Negotiation/Review"},
            ["crm.opportunity_changed", "crm.negotiation_started"],
        ),
        (
            "Opportunity",
            "UPDATE",
            ["StageName"],
            {"StageName": "Closed Won"},
            ["crm.opportunity_changed", "crm.negotiation_ended"],
        ),
        ("Case", "CREATE", [], {"Priority": "High"}, ["support.ticket_opened"]),
        ("Case", "UPDATE", ["Priority"], {"Priority": "Low", "Status": "New"}, ["support.ticket_updated"]),
        ("Case", "UPDATE", ["Status"], {"Status": "Closed"}, ["support.ticket_solved"]),
        (
            "Case",
            "UPDATE",
            ["IsEscalated"],
            {"IsEscalated": True, "Status": "Escalated"},
            ["support.ticket_updated", "crm.escalation_opened"],
        ),
        ("Lead", "CREATE", [], {}, []),
    ],
)
def test_salesforce_changes(
    entity: str, change: str, changed: list[str], fields: dict[str, Any], expected: list[str]
) -> None:
    found = events("salesforce", salesforce(entity, change, changed, AccountId="001a", **fields))
    assert [event.type for event in found] == expected
    assert len({event.id for event in found}) == len(found)
    assert all(event.data["account_external"] == "001a" for event in found)


def test_salesforce_changes_that_were_missed_are_for_a_person_to_see() -> None:
    (problem,) = items("salesforce", salesforce("Account", "GAP_UPDATE", []))
    assert isinstance(problem, Problem)


def test_a_flow_may_write_the_time_as_text() -> None:
    body = deepcopy(salesforce("Account", "UPDATE", [], Account_Id__c="acme"))
    body["ChangeEventHeader"]["commitTimestamp"] = "2026-03-02T08:00:00.000Z"
    assert iso(one("salesforce", body).time) == "2026-03-02T08:00:00Z"
