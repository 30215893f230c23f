"""One time line of an account: what happened, what it meant, what we did and why not. Newest first.

Each table is asked by its index for what lies before the cursor, the answers are merged here. Everyday use of the
product is told once a day ("14 logins, 3 reports viewed, by 4 people"); a page never cuts such a day in two.
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import sqlalchemy as sa

from journeys.naming import MERGES
from journeys.store.accounts import load
from journeys.store.reads import telling
from journeys.store.reads.everyday import Everyday, everyday, is_everyday
from journeys.store.reads.page import DEFAULT_LIMIT, MAX_LIMIT, Page, seal, unseal
from journeys.store.tables import (
    contacts,
    decisions,
    events,
    health_ledger,
    identity_merges,
    journeys,
    messages,
    tasks,
)
from signals.instant import LATEST, Instant

Kind: TypeAlias = Literal[
    "event", "role", "signal", "segment", "health", "journey", "message", "task", "decision"
]
"""What a row of the time line can be."""

KINDS: tuple[Kind, ...] = get_args(Kind)


class Spot(NamedTuple):
    """A place on the line, the newest greatest: instant, which kind of row, its id."""

    at: Instant
    rank: int
    id: str


class Placed(NamedTuple):
    """A row in its place."""

    spot: Spot
    row: telling.Row


class Look(NamedTuple):
    """One look at an account's line: rows before `end` and not before `start`, at most `limit` of each kind."""

    connection: sa.Connection
    account: str
    end: Spot
    start: Instant
    limit: int
    people: telling.People


