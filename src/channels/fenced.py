"""The child behind `fence.py`: reads jobs from its standard input, renders, answers on its standard output."""

import os
import resource
import sys
from contextlib import suppress
from typing import Any, BinaryIO

import msgspec

from channels.frame import Frame
from channels.grammar import RenderFailed
from channels.limits import CPU, MEMORY, WORDS
from channels.render import Renderer, Source


def serve() -> None:
    """Until the pipe is closed: whoever started this is gone then."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    frames = _read(requests)
    if frames is None:
        return
    renderer = Renderer(*msgspec.msgpack.decode(frames))
    _warm(renderer)
    shut_in()
    _write(answers, b"")
    while (job := _read(requests)) is not None:
        _allow_one_more()
        _write(answers, msgspec.msgpack.encode(_answer(renderer, job)))


_WARM = (
    "# {{ a }}\n\n[x](https://example.com/{{ a }}){.button}",
    "{{ a | date }}{{ a | number }}",
    "{% include 'x' %}",
    "{{ a",
    "{{ b.c }}",
    "{{ 1 / 0 }}",
    "{{ 'ü' }} [x](/y)",
    "{{" + "(" * 500 + "1" + ")" * 500 + "}}",
)
"""Texts of every fate: whatever Python and Jinja import late is imported by them."""


def _warm(renderer: Renderer) -> None:
    for body in _WARM:
        with suppress(RenderFailed):
            renderer.render(Source("ü {{ a }}", body), {"a": 1}, Frame("x", "x", "service"))


def shut_in() -> None:
    """No more memory than this, and nothing to open: no file, no socket, no process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    last = max(int(name) for name in os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 2
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(last, 3), min(last, 3)))


def _allow_one_more() -> None:
    """Processor time is counted over the child's life: its limit moves on with every job."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + 1 + CPU
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def _answer(renderer: Renderer, job: bytes) -> tuple[Any, ...]:
    source, context, frame = msgspec.msgpack.decode(job)
    try:
        made = renderer.render(Source(**source), context, None if frame is None else Frame(**frame))
    except RenderFailed as failure:
        return ("failed", failure.reason, failure.detail, failure.line)
    except MemoryError:
        return ("failed", "too_large", "rendering took more memory than it may have")
    return ("rendered", made.subject, made.text, made.html)


def _read(stream: BinaryIO) -> bytes | None:
    head = stream.read(WORDS)
    return stream.read(int.from_bytes(head, "big")) if len(head) == WORDS else None


def _write(stream: BinaryIO, answer: bytes) -> None:
    stream.write(len(answer).to_bytes(WORDS, "big") + answer)
    stream.flush()
