"""Histories of two accounts and three people who turn out to be one, and what is left of them in a database."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from hypothesis import strategies as st

from builders import START, playbook, signal
from journeys.scenarios.stage import fresh_database
from journeys.store.accounts import load
from journeys.store.consent import strictest
from journeys.store.database import Database
from journeys.store.tables import accounts, consents, events, suppressions
from signals.conditions import Moment, compile_condition
from signals.event import Event
from signals.instant import DAY, HOUR
from signals.profile import Profile
from yard import records, service

CONDITIONS: list[dict[str, Any]] = [
    {"count": "used", "in": "7d", "gte": 2},
    {"count": "used", "by": "champion", "gte": 1},
    {"distinct": "used", "of": "contact", "gte": 2},
    {"sum": "paid", "of": "amount", "gte": 3},
    {"latest": "used", "where": {"amount": {"gte": 2}}},
    {"absent": "used", "for": "3d", "by": "champion"},
    {"sequence": ["used", "paid"], "within": "3d", "in": "60d", "same": "amount"},
    {"role": "champion", "vacant": True},
    {"attribute": "account.plan", "is": "pro", "for": "2d"},
    {"attribute": "account.open_tickets", "gte": 2},
    {"reached": "live", "for": "2d"},
    {"tag": "vip"},
]
NODES = [compile_condition(condition) for condition in CONDITIONS]
BOOK = playbook(signals=[signal(f"s{place}", when=when) for place, when in enumerate(CONDITIONS)])
END = START + 20 * DAY

_PEOPLE = ("ann", "ann.a", "ann.b")
_ACCOUNTS = ("acme", "beta")
_amounts = st.sampled_from([1, 2, 3])
_roles = st.sampled_from([["champion"], ["champion", "admin"], ["admin"], []])
_plans = st.sampled_from(["pro", "free", None])
_topics = st.sampled_from(["", "tips"])

_happenings: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.one_of(
    st.tuples(st.sampled_from(["used", "used", "paid"]), _amounts.map(lambda amount: {"amount": amount})),
    st.tuples(st.just("crm.account_updated"), _plans.map(lambda plan: {"attributes": {"plan": plan}})),
    st.tuples(
        st.just("crm.contact_updated"),
        st.builds(lambda roles, name: {"roles": roles, "attributes": {"name": name}}, _roles, _plans),
    ),
    st.tuples(st.just("crm.contact_updated"), _plans.map(lambda name: {"attributes": {"name": name}})),
    st.tuples(st.just("crm.contact_left"), st.just({})),
    st.tuples(
        st.sampled_from(["support.ticket_opened", "support.ticket_solved"]),
        st.sampled_from(["T1", "T2"]).map(lambda ticket: {"ticket": ticket, "priority": "urgent"}),
    ),
    st.tuples(st.sampled_from(["crm.escalation_opened", "crm.escalation_closed"]), st.just({})),
    st.tuples(st.just("product.milestone_reached"), st.just({"milestone": "live"})),
    st.tuples(st.just("billing.order_placed"), _amounts.map(lambda amount: {"amount": amount})),
    st.tuples(
        st.just("account.tagged"), st.sampled_from(["add", "remove"]).map(lambda word: {word: ["vip"]})
    ),
    st.tuples(
        st.sampled_from(["engagement.unsubscribed", "engagement.subscribed"]),
        _topics.map(lambda topic: {"topic": topic}),
    ),
)
_hours = st.integers(0, 15 * 24).map(lambda hours: START + hours * HOUR)
_MERGES = [
    [],
    [("crm.account_merged", "acme", None, "beta")],
    [("crm.contact_merged", "acme", "ann", "ann.a")],
    [("crm.contact_merged", "acme", "ann.a", "ann.b"), ("crm.contact_merged", "beta", "ann", "ann.a")],
    [("crm.account_merged", "acme", None, "beta"), ("crm.contact_merged", "beta", "ann", "ann.b")],
    [
        ("crm.contact_merged", "beta", "ann.a", "ann.b"),
        ("crm.account_merged", "acme", None, "beta"),
        ("crm.contact_merged", "acme", "ann", "ann.b"),
        ("crm.contact_merged", "acme", "ann", "ann.a"),
    ],
]


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """What happened, and which of them turned out to be one, in order of time."""
    about = st.tuples(st.sampled_from(_ACCOUNTS), st.sampled_from(_PEOPLE))
    found = draw(st.lists(st.tuples(_hours, about, _happenings), max_size=14))
    happened = [
        Event(f"e{place:02}", "test", kind, at, account, contact, data, END)
        for place, (at, (account, contact), (kind, data)) in enumerate(found)
    ]
    merges = [
        Event(f"m{place}", "test", kind, draw(_hours), account, contact, {"from": old}, END)
        for place, (kind, account, contact, old) in enumerate(draw(st.sampled_from(_MERGES)))
    ]
    return sorted([*happened, *merges], key=lambda event: (event.time, event.id))


def folded(parts: Iterable[Sequence[Event]]) -> dict[str, Any]:
    """What is left after these batches, one after the other."""
    database, offset = fresh_database(), 0
    try:
        made = service(database, lambda: BOOK)
        for part in parts:
            lying = records(part, first=offset)
            offset += len(lying)
            if lying:
                made.take(lying, END)
        return left(database)
    finally:
        database.close()


def _without_joins(profile: Profile) -> Profile:
    """Whoever was never named by another id need not know that it was joined: an event that names it tells."""
    people = {name: msgspec.structs.replace(each, joins=[]) for name, each in profile.contacts.items()}
    return msgspec.structs.replace(profile, contacts=people, joins=[])


def left(database: Database) -> dict[str, Any]:
    """All that may depend on the events alone: what is known, every verdict, who may be written to, whose events."""
    found: dict[str, Any] = {}
    with database.read() as connection:
        for account in connection.execute(sa.select(accounts.c.id)).scalars().all():
            state = load(connection, account)
            assert state is not None
            profile = _without_joins(state.profile)
            verdicts = [node.test(Moment(profile, END)) for node in NODES]
            known = msgspec.to_builtins(
                msgspec.structs.replace(profile, measures={}, signals={}, seq=0, look_at=None, waits=None)
            )
            found[account] = {"known": known, "verdicts": verdicts}
        found["consents"] = strictest(connection.execute(sa.select(consents)))
        found["suppressed"] = sorted(connection.execute(sa.select(suppressions.c.address_key)).scalars())
        rows = connection.execute(
            sa.select(events.c.id, events.c.account, events.c.contact).where(events.c.source == "test")
        )
        found["events"] = sorted(tuple(row) for row in rows)
    found["consents"] = {who: sorted(said) for who, said in found["consents"].items()}
    return found
