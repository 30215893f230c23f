"""Accounts and the people at them, as the API and the console show them (interfaces.md §3)."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from journeys.naming import ACCOUNT, CONTACT
from journeys.state import AccountState, unpack
from journeys.store.accounts import PACKED, load
from journeys.store.feeds import stale
from journeys.store.identities import current, externals
from journeys.store.reads.page import DEFAULT_LIMIT, Listing, Page, fetch
from journeys.store.reads.scores import health_json
from journeys.store.tables import accounts as table
from journeys.store.tables import contacts, memberships, open_signals, tags
from signals.attributes import plain_account, plain_contact
from signals.instant import Instant, iso, iso_or_none
from signals.profile import Contact, Profile, is_open

_BY_ID = Listing("accounts", (table.c.id,), (str,), down=False)


def accounts(
    connection: sa.Connection,
    now: Instant,
    *,
    segment: str | None = None,
    stage: str | None = None,
    tag: str | None = None,
    signal: str | None = None,
    owner: str | None = None,
    band: str | None = None,
    q: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """Accounts by id, narrowed by what they are in, have open, belong to, or are called (`q`: id, name, people).

    Every filter is asked of an index but `q`, which reads on in order of ids until the page is full. Raises BadCursor.
    """
    query = sa.select(*PACKED)
    for column, value in ((table.c.stage, stage), (table.c.owner, owner), (table.c.band, band)):
        query = query if value is None else query.where(column == value)
    if segment is not None:
        query = query.where(_has(memberships, memberships.c.segment == segment))
    if signal is not None:
        query = query.where(_has(open_signals, open_signals.c.signal == signal))
    if tag is not None:
        query = query.where(_has(tags, tags.c.tag == tag))
    if q is not None and q.strip():
        query = query.where(_called(q.strip(), connection.dialect.name))

    silent = stale(connection, now)

    def shape(rows: Sequence[sa.Row[Any]]) -> list[dict[str, Any]]:
        return _accounts_json(connection, [unpack(row.state, row.known) for row in rows], now, silent)

    return fetch(connection, query, _BY_ID, shape, limit, cursor)


def account(connection: sa.Connection, account_id: str, now: Instant) -> dict[str, Any] | None:
    """One account whole, also by an id that has become another; None where it is not known."""
    state = load(connection, account_id)
    if state is None:
        state = load(connection, current(connection, ACCOUNT, account_id))
    return None if state is None else _accounts_json(connection, [state], now, stale(connection, now))[0]


def _accounts_json(
    connection: sa.Connection,
    states: Sequence[AccountState],
    now: Instant,
    silent: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """With what others call the accounts and the people there."""
    houses = externals(connection, ACCOUNT, [state.profile.id for state in states])
    everybody = sorted({who for state in states for who in state.profile.contacts})
    people = externals(connection, CONTACT, everybody)
    return [account_json(state, now, silent, houses, people) for state in states]


Externals = Mapping[str, Mapping[str, Sequence[str]]]
"""What others call some of ours, by id and source."""


def account_json(
    state: AccountState,
    now: Instant,
    silent: Sequence[Mapping[str, Any]],
    houses: Externals,
    people: Externals,
) -> dict[str, Any]:
    """The resource `account`. `health` is null where no health definition scores it; `silent` are the stale feeds;
    `houses` and `people` are what others call accounts and contacts.
    """
    profile = state.profile
    attributes = plain_account(profile, now)
    name = attributes.get("name")
    return {
        "id": profile.id,
        "name": name if isinstance(name, str) else None,
        "attributes": attributes,
        "external": dict(houses.get(profile.id, {})),
        "contacts": [
            {**contact_json(profile, contact, now), "external": dict(people.get(contact.id, {}))}
            for contact in profile.contacts.values()
        ],
        "stage": profile.stage,
        "segments": sorted(profile.segments),
        "tags": list(profile.tags),
        "milestones": {key: iso(at) for key, at in sorted(profile.milestones.items())},
        "health": health_json(profile.health, now),
        "open_signals": signals_json(profile),
        "last_event_at": iso_or_none(profile.last_event_at or None),
        "stale_feeds": list(silent),
    }


def contact_json(profile: Profile, contact: Contact, now: Instant) -> dict[str, Any]:
    """A person with every role they hold or held; `open` is false once they have left."""
    known = plain_contact(profile, contact, now)
    told = {name: known.get(name) for name in ("email", "name", "timezone", "locale", "tone")}
    spans = [
        {"role": span.role, "since": iso(span.since), "until": iso_or_none(span.until)}
        for span in contact.spans
    ]
    return {
        "id": contact.id,
        **{name: value if isinstance(value, str) else None for name, value in told.items()},
        "roles": spans,
        "open": is_open(contact),
        "suppressed": contact.suppressed,
        "last_seen_at": iso_or_none(profile.seen.get(contact.id)),
    }


_SEVERITIES = {"critical": 0, "warning": 1, "info": 2}


def signals_json(profile: Profile) -> list[dict[str, Any]]:
    """The open signals with their evidence, the worst first, then the newest. A play's own dates are nobody else's."""
    shown = [(key, state) for key, state in profile.signals.items() if state.open and key[:1] != "@"]
    shown.sort(key=lambda pair: (_SEVERITIES.get(pair[1].severity, 3), -pair[1].since, pair[0]))
    return [
        {"signal": key, "since": iso(state.since), "severity": state.severity, "evidence": state.evidence}
        for key, state in shown
    ]


def names(connection: sa.Connection, ids: Sequence[str]) -> dict[str, str]:
    """What these accounts are called; one without a name by its id."""
    wanted = sa.select(table.c.id, table.c.name).where(table.c.id.in_(sorted(set(ids))))
    return {row.id: row.name or row.id for row in connection.execute(wanted)}


def contact_names(
    connection: sa.Connection, pairs: Sequence[tuple[str, str | None]]
) -> dict[tuple[str, str | None], str]:
    """What these people (account, contact) are called; one without a name by the address, else by the id.

    A pair without a contact is nobody's: a call of another system.
    """
    people = sorted({(account, contact) for account, contact in pairs if contact})
    if not people:
        return {}
    c = contacts.c
    wanted = sa.select(c.account, c.id, c.name, c.email).where(sa.tuple_(c.account, c.id).in_(people))
    return {(row.account, row.id): row.name or row.email or row.id for row in connection.execute(wanted)}


def choices(connection: sa.Connection) -> dict[str, list[str]]:
    """The words accounts can be filtered by now: stages, health bands, owners, segments, signals."""
    columns = {
        "stage": table.c.stage,
        "band": table.c.band,
        "owner": table.c.owner,
        "segment": memberships.c.segment,
        "signal": open_signals.c.signal,
    }
    return {
        name: list(
            connection.execute(
                sa.select(column).where(column.is_not(None)).distinct().order_by(column)
            ).scalars()
        )
        for name, column in columns.items()
    }


def _has(other: sa.Table, condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Asked of the other table once and not of each account: few have what is looked for."""
    return table.c.id.in_(sa.select(other.c.account).where(condition))


def _called(text: str, dialect: str) -> sa.ColumnElement[bool]:
    """Whether the text is part of the account's id or name, or of the name or address of someone there."""

    def within(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
        """Whatever the case: SQLite's LIKE takes none by itself, at half the price of lowering first."""
        ask = column.contains if dialect == "sqlite" else column.icontains
        return ask(text, autoescape=True)

    person = sa.or_(within(contacts.c.name), within(contacts.c.email))
    return sa.or_(within(table.c.id), within(table.c.name), _has(contacts, person))
