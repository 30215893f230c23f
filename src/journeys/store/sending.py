"""What the dispatcher asks and writes: due messages, the facts for judging them in bulk, the send protocol's states."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from channels.message import NOBODY, Message
from journeys.store import bulk
from journeys.store.consent import strictest
from journeys.store.outcomes import message_of, message_row
from journeys.store.tables import consents, contacts, messages, renderings, suppressions, switches
from signals.instant import DAY, Duration, Instant

LOOK_BACK: Duration = 8 * DAY
"""How far back sends are loaded: past the longest window of a cap."""

_WAITING = messages.c.status.in_(("queued", "held"))


class Charge(msgspec.Struct, frozen=True, gc=False):
    """One message that uses cap room: handed over, sent or withheld."""

    message: str
    contact: str
    account: str
    channel: str
    content: str
    cls: str
    priority: int
    journey: str
    step: str
    visit: int
    control: bool
    at: Instant
    released_at: Instant | None


class Ledger(msgspec.Struct):
    """All that bulk loading found for a set of messages."""

    charges_by_contact: dict[str, list[Charge]] = {}
    charges_by_account: dict[str, list[Charge]] = {}
    queued: dict[str, list[Message]] = {}
    at_home: set[str] = set()  # people who have not left every account of theirs
    suppressed: dict[str, str] = {}
    consents: dict[str, list[tuple[str, str, bool]]] = {}
    stopped: bool = False
    channel_charges: dict[str, list[Instant]] = {}


class Due(NamedTuple):
    """A message that is to be judged."""

    id: str
    account: str
    channel: str


def due_messages(connection: sa.Connection, now: Instant, limit: int) -> list[Due]:
    """Messages to be judged now, best rank first; nothing is locked yet."""
    wanted = (
        sa.select(messages.c.id, messages.c.account, messages.c.channel)
        .where(_WAITING, messages.c.next_attempt_at <= now, messages.c.delivery == "new")
        .order_by(messages.c.priority.desc(), messages.c.next_attempt_at, messages.c.id)
        .limit(limit)
    )
    return [Due(*row) for row in connection.execute(wanted)]


def next_message_due(connection: sa.Connection) -> Instant | None:
    """When the next message is to be judged."""
    wanted = sa.select(sa.func.min(messages.c.next_attempt_at)).where(_WAITING, messages.c.delivery == "new")
    found: Instant | None = connection.execute(wanted).scalar()
    return found


def accounts_of(connection: sa.Connection, ids: Sequence[str]) -> set[str]:
    """The accounts of these messages."""
    wanted = sa.select(messages.c.account).where(bulk.among(connection, messages.c.id, ids))
    return set(connection.execute(wanted).scalars())


def load_waiting(connection: sa.Connection, ids: Sequence[str]) -> list[Message]:
    """Those of these messages that still wait, read under the locks of their accounts."""
    wanted = sa.select(messages).where(
        bulk.among(connection, messages.c.id, ids), _WAITING, messages.c.delivery == "new"
    )
    return [message_of(row) for row in connection.execute(wanted)]


def load_ledger(
    connection: sa.Connection, judged: Sequence[Message], address_keys: Iterable[str], now: Instant
) -> Ledger:
    """Everything judging needs that is not in the account states: a fixed number of queries."""
    people = sorted({message.contact for message in judged} - {NOBODY})
    houses = sorted({message.account for message in judged})
    ledger = Ledger()
    _load_charges(connection, ledger, people, houses, now)
    rows = connection.execute(
        sa.select(messages).where(bulk.among(connection, messages.c.contact, people), _WAITING)
    )
    for row in rows:
        ledger.queued.setdefault(row.contact, []).append(message_of(row))
    here = sa.select(contacts.c.id).where(bulk.among(connection, contacts.c.id, people), contacts.c.is_open)
    ledger.at_home = set(connection.execute(here.distinct()).scalars())
    keys = list(address_keys)
    found = sa.select(suppressions.c.address_key, suppressions.c.cause).where(
        bulk.among(connection, suppressions.c.address_key, keys)
    )
    ledger.suppressed = dict(connection.execute(found).all())
    ledger.consents = strictest(
        connection.execute(sa.select(consents).where(bulk.among(connection, consents.c.contact, people)))
    )
    ledger.stopped = is_stopped(connection)
    return ledger


def _load_charges(
    connection: sa.Connection, ledger: Ledger, people: Sequence[str], houses: Sequence[str], now: Instant
) -> None:
    columns = [
        messages.c[name] for name in ("id", "contact", "account", "channel", "content", "cls", "priority")
    ]
    columns += [
        messages.c[name] for name in ("journey", "step", "visit", "arm_control", "charged_at", "released_at")
    ]
    recent = messages.c.charged_at > now - LOOK_BACK
    by_contact = sa.select(*columns).where(bulk.among(connection, messages.c.contact, people), recent)
    by_account = sa.select(*columns).where(bulk.among(connection, messages.c.account, houses), recent)
    for row in connection.execute(by_contact):
        ledger.charges_by_contact.setdefault(row.contact, []).append(Charge(*row))
    for row in connection.execute(by_account):
        ledger.charges_by_account.setdefault(row.account, []).append(Charge(*row))


def recent_charges(connection: sa.Connection, channel: str, since: Instant) -> list[Instant]:
    """When this channel sent after `since`, for its rate."""
    wanted = sa.select(messages.c.charged_at).where(
        messages.c.channel == channel, messages.c.charged_at > since, messages.c.status != "withheld"
    )
    return sorted(connection.execute(wanted).scalars())


def is_stopped(connection: sa.Connection) -> bool:
    """Whether the kill switch is on."""
    value = connection.execute(sa.select(switches.c.value).where(switches.c.name == "sending")).scalar()
    return value == "stopped"


def set_sending(connection: sa.Connection, stopped: bool, now: Instant) -> None:
    """Throw the kill switch, or let sending go on: what it held is judged again now."""
    bulk.upsert(
        connection, switches, [{"name": "sending", "value": "stopped" if stopped else "on", "at": now}]
    )
    if not stopped:
        held = sa.and_(messages.c.status == "held", messages.c.reason == "sending_stopped")
        connection.execute(sa.update(messages).where(held).values(next_attempt_at=now))


def accounts_held(connection: sa.Connection, accounts: Sequence[str]) -> list[str]:
    """Those of these accounts with messages held for an account hold; few are, and the partial index knows them."""
    wanted = (
        sa.select(messages.c.account)
        .distinct()
        .where(
            messages.c.status == "held",
            messages.c.reason == "account_hold",
            bulk.among(connection, messages.c.account, accounts),
        )
    )
    return list(connection.execute(wanted).scalars()) if accounts else []


def wake_held(
    connection: sa.Connection,
    reason: str,
    now: Instant,
    *,
    accounts: Iterable[str] = (),
    people: Iterable[str] = (),
) -> None:
    """Judge held messages again now: what held them, for accounts or for people, may be over."""
    for column, wanted in ((messages.c.account, list(accounts)), (messages.c.contact, list(people))):
        if wanted:
            held = sa.and_(
                bulk.among(connection, column, wanted),
                messages.c.status == "held",
                messages.c.reason == reason,
            )
            connection.execute(sa.update(messages).where(held).values(next_attempt_at=now))


def wake_people(connection: sa.Connection, people: Iterable[str], now: Instant) -> None:
    """What these people said may settle what is held for them, whatever the reason (semantics §7)."""
    wanted = list(people)
    if wanted:
        held = sa.and_(messages.c.contact.in_(wanted), messages.c.status == "held")
        connection.execute(sa.update(messages).where(held).values(next_attempt_at=now))


class Move(msgspec.Struct, frozen=True):
    """A message as it is now, and where the send protocol has got to with it."""

    message: Message
    delivery: str = "new"
    charged_at: Instant | None = None
    released_at: Instant | None = None
    lease_until: Instant | None = None
    remote_id: str | None = None


def save_moves(connection: sa.Connection, moves: Sequence[Move]) -> None:
    """Write the messages back."""
    rows = [
        {
            **message_row(move.message),
            "delivery": move.delivery,
            "charged_at": move.charged_at,
            "released_at": move.released_at,
            "lease_until": move.lease_until,
            "remote_id": move.remote_id,
        }
        for move in moves
    ]
    bulk.upsert(connection, messages, rows)


def save_renderings(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
    """What was handed over, word for word."""
    bulk.upsert(connection, renderings, rows)


def load_sent(connection: sa.Connection, ids: Sequence[str]) -> list[Message]:
    """Messages that were handed over: sent, delivered, or in doubt."""
    wanted = sa.select(messages).where(
        bulk.among(connection, messages.c.id, ids), messages.c.status.in_(("sent", "delivered", "in_doubt"))
    )
    return [message_of(row) for row in connection.execute(wanted)]


def save_receipts(connection: sa.Connection, receipted: Sequence[Message]) -> None:
    """What providers said of these; cap room they used stays used."""
    if not receipted:
        return
    names = ("status", "reason", "detail", "sent_at")
    change = (
        sa.update(messages)
        .where(messages.c.id == sa.bindparam("of"))
        .values(delivery="settled", **{name: sa.bindparam(f"to_{name}") for name in names})
    )
    rows = [
        {"of": message.id} | {f"to_{name}": message_row(message)[name] for name in names}
        for message in receipted
    ]
    connection.execute(change, rows)


def expired_leases(connection: sa.Connection, now: Instant) -> list[tuple[str, str]]:
    """(id, account) of messages whose process died between hand-over and outcome."""
    wanted = sa.select(messages.c.id, messages.c.account).where(
        messages.c.delivery == "handed", messages.c.status == "queued", messages.c.lease_until <= now
    )
    return [(row.id, row.account) for row in connection.execute(wanted)]


class Handed(msgspec.Struct, frozen=True):
    """A message in its conversation: since when it uses cap room, and when it was let go if it had been held."""

    message: Message
    charged_at: Instant | None
    released_at: Instant | None


def load_handed(connection: sa.Connection, ids: Sequence[str]) -> list[Handed]:
    """Those of these messages that were handed over and have no outcome yet."""
    wanted = sa.select(messages).where(
        bulk.among(connection, messages.c.id, ids),
        messages.c.delivery == "handed",
        messages.c.status == "queued",
    )
    return [Handed(message_of(row), row.charged_at, row.released_at) for row in connection.execute(wanted)]
