"""A real server on the loopback, and a client that writes what it likes to the socket."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

PATIENCE = 20.0
"""Seconds after which a test gives up on a socket; nothing here waits for them to pass."""


@contextmanager
def served(app: Any) -> Iterator[int]:
    """The application behind uvicorn as `journeys serve` runs it; answers the port."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", server_header=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listening.close()


class Answer:
    """What came back on the wire, until the server closed the connection or the body was whole."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1]) if first else 0
        self.headers = {
            name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)
        }


class Wire:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def write(self, *parts: bytes) -> bool:
        """Send these bytes; False where the server has hung up already."""
        try:
            for part in parts:
                self._socket.sendall(part)
        except OSError:
            return False
        return True

    def rest(self) -> bytes:
        """Everything the server sends until it hangs up."""
        found = b""
        try:
            while chunk := self._socket.recv(65_536):
                found += chunk
        except ConnectionResetError:
            pass  # it hung up while we were still sending, which is its right
        return found

    def answer(self) -> Answer:
        """One answer, by its Content-Length."""
        found = b""
        while not _whole(found):
            chunk = self._socket.recv(65_536)
            if not chunk:
                break
            found += chunk
        return Answer(found)

    def half_close(self) -> None:
        """Say that nothing more comes."""
        self._socket.shutdown(socket.SHUT_WR)


def _whole(raw: bytes) -> bool:
    if b"\r\n\r\n" not in raw:
        return False
    answer = Answer(raw)
    return len(answer.body) >= int(answer.headers.get("content-length", "0"))
