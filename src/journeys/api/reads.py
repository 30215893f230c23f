"""`GET /v1/…`: what people and programs may look at (interfaces.md §3).

app.include_router(reads.router(database, guard, clock))
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import fastapi
from fastapi import APIRouter, Depends, Path

from journeys.api.paging import Cursors, Page, Paged, PageOf, Query, Word, found
from journeys.api.resources import (
    AccountResource,
    DeadLetter,
    DecisionResource,
    Explanation,
    JourneyResource,
    MessageResource,
    TaskResource,
    TimelineRow,
    WholeMessage,
)
from journeys.naming import ACCOUNT
from journeys.store import identities
from journeys.store.database import Database
from journeys.store.reads import overview, people, reach, timeline, why
from signals.instant import Instant, InstantField

Guard = Callable[[str], Callable[..., Any]]
"""Makes the dependency that lets only keys with a scope pass."""

Key = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
Asked = fastapi.Query()


class AccountsQuery(Paged):
    """Which accounts; `q` looks at ids, names and the people there."""

    segment: Word | None = None
    stage: Word | None = None
    tag: Word | None = None
    signal: Word | None = None
    band: Literal["red", "amber", "green"] | None = None
    owner: Word | None = None
    q: Word | None = None


class TimelineQuery(Paged):
    """Which rows of the time line; all kinds where none is named."""

    kind: list[timeline.Kind] = []


class ExplainQuery(Query):
    """What to explain: a play, a person, up to an instant."""

    play: Word | None = None
    contact: Word | None = None
    at: InstantField | None = None


class JourneysQuery(Paged):
    """Which journeys."""

    account: Word | None = None
    play: Word | None = None
    status: Literal["active", "completed", "exited", "preempted", "failed"] | None = None


class MessagesQuery(Paged):
    """Which messages."""

    account: Word | None = None
    contact: Word | None = None
    journey: Word | None = None
    play: Word | None = None
    channel: Word | None = None
    status: Word | None = None
    reason: Word | None = None


class TasksQuery(Paged):
    """Which tasks, what breaches next first. An empty `owner` is the queue; `due_before` is the next deadline."""

    account: Word | None = None
    owner: Annotated[str, fastapi.Query(max_length=255, pattern=r"^[^\x00]*$")] | None = None
    status: Literal["open", "started", "waiting", "snoozed", "closed"] | None = None
    breached: bool | None = None
    due_before: InstantField | None = None


class DecisionsQuery(Paged):
    """Which decisions."""

    account: Word | None = None
    contact: Word | None = None
    play: Word | None = None
    journey: Word | None = None
    message: Word | None = None
    task: Word | None = None
    subject: Literal["start", "send", "task", "offer"] | None = None
    outcome: Word | None = None
    reason: Word | None = None


class DeadQuery(Paged):
    """Which dead letters."""

    reason: Word | None = None


def router(database: Database, guard: Guard, clock: Callable[[], Instant]) -> APIRouter:
    """The reading routes. `guard(scope)` makes a dependency; scopes asked for: `csm`, and `admin` for dead letters."""
    routes = APIRouter(prefix="/v1", tags=["reads"])
    _accounts(routes, database, clock, [Depends(guard("csm"))])
    _reach(routes, database, [Depends(guard("csm"))])
    _tasks(routes, database, [Depends(guard("csm"))])
    _why(routes, database, [Depends(guard("csm"))], [Depends(guard("admin"))])
    return routes


def _accounts(routes: APIRouter, database: Database, clock: Callable[[], Instant], may: list[Any]) -> None:
    @routes.get("/accounts", response_model=PageOf[AccountResource], dependencies=may)
    def accounts(asked: Annotated[AccountsQuery, Asked]) -> Page:
        """Accounts by id, narrowed by what they are in, have open, belong to or are called."""
        with Cursors(), database.read() as connection:
            return people.accounts(connection, clock(), **dict(asked))

    @routes.get("/accounts/{account}", response_model=AccountResource, dependencies=may)
    def account(account: Key) -> dict[str, Any]:
        """Everything known of one account now; by an id that has become another, of that one."""
        with database.read() as connection:
            return found("account", account, people.account(connection, account, clock()))

    @routes.get("/accounts/{account}/timeline", response_model=PageOf[TimelineRow], dependencies=may)
    def line(account: Key, asked: Annotated[TimelineQuery, Asked]) -> Page:
        """One time line of what happened, what it meant, what was done and why not; newest first."""
        kinds = asked.kind or timeline.KINDS
        with Cursors(), database.read() as connection:
            known = _known(connection, account)
            return timeline.timeline(connection, known, kinds=kinds, limit=asked.limit, cursor=asked.cursor)

    @routes.get("/accounts/{account}/explain", response_model=Explanation, dependencies=may)
    def explain(account: Key, asked: Annotated[ExplainQuery, Asked]) -> dict[str, Any]:
        """Why something did or did not happen there: the decisions, in order, in words."""
        with database.read() as connection:
            known = _known(connection, account)
            return why.explain(connection, known, now=clock(), **dict(asked))


def _known(connection: Any, account: str) -> str:
    """The account's id now."""
    current = identities.current(connection, ACCOUNT, account)
    found("account", account, people.names(connection, [current]) or None)
    return current


