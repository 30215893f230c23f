"""Writes of people and programs: accounts, contacts, holds, tasks, journeys, sending. They are events (interfaces.md §3)."""

import secrets
from collections.abc import Callable, Iterator
from itertools import count
from typing import Annotated, Any, Literal, NamedTuple

import orjson
import sqlalchemy as sa
from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.exceptions import HTTPException

from channels import task_moves
from channels.task import Task
from journeys.api.access import Guard, body_of, documented, raw_body
from journeys.api.bodies import AccountBody, ContactBody, HoldBody, Id, TaskBody
from journeys.api.idempotency import Idempotency
from journeys.desk import Desk
from journeys.naming import ACCOUNT
from journeys.service import Service
from journeys.store import accounts, identities, sending
from journeys.store.database import Database
from journeys.store.keys import Caller
from journeys.store.tables import journeys
from signals.event import Event
from signals.instant import Instant, iso, iso_or_none
from signals.profile import open_holds

Key = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
Raw = Annotated[bytes, Depends(raw_body)]
Verb = Literal["start", "wait", "resume", "snooze", "close", "reassign", "comment"]


class Desks(NamedTuple):
    """What the writing routes share. `reached` is told that there may be something to send."""

    database: Database
    service: Service
    guard: Guard
    clock: Callable[[], Instant]
    reached: Callable[[], None]
    idempotency: Idempotency
    order: Iterator[int]

    def tell(self, event_type: str, account: str, data: dict[str, Any], contact: str | None = None) -> None:
        """Something a person or a program did here, as an event of our own.

        Of two at one instant the greater id counts (semantics §2): ids ascend, so that the later write does.
        """
        now, name = self.clock(), f"{next(self.order):012d}-{secrets.token_hex(12)}"
        event = Event(name, "api", event_type, now, account, contact, data, now)
        self.service.write([event], now)
        self.reached()


def router(
    database: Database,
    service: Service,
    guard: Guard,
    clock: Callable[[], Instant],
    reached: Callable[[], None],
) -> APIRouter:
    """The routes that change things. `reached` is told that there may be something to send."""
    desks = Desks(database, service, guard, clock, reached, Idempotency(database, clock), count())
    routes = APIRouter()
    _people(routes, desks)
    _holds(routes, desks)
    _tasks(routes, desks)
    _operations(routes, desks)
    return routes


def _people(routes: APIRouter, desks: Desks) -> None:
    csm = Depends(desks.guard("csm"))

    @routes.put(
        "/v1/accounts/{account}",
        tags=["accounts"],
        status_code=202,
        dependencies=[csm],
        openapi_extra=documented(AccountBody),
    )
    def put_account(
        account: Id, body: Annotated[AccountBody, Depends(body_of(AccountBody))]
    ) -> dict[str, Any]:
        """Set attributes of an account, and what others call it; an unknown one is created. 409 where another account
        is called so.
        """
        desks.tell("crm.account_updated", account, body.told())
        return {"id": account, "attributes": body.written()}

    @routes.put(
        "/v1/contacts/{contact}",
        tags=["contacts"],
        status_code=202,
        dependencies=[csm],
        openapi_extra=documented(ContactBody),
    )
    def put_contact(
        contact: Id, body: Annotated[ContactBody, Depends(body_of(ContactBody))]
    ) -> dict[str, Any]:
        """Set attributes and roles of a person at an account, and what others call them.

        An address that somebody is known by makes the two one person; 409 where this one has another address.
        """
        desks.tell("crm.contact_updated", body.account, body.written(), contact)
        return {"id": contact, "account": body.account}


def _holds(routes: APIRouter, desks: Desks) -> None:
    @routes.post(
        "/v1/accounts/{account}/holds",
        tags=["accounts"],
        status_code=201,
        openapi_extra=documented(HoldBody, may_be_empty=True),
    )
    def hold(
        request: Request,
        account: Id,
        caller: Annotated[Caller, Depends(desks.guard("csm"))],
        body: Annotated[HoldBody, Depends(body_of(HoldBody, may_be_empty=True))],
        raw: Raw,
    ) -> Response:
        """Marketing to this account waits until the hold ends. Honours Idempotency-Key."""

        def place() -> Response:
            _standing(desks, account)
            until = iso_or_none(body.until)
            about = {"reason": body.reason, "until": until, "author": caller.name}
            desks.tell("account.hold_placed", account, about)
            return _json({"id": body.reason, "account": account, "reason": body.reason, "until": until}, 201)

        return desks.idempotency.once(request, caller, raw, place)

    @routes.delete(
        "/v1/accounts/{account}/holds/{hold_id:path}",
        tags=["accounts"],
        status_code=204,
        dependencies=[Depends(desks.guard("csm"))],
    )
    def release(account: Id, hold_id: Key) -> None:
        """End a hold; its id is its reason."""
        if hold_id not in _standing(desks, account):
            raise HTTPException(404, f"no hold {hold_id!r} stands on {account}")
        desks.tell("account.hold_released", account, {"reason": hold_id})


