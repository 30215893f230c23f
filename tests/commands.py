"""Running `journeys …` as a person does, at home or beside a running service (fixtures of `tests/journeys`)."""

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvicorn

from journeys.api.app import create_app
from journeys.bootstrap import Parts
from journeys.cli import main
from journeys.process import Engine
from journeys.settings import Settings
from journeys.store.schema import upgrade

SECRET = "a secret of at least sixteen characters"


class Said(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def body(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs `journeys …` in an empty folder with nothing but a secret in the environment."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"JOURNEYS_{name.upper()}", raising=False)
    monkeypatch.setenv("JOURNEYS_SECRET", SECRET)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["journeys", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        return Said(int(left.value.code or 0), told.out, told.err)

    return run


@pytest.fixture
def migrated(run: Run) -> Run:
    """The same, with the embedded database made."""
    assert run("migrate").status == 0
    return run


def one_line(text: str) -> bool:
    """Whether it is one line that begins as all of ours."""
    return text.startswith("journeys: ") and text.count("\n") == 1


class Service(NamedTuple):
    """A running service and what it is made of."""

    url: str
    key: str
    parts: Parts


@pytest.fixture
def service(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A whole service on a port of its own; commands find it by JOURNEYS_URL and JOURNEYS_KEY."""
    made = Parts(Settings(database_url=f"sqlite:///{tmp_path / 'served.db'}", secret=SECRET), durable=False)
    upgrade(made.database)
    key = made.keys.create("me", ["admin"], made.now())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(create_app(made, Engine(made)), log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        monkeypatch.setenv("JOURNEYS_URL", url)
        monkeypatch.setenv("JOURNEYS_KEY", key)
        yield Service(url, key, made)
        server.should_exit = True
        thread.join()
    made.close()
