"""What becomes of a delivery that was let in: events, dead letters, counts; and of the accounts it tells of."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.hooked import (
    BILLING,
    BILLING_MAPPING,
    HUBSPOT,
    NOW,
    SENT,
    activate,
    deliver,
    failed_invoice,
    in_log,
    letters,
    post,
    stripe_event,
    taken,
)
from api.house import HOOK_SECRETS, House
from journeys.shipped import shipped
from signals.instant import DAY, HOUR, MINUTE, SECOND, iso
from signers import by_bearer

SHARED = Path(__file__).parents[2] / "../shared/vectors"
needs_vectors = pytest.mark.skipif(not SHARED.exists(), reason="../shared/vectors is not here")


@pytest.fixture
def wired(house: House) -> House:
    activate(house, BILLING_MAPPING)
    return house


def test_what_no_rule_takes_is_kept_with_its_bytes_and_can_be_told_from_what_is_ignored(house: House) -> None:
    new, known = stripe_event("moon.landed", NOW, "evt_2"), stripe_event("payout.paid", NOW, "evt_3")
    assert taken(house, "stripe", new) == {"kept": 1}
    assert taken(house, "stripe", new) == {"kept": 1}
    assert taken(house, "stripe", known) == {"ignored": 1}
    (letter,) = letters(house)
    assert (letter.reason, letter.partition, json.loads(letter.value)) == ("unmapped", "http/stripe", new)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": None}, "invalid"),
        ({"created": "yesterday"}, "invalid"),
        ({"created": (NOW + DAY) // SECOND}, "in_the_future"),
        ({"id": "x" * 300}, "invalid"),
        ({"id": "nul \0"}, "invalid"),
        ({"data": {"object": {"customer": 7}}}, "invalid"),
        ({"data": {"object": {"metadata": {"account_id": "../../x"}}}}, "invalid"),
    ],
)
def test_what_is_signed_and_cannot_be_used_is_kept_too(house: House, change: Any, reason: str) -> None:
    """The vendor would send it again for days, and then shut us off: it is ours now, and a person's to look at."""
    assert taken(house, "stripe", failed_invoice(NOW) | change) == {"kept": 1}
    assert [letter.reason for letter in letters(house)] == [reason]
    assert in_log(house) == 0


def test_the_same_id_with_other_content_is_kept_as_a_conflict(house: House) -> None:
    taken(house, "stripe", failed_invoice(NOW))
    assert taken(house, "stripe", failed_invoice(NOW, amount_due=1)) == {"kept": 1}
    assert [letter.reason for letter in letters(house)] == ["id_conflict"]


def test_the_good_rows_of_a_list_are_taken_and_the_bad_ones_kept(house: House) -> None:
    rows = [
        HUBSPOT[0],
        "no object",
        HUBSPOT[0] | {"objectId": 124, "occurredAt": None},
        HUBSPOT[0] | {"objectId": 125},
    ]
    assert taken(house, "hubspot", rows) == {"accepted": 2, "kept": 2}
    assert [letter.detail[:6] for letter in letters(house)] == ["row 2 ", "row 3:"]


def test_a_value_that_cannot_be_kept_spoils_its_own_row_only(house: House) -> None:
    good = json.dumps(HUBSPOT[0])
    body = f'[{good},{{"subscriptionType":"x","n":1e999}},{{"a":1,"a":2}}]'.encode()
    assert taken(house, "hubspot", body) == {"accepted": 1, "kept": 2}


def test_an_empty_list_is_nothing(house: House) -> None:
    assert taken(house, "hubspot", []) == {}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[str, Any]:
    """A payload in which one value, anywhere, has become something else."""
    source = draw(st.sampled_from(sorted(SENT)))
    payload = deepcopy(SENT[source][1])
    node: Any = payload
    while True:
        place = draw(st.sampled_from(list(node) if isinstance(node, dict) else list(range(len(node)))))
        if not isinstance(node[place], dict | list) or not node[place] or draw(st.booleans()):
            node[place] = draw(JSON)
            return source, payload
        node = node[place]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_so=spoiled())
def test_whatever_a_payload_holds_it_is_durable_or_refused(wired: House, given_so: tuple[str, Any]) -> None:
    source, payload = given_so
    answer = deliver(wired, source, payload)
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 200:
        assert sum(answer.json().values()) >= 1 or payload in ([], {"events": []})


# ── mappings are definitions ───────────────────────────────────────────────────────────────────────────────────


