"""The web application: ingest, reads, writes, definitions, console, health, put together."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from fastapi import Depends, FastAPI, Request
from starlette.exceptions import HTTPException

from journeys import console
from journeys.api import (
    backtests,
    definitions,
    events,
    folders,
    health,
    problems,
    proofs,
    public,
    reads,
    scores,
    segment,
    tryouts,
    writes,
)
from journeys.api import hooks as webhooks
from journeys.api.access import guard_of
from journeys.api.body import READ_SECONDS, BodyGuard
from journeys.api.cors import Cors
from journeys.api.document import document
from journeys.api.headers import SafeHeaders
from journeys.api.idempotency import Idempotency
from journeys.api.shelf import Shelf
from journeys.bootstrap import Parts, hooks, outlet
from journeys.ingest import Outlet, SetAside
from journeys.process import Engine
from journeys.rehearsal import Trials
from journeys.store.schema import current, head
from signals.sources.segment import MAX_BYTES, Translator

MIB = 1024 * 1024
LIMITS = {"/v1/": MIB, **dict.fromkeys(segment.PATHS, MAX_BYTES), "/u/": 4096, "/p/": 4096}
"""Bytes a request may have, by path; one that ends in `/` is meant with all below it."""


def create_app(
    parts: Parts,
    engine: Engine | None = None,
    *,
    open_console: bool = False,
    body_seconds: float = READ_SECONDS,
) -> FastAPI:
    """The application on these parts; `engine` runs for as long as it does. A body has `body_seconds` to arrive."""
    beat = engine.pulse.beat if engine is not None else lambda: None
    app = FastAPI(
        title="Retention journeys",
        version="1",
        lifespan=_lifespan(engine),
        telemetry={"auto_configure": False},
        openapi_url="/openapi.json",
        redirect_slashes=False,  # a webhook is answered where it was sent, and never sent on by its Host header
    )
    problems.install(app)
    guard = guard_of(parts.keys)
    where: Outlet = outlet(parts, beat)
    app.include_router(events.router(where, guard, parts.now, Idempotency(parts.database, parts.now)))
    app.include_router(segment.router(_counter(parts, where), parts.settings.base_url))
    taken = hooks(parts, where)
    app.include_router(webhooks.router(taken, parts.settings.base_url, parts.now))
    app.include_router(reads.router(parts.database, guard, parts.now))
    app.include_router(scores.router(parts.database, parts.playbooks, guard, parts.now))
    app.include_router(writes.router(parts.database, parts.service, guard, parts.now, beat))
    assert parts.settings.secret is not None
    app.include_router(public.router(parts.database, parts.service, parts.settings.secret, parts.now))
    app.include_router(
        health.router(parts.database, _checks(parts, engine, where), parts.now, taken.tally.counts)
    )
    zone = parts.settings.timezone
    app.include_router(
        backtests.router(parts.database, parts.library, parts.composer, zone, guard, parts.now)
    )
    fill_soon = engine.fill_soon if engine is not None else lambda: None
    trials = Trials(parts.database)
    shelf = Shelf(parts.library, parts.playbooks, parts.filler, trials, parts.now, fill_soon)
    app.include_router(folders.router(shelf, guard))
    trier = tryouts.Trier(shelf, parts.playbooks, parts.proofs, parts.database, parts.now)
    app.include_router(tryouts.router(trier, guard))
    app.include_router(proofs.router(shelf, parts.proofs, parts.database, guard, parts.now))
    app.include_router(definitions.router(shelf, guard))
    inside = [] if open_console else [Depends(_session(parts))]
    texts = console.Texts(parts.library, parts.playbooks, parts.proofs)
    app.include_router(console.router(parts.database, parts.now, parts.templates, inside, texts))
    document(app)
    _surround(app, body_seconds)
    return app


def _surround(app: FastAPI, body_seconds: float) -> None:
    """What every request passes, the last one first."""
    refusals = dict.fromkeys(segment.PATHS, segment.unread)
    app.add_middleware(BodyGuard, limits=LIMITS, seconds=body_seconds, refusals=refusals)
    app.add_middleware(Cors, paths=(*segment.PATHS, segment.SETTINGS))
    app.add_middleware(SafeHeaders)


def _counter(parts: Parts, where: Outlet) -> segment.Counter:
    """What the Segment routes need; a call without `messageId` gets an id of its own, as Segment gives it."""

    def translator() -> Translator:
        return parts.playbooks().segment(lambda _: uuid4().hex)

    aside = SetAside(parts.database, "http/segment", parts.now)
    return segment.Counter(parts.keys, where, aside, translator, parts.now)


def _lifespan(engine: Engine | None) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if engine is not None:
            engine.start()
        yield
        if engine is not None:
            engine.stop()

    return lifespan


def _checks(parts: Parts, engine: Engine | None, where: Outlet) -> dict[str, health.Check]:
    def schema() -> str | None:
        found = current(parts.database)
        return None if found == head() else f"on version {found}, needs {head()}: run journeys migrate"

    checks: dict[str, health.Check] = {"database": schema, "ingest": lambda: where.trouble}
    if engine is not None:
        checks["engine"] = engine.trouble
    return checks


def _session(parts: Parts) -> Callable[[Request], None]:
    """The console asks for an API key as password (Basic), with the scope csm."""

    def allowed(request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        key = ""
        if scheme.lower() == "basic":
            try:
                key = base64.b64decode(given, validate=True).decode().partition(":")[2]
            except ValueError:
                key = ""
        caller = parts.keys.find(key) if key else None
        if caller is None or not caller.may("csm"):
            detail = "sign in with any name and an API key of scope csm as password"
            raise HTTPException(401, detail, {"WWW-Authenticate": 'Basic realm="journeys", charset="UTF-8"'})

    return allowed
