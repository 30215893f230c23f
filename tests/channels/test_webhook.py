"""Calls of other systems: what is signed, what each answer means, and what costs nothing (B71-B73, F13)."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest
from standardwebhooks import Webhook

from channels.endpoint import endpoint
from channels.port import Blame, Call, InDoubt, Outcome, Permanent, Sent, Temporary
from channels.webhook import Webhooks
from signals.instant import DAY, SECOND, Instant, from_datetime, parse_instant

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


def now() -> Instant:
    """The wall clock's: the peer's library looks at it."""
    return from_datetime(datetime.now(UTC))


CALL = Call("crm", "call-1", b'{"data":{"who":"Acme"}}')
LOCAL = [ip_network("127.0.0.0/8")]


# ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────

Answer = Callable[[socket.socket], None]


class Sink:
    """An HTTP server that takes each request whole and answers with these bytes, or does as it is told."""

    def __init__(self, answer: bytes | Answer) -> None:
        self._answer = answer
        self.heard: list[bytes] = []
        self.closing = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self.heard.append(_request(connection))
                if callable(self._answer):
                    self._answer(connection)
                else:
                    connection.sendall(self._answer)

    def close(self) -> None:
        self.closing.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)


def _request(connection: socket.socket) -> bytes:
    heard = b""
    while b"\r\n\r\n" not in heard or len(heard.partition(b"\r\n\r\n")[2]) < len(CALL.content):
        more = connection.recv(4096)
        if not more:
            break
        heard += more
    return heard


@pytest.fixture
def serve() -> Iterator[Callable[[bytes | Answer], Sink]]:
    opened: list[Sink] = []

    def make(answer: bytes | Answer) -> Sink:
        opened.append(Sink(answer))
        return opened[-1]

    yield make
    for sink in opened:
        sink.close()


def calling(port: int, **about: Any) -> Webhooks:
    where = endpoint(f"http://sink.example.com:{port}/in?from=us", [SECRET], frozenset({port}))
    resolve = about.pop("resolve", lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", port))])
    return Webhooks({"crm": where}, now, networks=about.pop("networks", LOCAL), resolve=resolve, **about)


def test_a_call_is_what_standard_webhooks_says_and_its_library_opens_it(
    serve: Callable[[bytes], Sink],
) -> None:
    sink = serve(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert calling(sink.port).post(CALL) == Sent("")
    head, _, body = sink.heard[0].partition(b"\r\n\r\n")
    request, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert request == "POST /in?from=us HTTP/1.1"
    assert headers["Host"] == f"sink.example.com:{sink.port}"
    assert headers["webhook-id"] == "call-1"
    assert Webhook(SECRET).verify(body, headers) == {"data": {"who": "Acme"}}


def test_while_a_secret_is_replaced_both_sign(serve: Callable[[bytes], Sink]) -> None:
    sink = serve(b"HTTP/1.1 200 OK\r\n\r\n")
    other = "whsec_" + "QUJD" * 8
    where = endpoint(f"http://sink.example.com:{sink.port}/", [other, SECRET], frozenset({sink.port}))
    there = lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", sink.port))]  # noqa: E731
    Webhooks({"crm": where}, now, networks=LOCAL, resolve=there).post(CALL)
    head, _, body = sink.heard[0].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert all(Webhook(secret).verify(body, headers) for secret in (other, SECRET))


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", Sent("")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n", Sent("")),
        (b"HTTP/1.1 500 Oh\r\n\r\n", Temporary("500")),
        (b"HTTP/1.1 503 Later\r\nRetry-After: 120\r\n\r\n", Temporary("503", 120 * SECOND)),
        (b"HTTP/1.1 429 Slow\r\nretry-after: 999999999\r\n\r\n", Temporary("429", DAY)),
        (b"HTTP/1.1 429 Slow\r\nRetry-After: soon\r\n\r\n", Temporary("429")),
        (b"HTTP/1.1 408 Slow\r\n\r\n", Temporary("408")),
        (b"HTTP/1.1 400 Bad\r\n\r\n", Permanent("400", 400)),
        (b"HTTP/1.1 404 None\r\n\r\n", Permanent("404", 404)),
        (b"garbage", InDoubt("the answer is not HTTP")),
        (b"", InDoubt("the connection was closed without an answer")),
    ],
)
def test_each_answer_has_its_meaning(serve: Callable[[bytes], Sink], answer: bytes, outcome: Outcome) -> None:
    assert calling(serve(answer).port).post(CALL) == outcome


def test_a_retry_after_may_be_a_date() -> None:
    then = parse_instant("2030-01-01T00:00:00Z")
    webhooks = Webhooks({}, lambda: then - 60 * SECOND)
    head = b"HTTP/1.1 503 Later\r\nRetry-After: Tue, 01 Jan 2030 00:00:00 GMT\r\n\r\n"
    assert webhooks._verdict(503, head) == Temporary("503", 60 * SECOND)


def test_a_redirect_is_followed_by_nobody(serve: Callable[[bytes], Sink]) -> None:
    target = serve(b"HTTP/1.1 200 OK\r\n\r\n")
    answer = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{target.port}/\r\n\r\n".encode()
    outcome = calling(serve(answer).port).post(CALL)
    assert isinstance(outcome, Temporary)
    assert target.heard == []


def test_an_endpoint_that_is_gone_is_asked_no_more(serve: Callable[[bytes], Sink]) -> None:
    sink = serve(b"HTTP/1.1 410 Gone\r\n\r\n")
    webhooks = calling(sink.port)
    assert [
        outcome.code
        for outcome in (webhooks.post(CALL), webhooks.post(CALL))
        if isinstance(outcome, Permanent)
    ] == [
        410,
        410,
    ]
    assert len(sink.heard) == 1


def test_a_name_that_leads_inside_is_not_called_and_the_operator_is_told(
    serve: Callable[[bytes], Sink],
) -> None:
    sink = serve(b"HTTP/1.1 200 OK\r\n\r\n")
    outcome = calling(sink.port, networks=()).post(CALL)
    assert isinstance(outcome, Permanent)
    assert outcome.blame is Blame.CONFIGURATION
    assert "127.0.0.1" in outcome.detail
    assert sink.heard == []


def test_a_name_with_one_address_inside_is_not_called_at_all() -> None:
    dialled: list[Any] = []
    both = lambda *_, **__: [(2, 1, 6, "", ("8.8.8.8", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]  # noqa: E731
    webhooks = calling(80, networks=(), resolve=both, dial=lambda *where: dialled.append(where))
    assert isinstance(webhooks.post(CALL), Permanent)
    assert dialled == []


def test_the_connection_is_made_to_the_checked_address_and_the_name_asked_once(
    serve: Callable[[bytes], Sink],
) -> None:
    sink = serve(b"HTTP/1.1 200 OK\r\n\r\n")
    asked: list[str] = []
    dialled: list[tuple[str, int]] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        rebound = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(2, 1, 6, "", (rebound, port))]

    def dial(where: tuple[str, int], within: float) -> socket.socket:
        dialled.append(where)
        return socket.create_connection(where, within)

    assert calling(sink.port, resolve=resolve, dial=dial).post(CALL) == Sent("")
    assert (asked, dialled) == (["sink.example.com"], [("127.0.0.1", sink.port)])


def test_what_does_not_resolve_or_answer_the_door_is_tried_again() -> None:
    def nowhere(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert isinstance(calling(80, resolve=nowhere).post(CALL), Temporary)
    assert isinstance(calling(port).post(CALL), Temporary)


def test_an_unknown_endpoint_waits_for_the_operator() -> None:
    outcome = Webhooks({}, now).post(CALL)
    assert isinstance(outcome, Permanent)
    assert outcome.blame is Blame.CONFIGURATION


class Ticking:
    """Monotonic seconds that pass with every look."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1
        return self.seconds


def test_headers_without_end_and_dripping_bytes_end_with_the_deadline(
    serve: Callable[[Answer], Sink],
) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"x")

    outcome = calling(serve(drip).port, clock=Ticking()).post(CALL)
    assert isinstance(outcome, InDoubt | Sent)  # its status was heard, or the time was over first


def test_an_answer_that_never_comes_is_in_doubt(serve: Callable[[Answer], Sink]) -> None:
    def hang(connection: socket.socket) -> None:
        connection.recv(1)  # until the caller goes away

    silent = serve(hang)
    assert isinstance(calling(silent.port, limit=0.2).post(CALL), InDoubt)


def test_of_a_huge_body_nothing_is_read(serve: Callable[[Answer], Sink]) -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
        for _ in range(100 * 1024):
            connection.sendall(b"x" * 1024)

    assert calling(serve(flood).port).post(CALL) == Sent("")
