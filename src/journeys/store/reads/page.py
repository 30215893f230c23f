"""Pages of rows by keyset: a cursor names the last row seen, so that a list may grow while it is read.

A cursor is opaque and sealed with a checksum that knows which list it belongs to: what was tampered with, cut off
or taken from another list is refused (B84). It holds nothing secret and gives access to nothing.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, TypedDict

import orjson
import sqlalchemy as sa

from signals.instant import EARLIEST, LATEST

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
_SEAL = 6  # bytes of the checksum
_LONGEST = 2_000


class Page(TypedDict):
    """A part of a list. `next` is the cursor of the part after it, None at the end."""

    items: list[dict[str, Any]]
    next: str | None


class BadCursor(ValueError):
    """A cursor that this list did not hand out: leave it away to start from the beginning."""

    def __init__(self) -> None:
        super().__init__("the cursor is not one this list handed out: leave it away to begin at the start")


def seal(name: str, place: Sequence[int | str]) -> str:
    """The cursor of a place in the list of that name."""
    raw = orjson.dumps(list(place))
    return urlsafe_b64encode(_checksum(name, raw) + raw).decode().rstrip("=")


def unseal(name: str, cursor: str, kinds: Sequence[type]) -> list[Any]:
    """The place a cursor names, its parts of these types. Raises BadCursor."""
    if not cursor.isascii() or len(cursor) > _LONGEST:
        raise BadCursor
    try:
        sealed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        raw = sealed[_SEAL:]
        place = orjson.loads(raw) if sealed[:_SEAL] == _checksum(name, raw) else None
    except (NotBase64, orjson.JSONDecodeError) as error:
        raise BadCursor from error
    if not isinstance(place, list) or [type(part) for part in place] != list(kinds):
        raise BadCursor
    if not all(EARLIEST <= part <= LATEST for part in place if isinstance(part, int)):
        raise BadCursor
    return place


def _checksum(name: str, raw: bytes) -> bytes:
    return blake2b(raw, digest_size=_SEAL, person=name.encode()[:16]).digest()


class Listing(NamedTuple):
    """How a list is ordered: by these columns (the last one unique), all up or all down. `kinds` are their types."""

    name: str
    keys: tuple[sa.ColumnElement[Any], ...]
    kinds: tuple[type, ...]
    down: bool = True


def fetch(
    connection: sa.Connection,
    query: sa.Select[Any],
    listing: Listing,
    shape: Callable[[Sequence[sa.Row[Any]]], list[dict[str, Any]]],
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """One page in one query: the rows as `shape` makes them, and the cursor of the next. Raises BadCursor."""
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"a page has 1 to {MAX_LIMIT} items, not {limit}")
    rows = connection.execute(_ordered(query, listing, cursor).limit(limit + 1)).all()
    shown = rows[:limit]
    more = len(rows) > limit
    return {"items": shape(shown), "next": seal(listing.name, _place(listing, shown[-1])) if more else None}


def _ordered(query: sa.Select[Any], listing: Listing, cursor: str | None) -> sa.Select[Any]:
    named = [key.label(f"place_{number}") for number, key in enumerate(listing.keys)]
    query = query.add_columns(*named).order_by(
        *(key.desc() if listing.down else key.asc() for key in listing.keys)
    )
    if cursor is None:
        return query
    place = unseal(listing.name, cursor, listing.kinds)
    seen = sa.tuple_(*(sa.literal(part, key.type) for part, key in zip(place, listing.keys, strict=True)))
    here = sa.tuple_(*listing.keys)
    return query.where(here < seen if listing.down else here > seen)


def _place(listing: Listing, row: sa.Row[Any]) -> list[int | str]:
    return [getattr(row, f"place_{number}") for number in range(len(listing.keys))]