def _standing(desks: Desks, account: str) -> list[str]:
    """The holds that stand on an account. A hold makes no account: 404 for one that is not known."""
    with desks.database.read() as connection:
        state = accounts.load(connection, identities.current(connection, ACCOUNT, account))
    if state is None:
        raise HTTPException(404, f"there is no account {account!r}")
    return open_holds(state.profile, desks.clock())


def _tasks(routes: APIRouter, desks: Desks) -> None:
    @routes.post(
        "/v1/tasks/{task}/{verb}", tags=["tasks"], openapi_extra=documented(TaskBody, may_be_empty=True)
    )
    def move_task(
        request: Request,
        task: Key,
        verb: Verb,
        caller: Annotated[Caller, Depends(desks.guard("csm"))],
        body: Annotated[TaskBody, Depends(body_of(TaskBody, may_be_empty=True))],
        raw: Raw,
    ) -> Response:
        """Work on a task; 409 where its status does not allow it. Honours Idempotency-Key."""

        def move() -> Response:
            now = desks.clock()
            moved = desks.service.move_task(
                task, now, lambda found, desk: _moved(verb, found, desk, body, caller, now)
            )
            if moved is None:
                raise HTTPException(404, f"there is no task {task!r}")
            return _json(moved.as_json())

        return desks.idempotency.once(request, caller, raw, move)


def _moved(verb: str, task: Task, desk: Desk, body: TaskBody, caller: Caller, now: Instant) -> Task:
    by, calendar = body.by or caller.name, desk.calendar(task.owner)
    if verb == "snooze":
        if body.until is None:
            raise HTTPException(422, "snooze needs until: an instant like 2026-03-02T09:00:00Z")
        return task_moves.snooze(task, now, by, body.until, body.reason, calendar)
    if verb == "close":
        return task_moves.close(task, now, by, body.outcome or "", body.reason)
    if verb == "reassign":
        return task_moves.reassign(task, now, by, body.owner, calendar, desk.calendar(body.owner))
    if verb == "comment":
        return task_moves.comment(task, now, by, body.text)
    moves = {"start": task_moves.start, "wait": task_moves.wait, "resume": task_moves.resume}
    return moves[verb](task, now, by, calendar)


def _operations(routes: APIRouter, desks: Desks) -> None:
    @routes.post(
        "/v1/journeys/{journey}/exit", tags=["journeys"], dependencies=[Depends(desks.guard("marketer"))]
    )
    def exit_journey(journey: Key) -> dict[str, str]:
        """End a journey by hand; its queued messages die with it. 409 where it has ended already."""
        account = _account_of(desks.database, journey)
        desks.service.exit_journey(account, journey, "manual", desks.clock())
        desks.reached()
        return {"id": journey, "account": account}

    @routes.post("/v1/sending/{switch}", tags=["operations"], dependencies=[Depends(desks.guard("admin"))])
    def throw(switch: Literal["stop", "start"]) -> dict[str, str]:
        """The kill switch: nothing is sent until it is started again."""
        with desks.database.write() as connection:
            sending.set_sending(connection, switch == "stop", desks.clock())
        desks.reached()
        return {"sending": "stopped" if switch == "stop" else "on"}


def _account_of(database: Database, journey: str) -> str:
    """Where this journey is under way. Raises 404 for an unknown one, 409 for one that has ended."""
    wanted = sa.select(journeys.c.account, journeys.c.status, journeys.c.ended_at)
    with database.read() as connection:
        row = connection.execute(wanted.where(journeys.c.id == journey)).first()
    if row is None:
        raise HTTPException(404, f"there is no journey {journey!r}")
    if row.status != "active":
        ended = "" if row.ended_at is None else f" at {iso(row.ended_at)}"
        raise HTTPException(409, f"journey {journey} {row.status}{ended}: there is nothing to end")
    return str(row.account)


def _json(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, None, "application/json")
