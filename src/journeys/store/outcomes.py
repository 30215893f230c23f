"""What reactions leave behind: events, journeys, messages, tasks, decisions, written set by set."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from channels.message import Message, MessageClass, Reason, Status
from channels.task import Task, TaskStatus
from journeys.journey import Decision, Journey, decide
from journeys.store import bulk
from journeys.store.tables import decisions, events, journeys, messages, tasks
from signals.event import Event
from signals.instant import Instant

_MESSAGE_FIELDS = Message.__struct_fields__
_NOT_TRIED = {
    "delivery": "new",
    "lease_until": None,
    "remote_id": None,
    "charged_at": None,
    "released_at": None,
}
_TASK_DECODER = msgspec.msgpack.Decoder(Task)


# ── events ─────────────────────────────────────────────────────────────────────────────────────────────────────


def known_hashes(connection: sa.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """Content hashes of the events already folded, by key."""
    found: dict[bytes, bytes] = {}
    for some in bulk.slices(keys):
        wanted = sa.select(events.c.key, events.c.hash).where(bulk.among(connection, events.c.key, some))
        found.update(connection.execute(wanted).all())
    return found


def event_row(
    event: Event, account: str, history: bool, names: tuple[bytes, bytes] | None = None
) -> dict[str, Any]:
    """The event's row; `names` are its key and content hash as sent, where they are known already."""
    key, content = names or (event.key, event.content_hash)
    return {
        "key": key,
        "hash": content,
        "account": account,
        "time": event.time,
        "type": event.type,
        "source": event.source,
        "id": event.id,
        "contact": event.contact,
        "data": event.data,
        "received_at": event.received_at,
        "timed": event.timed,
        "history": history,
    }


def event_of(row: Any) -> Event:
    """The event of a row."""
    return Event(
        row.id, row.source, row.type, row.time, row.account, row.contact, row.data, row.received_at, row.timed
    )


def histories(connection: sa.Connection, accounts: Sequence[str]) -> dict[str, list[Event]]:
    """All events of these accounts, oldest first."""
    found: dict[str, list[Event]] = {}
    for some in bulk.slices(accounts):
        wanted = sa.select(events).where(events.c.account.in_(some))
        for row in connection.execute(wanted.order_by(events.c.account, events.c.time)):
            found.setdefault(row.account, []).append(event_of(row))
    return found


# ── journeys and decisions ─────────────────────────────────────────────────────────────────────────────────────


def save_journeys(connection: sa.Connection, moved: Iterable[Journey]) -> None:
    """The journeys as they are now."""
    rows = [
        {
            "id": journey.id,
            "account": journey.account,
            "play": journey.play,
            "version": journey.version,
            "key": journey.key,
            "status": journey.status.value,
            "reason": journey.reason,
            "step": journey.step,
            "started_at": journey.started_at,
            "ended_at": journey.ended_at,
            "wakes_at": journey.wakes_at,
            "arm": journey.arm,
        }
        for journey in moved
    ]
    bulk.upsert(connection, journeys, rows)


def save_decisions(connection: sa.Connection, made: Iterable[Decision]) -> None:
    """The decisions; one that is already there (the same id) stays as it was."""
    unique = {decision.id: msgspec.structs.asdict(decision) for decision in made}
    bulk.insert_new(connection, decisions, list(unique.values()))


# ── messages ───────────────────────────────────────────────────────────────────────────────────────────────────


def message_row(message: Message) -> dict[str, Any]:
    """The columns of a message that judgement and its makers decide."""
    row = {name: getattr(message, name) for name in _MESSAGE_FIELDS}
    row["status"], row["cls"] = message.status.value, message.cls.value
    row["reason"] = None if message.reason is None else message.reason.value
    return row


def message_of(row: Any) -> Message:
    """The message of a row."""
    values = {name: getattr(row, name) for name in _MESSAGE_FIELDS}
    values["status"], values["cls"] = Status(row.status), MessageClass(row.cls)
    values["reason"] = None if row.reason is None else Reason(row.reason)
    return Message(**values)


def insert_messages(connection: sa.Connection, made: Iterable[Message]) -> None:
    """New messages, waiting to be judged; one that exists already (the same identity) is left alone."""
    rows = [{**message_row(message), **_NOT_TRIED} for message in made]
    bulk.insert_new(connection, messages, rows)


def cancel_messages(connection: sa.Connection, ended: Sequence[str], now: Instant) -> set[str]:
    """Messages of ended journeys that were not handed over die with them, each with its decision; answers whose."""
    if not ended:
        return set()
    waiting = sa.and_(
        messages.c.journey.in_(list(ended)),
        messages.c.status.in_(("queued", "held")),
        messages.c.delivery.in_(("new", "claimed")),
    )
    doomed = connection.execute(sa.select(messages).where(waiting)).all()
    if not doomed:
        return set()
    connection.execute(
        sa.update(messages)
        .where(messages.c.id.in_([row.id for row in doomed]))
        .values(status="cancelled", reason="journey_ended", delivery="settled", next_attempt_at=None)
    )
    save_decisions(connection, [_cancelled(row, now) for row in doomed])
    return {row.contact for row in doomed}


def _cancelled(row: Any, now: Instant) -> Decision:
    about = {"play": row.play, "version": row.version, "journey": row.journey, "message": row.id}
    checks = [{"check": "journey", "passed": False, "saw": "ended"}]
    return decide(
        now, row.account, "send", "cancelled", "journey_ended", contact=row.contact, checks=checks, **about
    )


# ── tasks ──────────────────────────────────────────────────────────────────────────────────────────────────────


def open_tasks_of(connection: sa.Connection, accounts: Sequence[str]) -> list[Task]:
    """Tasks of these accounts that are not closed."""
    if not accounts:
        return []
    wanted = sa.select(tasks.c.value).where(tasks.c.account.in_(list(accounts)), tasks.c.status != "closed")
    return [task_of(raw) for raw in connection.execute(wanted.order_by(tasks.c.created_at)).scalars()]


def task_of(raw: bytes) -> Task:
    """The task from its stored value."""
    return _TASK_DECODER.decode(raw)


def save_tasks(connection: sa.Connection, changed: Iterable[tuple[Task, Instant | None]]) -> None:
    """Tasks as they are now, each with the instant at which time alone changes it next."""
    bulk.upsert(connection, tasks, [_task_row(task, sla_at) for task, sla_at in changed])


def _task_row(task: Task, sla_at: Instant | None) -> dict[str, Any]:
    return {
        "id": task.id,
        "account": task.account,
        "owner": task.owner,
        "type": task.type,
        "reason": task.reason,
        "title": task.title,
        "play": task.play,
        "journey": task.journey,
        "status": task.status.value,
        "priority": task.priority,
        "level": task.level,
        "breached": task.breached,
        "first_touch_by": task.first_touch_by,
        "resolve_by": task.resolve_by,
        "sla_at": None if task.status is TaskStatus.CLOSED else sla_at,
        "outcome": None if task.outcome is None else task.outcome.value,
        "created_at": task.created_at,
        "value": msgspec.msgpack.encode(task),
    }
