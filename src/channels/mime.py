"""A rendered message to the bytes of an e-mail.

Written directly, from constant header names and guarded values, with CRLF line ends: the e-mail package takes
longer to build a message than a server to accept it (performance, "Floors": 0.8 ms against 0.3), and it folds a
long List-Unsubscribe into an encoded word that no mailbox provider can follow (ecosystem 2.9). The tests hold
the result against that package: it parses back to exactly the headers meant, no more and no fewer.
"""

import binascii
import re
from dataclasses import dataclass
from email.utils import format_datetime
from hashlib import blake2s

from channels.address import require_normal
from channels.headers import MAX_LINE, BadHeader, Mailbox, guard, unstructured
from channels.port import Mail
from channels.render import Rendered
from signals.instant import Instant, to_datetime

__all__ = ["BadHeader", "Letterhead", "Mailbox", "Posting", "build"]

_MESSAGE_ID = re.compile(r"<([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64})@([A-Za-z0-9.-]{1,190})>", re.ASCII)
_URI = re.compile(
    r"(?:https://|mailto:)[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+;=%]+", re.ASCII
)  # no comma: it separates
_LIST_ID = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9-]+)+", re.ASCII)
_FEEDBACK = re.compile(r"[A-Za-z0-9._-]*(?::[A-Za-z0-9._-]+){3}", re.ASCII)
_RETURN_TOKEN = re.compile(r"[A-Za-z0-9-]{1,40}", re.ASCII)
_MANY_NON_ASCII = 6  # above one byte in six, base64 is the shorter encoding


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes: the same for all mail of a service, checked once when the service starts.

    `verified` are the addresses we may write as (set up at the provider, with SPF and DKIM); From and Reply-To must
    be among them. `bounces` is the mailbox bounces come to: each mail leaves as `bounces+<token>@…` (VERP), which
    needs a host that takes plus addresses; None sends with the From address. Raises BadHeader or BadAddress.
    """

    sender: Mailbox
    verified: frozenset[str]
    reply_to: Mailbox | None = None
    bounces: Mailbox | None = None

    def __post_init__(self) -> None:
        for name, mailbox in (("From", self.sender), ("Reply-To", self.reply_to)):
            if mailbox is not None and mailbox.address not in self.verified:
                raise BadHeader(f"{name}: {mailbox.address} is not one of the verified sender addresses")

    def return_path(self, token: str) -> str:
        """The envelope sender of one mail; `token` (letters, digits, dashes, at most 40) names it in a bounce."""
        if self.bounces is None:
            return self.sender.address
        if not _RETURN_TOKEN.fullmatch(token):
            raise BadHeader("Return-Path: a token is at most 40 letters, digits and dashes")
        local, _, domain = self.bounces.address.partition("@")
        return f"{local}+{token}@{domain}"


@dataclass(frozen=True, slots=True)
class Posting:
    """What differs from one mail to the next.

    `to` is the stored normal form of one address. `message_id` is `<token@domain>` and the same at every attempt.
    `unsubscribe_url` (https) makes the mail one-click (RFC 8058), `unsubscribe_mailto` is an address beside it.
    `list_id` is a dotted name like `product-tips.example.com` (RFC 2919), `feedback_id` four words `a:b:c:sender`.
    `return_token` names this mail in its return path.
    """

    to: str
    message_id: str
    date: Instant
    unsubscribe_url: str | None = None
    unsubscribe_mailto: Mailbox | None = None
    list_id: str | None = None
    feedback_id: str | None = None
    return_token: str | None = None


def build(letterhead: Letterhead, posting: Posting, rendered: Rendered) -> Mail:
    """The mail, ready to be handed over; equal arguments give equal bytes. Raises BadHeader, BadAddress."""
    names = {**_headers(letterhead, posting, rendered.subject), **_list_headers(posting)}
    head = "".join(f"{name}: {value}\r\n" for name, value in names.items())
    content = head.encode("ascii") + _body(rendered, posting.message_id)
    token = posting.return_token
    sender = letterhead.sender.address if token is None else letterhead.return_path(token)
    return Mail(sender, posting.to, posting.message_id, content)


def _headers(letterhead: Letterhead, posting: Posting, subject: str) -> dict[str, str]:
    headers = {
        "Date": format_datetime(to_datetime(posting.date)),
        "From": str(letterhead.sender),
        "To": require_normal(posting.to),
        "Subject": unstructured("Subject", subject),
        "Message-ID": _matching("Message-ID", _MESSAGE_ID, posting.message_id),
        "Auto-Submitted": "auto-generated",  # RFC 3834: out-of-office notes stay away
        "MIME-Version": "1.0",
    }
    if letterhead.reply_to is not None:
        headers["Reply-To"] = str(letterhead.reply_to)
    return headers


def _list_headers(posting: Posting) -> dict[str, str]:
    """List-Id, List-Unsubscribe with its one-click twin, Feedback-ID: those that are given."""
    headers = {}
    if posting.list_id is not None:
        headers["List-Id"] = f"<{_matching('List-Id', _LIST_ID, posting.list_id)}>"
    ways = [posting.unsubscribe_url, _mailto(posting.unsubscribe_mailto)]
    given = [f"<{_fitting(way)}>" for way in ways if way is not None]
    if given:
        headers["List-Unsubscribe"] = ",\r\n ".join(given)
    if posting.unsubscribe_url is not None:
        if not posting.unsubscribe_url.startswith("https://"):
            raise BadHeader("List-Unsubscribe: one-click needs an https address (RFC 8058)")
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    if posting.feedback_id is not None:
        headers["Feedback-ID"] = _matching("Feedback-ID", _FEEDBACK, posting.feedback_id)
    return headers


def _mailto(mailbox: Mailbox | None) -> str | None:
    return None if mailbox is None else f"mailto:{mailbox.address}?subject=unsubscribe"


def _fitting(uri: str) -> str:
    """An unbroken address that still fits a line: folding it would break the link."""
    _matching("List-Unsubscribe", _URI, uri)
    if len(uri) + len("List-Unsubscribe: <>,") > MAX_LINE:
        raise BadHeader(f"List-Unsubscribe: an address over {MAX_LINE} characters does not fit on a line")
    return uri


def _matching(name: str, pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(guard(name, value)):
        raise BadHeader(f"{name}: {value[:80]!r} is not of the form this header has")
    return value


def _body(rendered: Rendered, message_id: str) -> bytes:
    """The Content headers and the parts: plain text, and where there is HTML the two as alternatives."""
    text = _part("plain", rendered.text)
    if rendered.html is None:
        return text
    # "=_" cannot occur in quoted-printable or base64, so no content can end a part.
    boundary = b"=_" + blake2s(message_id.encode(), digest_size=12).hexdigest().encode()
    opening = b'Content-Type: multipart/alternative; boundary="' + boundary + b'"\r\n\r\n'
    # The line end before a boundary belongs to the boundary (RFC 2046 §5.1.1), hence one more after each part.
    parts = b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in (text, _part("html", rendered.html)))
    return opening + parts + b"--%s--\r\n" % boundary


def _part(subtype: str, text: str) -> bytes:
    raw = "\r\n".join(text.splitlines()).encode() + b"\r\n"
    encoding, encoded = _encoded(raw)
    head = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode("ascii") + encoded


def _encoded(raw: bytes) -> tuple[str, bytes]:
    """As it is where it is ASCII in lines that fit; else quoted-printable, or base64 where that is shorter."""
    if raw.isascii() and max(map(len, raw.split(b"\r\n"))) <= MAX_LINE:
        return "7bit", raw
    if _non_ascii(raw) * _MANY_NON_ASCII <= len(raw):
        return "quoted-printable", binascii.b2a_qp(raw)
    lines = (binascii.b2a_base64(raw[at : at + 57], newline=False) for at in range(0, len(raw), 57))
    return "base64", b"\r\n".join(lines) + b"\r\n"


def _non_ascii(raw: bytes) -> int:
    return len(raw) - len(raw.decode("ascii", "ignore"))
