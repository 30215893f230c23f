"""What may stand in a mail header, and how it is written there.

The guard is ours and not the e-mail package's, whose own has been got round more than once (CVE-2024-6923,
CVE-2026-1299; guarantees 0.8, B64). It refuses rather than repairs: who sends a line break in a subject is
either mistaken or attacking.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass

from channels.address import BadAddress, normalise

MAX_LINE = 998
"""RFC 5322 §2.1.1, without CRLF."""

# C0 and C1 controls, DEL, line and paragraph separators, lone surrogates.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Embeddings, overrides and isolates that reorder what is shown; tag characters; the byte order mark (B66).
_DECEPTIVE = re.compile("[\u202a-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
_ENCODED_WORD = re.compile(r"=\?[^?\s]*\?[bqBQ]\?")
_WORD_BYTES = 45  # base64 of 45 bytes is 60 characters: with =?utf-8?b?…?= under the 75 of RFC 2047 §2


class BadHeader(ValueError):
    """This may not stand in a header. The message names the header and the reason, not the value."""


def guard(name: str, value: str) -> str:
    """The value, if it can stand in a header as it is. Raises BadHeader."""
    found = _CONTROL.search(value)
    if found is not None:
        raise BadHeader(f"{name}: a control character (U+{ord(found[0]):04X}) may not stand in a header")
    if _ENCODED_WORD.search(value):
        raise BadHeader(f"{name}: an encoded word (=?…?=) may not stand in a header")
    if _DECEPTIVE.search(value):
        raise BadHeader(f"{name}: characters that hide or reorder text may not stand in a header")
    return value


def unstructured(name: str, value: str) -> str:
    """A guarded text as RFC 2047 wants it: ASCII as it is, anything else as encoded words on folded lines."""
    guard(name, value)
    if value.isascii() and len(name) + 2 + len(value) <= MAX_LINE:
        return value
    return "\r\n ".join(f"=?utf-8?b?{b64encode(chunk).decode()}?=" for chunk in _chunks(value))


def _chunks(text: str) -> Iterator[bytes]:
    """UTF-8 in pieces of at most _WORD_BYTES, no character split (RFC 2047 §5)."""
    piece = b""
    for character in text:
        encoded = character.encode()
        if len(piece) + len(encoded) > _WORD_BYTES:
            yield piece
            piece = b""
        piece += encoded
    yield piece


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A name and an address, both checked: what From and Reply-To are made of. Raises BadAddress, BadHeader."""

    address: str
    name: str = ""

    def __post_init__(self) -> None:
        if normalise(self.address) != self.address:
            raise BadAddress("the sender's address is not in its normal form")
        guard("From", self.name)

    def __str__(self) -> str:
        """As RFC 5322 writes it: `"Acme, Inc." <hello@example.com>`."""
        if not self.name:
            return self.address
        if not self.name.isascii():
            return f"{unstructured('From', self.name)}\r\n <{self.address}>"
        quoted = self.name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{self.address}>'
