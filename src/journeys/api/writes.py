"""Writes of people and programs: accounts, contacts, holds, tasks, journeys, sending. They are events (interfaces.md §3)."""

import secrets
from collections.abc import Callable
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from channels import task_moves
from channels.task import Task
from journeys.api.access import Guard
from journeys.desk import Desk
from journeys.service import Service
from journeys.store import sending
from journeys.store.database import Database
from journeys.store.keys import Caller
from journeys.store.tables import journeys
from signals.event import ID_PATTERN, Event
from signals.instant import Instant, InstantField, iso

Id = Annotated[str, Field(pattern=f"^{ID_PATTERN.pattern}$")]


class Strict(BaseModel):
    """Unknown fields are refused (mass assignment, B15)."""

    model_config = ConfigDict(extra="forbid", strict=True)


class AccountBody(Strict):
    """Attributes are merged one level deep; null removes."""

    name: str | None = None
    attributes: dict[str, Any] = {}


class ContactBody(Strict):
    """Attributes are merged; `roles` replaces the set of roles."""

    account: Id
    email: str | None = None
    name: str | None = None
    timezone: str | None = None
    locale: str | None = None
    attributes: dict[str, Any] = {}
    roles: list[Any] | None = None


class HoldBody(Strict):
    """A hold of the account: marketing waits."""

    reason: Annotated[str, Field(min_length=1, max_length=200)] = "manual"
    until: InstantField | None = None


class TaskBody(Strict):
    """What a task's verb needs."""

    by: str | None = None
    until: InstantField | None = None
    reason: str = ""
    outcome: Literal["saved", "lost", "no_risk", "duplicate", "no_contact", "done"] | None = None
    owner: str | None = None
    text: str = ""


def router(
    database: Database,
    service: Service,
    guard: Guard,
    clock: Callable[[], Instant],
    reached: Callable[[], None],
) -> APIRouter:
    """The routes that change things. `reached` is told that there may be something to send."""
    routes = APIRouter()

    def tell(event_type: str, account: str, data: dict[str, Any], contact: str | None = None) -> None:
        now = clock()
        event = Event(secrets.token_hex(16), "api", event_type, now, account, contact, data, now)
        service.write([event], now)
        reached()

    @routes.put("/v1/accounts/{account}", tags=["accounts"], status_code=202)
    def put_account(
        account: Id, body: AccountBody, _: Annotated[Caller, Depends(guard("csm"))]
    ) -> dict[str, Any]:
        """Set attributes of an account; unknown ones are created."""
        attributes = {**body.attributes, **({"name": body.name} if body.name is not None else {})}
        tell("crm.account_updated", account, {"attributes": attributes})
        return {"id": account, "attributes": attributes}

    @routes.put("/v1/contacts/{contact}", tags=["contacts"], status_code=202)
    def put_contact(
        contact: Id, body: ContactBody, _: Annotated[Caller, Depends(guard("csm"))]
    ) -> dict[str, Any]:
        """Set attributes and roles of a person at an account."""
        known = {name: getattr(body, name) for name in ("email", "name", "timezone", "locale")}
        attributes = {
            **{name: value for name, value in known.items() if value is not None},
            **body.attributes,
        }
        data: dict[str, Any] = {"attributes": attributes}
        if body.roles is not None:
            data["roles"] = body.roles
        tell("crm.contact_updated", body.account, data, contact)
        return {"id": contact, "account": body.account}

    @routes.post("/v1/accounts/{account}/holds", tags=["accounts"], status_code=201)
    def hold(account: Id, body: HoldBody, caller: Annotated[Caller, Depends(guard("csm"))]) -> dict[str, Any]:
        """Marketing to this account waits until the hold ends."""
        until = None if body.until is None else iso(body.until)
        tell("account.hold_placed", account, {"reason": body.reason, "until": until, "author": caller.name})
        return {"id": body.reason, "account": account, "reason": body.reason, "until": until}

    @routes.delete("/v1/accounts/{account}/holds/{hold_id}", tags=["accounts"], status_code=204)
    def release(account: Id, hold_id: str, _: Annotated[Caller, Depends(guard("csm"))]) -> None:
        """End a hold."""
        tell("account.hold_released", account, {"reason": hold_id})

    @routes.post("/v1/tasks/{task}/{verb}", tags=["tasks"])
    def move_task(
        task: str,
        verb: Literal["start", "wait", "resume", "snooze", "close", "reassign", "comment"],
        body: TaskBody,
        caller: Annotated[Caller, Depends(guard("csm"))],
    ) -> dict[str, Any]:
        """Work on a task."""
        now = clock()
        moved = service.move_task(task, lambda found, desk: _moved(verb, found, desk, body, caller, now))
        if moved is None:
            raise HTTPException(404, f"there is no task {task}")
        return moved.as_json()

    @routes.post("/v1/journeys/{journey}/exit", tags=["journeys"])
    def exit_journey(journey: str, _: Annotated[Caller, Depends(guard("marketer"))]) -> dict[str, str]:
        """End a journey by hand; its queued messages die with it."""
        with database.read() as connection:
            account = connection.execute(
                sa.select(journeys.c.account).where(journeys.c.id == journey)
            ).scalar()
        if account is None:
            raise HTTPException(404, f"there is no journey {journey}")
        service.exit_journey(account, journey, "manual", clock())
        return {"id": journey, "account": account}

    @routes.post("/v1/sending/{switch}", tags=["operations"])
    def throw(
        switch: Literal["stop", "start"], _: Annotated[Caller, Depends(guard("admin"))]
    ) -> dict[str, str]:
        """The kill switch: nothing is sent until it is started again."""
        with database.write() as connection:
            sending.set_sending(connection, switch == "stop", clock())
        reached()
        return {"sending": "stopped" if switch == "stop" else "on"}

    return routes


def _moved(verb: str, task: Task, desk: Desk, body: TaskBody, caller: Caller, now: Instant) -> Task:
    by, calendar = body.by or caller.name, desk.calendar(task.owner)
    if verb == "snooze":
        if body.until is None:
            raise HTTPException(422, "snooze needs until")
        return task_moves.snooze(task, now, by, body.until, body.reason, calendar)
    if verb == "close":
        return task_moves.close(task, now, by, body.outcome or "", body.reason)
    if verb == "reassign":
        return task_moves.reassign(task, now, by, body.owner, calendar, desk.calendar(body.owner))
    if verb == "comment":
        return task_moves.comment(task, now, by, body.text)
    moves = {"start": task_moves.start, "wait": task_moves.wait, "resume": task_moves.resume}
    return moves[verb](task, now, by, calendar)
