"""A database with something to see in it: the demo's customers, a few plays, and a small dispatcher.

Real throughout (react, work, judge, composer); only the sending itself is left out: what may go is noted as sent.
"""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import sqlalchemy as sa

from channels.facts import ContentFailure, Facts
from channels.headers import Mailbox
from channels.judgement import Judgement, judge
from channels.message import Message, Status
from channels.policies import Policies
from channels.render import Renderer
from journeys.composer import Composer, Office
from journeys.demo.base import OPENING, CustomerBase, customer_base, team
from journeys.engine import TaskOrder
from journeys.journey import decide
from journeys.playbook import Playbook
from journeys.react import Settled
from journeys.store.database import Database
from journeys.store.outcomes import message_of, save_decisions
from journeys.store.tables import messages, metadata, renderings
from journeys.work import Work
from plays.content import Content
from plays.play import CompiledPlay, Play
from signals.definitions import HealthRules, Segment, Signal, Stage
from signals.event import Event
from signals.instant import DAY, Instant
from signals.profile import Profile

TEMPLATES = Path(__file__).parents[1] / "templates"

SIGNALS = [
    {
        "key": "ticket_spike",
        "when": {"count": "support.ticket_opened", "in": "7d", "gte": 3},
        "severity": "critical",
    },
    {"key": "champion_left", "when": {"role": "champion", "vacant": True}, "severity": "critical"},
    {
        "key": "payment_failed",
        "when": {"missed": "billing.invoice_paid", "after": "billing.payment_failed", "for": "0s"},
    },
    {"key": "detractor", "when": {"latest": "survey.nps_received", "where": {"score": {"lte": 6}}}},
    {
        "key": "stalled_adoption",
        "when": {"not_reached": "activated", "since": "account.created_at", "for": "14d"},
    },
    {
        "key": "usage_drop",
        "levels": [
            {
                "when": {"change": "product.*", "in": "14d", "against": "56d", "lte": -0.3},
                "severity": "warning",
            },
            {
                "when": {"change": "product.*", "in": "14d", "against": "56d", "lte": -0.5},
                "severity": "critical",
            },
        ],
    },
    {
        "key": "contract_approaching",
        "dates": {"attribute": "account.renews_at", "before": ["90d", "30d"]},
        "severity": "info",
    },
]
SEGMENTS = [
    {
        "key": "at_risk",
        "tag": True,
        "enter": {"any": [{"signal": "ticket_spike"}, {"signal": "champion_left"}, {"signal": "usage_drop"}]},
    },
    {"key": "enterprise", "enter": {"attribute": "account.plan", "is": "enterprise"}},
]
STAGES = [
    {"key": "churned", "when": {"attribute": "account.status", "is": "cancelled"}},
    {"key": "onboarding", "when": {"not_reached": "activated", "since": "account.created_at", "for": "0s"}},
    {"key": "adoption", "when": {"attribute": "account.created_at", "exists": True}},
]
PLAYS = [
    {
        "key": "calm-the-storm",
        "group": "care",
        "priority": 80,
        "trigger": {"signal": "ticket_spike"},
        "re_entry": "30d",
        "exit": {"not": {"signal": "ticket_spike"}},
        "steps": [
            {
                "id": "call",
                "task": {
                    "to": "csm",
                    "title": "Call {{ account.name }} about their tickets",
                    "sla": "standard",
                },
            },
            {"message": {"to": ["champion", "admin"], "content": "sorry-tickets", "class": "service"}},
            {"wait": {"for": "5d"}},
            {"message": {"to": ["champion", "admin"], "content": "after-care", "topic": "product_tips"}},
        ],
    },
    {
        "key": "rescue-usage",
        "group": "care",
        "priority": 60,
        "trigger": {"signal": "usage_drop"},
        "steps": [
            {"message": {"to": ["champion", "admin"], "content": "usage-ideas", "topic": "product_tips"}},
            {"wait": {"for": "7d"}},
            {"task": {"to": "csm", "title": "Review usage with {{ account.name }}"}},
        ],
    },
    {
        "key": "find-a-champion",
        "trigger": {"signal": "champion_left"},
        "steps": [{"task": {"to": "csm", "title": "Find a new champion at {{ account.name }}"}}],
    },
    {
        "key": "welcome-back-detractor",
        "trigger": {"signal": "detractor"},
        "steps": [
            {"message": {"to": ["champion", "admin"], "content": "after-care", "topic": "product_tips"}}
        ],
    },
]
CONTENTS = [
    {
        "key": "sorry-tickets",
        "channel": "email",
        "class": "service",
        "subject": "{{ account.name }}: about your open tickets",
        "facts": ["account.name", "contact.name"],
        "body": "Hello {{ contact.name }},\n\nyou opened **several tickets** this week. One person now looks at all of them, and will call you.\n\n- no need to explain again\n- you can simply answer this mail\n\nYour team at Example",
    },
    {
        "key": "after-care",
        "channel": "email",
        "topic": "product_tips",
        "subject": "Is everything as it should be?",
        "facts": ["contact.name"],
        "body": "Hello {{ contact.name }},\n\nis everything as you want it? A short answer is enough.",
    },
    {
        "key": "usage-ideas",
        "channel": "email",
        "topic": "product_tips",
        "subject": "Three ideas for {{ account.name }}",
        "facts": ["account.name"],
        "body": "Three things other teams of your size do each week:\n\n1. plan on Monday\n2. share one report\n3. close on Friday",
    },
]


