"""Webhooks signed as their vendors sign them: the other side of `signals.sources.signatures`."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from signals.instant import SECOND, Instant, iso

HUBSPOT = "https://service.example.com/v1/hooks/hubspot"
Sign = Callable[[str, Instant, bytes], dict[str, str]]
"""The headers of a body signed with a secret at an instant."""


def mac(secret: bytes, signed: bytes, algorithm: Any = hashlib.sha256) -> bytes:
    return hmac.new(secret, signed, algorithm).digest()


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def by_stripe(secret: str, at: Instant, body: bytes) -> dict[str, str]:
    stamp = at // SECOND
    made = mac(secret.encode(), f"{stamp}.".encode() + body).hex()
    return {"stripe-signature": f"t={stamp},v1={made},v0=old"}


def by_zendesk(secret: str, at: Instant, body: bytes) -> dict[str, str]:
    stamp = iso(at)
    return {
        "x-zendesk-webhook-signature": b64(mac(secret.encode(), stamp.encode() + body)),
        "x-zendesk-webhook-signature-timestamp": stamp,
    }


def by_hubspot(secret: str, at: Instant, body: bytes, url: str = HUBSPOT) -> dict[str, str]:
    stamp = str(at // 1000)
    return {
        "x-hubspot-signature-v3": b64(mac(secret.encode(), f"POST{url}".encode() + body + stamp.encode())),
        "x-hubspot-request-timestamp": stamp,
    }


def by_intercom(secret: str, at: Instant, body: bytes) -> dict[str, str]:
    return {"x-hub-signature": f"sha1={mac(secret.encode(), body, hashlib.sha1).hex()}"}


def by_standard(secret: str, at: Instant, body: bytes, name: str = "msg_1") -> dict[str, str]:
    """By their own library."""
    moment = datetime.fromtimestamp(at // SECOND, UTC)
    signature = Webhook(secret).sign(name, moment, body.decode())
    return {
        "webhook-id": name,
        "webhook-timestamp": str(at // SECOND),
        "webhook-signature": f"v1a,ignored {signature}",
    }


def by_bearer(secret: str, at: Instant, body: bytes) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}
