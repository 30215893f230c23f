"""`POST /v1/{signals,plays}/{key}/backtest`: a signal or a play over the stored history, answered while one waits.

app.include_router(backtests.router(database, library, composer, zone, guard, clock))

A back-test is work for the processor: this process does one at a time, for a bounded time, and says how far it came.
Long histories are for `journeys backtest`, beside the database.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import fastapi
from fastapi import APIRouter, Depends, Path
from starlette.exceptions import HTTPException

from journeys.api.access import Guard, body_of, documented
from journeys.api.backtest_answers import BacktestAnswer, PlayBacktestAnswer
from journeys.backtest.question import BadQuestion
from journeys.backtests import Asked, AskedOfHistory, Backtest, NoSignal
from journeys.composer import Composer
from journeys.playtests import NoPlay, PlayBacktest
from journeys.store.database import Database
from journeys.store.library import Library
from signals.instant import Instant

MOST_SECONDS = 110
"""Of one answer: below the two minutes that clients and proxies wait."""

Key = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
Seconds = Annotated[
    float, fastapi.Query(gt=0, le=MOST_SECONDS, description="After which no further account is begun.")
]


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a question, as problems."""
    try:
        yield
    except (NoSignal, NoPlay) as error:
        raise HTTPException(404, str(error)) from error
    except BadQuestion as error:
        raise HTTPException(422, str(error)) from error


class _One:
    """One back-test at a time in this process; whoever comes meanwhile is told to come again."""

    def __init__(self) -> None:
        self._busy = threading.Lock()

    def __enter__(self) -> None:
        if not self._busy.acquire(blocking=False):
            detail = "another back-test is running in this process: wait for it, or use `journeys backtest`"
            raise HTTPException(503, detail, {"Retry-After": "10"})

    def __exit__(self, *_: object) -> None:
        self._busy.release()


def router(
    database: Database,
    library: Library,
    composer: Composer,
    zone: str,
    guard: Guard,
    clock: Callable[[], Instant],
) -> APIRouter:
    """The routes; their scope is `marketer`. `zone` is the service's."""
    routes = APIRouter(tags=["definitions"], dependencies=[Depends(guard("marketer"))])
    one = _One()

    @routes.post("/v1/signals/{key}/backtest", response_model=BacktestAnswer, openapi_extra=documented(Asked))
    def run(
        key: Key, asked: Annotated[Asked, Depends(body_of(Asked))], seconds: Seconds = 20.0
    ) -> dict[str, Any]:
        """Run the newest version of a signal over the stored history: firings, precision, recall, lead time, chance."""
        with one, _told():
            return Backtest(database, library, [key], asked).run(clock, seconds=seconds)

    @routes.post(
        "/v1/plays/{key}/backtest",
        response_model=PlayBacktestAnswer,
        openapi_extra=documented(AskedOfHistory),
    )
    def run_play(
        key: Key, asked: Annotated[AskedOfHistory, Depends(body_of(AskedOfHistory))], seconds: Seconds = 20.0
    ) -> dict[str, Any]:
        """Run the newest version of a play over the stored history, beside the live plays: journeys, messages, tasks."""
        with one, _told():
            made = PlayBacktest(database, library, composer, zone, key, asked)
            return made.run(clock, seconds=seconds)

    return routes
