"""An SMTP server on 127.0.0.1 that misbehaves on command: the behaviours of guarantees F12, without a single sleep.

    with StandIn(BEHAVIOURS["dot_drop"]) as server: ...   # server.port, server.taken, server.said

A behaviour overrides what is done at a stage: a text is sent as the reply, an action does something worse. Waiting
is done on events only, and ends when the stand-in is closed.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Self, TypeAlias

Stage: TypeAlias = str  # greeting, EHLO, MAIL, RCPT, DATA, body, dot, RSET, QUIT
Action: TypeAlias = "Callable[[StandIn, socket.socket], None]"


class _Dropped(Exception):
    """This connection is over."""


def drop(_: "StandIn", connection: socket.socket) -> None:
    """Goes away without a word."""
    raise _Dropped


def reset(_: "StandIn", connection: socket.socket) -> None:
    """Goes away with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise _Dropped


def hang(server: "StandIn", _: socket.socket) -> None:
    """Says nothing until the stand-in is closed."""
    server.closing.wait()
    raise _Dropped


def drip(server: "StandIn", connection: socket.socket) -> None:
    """One byte for each tick somebody grants, for ever."""
    while not server.closing.is_set():
        server.ticks.acquire()
        connection.sendall(b"2")
    raise _Dropped


def flood(_: "StandIn", connection: socket.socket) -> None:
    """A reply of 8 MB, then silence."""
    for _ in range(8 * 1024):
        connection.sendall(b"250-" + b"x" * 1018 + b"\r\n")


def flood_line(_: "StandIn", connection: socket.socket) -> None:
    """One line of 8 MB."""
    for _ in range(8 * 1024):
        connection.sendall(b"2" * 1024)


REPLIES: Mapping[Stage, str] = {
    "greeting": "220 stand-in ready",
    "EHLO": "250-stand-in\r\n250-SIZE 1048576\r\n250 ENHANCEDSTATUSCODES",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    "dot": "250 2.0.0 Ok: queued as Q{count}",
    "RSET": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
}

BEHAVIOURS: "Mapping[str, Mapping[Stage, str | Action]]" = {
    "ok": {},
    "rcpt_550": {"RCPT": "550 5.1.1 no such user"},
    "rcpt_452": {"RCPT": "452 4.2.2 mailbox full"},
    "rcpt_drop": {"RCPT": drop},
    "data_drop": {"DATA": drop},
    "body_drop": {"body": reset},
    "dot_drop": {"dot": drop},
    "dot_hang": {"dot": hang},
    "dot_451": {"dot": "451 4.3.0 try later"},
    "dot_554": {"dot": "554 5.7.1 looks like spam"},
    "dot_421": {"dot": "421 4.3.2 shutting down"},
    "dot_garbage": {"dot": "HTTP/1.1 200 OK"},
    "quit_drop": {"QUIT": drop},
    "slow_loris": {"greeting": drip},
    "starttls_stripped": {},
    "reply_8mb": {"EHLO": flood},
    "line_8mb": {"EHLO": flood_line},
}
"""F12 by name. `starttls_stripped` is a server that does not offer it: what is stripped is the offer."""


class StandIn:
    """The server; a context manager. `taken`: contents whose dot was answered 2xx; `said`: every command line."""

    def __init__(self, behaviour: "Mapping[Stage, str | Action]") -> None:
        self.behaviour = dict(behaviour)
        self.taken: list[bytes] = []
        self.said: list[str] = []
        self.connections = 0
        self.closing = threading.Event()
        self.ticks = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.ticks.release(10_000)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)
            assert not thread.is_alive()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(_Dropped, OSError):
            self._do("greeting", connection)
            lines = _lines(connection)
            for line in lines:
                self.said.append(line.decode().rstrip("\r\n"))
                verb = self.said[-1].split()[0].upper()
                self._do(verb, connection)
                if verb == "DATA" and self._goes_on():
                    self._content(connection, lines)
                if verb == "QUIT":
                    return

    def _goes_on(self) -> bool:
        reply = self.behaviour.get("DATA", REPLIES["DATA"])
        return isinstance(reply, str) and reply.startswith("3")

    def _content(self, connection: socket.socket, lines: Iterator[bytes]) -> None:
        content: list[bytes] = []
        for line in lines:
            if line == b".\r\n":
                break
            content.append(line.removeprefix(b"."))
            if "body" in self.behaviour:
                self._do("body", connection)
        else:
            return
        answer = self._do("dot", connection)
        if answer.startswith("2"):
            self.taken.append(b"".join(content))

    def _do(self, stage: Stage, connection: socket.socket) -> str:
        """The reply that was sent, "" for an action."""
        what = self.behaviour.get(stage, REPLIES.get(stage, "502 5.5.2 what?"))
        if not isinstance(what, str):
            what(self, connection)
            return ""
        reply = what.format(count=len(self.taken) + 1)
        connection.sendall(f"{reply}\r\n".encode())
        return reply


def _lines(connection: socket.socket) -> Iterator[bytes]:
    heard = b""
    while data := connection.recv(65_536):
        heard += data
        while b"\n" in heard:
            line, _, heard = heard.partition(b"\n")
            yield line + b"\n"
