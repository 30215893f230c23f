"""`POST /v1/hooks/{source}`: which deliveries are let in (B74-B77), and what of them is read at all."""

import base64
import json
from typing import Any

import pytest

from api.hooked import (
    BILLING,
    BILLING_MAPPING,
    NOW,
    SENT,
    activate,
    deliver,
    every,
    failed_invoice,
    in_log,
    letters,
    post,
    taken,
)
from api.house import HOOK_SECRETS, House
from signals.instant import MINUTE, SECOND
from signers import by_bearer, by_intercom, by_standard


@pytest.fixture(scope="module")
def shut(shared: House) -> House:
    """A service to be refused by: nothing that is asked of it here leaves a trace."""
    activate(shared, BILLING_MAPPING)
    return shared


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
def test_unsigned_wrongly_signed_and_changed_ones_are_401_and_leave_nothing(shut: House, source: str) -> None:
    sign, payload = SENT[source]
    body = json.dumps(payload).encode()
    before = shut.everything()
    wrong = "whsec_c29tZSBvdGhlciBzZWNyZXQgYWx0b2dldGhlcg=="
    attempts = [{}, sign(wrong, NOW, body), sign(HOOK_SECRETS[source][0], NOW, body + b" ")]
    if sign not in (by_intercom, by_bearer):
        attempts.append(sign(HOOK_SECRETS[source][0], NOW - 5 * MINUTE - SECOND, body))
    for headers in attempts[: 2 if sign is by_bearer else None]:
        answer = post(shut, source, body, headers)
        assert answer.status_code == 401, headers
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"]
        assert answer.json()["type"] == "urn:journeys:unsigned"
    assert shut.everything() == before


@every
def test_a_signature_that_is_no_ascii_is_401(shut: House, source: str) -> None:
    sign, payload = SENT[source]
    body = json.dumps(payload).encode()
    good = {name: text.encode() for name, text in sign(HOOK_SECRETS[source][0], NOW, body).items()}
    for value in (b"\xc3\xa9", b"\xff", b"t=1,v1=\xe9", b"Bearer \xe9", b"sha1=\xe9"):
        for name in good.keys() - {"webhook-id"}:
            headers: Any = {**good, name: value}
            assert post(shut, source, body, headers).status_code == 401, (name, value)


def test_the_secret_of_before_still_opens_while_it_is_replaced(house: House) -> None:
    for number, secret in enumerate(HOOK_SECRETS["stripe"]):
        assert deliver(house, "stripe", failed_invoice(NOW, f"evt_{number}"), secret).status_code == 200


@pytest.mark.parametrize("source", ["generic/nobody", "generic/stripe2"])
def test_a_source_without_a_secret_is_shut_and_says_how_to_open_it(shut: House, source: str) -> None:
    answer = post(shut, source, b"{}", by_bearer("", NOW, b"{}"))
    assert answer.status_code == 401
    assert f"JOURNEYS_HOOK_SECRETS={source}=SECRET" in answer.json()["detail"]


@pytest.mark.parametrize(
    "source", ["paypal", "generic", "generic/", "generic/stripe", "Stripe", "generic/a/b"]
)
def test_a_source_that_cannot_be_is_404(shut: House, source: str) -> None:
    answer = post(shut, source, b"{}", {})
    assert answer.status_code in (404, 405), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_open_source_was_opened_on_purpose(house: House) -> None:
    activate(house, BILLING_MAPPING | {"key": "open"})
    assert post(house, "generic/open", json.dumps(BILLING).encode(), {}).json()["accepted"] == 1


def test_a_generic_source_may_send_its_secret_as_a_password(house: House) -> None:
    body = json.dumps({"event_type": "unsubscribe.created", "event_id": "e1", "event_data": {}}).encode()
    basic = base64.b64encode(f"any:{HOOK_SECRETS['generic/delighted'][0]}".encode()).decode()
    assert post(house, "generic/delighted", body, {"authorization": f"Basic {basic}"}).status_code == 200


def test_no_secret_shows_in_settings_or_answers(shut: House) -> None:
    secrets = [secret for some in HOOK_SECRETS.values() for secret in some if secret != "none"]
    shown = repr(shut.parts.settings) + "".join(post(shut, source, b"{}", {}).text for source in HOOK_SECRETS)
    assert not [secret for secret in secrets if secret in shown]


# ── what is in it ──────────────────────────────────────────────────────────────────────────────────────────────


NO_PAYLOADS = {
    b"": 400,
    b"{": 400,
    b"<xml/>": 400,
    b"\xff\xfe{\x00}\x00": 400,
    b"a=1&b=2": 400,
    b"[" * 200: 400,
    b"[{}": 400,
    b"null": 422,
    b'"text"': 422,
    b"7": 422,
    b"[" + b",".join([b"{}"] * 1001) + b"]": 413,
}
"""What is refused though it was signed, and how."""


@every
def test_what_is_no_payload_is_refused(shut: House, source: str) -> None:
    sign = SENT[source][0]
    before = shut.counts()
    for body, status in NO_PAYLOADS.items():
        if sign is by_standard and (status == 413 or not body.isascii()):
            continue  # their library signs text; this mapping wants a list inside
        answer = post(shut, source, body, sign(HOOK_SECRETS[source][0], NOW, body))
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert shut.counts() == before


def test_a_payload_of_two_megabytes_is_413(shut: House) -> None:
    assert deliver(shut, "stripe", failed_invoice(NOW, note="x" * 2_000_000)).status_code == 413


@every
def test_the_content_type_does_not_matter(wired: House, source: str) -> None:
    sign, payload = SENT[source]
    body = json.dumps(payload).encode()
    headers = sign(HOOK_SECRETS[source][0], NOW, body) | {"content-type": "text/plain"}
    assert post(wired, source, body, headers).status_code == 200
