"""Definitions through the API: drafts, versions, lint, preview, activation (interfaces.md §3)."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException

from journeys.api.access import Guard, json_body
from journeys.definitions import MODELS, Fault, Refused, key_of, parse
from journeys.playbooks import Playbooks
from journeys.service import Service
from journeys.store.library import LIVE, Library
from signals.instant import Instant

Kind = Literal[
    "signals", "segments", "milestones", "stages", "plays", "content", "blocks", "mappings", "policies"
]


def router(
    library: Library, playbooks: Playbooks, service: Service, guard: Guard, clock: Callable[[], Instant]
) -> APIRouter:
    """The routes of definitions."""
    routes = APIRouter(tags=["definitions"], dependencies=[Depends(guard("marketer"))])
    Body = Annotated[dict[str, Any], Depends(json_body)]  # noqa: N806 - a type

    @routes.get("/v1/schemas/{kind}")
    def schema(kind: Kind) -> dict[str, Any]:
        """The JSON Schema of a kind's body."""
        return MODELS[kind].model_json_schema(by_alias=True)

    @routes.get("/v1/{kind}")
    def listed(kind: Kind) -> dict[str, Any]:
        """The newest version of every definition of a kind."""
        return {"items": library.list(kind), "next": None}

    @routes.get("/v1/{kind}/{key}")
    def one(kind: Kind, key: str) -> dict[str, Any]:
        """The newest version of one definition."""
        found = library.get(kind, key)
        if found is None:
            raise HTTPException(404, f"there is no {kind}/{key}")
        return found

    @routes.get("/v1/{kind}/{key}/versions")
    def versions(kind: Kind, key: str) -> dict[str, Any]:
        """Every version, newest first."""
        return {"items": library.versions(kind, key), "next": None}

    @routes.put("/v1/{kind}/{key}")
    def put(kind: Kind, key: str, body: Body) -> dict[str, Any]:
        """Keep a draft: a new version where it differs from the newest."""
        draft = parse(kind, body if kind in ("stages", "policies") or "key" in body else {**body, "key": key})
        if key not in (draft.key, key_of(kind, {"key": body.get("key")})):
            raise Refused([Fault(kind, key, f"the body's key is {draft.key!r}", "/key")])
        library.put([draft], clock())
        kept = library.get(kind, draft.key)
        assert kept is not None
        return kept

    @routes.post("/v1/{kind}/{key}/lint")
    def lint(kind: Kind, key: str) -> dict[str, Any]:
        """What would be wrong if the newest version became live."""
        faults = playbooks.check([_draft(kind, key)])
        return {"faults": [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults]}

    @routes.post("/v1/{kind}/{key}/activate")
    def activate(kind: Kind, key: str, current: bool = False) -> dict[str, Any]:
        """Make the newest version live; `current` also acts where it holds already."""
        now = clock()
        playbooks.activate([_draft(kind, key)], now, current)
        last: str | None = ""
        while last is not None:
            last = service.fill(now, last)
        return one(kind, key)

    @routes.post("/v1/{kind}/{key}/pause")
    def pause(kind: Kind, key: str) -> dict[str, Any]:
        """No starts; live journeys stand still."""
        return _status(kind, key, "paused")

    @routes.post("/v1/{kind}/{key}/archive")
    def archive(kind: Kind, key: str) -> dict[str, Any]:
        """It counts no more."""
        return _status(kind, key, "archived")

    def _status(kind: Kind, key: str, status: str) -> dict[str, Any]:
        if not library.set_status(kind, key, status, clock()):
            raise HTTPException(404, f"no version of {kind}/{key} is {', '.join(LIVE)}")
        playbooks.changed()
        return one(kind, key)

    def _draft(kind: Kind, key: str) -> Any:
        found = one(kind, key)
        draft = parse(kind, found["body"])
        return type(draft)(kind, key, draft.body, draft.model, None, found["version"], found["status"])

    return routes
