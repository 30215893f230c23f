"""Definitions through the API: drafts, versions, approval, activation, pause, stop, archive, audit (interfaces.md §3)."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import fastapi
from fastapi import APIRouter, Depends, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from journeys.api.access import Guard, body_of, documented, json_value, no_body
from journeys.api.consequences import PreviewResource, ProgressResource
from journeys.api.paging import Paged, PageOf, Query, Word
from journeys.api.shelf import How, Shelf
from journeys.definitions import MODELS, Fault
from journeys.rehearsal import SAMPLE
from journeys.store.keys import Caller
from journeys.store.reads.page import Page
from plays.play import Live
from signals.instant import InstantField


def _known(kind: str) -> str:
    if kind not in MODELS:
        raise HTTPException(404, f"there are no {kind!r:.60} here: definitions are {', '.join(MODELS)}")
    return kind


Kind = Annotated[str, Path(json_schema_extra={"enum": list(MODELS)}), AfterValidator(_known)]
"""A kind of definition; 404 for a word that names none."""

Key = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
Json = Annotated[Any, Depends(json_value)]

_BODY = {
    "requestBody": {
        "required": True,
        "description": "The definition; its schema is at /v1/schemas/{kind}. For stages, also the bare list.",
        "content": {"application/json": {"schema": {"type": ["object", "array"]}}},
    }
}


class ListQuery(Paged):
    """Which definitions of a kind: the newest version of each, or the one that counts."""

    live: bool = Field(False, description="The versions that count, instead of the newest.")


class HowQuery(Query):
    """How definitions are made live."""

    current: bool = Field(False, description="Also act where it holds already.")
    live: Live = Field(
        "pin",
        description="Journeys on the versions before: pin (they stay), migrate (at the step of the same id), drain "
        "(they finish, and no later version moves them).",
    )
    dry_run: bool = Field(False, description="Only say what would happen.")
    sample: int = Field(
        SAMPLE, ge=1, le=1_000_000, description="Accounts a dry run looks at; of more, an even part."
    )
    token: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="The dry run's: refused with 409 where other definitions are live by now."
    )
    wait: bool = Field(True, description="Answer when every account has been brought to it.")

    @property
    def how(self) -> How:
        """The same without the dry run."""
        return How(self.current, self.live, self.token, self.wait, self.sample)


class PreviewQuery(Query):
    """Of which account, and when: now, or at an instant of the past or to come."""

    account: Word
    at: InstantField | None = None


class ChangeQuery(Query):
    """A change of what is live: why, and whether to answer when every account has been brought to it."""

    reason: Word | None = Field(None, description="Why; kept in the audit.")
    wait: bool = True


Change = Annotated[ChangeQuery, fastapi.Query()]


class StopQuery(ChangeQuery):
    """How to stop a play."""

    mode: Literal["drain", "abort"] = Field(
        "drain", description="drain: live journeys finish; abort: they end now, their tasks are closed."
    )


class AuditQuery(Paged):
    """Which changes; all where nothing is named."""

    kind: Word | None = None
    key: Word | None = None
    actor: Word | None = None
    action: Literal["draft", "approve", "activate", "pause", "resume", "stop", "archive", "test"] | None = (
        None
    )


class AuditResource(BaseModel):
    """A change: `about` is a definition as kind/key, the hashes those of what was there before and of what is now.

    `chain` is the hash of this row and of the chain before it: a row changed or taken away breaks it.
    """

    number: int
    at: str
    actor: str
    action: str
    about: str
    from_hash: str | None
    to_hash: str | None
    detail: dict[str, Any]
    chain: str


class Approval(BaseModel):
    """What is approved: the newest version, where its hash is the one that was seen."""

    model_config = ConfigDict(extra="forbid", strict=True)
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


def fault_json(fault: Fault) -> dict[str, Any]:
    """A fault as the API tells it; `line` is that of a text's body, from 1."""
    shown = ("pointer", "detail", "mend", "blocking")
    return {**{name: getattr(fault, name) for name in shown}, "line": fault.text_line}


def actor_of(caller: Caller) -> str:
    """Who acts, as the audit names them: the key's name and id."""
    return f"{caller.name} ({caller.id})"


def router(shelf: Shelf, guard: Guard) -> APIRouter:
    """The routes of definitions."""
    marketer = guard("marketer")
    routes = APIRouter(tags=["definitions"], dependencies=[Depends(marketer)])

    def actor(caller: Annotated[Caller, Depends(marketer)]) -> str:
        return actor_of(caller)

    _reading(routes, shelf)
    _drafting(routes, shelf, actor)
    living = APIRouter(dependencies=[Depends(no_body)])
    _living(living, shelf, actor)
    routes.include_router(living)
    return routes


