"""README.md is run: its walk against a real service, its picture of `explain` against what is really said."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from docs import pages

README = pages.ROOT / "README.md"
TEXT = README.read_text("utf-8")
BETWEEN = "-- the next block --"
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T[\d:.]+Z")


def section(title: str) -> str:
    """The text under a heading."""
    return TEXT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def fenced(language: str, title: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return str(found.getsockname()[1])


def environment() -> Mapping[str, str]:
    """Ours without what a developer has set for the service."""
    return {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}


def in_bash(script: str, folder: Path, timeout: float) -> subprocess.CompletedProcess[str]:
    """Runs it in a session of its own, of which nothing is left when this returns."""
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder, env=environment(), start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail(f"not done after {timeout:g} s\n{out}\n{err}")
    finally:
        if process.poll() != 0:
            _end(process.pid)
    return subprocess.CompletedProcess(script, process.returncode, out, err)


def _end(session: int) -> None:
    try:
        os.killpg(session, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like a checkout in which `make demo` has run."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for name in ("examples", "Makefile", "src", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).symlink_to(pages.ROOT / name)
    return tmp_path


class Walk(NamedTuple):
    """What the blocks of the walk printed, in their order."""

    start: str
    apply: str
    people: str
    events: str
    answers: str
    outbox: str
    end: str


def walk(folder: Path) -> Walk:
    """The reader's paste, block after block, with a look at the outbox before the service is ended."""
    *blocks, last = fenced("sh", "One event in, one message out")
    look = "curl -fsS -u me:$JOURNEYS_KEY $JOURNEYS_URL/outbox\n"
    script = f"echo; echo '{BETWEEN}'\n".join([*blocks, look, last]).replace("8000", free_port())
    said = in_bash(script, folder, timeout=60)
    assert said.returncode == 0, said.stderr
    return Walk(*said.stdout.split(f"\n{BETWEEN}\n"))


@pytest.mark.slow
def test_the_walk_leads_from_three_tickets_to_a_task_a_message_and_the_reason(checkout: Path) -> None:
    said = walk(checkout)
    assert '"status":"ok"' in said.start
    assert "2 passed, 0 failed" in said.apply
    assert json.loads(said.events) == {"accepted": 3, "duplicates": 0, "rejected": []}
    tasks, messages, explained = answers(said.answers)
    assert [task["title"] for task in tasks] == ["Call Acme about its tickets"]
    assert [(m["contact"], m["content"], m["status"]) for m in messages] == [("ann", "tickets-sorry", "sent")]
    assert "Acme: your tickets this week" in said.outbox
    (shown,) = fenced("text", "One event in, one message out")
    assert INSTANT.sub("", explained).split("\n") == INSTANT.sub("", shown.rstrip()).split("\n")


def answers(text: str) -> tuple[list[Any], list[Any], str]:
    """Two lists of items as JSON, one after the other, then words."""
    decoder = json.JSONDecoder()
    tasks, end = decoder.raw_decode(text)
    messages, end = decoder.raw_decode(text, end)
    return tasks["items"], messages["items"], text[end:].strip()


def test_the_first_commands_are_the_two_that_anybody_needs() -> None:
    (block,) = fenced("sh", "Two commands")
    assert [shlex.split(line, comments=True) for line in block.splitlines()] == [
        ["make", "demo"],
        ["make", "test"],
    ]


@pytest.mark.slow
def test_the_demo_says_what_happened_and_stops(checkout: Path) -> None:
    said = in_bash("make -o .venv/.base demo SERVE=0", checkout, timeout=900)
    assert said.returncode == 0, said.stderr
    for title in (
        "Signals fired",
        "Journeys",
        "Messages",
        "Tasks",
        "One account's story, from event to mail",
    ):
        assert re.search(rf"^{title}\s*$", said.stdout, re.MULTILINE)
    assert ", 0 dead letters" in said.stdout
    assert (checkout / "demo.db").is_file()


def test_the_first_three_lines_say_what_it_is() -> None:
    title, blank, *three = TEXT.splitlines()[:5]
    assert title == "# Retention journeys"
    assert blank == ""
    assert all(line.endswith(".") for line in three)