HEALTH = {
    "version": "seen",
    "measures": [
        {
            "key": "logins",
            "value": {"count": "product.login", "in": "14d"},
            "map": [[0, 0], [100, 100]],
            "weight": 3,
        },
        {
            "key": "tickets",
            "value": {"count": "support.ticket_opened", "in": "14d"},
            "map": [[0, 100], [4, 0]],
            "weight": 2,
        },
        {"key": "nps", "value": {"attribute": "account.nps"}, "map": [[0, 0], [10, 100]], "weight": 1},
    ],
    "flags": [{"key": "unhappy", "when": {"attribute": "account.nps", "lte": 3}, "cap": "red"}],
}


def playbook(today: Instant) -> Playbook:
    """A few signals, segments, stages and plays of the shipped kind."""
    return Playbook(
        signals=[Signal.model_validate(body) for body in SIGNALS],
        segments=[Segment.model_validate(body) for body in SEGMENTS],
        stages=[Stage.model_validate(body) for body in STAGES],
        health=HealthRules.model_validate(HEALTH),
        plays=[CompiledPlay(Play.model_validate(body)) for body in PLAYS],
        contents=[Content.model_validate(body) for body in CONTENTS],
        policies=Policies.read({"team": team(today)}),
    )


def composer() -> Composer:
    """Renders with the shipped frame."""
    office = Office(
        sender=Mailbox("care@example.com", "Example Care"),
        postal="Example Ltd, 1 Example Street, Exampletown",
        base_url="https://journeys.example.com",
        secret="only for tests",
    )
    return Composer(Renderer.from_dir(TEMPLATES), office)


class Town:
    """The customers' year lived through day by day, what is due sent at the end of each day."""

    def __init__(self, database: Database, book: Playbook) -> None:
        self.database, self.book, self.composer = database, book, composer()
        self._sends: dict[str, list[Instant]] = {}
        with database.write() as connection:
            metadata.create_all(connection)

    def live(self, base: CustomerBase) -> None:
        """The whole year."""
        for day, events in groupby(base.events(), key=lambda event: event.time // DAY):
            self.day(events, (day + 1) * DAY - 1, base.start + OPENING)
        self.tick(base.end)

    def day(self, events: Iterable[Event], evening: Instant, history_until: Instant = 0) -> None:
        """One day's events, then an evening in which messages go."""
        taken = list(events)
        with self.database.write() as connection:
            work = Work(connection, self.book, self._wording, {event.account or "" for event in taken})
            for event in taken:
                assert event.account is not None
                work.feel(event.account, event, event.received_at, event.time < history_until)
            work.save()
            self._send(connection, evening)

    def tick(self, now: Instant) -> None:
        """Time alone passes for everyone."""
        with self.database.write() as connection:
            due = list(connection.execute(sa.text("SELECT id FROM accounts")).scalars())
            work = Work(connection, self.book, self._wording, due)
            for account in due:
                work.feel(account, None, now)
            work.save()

    def _wording(self, order: TaskOrder, profile: Profile) -> tuple[str, str]:
        return self.composer.task(order, profile, self.book)

    def _send(self, connection: sa.Connection, now: Instant) -> None:
        waiting = messages.c.status.in_(("queued", "held")) & (messages.c.next_attempt_at <= now)
        due = [message_of(row) for row in connection.execute(sa.select(messages).where(waiting))]
        if not due:
            return
        work = Work(connection, self.book, self._wording, {message.account for message in due})
        for message in due:
            at = max(message.next_attempt_at or now, message.due_at)
            profile = work.states[message.account].profile
            verdict = self._judge(connection, message, profile, at)
            if verdict.outcome.is_settled:
                work.feel(message.account, Settled(message.journey, frozenset({message.id})), now)
        work.save()

    def _judge(self, connection: sa.Connection, message: Message, profile: Profile, at: Instant) -> Judgement:
        made = self.composer.compose(message, profile, None, self.book, at)
        facts = Facts(
            journey_live=True,
            contact_open=profile.contacts[message.contact].left_at is None,
            readable=True,
            suppression=None,
            topic_consent=None,
            channel_consent=None,
            contact_sends=tuple(self._sends.get(message.contact, ())),
            zones=("Europe/Berlin",),
            content_failure=made if isinstance(made, ContentFailure) else None,
        )
        verdict = judge(message, facts, self.book.policies, at)
        after = verdict.applied_to(message)
        changes = {
            "status": verdict.outcome.value,
            "reason": after.reason.value if after.reason else None,
            "next_attempt_at": after.next_attempt_at if verdict.outcome is Status.HELD else None,
        }
        if verdict.may_go:
            assert not isinstance(made, ContentFailure)
            self._sends.setdefault(message.contact, []).append(at)
            changes |= {"sent_at": at, "subject": made.subject, "delivery": "settled"}
            rendering = {"message": message.id, "subject": made.subject, "text": made.text, "html": made.html}
            connection.execute(sa.insert(renderings), [rendering])
        connection.execute(sa.update(messages).where(messages.c.id == message.id).values(changes))
        checks = [check.as_json() for check in verdict.checks]
        about = {"play": message.play, "version": message.version, "journey": message.journey}
        reason = after.reason.value if after.reason else None
        made_here = decide(
            at,
            message.account,
            "send",
            verdict.outcome.value,
            reason,
            contact=message.contact,
            message=message.id,
            checks=checks,
            **about,
        )
        save_decisions(connection, [made_here])
        return verdict


def filled(database: Database, today: Instant, accounts: int) -> CustomerBase:
    """The database with a year of this many customers in it."""
    base = customer_base(today, accounts=accounts)
    Town(database, playbook(today)).live(base)
    return base
