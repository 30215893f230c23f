"""A small house to let records into: the real service on a real database, one play, mails and tasks."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from builders import START, play, playbook, signal
from journeys.playbook import Playbook
from journeys.service import Service
from journeys.store.database import Database
from plays.content import Content
from seen import composer
from signals.event import Event, encode
from signals.feeds.port import Record
from signals.instant import MINUTE, Instant

STRUCTURED = (("content-type", b"application/cloudevents+json"),)
"""Headers of a structured CloudEvent on Kafka."""

FEED = "outside/0"
"""A partition that is not the embedded log's: what lies there is read as a CloudEvent."""

SPIKE = {"count": "support.ticket_opened", "in": "7d", "gte": 3}


def the_playbook() -> Playbook:
    """Three tickets in a week open a signal; it starts a play with a task, a mail, and a mail five days later."""
    steps = [
        {"id": "call", "task": {"to": "csm", "title": "Call {{ account.name }}"}},
        {"message": {"to": ["champion"], "content": "sorry", "class": "service"}},
        {"wait": {"for": "5d"}},
        {"message": {"to": ["champion"], "content": "sorry", "class": "service"}},
    ]
    calm = play(
        "calm", trigger={"signal": "spike"}, steps=steps, re_entry="30d", exit={"not": {"signal": "spike"}}
    )
    body = {"key": "sorry", "channel": "email", "class": "service", "subject": "Sorry, {{ account.name }}"}
    sorry = Content.model_validate({**body, "facts": ["account.name"], "body": "We look at your tickets."})
    return playbook(calm, signals=[signal("spike", when=SPIKE)], contents=[sorry])


BOOK = the_playbook()


def service(database: Database, book: Callable[[], Playbook] = lambda: BOOK) -> Service:
    """The use cases on this database."""
    return Service(database, book, composer())


def happening(
    number: int, kind: str, account: str | None, at: Instant, contact: str | None = None, **data: Any
) -> Event:
    """An event with an id of its own."""
    return Event(f"{kind}-{number}", "yard", kind, at, account, contact, data, at)


def story(account: str, start: Instant = START) -> list[Event]:
    """An account with a champion has trouble: three tickets within the hour, and a login later."""
    known = {"name": f"{account.title()} 🦔", "owner": "nadia"}
    ann = f"{account}.ann"
    told = [
        happening(0, f"{account}.x", account, start),
        happening(0, "crm.account_updated", account, start, attributes=known),
        happening(
            0,
            "crm.contact_updated",
            account,
            start,
            ann,
            attributes={"email": f"ann@{account}.example.com"},
            roles=["champion"],
        ),
    ]
    told += [
        happening(
            number,
            "support.ticket_opened",
            account,
            start + (number + 1) * 10 * MINUTE,
            ann,
            ticket=f"T{number}",
        )
        for number in range(3)
    ]
    told.append(happening(9, "product.login", account, start + 60 * MINUTE, ann))
    return [_named(event, account) for event in told]


def _named(event: Event, account: str) -> Event:
    return Event(
        f"{account}-{event.id}", event.source, event.type, event.time, event.account, event.contact, event.data,
        event.received_at,
    )  # fmt: skip


def records(events: Iterable[Event], partition: str = FEED, first: int = 0) -> list[Record]:
    """The events as they lie in a partition."""
    return [
        Record(
            partition,
            first + number,
            encode(event),
            STRUCTURED,
            (event.account or "").encode(),
            event.received_at,
        )
        for number, event in enumerate(events)
    ]


def raw(value: bytes | None, offset: int, partition: str = FEED) -> Record:
    """A record of these bytes."""
    return Record(partition, offset, value, STRUCTURED, b"key", START)


def cloud(identifier: str, kind: str, **about: Any) -> bytes:
    """A structured CloudEvent as somebody else writes it."""
    body = {"specversion": "1.0", "id": identifier, "source": "elsewhere", "type": kind}
    return orjson.dumps({**body, "time": "2026-03-02T09:00:00Z", "data": {}, **about})


class ListFeed:
    """Partitions in memory, behind the feed port; a batch is of one partition."""

    def __init__(self, lying: Sequence[Record]) -> None:
        self.lying = list(lying)
        self.next: dict[str, int] = {}
        self.closed = 0

    def poll(self, limit: int, timeout: float) -> Sequence[Record]:
        for name in dict.fromkeys(record.partition for record in self.lying):
            begin = self.next.get(name, 0)
            found = [each for each in self.lying if each.partition == name and each.offset >= begin][:limit]
            if found:
                self.next[name] = found[-1].offset + 1
                return found
        return []

    def rewind(self, partition: str, offset: int) -> None:
        self.next[partition] = offset

    def oldest_unread(self) -> Instant | None:
        waiting = [each.received_at for each in self.lying if each.offset >= self.next.get(each.partition, 0)]
        return min(waiting, default=None)

    def close(self) -> None:
        self.closed += 1
        self.next.clear()
