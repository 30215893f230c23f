"""`GET /v1/accounts/{id}/health`: the score, all it is made of, and the ledger of how it came to be."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import fastapi
from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from journeys.api.paging import Cursors, Paged, PageOf, found
from journeys.api.reads import Guard, Key
from journeys.api.resources import Band, Reason
from journeys.playbook import Playbook
from journeys.store import feeds
from journeys.store.accounts import load
from journeys.store.database import Database
from journeys.store.reads import scores
from signals.instant import Instant


class HealthMeasure(BaseModel):
    """One measure as it stands now. `points` is null where the measure is missing and does not count."""

    key: str
    name: str
    value: float | None
    points: float | None
    weight: float
    share: float = Field(description="Of all that counts, how much this measure weighs: 0 to 1.")


class HealthFlag(BaseModel):
    """One flag; while it holds (`since`), the band is no better than `cap`."""

    key: str
    name: str
    cap: Band | None = Field(description="Null where the definition is not live any more.")
    holds: bool
    since: str | None


class Step(BaseModel):
    """From what to what."""

    before: Any
    after: Any


class LedgerEntry(BaseModel):
    """What moved the score by how many points: a measure, a flag or another version of the definition.

    `event` is the id of the event that did, null where time did; `sentence` says it in words.
    """

    at: str
    kind: Literal["measure", "flag", "definition"]
    key: str
    points: int
    value: float | None
    score: Step
    band: Step
    event: str | None
    version: str
    sentence: str


class HealthResource(BaseModel):
    """A health score with all it is made of and every change explained. All is null or empty where nothing scores it."""

    account: str
    score: int | None
    band: Band | None
    trend: int | None
    reasons: list[Reason]
    version: int | str | None
    measures: list[HealthMeasure]
    flags: list[HealthFlag]
    ledger: PageOf[LedgerEntry] = Field(
        description="Newest first; the points of all entries add up to the score."
    )


def router(
    database: Database, playbook: Callable[[], Playbook], guard: Guard, clock: Callable[[], Instant]
) -> APIRouter:
    """The route; it asks for the scope `csm`."""
    routes = APIRouter(prefix="/v1", tags=["reads"])
    may = [Depends(guard("csm"))]

    @routes.get("/accounts/{account}/health", response_model=HealthResource, dependencies=may)
    def health(account: Key, asked: Annotated[Paged, fastapi.Query()]) -> dict[str, Any]:
        """The health of an account: score, band, every measure and flag, and every change explained, newest first."""
        with Cursors(), database.read() as connection:
            live = feeds.seen(connection, playbook())
            state = load(connection, account)
            known = None if state is None else scores.whole(state, clock(), live)
            told = scores.ledger(connection, account, limit=asked.limit, cursor=asked.cursor)
            return {**found("account", account, known), "ledger": told}

    return routes
