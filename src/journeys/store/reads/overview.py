"""Everything at a glance: counts, what needs a look, activity per day, and the dead letters."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from journeys.store.reads.page import DEFAULT_LIMIT, Listing, Page, fetch
from journeys.store.tables import (
    accounts,
    dead_letters,
    events,
    journeys,
    messages,
    open_signals,
    tasks,
)
from signals.instant import DAY, Instant, iso, iso_or_none, to_datetime


def overview(connection: sa.Connection, now: Instant) -> dict[str, Any]:
    """Counts of all there is, in a fixed number of queries.

    `{accounts, events, open_signals: [{signal, severity, accounts}], journeys: [{play, status, journeys}],
    messages: [{status, reason, messages}], tasks: {on_time, breached, paused, closed, no_clock}, dead_letters}`.
    """
    signal, journey = open_signals.c, journeys.c
    return {
        "accounts": _count(connection, accounts),
        "events": _count(connection, events),
        "open_signals": _counts(connection, "accounts", signal.signal, signal.severity),
        "journeys": _counts(connection, "journeys", journey.play, journey.status),
        "messages": message_counts(connection),
        "tasks": task_counts(connection, now),
        "dead_letters": _count(connection, dead_letters, dead_letters.c.replayed_at.is_(None)),
    }


def message_counts(connection: sa.Connection) -> list[dict[str, Any]]:
    """Messages by status and reason, `{status, reason, messages}`, the most frequent first."""
    return _counts(connection, "messages", messages.c.status, messages.c.reason)


def task_counts(connection: sa.Connection, now: Instant) -> dict[str, int]:
    """Tasks by where they stand with their clocks."""
    c = tasks.c
    overdue = sa.or_(c.breached, sa.and_(c.status == "open", c.first_touch_by < now), c.resolve_by < now)
    state = sa.case(
        (c.status == "closed", "closed"),
        (c.status.in_(("waiting", "snoozed")), "paused"),
        (overdue, "breached"),
        (sa.and_(c.first_touch_by.is_(None), c.resolve_by.is_(None)), "no_clock"),
        else_="on_time",
    )
    found = connection.execute(sa.select(state, sa.func.count()).select_from(tasks).group_by(state))
    return {
        "on_time": 0,
        "breached": 0,
        "paused": 0,
        "closed": 0,
        "no_clock": 0,
        **dict(iter(found)),
    }


_RANK = sa.case(
    (open_signals.c.severity == "critical", 4), (open_signals.c.severity == "warning", 2), else_=0
)


def attention(connection: sa.Connection, limit: int) -> list[dict[str, Any]]:
    """The accounts that need a look most: the worst open signals first, then the most, then the newest."""
    c = open_signals.c
    worst, many, newest = sa.func.sum(_RANK), sa.func.count(), sa.func.max(c.since)
    ranked = (
        sa.select(c.account, worst.label("worst"), newest.label("newest"))
        .where(c.severity != "info")
        .group_by(c.account)
        .order_by(sa.func.max(_RANK).desc(), worst.desc(), many.desc(), newest.desc(), c.account)
        .limit(limit)
        .subquery()
    )
    query = (
        sa.select(ranked.c.account, accounts.c.name, accounts.c.owner, accounts.c.stage)
        .add_columns(c.signal, c.severity, c.since)
        .join(accounts, accounts.c.id == ranked.c.account)
        .join(open_signals, c.account == ranked.c.account)
        .order_by(
            ranked.c.worst.desc(), ranked.c.newest.desc(), ranked.c.account, _RANK.desc(), c.since.desc()
        )
    )
    found: dict[str, dict[str, Any]] = {}
    for row in connection.execute(query):
        entry = found.setdefault(row.account, {"id": row.account, "name": row.name or row.account})
        entry |= {"owner": row.owner, "stage": row.stage}
        signals = entry.setdefault("signals", [])
        signals.append({"signal": row.signal, "severity": row.severity, "since": iso(row.since)})
    return list(found.values())


def activity(connection: sa.Connection, now: Instant, days: int, account: str | None = None) -> list[int]:
    """Events of each of the last `days` UTC days, today last; of one account, or of all."""
    first = (now // DAY - days + 1) * DAY
    day = sa.func.date(events.c.time)
    query = sa.select(day, sa.func.count()).where(events.c.time >= first, events.c.time <= now).group_by(day)
    if account is not None:
        query = query.where(events.c.account == account)
    found = {str(on): count for on, count in connection.execute(query)}
    return [found.get(to_datetime(first + n * DAY).date().isoformat(), 0) for n in range(days)]


# ── dead letters ───────────────────────────────────────────────────────────────────────────────────────────────

_NEWEST = Listing("dead", (dead_letters.c.at, dead_letters.c.id), (int, str))
SHOWN_BYTES = 4_096
"""How much of a dead letter's bytes is shown; they are kept whole."""


def dead(
    connection: sa.Connection,
    *,
    reason: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """What could not be taken, the newest first: why, from where, and the beginning of its bytes. Raises BadCursor."""
    c = dead_letters.c
    start = sa.func.substr(c.value, 1, SHOWN_BYTES).label("start")
    query = sa.select(c.id, c.at, c.reason, c.detail, c.partition, c.offset, c.replayed_at)
    query = query.add_columns(sa.func.length(c.value).label("size"), sa.type_coerce(start, sa.LargeBinary))
    query = query if reason is None else query.where(c.reason == reason)
    return fetch(connection, query, _NEWEST, _dead_json, limit, cursor)


def _dead_json(rows: Sequence[sa.Row[Any]]) -> list[dict[str, Any]]:
    names = ("id", "reason", "detail", "partition", "offset", "size")
    return [
        {
            **{name: getattr(row, name) for name in names},
            "at": iso(row.at),
            "replayed_at": iso_or_none(row.replayed_at),
            "value": None if row.start is None else bytes(row.start).decode(errors="replace"),
        }
        for row in rows
    ]


def _count(connection: sa.Connection, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table).where(*where)).scalar_one())


def _counts(connection: sa.Connection, what: str, *by: sa.ColumnElement[Any]) -> list[dict[str, Any]]:
    """Rows counted by the values of these columns, the most frequent first."""
    counted = sa.select(*by, sa.func.count().label(what)).group_by(*by).order_by(sa.desc(what), *by)
    return [dict(row) for row in connection.execute(counted).mappings()]
