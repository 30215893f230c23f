"""Who a text is tried on: the shipped sample profiles, and what an event may say. Pure but for reading its own file."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from journeys.playbook import Playbook
from journeys.react import live_through
from journeys.state import new_state
from signals.event import Event
from signals.instant import DAY, Instant, iso
from signals.profile import Profile

_AGES = (800, 20, 400, 3_000, 90, 150, 500, 1_100)
"""Days each of the sample accounts has been there."""


@lru_cache(maxsize=1)
def _file() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
    return loaded


def sample_profiles(playbook: Playbook, now: Instant) -> list[Profile]:
    """The sample accounts as their events make them under these definitions; plays take no part."""
    return [
        _lived(body, now - age * DAY, now, playbook)
        for body, age in zip(_file()["accounts"], _AGES, strict=True)
    ]


def _lived(body: dict[str, Any], since: Instant, now: Instant, playbook: Playbook) -> Profile:
    state = new_state(body["id"], since)
    for event in _events(body, since, now):
        state = live_through(state, event, playbook, event.time)[-1].state
    reactions = live_through(state, None, playbook, now)
    return (reactions[-1].state if reactions else state).profile


def _events(body: dict[str, Any], since: Instant, now: Instant) -> Iterator[Event]:
    numbers = count()

    def told(kind: str, at: Instant, data: dict[str, Any], contact: str | None = None) -> Event:
        return Event(f"{body['id']}-{next(numbers)}", "sample", kind, at, body["id"], contact, data, at)

    named = {"name": body["name"]} if "name" in body else {}
    renews = {"renews_at": iso(now + body["renews_in"] * DAY)} if "renews_in" in body else {}
    attributes = {**body.get("attributes", {}), **named, **renews, "created_at": iso(since)}
    yield told("crm.account_updated", since, {"attributes": attributes})
    for person in body["contacts"]:
        given = {name: value for name, value in person.items() if name not in ("id", "roles")}
        yield told(
            "crm.contact_updated", since, {"attributes": given, "roles": person["roles"]}, person["id"]
        )
    for milestone in body.get("milestones", ()):
        yield told("product.milestone_reached", since + DAY, {"milestone": milestone})
    for place in range(body.get("orders", 0), 0, -1):
        yield told("billing.order_placed", now - place * 2 * DAY, {"order": f"O-{place}", "amount": 24.9})
    for place in range(body.get("tickets", 0), 0, -1):
        yield told("support.ticket_opened", now - place * DAY, {"ticket": f"T-{place}", "priority": "high"})


def sample_data(paths: Iterable[str]) -> tuple[dict[str, Any], bool]:
    """An event's `data` in which these dotted paths have a value, and whether one of them had to be made up."""
    known = _file()["fields"]
    data: dict[str, Any] = {}
    made_up = False
    for path in sorted(paths, key=len, reverse=True):
        *parents, last = path.split(".")
        inner = data
        for parent in parents:
            inner = inner.setdefault(parent, {})
        is_date = last.endswith(("_at", "_on", "_date"))
        inner.setdefault(last, known.get(last, known["due_at"] if is_date else "sample"))
        made_up = made_up or not (is_date or last in known)
    return data, made_up
