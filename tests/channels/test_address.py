"""One address, one spelling: what is checked is what is sent (guarantees B48-B53, I20)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.address import BadAddress, lookup_key, normalise, require_normal


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann.Lee+x@EXAMPLE.com", "Ann.Lee+x@example.com"),
        ("  ann@example.com ", "ann@example.com"),
        ("ann@BÜCHER.example.com", "ann@xn--bcher-kva.example.com"),
        ("ann@xn--bcher-kva.example.com", "ann@xn--bcher-kva.example.com"),
        ("ann@ｅxample.com", "ann@example.com"),
        ("ａｎｎ＠example．com", "ann@example.com"),
        ("ann@acme.test", "ann@acme.test"),
    ],
)
def test_every_spelling_has_one_normal_form(written: str, normal: str) -> None:
    assert normalise(written) == normal


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("a@example.com, d@example.org", id="two addresses"),
        pytest.param("a@example.com，d@example.org", id="two addresses, full-width comma"),
        pytest.param("a@example.com;d@example.org", id="two addresses, semicolon"),
        pytest.param("a@example.com\r\nRCPT TO:<d@example.org", id="command injection"),
        pytest.param("a@example.com>\r\nRCPT TO:<d@example.org", id="command injection with bracket"),
        pytest.param("a@example.com\n", id="line feed at the end"),
        pytest.param("a\x00@example.com", id="NUL"),
        pytest.param("a\u2028@example.com", id="line separator"),
        pytest.param('"a b"@example.com', id="quoted local part"),
        pytest.param("a@[127.0.0.1]", id="IP literal"),
        pytest.param("a@[IPv6:::1]", id="IPv6 literal"),
        pytest.param("a@127.0.0.1", id="IP address"),
        pytest.param("a@localhost", id="localhost"),
        pytest.param("a@test", id="a bare reserved name"),
        pytest.param("a@host.local", id="reserved domain"),
        pytest.param("alice@example.org)bob@example.com", id="CVE-2023-27043"),
        pytest.param("Ann <ann@example.com>", id="display name"),
        pytest.param("ann@example.com.", id="trailing dot"),
        pytest.param("x" * 65 + "@example.com", id="local part of 65"),
        pytest.param("x@" + "d." * 130 + "com", id="too long"),
        pytest.param("ünn@example.com", id="needs SMTPUTF8"),
        pytest.param("", id="empty"),
        pytest.param("ann", id="no at"),
    ],
)
def test_whatever_is_not_exactly_one_plain_mailbox_is_refused(written: str) -> None:
    with pytest.raises(BadAddress):
        normalise(written)


def test_a_number_is_refused_with_a_sentence() -> None:
    with pytest.raises(BadAddress, match="must be text"):
        normalise(7)  # type: ignore[arg-type]


def test_suppression_compares_without_case() -> None:
    assert lookup_key("Ann@Example.COM") == lookup_key("ann@example.com") == "ann@example.com"


def _verdict(text: str) -> str | None:
    try:
        return normalise(text)
    except BadAddress:
        return None


@given(st.one_of(st.emails(), st.text(max_size=40), st.text('ab@.\r\n<>," ＠ｅ', max_size=20)))
def test_the_normal_form_is_a_fixed_point_that_cannot_break_a_command_line(text: str) -> None:
    normal = _verdict(text)
    if normal is None:
        return
    assert normalise(normal) == normal
    assert require_normal(normal) == normal
    assert normal.isascii()
    assert normal.isprintable()
    assert not set(normal) & set(' <>,;"()[]\\')
    assert normal.count("@") == 1
