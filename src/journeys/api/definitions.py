"""Definitions through the API: drafts, versions, lint, activation (interfaces.md §3)."""

from collections.abc import Callable
from typing import Annotated, Any

import fastapi
from fastapi import APIRouter, Depends, Path
from pydantic import AfterValidator
from starlette.exceptions import HTTPException

from journeys.api.access import Guard, json_value
from journeys.api.paging import Cursors, Paged, PageOf
from journeys.definitions import MODELS, Draft, Fault, Refused, key_of, parse
from journeys.playbooks import Playbooks
from journeys.service import Service
from journeys.store.library import LIVE, Library
from journeys.store.reads.page import Page, seal, unseal
from signals.instant import Instant


def _known(kind: str) -> str:
    if kind not in MODELS:
        raise HTTPException(404, f"there are no {kind!r:.60} here: definitions are {', '.join(MODELS)}")
    return kind


Kind = Annotated[str, Path(json_schema_extra={"enum": list(MODELS)}), AfterValidator(_known)]
"""A kind of definition; 404 for a word that names none."""

Key = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
Json = Annotated[Any, Depends(json_value)]
Asked = Annotated[Paged, fastapi.Query()]
_BODY = {
    "requestBody": {
        "required": True,
        "description": "The definition; its schema is at /v1/schemas/{kind}. For stages, also the bare list.",
        "content": {"application/json": {"schema": {"type": ["object", "array"]}}},
    }
}


class Shelf:
    """What the routes do, by kind and key."""

    def __init__(
        self, library: Library, playbooks: Playbooks, service: Service, clock: Callable[[], Instant]
    ) -> None:
        self._library, self._playbooks, self._service, self._clock = library, playbooks, service, clock

    def page(self, kind: str, asked: Paged) -> Page:
        """A part of the list of a kind, by key."""
        with Cursors():
            after = "" if asked.cursor is None else unseal(kind, asked.cursor, [str])[0]
        rows = [row for row in self._library.list(kind) if row["key"] > after]
        shown = rows[: asked.limit]
        more = len(rows) > asked.limit
        return {"items": shown, "next": seal(kind, [shown[-1]["key"]]) if more else None}

    def one(self, kind: str, key: str) -> dict[str, Any]:
        """The newest version. Raises 404."""
        return self.versions(kind, key)[0]

    def versions(self, kind: str, key: str) -> list[dict[str, Any]]:
        """Every version, newest first. Raises 404."""
        found = self._library.versions(kind, key)
        if not found:
            raise HTTPException(404, f"there is no {kind}/{key}")
        return found

    def put(self, kind: str, key: str, body: Any) -> dict[str, Any]:
        """Keep a draft. Raises Refused."""
        named = isinstance(body, dict) and "key" not in body and kind not in ("stages", "policies")
        draft = parse(kind, {**body, "key": key} if named else body)
        bare = key_of(kind, {"key": draft.body.get("key")})
        if key not in (draft.key, bare):
            raise Refused([Fault(kind, key, f"the body's key is {draft.key!r}", "/key")])
        self._library.put([draft], self._clock())
        return self.one(kind, draft.key)

    def faults(self, kind: str, key: str) -> list[Fault]:
        """What would be wrong if the newest version became live."""
        return self._playbooks.check([self._newest(kind, key)])

    def activate(self, kind: str, key: str, current: bool) -> dict[str, Any]:
        """Make the newest version live and bring every account to it. Raises Refused."""
        now = self._clock()
        self._playbooks.activate([self._newest(kind, key)], now, current)
        last: str | None = ""
        while last is not None:
            last = self._service.fill(now, last)
        return self.one(kind, key)

    def set_status(self, kind: str, key: str, status: str) -> dict[str, Any]:
        """Pause or archive what is live. Raises 404, and 409 where nothing is live."""
        found = self.one(kind, key)
        if not self._library.set_status(kind, key, status, self._clock()):
            detail = f"{kind}/{key} is {found['status']}: only what is {', '.join(LIVE)} can be {status}"
            raise HTTPException(409, detail)
        self._playbooks.changed()
        return self.one(kind, key)

    def _newest(self, kind: str, key: str) -> Draft:
        found = self.one(kind, key)
        draft = parse(kind, found["body"])
        return type(draft)(kind, key, draft.body, draft.model, None, found["version"], found["status"])


def router(
    library: Library, playbooks: Playbooks, service: Service, guard: Guard, clock: Callable[[], Instant]
) -> APIRouter:
    """The routes of definitions."""
    shelf = Shelf(library, playbooks, service, clock)
    routes = APIRouter(tags=["definitions"], dependencies=[Depends(guard("marketer"))])
    _reading(routes, shelf)
    _changing(routes, shelf)
    return routes


def _reading(routes: APIRouter, shelf: Shelf) -> None:
    @routes.get("/v1/schemas/{kind}")
    def schema(kind: Kind) -> dict[str, Any]:
        """The JSON Schema of a kind's body."""
        return MODELS[kind].model_json_schema(by_alias=True)

    @routes.get("/v1/{kind}", response_model=PageOf[dict[str, Any]])
    def listed(kind: Kind, asked: Asked) -> Page:
        """The newest version of every definition of a kind, by key."""
        return shelf.page(kind, asked)

    @routes.get("/v1/{kind}/{key}")
    def one(kind: Kind, key: Key) -> dict[str, Any]:
        """The newest version of one definition."""
        return shelf.one(kind, key)

    @routes.get("/v1/{kind}/{key}/versions")
    def versions(kind: Kind, key: Key) -> dict[str, Any]:
        """Every version, newest first."""
        return {"items": shelf.versions(kind, key), "next": None}


def _changing(routes: APIRouter, shelf: Shelf) -> None:
    @routes.put("/v1/{kind}/{key}", openapi_extra=_BODY)
    def put(kind: Kind, key: Key, body: Json) -> dict[str, Any]:
        """Keep a draft: a new version where it differs from the newest."""
        return shelf.put(kind, key, body)

    @routes.post("/v1/{kind}/{key}/lint")
    def lint(kind: Kind, key: Key) -> dict[str, Any]:
        """What would be wrong if the newest version became live."""
        faults = shelf.faults(kind, key)
        return {"faults": [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults]}

    @routes.post("/v1/{kind}/{key}/activate")
    def activate(kind: Kind, key: Key, current: bool = False, dry_run: bool = False) -> dict[str, Any]:
        """Make the newest version live; `current` also acts where it holds already; `dry_run` only checks."""
        if not dry_run:
            return shelf.activate(kind, key, current)
        faults = shelf.faults(kind, key)
        if faults:
            raise Refused(faults)
        return shelf.one(kind, key)

    @routes.post("/v1/{kind}/{key}/pause")
    def pause(kind: Kind, key: Key) -> dict[str, Any]:
        """A play: no starts; live journeys stand still."""
        if kind != "plays":
            raise HTTPException(422, f"only plays are paused; archive {kind}/{key} if it shall not count")
        return shelf.set_status(kind, key, "paused")

    @routes.post("/v1/{kind}/{key}/archive")
    def archive(kind: Kind, key: Key) -> dict[str, Any]:
        """It counts no more."""
        return shelf.set_status(kind, key, "archived")
