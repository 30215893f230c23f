"""Definitions through the API: drafts, versions, lint, activation (interfaces.md §3)."""

from collections.abc import Callable
from typing import Annotated, Any

import fastapi
from fastapi import APIRouter, Depends, Path
from pydantic import AfterValidator, Field
from starlette.exceptions import HTTPException

from journeys.api.access import Guard, json_value
from journeys.api.paging import Cursors, Paged, PageOf, Query, Word
from journeys.api.resources import PreviewResource, ProgressResource
from journeys.definitions import MODELS, Draft, Fault, Refused, key_of, parse
from journeys.filling import Filler
from journeys.impact import shown
from journeys.playbooks import Playbooks
from journeys.preview import TOKENS, WATCHED
from journeys.rehearsal import SAMPLE, Trials
from journeys.store.fillings import filling_json
from journeys.store.library import LIVE, Library, SeenOtherwise
from journeys.store.reads.page import Page, seal, unseal
from journeys.texts import reuse
from signals.instant import Instant, InstantField, iso


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


class ActivateQuery(Query):
    """How to activate."""

    current: bool = Field(False, description="Also act where it holds already.")
    dry_run: bool = Field(False, description="Only say what would happen.")
    sample: int = Field(
        SAMPLE, ge=1, le=1_000_000, description="Accounts a dry run looks at; of more, an even part."
    )
    token: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="The dry run's: refused with 409 where other definitions are live by now."
    )
    wait: bool = Field(True, description="Answer when every account has been brought to it.")


class PreviewQuery(Query):
    """Of which account, and when: now, or at an instant of the past or to come."""

    account: Word
    at: InstantField | None = None


class WaitQuery(Query):
    """Whether to answer when every account has been brought to the change."""

    wait: bool = True


class Shelf:
    """What the routes do, by kind and key. `fill_soon` has this process bring the accounts to what was made live."""

    def __init__(
        self,
        library: Library,
        playbooks: Playbooks,
        filler: Filler,
        trials: Trials,
        clock: Callable[[], Instant],
        fill_soon: Callable[[], None],
    ) -> None:
        self._library, self._playbooks, self._filler, self._trials = library, playbooks, filler, trials
        self._clock, self._fill_soon = clock, fill_soon

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

    def rehearse(self, kind: str, key: str, asked: ActivateQuery) -> dict[str, Any]:
        """What activating the newest version would do, and the token of what was seen. Raises Refused."""
        wanted = [self._newest(kind, key)]
        faults = [fault for fault in self._playbooks.check(wanted) if fault.blocking]
        if faults:
            raise Refused(faults)
        token = self._playbooks.token(wanted)
        coming = self._playbooks.with_these(wanted, asked.current)
        total, counts = self._trials.rehearse(self._playbooks(), coming, self._clock(), asked.sample)
        return {**self.one(kind, key), "accounts": total, "would": shown(counts), "token": token}

    def activate(self, kind: str, key: str, asked: ActivateQuery) -> dict[str, Any]:
        """Make the newest version live and bring every account to it. Raises Refused, and 409 for an old token."""
        wanted = [self._newest(kind, key)]
        try:
            self._playbooks.activate(wanted, self._clock(), asked.current, asked.token)
        except SeenOtherwise as error:
            raise HTTPException(409, str(error)) from error
        return {**self.one(kind, key), **self.filled(asked.wait)}

    def set_status(self, kind: str, key: str, status: str, wait: bool = True) -> dict[str, Any]:
        """Pause or archive what is live. Raises 404, and 409 where nothing is live."""
        found = self.one(kind, key)
        if not self._library.set_status(kind, key, status, self._clock()):
            detail = f"{kind}/{key} is {found['status']}: only what is {', '.join(LIVE)} can be {status}"
            raise HTTPException(409, detail)
        self._playbooks.changed()
        return {**self.one(kind, key), **self.filled(wait)}

    def filled(self, wait: bool) -> dict[str, Any]:
        """How far the accounts have been brought to the live definitions, all where this is to wait, and what that made."""
        if not wait:
            self._fill_soon()
        filling = self._filler.finish(self._clock) if wait else self._filler.progress()
        return {} if filling is None else {"filling": filling_json(filling), "made": shown(filling.made)}

    def progress(self) -> dict[str, Any]:
        """How far the live definitions have reached the accounts. Raises 404 before the first activation."""
        filling = self._filler.progress()
        if filling is None:
            raise HTTPException(
                404, "nothing has been made live yet, so there is nothing to bring accounts to"
            )
        return {**filling_json(filling), "made": shown(filling.made)}

    def reuse(self) -> dict[str, Any]:
        """The content reuse of what is live."""
        playbook = self._playbooks()
        return reuse([one for variants in playbook.contents.values() for one in variants], playbook.blocks)

    def preview(self, kind: str, key: str, account: str, at: Instant | None) -> dict[str, Any]:
        """What the newest version says of an account. Raises 404, 422 for kinds that say nothing of one, Refused."""
        if kind not in WATCHED:
            detail = f"{kind} say nothing of an account by themselves: previews are of {', '.join(WATCHED)}"
            raise HTTPException(422, detail)
        draft = self._newest(kind, key)
        book = self._playbooks.with_these([draft], plays=False)
        now = self._clock()
        told = self._trials.preview(
            account, book, kind, draft.model.key if kind in TOKENS else kind, at or now, now
        )
        if told is None:
            raise HTTPException(404, f"there is no account {account!r}")
        about = {"kind": kind, "key": key, "version": draft.version, "account": account, "at": iso(at or now)}
        return {**about, **told}

    def _newest(self, kind: str, key: str) -> Draft:
        found = self.one(kind, key)
        draft = parse(kind, found["body"])
        return type(draft)(kind, key, draft.body, draft.model, None, found["version"], found["status"])