def timeline(
    connection: sa.Connection,
    account: str,
    *,
    kinds: Iterable[str] = KINDS,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """A page of `{at, kind, title, detail, status, refs}`; `refs` names what the row is about. Raises BadCursor.

    A page may be shorter than `limit` and still have a next one: everyday events are read by the thousand.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"a page has 1 to {MAX_LIMIT} items, not {limit}")
    wanted = set(kinds)
    end = Spot(*unseal("timeline", cursor, (int, int, str))) if cursor else Spot(LATEST, 99, "")
    until = end.at + 1 if end.rank else end.at  # rank 0: strictly before the instant
    days = everyday(connection, account, until) if "event" in wanted else Everyday([], None)
    look = Look(connection, account, end, days.start or 0, limit + 1, _people(connection, account))
    found = [placed for source in _SOURCES if source.kinds & wanted for placed in source.read(look, wanted)]
    found += _roles(look) if "role" in wanted else []
    placed_days = [Placed(Spot(day.at, _EVERYDAY, day.id), day.row) for day in days.days]
    found += sorted((placed for placed in placed_days if placed.spot < end), reverse=True, key=_spot)
    found.sort(
        key=lambda placed: placed.spot[:2], reverse=True
    )  # stable: each source is in its database's order
    return _page(found, limit, days.start)


def _spot(placed: Placed) -> Spot:
    return placed.spot


def _page(found: list[Placed], limit: int, start: Instant | None) -> Page:
    shown, following = found[:limit], None
    if len(found) > limit:
        following = shown[-1].spot
    elif start is not None:
        following = Spot(start, 0, "")
    return {
        "items": [placed.row for placed in shown],
        "next": None if following is None else seal("timeline", following),
    }


def _roles(look: Look) -> list[Placed]:
    """Who came to hold a role, and who ceased to, as far as that has come to pass: it may have been dated ahead."""
    state = load(look.connection, look.account)
    if state is None:
        return []
    placed = [
        Placed(
            Spot(at, _ROLES, f"{span.contact}/{span.role}/{change}"),
            telling.role(at, change, span, look.people),
        )
        for contact in state.profile.contacts.values()
        for span in contact.spans
        for at, change in ((span.since, "began"), (span.until, "ended"))
        if at is not None and look.start <= at <= state.now
    ]
    return sorted((one for one in placed if one.spot < look.end), reverse=True, key=_spot)[: look.limit]


def _people(connection: sa.Connection, account: str) -> dict[str, str]:
    c = contacts.c
    rows = connection.execute(sa.select(c.id, c.name, c.email).where(c.account == account))
    return {row.id: row.name or row.email or row.id for row in rows}


class Source(NamedTuple):
    """Where rows of some kinds come from. `rank` orders rows of one instant: effects stand above their causes."""

    kinds: frozenset[str]
    rank: int
    table: sa.Table
    at: sa.ColumnElement[Any]
    id: sa.ColumnElement[Any]
    where: Callable[[set[str]], sa.ColumnElement[bool]]
    tell: Callable[[Any, telling.People], telling.Row]

    def read(self, look: Look, wanted: set[str]) -> list[Placed]:
        """The rows of this source on the page."""
        query = (
            sa.select(self.table, self.at.label("placed_at"), self.id.label("placed_id"))
            .where(self.table.c.account == look.account, self.where(wanted), self._before(look.end))
            .order_by(self.at.desc(), self.id.desc())
            .limit(look.limit)
        )
        query = query.where(self.at >= look.start) if look.start else query
        rows = look.connection.execute(query)
        return [
            Placed(Spot(row.placed_at, self.rank, row.placed_id), self.tell(row, look.people)) for row in rows
        ]

    def _before(self, end: Spot) -> sa.ColumnElement[bool]:
        if self.rank < end.rank:
            return self.at <= end.at
        if self.rank > end.rank:
            return self.at < end.at
        return sa.or_(self.at < end.at, sa.and_(self.at == end.at, self.id < end.id))


def _ours(wanted: set[str]) -> sa.ColumnElement[bool]:
    """What this service told about the account: signals, segments, or both."""
    prefixes = [f"{kind}." for kind in ("signal", "segment") if kind in wanted]
    return sa.or_(*(events.c.type.startswith(prefix) for prefix in prefixes))


def _theirs(_wanted: set[str]) -> sa.ColumnElement[bool]:
    """What happened upstream and is not everyday. Merges have rows of their own, which say what came of them."""
    return sa.not_(sa.or_(_ours({"signal", "segment"}), is_everyday(), events.c.type.in_(MERGES)))


_CAME_TRUE = ("started", "sent", "created")
"""Decisions that the journey, message or task they made tells already."""


def _turned(_wanted: set[str]) -> sa.ColumnElement[bool]:
    return health_ledger.c.band_before.is_distinct_from(health_ledger.c.band_after)


def _any(_wanted: set[str]) -> sa.ColumnElement[bool]:
    return sa.true()


_SENT_OR_DUE = sa.func.coalesce(messages.c.sent_at, messages.c.due_at, type_=messages.c.due_at.type)
_EVENT_ID = events.c.source + sa.literal(" ") + events.c.id
_ENTRY_ID = sa.cast(health_ledger.c.number, sa.Text)
_EVERYDAY = 2
_ROLES = 11
_SOURCES = (
    Source(frozenset({"event"}), 1, events, events.c.time, _EVENT_ID, _theirs, telling.event),
    Source(frozenset({"health"}), 3, health_ledger, health_ledger.c.at, _ENTRY_ID, _turned, telling.band),
    Source(frozenset({"signal", "segment"}), 4, events, events.c.time, _EVENT_ID, _ours, telling.ours),
    Source(frozenset({"journey"}), 5, journeys, journeys.c.started_at, journeys.c.id, _any, telling.started),
    Source(
        frozenset({"decision"}),
        6,
        decisions,
        decisions.c.at,
        decisions.c.id,
        lambda _: decisions.c.outcome.not_in(_CAME_TRUE),
        telling.decision,
    ),
    Source(frozenset({"message"}), 7, messages, _SENT_OR_DUE, messages.c.id, _any, telling.message),
    Source(frozenset({"task"}), 8, tasks, tasks.c.created_at, tasks.c.id, _any, telling.task),
    Source(
        frozenset({"journey"}),
        9,
        journeys,
        journeys.c.ended_at,
        journeys.c.id,
        lambda _: journeys.c.ended_at.is_not(None),
        telling.ended,
    ),
    Source(
        frozenset({"event"}),
        10,
        identity_merges,
        identity_merges.c.at,
        identity_merges.c.id,
        _any,
        telling.merge,
    ),
)
"""In the order of their ranks; `_EVERYDAY` lies between the first two, `_ROLES` above all."""
