"""Lines to and from an SMTP server, with a deadline and a cap on everything the other side may do."""

import contextlib
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

MAX_LINE = 2_048
"""Bytes of one reply line; RFC 5321 §4.5.3.1.5 allows 512."""
MAX_REPLY = 64 * 1024
"""Bytes of one reply; more is not a mail server (F12, 8 MB reply)."""

_LINE = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)
_UNPRINTABLE = re.compile(r"[^ -~]")
_CHUNK = 8_192

Clock = Callable[[], float]
"""Monotonic seconds."""


class Answer(StrEnum):
    """What a server may answer, or do instead."""

    DONE = "2xx"
    GO_ON = "3xx"
    NOT_NOW = "4xx"
    NEVER = "5xx"
    CUT = "connection lost"
    SILENT = "no answer in time"
    GARBAGE = "not an SMTP reply"


_BY_DIGIT = {2: Answer.DONE, 3: Answer.GO_ON, 4: Answer.NOT_NOW, 5: Answer.NEVER}


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: its code and the text of its lines."""

    code: int
    lines: tuple[str, ...]

    @property
    def answer(self) -> Answer:
        """By the first digit, as RFC 5321 §4.2.1 asks."""
        return _BY_DIGIT[self.code // 100]

    def __str__(self) -> str:
        return f"{self.code} {' '.join(self.lines)}"[:300]


class Broken(Exception):
    """The conversation cannot go on; `answer` is CUT, SILENT or GARBAGE."""

    def __init__(self, answer: Answer, detail: str = "") -> None:
        super().__init__(f"{answer}{': ' if detail else ''}{detail}")
        self.answer = answer


class Wire:
    """One connection. Each call has a total time limit in seconds, however slowly bytes drip (F12, slow-loris)."""

    def __init__(self, connection: socket.socket, clock: Clock) -> None:
        self._socket = connection
        self._clock = clock
        self._heard = bytearray()
        # Command and answer alternate: waiting to fill packets would only add delay.
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes, within: float) -> None:
        """Hands all of it to the kernel. Raises Broken; then the last byte was not handed over."""
        try:
            self._socket.settimeout(within)
            self._socket.sendall(data)
        except TimeoutError:
            raise Broken(Answer.SILENT) from None
        except OSError as error:
            raise Broken(Answer.CUT, error.strerror or "") from None

    def reply(self, within: float) -> Reply:
        """The next reply, all lines of it. Raises Broken."""
        until = self._clock() + within
        code, last, text = self._line(until)
        lines, size = [text], len(text)
        while not last:
            again, last, text = self._line(until)
            size += len(text) + 6
            if again != code or size > MAX_REPLY:
                raise Broken(Answer.GARBAGE, "a reply that does not end" if again == code else "mixed codes")
            lines.append(text)
        return Reply(code, tuple(lines))

    def spoke(self) -> bool:
        """Whether the server said something, or went away, without being asked."""
        try:
            self._socket.settimeout(0)
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return bool(self._heard)
        except OSError:
            return True
        self._heard += data
        return True

    def start_tls(self, context: ssl.SSLContext, host: str, within: float) -> None:
        """Goes on in TLS. Raises Broken; ssl.SSLCertVerificationError for a certificate that is not the host's."""
        if self._heard:  # answers to commands not yet sent: someone in between put them there (CVE-2011-0411)
            raise Broken(Answer.GARBAGE, "bytes in clear after the answer to STARTTLS")
        try:
            self._socket.settimeout(within)
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except ssl.SSLCertVerificationError:
            raise
        except TimeoutError:
            raise Broken(Answer.SILENT, "TLS") from None
        except OSError as error:
            raise Broken(Answer.CUT, f"TLS: {error.strerror or ''}") from None

    def close(self) -> None:
        """Drops the connection without a word."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _line(self, until: float) -> tuple[int, bool, str]:
        """Code, whether it is the last line, and the text, without anything unprintable."""
        while (end := self._heard.find(b"\n")) < 0:
            if len(self._heard) > MAX_LINE:
                raise Broken(Answer.GARBAGE, "a line that does not end")
            self._receive(until)
        line = bytes(self._heard[:end]).rstrip(b"\r")
        del self._heard[: end + 1]
        match = _LINE.fullmatch(line)
        if match is None or len(line) > MAX_LINE:
            raise Broken(Answer.GARBAGE)
        text = (match[3] or b"").decode("ascii", "replace")
        return int(match[1]), match[2] != b"-", _UNPRINTABLE.sub("?", text)

    def _receive(self, until: float) -> None:
        left = until - self._clock()
        if left <= 0:
            raise Broken(Answer.SILENT)
        try:
            self._socket.settimeout(left)
            data = self._socket.recv(_CHUNK)
        except TimeoutError:
            raise Broken(Answer.SILENT) from None
        except OSError as error:
            raise Broken(Answer.CUT, error.strerror or "") from None
        if not data:
            raise Broken(Answer.CUT)
        self._heard += data
