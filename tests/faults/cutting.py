"""A TCP proxy in front of PostgreSQL that cuts a connection around COMMIT: before it arrives, or before its answer does."""

import contextlib
import socket
import threading
from pathlib import Path
from typing import Literal, Self

import sqlalchemy as sa

Cut = Literal["before", "after"]


class CuttingProxy:
    """A context manager. `cut_next` arms it for the next COMMIT; `cuts` counts how many were cut."""

    def __init__(self, url: str) -> None:
        self._target = sa.make_url(url)
        self._armed: Cut | None = None
        self.cuts = 0
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        here = self._target.set(host="127.0.0.1", port=port).difference_update_query(["host", "port"])
        self.url = here.update_query_dict({"sslmode": "disable", "gssencmode": "disable"}).render_as_string(
            hide_password=False
        )

    def cut_next(self, when: Cut) -> None:
        """The next COMMIT is cut: `before` it reaches the server, or `after` the server has committed."""
        self._armed = when

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(timeout=10)
            assert not thread.is_alive()

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._dial()
                self._sockets += [client, server]
                muted = threading.Event()
                self._start(self._up, client, server, muted)
                self._start(self._down, server, client, muted)

    def _dial(self) -> socket.socket:
        host = self._target.query.get("host") or self._target.host or "127.0.0.1"
        port = int(self._target.port or self._target.query.get("port") or 5432)  # type: ignore[arg-type]
        if str(host).startswith("/"):
            made = socket.socket(socket.AF_UNIX)
            made.connect(str(Path(str(host)) / f".s.PGSQL.{port}"))
            return made
        return socket.create_connection((str(host), port))

    def _up(self, client: socket.socket, server: socket.socket, muted: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while said := client.recv(65_536):
                if self._armed is not None and b"COMMIT" in said:
                    when, self._armed = self._armed, None
                    self.cuts += 1
                    if when == "before":
                        break
                    muted.set()
                server.sendall(said)
        _end(client, server)

    def _down(self, server: socket.socket, client: socket.socket, muted: threading.Event) -> None:
        """The answers; a muted one is waited for, so that the commit has happened, and not passed on."""
        with contextlib.suppress(OSError):
            while said := server.recv(65_536):
                if muted.is_set():
                    break
                client.sendall(said)
        _end(client, server)


def _end(*both: socket.socket) -> None:
    for one in both:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
