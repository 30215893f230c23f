"""The guard in front of the ingest routes (guarantees B30-B32, B34), driven by ASGI directly."""

import asyncio
import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.api.body import BodyGuard, Message, Receive, Scope, Send

LIMIT = 10_000


class Client:
    """A server's side of one request: hands out messages, keeps what is sent, and counts."""

    def __init__(self, *chunks: bytes, headers: dict[str, str] | list[tuple[str, str]] | None = None) -> None:
        pairs = headers.items() if isinstance(headers, dict) else headers or []
        self.headers = [(name.encode(), value.encode()) for name, value in pairs]
        self.path = "/v1/events"
        self.sent: list[Message] = []
        self.read = 0
        self.seen: tuple[dict[bytes, bytes], bytes] | None = None
        self._messages: Iterator[Message] = iter(
            {"type": "http.request", "body": chunk, "more_body": index < len(chunks)}
            for index, chunk in enumerate(chunks, start=1)
        )

    async def receive(self) -> Message:
        self.read += 1
        return next(self._messages, {"type": "http.disconnect"})

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        assert message["more_body"] is False
        self.seen = (dict(scope["headers"]), message["body"])
        assert (await receive())["type"] == "http.disconnect"

    def run(self, **options: Any) -> "Client":
        guard = BodyGuard(self.app, {"/v1/events": LIMIT, "/v1/events/large": 10 * LIMIT}, **options)
        scope = {"type": "http", "method": "POST", "path": self.path, "headers": self.headers}
        asyncio.run(guard(scope, self.receive, self.send))
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


def refused(client: Client) -> tuple[int, str]:
    """Status and reason, after the form of the answer has been checked."""
    start, body = client.sent
    headers = dict(start["headers"])
    problem = json.loads(body["body"])
    assert client.seen is None
    assert headers[b"content-type"] == b"application/problem+json"
    assert int(headers[b"content-length"]) == len(body["body"])
    assert problem["status"] == start["status"]
    return client.status, problem["type"].removeprefix("urn:journeys:")


def test_a_body_arrives_as_one_message_with_its_true_length() -> None:
    client = Client(b"ab", b"", b"cd", headers={"transfer-encoding": "chunked", "x-other": "kept"}).run()
    assert client.seen == ({b"x-other": b"kept", b"content-length": b"4"}, b"abcd")
    assert client.sent == []


def test_no_body_is_an_empty_body() -> None:
    assert Client(b"").run().seen == ({b"content-length": b"0"}, b"")


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_gzip_is_inflated_and_its_header_taken_off(encoding: str) -> None:
    packed = gzip.compress(b"hello " * 1000)
    client = Client(packed[:7], packed[7:], headers={"content-encoding": encoding}).run()
    assert client.seen == ({b"content-length": b"6000"}, b"hello " * 1000)


@given(parts=st.lists(st.binary(max_size=200), min_size=1, max_size=4), size=st.integers(1, 50))
def test_any_cut_of_any_gzip_members_gives_back_the_whole(parts: list[bytes], size: int) -> None:
    packed = b"".join(gzip.compress(part) for part in parts)
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]
    client = Client(*chunks, headers={"content-encoding": "gzip"}).run()
    assert client.seen is not None
    assert client.seen[1] == b"".join(parts)


def test_a_body_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    assert Client(b"x" * LIMIT, headers={"content-length": str(LIMIT)}).run().seen is not None
    packed = gzip.compress(b"x" * LIMIT)
    assert Client(packed, headers={"content-encoding": "gzip"}).run().seen is not None
    assert refused(Client(b"x" * LIMIT, b"x").run()) == (413, "too_large")
    packed = gzip.compress(b"x" * (LIMIT + 1))
    assert refused(Client(packed, headers={"content-encoding": "gzip"}).run()) == (413, "too_large")


def test_an_announced_large_body_is_refused_before_a_byte_is_read() -> None:
    client = Client(b"x", headers={"content-length": "52428800"}).run()
    assert refused(client) == (413, "too_large")
    assert client.read == 0


