"""Rendering in a process of its own, with limits the operating system keeps: for texts that nothing vouches for yet.

A text is tried here before it is live (gate, preview, test send); the live ones are rendered in our own process under
the sandbox's meters (decision 30). The child has no environment, may open nothing, and is killed when it is late.
"""

import contextlib
import os
import select
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from channels.frame import Frame
from channels.grammar import RenderFailed
from channels.limits import START, WALL, WORDS
from channels.render import Rendered, Source

_PACKAGES = str(Path(__file__).resolve().parents[1])


class Fence:
    """One child that renders, started when it is first needed and again after it was killed. Thread-safe."""

    def __init__(self, frame_html: str, frame_text: str) -> None:
        """The templates of the e-mail frame, as for `Renderer`."""
        self._frames = (frame_html, frame_text)
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    @classmethod
    def from_dir(cls, templates: Path) -> "Fence":
        """With `email/frame.html` and `email/frame.txt` below `templates`. Raises OSError."""
        email = templates / "email"
        return cls((email / "frame.html").read_text("utf-8"), (email / "frame.txt").read_text("utf-8"))

    def render(self, source: Source, context: Mapping[str, Any], frame: Frame | None = None) -> Rendered:
        """As `Renderer.render`. Raises RenderFailed, with `too_large` also for what took too long or too much."""
        asked = msgspec.msgpack.encode((source, context, frame), enc_hook=str)
        with self._lock:
            answer = self._ask(asked)
        if answer is None:
            raise RenderFailed(
                "too_large", f"rendering took more than {WALL} s, or more memory than it may have"
            )
        kind, *told = msgspec.msgpack.decode(answer)
        if kind == "rendered":
            return Rendered(*told)
        raise RenderFailed(*told)

    def close(self) -> None:
        """Let go of the child. Safe to call twice."""
        with self._lock:
            self._kill()

    def _ask(self, asked: bytes) -> bytes | None:
        """What the child says; None where it died or had to be killed: the next text finds another."""
        try:
            return _told(self._running(), asked, WALL)
        except (BrokenPipeError, EOFError, TimeoutError):
            self._kill()
            return None

    def _running(self) -> subprocess.Popen[bytes]:
        """A child that stands within its limits. Importing takes longer than a rendering may."""
        if self._child is None or self._child.poll() is not None:
            self._kill()
            self._child = _started()
            _told(self._child, msgspec.msgpack.encode(self._frames), START)
        return self._child

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()


_BEGIN = "import sys; sys.path.insert(0, sys.argv[1]); from channels.fenced import serve; serve()"


def _started() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-c", _BEGIN, _PACKAGES]  # our own interpreter and our own words
    return subprocess.Popen(  # noqa: S603 - nothing in the command comes from outside
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        bufsize=0,
    )


def _told(child: subprocess.Popen[bytes], asked: bytes, seconds: float) -> bytes:
    """The child's answer. Raises BrokenPipeError, EOFError, TimeoutError."""
    assert child.stdin is not None
    assert child.stdout is not None
    _send(child.stdin.fileno(), len(asked).to_bytes(WORDS, "big") + asked, seconds)
    return _read(child.stdout.fileno(), seconds)


def _send(handle: int, told: bytes, seconds: float) -> None:
    """All of it, without waiting for a reader that has stopped reading."""
    os.set_blocking(handle, False)
    rest = memoryview(told)
    while rest:
        if not select.select([], [handle], [], seconds)[1]:
            raise TimeoutError
        rest = rest[os.write(handle, rest[: 1 << 16]) :]


def _read(handle: int, seconds: float) -> bytes:
    """One length and that many bytes. Raises TimeoutError, EOFError."""
    size = int.from_bytes(_exactly(handle, WORDS, seconds), "big")
    return _exactly(handle, size, seconds)


def _exactly(handle: int, size: int, seconds: float) -> bytes:
    parts: list[bytes] = []
    missing = size
    while missing:
        if not select.select([handle], [], [], seconds)[0]:
            raise TimeoutError
        part = os.read(handle, min(missing, 1 << 16))
        if not part:
            raise EOFError
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
