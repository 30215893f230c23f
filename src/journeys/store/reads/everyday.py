"""The everyday of an account, told once a day: use of the product, and records being brought up to date."""

from collections import Counter
from typing import Any, NamedTuple

import sqlalchemy as sa

from journeys.store.reads.wording import words
from journeys.store.tables import events
from signals.instant import DAY, LATEST, Instant, iso

READ = 2_000
"""Everyday events read for one page."""

NOTABLE = ("product.milestone_reached", "product.cancel%", "product.plan%")
"""What people do in the product and still is no everyday (LIKE patterns)."""

RECORDS = ("crm.account_updated", "crm.contact_updated")

_TITLES = {"use": "Used the product", "records": "Records updated"}
_PARTS_SHOWN = 4


class Day(NamedTuple):
    """One day of one sort: the instant of its last event, an id, and its row on the time line."""

    at: Instant
    id: str
    row: dict[str, Any]


class Everyday(NamedTuple):
    """Whole days, and where they start: None where all there is has been read."""

    days: list[Day]
    start: Instant | None


def is_everyday() -> sa.ColumnElement[bool]:
    """Whether an event belongs to the everyday of its account."""
    notable = sa.or_(*(events.c.type.like(pattern) for pattern in NOTABLE))
    used = sa.and_(events.c.type.startswith("product."), ~notable)
    return sa.or_(used, events.c.type.in_(RECORDS))


def everyday(connection: sa.Connection, account: str, until: Instant) -> Everyday:
    """The days that begin before `until`, the newest first, as far as `READ` events reach.

    A day that was read in part only is left to the next page, unless it alone is more than can be read at once.
    """
    c = events.c
    end = min(LATEST, -(-until // DAY) * DAY)
    query = sa.select(c.time, c.type, c.contact).where(c.account == account, c.time < end, is_everyday())
    rows = connection.execute(query.order_by(c.time.desc()).limit(READ + 1)).all()
    start = None
    if len(rows) > READ:
        cut = rows[-1].time // DAY
        whole = [row for row in rows if row.time // DAY > cut]
        rows, start = whole or rows, (cut + 1) * DAY if whole else cut * DAY
    grouped: dict[tuple[int, str], list[Any]] = {}
    for row in rows:
        sort = "records" if row.type in RECORDS else "use"
        grouped.setdefault((row.time // DAY, sort), []).append(row)
    return Everyday([_day(sort, of_day) for (_, sort), of_day in grouped.items()], start)


def _day(sort: str, rows: list[Any]) -> Day:
    at = rows[0].time
    kinds = Counter(row.type for row in rows).most_common()
    parts = [_times(kind, count) for kind, count in kinds[:_PARTS_SHOWN]]
    more = sum(count for _, count in kinds[_PARTS_SHOWN:])
    people = len({row.contact for row in rows if row.contact is not None})
    told = ", ".join([*parts, *([f"{more} more"] if more else [])])
    by = f" · {people} {'person' if people == 1 else 'people'}" if people else ""
    refs = {"types": [kind for kind, _ in kinds], "events": len(rows)}
    row = {
        "at": iso(at),
        "kind": "event",
        "title": _TITLES[sort],
        "detail": told + by,
        "status": None,
        "refs": refs,
    }
    return Day(at, sort, row)


def _times(kind: str, count: int) -> str:
    """`product.report_viewed`, 3 → `report viewed ×3`."""
    name = words(kind.partition(".")[2] or kind)
    return name if count == 1 else f"{name} ×{count}"