def test_an_unannounced_large_body_is_refused_while_it_streams() -> None:
    client = Client(*[b"x" * 1000] * 1000).run()
    assert refused(client) == (413, "too_large")
    assert client.read == 11


def test_a_gzip_bomb_is_refused_while_it_streams() -> None:
    bomb = gzip.compress(b"\0" * 100_000_000)
    chunks = [bomb[at : at + 1000] for at in range(0, 9000, 1000)]
    client = Client(*chunks, headers={"content-encoding": "gzip"}).run()
    assert refused(client) == (413, "too_large")
    assert client.read == 1


def test_a_bomb_of_many_small_members_is_refused() -> None:
    member = gzip.compress(b"\0" * 6000)
    assert refused(Client(member * 3, headers={"content-encoding": "gzip"}).run()) == (413, "too_large")


def test_packed_bytes_count_too_even_when_nothing_comes_of_them() -> None:
    """Empty gzip members without end: each is legal and inflates to nothing."""
    empty = gzip.compress(b"")
    client = Client(*[empty] * 100_000, headers={"content-encoding": "gzip"}).run()
    assert refused(client) == (413, "too_large")
    assert client.read == LIMIT // len(empty) + 1


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"plain text", id="not gzip"),
        pytest.param(gzip.compress(b"hello")[:-1], id="cut off"),
        pytest.param(gzip.compress(b"hello")[:-8] + b"\0" * 8, id="wrong checksum"),
        pytest.param(gzip.compress(b"hello") + b"trailing", id="something after it"),
        pytest.param(gzip.compress(b"hello") + b"\x1f", id="half a member after it"),
    ],
)
def test_corrupt_gzip_is_malformed(packed: bytes) -> None:
    assert refused(Client(packed, headers={"content-encoding": "gzip"}).run()) == (400, "malformed")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "é"])
def test_other_encodings_are_unsupported(encoding: str) -> None:
    client = Client(b"x", headers={"content-encoding": encoding}).run()
    assert refused(client) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("content-length", "1"), ("content-length", "1")], id="two lengths"),
        pytest.param([("content-length", "1"), ("Transfer-Encoding", "chunked")], id="length and chunks"),
        pytest.param([("content-length", "+1")], id="signed"),
        pytest.param([("content-length", "1, 1")], id="list"),
        pytest.param([("content-length", "")], id="empty"),
    ],
)
def test_a_length_that_can_be_read_two_ways_is_malformed(headers: list[tuple[str, str]]) -> None:
    client = Client(b"x", headers=headers).run()
    assert refused(client) == (400, "malformed")
    assert client.read == 0


def test_a_length_of_ten_thousand_digits_is_only_too_large() -> None:
    client = Client(b"x", headers={"content-length": "9" * 10_000}).run()
    assert refused(client) == (413, "too_large")


def test_a_client_that_never_finishes_is_timed_out() -> None:
    class Slow(Client):
        async def receive(self) -> Message:
            await asyncio.Event().wait()
            raise AssertionError("never woken")

    client = Slow().run(seconds=10.0, timeout=lambda seconds: asyncio.timeout(0))
    assert refused(client) == (408, "timeout")


def test_a_client_that_hangs_up_gets_no_answer() -> None:
    client = Client()
    client.run()
    assert client.sent == []
    assert client.seen is None


def test_the_longest_prefix_sets_the_limit() -> None:
    client = Client(b"x" * 2 * LIMIT)
    client.path = "/v1/events/large"
    assert client.run().seen is not None


def test_other_paths_and_protocols_are_left_alone() -> None:
    client = Client(b"ab", headers={"content-encoding": "br", "content-length": "2"})
    client.path = "/v1/accounts"
    assert client.run().seen == ({b"content-encoding": b"br", b"content-length": b"2"}, b"ab")

    kinds = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        kinds.append(scope["type"])

    asyncio.run(BodyGuard(app, {"/": 1})({"type": "lifespan"}, client.receive, client.send))
    assert kinds == ["lifespan"]
