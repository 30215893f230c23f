"""`POST /v1/signals/{key}/backtest`: a signal over the stored history, answered while one waits.

app.include_router(backtests.router(database, library, guard, clock))

A back-test is work for the processor: this process does one at a time, for a bounded time, and says how far it came.
Long histories are for `journeys backtest`, beside the database.
"""

import threading
from collections.abc import Callable
from typing import Annotated, Any

import fastapi
from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from journeys.api.access import Guard, body_of, documented
from journeys.backtest.question import BadQuestion
from journeys.backtests import Asked, Backtest, NoSignal
from journeys.store.database import Database
from journeys.store.library import Library
from signals.instant import Instant

MOST_SECONDS = 110
"""Of one answer: below the two minutes that clients and proxies wait."""

Key = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
Seconds = Annotated[
    float, fastapi.Query(gt=0, le=MOST_SECONDS, description="After which no further account is begun.")
]
Count = Annotated[int, Field(ge=0)]


class Rate(BaseModel):
    """A share and its interval; null where there is nothing to take a share of."""

    value: float | None
    low: float | None
    high: float | None


class Chance(Rate):
    """What a random account-week gives."""

    account_weeks: Count
    followed: Count


class Recall(Rate):
    """Of the outcomes, how many had a firing before them within the window."""

    outcomes: Count
    caught: Count


class Lift(BaseModel):
    """Precision over chance at the same age; `shown` only where their intervals lie apart."""

    value: float | None
    shown: bool


class LeadDays(BaseModel):
    """From the first firing in the window to the outcome."""

    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None


class Week(BaseModel):
    """The firings of one week, named by its Monday."""

    week: str
    firings: Count


class Volume(BaseModel):
    """How many firings there are a week."""

    mean: float | None
    most: Count
    weeks: list[Week]


class BacktestRow(BaseModel):
    """How one signal, or one setting of it, did. What needs an outcome is absent where none was asked about."""

    signal: str
    setting: str | None = Field(description="Null: as written.")
    value: Any
    firings: Count
    accounts: Count
    opened_silently: Count = Field(description="By an event that came in too late to act on.")
    per_week: Volume
    judged: Count = Field(0, description="Firings whose window had passed when the history ended.")
    followed: Count = Field(0, description="Judged firings that an outcome followed.")
    near_the_end: Count = 0
    outside: Count = Field(0, description="Firings at accounts that are not of those compared.")
    precision: Rate | None = None
    chance_at_that_age: Rate | None = None
    lift: Lift | None = None
    recall: Recall | None = None
    lead_days: LeadDays | None = None


class Best(BaseModel):
    """The best setting of a sweep among those that show lift, as a definition."""

    setting: str
    value: Any
    f1: float
    definition: dict[str, Any]


class Saved(BaseModel):
    """The draft that was kept."""

    key: str
    version: int
    status: str
    at: str


class OutcomeMeant(BaseModel):
    """What was to be foretold."""

    type: str
    where: dict[str, Any]


class BacktestAnswer(BaseModel):
    """The answer. `complete` is false where time was up before every account had been looked at."""

    since: str | None = Field(alias="from")
    to: str
    weeks: float
    accounts: Count
    events: Count
    events_that_matter: Count
    complete: bool
    seconds: float
    events_per_second: Count
    outcome: OutcomeMeant | None
    within: str | None = None
    among: dict[str, Any] | None = None
    outcomes: Count = 0
    outcomes_outside: Count = 0
    confidence: float | None = Field(None, description="That all intervals are right together.")
    chance: Chance | None = None
    rows: list[BacktestRow]
    best: Best | None
    saved: Saved | None


def router(database: Database, library: Library, guard: Guard, clock: Callable[[], Instant]) -> APIRouter:
    """The route; its scope is `marketer`."""
    routes = APIRouter(tags=["definitions"], dependencies=[Depends(guard("marketer"))])
    busy = threading.Lock()

    @routes.post("/v1/signals/{key}/backtest", response_model=BacktestAnswer, openapi_extra=documented(Asked))
    def run(
        key: Key, asked: Annotated[Asked, Depends(body_of(Asked))], seconds: Seconds = 20.0
    ) -> dict[str, Any]:
        """Run the newest version of a signal over the stored history: firings, precision, recall, lead time, chance."""
        if not busy.acquire(blocking=False):
            detail = "another back-test is running in this process: wait for it, or use `journeys backtest`"
            raise HTTPException(503, detail, {"Retry-After": "10"})
        try:
            return Backtest(database, library, [key], asked).run(clock, seconds=seconds)
        except NoSignal as error:
            raise HTTPException(404, str(error)) from error
        except BadQuestion as error:
            raise HTTPException(422, str(error)) from error
        finally:
            busy.release()

    return routes
