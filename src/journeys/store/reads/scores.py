"""Health scores as the API and the console show them: the resource, and the ledger that explains every point."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from journeys.playbook import Playbook
from journeys.state import AccountState
from journeys.store.accounts import load
from journeys.store.reads.page import DEFAULT_LIMIT, Listing, Page, fetch
from journeys.store.reads.wording import shown, words
from journeys.store.tables import definitions, health_ledger
from signals.conditions import Moment
from signals.instant import Instant, iso, iso_or_none
from signals.score import TREND, Band, Health, Standing, reasons

_NEWEST_FIRST = Listing("health", (health_ledger.c.number,), (int,))


def health_json(health: Health | None, now: Instant) -> dict[str, Any] | None:
    """The field `health` of an account: score, band, the change against 14 days ago, what pulls it down."""
    if health is None or health.score is None:
        return None
    return {
        "score": health.score,
        "band": health.band,
        "trend": health.change(now, TREND),
        "reasons": reasons(health),
        "version": health.version,
    }


def whole(state: AccountState, now: Instant, playbook: Playbook | None = None) -> dict[str, Any]:
    """All a score is made of: every measure, every flag.

    By the live definition (`playbook`) they are shown as they stand now, with the names it gives them. Without it, or
    where the account has not been brought to it yet, as they stood when the score changed last.
    """
    health = state.profile.health
    none: dict[str, Any] = {"score": None, "band": None, "trend": None, "reasons": [], "version": None}
    about = {"account": state.profile.id, **(health_json(health, now) or none), "measures": [], "flags": []}
    if health is None:
        return about
    if playbook is None or playbook.watched.health is None or state.stamp != playbook.stamp:
        flags = [_flag(key, None, None, health) for key in health.flags]
        return {**about, "measures": _measures(health.measures, {}), "flags": flags}
    rules = playbook.watched.health.card.rules
    standings = playbook.watched.health.standings(Moment(state.profile, now, feeds=playbook.feeds))
    return {
        **about,
        "measures": _measures(standings, {one.key: one.name for one in rules.measures}),
        "flags": [_flag(flag.key, flag.name, flag.cap, health) for flag in rules.flags],
    }


def _measures(standings: Sequence[Standing], names: Mapping[str, str | None]) -> list[dict[str, Any]]:
    total = sum(one.weight for one in standings if one.points is not None)
    return [
        {
            "key": one.key,
            "name": names.get(one.key) or words(one.key),
            "value": one.value,
            "points": None if one.points is None else round(one.points, 2),
            "weight": one.weight,
            "share": 0 if one.points is None else round(one.weight / total, 4),
        }
        for one in standings
    ]


def _flag(key: str, name: str | None, cap: Band | None, health: Health) -> dict[str, Any]:
    since = health.flags.get(key)
    about = {"key": key, "name": name or words(key), "cap": cap}
    return {**about, "holds": since is not None, "since": iso_or_none(since)}


def with_ledger(connection: sa.Connection, account: str, now: Instant, limit: int) -> dict[str, Any] | None:
    """All a score is made of and the newest entries of its ledger (`more`: there are others), and the names
    the live definition gives its parts; None without a score.
    """
    state = load(connection, account)
    if state is None or state.profile.health is None:
        return None
    told = ledger(connection, account, limit=limit)
    names = _names(connection)
    return {**whole(state, now), "ledger": told["items"], "more": told["next"] is not None, "names": names}


def _names(connection: sa.Connection) -> dict[str, str]:
    """What the live definition calls its measures and flags."""
    live = sa.and_(definitions.c.kind == "health", definitions.c.status == "active")
    body = connection.execute(sa.select(definitions.c.body).where(live)).scalar() or {}
    parts = [*body.get("measures", ()), *body.get("flags", ())]
    return {part["key"]: part["name"] for part in parts if part.get("name")}


def ledger(
    connection: sa.Connection, account: str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page:
    """The entries of an account, the newest first. Raises BadCursor."""
    query = sa.select(health_ledger).where(health_ledger.c.account == account)
    return fetch(connection, query, _NEWEST_FIRST, _entries, limit, cursor)


def _entries(rows: Sequence[sa.Row[Any]]) -> list[dict[str, Any]]:
    return [entry_json(row) for row in rows]


def entry_json(row: Any) -> dict[str, Any]:
    """One entry: what moved the score, by how many points, at which instant, by which event if one did."""
    told = {
        "at": iso(row.at),
        "kind": row.kind,
        "key": row.key,
        "points": row.points,
        "value": row.value,
        "score": {"before": row.score_before, "after": row.score_after},
        "band": {"before": row.band_before, "after": row.band_after},
        "event": row.cause,
        "version": row.version,
    }
    return {**told, "sentence": sentence(told)}


def sentence(entry: Mapping[str, Any]) -> str:
    """The entry in words: `usage trend −6, now -0.35`."""
    key, points = words(entry["key"]), entry["points"]
    if entry["kind"] == "definition":
        return f"scored by version {entry['version']} of the definition" + (
            f": {signed(points)}" if points else ""
        )
    if entry["kind"] == "flag":
        return f"{key}: it {'caps' if entry['value'] else 'no longer caps'} the band"
    seen = "no value any more" if entry["value"] is None else f"now {shown(round(entry['value'], 2))}"
    return f"{key} {signed(points)}, {seen}"


def signed(number: int) -> str:
    """A change with its sign, as typeset: `+6`, `−6`."""
    return f"{number:+}".replace("-", "−")
