"""The routes of the console. Every page reads once, in one consistent look, and changes nothing."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response

from journeys.console import views
from journeys.console.base import Console, Text
from journeys.console.texts import Texts, texts_routes
from journeys.store.database import Database
from journeys.store.reads import coming, overview, people, reach, scores, timeline, why
from journeys.store.reads.page import Page
from signals.instant import Instant

SPARK_DAYS = 42
ON_OVERVIEW = 8
LEDGER_SHOWN = 30


def router(
    database: Database,
    clock: Callable[[], Instant],
    templates_dir: Path,
    dependencies: Sequence[Any] = (),
    texts: Texts | None = None,
) -> APIRouter:
    """The console at `/`. `templates_dir` holds `console/`; `dependencies` (FastAPI `Depends`) let people in.

    Without `texts` there are no pages of contents.
    """
    console = Console(database, clock, templates_dir, has_texts=texts is not None)
    routes = APIRouter(include_in_schema=False)
    inside = APIRouter(dependencies=list(dependencies))
    _overview(inside, console)
    _accounts(inside, console)
    _outbox(inside, console)
    _tasks(inside, console)
    _records(inside, console)
    if texts is not None:
        texts_routes(inside, console, texts)
    routes.include_router(inside)

    @routes.get("/static/{file}")
    def static(file: str) -> Response:
        return console.furniture.static(file)

    return routes


def _overview(routes: APIRouter, console: Console) -> None:
    @routes.get("/")
    def home() -> Response:
        now = console.clock()
        with console.database.read() as connection:
            counts = overview.overview(connection, now)
            tasks = _next_tasks(connection, now)
            decisions = [one for one in why.decisions(connection)["items"] if one["reason"] != "already_live"]
            decisions = decisions[:ON_OVERVIEW]
            known = {
                "counts": counts,
                "signals": views.open_signals(counts["open_signals"]),
                "plays": views.plays(counts["journeys"]),
                "attention": overview.attention(connection, ON_OVERVIEW),
                "tasks": views.with_deadlines(tasks, now),
                "decisions": decisions,
                "names": people.names(connection, [one["account"] for one in (*tasks, *decisions)]),
                "activity": overview.activity(connection, now, SPARK_DAYS),
            }
        return console.furniture.page("overview", {"here": "overview", **known})


def _next_tasks(connection: Any, now: Instant) -> list[dict[str, Any]]:
    """What breaches next; where nothing is ahead, what is overdue the longest."""
    ahead = reach.list_tasks(connection, due_after=now, limit=ON_OVERVIEW)["items"]
    overdue = reach.list_tasks(connection, due_before=now, limit=ON_OVERVIEW)["items"]
    return ahead or overdue


def _accounts(routes: APIRouter, console: Console) -> None:
    @routes.get("/accounts")
    def accounts(
        q: Text = None,
        segment: Text = None,
        stage: Text = None,
        tag: Text = None,
        signal: Text = None,
        band: Text = None,
        owner: Text = None,
        cursor: Text = None,
    ) -> Response:
        filters = views.wanted(
            q=q, segment=segment, stage=stage, tag=tag, signal=signal, band=band, owner=owner
        )

        def read(connection: Any) -> dict[str, Any]:
            page = people.accounts(connection, console.clock(), cursor=cursor, **filters)
            return {"here": "accounts", "page": page, "choices": people.choices(connection)}

        return console.listing("accounts", "/accounts", filters, cursor, read)

    @routes.get("/accounts/{account}")
    def account(account: str, kind: Text = None, cursor: Text = None) -> Response:
        now = console.clock()
        path, filters = views.account_path(account), views.wanted(kind=kind)
        kinds = [kind] if kind in timeline.KINDS else timeline.KINDS

        def read(connection: Any) -> dict[str, Any]:
            page = timeline.timeline(connection, account, kinds=kinds, cursor=cursor)
            known = people.account(connection, account, now)
            return {"here": "accounts", "page": page, "account": known} | (
                _story(connection, known, page, now) if known else {}
            )

        if "\x00" in account or not _exists(console, account):
            return console.missing("account", account)
        return console.listing("account", path, filters, cursor, read)


def _exists(console: Console, account: str) -> bool:
    with console.database.read() as connection:
        return bool(people.names(connection, [account]))


def _story(connection: Any, account: dict[str, Any], page: Page, now: Instant) -> dict[str, Any]:
    """What an account's page shows beside its resource."""
    key = account["id"]
    first, rest = views.facts(account["attributes"])
    tasks = reach.list_tasks(connection, account=key, limit=20)["items"]
    return {
        "days": views.by_day(page["items"], now),
        "kinds": timeline.KINDS,
        "facts": first,
        "more_facts": rest,
        "people": views.people(account["contacts"]),
        "health": scores.with_ledger(connection, key, now, LEDGER_SHOWN),
        "coming": views.ahead(coming.coming(connection, key, now), account["attributes"], now),
        "live": reach.list_journeys(connection, account=key, status="active", limit=20)["items"],
        "tasks": views.with_deadlines([task for task in tasks if task["status"] != "closed"], now),
        "activity": overview.activity(connection, now, SPARK_DAYS, key),
        "path": views.account_path(key),
    }


