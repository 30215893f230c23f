"""`POST /v1/hooks/{source}`: webhooks of vendors, from a signed delivery to what becomes of it."""

import base64
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.house import HOOK_SECRETS, House
from journeys.store.tables import dead_letters, log
from signals.instant import DAY, HOUR, MINUTE, SECOND, Instant, iso, parse_instant
from signers import (
    Sign,
    by_bearer,
    by_hubspot,
    by_intercom,
    by_standard,
    by_stripe,
    by_zendesk,
)

NOW = parse_instant("2026-03-02T09:00:00Z")
SHARED = Path(__file__).parents[2] / "../shared/vectors"
needs_vectors = pytest.mark.skipif(not SHARED.exists(), reason="../shared/vectors is not here")


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


@pytest.fixture
def wired(house: House) -> House:
    activate(house, BILLING_MAPPING)
    return house


# ── who is let in ──────────────────────────────────────────────────────────────────────────────────────────────


@every
def test_a_signed_delivery_is_durable_when_it_is_answered(wired: House, source: str) -> None:
    assert taken(wired, source, SENT[source][1])["accepted"] >= 1
    assert in_log(wired) >= 1


@every
def test_sent_again_it_counts_once(wired: House, source: str) -> None:
    first = taken(wired, source, SENT[source][1])
    assert taken(wired, source, SENT[source][1]) == {"duplicates": first["accepted"]}
    wired.fold()
    if not letters(wired):  # what found no account is tried again whenever it is sent again
        assert taken(wired, source, SENT[source][1]) == {"duplicates": first["accepted"]}


@every
def test_unsigned_wrongly_signed_and_changed_ones_are_401_and_leave_nothing(
    wired: House, source: str
) -> None:
    sign, payload = SENT[source]
    body = json.dumps(payload).encode()
    before = wired.everything()
    wrong = "whsec_c29tZSBvdGhlciBzZWNyZXQgYWx0b2dldGhlcg=="
    attempts = [{}, sign(wrong, NOW, body), sign(HOOK_SECRETS[source][0], NOW, body + b" ")]
    if sign not in (by_intercom, by_bearer):
        attempts.append(sign(HOOK_SECRETS[source][0], NOW - 5 * MINUTE - SECOND, body))
    for headers in attempts[: 2 if sign is by_bearer else None]:
        answer = post(wired, source, body, headers)
        assert answer.status_code == 401, headers
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"]
        assert answer.json()["type"] == "urn:journeys:unsigned"
    assert wired.everything() == before


@every
@pytest.mark.parametrize("value", [b"\xc3\xa9", b"\xff", b"t=1,v1=\xe9", b"Bearer \xe9", b"sha1=\xe9"])
def test_a_signature_that_is_no_ascii_is_401(wired: House, source: str, value: bytes) -> None:
    sign, payload = SENT[source]
    body = json.dumps(payload).encode()
    good = sign(HOOK_SECRETS[source][0], NOW, body)
    for name in good:
        if name != "webhook-id":
            headers: Any = {**{key: text.encode() for key, text in good.items()}, name: value}
            assert post(wired, source, body, headers).status_code == 401, name


def test_the_secret_of_before_still_opens_while_it_is_replaced(house: House) -> None:
    for number, secret in enumerate(HOOK_SECRETS["stripe"]):
        assert deliver(house, "stripe", failed_invoice(NOW, f"evt_{number}"), secret).status_code == 200


@pytest.mark.parametrize("source", ["generic/nobody", "generic/stripe2"])
def test_a_source_without_a_secret_is_shut_and_says_how_to_open_it(house: House, source: str) -> None:
    answer = post(house, source, b"{}", by_bearer("", NOW, b"{}"))
    assert answer.status_code == 401
    assert f"JOURNEYS_HOOK_SECRETS={source}=SECRET" in answer.json()["detail"]


@pytest.mark.parametrize(
    "source", ["paypal", "generic", "generic/", "generic/stripe", "Stripe", "generic/a/b"]
)
def test_a_source_that_cannot_be_is_404(house: House, source: str) -> None:
    answer = post(house, source, b"{}", {})
    assert answer.status_code in (404, 405), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_open_source_was_opened_on_purpose(house: House) -> None:
    activate(house, BILLING_MAPPING | {"key": "open"})
    assert post(house, "generic/open", json.dumps(BILLING).encode(), {}).json()["accepted"] == 1


def test_a_generic_source_may_send_its_secret_as_a_password(house: House) -> None:
    body = json.dumps({"event_type": "unsubscribe.created", "event_id": "e1", "event_data": {}}).encode()
    basic = base64.b64encode(f"any:{HOOK_SECRETS['generic/delighted'][0]}".encode()).decode()
    assert post(house, "generic/delighted", body, {"authorization": f"Basic {basic}"}).status_code == 200


def test_no_secret_shows_in_settings_or_answers(house: House) -> None:
    secrets = [secret for some in HOOK_SECRETS.values() for secret in some if secret != "none"]
    shown = repr(house.parts.settings) + "".join(
        post(house, source, b"{}", {}).text for source in HOOK_SECRETS
    )
    assert not [secret for secret in secrets if secret in shown]


# ── what is in it ──────────────────────────────────────────────────────────────────────────────────────────────


@every
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"<xml/>", 400),
        (b"\xff\xfe{\x00}\x00", 400),
        (b"a=1&b=2", 400),
        (b"[" * 200, 400),
        (b"[{}", 400),
        (b"null", 422),
        (b'"text"', 422),
        (b"7", 422),
        (b"[" + b",".join([b"{}"] * 1001) + b"]", 413),
    ],
)
def test_what_is_no_payload_is_refused(wired: House, source: str, body: bytes, status: int) -> None:
    sign = SENT[source][0]
    if sign is by_standard and (status == 413 or not body.isascii()):
        pytest.skip("their library signs text; this mapping wants a list inside")
    before = wired.counts()
    answer = post(wired, source, body, sign(HOOK_SECRETS[source][0], NOW, body))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert wired.counts() == before


def test_a_payload_of_two_megabytes_is_413(house: House) -> None:
    assert deliver(house, "stripe", failed_invoice(NOW, note="x" * 2_000_000)).status_code == 413


@every
def test_the_content_type_does_not_matter(wired: House, source: str) -> None:
    sign, payload = SENT[source]
    body = json.dumps(payload).encode()
    headers = sign(HOOK_SECRETS[source][0], NOW, body) | {"content-type": "text/plain"}
    assert post(wired, source, body, headers).status_code == 200


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

PAYMENT_FAILED = {
    "key": "payment_failed",
    "when": {
        "missed": "billing.invoice_paid",
        "after": "billing.payment_failed",
        "same": "invoice",
        "for": "0s",
    },
}


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