def test_before_its_mapping_is_live_a_generic_payload_waits_among_the_dead_letters(house: House) -> None:
    assert taken(house, "generic/billing", BILLING) == {"kept": 1}
    assert "no live mapping 'billing'" in letters(house)[0].detail
    activate(house, BILLING_MAPPING)
    assert taken(house, "generic/billing", BILLING) == {"accepted": 1}


def test_a_mapping_of_ones_own_stands_in_for_the_shipped_one_until_it_is_archived(house: House) -> None:
    own = {
        "key": "stripe",
        "each": [{"type": "billing.own", "id": "own-{id}", "account": "data.object.metadata.account_id"}],
    }
    activate(house, own)
    assert taken(house, "stripe", stripe_event("moon.landed", NOW, metadata={"account_id": "acme"})) == {
        "accepted": 1
    }
    house.ok("POST", "/v1/mappings/stripe/archive")
    house.parts.playbooks.changed()
    assert taken(house, "stripe", stripe_event("moon.landed", NOW, "evt_2")) == {"kept": 1}


def test_a_mapping_for_files_reads_no_webhook(house: House) -> None:
    activate(house, BILLING_MAPPING | {"format": "csv", "rows": None})
    assert taken(house, "generic/billing", BILLING) == {"kept": 1}


def test_a_payload_without_the_list_its_mapping_names_is_kept(wired: House) -> None:
    assert taken(wired, "generic/billing", {"events": "none"}) == {"kept": 1}
    assert "events is no list of rows" in letters(wired)[0].detail


def test_what_came_of_webhooks_is_counted(house: House) -> None:
    taken(house, "stripe", failed_invoice(NOW))
    taken(house, "stripe", failed_invoice(NOW))
    post(house, "stripe", b"{}", {})
    found = house.http.get("/metrics").text
    for outcome in ("accepted", "duplicates", "refused"):
        assert f'journeys_webhook_rows_total{{outcome="{outcome}",source="stripe"}} 1.0' in found


# ── end to end ─────────────────────────────────────────────────────────────────────────────────────────────────

PAYMENT_FAILED = next(
    draft.body for draft in shipped() if (draft.kind, draft.key) == ("signals", "payment_failed")
)


def open_signals(house: House, account: str) -> list[str]:
    return [entry["signal"] for entry in house.get(f"/v1/accounts/{account}")["open_signals"]]


def test_a_failed_payment_opens_its_signal_and_the_paid_invoice_clears_it(house: House) -> None:
    house.ok("PUT", "/v1/signals/payment_failed", PAYMENT_FAILED)
    house.ok("POST", "/v1/signals/payment_failed/activate")
    taken(house, "stripe", failed_invoice(NOW - MINUTE))
    house.fold()
    assert open_signals(house, "acme") == ["payment_failed"]
    event = next(
        row for row in house.get("/v1/accounts/acme/timeline")["items"] if "failed" in str(row).lower()
    )
    assert event
    house.clock.at += HOUR
    paid = stripe_event(
        "invoice.paid", house.clock() - MINUTE, "evt_9", id="in_1", amount_paid=4900, currency="usd"
    )
    paid["data"]["object"]["metadata"] = {"account_id": "acme"}
    taken(house, "stripe", paid)
    house.fold()
    assert open_signals(house, "acme") == []
    assert house.get("/v1/accounts/acme")["attributes"]["payment_status"] == "ok"


