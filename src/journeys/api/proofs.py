"""Texts shown to whoever asks: previews of a content as any account, role and channel, and test sends."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import fastapi
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from channels.address import BadAddress
from channels.headers import BadHeader
from journeys.api.access import Guard, body_of, documented
from journeys.api.definitions import Key
from journeys.api.paging import Query, Word
from journeys.api.shelf import Shelf
from journeys.proofs import NotAllowed, Proofs
from journeys.store import accounts
from journeys.store.database import Database
from signals.instant import Instant, InstantField, iso
from signals.profile import Profile

ChannelName = Literal["email", "in_app", "task", "invitation"]


class ProofQuery(Query):
    """As whom: an account, a role (default: the content's), one of its people (default: who holds the role)."""

    account: Word
    role: Word | None = None
    contact: Word | None = None
    channel: ChannelName | None = None
    at: InstantField | None = None


class TestBody(BaseModel):
    """Where a test goes."""

    model_config = ConfigDict(extra="forbid", strict=True)
    to: Annotated[str, Field(min_length=3, max_length=254)]


class Problem(BaseModel):
    """Why the text cannot be made for this reader: a message's `failed:<reason>`, and which fact or fault."""

    reason: str
    detail: str


class ProofResource(BaseModel):
    """What somebody would read; `sampled` are the facts of an event that has not come, with values of a sample."""

    key: str
    version: int
    account: str
    at: str
    variant: dict[str, str | None]
    contact: str | None
    role: str | None
    channel: str
    sampled: list[str]
    subject: str | None
    text: str | None
    html: str | None
    blocks: list[str]
    problem: Problem | None


class SentResource(BaseModel):
    """What became of a test."""

    to: str
    outcome: Literal["sent", "not sent", "refused", "in doubt"]
    detail: str


Asked = Annotated[ProofQuery, fastapi.Query()]


def router(
    shelf: Shelf, proofs: Proofs, database: Database, guard: Guard, clock: Callable[[], Instant]
) -> APIRouter:
    """The routes. They stand before those of definitions, which take `content` like any other kind."""
    routes = APIRouter(tags=["definitions"], dependencies=[Depends(guard("marketer"))])

    def made(key: str, asked: ProofQuery) -> dict[str, Any]:
        draft, playbook = shelf.text(key)
        at = asked.at or clock()
        profile = _profile(database, asked)
        who = {"role": asked.role, "contact": asked.contact, "channel": asked.channel}
        about = {"key": key, "version": draft.version, "account": profile.id, "at": iso(at)}
        return {**about, **proofs.proof(draft, playbook, profile, at, **who)}

    @routes.post("/v1/content/{key}/preview", response_model=ProofResource)
    def preview(key: Key, asked: Asked) -> dict[str, Any]:
        """What the newest version says to somebody: subject, text, HTML, which variant, of which blocks."""
        return made(key, asked)

    @routes.post("/v1/content/{key}/test", response_model=SentResource, openapi_extra=documented(TestBody))
    def test(key: Key, asked: Asked, body: Annotated[TestBody, Depends(body_of(TestBody))]) -> dict[str, str]:
        """Mail that preview, marked as a test, to an address listed in JOURNEYS_TEST_ADDRESSES."""
        try:
            proofs.require_allowed(body.to)
            proof = made(key, asked)
            if proof["problem"] is not None:
                raise HTTPException(422, f"{proof['problem']['reason']}: {proof['problem']['detail']}")
            if proof["channel"] not in ("email", "invitation"):
                raise HTTPException(
                    422, f"a text for {proof['channel']} is not mailed: ask for channel=email"
                )
            return proofs.send(proof, body.to, f"{key}@{proof['version']}", clock())
        except NotAllowed as refused:
            raise HTTPException(403, str(refused)) from refused
        except (BadAddress, BadHeader) as refused:
            raise HTTPException(422, str(refused)) from refused

    return routes


def _profile(database: Database, asked: ProofQuery) -> Profile:
    with database.read() as connection:
        state = accounts.load(connection, asked.account)
    if state is None:
        raise HTTPException(404, f"there is no account {asked.account!r}")
    if asked.contact is not None and asked.contact not in state.profile.contacts:
        raise HTTPException(404, f"there is no contact {asked.contact!r} at {asked.account!r}")
    return state.profile
