"""What was heard of the feeds that promised to speak (policy `feeds`): a row each, and none where nothing is promised."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from journeys.playbook import Playbook
from journeys.store import bulk
from journeys.store.tables import events, feeds
from signals.freshness import Feeds, Heard, Key, Promise
from signals.instant import Instant, format_duration, iso


def expect(connection: sa.Connection, promises: Sequence[Promise], now: Instant) -> None:
    """The policies are active from now on with these promises. One that stood before is counted on, with all that was
    heard; a new one begins with the newest event there is of its source; one that is not made any more is forgotten.
    """
    known = set(_rows(connection))
    wanted: dict[Key, set[str]] = {}
    for promise in promises:
        wanted.setdefault(promise.key, set()).update(promise.types)
    for source, every in known - wanted.keys():
        connection.execute(sa.delete(feeds).where(feeds.c.source == source, feeds.c.every == every))
    for key, types in wanted.items():
        if key in known:
            connection.execute(_of(key).values(types=sorted(types)))
        else:
            before = connection.execute(
                sa.select(sa.func.max(events.c.time)).where(events.c.source == key[0], events.c.time <= now)
            ).scalar()
            row = {"source": key[0], "every": key[1], "types": sorted(types)}
            bulk.insert(connection, feeds, [{**row, **_plain(Heard(now, before))}])


def load(connection: sa.Connection) -> Feeds:
    """What was heard, as committed."""
    return Feeds({key: _heard(row) for key, row in _rows(connection).items()})


def seen(connection: sa.Connection, playbook: Playbook) -> Playbook:
    """The playbook going by what was heard, as committed; as it is, without a query, where nothing is promised."""
    return playbook if playbook.promises is None else playbook.seeing(load(connection))


def hear(connection: sa.Connection, heard: Mapping[str, Sequence[Instant]]) -> None:
    """Events of these times came from these sources. Rows are locked, so that what several workers heard adds up;
    accounts come first, so that nobody waits in a circle.
    """
    if not heard:
        return
    for key, row in _rows(connection, sorted(heard)).items():
        before = _heard(row)
        after = before.after(sorted(heard[key[0]]), key[1])
        if after != before:
            connection.execute(_of(key).values(**_plain(after)))


def stale(connection: sa.Connection, now: Instant) -> list[dict[str, Any]]:
    """The feeds that are silent for longer than promised, as the API and the console show them."""
    found = []
    for (source, every), row in _rows(connection).items():
        silence = _heard(row).silence(now, every)
        if silence is not None:
            about = {"feed": source, "types": row.types, "every": format_duration(every)}
            found.append({**about, "silent_since": iso(silence.start)})
    return found


def _rows(connection: sa.Connection, sources: Sequence[str] | None = None) -> dict[Key, Any]:
    """All rows; of these sources only, and locked, where they are to be changed."""
    wanted = sa.select(feeds).order_by(feeds.c.source, feeds.c.every)
    if sources is not None:
        wanted = wanted.where(feeds.c.source.in_(sources)).with_for_update()
    return {(row.source, row.every): row for row in connection.execute(wanted)}


def _of(key: Key) -> sa.Update:
    return sa.update(feeds).where(feeds.c.source == key[0], feeds.c.every == key[1])


def _heard(row: Any) -> Heard:
    gaps = tuple((start, end) for start, end in row.gaps)
    return Heard(row.since, row.before, row.first, row.last, gaps)


def _plain(heard: Heard) -> dict[str, Any]:
    about = {"since": heard.since, "before": heard.before, "first": heard.first, "last": heard.last}
    return {**about, "gaps": [list(gap) for gap in heard.gaps]}
