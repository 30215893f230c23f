"""Whether a link of a text can lead anywhere, told without asking the network (semantics §6 (d)).

Values stand in it as words (`jvslot0e`, channels/prose.py): what they hold is only known at sending.
"""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

_SLOT = re.compile(r"jvslot\d+e")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)+[a-z][a-z0-9-]{{0,61}}[a-z0-9]\.?", re.ASCII)
_MAILBOX = re.compile(r"[^@\s]+@([^@\s?]+)(?:\?.*)?", re.ASCII)

_DOCUMENTATION = frozenset({"example.com", "example.org", "example.net"})
"""Reserved for examples (RFC 2606 §3): they lead to a page that says so."""

_NOWHERE = frozenset({"test", "invalid", "localhost", "example", "local", "internal", "lan"})
"""Top levels that no public name has (RFC 2606 §2, RFC 6761, RFC 6762)."""

_STAND_INS = frozenset(
    {
        "yourdomain",
        "yourcompany",
        "your-domain",
        "your-company",
        "mycompany",
        "todo",
        "tbd",
        "xxx",
        "placeholder",
    }
)


class Dead(NamedTuple):
    """Why a link leads nowhere, and what to write; `certain` False is an address of documentation."""

    detail: str
    mend: str
    certain: bool = True


def dead(href: str) -> Dead | None:
    """What is wrong with an address; None where it may lead somewhere."""
    if _SLOT.match(href):
        return None  # the whole address is one fact, checked when it is put in
    scheme, colon, rest = href.partition(":")
    if not colon or "/" in scheme or not href.strip("#"):
        mend = "write the whole address, https://… : a mail has no page it could be relative to"
        return Dead(f"the link {_cut(href)!r} leads nowhere: it is not a whole address", mend)
    if scheme.lower() == "mailto":
        return _dead_mailbox(rest)
    if scheme.lower() != "https":
        return Dead(
            f"the link {_cut(href)!r} is not https",
            f"write https:{rest}" if scheme == "http" else "link https",
        )
    return _dead_web(href)


def _dead_web(href: str) -> Dead | None:
    mend = "write https://, the host's full name, and the path"
    try:
        parts = urlsplit(_SLOT.sub("x", href))
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return Dead(f"the link {_cut(href)!r} is malformed", mend)
    if parts.username is not None or "\\" in href:
        return Dead(f"the link {_cut(href)!r} hides its host", mend)
    return _dead_host(host, href, mend)


def _dead_host(host: str, href: str, mend: str) -> Dead | None:
    ascii_host = _ascii(host)
    labels = host.rstrip(".").split(".")
    if labels[-1] in _NOWHERE or _STAND_INS & set(labels):
        return Dead(f"the link {_cut(href)!r} is a placeholder", "put in the address that is meant")
    if ascii_host is None or not _HOST.fullmatch(ascii_host):
        return Dead(f"the link {_cut(href)!r} is malformed: {host!r:.60} is no host's full name", mend)
    if ".".join(labels[-2:]) in _DOCUMENTATION:
        detail = f"the link {_cut(href)!r} is an address of documentation: nobody is there"
        return Dead(detail, "put in the address that is meant", certain=False)
    return None


def _dead_mailbox(address: str) -> Dead | None:
    mend = "write mailto:name@host"
    if _SLOT.search(address):
        return None  # checked when the value is put in
    found = _MAILBOX.fullmatch(address)
    if found is None:
        return Dead(f"the link {_cut('mailto:' + address)!r} names no mailbox", mend)
    return _dead_host(found[1].lower(), f"mailto:{address}", mend)


def _ascii(host: str) -> str | None:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return None


def _cut(href: str) -> str:
    shown = _SLOT.sub("…", href)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"