def _reading(routes: APIRouter, shelf: Shelf) -> None:
    @routes.get("/v1/schemas/{kind}")
    def schema(kind: Kind) -> dict[str, Any]:
        """The JSON Schema of a kind's body."""
        return MODELS[kind].model_json_schema(by_alias=True)

    @routes.get("/v1/definitions/progress", response_model=ProgressResource)
    def progress() -> dict[str, Any]:
        """How far the live definitions have reached the accounts."""
        return shelf.progress()

    @routes.get("/v1/definitions/reuse")
    def reused() -> dict[str, Any]:
        """How much of what customers read is written once and used in several contents (content reuse %)."""
        return shelf.reuse()

    @routes.get("/v1/audit", response_model=PageOf[AuditResource])
    def audit(asked: Annotated[AuditQuery, fastapi.Query()]) -> Page:
        """Who changed what of the definitions, newest first."""
        if asked.key is not None and asked.kind is None:
            raise HTTPException(422, "name the kind beside the key: ?kind=plays&key=…")
        about = None if asked.key is None else f"{asked.kind}/{asked.key}"
        return shelf.audited(asked, kind=asked.kind, about=about, actor=asked.actor, action=asked.action)

    @routes.get("/v1/{kind}", response_model=PageOf[dict[str, Any]])
    def listed(kind: Kind, asked: Annotated[ListQuery, fastapi.Query()]) -> Page:
        """The newest version of every definition of a kind, by key; with `live` the one that counts."""
        return shelf.page(kind, asked, asked.live)

    @routes.get("/v1/{kind}/{key}")
    def one(kind: Kind, key: Key) -> dict[str, Any]:
        """The newest version of one definition."""
        return shelf.one(kind, key)

    @routes.get("/v1/{kind}/{key}/versions")
    def versions(kind: Kind, key: Key) -> dict[str, Any]:
        """Every version, newest first."""
        return {"items": shelf.versions(kind, key), "next": None}


def _drafting(routes: APIRouter, shelf: Shelf, actor: Callable[..., str]) -> None:
    @routes.put("/v1/{kind}/{key}", openapi_extra=_BODY)
    def put(kind: Kind, key: Key, body: Json, by: Annotated[str, Depends(actor)]) -> dict[str, Any]:
        """Keep a draft: a new version where it differs from the newest."""
        return shelf.put(kind, key, body, by)

    @routes.post("/v1/{kind}/{key}/lint")
    def lint(kind: Kind, key: Key) -> dict[str, Any]:
        """What would be wrong if the newest version became live."""
        faults = shelf.faults(kind, key)
        return {"faults": [fault_json(fault) for fault in faults]}

    @routes.post("/v1/{kind}/{key}/preview", response_model=PreviewResource)
    def preview(kind: Kind, key: Key, asked: Annotated[PreviewQuery, fastapi.Query()]) -> dict[str, Any]:
        """What the newest version says of one account: its verdicts with until and because, and the state it is in."""
        return shelf.preview(kind, key, asked.account, asked.at)

    @routes.post("/v1/{kind}/{key}/approve", openapi_extra=documented(Approval, may_be_empty=True))
    def approve(
        kind: Kind,
        key: Key,
        seen: Annotated[Approval, Depends(body_of(Approval, may_be_empty=True))],
        by: Annotated[str, Depends(actor)],
    ) -> dict[str, Any]:
        """Approve the newest version: this very content, one changed byte being another."""
        return shelf.approve(kind, key, seen.hash, by)


def _living(routes: APIRouter, shelf: Shelf, actor: Callable[..., str]) -> None:
    @routes.post("/v1/{kind}/{key}/activate")
    def activate(
        kind: Kind, key: Key, asked: Annotated[HowQuery, fastapi.Query()], by: Annotated[str, Depends(actor)]
    ) -> dict[str, Any]:
        """Make the newest version live, and say what that made of the accounts; `dry_run` says what it would."""
        if asked.dry_run:
            return shelf.rehearse(kind, key, asked.how)
        return shelf.activate(kind, key, asked.how, by)

    @routes.post("/v1/{kind}/{key}/pause")
    def pause(kind: Kind, key: Key, asked: Change, by: Annotated[str, Depends(actor)]) -> dict[str, Any]:
        """A play: no starts; live journeys stand still."""
        _only_plays(kind, key, "paused")
        return shelf.set_status(kind, key, "paused", by, asked.reason, asked.wait)

    @routes.post("/v1/{kind}/{key}/resume")
    def resume(kind: Kind, key: Key, asked: Change, by: Annotated[str, Depends(actor)]) -> dict[str, Any]:
        """A play that was paused or stopped takes accounts again; live journeys go on."""
        _only_plays(kind, key, "resumed")
        return shelf.set_status(kind, key, "active", by, asked.reason, asked.wait)

    @routes.post("/v1/{kind}/{key}/stop")
    def stop(
        kind: Kind, key: Key, asked: Annotated[StopQuery, fastapi.Query()], by: Annotated[str, Depends(actor)]
    ) -> dict[str, Any]:
        """A play: no starts; live journeys finish (drain), or end now with their tasks and messages (abort)."""
        _only_plays(kind, key, "stopped")
        status = "draining" if asked.mode == "drain" else "stopped"
        return shelf.set_status(kind, key, status, by, asked.reason, asked.wait)

    @routes.post("/v1/{kind}/{key}/archive")
    def archive(kind: Kind, key: Key, asked: Change, by: Annotated[str, Depends(actor)]) -> dict[str, Any]:
        """It counts no more: open signals are cleared and segments left, both silently; journeys of a play finish."""
        return shelf.set_status(kind, key, "archived", by, asked.reason, asked.wait)


def _only_plays(kind: str, key: str, done: str) -> None:
    if kind != "plays":
        raise HTTPException(422, f"only plays are {done}; archive {kind}/{key} if it shall not count")