def _reach(routes: APIRouter, database: Database, may: list[Any]) -> None:
    @routes.get("/journeys", response_model=PageOf[JourneyResource], dependencies=may)
    def journeys(asked: Annotated[JourneysQuery, Asked]) -> Page:
        """Journeys, the newest first."""
        with Cursors(), database.read() as connection:
            return reach.list_journeys(connection, **dict(asked))

    @routes.get("/journeys/{journey}", response_model=JourneyResource, dependencies=may)
    def journey(journey: Key) -> dict[str, Any]:
        """One journey."""
        with database.read() as connection:
            return found("journey", journey, reach.one_journey(connection, journey))

    @routes.get("/messages", response_model=PageOf[MessageResource], dependencies=may)
    def messages(asked: Annotated[MessagesQuery, Asked]) -> Page:
        """Messages, those that fell due last first."""
        with Cursors(), database.read() as connection:
            return reach.list_messages(connection, **dict(asked))

    @routes.get("/messages/{message}", response_model=WholeMessage, dependencies=may)
    def message(message: Key) -> dict[str, Any]:
        """One message with what it says, word for word."""
        with database.read() as connection:
            return found("message", message, reach.one_message(connection, message))


def _tasks(routes: APIRouter, database: Database, may: list[Any]) -> None:
    @routes.get("/tasks", response_model=PageOf[TaskResource], dependencies=may)
    def tasks(asked: Annotated[TasksQuery, Asked]) -> Page:
        """Tasks, what breaches next first."""
        with Cursors(), database.read() as connection:
            return reach.list_tasks(connection, **dict(asked))

    @routes.get("/tasks/{task}", response_model=TaskResource, dependencies=may)
    def task(task: Key) -> dict[str, Any]:
        """One task with its history."""
        with database.read() as connection:
            return found("task", task, reach.one_task(connection, task))


def _why(routes: APIRouter, database: Database, may: list[Any], operator: list[Any]) -> None:
    @routes.get("/decisions", response_model=PageOf[DecisionResource], dependencies=may)
    def decisions(asked: Annotated[DecisionsQuery, Asked]) -> Page:
        """Decisions, the newest first."""
        with Cursors(), database.read() as connection:
            return why.decisions(connection, **dict(asked))

    @routes.get("/dead", response_model=PageOf[DeadLetter], dependencies=operator)
    def dead(asked: Annotated[DeadQuery, Asked]) -> Page:
        """What came in and could not be taken, the newest first."""
        with Cursors(), database.read() as connection:
            return overview.dead(connection, **dict(asked))
