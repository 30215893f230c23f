"""Consent and suppression as events told them: the newest word counts, and at one instant the stricter one.

Who writes here and who judges by it meet at a lock for each person and address (I17): a word that was answered
before a message is handed over is seen by its judgement. SQLite has one writer, which is the same lock.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from journeys.store import bulk
from journeys.store.searched import address_key
from journeys.store.tables import aliases, consents, suppressions
from signals.event import Event
from signals.fold import suppression_cause
from signals.instant import Instant
from signals.joins import Join, same

_WORDS = ("engagement.unsubscribed", "engagement.subscribed")
_SPEAKING = {
    *_WORDS,
    "engagement.bounced",
    "engagement.complained",
    "contact.suppressed",
    "contact.unsuppressed",
}
_LOCK = """
SELECT {function}(place) FROM (
    SELECT DISTINCT hashtextextended(name, 0) AS place FROM unnest(CAST(:names AS text[])) AS name ORDER BY place
) AS places
"""


def speaks_of_consent(event: Event) -> bool:
    """Whether consent or suppression may change with this event."""
    if event.type not in _SPEAKING:
        return False
    return (
        event.type in _WORDS or event.type == "contact.unsuppressed" or suppression_cause(event) is not None
    )


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


Words = dict[tuple[str, str, str, str], dict[str, Any]]
"""What people said, by contact, channel, topic and the id it was said under."""


def _save_words(connection: sa.Connection, told: list[Event]) -> None:
    """A late word does not undo a newer one."""
    if not told:
        return
    people = sorted({str(event.contact) for event in told})
    known = _words_of(connection, people)
    joins = _joins_of(connection, people)
    before = dict(known)
    for row in map(word_of, told):
        name = _name(row)
        if name not in known or standing(row) >= standing(known[name]):
            known[name] = row
        known |= _settled(_about(known, row), joins.get(row["contact"], []))
    bulk.upsert(connection, consents, [row for name, row in known.items() if before.get(name) != row])


def _words_of(connection: sa.Connection, people: Sequence[str]) -> Words:
    found = {}
    for some in bulk.slices(people):
        for row in connection.execute(sa.select(consents).where(consents.c.contact.in_(some))):
            word = dict(row._mapping)
            found[_name(word)] = word
    return found


def _joins_of(connection: sa.Connection, people: Sequence[str]) -> dict[str, list[Join]]:
    found = {}
    for some in bulk.slices(people):
        wanted = sa.select(aliases.c.survivor, aliases.c.joins).where(
            aliases.c.kind == "contact", aliases.c.survivor.in_(some)
        )
        for row in connection.execute(wanted):
            found[row.survivor] = msgspec.convert(row.joins, list[Join])
    return found


def _name(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return row["contact"], row["channel"], row["topic"], row["said_as"]


def _about(known: Words, row: Mapping[str, Any]) -> Words:
    """What was said of the same matter, under whatever id."""
    matter = _name(row)[:3]
    return {name: word for name, word in known.items() if name[:3] == matter}


def _settled(said: Words, joins: Sequence[Join]) -> Words:
    """A word counts for every id that was one with its own by then: of these, the newest."""
    return {
        name: max(
            (
                {**word, "said_as": name[3]}
                for word in said.values()
                if same(joins, name[3], word["said_as"], word["at"])
            ),
            key=standing,
        )
        for name in said
    }


def word_of(event: Event) -> dict[str, Any]:
    """The row of what a person said of a topic and channel (the empty topic: of all)."""
    channel, topic = event.data.get("channel") or "email", event.data.get("topic") or ""
    said = None if event.said is None else event.said.contact
    return {
        "contact": event.contact,
        "channel": channel,
        "topic": topic,
        "said_as": said or event.contact,
        "allowed": event.type == "engagement.subscribed",
        "at": event.time,
    }


def standing(row: Mapping[str, Any]) -> tuple[Instant, bool]:
    """The later one counts, and of two at one instant the one that forbids."""
    return row["at"], not row["allowed"]


def move(connection: sa.Connection, old: str, into: str, joins: Sequence[Join]) -> None:
    """The words and suppressions of a contact that has become another are the survivor's (semantics §2).

    What was said before the two were one stays beside what the other said, and whoever reads takes the strictest.
    """
    connection.execute(sa.update(consents).where(consents.c.contact == old).values(contact=into))
    known = _words_of(connection, [into])
    after: Words = {}
    for row in known.values():
        after |= _settled(_about(known, row), joins)
    bulk.upsert(connection, consents, [row for name, row in after.items() if known[name] != row])
    _move_suppression(connection, old, into)


def _move_suppression(connection: sa.Connection, old: str, into: str) -> None:
    """The person is suppressed where either was; the address of either stays so."""
    names = [f"contact:{old}", f"contact:{into}"]
    found = connection.execute(sa.select(suppressions).where(suppressions.c.address_key.in_(names))).all()
    if not found:
        return
    newest = max(found, key=lambda row: (row.at, row.cause))
    connection.execute(sa.delete(suppressions).where(suppressions.c.address_key == names[0]))
    row = {"address_key": names[1], "cause": newest.cause, "contact": into, "at": newest.at}
    bulk.upsert(connection, suppressions, [row])


def strictest(rows: Iterable[Any]) -> dict[str, list[tuple[str, str, bool]]]:
    """What each person allows, as (channel, topic, allowed): whatever was said under one of their ids forbids."""
    said: dict[tuple[str, str, str], bool] = {}
    for row in rows:
        matter = row.contact, row.channel, row.topic
        said[matter] = said.get(matter, True) and row.allowed
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for (contact, channel, topic), allowed in said.items():
        found.setdefault(contact, []).append((channel, topic, allowed))
    return found


def _suppress(connection: sa.Connection, keys: list[str], cause: str, event: Event) -> None:
    row = {"cause": cause, "contact": event.contact, "at": event.time}
    bulk.upsert(connection, suppressions, [{"address_key": key, **row} for key in keys])


def _lift(connection: sa.Connection, keys: list[str], said_at: Instant) -> None:
    older = sa.and_(suppressions.c.address_key.in_(keys), suppressions.c.at <= said_at)
    connection.execute(sa.delete(suppressions).where(older))
