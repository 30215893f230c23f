"""Consent and suppression as events told them: the newest word counts, and at one instant the stricter one.

Who writes here and who judges by it meet at a lock for each person and address (I17): a word that was answered
before a message is handed over is seen by its judgement. SQLite has one writer, which is the same lock.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from journeys.store import bulk
from journeys.store.accounts import address_key
from journeys.store.tables import consents, suppressions
from signals.event import Event
from signals.fold import suppression_cause
from signals.instant import Instant

_WORDS = ("engagement.unsubscribed", "engagement.subscribed")
_LOCK = """
SELECT {function}(place) FROM (
    SELECT DISTINCT hashtextextended(name, 0) AS place FROM unnest(CAST(:names AS text[])) AS name ORDER BY place
) AS places
"""


def speaks_of_consent(event: Event) -> bool:
    """Whether consent or suppression may change with this event."""
    return event.type in (*_WORDS, "contact.unsuppressed") or suppression_cause(event) is not None


def suppression_keys(contact: str, email: str | None) -> list[str]:
    """Under which keys a suppression is kept: the person's, for every address they will have, and the address's."""
    known = address_key(email)
    return [f"contact:{contact}", *([] if known is None else [known])]


def lock_people(connection: sa.Connection, keys: Iterable[str], *, shared: bool) -> None:
    """Let no word of these people come between what is read and the end of the transaction; `shared` among judges.

    Taken after the locks of accounts and in one order, so that nobody waits in a circle.
    """
    names = sorted(set(keys))
    if names and connection.dialect.name == "postgresql":
        function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        connection.execute(sa.text(_LOCK.format(function=function)), {"names": names})


def save_consents(
    connection: sa.Connection, happened: Iterable[Event], addresses: Mapping[str, str | None]
) -> None:
    """What these events say of consent and suppression, in their order. `addresses` are those of their contacts."""
    told = [event for event in happened if event.contact is not None]
    keys = {
        event.contact: suppression_keys(event.contact, addresses.get(event.contact))
        for event in told
        if event.contact is not None
    }
    lock_people(connection, (key for some in keys.values() for key in some), shared=False)
    _save_words(connection, [event for event in told if event.type in _WORDS])
    for event in told:
        assert event.contact is not None
        cause = suppression_cause(event)
        if cause is not None:
            _suppress(connection, keys[event.contact], cause, event)
        elif event.type == "contact.unsuppressed":
            _lift(connection, keys[event.contact], event.time)


def _save_words(connection: sa.Connection, told: list[Event]) -> None:
    """A late word does not undo a newer one."""
    people = sorted({str(event.contact) for event in told})
    known: dict[tuple[str, str, str], dict[str, Any]] = {}
    for some in bulk.slices(people):
        for found in connection.execute(sa.select(consents).where(consents.c.contact.in_(some))):
            known[found.contact, found.channel, found.topic] = dict(found._mapping)
    said: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in map(_word, told):
        about = (row["contact"], row["channel"], row["topic"])
        if about not in known or _standing(row) >= _standing(known[about]):
            known[about] = said[about] = row
    bulk.upsert(connection, consents, list(said.values()))


def _word(event: Event) -> dict[str, Any]:
    channel, topic = event.data.get("channel") or "email", event.data.get("topic") or ""
    allowed = event.type == "engagement.subscribed"
    return {
        "contact": event.contact,
        "channel": channel,
        "topic": topic,
        "allowed": allowed,
        "at": event.time,
    }


def _standing(row: Mapping[str, Any]) -> tuple[Instant, bool]:
    """The later one counts, and of two at one instant the one that forbids."""
    return row["at"], not row["allowed"]


def _suppress(connection: sa.Connection, keys: list[str], cause: str, event: Event) -> None:
    row = {"cause": cause, "contact": event.contact, "at": event.time}
    bulk.upsert(connection, suppressions, [{"address_key": key, **row} for key in keys])


def _lift(connection: sa.Connection, keys: list[str], said_at: Instant) -> None:
    older = sa.and_(suppressions.c.address_key.in_(keys), suppressions.c.at <= said_at)
    connection.execute(sa.delete(suppressions).where(older))
