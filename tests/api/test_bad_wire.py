"""Bad requests that need a wire (B30-B32, B34): a real server, raw sockets, short time-outs instead of waiting."""

import gzip
import json
from collections.abc import Iterator

import pytest

from api.house import House, MakeHouse
from api.wire import Answer, Wire, served

EVENT = {"specversion": "1.0", "id": "e1", "source": "tests", "type": "product.login", "account": "acme"}
GOOD = json.dumps(EVENT).encode()
MIB = 1024 * 1024
TIMEOUT = 0.3
"""Seconds a body may take here; ten in production."""


class Server:
    """A service that listens, and the head of a request to it."""

    def __init__(self, house: House, port: int) -> None:
        self.house, self.port = house, port

    def head(self, *lines: str, path: str = "/v1/events") -> bytes:
        """A POST with these header lines."""
        given = [
            f"POST {path} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: Bearer {self.house.key('ingest')}",
            "Content-Type: application/cloudevents+json",
            *lines,
        ]
        return ("\r\n".join(given) + "\r\n\r\n").encode()

    def ask(self, *parts: bytes) -> Answer:
        """One request on a connection of its own."""
        with Wire(self.port) as wire:
            wire.write(*parts)
            return wire.answer()


@pytest.fixture
def server(make_house: MakeHouse) -> Iterator[Server]:
    house = make_house(body_seconds=TIMEOUT)
    house.key("ingest")
    with served(house.app) as port:
        yield Server(house, port)


@pytest.fixture
def untouched(server: Server) -> Iterator[Server]:
    """The server, which must have kept nothing, and go on serving."""
    yield server
    assert server.house.counts() == {"log": 0, "events": 0, "accounts": 0, "dead_letters": 0}
    assert server.ask(server.head(f"Content-Length: {len(GOOD)}"), GOOD).status == 202


def refused(answer: Answer, status: int) -> None:
    """A problem, after which the connection is of no more use."""
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert json.loads(answer.body)["status"] == status


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def test_a_chunked_body_is_as_good_as_any(server: Server) -> None:
    head = server.head("Transfer-Encoding: chunked")
    answer = server.ask(head, chunk(GOOD[:9]), chunk(GOOD[9:]), b"0\r\n\r\n")
    assert answer.status == 202
    assert json.loads(answer.body) == {"accepted": 1, "duplicates": 0, "rejected": []}


def test_a_gzipped_body_is_as_good_as_any(server: Server) -> None:
    packed = gzip.compress(GOOD)
    answer = server.ask(server.head("Content-Encoding: gzip", f"Content-Length: {len(packed)}"), packed)
    assert answer.status == 202


def test_b30_a_gzip_bomb_of_one_member_is_413(untouched: Server) -> None:
    bomb = gzip.compress(bytes(64 * MIB))
    refused(
        untouched.ask(untouched.head("Content-Encoding: gzip", f"Content-Length: {len(bomb)}"), bomb), 413
    )


def test_b30_a_gigabyte_in_one_megabyte_is_413_before_it_is_whole(untouched: Server) -> None:
    member = gzip.compress(bytes(16 * MIB))
    bomb = member * 63
    assert len(bomb) <= MIB
    head = untouched.head("Content-Encoding: gzip", f"Content-Length: {len(bomb)}")
    refused(untouched.ask(head, bomb[: len(member)]), 413)  # the rest is never sent


def test_b30_half_a_gzip_body_is_400(untouched: Server) -> None:
    packed = gzip.compress(GOOD)[:-5]
    head = untouched.head("Content-Encoding: gzip", f"Content-Length: {len(packed)}")
    refused(untouched.ask(head, packed), 400)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
def test_b30_another_encoding_is_415(untouched: Server, encoding: str) -> None:
    head = untouched.head(f"Content-Encoding: {encoding}", f"Content-Length: {len(GOOD)}")
    refused(untouched.ask(head, GOOD), 415)


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Content-Length: 1000"])
def test_b31_a_body_that_does_not_come_is_408(untouched: Server, framing: str) -> None:
    begun = chunk(GOOD[:9]) if "chunked" in framing else GOOD[:9]
    refused(untouched.ask(untouched.head(framing), begun), 408)


def test_b31_a_body_in_production_has_ten_seconds(house: House) -> None:
    (guard,) = [each for each in house.app.user_middleware if each.cls.__name__ == "BodyGuard"]
    assert guard.kwargs["seconds"] == 10


def test_b31_a_client_that_hangs_up_in_the_middle_leaves_nothing(untouched: Server) -> None:
    with Wire(untouched.port) as wire:
        wire.write(untouched.head(f"Content-Length: {len(GOOD)}"), GOOD[:20])
        wire.half_close()
        assert b" 202 " not in wire.rest()


def test_b32_50_mb_are_413_before_a_byte_of_them_is_sent(untouched: Server) -> None:
    refused(untouched.ask(untouched.head(f"Content-Length: {50 * MIB}")), 413)


def test_b32_50_mb_in_chunks_are_413_after_one(untouched: Server) -> None:
    block, sent = chunk(bytes(65_536)), 0
    with Wire(untouched.port) as wire:
        wire.write(untouched.head("Transfer-Encoding: chunked"))
        while sent < 17 and wire.write(block):  # 17 blocks are one more than a mebibyte
            sent += 1
        refused(wire.answer(), 413)


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5, 6",),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: gzip, chunked",),
        ("Content-Length: -5",),
        ("Content-Length: +5",),
        ("Content-Length: 0x5",),
        ("Content-Length: five",),
        ("Content-Length : 5",),
    ],
    ids=" + ".join,
)
def test_b34_two_opinions_on_where_the_body_ends_are_400(untouched: Server, lines: tuple[str, ...]) -> None:
    second = untouched.head(f"Content-Length: {len(GOOD)}") + GOOD
    with Wire(untouched.port) as wire:
        wire.write(untouched.head(*lines), b"0\r\n\r\n", second)
        found = wire.rest()
    answer = Answer(found)
    assert answer.status in (400, 501), found
    assert found.count(b"HTTP/1.1 ") == 1, "the request smuggled behind it was served"


def test_b34_the_same_length_twice_is_one_opinion(untouched: Server) -> None:
    """RFC 9112 §6.3 lets a recipient take it as one; h11 does so before we see it."""
    length = f"Content-Length: {len(GOOD)}"
    assert untouched.ask(untouched.head(length, length), GOOD[:-1] + b"]").status == 400


@pytest.mark.parametrize("size", ["zz", "-1", "0x9", "fffffffffffffffff1"])
def test_b34_a_chunk_of_no_size_is_refused_and_leaves_nothing(untouched: Server, size: str) -> None:
    with Wire(untouched.port) as wire:
        wire.write(
            untouched.head("Transfer-Encoding: chunked"), f"{size}\r\n".encode() + GOOD + b"\r\n0\r\n\r\n"
        )
        answer = Answer(wire.rest())
    assert answer.status in (400, 408)  # no number; a number of bytes that never come


def test_a_line_feed_in_a_header_makes_no_second_header(untouched: Server) -> None:
    head = untouched.head("X-A: 1\nContent-Length: 3", f"Content-Length: {len(GOOD)}")
    with Wire(untouched.port) as wire:
        wire.write(head, GOOD)
        assert Answer(wire.rest()).status == 400