def _outbox(routes: APIRouter, console: Console) -> None:
    @routes.get("/outbox")
    def outbox(
        status: Text = None, reason: Text = None, play: Text = None, account: Text = None, cursor: Text = None
    ) -> Response:
        filters = views.wanted(status=status, reason=reason, play=play, account=account)

        def read(connection: Any) -> dict[str, Any]:
            page = reach.list_messages(connection, cursor=cursor, **filters)
            pairs = [(one["account"], one["contact"]) for one in page["items"]]
            return {
                "here": "outbox",
                "page": page,
                "people": people.contact_names(connection, pairs),
                "names": people.names(connection, [one["account"] for one in page["items"]]),
                "counts": overview.message_counts(connection),
            }

        return console.listing("outbox", "/outbox", filters, cursor, read)

    @routes.get("/outbox/{message}")
    def message(message: str) -> Response:
        with console.database.read() as connection:
            known = None if "\x00" in message else reach.one_message(connection, message)
            if known is None:
                return console.missing("message", message)
            pair = (known["account"], known["contact"])
            shown = {
                "here": "outbox",
                "message": known,
                "decisions": why.decisions(connection, message=message)["items"],
                "person": people.contact_names(connection, [pair]).get(
                    pair, known["contact"] or known["content"]
                ),
                "names": people.names(connection, [known["account"]]),
            }
        return console.furniture.page("message", shown)

    @routes.get("/outbox/{message}/html")
    def html(message: str) -> Response:
        with console.database.read() as connection:
            known = None if "\x00" in message else reach.one_message(connection, message)
        if known is None or known["rendering"] is None or known["rendering"]["html"] is None:
            return console.missing("rendered mail", message)
        return console.furniture.mail(known["rendering"]["html"])


def _tasks(routes: APIRouter, console: Console) -> None:
    @routes.get("/tasks")
    def tasks(
        owner: Text = None, status: Text = None, breached: Text = None, cursor: Text = None
    ) -> Response:
        filters = views.wanted(owner=owner, status=status, breached=breached)
        now = console.clock()
        narrow: dict[str, Any] = {"status": filters.get("status")}
        narrow["owner"] = "" if filters.get("owner") == QUEUE else filters.get("owner")
        narrow["breached"] = True if filters.get("breached") == "yes" else None

        def read(connection: Any) -> dict[str, Any]:
            page = reach.list_tasks(connection, cursor=cursor, **narrow)
            return {
                "here": "tasks",
                "page": page,
                "tasks": views.with_deadlines(page["items"], now),
                "names": people.names(connection, [one["account"] for one in page["items"]]),
                "owners": [QUEUE, *reach.task_owners(connection)],
                "counts": overview.task_counts(connection, now),
            }

        return console.listing("tasks", "/tasks", filters, cursor, read)

    @routes.get("/tasks/{task}")
    def task(task: str) -> Response:
        now = console.clock()
        with console.database.read() as connection:
            known = None if "\x00" in task else reach.one_task(connection, task)
            if known is None:
                return console.missing("task", task)
            shown = {
                "here": "tasks",
                "task": views.with_deadlines([known], now)[0],
                "decisions": why.decisions(connection, task=task)["items"],
                "names": people.names(connection, [known["account"]]),
            }
        return console.furniture.page("task", shown)


QUEUE = "(queue)"
"""How the queue is named among the owners: no team member's id has brackets."""


def _records(routes: APIRouter, console: Console) -> None:
    @routes.get("/decisions")
    def decisions(
        id: Text = None,  # noqa: A002 - the name it has in the address
        account: Text = None,
        contact: Text = None,
        play: Text = None,
        journey: Text = None,
        subject: Text = None,
        outcome: Text = None,
        reason: Text = None,
        cursor: Text = None,
    ) -> Response:
        filters = views.wanted(account=account, contact=contact, play=play, journey=journey, subject=subject)
        filters.update(views.wanted(outcome=outcome, reason=reason, id=id))

        def read(connection: Any) -> dict[str, Any]:
            page = why.decisions(connection, cursor=cursor, **filters)
            names = people.names(connection, [one["account"] for one in page["items"]])
            return {"here": "decisions", "page": page, "names": names}

        return console.listing("decisions", "/decisions", filters, cursor, read)

    @routes.get("/dead")
    def dead(reason: Text = None, cursor: Text = None) -> Response:
        filters = views.wanted(reason=reason)

        def read(connection: Any) -> dict[str, Any]:
            return {"here": "dead", "page": overview.dead(connection, cursor=cursor, **filters)}

        return console.listing("dead", "/dead", filters, cursor, read)
