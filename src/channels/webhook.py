"""Calls of other systems over HTTP, signed by Standard Webhooks: one request, one status line, no redirects, no proxies.

The name is resolved once for each call, every address of it checked, and the connection made to a checked address
(guarantees B71). Of the answer only status and `Retry-After` are read, within one deadline for the whole call, so
that neither a slow, an endless nor a huge answer costs anything (F13). What leaves doubt is asked again: every attempt
at a call has the same `webhook-id`, by which receivers know it.
"""

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime

from channels.endpoint import Endpoint, Network, allowed, signed_headers
from channels.port import Blame, Call, InDoubt, Outcome, Permanent, Sent, Temporary
from signals.instant import DAY, SECOND, Duration, Instant, from_datetime

MAX_HEAD = 16 * 1024
"""Bytes of an answer's status line and headers."""

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |\r)")
_RETRY_AFTER = re.compile(rb"\r\nretry-after:[ \t]*([^\r\n]{1,60})", re.IGNORECASE)
_GONE = 410
_WORTH_ANOTHER_TRY = frozenset({408, 409, 425, 429})

Resolve = Callable[..., list[tuple[int, int, int, str, tuple[str | int, ...]]]]
Dial = Callable[[tuple[str, int], float], socket.socket]


class _Ended(Exception):
    """The call is over before an answer; carries what that makes of it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


class Webhooks:
    """A `Channel[Call]`; each call has a connection of its own, so several threads may post at once."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        now: Callable[[], Instant],
        *,
        networks: Iterable[Network] = (),
        limit: float = 10.0,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
        resolve: Resolve = socket.getaddrinfo,  # type: ignore[assignment] # called with two of its arguments
        dial: Dial = socket.create_connection,
    ) -> None:
        """`networks` of our own may be called too; `limit` is the seconds of a whole call; `now` dates signatures."""
        self._endpoints, self._now = dict(endpoints), now
        self._networks = tuple(networks)
        self._limit, self._clock = limit, clock
        self._tls = tls or ssl.create_default_context()
        self._resolve, self._dial = resolve, dial
        self._gone: set[str] = set()

    def post(self, call: Call) -> Outcome:
        """One call. An endpoint that answers 410 Gone is asked no more while this process lives."""
        where = self._endpoints.get(call.endpoint)
        if where is None:
            detail = f"there is no endpoint {call.endpoint!r}: set it in JOURNEYS_WEBHOOKS"
            return Permanent(detail, None, Blame.CONFIGURATION)
        if call.endpoint in self._gone:
            return Permanent("410: the endpoint said before that it is gone for good", _GONE)
        try:
            outcome = self._converse(where, call)
        except _Ended as ended:
            return ended.outcome
        if isinstance(outcome, Permanent) and outcome.code == _GONE:
            self._gone.add(call.endpoint)
        return outcome

    def close(self) -> None:
        """Nothing stays open between calls."""

    def _converse(self, where: Endpoint, call: Call) -> Outcome:
        until = self._clock() + self._limit
        connection = self._connected(where, until)
        try:
            connection.settimeout(self._left(until))
            connection.sendall(self._request(where, call))
        except OSError as error:
            return Temporary(f"the connection was lost: {_said(error)}")
        else:
            return self._answer(connection, until)
        finally:
            with contextlib.suppress(OSError):
                connection.close()

    def _request(self, where: Endpoint, call: Call) -> bytes:
        headers = {
            "Host": where.authority,
            "User-Agent": "retention-journeys",
            "Content-Type": "application/json",
            "Content-Length": str(len(call.content)),
            "Connection": "close",
            **signed_headers(where, call.id, self._now() // SECOND, call.content),
        }
        lines = [f"POST {where.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join((*lines, "", "")).encode("ascii") + call.content

    # ── connecting ─────────────────────────────────────────────────────────────────────────────────────────────

    def _connected(self, where: Endpoint, until: float) -> socket.socket:
        """A connection to one of the checked addresses. Raises _Ended."""
        trouble = ""
        for address in self._addresses(where):
            try:
                return self._open(where, address, until)
            except OSError as error:  # its TLS errors too; the next address may be better
                trouble = _said(error)
        raise _Ended(Temporary(f"no connection to {where.host}: {trouble}"))

    def _addresses(self, where: Endpoint) -> list[str]:
        try:
            found = self._resolve(where.host, where.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise _Ended(Temporary(f"{where.host} does not resolve: {_said(error)}")) from None
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        closed = [address for address in addresses if not allowed(address, self._networks)]
        if closed:
            detail = (
                f"{where.host} leads to {closed[0]}, which is no public address: calls stay out of networks"
            )
            raise _Ended(
                Permanent(f"{detail} not listed in JOURNEYS_WEBHOOK_NETWORKS", None, Blame.CONFIGURATION)
            )
        return addresses

    def _open(self, where: Endpoint, address: str, until: float) -> socket.socket:
        connection = self._dial((address, where.port), self._left(until))
        if not where.secure:
            return connection
        try:
            connection.settimeout(self._left(until))
            return self._tls.wrap_socket(connection, server_hostname=where.host)
        except OSError:
            connection.close()
            raise

    def _left(self, until: float) -> float:
        left = until - self._clock()
        if left <= 0:
            raise TimeoutError(f"not within {self._limit:g} s")
        return left

    # ── the answer ─────────────────────────────────────────────────────────────────────────────────────────────

    def _answer(self, connection: socket.socket, until: float) -> Outcome:
        heard = b""
        try:
            while b"\r\n\r\n" not in heard:
                connection.settimeout(self._left(until))
                more = connection.recv(4096)
                heard = _without_interim(heard + more)
                if not more or len(heard) > MAX_HEAD:
                    break
        except OSError as error:
            return InDoubt(f"no answer: {_said(error)}")
        status = _STATUS.match(heard)
        if status is None:
            return InDoubt(
                "the answer is not HTTP" if heard else "the connection was closed without an answer"
            )
        return self._verdict(int(status[1]), heard)

    def _verdict(self, code: int, head: bytes) -> Outcome:
        if 200 <= code < 300:
            return Sent("")
        if 300 <= code < 400:
            return Temporary(
                f"{code}: it points somewhere else, and calls follow nobody: set its new address"
            )
        if code >= 500 or code in _WORTH_ANOTHER_TRY:
            return Temporary(str(code), self._later(head))
        return Permanent(str(code), code)

    def _later(self, head: bytes) -> Duration | None:
        """What `Retry-After` asks for, in seconds or as a date (RFC 9110 §10.2.3); at most a day."""
        match = _RETRY_AFTER.search(head)
        if match is None:
            return None
        said = match[1].decode("ascii", "replace").strip()
        try:
            span = (
                int(said) * SECOND
                if said.isdigit()
                else from_datetime(parsedate_to_datetime(said)) - self._now()
            )
        except ValueError:
            return None
        return min(max(span, 0), DAY)


def _without_interim(heard: bytes) -> bytes:
    """The final answer, without the 1xx answers that may come before it (RFC 9110 §15.2)."""
    while heard.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1")) and b"\r\n\r\n" in heard:
        heard = heard.partition(b"\r\n\r\n")[2]
    return heard


def _said(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)[:200]
