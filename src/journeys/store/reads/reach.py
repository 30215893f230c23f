"""Journeys, messages and tasks, as the API and the console show them (interfaces.md §3)."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from journeys.store.outcomes import message_of, task_of
from journeys.store.reads.page import DEFAULT_LIMIT, Listing, Page, fetch
from journeys.store.tables import InstantType, journeys, messages, renderings, tasks
from signals.instant import LATEST, Instant, iso, iso_or_none

# ── journeys ───────────────────────────────────────────────────────────────────────────────────────────────────

_NEWEST_JOURNEYS = Listing("journeys", (journeys.c.started_at, journeys.c.id), (int, str))


def list_journeys(
    connection: sa.Connection,
    *,
    account: str | None = None,
    play: str | None = None,
    status: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """Journeys, the newest first. Raises BadCursor."""
    query = _where(sa.select(journeys), journeys, account=account, play=play, status=status)

    def shape(rows: Sequence[sa.Row[Any]]) -> list[dict[str, Any]]:
        return [journey_json(row) for row in rows]

    return fetch(connection, query, _NEWEST_JOURNEYS, shape, limit, cursor)


def one_journey(connection: sa.Connection, journey: str) -> dict[str, Any] | None:
    """One journey, None where it is not known."""
    row = connection.execute(sa.select(journeys).where(journeys.c.id == journey)).one_or_none()
    return None if row is None else journey_json(row)


def journey_json(row: Any) -> dict[str, Any]:
    """The resource `journey` of a row."""
    names = ("id", "account", "play", "version", "key", "status", "reason", "step")
    return {
        **{name: getattr(row, name) for name in names},
        "started_at": iso(row.started_at),
        "ended_at": iso_or_none(row.ended_at),
        "wakes_at": iso_or_none(row.wakes_at),
        "arm": row.arm,
    }


# ── messages ───────────────────────────────────────────────────────────────────────────────────────────────────

_NEWEST_MESSAGES = Listing("messages", (messages.c.due_at, messages.c.id), (int, str))


def list_messages(
    connection: sa.Connection,
    *,
    account: str | None = None,
    contact: str | None = None,
    journey: str | None = None,
    play: str | None = None,
    channel: str | None = None,
    status: str | None = None,
    reason: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """Messages, those that fell due last first. Raises BadCursor."""
    query = _where(
        sa.select(messages), messages, account=account, contact=contact, journey=journey, play=play
    )
    query = _where(query, messages, channel=channel, status=status, reason=reason)

    def shape(rows: Sequence[sa.Row[Any]]) -> list[dict[str, Any]]:
        return [message_json(row) for row in rows]

    return fetch(connection, query, _NEWEST_MESSAGES, shape, limit, cursor)


def one_message(connection: sa.Connection, message: str) -> dict[str, Any] | None:
    """One message with what it says, word for word, once it has been rendered; None where it is not known."""
    said = [renderings.c.subject.label("said"), renderings.c.text, renderings.c.html]
    query = sa.select(messages, *said).outerjoin(renderings, renderings.c.message == messages.c.id)
    row = connection.execute(query.where(messages.c.id == message)).one_or_none()
    if row is None:
        return None
    rendering = None if row.text is None else {"subject": row.said, "text": row.text, "html": row.html}
    return {**message_json(row), "rendering": rendering}


def message_json(row: Any) -> dict[str, Any]:
    """The resource `message` of a row; where it waits, `next_attempt_at` says until when at the latest."""
    return {
        **message_of(row).as_json(),
        "address": row.address,
        "attempts": row.attempts,
        "next_attempt_at": iso_or_none(row.next_attempt_at),
    }


# ── tasks ──────────────────────────────────────────────────────────────────────────────────────────────────────

_RUNS = sa.case(
    (tasks.c.status.in_(("open", "started")), 0), (tasks.c.status.in_(("waiting", "snoozed")), 1), else_=2
)
"""Tasks whose clock runs come before those that wait, and these before the closed ones."""

DEADLINE = sa.type_coerce(
    sa.func.coalesce(
        sa.case((tasks.c.status == "open", tasks.c.first_touch_by)),
        tasks.c.resolve_by,
        sa.literal(LATEST, InstantType),
    ),
    InstantType,
)
"""What a task breaches next: its first touch until it is started, then its resolving."""

_MOST_URGENT = Listing("tasks", (_RUNS, DEADLINE, tasks.c.id), (int, int, str), down=False)


def list_tasks(
    connection: sa.Connection,
    *,
    account: str | None = None,
    owner: str | None = None,
    status: str | None = None,
    breached: bool | None = None,
    due_before: Instant | None = None,
    due_after: Instant | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """Tasks, what breaches next first; waiting and closed ones at the end. Raises BadCursor.

    `owner` "" asks for those nobody owns: the queue. `due_before` and `due_after` mean the deadline that counts now.
    """
    query = _where(sa.select(tasks.c.value), tasks, account=account, status=status, breached=breached)
    if owner is not None:
        query = query.where(tasks.c.owner == owner if owner else tasks.c.owner.is_(None))
    if due_before is not None:
        query = query.where(due_before > DEADLINE, tasks.c.status != "closed")
    if due_after is not None:
        query = query.where(due_after <= DEADLINE, tasks.c.status != "closed")

    def shape(rows: Sequence[sa.Row[Any]]) -> list[dict[str, Any]]:
        return [task_of(row.value).as_json() for row in rows]

    return fetch(connection, query, _MOST_URGENT, shape, limit, cursor)


def one_task(connection: sa.Connection, task: str) -> dict[str, Any] | None:
    """One task whole, with its notes and what the account was like when it was made; None where it is not known."""
    raw = connection.execute(sa.select(tasks.c.value).where(tasks.c.id == task)).scalar()
    return None if raw is None else task_of(raw).as_json()


def task_owners(connection: sa.Connection) -> list[str]:
    """Everyone who owns a task that is not closed."""
    query = sa.select(tasks.c.owner).where(tasks.c.status != "closed", tasks.c.owner.is_not(None))
    return list(connection.execute(query.distinct().order_by(tasks.c.owner)).scalars())


def _where(query: sa.Select[Any], table: sa.Table, **wanted: Any) -> sa.Select[Any]:
    """The query narrowed to rows with each of the values that were asked for."""
    return query.where(*(table.c[name] == value for name, value in wanted.items() if value is not None))
