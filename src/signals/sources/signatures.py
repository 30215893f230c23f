"""Who sent a webhook: the signature of each vendor over the bytes as they came (guarantees, "Inbound signatures").

A scheme reads from a delivery what its sender claims (`Claim`); `verify` compares that, in constant time and as
bytes, with what each secret that is valid now would give. Several secrets are valid while one is being replaced.

    stripe      Stripe-Signature: t=<unix s>,v1=<hex HMAC-SHA256 of "t.body">, several v1
    zendesk     X-Zendesk-Webhook-Signature: base64 HMAC-SHA256 of timestamp and body
    hubspot     X-HubSpot-Signature-v3: base64 HMAC-SHA256 of method, URI, body and timestamp (ms)
    intercom    X-Hub-Signature: sha1=<hex HMAC-SHA1 of the body>; no timestamp, so a replay is told by its id alone
    standard    Standard Webhooks: webhook-signature: v1,<base64 HMAC-SHA256 of "id.timestamp.body">, several
    shared      the secret itself, as bearer token or Basic password (a Salesforce Flow callout cannot sign)
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, NoReturn, TypeAlias

from signals.instant import MINUTE, SECOND, Instant, parse_instant
from signals.problem import Problem, Refused

TOLERANCE = 5 * MINUTE
"""How far a signed timestamp may lie from now, either way: what was overheard cannot be sent again later."""

STANDARD_PREFIX = "whsec_"
"""How a secret of Standard Webhooks begins."""

_MILLISECOND = SECOND // 1000


class Delivery(NamedTuple):
    """One request as it came: `urls` as its sender may have written it, header names in lower case."""

    method: str
    urls: Sequence[str]
    headers: Mapping[str, str]
    body: bytes
    at: Instant


class Claim(NamedTuple):
    """What a delivery shows: any of `shown` must be one that `expected` makes with a secret."""

    shown: Sequence[bytes]
    expected: Callable[[str], Sequence[bytes]]


Scheme: TypeAlias = Callable[[Delivery], Claim]
"""Reads the claim of a delivery. Raises Refused (401) where there is none, or its time is not now."""


def verify(scheme: Scheme, delivery: Delivery, secrets: Sequence[str]) -> None:
    """Raise Refused (401) unless one of the secrets made one of the signatures shown."""
    claim = scheme(delivery)
    good = [
        hmac.compare_digest(shown, wanted)
        for secret in secrets
        for wanted in claim.expected(secret)
        for shown in claim.shown
    ]
    if not any(good):
        _refuse("the signature fits no secret that is configured: compare secret, and the bytes on their way")


def stripe(delivery: Delivery) -> Claim:
    """Stripe: https://docs.stripe.com/webhooks#verify-manually."""
    parts = [part.strip().partition("=") for part in _header(delivery, "stripe-signature").split(",")]
    stamp = next((value for name, _, value in parts if name == "t"), "")
    _now_in(stamp, SECOND, delivery.at)
    signed = f"{stamp}.".encode() + delivery.body
    shown = [_bytes(value) for name, _, value in parts if name == "v1"]
    return Claim(shown, lambda secret: [_hex(secret.encode(), signed)])


def zendesk(delivery: Delivery) -> Claim:
    """Zendesk: https://developer.zendesk.com/documentation/webhooks/verifying/."""
    shown = _header(delivery, "x-zendesk-webhook-signature")
    stamp = _header(delivery, "x-zendesk-webhook-signature-timestamp")
    try:
        sent_at = parse_instant(stamp)
    except ValueError:
        _refuse("x-zendesk-webhook-signature-timestamp is no RFC 3339 time")
    _recent(sent_at, delivery.at)
    signed = _bytes(stamp) + delivery.body
    return Claim([_bytes(shown)], lambda secret: [_base64(secret.encode(), signed)])


