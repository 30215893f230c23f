"""A text nothing vouches for is rendered in a process that can do nothing else (guarantees "Templates", decision 30)."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from channels.fence import Fence
from channels.frame import Frame
from channels.grammar import RenderFailed
from channels.limits import MEMORY
from channels.render import Renderer, Source

pytestmark = pytest.mark.slow

EMAIL = Path(__file__).parents[2] / "templates/email"
FRAMES = [(EMAIL / name).read_text("utf-8") for name in ("frame.html", "frame.txt")]
FRAME = Frame("Example", "1 Example Street", unsubscribe_url="https://journeys.example.com/u/t")
LETTER = Source(
    "Hi {{ name }}", "**{{ firm }}** [go](https://example.com/{{ name }}){.button}\n\n- ü\n- {{ day | date }}"
)
DATA = {"name": "Ann", "firm": "Æsir & Søn", "day": "2026-03-02"}


@pytest.fixture(scope="module")
def fence() -> Iterator[Fence]:
    made = Fence(*FRAMES)
    yield made
    made.close()


def pid(fence: Fence) -> int:
    assert fence._child is not None
    return fence._child.pid


def in_a_child(code: str) -> subprocess.CompletedProcess[str]:
    """Our own interpreter behind the same walls, running this."""
    start = f"from channels.fenced import shut_in\nimport socket\nshut_in()\n{code}"
    return subprocess.run(
        [sys.executable, "-c", start], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_fence_renders_what_the_renderer_renders(fence: Fence) -> None:
    assert fence.render(LETTER, DATA, FRAME) == Renderer(*FRAMES).render(LETTER, DATA, FRAME)
    shown = Source("", "Hi {{ name }}", "in_app")
    assert fence.render(shown, DATA) == Renderer(*FRAMES).render(shown, DATA)


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        ("{{ gone }}", "missing_fact", "gone"),
        ("a\n{% include 'x' %}", "bad_template", "line 2: {% include %} is not available in content"),
        ("[a](/b)", "bad_link", "'/b' is not an absolute http, https or mailto address"),
    ],
)
def test_what_cannot_be_rendered_says_so_in_the_same_words(
    fence: Fence, body: str, reason: str, detail: str
) -> None:
    with pytest.raises(RenderFailed) as failed:
        fence.render(Source("s", body), DATA, FRAME)
    assert (failed.value.reason, failed.value.detail) == (reason, detail)


def test_marketing_without_a_way_out_fails_behind_the_fence_too(fence: Fence) -> None:
    with pytest.raises(RenderFailed) as failed:
        fence.render(LETTER, DATA, Frame("Example"))
    assert failed.value.reason == "no_unsubscribe"


def test_a_child_that_hangs_is_killed_and_the_next_text_finds_another(fence: Fence) -> None:
    fence.render(LETTER, DATA, FRAME)
    stopped = pid(fence)
    os.kill(stopped, signal.SIGSTOP)
    with pytest.raises(RenderFailed) as failed:
        fence.render(LETTER, DATA, FRAME)
    assert failed.value.reason == "too_large"
    assert fence.render(LETTER, DATA, FRAME).subject == "Hi Ann"
    assert pid(fence) != stopped


def test_a_child_that_died_between_two_texts_is_replaced(fence: Fence) -> None:
    fence.render(LETTER, DATA, FRAME)
    os.kill(pid(fence), signal.SIGKILL)
    os.waitid(os.P_PID, pid(fence), os.WEXITED | os.WNOWAIT)
    assert fence.render(LETTER, DATA, FRAME).subject == "Hi Ann"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (f"bytearray({MEMORY})", "MemoryError"),
        ("open('/etc/hostname')", "Too many open files"),
        ("open('/tmp/x', 'w')", "Too many open files"),
        ("socket.socket()", "Too many open files"),
    ],
)
def test_behind_the_walls_there_is_no_memory_no_file_and_no_network(code: str, error: str) -> None:
    done = in_a_child(code)
    assert done.returncode != 0
    assert error in done.stderr


def test_a_child_that_computes_too_long_is_stopped_by_the_system() -> None:
    done = in_a_child("from channels.fenced import _allow_one_more\n_allow_one_more()\nwhile True: pass")
    assert done.returncode == -signal.SIGXCPU


def test_the_child_has_no_environment_and_so_no_secrets(fence: Fence) -> None:
    fence.render(LETTER, DATA, FRAME)
    assert Path(f"/proc/{pid(fence)}/environ").read_bytes().strip(b"\0") in (b"", b"LC_CTYPE=C.UTF-8")


def test_a_huge_value_is_refused_and_the_fence_stands(fence: Fence) -> None:
    huge: dict[str, Any] = {**DATA, "name": "x" * 5_000_000}
    with pytest.raises(RenderFailed) as failed:
        fence.render(LETTER, huge, FRAME)
    assert failed.value.reason == "too_large"
    assert fence.render(LETTER, DATA, FRAME).subject == "Hi Ann"
