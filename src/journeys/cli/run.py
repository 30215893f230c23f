"""Running: `serve`, and its parts one by one: `api`, `worker`, `dispatcher`, `clock`."""

import asyncio
import signal
import threading
from typing import Annotated, Any

import typer
import uvicorn

from journeys.api.app import create_app
from journeys.bootstrap import Engine, Parts, first_key
from journeys.cli.common import Json, app, parts, settings
from journeys.cli.output import Voice, fail, note, say
from journeys.definitions import read_folder
from journeys.store.schema import upgrade

Host = Annotated[str | None, typer.Option(help="Address to listen on [JOURNEYS_HOST].")]
Port = Annotated[int | None, typer.Option(help="Port to listen on [JOURNEYS_PORT].")]


def serve_app(
    made: Parts, engine: Engine | None, host: str, port: int, *, open_console: bool = False
) -> None:
    """Serve until told to stop; a port that is taken is one line."""
    config = uvicorn.Config(
        create_app(made, engine, open_console=open_console),
        host=host,
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=10,
        server_header=False,
        date_header=True,
    )
    server = uvicorn.Server(config)
    try:
        asyncio.run(server.serve())
    except SystemExit as error:
        fail(f"could not listen on {host}:{port}: is the port taken? Choose another with --port ({error})")
    if not server.started:
        fail(f"could not listen on {host}:{port}: is the port taken? Choose another with --port")


def _announce(made: Parts, host: str, port: int) -> None:
    """On standard error for people; with --json one object on standard output, for what starts us."""
    key = first_key(made)
    url = f"http://{host}:{port}"
    note(f"Console and API on {url}  (docs at /docs)")
    if Voice.json:
        say({"url": url, "first_key": key})
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
        where = host or chosen.host, port or chosen.port
        _announce(made, *where)
        serve_app(made, Engine(made), *where)


def _apply_folder(made: Parts) -> None:
    folder = made.settings.definitions_dir
    if folder is not None:
        changed = made.activate(read_folder(folder))
        note(f"definitions of {folder}: {changed} new versions active")


@app.command()
def api(host: Host = None, port: Port = None, json: Json = False) -> None:
    """The API and console alone; worker, dispatcher and clock run elsewhere."""
    chosen = settings()
    _needs_a_server(chosen.database_url)
    with parts() as made:
        where = host or chosen.host, port or chosen.port
        _announce(made, *where)
        serve_app(made, None, *where)


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