def hubspot(delivery: Delivery) -> Claim:
    """HubSpot, version 3: https://developers.hubspot.com/docs (request validation).

    Its URI is the address that was called with some characters written plainly, so both forms are tried.
    """
    shown = _header(delivery, "x-hubspot-signature-v3")
    stamp = _header(delivery, "x-hubspot-request-timestamp")
    _now_in(stamp, _MILLISECOND, delivery.at)
    uris = dict.fromkeys(form for url in delivery.urls for form in (url, _plainly(url)))
    signed = [(delivery.method + uri).encode() + delivery.body + _bytes(stamp) for uri in uris]
    return Claim([_bytes(shown)], lambda secret: [_base64(secret.encode(), text) for text in signed])


def intercom(delivery: Delivery) -> Claim:
    """Intercom: https://developers.intercom.com/docs/webhooks (signed notifications)."""
    algorithm, _, shown = _header(delivery, "x-hub-signature").partition("=")
    if algorithm != "sha1":
        _refuse("x-hub-signature must begin with sha1=")
    made = delivery.body
    return Claim(
        [_bytes(shown)], lambda key: [hmac.new(key.encode(), made, hashlib.sha1).hexdigest().encode()]
    )


def standard(delivery: Delivery) -> Claim:
    """Standard Webhooks: https://www.standardwebhooks.com, symmetric signatures."""
    name, stamp = _header(delivery, "webhook-id"), _header(delivery, "webhook-timestamp")
    listed = _header(delivery, "webhook-signature").split(" ")
    _now_in(stamp, SECOND, delivery.at)
    signed = _bytes(f"{name}.{stamp}.") + delivery.body
    shown = [_bytes(signature[3:]) for signature in listed if signature.startswith("v1,")]
    return Claim(shown, lambda secret: [_base64(standard_key(secret), signed)])


def shared(delivery: Delivery) -> Claim:
    """The secret itself in `Authorization`: `Bearer SECRET`, or `Basic` with any name."""
    kind, _, given = _header(delivery, "authorization").partition(" ")
    if kind.lower() == "basic":
        return Claim([_password(given)], lambda secret: [secret.encode()])
    if kind.lower() != "bearer":
        _refuse("send the shared secret: Authorization: Bearer SECRET")
    return Claim([_bytes(given.strip())], lambda secret: [secret.encode()])


def standard_key(secret: str) -> bytes:
    """The key that a secret of Standard Webhooks stands for. Raises ValueError where it is no base64, or empty."""
    text = secret.removeprefix(STANDARD_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"after {STANDARD_PREFIX}, a secret of Standard Webhooks is base64") from error
    if not key:
        raise ValueError(f"after {STANDARD_PREFIX}, the secret is empty")
    return key


SCHEMES: dict[str, Scheme] = {
    "stripe": stripe,
    "zendesk": zendesk,
    "hubspot": hubspot,
    "intercom": intercom,
    "salesforce": shared,
}
"""How each vendor signs. Anybody else is `generic/…`: Standard Webhooks, or a shared secret."""


def _header(delivery: Delivery, name: str) -> str:
    value = delivery.headers.get(name)
    return value or _refuse(f"the header {name} is missing: this does not come from whom it should")


def _bytes(text: str) -> bytes:
    """What stood on the wire: headers are read as latin-1, and compared as bytes (B76)."""
    return text.encode("latin-1", "replace")


def _now_in(stamp: str, unit: int, at: Instant) -> None:
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) < 17):
        _refuse("the signature has no timestamp that is a number")
    _recent(int(stamp) * unit, at)


def _recent(sent_at: Instant, at: Instant) -> None:
    if abs(at - sent_at) > TOLERANCE:
        _refuse("it was signed more than 5 minutes from now: a replay, or a clock is wrong")


def _hex(key: bytes, signed: bytes) -> bytes:
    return hmac.new(key, signed, hashlib.sha256).hexdigest().encode()


def _base64(key: bytes, signed: bytes) -> bytes:
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())


def _password(given: str) -> bytes:
    try:
        return base64.b64decode(given, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        _refuse("the Basic credentials are no base64")


_WRITTEN_PLAINLY = re.compile("%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


def _plainly(url: str) -> str:
    """The characters `:/?@!$'()*,;` unescaped, as HubSpot writes them before it signs."""
    return _WRITTEN_PLAINLY.sub(lambda match: chr(int(match[1], 16)), url)


def _refuse(detail: str) -> NoReturn:
    raise Refused(Problem(401, "unsigned", detail))
