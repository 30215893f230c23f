"""Worlds in which plays meet: written once, lived through live (the simulator) and tried (a play's back-test)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from backtest.worlds import told
from builders import START
from channels.policies import Policies
from journeys.backtest.question import Question
from journeys.definitions import Draft, parse
from journeys.playtest.basis import Basis
from journeys.playtest.report import run
from journeys.scenarios.stage import Stage
from journeys.store.tables import decisions, journeys, messages
from mailroom import COMPOSER
from signals.event import Event
from signals.instant import Instant

TEXTS = [
    {"key": key, "channel": channel, "class": "marketing", "subject": key.title(), "body": f"{key} it is."}
    for key, channel in (("hi", "email"), ("more", "email"), ("news", "email"), ("shown", "in_app"))
]
HI, MORE, NEWS = (
    {"message": {"to": "champion", "channel": "email", "content": key}} for key in ("hi", "more", "news")
)


def person(account: str, contact: str, day: float, roles: Sequence[str] = ("champion",)) -> Event:
    """Somebody with an address, in these roles."""
    known = {"attributes": {"email": f"{contact}@{account}.example.com"}, "roles": list(roles)}
    made = told(account, "crm.contact_updated", day, **known)
    return by(made, f"{account}.{contact}")


def by(happened: Event, contact: str) -> Event:
    """The event, of this contact."""
    h = happened
    return Event(h.id, h.source, h.type, h.time, h.account, contact, h.data, h.received_at)


def drafts(plays: Iterable[dict[str, Any]], **policies: Any) -> list[Draft]:
    """These plays with their texts; every policy that is not named is off."""
    found = [parse("plays", body) for body in plays] + [parse("content", text) for text in TEXTS]
    return [*found, Draft("policies", "policies", {}, Policies.only({"lint": "off", **policies}))]


def histories(happened: Iterable[Event]) -> list[list[Event]]:
    """The events by account."""
    ordered = sorted(happened, key=lambda event: str(event.account))
    return [list(mine) for _, mine in groupby(ordered, key=lambda event: event.account)]


def tried(
    key: str, known: Sequence[Draft], happened: Iterable[Event], until: Instant, **asked: Any
) -> dict[str, Any]:
    """What the play would have done, beside the others."""
    play = next(draft for draft in known if (draft.kind, draft.key) == ("plays", key))
    basis = Basis(play, known, Question(until, **asked), COMPOSER, "UTC")
    return run(basis, histories(happened))


def lived(known: Sequence[Draft], happened: Sequence[Event], until: Instant) -> Stage:
    """The live service on a virtual clock: the same events, everything at its instant. To be closed."""
    stage = Stage(START)
    bodies: dict[str, Any] = {}
    for draft in known:
        if draft.kind == "policies":
            stage.policies = draft.model
            stage.named_policies = {}
        else:
            bodies.setdefault(draft.kind, []).append(draft.body)
    stage.define(bodies)
    assert not stage.refused
    for at, mine in groupby(
        sorted(happened, key=lambda e: (e.received_at, e.id)), key=lambda e: e.received_at
    ):
        stage.run(at - 1)
        stage.happen(list(mine))
    stage.run(until)
    return stage


def ends(stage: Stage, key: str) -> dict[str, dict[str, int]]:
    """What became of the play's journeys and messages, what held them, and what kept journeys from starting."""
    with stage.database.read() as connection:

        def counted(table: sa.Table, *columns: str, **where: str) -> dict[str, int]:
            named = [table.c[name] for name in columns]
            mine = [table.c.play == key, *(table.c[name] == value for name, value in where.items())]
            rows = connection.execute(sa.select(*named).where(*mine))
            return dict(Counter(":".join(filter(None, row)) for row in rows))

        held = sa.select(decisions.c.message, decisions.c.reason).where(
            decisions.c.play == key, decisions.c.outcome == "held"
        )
        settled = counted(messages, "status", "reason")
        return {
            "journeys": counted(journeys, "status", "reason"),
            "messages": {k: n for k, n in settled.items() if not k.startswith(("queued", "held"))},
            "waiting": {k: n for k, n in settled.items() if k.startswith(("queued", "held"))},
            "held": dict(Counter(row.reason for row in connection.execute(held.distinct()))),
            "not_started": counted(decisions, "reason", subject="start", outcome="not_started"),
        }


def said(told: dict[str, Any]) -> dict[str, dict[str, int]]:
    """The same of a back-test; how many wait, whatever for."""
    return {
        "journeys": told["journeys"]["ended"],
        "messages": told["messages"]["ended"],
        "held": told["held"],
        "not_started": told["journeys"]["not_started"],
    }
