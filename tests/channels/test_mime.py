"""The bytes of a mail say exactly what was meant, whatever the values are (guarantees B64, "E-mail 1.3.11")."""

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.address import BadAddress
from channels.mime import BadHeader, Letterhead, Mailbox, Posting, build
from channels.port import Mail
from channels.render import Rendered
from signals.instant import parse_instant

SENDER = Mailbox("hello@example.com", "Example, Inc.")
LETTERHEAD = Letterhead(SENDER, frozenset({"hello@example.com", "success@example.com"}))
POSTING = Posting("ann@example.org", "<m-1a2b@example.com>", parse_instant("2026-03-02T09:00:00Z"))
MARKETING = replace(
    POSTING,
    unsubscribe_url="https://example.com/u/" + "k" * 300,
    unsubscribe_mailto=Mailbox("bye@example.com"),
    list_id="product-tips.example.com",
    feedback_id="nudge:acme:marketing:example",
)
RENDERED = Rendered("Hello", "Hi Ann\n", "<p>Hi Ann</p>\n")


def parsed(mail: Mail) -> EmailMessage:
    return message_from_bytes(mail.content, policy=policy.SMTP.clone(max_line_length=998))  # type: ignore[return-value]


def body(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_a_mail_carries_the_headers_meant_and_no_others() -> None:
    mail = build(LETTERHEAD, POSTING, RENDERED)
    assert sorted(parsed(mail).items()) == sorted(
        {
            "Date": "Mon, 02 Mar 2026 09:00:00 +0000",
            "From": '"Example, Inc." <hello@example.com>',
            "To": "ann@example.org",
            "Subject": "Hello",
            "Message-ID": "<m-1a2b@example.com>",
            "Auto-Submitted": "auto-generated",
            "MIME-Version": "1.0",
            "Content-Type": parsed(mail)["Content-Type"],
        }.items()
    )
    assert (mail.sender, mail.recipient) == ("hello@example.com", "ann@example.org")


def test_text_and_html_are_alternatives_html_last() -> None:
    message = parsed(build(LETTERHEAD, POSTING, RENDERED))
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert (body(message, "plain"), body(message, "html")) == ("Hi Ann\n", "<p>Hi Ann</p>\n")


def test_a_mail_without_html_is_one_plain_part() -> None:
    message = parsed(build(LETTERHEAD, POSTING, replace(RENDERED, html=None)))
    assert message.get_content_type() == "text/plain"
    assert body(message, "plain") == "Hi Ann\n"


def test_a_long_unsubscribe_address_stays_on_one_line_in_clear() -> None:
    lines = build(LETTERHEAD, MARKETING, RENDERED).content.split(b"\r\n")
    address = ("<" + str(MARKETING.unsubscribe_url) + ">,").encode()
    assert b"List-Unsubscribe: " + address in lines
    assert b" <mailto:bye@example.com?subject=unsubscribe>" in lines


def test_marketing_mail_is_one_click() -> None:
    message = parsed(build(LETTERHEAD, MARKETING, RENDERED))
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Id"] == "<product-tips.example.com>"
    assert message["Feedback-ID"] == "nudge:acme:marketing:example"


def test_one_click_needs_https() -> None:
    with pytest.raises(BadHeader, match="https"):
        build(LETTERHEAD, replace(MARKETING, unsubscribe_url="mailto:bye@example.com"), RENDERED)


def test_equal_arguments_give_equal_bytes() -> None:
    assert build(LETTERHEAD, MARKETING, RENDERED) == build(LETTERHEAD, MARKETING, RENDERED)


def test_bounces_come_back_to_an_address_that_names_the_mail() -> None:
    letterhead = replace(LETTERHEAD, bounces=Mailbox("bounces@example.com"))
    mail = build(letterhead, replace(POSTING, return_token="m-1a2b"), RENDERED)
    assert mail.sender == "bounces+m-1a2b@example.com"
    with pytest.raises(BadHeader):
        build(letterhead, replace(POSTING, return_token="a@b"), RENDERED)


@pytest.mark.parametrize("field", ["sender", "reply_to"])
def test_only_verified_addresses_may_write(field: str) -> None:
    with pytest.raises(BadHeader, match="verified"):
        replace(LETTERHEAD, **{field: Mailbox("ceo@example.com")})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param("a\r\nBcc: eve@example.org", id="CRLF"),
        pytest.param("a\nBcc: eve@example.org", id="LF"),
        pytest.param("a\rb", id="CR"),
        pytest.param("a\x00b", id="NUL"),
        pytest.param("a\x85b", id="C1 next line"),
        pytest.param("a\u2028b", id="line separator"),
        pytest.param("a\u2029b", id="paragraph separator"),
        pytest.param("A 💩 =?UTF-8?Q?=0A?=Bcc: eve@example.org", id="CVE-2024-6923"),
        pytest.param("=?utf-8?b?Cg==?=", id="encoded line feed"),
        pytest.param("a\ud800", id="lone surrogate"),
        pytest.param("txt\u202eexe.moc", id="right-to-left override"),
        pytest.param("a\U000e0041", id="tag character"),
    ],
)
def test_a_subject_that_could_become_a_header_is_refused(subject: str) -> None:
    with pytest.raises(BadHeader):
        build(LETTERHEAD, POSTING, replace(RENDERED, subject=subject))
    with pytest.raises(BadHeader):
        Mailbox("hello@example.com", subject)


