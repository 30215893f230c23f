"""What happens next at an account without anybody doing anything: the timers that are set, soonest first."""

from typing import Any

import sqlalchemy as sa

from journeys.store.reads.reach import DEADLINE
from journeys.store.reads.wording import words
from journeys.store.tables import contacts, journeys, messages, tasks
from signals.instant import Instant, iso


def coming(connection: sa.Connection, account: str, now: Instant, limit: int = 5) -> list[dict[str, Any]]:
    """`{at, kind, title, refs}` of timers that have not rung yet, the soonest first."""
    found = [*_messages(connection, account), *_journeys(connection, account), *_tasks(connection, account)]
    ahead = sorted((one for one in found if one[0] > now), key=lambda one: one[0])
    return [
        {"at": iso(at), "kind": kind, "title": title, "refs": refs} for at, kind, title, refs in ahead[:limit]
    ]


_Timer = tuple[Instant, str, str, dict[str, str]]


def _messages(connection: sa.Connection, account: str) -> list[_Timer]:
    c = messages.c
    query = (
        sa.select(c.id, c.next_attempt_at, c.content, c.subject, c.reason, c.contact, contacts.c.name)
        .outerjoin(contacts, sa.and_(contacts.c.account == c.account, contacts.c.id == c.contact))
        .where(c.account == account, c.status.in_(("queued", "held")), c.next_attempt_at.is_not(None))
    )
    return [
        (row.next_attempt_at, "message", _waiting(row), {"message": row.id})
        for row in connection.execute(query)
    ]


def _waiting(row: Any) -> str:
    why = f" (held: {words(row.reason)})" if row.reason else ""
    return f"“{row.subject or words(row.content)}” to {row.name or row.contact} is judged again{why}"


def _journeys(connection: sa.Connection, account: str) -> list[_Timer]:
    c = journeys.c
    query = sa.select(c.id, c.wakes_at, c.play, c.step).where(c.account == account, c.status == "active")
    return [
        (
            row.wakes_at,
            "journey",
            f"{words(row.play)} goes on from step {row.step or 'last'}",
            {"journey": row.id},
        )
        for row in connection.execute(query.where(c.wakes_at.is_not(None)))
    ]


def _tasks(connection: sa.Connection, account: str) -> list[_Timer]:
    c = tasks.c
    query = sa.select(c.id, c.title, c.status, DEADLINE.label("deadline")).where(
        c.account == account, c.status.in_(("open", "started"))
    )
    return [
        (row.deadline, "task", f"“{row.title}” must be {_MUST[row.status]} by then", {"task": row.id})
        for row in connection.execute(
            query.where(sa.or_(c.first_touch_by.is_not(None), c.resolve_by.is_not(None)))
        )
    ]


_MUST = {"open": "started", "started": "resolved"}