def test_a_subscription_brings_plan_seats_and_what_it_comes_to_in_a_month(house: House) -> None:
    price = {"unit_amount": 12_000, "currency": "usd", "nickname": "team", "recurring": {"interval": "year"}}
    item = {"price": price, "quantity": 5, "current_period_end": (NOW + 300 * DAY) // SECOND}
    subscription = {"id": "sub_1", "status": "active", "customer": "cus_1", "items": {"data": [item]}}
    subscription["metadata"] = {"account_id": "acme"}
    taken(house, "stripe", stripe_event("customer.subscription.created", NOW, **subscription))
    house.fold()
    attributes = house.get("/v1/accounts/acme")["attributes"]
    expected = {"plan": "team", "seats": 5, "mrr": 50, "interval_months": 12, "status": "active"}
    assert {name: attributes[name] for name in expected} == expected
    assert attributes["renews_at"] == iso(NOW + 300 * DAY)


@needs_vectors
def test_every_stripe_payload_is_taken_ignored_or_kept_and_none_is_an_error(house: House) -> None:
    for path in sorted((SHARED / "stripe/webhooks").glob("*.json")):
        payload = json.loads(path.read_bytes()) | {"id": f"evt_{path.stem}"}
        receipt = taken(house, "stripe", payload)
        assert sum(receipt.values()) >= 1, path.name
        assert "kept" not in receipt, (path.name, letters(house)[-1].detail)


def link(house: House, account: str, **external: str) -> None:
    """Say by hand what others call an account."""
    event = {
        "specversion": "1.0",
        "id": f"link-{account}-{sorted(external)}",
        "source": "crm",
        "type": "crm.account_updated",
    }
    event |= {"account": account, "data": {"external": external, "attributes": {"name": account}}}
    house.ok(
        "POST", "/v1/events", event, scope="ingest", headers={"content-type": "application/cloudevents+json"}
    )
    house.fold()


def test_a_customer_that_was_linked_is_found_by_stripes_own_id(house: House) -> None:
    house.ok("PUT", "/v1/signals/payment_failed", PAYMENT_FAILED)
    house.ok("POST", "/v1/signals/payment_failed/activate")
    customer = stripe_event(
        "customer.created", NOW - HOUR, "evt_0", id="cus_1", metadata={"account_id": "acme"}
    )
    taken(house, "stripe", customer)
    taken(house, "stripe", failed_invoice(NOW - MINUTE, metadata={}))
    house.fold()
    assert open_signals(house, "acme") == ["payment_failed"]
    assert not letters(house)


def test_a_customer_nobody_linked_waits_as_a_dead_letter_that_names_it(house: House) -> None:
    taken(house, "stripe", failed_invoice(NOW, metadata={}))
    house.fold()
    (letter,) = letters(house)
    assert letter.reason == "no_account"
    assert "stripe" in letter.detail
    assert "cus_1" in letter.detail
    link(house, "acme", stripe="cus_1")
    taken(house, "stripe", failed_invoice(NOW, metadata={}))  # Stripe's dashboard sends it again
    house.fold()
    assert house.get("/v1/accounts/acme")["attributes"]["payment_status"] == "failed"


def test_a_company_of_the_crm_becomes_an_account_unless_it_was_linked_to_one(house: House) -> None:
    link(house, "acme", hubspot="124")
    named = {
        "subscriptionType": "company.propertyChange",
        "propertyName": "industry",
        "propertyValue": "toys",
    }
    rows = [
        HUBSPOT[0],
        HUBSPOT[0] | named,
        HUBSPOT[0] | named | {"objectId": 124},
        HUBSPOT[0] | {"objectId": 124},
    ]
    assert taken(house, "hubspot", rows) == {"accepted": 4}
    house.fold()
    assert not letters(house)
    assert {row["id"] for row in house.get("/v1/accounts")["items"]} == {"acme", "hubspot:123"}
    for account in ("acme", "hubspot:123"):
        assert house.get(f"/v1/accounts/{account}")["attributes"]["industry"] == "toys"


def test_people_of_the_crm_join_their_company_and_are_found_by_their_address(house: House) -> None:
    joined = {"subscriptionType": "contact.associationChange", "associationType": "CONTACT_TO_COMPANY"}
    joined |= {"eventId": 2, "fromObjectId": 5, "toObjectId": 123, "occurredAt": NOW // 1000 - 900}
    mail = {
        "subscriptionType": "contact.propertyChange",
        "propertyName": "email",
        "objectId": 5,
        "eventId": 3,
    }
    mail |= {"propertyValue": "ann@example.com", "occurredAt": NOW // 1000 - 800}
    assert taken(house, "hubspot", [*HUBSPOT, joined, mail]) == {"accepted": 3}
    house.fold()
    (ann,) = house.get("/v1/accounts/hubspot:123")["contacts"]
    assert (ann["id"], ann["email"]) == ("hubspot:5", "ann@example.com")
    score = {"event_type": "survey_response.created", "event_id": "s1", "event_data": {"score": 3}}
    score["event_data"] |= {"person": {"email": "Ann@Example.com"}, "created_at": NOW // SECOND}
    body = json.dumps(score).encode()
    answer = post(
        house, "generic/delighted", body, by_bearer(HOOK_SECRETS["generic/delighted"][0], NOW, body)
    )
    assert answer.json()["accepted"] == 1
    house.fold()
    assert house.get("/v1/accounts/hubspot:123")["attributes"]["nps"] == 3