@pytest.mark.parametrize(
    "to", ["a@example.com, b@example.org", "b@example.com>\r\nRCPT TO:<c@example.org", "Ann@EXAMPLE.com"]
)
def test_a_recipient_is_one_address_in_normal_form(to: str) -> None:
    with pytest.raises(BadAddress):
        build(LETTERHEAD, replace(POSTING, to=to), RENDERED)


@pytest.mark.parametrize(
    "changed",
    [
        {"message_id": "no-brackets@example.com"},
        {"message_id": "<a@b>\r\nBcc: <eve@example.org>"},
        {"unsubscribe_url": "https://example.com/u>, <https://evil.example.org"},
        {"unsubscribe_url": "https://example.com/" + "k" * 990},
        {"list_id": "<x>"},
        {"feedback_id": "a:b"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_every_other_header_has_a_form_of_its_own(changed: dict[str, str]) -> None:
    with pytest.raises((BadHeader, BadAddress)):
        build(LETTERHEAD, replace(POSTING, **changed), RENDERED)  # type: ignore[arg-type]


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)


@given(subject=WORDS, name=WORDS, text=WORDS, html=st.none() | WORDS)
def test_whatever_is_accepted_parses_back_to_exactly_what_was_meant(
    subject: str, name: str, text: str, html: str | None
) -> None:
    try:
        letterhead = Letterhead(Mailbox("hello@example.com", name), frozenset({"hello@example.com"}))
        mail = build(letterhead, MARKETING, Rendered(subject, text, html))
    except BadHeader:
        return
    message = parsed(mail)
    names = "Date From To Subject Message-ID Auto-Submitted MIME-Version List-Id List-Unsubscribe"
    meant = [*names.split(), "List-Unsubscribe-Post", "Feedback-ID", "Content-Type"]
    assert sorted(message.keys()) == sorted(
        meant if html is not None else [*meant, "Content-Transfer-Encoding"]
    )
    assert [address.addr_spec for address in message["From"].addresses] == ["hello@example.com"]
    assert [address.addr_spec for address in message["To"].addresses] == ["ann@example.org"]
    assert " ".join(message["Subject"].split()) == " ".join(subject.split())
    # The parser of this Python leaves a space between the encoded words of a phrase (RFC 2047 §6.2 says none).
    assert "".join(message["From"].addresses[0].display_name.split()) == "".join(name.split())
    assert body(message, "plain").split("\n") == [*(text.splitlines() or [""]), ""]
    assert all(len(line) <= 998 for line in mail.content.split(b"\r\n"))
    assert b"\n" not in mail.content.replace(b"\r\n", b"")
    assert b"\r" not in mail.content.replace(b"\r\n", b"")
    assert mail.content.isascii()


def test_the_address_to_unsubscribe_by_mail_cannot_carry_more_headers() -> None:
    with pytest.raises(BadAddress):
        Mailbox("bye@example.com?bcc=eve@example.org")


def test_an_ascii_text_in_lines_that_fit_is_sent_as_it_is_and_a_longer_line_is_wrapped() -> None:
    short = build(LETTERHEAD, POSTING, Rendered("s", "x" * 998 + "\n", None))
    long = build(LETTERHEAD, POSTING, Rendered("s", "x" * 999 + "\n", None))
    assert b"Content-Transfer-Encoding: 7bit" in short.content
    assert b"Content-Transfer-Encoding: quoted-printable" in long.content
    assert body(parsed(long), "plain") == "x" * 999 + "\n"


def test_a_mostly_foreign_text_is_sent_as_base64_and_arrives_whole() -> None:
    text = "Привет, это письмо. " * 20 + "\n"
    mail = build(LETTERHEAD, POSTING, Rendered("Привет " * 20, text, None))
    assert b"Content-Transfer-Encoding: base64" in mail.content
    assert body(parsed(mail), "plain") == text
    assert parsed(mail)["Subject"] == "Привет " * 20
