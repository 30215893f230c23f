"""What an event makes of the profile: the same for every order of arrival (I10), and what each type changes."""

from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import ACCOUNT, START, after_start, attributes, event, folded, person
from signals.attributes import account_value, interval_months, plain_account
from signals.event import Event
from signals.fold import after
from signals.instant import DAY, LATEST, Instant, iso
from signals.operators import MISSING
from signals.profile import Profile, address, holders, is_open, open_holds
from signals.watch import Watched

NOTHING_WATCHED = Watched()
LATER = after_start("90d")


def value(events: list[Event], name: str, now: Instant = LATER) -> Any:
    return account_value(folded(events, NOTHING_WATCHED, now=now), (name,), now)[0]


def seen(profile: Profile) -> dict[str, Any]:
    """Everything about a profile that a verdict, an addressee or a judgement can rest on."""
    return {
        "account": plain_account(profile, LATER),
        "contacts": {
            name: (
                {key: writes[-1].value for key, writes in contact.attributes.items()},
                is_open(contact),
                contact.suppressed,
                contact.first_seen,
                profile.seen[contact.id],
            )
            for name, contact in profile.contacts.items()
        },
        "roles": {role: holders(profile, role, LATER) for role in ("champion", "admin")},
        "holds": open_holds(profile, LATER),
        "milestones": profile.milestones,
        "tags": profile.tags,
        "created_at": profile.created_at,
    }


def in_every_order(events: list[Event]) -> list[dict[str, Any]]:
    """What is seen of the profile for each order of arrival, without repetitions."""
    found: list[dict[str, Any]] = []
    for order in permutations(events):
        state = seen(folded(order, NOTHING_WATCHED, now=LATER))
        found += [] if state in found else [state]
    return found


_texts = st.sampled_from(["pro", "free", "", None, 1])
_people = st.sampled_from(["ann", "bob"])
_kinds: list[tuple[str, st.SearchStrategy[dict[str, Any]]]] = [
    ("crm.account_updated", st.builds(lambda v: {"attributes": {"plan": v}}, _texts)),
    (
        "crm.account_updated",
        st.just({"attributes": {"created_at": "2026-01-01"}}),
    ),
    (
        "crm.contact_updated",
        st.builds(
            lambda r: {"roles": r},
            st.sampled_from([["champion"], [], ["admin", "champion"], [{"role": "admin"}]]),
        ),
    ),
    ("crm.contact_updated", st.builds(lambda v: {"attributes": {"email": v}}, _texts)),
    ("crm.contact_left", st.just({})),
    (
        "support.ticket_opened",
        st.builds(lambda p: {"ticket": 1, "priority": p}, st.sampled_from(["urgent", "low"])),
    ),
    (
        "support.ticket_updated",
        st.builds(lambda p: {"ticket": 1, "priority": p}, st.sampled_from(["urgent", None])),
    ),
    ("support.ticket_solved", st.just({"ticket": 1})),
    ("crm.escalation_opened", st.just({})),
    ("crm.escalation_closed", st.just({})),
    ("account.hold_placed", st.builds(lambda r: {"reason": r}, st.sampled_from(["a", "b"]))),
    ("account.hold_released", st.sampled_from([{"reason": "a"}, {}])),
    ("product.milestone_reached", st.just({"milestone": "live"})),
    ("billing.order_placed", st.builds(lambda a: {"amount": a}, st.sampled_from([0.1, 2, "3", None]))),
    ("billing.subscription_changed", st.just({"plan": "team", "interval": "P1Y"})),
    ("billing.subscription_cancelled", st.just({})),
    ("survey.nps_received", st.builds(lambda s: {"score": s}, st.sampled_from([1, 9, "9"]))),
    ("engagement.bounced", st.sampled_from([{"bounce": "hard"}, {"bounce": "soft"}])),
    ("engagement.complained", st.just({})),
    ("contact.unsuppressed", st.just({})),
    (
        "account.tagged",
        st.sampled_from([{"add": ["vip"]}, {"remove": ["vip"]}, {"add": ["a"], "remove": ["b"]}]),
    ),
]


@st.composite
def tellings(draw: st.DrawFn) -> list[Event]:
    """A few events of a few types that change a profile, some of one instant: those of one domain meet often."""
    domain = draw(st.sampled_from(sorted({kind.split("_")[0] for kind, _ in _kinds})))
    about = [pair for pair in _kinds if pair[0].startswith(domain)] + draw(
        st.lists(st.sampled_from(_kinds), max_size=2)
    )
    people = draw(st.sampled_from([st.just("ann"), _people]))
    picked = draw(st.lists(st.tuples(st.sampled_from(about), st.integers(0, 6), people), max_size=6))
    return [
        Event(f"e{place}", "test", kind, START + hour, ACCOUNT, who, draw(data), LATER)
        for place, ((kind, data), hour, who) in enumerate(picked)
    ]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(tellings(), st.randoms(use_true_random=False))
