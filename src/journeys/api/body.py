"""Whole bodies for the ingest routes: capped, inflated and timed before the application sees a byte (B30-B32, B34).

A pure ASGI middleware. What passes it is one `http.request` message with the inflated body, a Content-Length that is
true and no Content-Encoding; what does not is answered here as `application/problem+json` (RFC 9457).
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import orjson

from signals.problem import Problem, Refused

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]
Refusal: TypeAlias = Callable[[Problem], tuple[int, bytes, bytes]]

READ_SECONDS = 10.0
"""How long a client may take to send its body."""

_GZIP = 16 + zlib.MAX_WBITS  # read the gzip frame, not the zlib one
_FRAMING = (b"content-encoding", b"content-length", b"transfer-encoding")


class _Gone(Exception):
    """The client hung up before its body was whole: there is nobody to answer."""


class BodyGuard:
    """Guards the paths that are a key of `limits`, or start with one that ends in `/`; its value is the cap in bytes.
    The exact path wins, then the longest prefix.

    `refusals` says what is answered on a path where that is no `application/problem+json`: status, content type, body.
    `timeout` makes the context that ends a slow read with TimeoutError; tests pass one that is already over.
    """

    def __init__(
        self,
        app: App,
        limits: Mapping[str, int],
        *,
        seconds: float = READ_SECONDS,
        refusals: Mapping[str, Refusal] | None = None,
        timeout: Callable[[float], AbstractAsyncContextManager[Any]] = asyncio.timeout,
    ) -> None:
        self._app = app
        self._limits = limits
        self._below = sorted((path for path in limits if path.endswith("/")), key=len, reverse=True)
        self._seconds = seconds
        self._refusals = refusals or {}
        self._timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        limit = self._limit(scope)
        if limit is None:
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(scope["headers"], receive, limit)
        except Refused as refused:
            await _answer(send, self._refusals.get(scope["path"], _as_problem)(refused.problem))
        except _Gone:
            return
        else:
            await self._app(_with_length(scope, len(body)), _replay(body, receive), send)

    def _limit(self, scope: Scope) -> int | None:
        """The cap of this path, or None where it is not guarded."""
        if scope["type"] != "http":
            return None
        path = scope["path"]
        if path in self._limits:
            return self._limits[path]
        return next((self._limits[prefix] for prefix in self._below if path.startswith(prefix)), None)

    async def _read(self, headers: Headers, receive: Receive, limit: int) -> bytes:
        """The inflated body. Raises Refused: 400 framing or gzip, 408 too slow, 413 too large, 415 encoding."""
        _check_framing(headers, limit)
        collect = _collector(headers, limit)
        try:
            async with self._timeout(self._seconds):
                await _drain(receive, collect)
        except TimeoutError as error:
            detail = f"the body was not here after {self._seconds:g} s"
            raise Refused(Problem(408, "timeout", detail)) from error
        return collect.body()


def _check_framing(headers: Headers, limit: int) -> None:
    """Two opinions on where the body ends are how requests are smuggled (RFC 9112 §6.3): refuse both."""
    lengths = _values(headers, b"content-length")
    if len(lengths) > 1 or (lengths and _values(headers, b"transfer-encoding")):
        raise Refused(
            Problem(400, "malformed", "the length of the body is given twice: send one Content-Length")
        )
    if lengths and not lengths[0].isdigit():
        raise Refused(Problem(400, "malformed", "Content-Length is not a number"))
    if lengths and int(lengths[0][:20]) > limit:
        raise _too_large(limit)


def _collector(headers: Headers, limit: int) -> "_Plain | _Gzip":
    encodings = b",".join(_values(headers, b"content-encoding")).strip().lower()
    if encodings in (b"", b"identity"):
        return _Plain(limit)
    if encodings in (b"gzip", b"x-gzip"):
        return _Gzip(limit)
    detail = f"Content-Encoding {encodings.decode('latin-1')!r:.60}: send gzip, or no encoding"
    raise Refused(Problem(415, "unsupported_media_type", detail))


async def _drain(receive: Receive, collect: "_Plain | _Gzip") -> None:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        collect.add(message.get("body", b""))
        more = message.get("more_body", False)


class _Plain:
    """Keeps the bytes as they come, up to the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()

    def add(self, chunk: bytes) -> None:
        if len(self._kept) + len(chunk) > self._limit:
            raise _too_large(self._limit)
        self._kept += chunk

    def body(self) -> bytes:
        return bytes(self._kept)


class _Gzip:
    """Inflates while the bytes come, never more than one byte beyond the limit (B30)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._received = 0
        self._kept = bytearray()
        self._member = zlib.decompressobj(_GZIP)

    def add(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received > self._limit:
            raise _too_large(self._limit)
        while chunk:
            chunk = self._inflate(chunk)

    def _inflate(self, chunk: bytes) -> bytes:
        """Take the chunk; what is left after the end of a member begins the next one (RFC 1952 §2.2)."""
        if self._member.eof:
            self._member = zlib.decompressobj(_GZIP)
        try:
            self._kept += self._member.decompress(chunk, self._limit + 1 - len(self._kept))
        except zlib.error as error:
            raise _corrupt(str(error)) from error
        if len(self._kept) > self._limit or self._member.unconsumed_tail:
            raise _too_large(self._limit)
        return self._member.unused_data

    def body(self) -> bytes:
        if not self._member.eof:
            raise _corrupt("it ends too early")
        return bytes(self._kept)


def _with_length(scope: Scope, length: int) -> Scope:
    kept = [(name, value) for name, value in scope["headers"] if name.lower() not in _FRAMING]
    return {**scope, "headers": [*kept, (b"content-length", str(length).encode())]}


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body once; after that the server's own messages, so a disconnect is still seen."""
    waiting = [body]

    async def replay() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replay


def _as_problem(problem: Problem) -> tuple[int, bytes, bytes]:
    return problem.status, b"application/problem+json", orjson.dumps(problem.as_json())


async def _answer(send: Send, refusal: tuple[int, bytes, bytes]) -> None:
    status, media, body = refusal
    headers = [
        (b"content-type", media),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # the rest of the request is not read, so the connection is of no more use
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key.lower() == name]


def _too_large(limit: int) -> Refused:
    return Refused(Problem(413, "too_large", f"a body of more than {limit} bytes: send it in parts"))


def _corrupt(detail: str) -> Refused:
    return Refused(Problem(400, "malformed", f"the body is not gzip: {detail}"))