def fault_json(fault: Fault) -> dict[str, Any]:
    """A fault as the API tells it; `line` is that of a text's body, from 1."""
    shown = ("pointer", "detail", "mend", "blocking")
    return {**{name: getattr(fault, name) for name in shown}, "line": fault.text_line}


def router(shelf: Shelf, guard: Guard) -> APIRouter:
    """The routes of definitions."""
    routes = APIRouter(tags=["definitions"], dependencies=[Depends(guard("marketer"))])
    _reading(routes, shelf)
    _changing(routes, shelf)
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
        return {"faults": [fault_json(fault) for fault in faults]}

    @routes.post("/v1/{kind}/{key}/activate")
    def activate(kind: Kind, key: Key, asked: Annotated[ActivateQuery, fastapi.Query()]) -> dict[str, Any]:
        """Make the newest version live, and say what that made of the accounts; `dry_run` says what it would."""
        return shelf.rehearse(kind, key, asked) if asked.dry_run else shelf.activate(kind, key, asked)

    @routes.post("/v1/{kind}/{key}/preview", response_model=PreviewResource)
    def preview(kind: Kind, key: Key, asked: Annotated[PreviewQuery, fastapi.Query()]) -> dict[str, Any]:
        """What the newest version says of one account: its verdicts with until and because, and the state it is in."""
        return shelf.preview(kind, key, asked.account, asked.at)

    @routes.post("/v1/{kind}/{key}/pause")
    def pause(kind: Kind, key: Key) -> dict[str, Any]:
        """A play: no starts; live journeys stand still."""
        if kind != "plays":
            raise HTTPException(422, f"only plays are paused; archive {kind}/{key} if it shall not count")
        return shelf.set_status(kind, key, "paused")

    @routes.post("/v1/{kind}/{key}/archive")
    def archive(kind: Kind, key: Key, asked: Annotated[WaitQuery, fastapi.Query()]) -> dict[str, Any]:
        """It counts no more: open signals are cleared and segments left, both silently; its measures are forgotten."""
        return shelf.set_status(kind, key, "archived", asked.wait)
