"""What happens in a crash schedule: a small playbook and a generated stream of events, all from one seed."""

from random import Random
from typing import Any, NamedTuple

import orjson
from msgspec.structs import replace

from builders import START, play, playbook, signal
from journeys.playbook import Playbook
from plays.content import Content
from signals.event import Event, encode
from signals.feeds.port import Record
from signals.instant import MINUTE

ACCOUNTS = ("ash", "birch", "cedar", "elm")
FEED = "outside/0"
"""The partition of the feed that stands in for Kafka: records with gaps, duplicates and poison."""

POLICIES = {
    "contact_cap": {"per_day": 3},
    "hold_ttl": "72h",
    "release_every": "1m",
    "control": {"percent": 15, "salt": "crash"},
}


def the_playbook() -> Playbook:
    """Mails in two steps with an exit, tasks and an in-app message on a signal."""
    mails = [
        {"message": {"to": "admin", "channel": "email", "content": "first"}},
        {"wait": {"for": "2h"}},
        {"message": {"to": "champion", "channel": "email", "content": "second", "topic": "tips"}},
    ]
    chase = [
        {"task": {"to": "csm", "title": "Call them"}},
        {"wait": {"for": "3h"}},
        {"message": {"to": "admin", "channel": "in_app", "content": "shown"}},
    ]
    gone = {"attribute": "account.status", "is": "cancelled"}
    spike = {"count": "support.ticket_opened", "in": "7d", "gte": 3}
    mailing = play("mail", steps=mails, exit=gone, re_entry="always", **_keyed())
    chasing = play("chase", steps=chase, trigger={"signal": "spike"}, re_entry="always")
    contents = [_content("first", "email"), _content("second", "email"), _content("shown", "in_app")]
    return playbook(
        mailing, chasing, signals=[signal("spike", when=spike)], contents=contents, policies=POLICIES
    )


def _keyed() -> dict[str, Any]:
    return {"journey_key": "event.data.n"}


def _content(key: str, channel: str) -> Content:
    return Content.model_validate(
        {"key": key, "channel": channel, "subject": f"The {key}", "body": "Hello {{ account.name }}."}
    )


class Call(NamedTuple):
    """One request of the client: events for the log, or one write of the API that is reacted to at once."""

    kind: str  # "log" or "write"
    events: tuple[Event, ...]


class Stream(NamedTuple):
    """Everything that will be handed in, in order."""

    calls: tuple[Call, ...]
    records: tuple[Record, ...]
    meanwhile: tuple[Event, ...]  # writes that come in while the dispatcher talks to the provider


def make(identifier: str, kind: str, account: str | None, contact: str | None = None, **data: Any) -> Event:
    """An event with a time of its own: a retry is the same content."""
    return Event(identifier, "crash", kind, START - MINUTE, account, contact, data, START)


def at(event: Event, now: int) -> Event:
    """The event as it is received at this instant, which is its time where it has none of its own."""
    return replace(event, received_at=now, time=event.time if event.timed else now)


def stream(seed: int) -> Stream:
    """The stream of this seed."""
    random = Random(f"stream/{seed}")
    calls = [Call("log", tuple(_people(account))) for account in ACCOUNTS]
    seen: list[Event] = []
    for number in range(random.randint(8, 16)):
        if random.random() < 0.3:
            calls.append(Call("write", (_word(random, f"w{number}"),)))
        else:
            batch = tuple(
                _happening(random, f"h{number}.{place}", seen) for place in range(random.randint(1, 4))
            )
            calls.append(Call("log", batch))
    records = _records(random, seen)
    meanwhile = tuple(_word(random, f"m{number}") for number in range(8))
    return Stream(tuple(calls), records, meanwhile)


def _people(account: str) -> list[Event]:
    found = []
    for role in ("admin", "champion"):
        contact = f"{account}.{role}"
        data = {"attributes": {"email": f"{contact}@example.com"}, "roles": [role]}
        found.append(make(f"{contact}/made", "crm.contact_updated", account, contact, **data))
    return found


def _happening(random: Random, identifier: str, seen: list[Event]) -> Event:
    """Something ordinary, the same again, the same id with other content, or an event without a home."""
    account = random.choice(ACCOUNTS)
    dice = random.random()
    if seen and dice < 0.1:
        return random.choice(seen)
    if seen and dice < 0.18:
        known = random.choice(seen)
        return make(known.id, known.type, known.account, None, n=f"other/{identifier}")
    if dice < 0.23:
        return make(identifier, "product.used", None, "nobody")
    kinds = ("go", "go", "support.ticket_opened", "product.used")
    found = make(identifier, random.choice(kinds), account, None, n=identifier)
    seen.append(found)
    return found


def _word(random: Random, identifier: str) -> Event:
    """What a person says or does through the API: leaves a topic, ends the contract, comes back."""
    account = random.choice(ACCOUNTS)
    contact = f"{account}.{random.choice(('admin', 'champion'))}"
    dice = random.random()
    if dice < 0.2:
        return _untimed(make(identifier, "engagement.unsubscribed", account, contact))
    if dice < 0.3:
        return _untimed(make(identifier, "contact.suppressed", account, contact))
    status = "cancelled" if dice < 0.65 else "active"
    return _untimed(make(identifier, "crm.account_updated", account, None, attributes={"status": status}))


def _untimed(event: Event) -> Event:
    return replace(event, timed=False)


def _records(random: Random, seen: list[Event]) -> tuple[Record, ...]:
    """The feed's records: offsets with gaps, duplicates of what came over HTTP, and bytes that are no event."""
    found, offset = [], random.randint(0, 5)
    for number in range(random.randint(6, 14)):
        dice = random.random()
        if dice < 0.15:
            value: bytes = random.choice((b"\xff\xfe", b"[]", b'{"specversion":"1.0"}'))
        elif dice < 0.35 and seen:
            value = encode(random.choice(seen))
        else:
            value = encode(_happening(random, f"f{number}", seen))
        headers = (("content-type", b"application/cloudevents+json"),)
        found.append(Record(FEED, offset, value, headers, None, START + number * 9 * MINUTE))
        offset += random.choice((1, 1, 1, 2, 5))
    return tuple(found)


def event_in(record: Record) -> Event | None:
    """The event of a record of the feed; None where its bytes are none."""
    try:
        body = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict) or "id" not in body:
        return None
    event = make(body["id"], body["type"], body.get("account"), body.get("contact"))
    return Event(event.id, body["source"], event.type, event.time, event.account, event.contact, body["data"])
