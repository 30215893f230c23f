"""Decisions, and what they explain: why something did or did not happen (interfaces.md §2 `explain`)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from journeys.store.feeds import stale
from journeys.store.reads.page import DEFAULT_LIMIT, MAX_LIMIT, Listing, Page, fetch
from journeys.store.reads.people import contact_names
from journeys.store.reads.sentences import sentence
from journeys.store.tables import decisions as table
from signals.instant import Instant, iso

_NEWEST = Listing("decisions", (table.c.at, table.c.id), (int, str))
_ORDER = {"start": 0, "task": 1, "offer": 1, "send": 2}
"""At one instant a play starts before it does anything."""
_FIELDS = (
    "id",
    "account",
    "contact",
    "play",
    "version",
    "journey",
    "message",
    "task",
    "subject",
    "outcome",
    "reason",
    "checks",
)


def decisions(
    connection: sa.Connection,
    *,
    id: str | None = None,  # noqa: A002 - the name of the column
    account: str | None = None,
    contact: str | None = None,
    play: str | None = None,
    journey: str | None = None,
    message: str | None = None,
    task: str | None = None,
    subject: str | None = None,
    outcome: str | None = None,
    reason: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """Decisions, the newest first, each with its `sentence`. Raises BadCursor."""
    wanted = {
        "id": id,
        "account": account,
        "contact": contact,
        "play": play,
        "journey": journey,
        "message": message,
        "task": task,
        "subject": subject,
        "outcome": outcome,
        "reason": reason,
    }
    query = sa.select(table).where(*(table.c[name] == value for name, value in wanted.items() if value))

    def shape(rows: Sequence[sa.Row[Any]]) -> list[dict[str, Any]]:
        return told(connection, (decision_json(row) for row in rows))

    return fetch(connection, query, _NEWEST, shape, limit, cursor)


def explain(
    connection: sa.Connection,
    account: str,
    *,
    play: str | None = None,
    contact: str | None = None,
    at: Instant | None = None,
    now: Instant | None = None,
    limit: int = MAX_LIMIT,
) -> dict[str, Any]:
    """The decisions that answer why or why not, in the order in which they were made, each with its `sentence`.

    Up to `at` (None: all), at most `limit`, the last ones. Asking for a contact keeps the decisions about the
    account as a whole: a play that never started is why its people heard nothing. `summary` is the last word; feeds
    that are silent `at` that instant (else `now`) are named, since what rests on them is unknown.
    """
    query = sa.select(table).where(table.c.account == account)
    if play is not None:
        query = query.where(table.c.play == play)
    if contact is not None:
        query = query.where(sa.or_(table.c.contact == contact, table.c.contact.is_(None)))
    if at is not None:
        query = query.where(table.c.at <= at)
    rows = connection.execute(query.order_by(table.c.at.desc(), table.c.id.desc()).limit(limit)).all()
    in_order = sorted(rows, key=lambda row: (row.at, _ORDER.get(row.subject, 9), row.id))
    made = told(connection, (decision_json(row) for row in in_order))
    as_of = now if at is None else at
    silent = [] if as_of is None else stale(connection, as_of)
    last = f"{made[-1]['at']}: {made[-1]['sentence']}" if made else _nothing(account, play)
    return {
        "account": account,
        "play": play,
        "contact": contact,
        "at": None if at is None else iso(at),
        "summary": "; ".join([last, *map(silence, silent)]),
        "stale_feeds": silent,
        "decisions": made,
    }


def silence(feed: Mapping[str, Any]) -> str:
    """A stale feed in words."""
    about = f"{feed['feed']} has been silent since {feed['silent_since']}"
    return f"{about}: what rests on {', '.join(feed['types'])} is unknown"


def decision_json(row: Any) -> dict[str, Any]:
    """The resource `decision` of a row."""
    return {**{name: getattr(row, name) for name in _FIELDS}, "at": iso(row.at)}


def told(connection: sa.Connection, made: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The decisions, each with the sentence that says it; one query for the names of all people in them."""
    known = list(made)
    people = contact_names(connection, [(one["account"], one["contact"]) for one in known if one["contact"]])
    return [{**one, "sentence": sentence(one, people.get((one["account"], one["contact"])))} for one in known]


def _nothing(account: str, play: str | None) -> str:
    if play is None:
        return f"nothing has been decided about {account}: no trigger of any play has come up"
    return f"nothing has been decided about {account} and {play}: the play's trigger has not come up"
