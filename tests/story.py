"""A small story to read: two accounts with the same fate, one of them named by somebody who means harm."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from journeys.store.database import Database
from journeys.store.tables import dead_letters
from seen import Town, playbook
from signals.event import Event
from signals.instant import DAY, HOUR, MINUTE, Instant, parse_instant

MONDAY = parse_instant("2026-03-02T00:00:00Z")
NOW = parse_instant("2026-03-03T01:00:00Z")
"""Tuesday night: what was held on Monday still waits for the morning."""

HARM = "<img src=x onerror=alert(1)>"
"""What must never run, on any page."""

ACME, EVIL = "acme", "evil"
Tell = Callable[..., None]


class Story:
    """Events in order, told in short."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, at: Instant, kind: str, account: str, contact: str | None = None, **data: Any) -> None:
        """One more event."""
        number = f"{account}-{len(self.events):04d}"
        self.events.append(Event(number, "tests", kind, at, account, contact, data, at))

    def account(self, key: str, name: str, person: str) -> None:
        """An account that uses the product for a week, has trouble on Monday, and says so."""
        start = MONDAY - 60 * DAY
        ann, bob = f"{key}.ann", f"{key}.bob"
        renews = "2026-12-01T00:00:00Z"
        known = {
            "name": name,
            "owner": "nadia.brandt",
            "plan": "enterprise",
            "renews_at": renews,
            "mrr": 1200,
        }
        self.tell(start, "crm.account_updated", key, attributes=known)
        self._person(
            start + MINUTE, key, ann, {"name": person, "email": f"ann@{key}.example.com"}, ["champion"]
        )
        self._person(
            start + 2 * MINUTE, key, bob, {"name": "Bob", "email": f"bob@{key}.example.com"}, ["admin"]
        )
        self.tell(start + HOUR, "product.milestone_reached", key, milestone="activated")
        for day in range(1, 8):
            morning = MONDAY - day * DAY + 8 * HOUR
            for number in range(14):
                self.tell(morning + number * MINUTE, "product.login", key, ann if number % 2 else bob)
            self.tell(morning + HOUR, "product.report_viewed", key, ann, report="weekly")
        for number in range(3):
            at = MONDAY + 9 * HOUR + number * 10 * MINUTE
            self.tell(at, "support.ticket_opened", key, ann, ticket=f"T{number}", topic=name, priority="high")
        self.tell(MONDAY + 12 * HOUR, "survey.nps_received", key, ann, score=3, comment=name)

    def _person(self, at: Instant, account: str, key: str, known: dict[str, str], roles: list[str]) -> None:
        self.tell(at, "crm.contact_updated", account, key, attributes=known, roles=roles)


def told(database: Database) -> None:
    """The database with the story in it, and a dead letter."""
    story = Story()
    story.account(ACME, "Acme Works", "Ann Lee")
    story.account(EVIL, f"{HARM} Ltd", f"{HARM} Lee")
    town = Town(database, playbook(MONDAY))
    days: dict[int, list[Event]] = {}
    for event in sorted(story.events, key=lambda event: (event.time, event.id)):
        days.setdefault(event.time // DAY, []).append(event)
    for day, events in sorted(days.items()):
        town.day(events, (day + 1) * DAY - 1)
    with database.write() as connection:
        connection.execute(sa.insert(dead_letters), [dead_letter(number) for number in range(3)])


def dead_letter(number: int) -> dict[str, Any]:
    """Something that could not be read, with harm in its reason and in its bytes."""
    return {
        "id": f"dead-{number}",
        "at": MONDAY + number * HOUR,
        "reason": "malformed",
        "detail": f"byte 0: {HARM} is not JSON",
        "partition": "log-0",
        "offset": number,
        "value": HARM.encode() + b"\xff\x00",
        "record_key": None,
        "headers": {},
        "replayed_at": None,
    }
