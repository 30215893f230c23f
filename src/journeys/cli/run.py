"""Running: `serve`, and its parts one by one: `api`, `worker`, `dispatcher`, `clock`."""

import asyncio
import signal
import socket
import threading
from typing import Annotated, Any

import typer
import uvicorn

from journeys.api.app import create_app
from journeys.bootstrap import Parts, first_key
from journeys.cli.common import Json, app, parts, settings
from journeys.cli.output import Voice, fail, note, say
from journeys.process import Engine
from journeys.reading import read_folder
from journeys.store.schema import upgrade

Host = Annotated[str | None, typer.Option(help="Address to listen on [JOURNEYS_HOST].")]
Port = Annotated[
    int | None, typer.Option(help="Port to listen on [JOURNEYS_PORT]; 0: a free one.", min=0, max=65_535)
]


def listen(host: str, port: int) -> socket.socket:
    """The socket to serve on, before anything is announced; an address that cannot be had is one line. Port 0: a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        why = error.strerror or error
        fail(f"could not listen on {host}:{port}: {why}. Choose another place with --host and --port")


def url_of(listening: socket.socket) -> str:
    """Where it listens, as a person or a program asks for it."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve_app(
    made: Parts, engine: Engine | None, listening: socket.socket, *, open_console: bool = False
) -> None:
    """Serve on this socket until told to stop."""
    config = uvicorn.Config(
        create_app(made, engine, open_console=open_console),
        log_level="warning",
        timeout_graceful_shutdown=10,
        server_header=False,
        date_header=True,
    )
    server = uvicorn.Server(config)
    asyncio.run(server.serve(sockets=[listening]))
    if not server.started:
        fail("the service did not start: the reason stands above")


def _announce(made: Parts, listening: socket.socket) -> None:
    """On standard error for people; with --json one object on standard output, for what starts us."""
    key = first_key(made)
    note(f"Console and API on {url_of(listening)}  (docs at /docs)")
    if Voice.json:
        say({"url": url_of(listening), "first_key": key})
    elif key is not None:
        note(f"Your first admin key, shown this once: {key}")


@app.command()
def serve(host: Host = None, port: Port = None, json: Json = False) -> None:
    """API, console, worker, dispatcher and clock in one process."""
    chosen = settings()
    with parts(ready=False) as made:
        before, after = upgrade(made.database)
        if before != after:
            note(f"database: {before or 'empty'} → {after}")
        _apply_folder(made)
        with listen(host or chosen.host, chosen.port if port is None else port) as listening:
            _announce(made, listening)
            serve_app(made, Engine(made), listening)


def _apply_folder(made: Parts) -> None:
    folder = made.settings.definitions_dir
    if folder is None:
        return
    if not folder.is_dir():
        fail(f"JOURNEYS_DEFINITIONS_DIR: there is no folder {folder}")
    changed = made.activate(read_folder(folder))
    note(f"definitions of {folder}: {changed} new versions active")


@app.command()
def api(host: Host = None, port: Port = None, json: Json = False) -> None:
    """The API and console alone; worker, dispatcher and clock run elsewhere."""
    chosen = settings()
    _needs_a_server(chosen.database_url)
    with parts() as made, listen(host or chosen.host, chosen.port if port is None else port) as listening:
        _announce(made, listening)
        serve_app(made, None, listening)


def _run(**which: Any) -> None:
    _needs_a_server(settings().database_url)
    with parts() as made:
        engine = Engine(made, **{"worker": False, "clock": False, "dispatcher": False, **which})
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        engine.start()
        say({"running": list(which)}, lambda: note(f"running: {', '.join(which)}; Ctrl-C ends"))
        while not stop.wait(1.0):
            broken = engine.broken()
            if broken is not None:
                engine.stop()
                fail(broken)
        engine.stop()


def _needs_a_server(url: str) -> None:
    if url.startswith("sqlite"):
        fail(
            "parts run one by one on PostgreSQL; the embedded database is for `journeys serve` (JOURNEYS_DATABASE_URL)"
        )


@app.command()
def worker(json: Json = False) -> None:
    """Fold events from the log or Kafka."""
    _run(worker=True)


@app.command()
def dispatcher(json: Json = False) -> None:
    """Judge and send what is due."""
    _run(dispatcher=True)


@app.command()
def clock(json: Json = False) -> None:
    """Let accounts and tasks live through what falls due."""
    _run(clock=True)