def test_what_is_known_of_an_account_never_depends_on_the_order_of_arrival(
    events: list[Event], random: Any
) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    in_order = seen(folded(events, NOTHING_WATCHED, now=LATER))
    assert seen(folded(shuffled, NOTHING_WATCHED, now=LATER)) == in_order


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tellings())
def test_the_fold_leaves_the_profile_it_was_given_as_it_was(events: list[Event]) -> None:
    profile = Profile(id=ACCOUNT, created_at=START)
    for each in events:
        before = msgspec.msgpack.encode(profile)
        given_profile = profile
        profile, _ = after(given_profile, each, [], LATER)
        assert msgspec.msgpack.encode(given_profile) == before


# ── attributes and people ───────────────────────────────────────────────────────────────────────────────────────


def test_attributes_merge_one_level_deep() -> None:
    told = [
        attributes(plan="pro", limits={"a": 1, "b": 2}, note="x"),
        attributes("1h", limits={"a": 3}, note=""),
    ]
    profile = folded([*told, attributes("2h", plan=None)], NOTHING_WATCHED)
    found = [
        account_value(profile, path, LATER)[0]
        for path in (("plan",), ("limits", "b"), ("limits", "a"), ("note",))
    ]
    assert found == [MISSING, MISSING, 3, ""]


def test_the_latest_event_time_wins_and_of_one_instant_the_greater_source_and_id() -> None:
    events = [
        event("crm.account_updated", "2h", name="a", attributes={"plan": "old"}),
        event("crm.account_updated", "3h", name="b", attributes={"plan": "new"}),
        event("crm.account_updated", "3h", name="a", attributes={"plan": "smaller"}),
    ]
    assert {value(list(order), "plan") for order in permutations(events)} == {"new"}


def test_an_account_is_as_old_as_it_says_else_as_its_first_event() -> None:
    assert value([event("a", "1d"), event("a", "-3d")], "created_at") == "2026-02-27T09:00:00Z"
    told = [event("a", "-3d"), attributes("1d", created_at="2026-03-01"), event("a", "-9d")]
    assert {value(list(order), "created_at") for order in permutations(told)} == {"2026-03-01T00:00:00Z"}


def test_a_role_is_held_longest_first_and_ends_with_the_set_that_leaves_it_out() -> None:
    events = [
        person("bob", "1d", roles=["champion"]),
        person("ann", "1d", roles=["champion"]),
        person("cyd", "2d", roles=[{"role": "champion", "since": "2026-01-01"}]),
        person("ann", "5d", roles=["admin"]),
    ]
    profile = folded(events, NOTHING_WATCHED)
    assert [span.contact for span in holders(profile, "champion", after_start("3d"))] == ["cyd", "ann", "bob"]
    assert [span.contact for span in holders(profile, "champion", after_start("5d"))] == ["cyd", "bob"]


def test_a_contact_who_left_is_closed_until_given_a_role_again() -> None:
    left, back = event("crm.contact_left", "2d", contact="ann"), person("ann", "3d", roles=["admin"])
    joined = person("ann", "1d", roles=["champion"])
    for events, opened in (
        ([joined, left], False),
        ([joined, left, back], True),
        ([joined, back, left], True),
    ):
        profile = folded(events, NOTHING_WATCHED, now=LATER)
        assert is_open(profile.contacts["ann"]) is opened
        assert holders(profile, "champion", LATER) == []
    assert address(profile.contacts["ann"]) == "ann@example.com"


def test_an_empty_set_of_roles_brings_nobody_back() -> None:
    events = [event("crm.contact_left", "2d", contact="ann"), person("ann", "3d", roles=[])]
    assert not is_open(folded(events, NOTHING_WATCHED).contacts["ann"])


def test_leaving_twice_is_leaving_whatever_arrives_first() -> None:
    events = [
        event("crm.contact_left", "1d", contact="ann"),
        person("ann", "2d", roles=["admin"]),
        event("crm.contact_left", "3d", contact="ann"),
    ]
    states = in_every_order(events)
    assert len(states) == 1
    assert states[0]["contacts"]["ann"][1] is False


# ── tickets, holds, suppression, tags ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kinds", "opened"),
    [
        (["opened"], 1),
        (["opened", "solved"], 0),
        (["opened", "solved", "opened"], 1),
        (["updated"], 1),
        (["updated", "solved"], 0),
        (["opened", "solved", "updated"], 0),
        (["solved", "updated"], 1),
    ],
)
def test_a_ticket_is_open_from_its_opening_to_its_solving(kinds: list[str], opened: int) -> None:
    events = [event(f"support.ticket_{kind}", f"{hour}h", ticket="t") for hour, kind in enumerate(kinds, 1)]
    assert {value(list(order), "open_tickets") for order in permutations(events)} == {opened}


