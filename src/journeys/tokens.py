"""Signed tokens in links: who and what, bound by HMAC-SHA256, with no address in them."""

import base64
import hmac
from hashlib import sha256

import orjson


def sign(secret: str, purpose: str, *parts: str) -> str:
    """A token for a link, URL-safe; the same parts give the same token."""
    payload = orjson.dumps([purpose, *parts])
    return f"{_text(payload)}.{_text(_mac(secret, payload))}"


def read(secret: str, purpose: str, token: str) -> list[str] | None:
    """The parts of a token made for this purpose; None where it was not made by us."""
    payload, _, mac = token.partition(".")
    try:
        raw, given = _bytes(payload), _bytes(mac)
    except ValueError:
        return None
    if not hmac.compare_digest(_mac(secret, raw), given):
        return None
    found: list[str] = orjson.loads(raw)
    return found[1:] if found[0] == purpose else None


def _mac(secret: str, payload: bytes) -> bytes:
    return hmac.new(secret.encode(), payload, sha256).digest()[:20]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
