"""E-mail addresses: one spelling, checked once, stored, compared and sent byte for byte.

A suppression list is only as good as the key it is searched with. So an address is brought to its normal
form where it enters, that form is what is stored, judged and put into `RCPT TO`, and nothing later on the way
rewrites it (guarantees 0.7, I20, B48-B53). Pure: no DNS is asked.
"""

import re
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

MAX_LENGTH = 254
"""RFC 5321 §4.5.3.1.3 less the angle brackets; also the cap before anything is parsed."""

# Half- and full-width ASCII look alike on the screen of whoever typed the address (B50).
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_NORMAL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}",
    re.ASCII,
)


class BadAddress(ValueError):
    """This is not an address we can write to. The message says why; `address` is not part of it (logs)."""


def normalise(address: str) -> str:
    """The one normal form: ASCII, domain in lower-case punycode, the local part as given.

    `Ann@BÜCHER.example.com` → `Ann@xn--bcher-kva.example.com`. Spaces around it are dropped, full-width letters
    become ASCII. Raises BadAddress for anything that is not exactly one plain mailbox at a named domain:
    lists, display names, quoted or non-ASCII local parts, IP literals, `localhost`, reserved domains other
    than `.test`, control characters, a local part over 64 or a whole over 254 characters.
    """
    if not isinstance(address, str):
        raise BadAddress("an e-mail address must be text")
    return _normal(address)


@lru_cache(maxsize=20_000)
def _normal(address: str) -> str:
    """The newest are remembered: an address is asked for at every message to it, and at every judgement of one."""
    candidate = address.strip(" ").translate(_FULL_WIDTH)
    if len(candidate) > MAX_LENGTH:
        raise BadAddress(f"the address is longer than {MAX_LENGTH} characters")
    if candidate.isascii() and "@" in candidate and "." not in candidate.rpartition("@")[2]:
        raise BadAddress("the part after the @ has no dot: a public domain is needed, like example.com")
    return _validated(candidate)


def _validated(candidate: str) -> str:
    try:
        found = validate_email(
            candidate,
            allow_smtputf8=False,
            check_deliverability=False,
            test_environment=True,  # takes `.test`, which scenarios use; `localhost` stays refused
            strict=True,
        )
    except EmailNotValidError as problem:
        raise BadAddress(str(problem)) from None
    if found.ascii_email is None:  # cannot happen without SMTPUTF8; the type says it may
        raise BadAddress("the address cannot be written in ASCII")
    return found.ascii_email


def require_normal(address: str) -> str:
    """The address, if it has the shape of a normal form: the last, cheap check before it is written on the wire.

    Raises BadAddress for what `normalise` cannot have returned.
    """
    if not _NORMAL.fullmatch(address):
        raise BadAddress("this address was not brought to its normal form")
    return address


def lookup_key(address: str) -> str:
    """What suppression and identity compare: the normal form in lower case. Raises BadAddress."""
    return normalise(address).lower()