def test_a_ticket_is_as_urgent_as_was_last_said_of_it() -> None:
    events = [
        event("support.ticket_opened", "1h", ticket="t", priority="urgent"),
        event("support.ticket_updated", "2h", ticket="t"),
        event("support.ticket_updated", "3h", ticket="t", topic="login"),
    ]
    assert {value(list(order), "open_urgent_tickets") for order in permutations(events)} == {1}
    calmer = [*events, event("support.ticket_updated", "4h", ticket="t", priority="low")]
    assert {value(list(order), "open_urgent_tickets") for order in permutations(calmer)} == {0}


def test_a_release_without_reason_ends_every_hold_placed_before_it() -> None:
    events = [
        event("account.hold_placed", "1h", reason="a"),
        event("account.hold_placed", "3h", reason="b"),
        event("account.hold_released", "2h"),
    ]
    assert [state["holds"] for state in in_every_order(events)] == [["b"]]


def test_a_hold_with_an_end_ends_by_itself() -> None:
    profile = folded(
        [event("account.hold_placed", reason="a", until="2026-03-04T09:00:00Z")], NOTHING_WATCHED
    )
    assert open_holds(profile, after_start("2d") - 1) == ["a"]
    assert open_holds(profile, after_start("2d")) == []


def test_the_newest_word_on_suppression_counts() -> None:
    events = [
        event("engagement.complained", "1h", contact="ann"),
        event("contact.unsuppressed", "2h", contact="ann"),
        event("engagement.bounced", "3h", contact="ann", bounce="soft"),
    ]
    assert [state["contacts"]["ann"][2] for state in in_every_order(events)] == [None]
    hard = event("engagement.bounced", "4h", contact="ann", bounce="hard")
    assert [state["contacts"]["ann"][2] for state in in_every_order([*events[:2], hard])] == ["hard_bounce"]


def test_the_newest_word_on_a_tag_counts() -> None:
    events = [event("account.tagged", "1h", add=["vip"]), event("account.tagged", "2h", remove=["vip"])]
    assert [state["tags"] for state in in_every_order(events)] == [[]]
    again = [*events, event("account.tagged", "3h", add=["vip"])]
    assert [state["tags"] for state in in_every_order(again)] == [["vip"]]


@pytest.mark.parametrize(
    ("interval", "months"),
    [
        (1, 1),
        ("month", 1),
        ("Quarter", 3),
        ("P1Y", 12),
        ("P1Y6M", 18),
        ("year", 12),
        ("P", None),
        (True, None),
    ],
)
def test_an_interval_is_a_number_of_months(interval: Any, months: int | None) -> None:
    assert interval_months(interval) == months


def test_orders_make_a_lifetime_value_of_exact_decimals() -> None:
    events = [
        event("billing.order_placed", f"{n}h", amount=amount)
        for n, amount in enumerate((0.1, 0.2, "9", True))
    ]
    assert value(events, "ltv") == 0.3
    assert value(events, "orders") == 4


def test_the_score_before_the_last_is_kept() -> None:
    events = [event("survey.nps_received", f"{n}d", score=score) for n, score in enumerate((9, 3))]
    assert (value(events, "nps"), value(events, "previous_nps")) == (3, 9)
    assert value(events[:1], "previous_nps") is MISSING


@pytest.mark.parametrize(
    ("created", "now", "months"),
    [
        ("2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z", 1),
        ("2026-01-31T00:00:00Z", "2026-02-27T23:59:59Z", 0),
        ("2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z", 12),
        ("2026-01-31T10:00:00Z", "2026-03-31T09:59:59Z", 1),
    ],
)
def test_tenure_months_are_calendar_months_clamped_to_the_end(created: str, now: str, months: int) -> None:
    from signals.instant import parse_instant

    profile = Profile(id=ACCOUNT, created_at=parse_instant(created))
    found, until = account_value(profile, ("tenure_months",), parse_instant(now))
    assert found == months
    assert until is not None
    assert account_value(profile, ("tenure_months",), until)[0] == months + 1
    assert account_value(profile, ("tenure_months",), until - 1)[0] == months
    assert until - parse_instant(now) <= 31 * DAY


def test_where_the_calendar_ends_the_months_of_tenure_do() -> None:
    for now in (0, LATEST):
        assert account_value(Profile(id=ACCOUNT, created_at=LATEST), ("tenure_months",), now) == (0, None)
    assert iso(LATEST + 30 * DAY) == "9999-12-31T23:59:59Z"
