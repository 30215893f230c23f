"""SMTP_URL, and the server's replies read with a deadline and a cap (guarantees F12; fuzzed)."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from hypothesis import given
from hypothesis import strategies as st

from channels.port import Blame, Mail, Permanent, Sent
from channels.smtp import Smtp, SmtpServer, Timeouts, parse_smtp_url
from channels.smtp_wire import Answer, Broken, Reply, Wire

MAIL = Mail("hello@example.com", "ann@example.org", "<m-1@example.com>", b"Subject: x\r\n\r\nx\r\n")


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://localhost", SmtpServer("localhost", 25, "optional")),
        ("smtp://mail.example.com:587", SmtpServer("mail.example.com", 587, "required")),
        ("smtp://u:p%40ss@mail.example.com", SmtpServer("mail.example.com", 587, "required", "u", "p@ss")),
        (
            "smtp://u:p@mail.example.com:2525?starttls=required",
            SmtpServer("mail.example.com", 2525, "required", "u", "p"),
        ),
        ("smtp://u:p@localhost:1025?starttls=never", SmtpServer("localhost", 1025, "never", "u", "p")),
        ("smtps://u:p@mail.example.com", SmtpServer("mail.example.com", 465, "implicit", "u", "p")),
        ("smtp://[::1]:1025/", SmtpServer("::1", 1025, "optional")),
    ],
)
def test_an_smtp_url_names_server_and_protection(url: str, server: SmtpServer) -> None:
    assert parse_smtp_url(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.com",
        "http://mail.example.com",
        "smtp://",
        "smtp://mail.example.com:99999",
        "smtp://mail.example.com/path",
        "smtp://mail.example.com?starttls=maybe",
        "smtp://mail.example.com?tls=1",
        "smtps://mail.example.com?starttls=never",
        "smtp://hunter:@mail.example.com",
        "smtp://hunter:hunter2@mail.example.com?starttls=never",
        "smtp://hunter:hunter2@mail.example.com?starttls=optional",
    ],
)
def test_a_url_that_would_send_a_password_in_clear_or_says_nothing_is_refused_without_repeating_it(
    url: str,
) -> None:
    with pytest.raises(ValueError, match="SMTP_URL") as refused:
        parse_smtp_url(url)
    assert "hunter" not in str(refused.value)


def test_a_password_is_in_no_repr() -> None:
    assert "hunter2" not in repr(parse_smtp_url("smtps://u:hunter2@mail.example.com"))


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Wire]]:
    theirs, ours = socket.socketpair()
    wire = Wire(ours, lambda: 0.0)
    yield theirs, wire
    wire.close()
    theirs.close()


def test_a_reply_of_many_lines_is_one_reply(ends: tuple[socket.socket, Wire]) -> None:
    theirs, wire = ends
    theirs.sendall(b"250-one\r\n250-two\n250 three\r\n221 bye\r\n")
    assert wire.reply(1) == Reply(250, ("one", "two", "three"))
    assert wire.reply(1) == Reply(221, ("bye",))


@pytest.mark.parametrize("sent", [b"250\r\n", b"250 \r\n"])
def test_a_reply_may_be_a_bare_code(ends: tuple[socket.socket, Wire], sent: bytes) -> None:
    theirs, wire = ends
    theirs.sendall(sent)
    assert wire.reply(1) == Reply(250, ("",))


def test_what_a_server_says_cannot_write_into_a_log(ends: tuple[socket.socket, Wire]) -> None:
    theirs, wire = ends
    theirs.sendall(b"550 no\x1b[2J\x00\rforged\xff\r\n")
    assert str(wire.reply(1)) == "550 no?[2J??forged?"


@given(
    st.binary(max_size=300)
    | st.lists(st.sampled_from([b"250-", b"250 ", b"25", b"\r\n", b"\n", b"x"])).map(b"".join)
)
def test_any_bytes_are_a_reply_or_a_declared_failure(sent: bytes) -> None:
    theirs, ours = socket.socketpair()
    with theirs, ours:
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)
        outcome = _read(Wire(ours, lambda: 0.0))
    if isinstance(outcome, Reply):
        assert str(outcome).isprintable()
        assert 200 <= outcome.code <= 599
    else:
        assert outcome in {Answer.CUT, Answer.GARBAGE}


def _read(wire: Wire) -> Reply | Answer:
    try:
        return wire.reply(5)
    except Broken as broken:
        return broken.answer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost with its key in one file, made here and now."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout key -out cert"
    extra = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command.split(), *extra], cwd=folder, check=True, capture_output=True)
    pem = folder / "both.pem"
    pem.write_text((folder / "key").read_text() + (folder / "cert").read_text())
    return pem


@pytest.fixture
def tls_port(certificate: Path) -> Iterator[int]:
    """aiosmtpd that takes mail after STARTTLS only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(
        Sink(), hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True
    )
    controller.start()
    yield port
    controller.stop()


def _over_tls(port: int, tls: ssl.SSLContext | None) -> object:
    server = SmtpServer("localhost", port, "required")
    # The name is what the certificate is held against; the stand-in listens on IPv4 only.
    dial = lambda address, within: socket.create_connection(("127.0.0.1", address[1]), within)  # noqa: E731
    smtp = Smtp(
        server, helo="client.example.com", timeouts=Timeouts(20, 20, 20, 20, 20, 20, 20), tls=tls, dial=dial
    )
    first = smtp.post(MAIL)
    second = smtp.post(MAIL)
    smtp.close()
    return first if type(first) is type(second) else (first, second)


def test_starttls_with_a_trusted_certificate_sends(tls_port: int, certificate: Path) -> None:
    assert isinstance(_over_tls(tls_port, ssl.create_default_context(cafile=certificate)), Sent)


def test_a_certificate_nobody_vouches_for_is_a_fault_of_the_configuration(tls_port: int) -> None:
    outcome = _over_tls(tls_port, None)
    assert isinstance(outcome, Permanent)
    assert outcome.blame is Blame.CONFIGURATION
    assert "certificate" in outcome.detail


def test_optional_protection_is_used_where_offered_without_asking_who_it_is(tls_port: int) -> None:
    smtp = Smtp(SmtpServer("127.0.0.1", tls_port, "optional"), helo="client.example.com")
    assert isinstance(smtp.post(MAIL), Sent)  # the server takes nothing in clear
    smtp.close()
