"""Signatures of webhooks, on both sides of every edge (B74-B77)."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.instant import MINUTE, SECOND, parse_instant
from signals.problem import Refused
from signals.sources import signatures
from signals.sources.signatures import Delivery, Scheme, standard_key, verify
from signers import HUBSPOT as URL
from signers import (
    Sign,
    by_bearer,
    by_hubspot,
    by_intercom,
    by_standard,
    by_stripe,
    by_zendesk,
    mac,
)

VECTORS = Path(__file__).parents[3] / "../shared/vectors/standard-webhooks/vectors.json"
NOW = parse_instant("2026-03-02T09:00:00Z")
BODY = '{"id":"evt_1","name":"Zoë"}'.encode()
OLD, NEW = "whsec_b2xkIG9sZCBvbGQgb2xkIG9sZA==", "whsec_bmV3IG5ldyBuZXcgbmV3IG5ldw=="


SIGNED: dict[str, tuple[Scheme, Sign]] = {
    "stripe": (signatures.stripe, by_stripe),
    "zendesk": (signatures.zendesk, by_zendesk),
    "hubspot": (signatures.hubspot, by_hubspot),
    "intercom": (signatures.intercom, by_intercom),
    "standard": (signatures.standard, by_standard),
    "shared": (signatures.shared, by_bearer),
}
TIMED = [name for name in SIGNED if name not in ("intercom", "shared")]
every = pytest.mark.parametrize("name", SIGNED)


def delivery(headers: dict[str, str], body: bytes = BODY, urls: tuple[str, ...] = (URL,)) -> Delivery:
    return Delivery("POST", urls, headers, body, NOW)


def refused(scheme: Scheme, given: Delivery, *secrets: str) -> str:
    with pytest.raises(Refused) as caught:
        verify(scheme, given, secrets or (NEW,))
    assert (caught.value.problem.status, caught.value.problem.reason) == (401, "unsigned")
    return caught.value.problem.detail


@every
def test_what_was_signed_with_the_secret_is_let_in(name: str) -> None:
    scheme, sign = SIGNED[name]
    verify(scheme, delivery(sign(NEW, NOW, BODY)), [NEW])


@every
def test_while_a_secret_is_replaced_the_old_one_and_the_new_one_count(name: str) -> None:
    scheme, sign = SIGNED[name]
    for secret in (OLD, NEW):
        verify(scheme, delivery(sign(secret, NOW, BODY)), [NEW, OLD])
    refused(scheme, delivery(sign(OLD, NOW, BODY)), NEW)


@every
def test_without_a_secret_nothing_is_let_in(name: str) -> None:
    scheme, sign = SIGNED[name]
    with pytest.raises(Refused):
        verify(scheme, delivery(sign(NEW, NOW, BODY)), [])


@every
def test_every_header_is_needed(name: str) -> None:
    scheme, sign = SIGNED[name]
    headers = sign(NEW, NOW, BODY)
    for missing in headers:
        detail = refused(scheme, delivery({each: headers[each] for each in headers if each != missing}))
        assert missing in detail
        refused(scheme, delivery(headers | {missing: ""}))


@every
def test_a_body_written_anew_is_refused(name: str) -> None:
    scheme, sign = SIGNED[name]
    if name == "shared":
        pytest.skip("a shared secret says nothing of the body")
    written = json.dumps(json.loads(BODY)).encode()
    refused(scheme, delivery(sign(NEW, NOW, BODY), written))


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("way", [1, -1], ids=["old", "ahead"])
def test_five_minutes_are_let_in_and_not_a_second_more(name: str, way: int) -> None:
    scheme, sign = SIGNED[name]
    verify(scheme, delivery(sign(NEW, NOW - way * 5 * MINUTE, BODY)), [NEW])
    assert "5 minutes" in refused(scheme, delivery(sign(NEW, NOW - way * (5 * MINUTE + SECOND), BODY)))


def test_hubspot_counts_milliseconds() -> None:
    verify(signatures.hubspot, delivery(by_hubspot(NEW, NOW - 5 * MINUTE, BODY)), [NEW])
    refused(signatures.hubspot, delivery(by_hubspot(NEW, NOW - 5 * MINUTE - 1000, BODY)))


@every
@pytest.mark.parametrize(
    "value", ["é", "\xff\xfe", "ÿ" * 44, "sha1=é", "t=1,v1=é", "Bearer é", "Basic é", "v1,é"]
)
def test_what_is_no_ascii_is_no_signature(name: str, value: str) -> None:
    scheme, sign = SIGNED[name]
    for header in sign(NEW, NOW, BODY):
        refused(scheme, delivery(sign(NEW, NOW, BODY) | {header: value}))


@every
@given(st.text(st.characters(max_codepoint=255), max_size=80))
def test_nothing_written_at_random_gets_in_or_breaks_it(name: str, value: str) -> None:
    scheme, sign = SIGNED[name]
    for header in sign(NEW, NOW, BODY):
        if header == "webhook-signature" or header != "webhook-id":
            refused(scheme, delivery(sign(NEW, NOW, BODY) | {header: value}))


def test_stripe_may_send_several_signatures() -> None:
    stamp = NOW // SECOND
    headers = {
        "stripe-signature": f"t={stamp}, v1={'0' * 64}, {by_stripe(NEW, NOW, BODY)['stripe-signature'][13:]}"
    }
    verify(signatures.stripe, delivery(headers), [NEW])
    only_old = by_stripe(NEW, NOW, BODY)["stripe-signature"].replace("v1=", "v0=")
    refused(signatures.stripe, delivery({"stripe-signature": only_old}))


def test_hubspot_signs_its_address_with_some_characters_plain() -> None:
    called = URL + "?path=a%2Fb%3A1%40x&space=a%20b"
    plain = URL + "?path=a/b:1@x&space=a%20b"
    for signed in (called, plain):
        verify(signatures.hubspot, delivery(by_hubspot(NEW, NOW, BODY, signed), urls=(called,)), [NEW])
    refused(signatures.hubspot, delivery(by_hubspot(NEW, NOW, BODY, URL + "/other"), urls=(called,)))


def test_hubspot_may_have_called_any_address_we_are_known_by() -> None:
    inside = "http://10.0.0.7:8000/v1/hooks/hubspot"
    verify(signatures.hubspot, delivery(by_hubspot(NEW, NOW, BODY), urls=(inside, URL)), [NEW])
    refused(signatures.hubspot, delivery(by_hubspot(NEW, NOW, BODY), urls=(inside,)))


def test_intercom_signs_with_sha1_and_nothing_else() -> None:
    made = mac(NEW.encode(), BODY).hex()
    assert "sha1=" in refused(signatures.intercom, delivery({"x-hub-signature": f"sha256={made}"}))


def test_a_shared_secret_may_be_a_password() -> None:
    basic = base64.b64encode(f"salesforce:{NEW}".encode()).decode()
    verify(signatures.shared, delivery({"authorization": f"Basic {basic}"}), [NEW])
    refused(signatures.shared, delivery({"authorization": f"Basic {basic[:-8]}"}))
    refused(signatures.shared, delivery({"authorization": f"Digest {NEW}"}))


VECTORS_HERE = json.loads(VECTORS.read_text()) if VECTORS.exists() else []


@pytest.mark.skipif(not VECTORS_HERE, reason="../shared/vectors is not here")
@pytest.mark.parametrize("vector", VECTORS_HERE, ids=lambda vector: vector["name"])
def test_the_vectors_of_standard_webhooks(vector: dict[str, Any]) -> None:
    if vector["expect"] == "config_error":
        with pytest.raises(ValueError, match="whsec_"):
            standard_key(vector["secret"])
        return
    given = Delivery("POST", (), vector["headers"], vector["body"].encode(), vector["now"] * SECOND)
    if vector["expect"].startswith("accept"):
        verify(signatures.standard, given, [vector["secret"]])
    else:
        refused(signatures.standard, given, vector["secret"])
