"""Endpoints of webhooks: which addresses may be called, and how a call is signed (guarantees B67-B73). Pure.

What an operator writes is checked when it is read, and what its name resolves to again at every call: a name that
leads to one address inside our networks is not called at all.
"""

import hmac
import json
import re
from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import urlsplit

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

PORTS = frozenset({80, 443, 8080, 8443})
SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with, not a secret
_PLAIN = re.compile(r"[!-~]{1,2000}", re.ASCII)
_HOST = re.compile(
    r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII
)

_CLOSED = [
    ip_network(text)
    for text in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    ]
]
_UNICAST = ip_network("2000::/3")
"""What IANA has given out of IPv6: whatever lies outside (loopback, link-local, NAT64, v4-compatible) is closed."""


class BadEndpoint(ValueError):
    """An endpoint that cannot be called; says what to write instead, and never quotes a secret."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where calls of one key go. `secrets` are the keys that sign, the newest first while one is replaced."""

    host: str
    port: int
    path: str
    secure: bool
    secrets: tuple[bytes, ...] = field(repr=False)

    @property
    def authority(self) -> str:
        """The Host header: the port only where it is not the scheme's own."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.secure else 80) else f"{name}:{self.port}"


def endpoint(url: str, secrets: Iterable[str], ports: frozenset[int] = PORTS) -> Endpoint:
    """An endpoint as an operator writes it. Raises BadEndpoint."""
    if not _PLAIN.fullmatch(url) or "\\" in url:
        raise BadEndpoint("an address is up to 2000 visible ASCII characters without a backslash")
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise BadEndpoint(f"no address can be read from it: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadEndpoint("an address begins with https:// (or http://) and a host")
    if "@" in parts.netloc or parts.fragment:
        raise BadEndpoint("an address has no user name, password or fragment: calls are signed")
    if port not in ports:
        raise BadEndpoint(f"calls go to port {', '.join(map(str, sorted(ports)))}, not {port}")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    keys = tuple(signing_key(secret) for secret in secrets)
    if not keys:
        raise BadEndpoint("an endpoint needs a secret: its receiver tells our calls from others by it")
    return Endpoint(_host(parts.hostname), port, path, parts.scheme == "https", keys)


def _host(name: str) -> str:
    """A name, or an address in its one plain form. `127.1`, `0x7f.1` and `2130706433` are neither (B69)."""
    try:
        return str(ip_address(name))
    except ValueError:
        if _HOST.fullmatch(name):
            return name
    raise BadEndpoint(
        f"{name!r:.80} is neither a host name (a-z, 0-9, -, in punycode) nor a plain IP address"
    )


def signing_key(secret: str) -> bytes:
    """The bytes that sign: base64 after `whsec_`, 24 to 64 of them (Standard Webhooks). Raises BadEndpoint."""
    try:
        key = b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (BadBase64, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or not 24 <= len(key) <= 64:
        raise BadEndpoint("a secret is whsec_ and 24 to 64 bytes in base64: openssl rand -base64 32")
    return key


def allowed(address: str, networks: Iterable[Network] = ()) -> bool:
    """Whether a resolved address may be called: a public one, or one of these networks of our own.

    Addresses that stand for others are seen through (v4-mapped) or closed (6to4, Teredo, NAT64, v4-compatible): what
    Python calls global is not enough (B70).
    """
    found: Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if any(found in network for network in networks):
        return True
    if any(found in network for network in _CLOSED):
        return False
    return isinstance(found, IPv4Address) or found in _UNICAST


def signed_headers(where: Endpoint, identifier: str, second: int, content: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks: HMAC-SHA256 over `id.timestamp.content`, one signature for each secret.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme
    """
    signed = b".".join((identifier.encode(), str(second).encode(), content))
    signatures = (b64encode(hmac.digest(key, signed, sha256)).decode() for key in where.secrets)
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(second),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def read_endpoints(text: str, ports: frozenset[int] = PORTS) -> dict[str, Endpoint]:
    """`{"crm": {"url": "https://…", "secret": "whsec_…" or a list of them}}`. Raises BadEndpoint."""
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadEndpoint(f"it is no JSON: {error.msg} at character {error.pos}") from None
    if not isinstance(body, dict):
        raise BadEndpoint('endpoints are an object: {"crm": {"url": "https://…", "secret": "whsec_…"}}')
    return {key: _read(key, given, ports) for key, given in body.items()}


def _read(key: str, given: object, ports: frozenset[int]) -> Endpoint:
    if not isinstance(given, dict) or given.keys() != {"url", "secret"} or not isinstance(given["url"], str):
        raise BadEndpoint(f"the endpoint {key!r:.60} has a url and a secret, and nothing else")
    secret = given["secret"]
    secrets = [secret] if isinstance(secret, str) else secret
    if not isinstance(secrets, list) or not all(isinstance(each, str) for each in secrets):
        raise BadEndpoint(f"the secret of {key!r:.60} is a text or a list of texts")
    try:
        return endpoint(given["url"], secrets, ports)
    except BadEndpoint as error:
        raise BadEndpoint(f"the endpoint {key!r:.60}: {error}") from None
