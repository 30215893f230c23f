"""Every atom on both sides of each of its edges, and what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from builders import START, after_start, ask, asked, attributes, event, folded, person, watching
from signals.conditions import ConditionRefused, compile_condition
from signals.conditions.node import Moment
from signals.event import Event
from signals.instant import DAY, HOUR, MINUTE, Instant
from signals.measures import CROWDED
from signals.profile import Profile, SignalState


def edge(condition: dict[str, Any], events: list[Event], at: Instant) -> tuple[bool | None, bool | None]:
    """Whether it holds one microsecond before, and at, an instant."""
    return ask(condition, events, at - 1), ask(condition, events, at)


# ── windows ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("window", "step"),
    [("10m", MINUTE), ("48h", MINUTE), ("3d", HOUR), ("45d", HOUR), ("46d", DAY), ("90d", DAY)],
)
def test_an_event_leaves_its_window_at_the_end_of_its_bucket_and_never_early(window: str, step: int) -> None:
    times = [START // step * step + offset for offset in (0, 1, step - 1)]
    leaves = START // step * step + step + after_start(window) - START
    for time in times:
        assert edge({"count": "used", "in": window, "gte": 1}, [event("used", time)], leaves) == (True, False)


def test_an_event_enters_its_window_at_its_own_instant_and_until_names_when_it_leaves() -> None:
    condition = {"count": "used", "in": "7d", "gte": 2}
    events = [event("used", "0s"), event("used", "90m")]
    assert asked(condition, events, after_start("90m")) == (True, after_start("1h") + 7 * DAY)
    assert asked(condition, events[:1], after_start("90m")) == (False, None)


def test_between_is_the_far_window_without_the_near_one() -> None:
    condition = {"count": "used", "between": ["14d", "7d"], "gte": 1}
    events = [event("used")]
    assert edge(condition, events, after_start("7d") + HOUR) == (False, True)
    assert edge(condition, events, after_start("14d") + HOUR) == (True, False)


@pytest.mark.parametrize("comparison", [{"lt": 1}, {"lte": 0}, {"is": 0}])
def test_an_account_without_such_an_event_counts_nothing(comparison: dict[str, int]) -> None:
    assert ask({"count": "used", "in": "7d", **comparison})
    assert ask({"count": "used", **comparison})
    assert ask({"distinct": "used", "of": "feature", "in": "7d", **comparison})
    assert ask({"sum": "used", "of": "amount", "in": "7d", **comparison})


def test_a_pattern_counts_every_type_below_it_and_a_list_any_of_its_types() -> None:
    events = [event("product.a"), event("product.b.c"), event("products.d"), event("crm.e")]
    counts = [("product.*", 2), (["product.a", "crm.e"], 2), ("product.a", 1), ("*", 4)]
    assert all(ask({"count": types, "is": number}, events) for types, number in counts)


def test_where_looks_into_dotted_fields_and_a_bare_value_means_is() -> None:
    events = [event("t", ticket={"priority": "high"}), event("t", ticket={"priority": "low"}), event("t")]
    assert ask({"count": "t", "where": {"ticket.priority": "high"}, "is": 1}, events)
    assert ask({"count": "t", "where": {"ticket.priority": {"in": ["high", "low"]}}, "is": 2}, events)
    assert ask({"count": "t", "where": {"ticket.priority": {"exists": False}}, "is": 1}, events)


def test_same_is_the_largest_number_sharing_one_value() -> None:
    topics = ["billing", "billing", "login", None, 1, "1"]
    events = [event("t", topic=topic) for topic in topics]
    assert ask({"count": "t", "same": "topic", "is": 2}, events)


def test_distinct_keeps_text_and_numbers_apart_but_not_one_from_one_point_nothing() -> None:
    events = [event("used", feature=value) for value in ("1", 1, 1.0, True, "true", None)]
    assert ask({"distinct": "used", "of": "feature", "is": 4}, events)


def test_distinct_of_type_counts_types_and_of_contact_people() -> None:
    events = [event("a", contact="ann"), event("b", contact="ann"), event("b", contact="bob"), event("b")]
    assert ask({"distinct": ["a", "b"], "of": "type", "is": 2}, events)
    assert ask({"distinct": ["a", "b"], "of": "contact", "is": 2}, events)


def test_values_that_have_left_every_window_are_forgotten_once_there_are_many() -> None:
    conditions = [
        {"distinct": "used", "of": "session", "in": "2d", "gte": 3},
        {"count": "used", "same": "session", "in": "7d", "gte": 2},
        {"distinct": "used", "of": "session", "gte": 3},
    ]
    told = [event("used", START + place * HOUR, session=f"s{place}") for place in range(400)]
    kept = [len(folded(told, watching(compile_condition(each))).measures.popitem()[1]) for each in conditions]
    assert kept[0] < 49 + CROWDED
    assert kept[1] < 7 * 24 + 1 + CROWDED
    assert kept[2] == 400
    asked_of = [
        ask({**each, "gte": count}, told, told[-1].time)
        for each, count in zip(conditions, (48, 1, 400), strict=True)
    ]
    assert asked_of == [True, True, True]


def test_a_sum_is_an_exact_decimal() -> None:
    events = [event("paid", amount=0.1) for _ in range(3)]
    assert ask({"sum": "paid", "of": "amount", "in": "90d", "is": 0.3}, events)
    assert ask({"sum": "paid", "of": "amount", "gte": 0.1}, events[:1])


@pytest.mark.parametrize("word", ["average", "min", "max"])
def test_an_average_or_extreme_of_none_does_not_hold(word: str) -> None:
    for comparison in ({"lt": 100}, {"gte": 0}):
        assert not ask({word: "paid", "of": "amount", "in": "7d", **comparison}, [event("paid", amount="5")])
    assert ask({word: "paid", "of": "amount", "is": 5}, [event("paid", amount=5), event("paid", amount=True)])


def test_extremes_and_averages_look_at_the_window_only() -> None:
    events = [event("paid", "-20d", amount=9), event("paid", amount=2), event("paid", amount=3)]
    for word, number in (("average", 2.5), ("min", 2), ("max", 3), ("sum", 5)):
        assert ask({word: "paid", "of": "amount", "in": "7d", "is": number}, events)


def test_per_divides_and_a_zero_or_missing_divisor_never_holds() -> None:
    events = [event("used") for _ in range(3)]
    condition = {"count": "used", "in": "7d", "gte": 1.5, "per": "account.seats"}
    assert ask(condition, [*events, attributes(seats=2)])
    assert not ask(condition, [*events, attributes(seats=0)])
    assert not ask(condition, events)
    assert not ask({**condition, "gte": 0}, [*events, attributes(seats=True)])


def test_an_exact_sum_is_divided_by_a_number_with_a_fraction() -> None:
    events = [event("paid", amount=3), attributes(seats=1.5)]
    assert ask({"sum": "paid", "of": "amount", "in": "7d", "is": 2, "per": "account.seats"}, events)


def test_until_follows_a_divisor_that_moves_with_the_clock() -> None:
    condition = {"count": "used", "gte": 1, "per": "account.tenure_days"}
    assert asked(condition, [event("used")], START) == (False, START + DAY)
    assert asked(condition, [event("used")], START + DAY) == (True, START + 2 * DAY)


# ── by ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_by_counts_the_events_of_those_who_hold_the_role_at_evaluation() -> None:
    condition = {"count": "used", "by": "champion", "gte": 1}
    events = [event("used", contact="ann"), person("bob", "1h", roles=["champion"])]
    assert not ask(condition, events, "2h")
    assert ask(condition, [*events, person("ann", "2h", roles=["champion"])], "2h")


def test_until_follows_a_role_that_ends_by_itself() -> None:
    condition = {"count": "used", "by": "champion", "gte": 1}
    dated = {"role": "champion", "since": "2026-03-01", "until": "2026-03-05"}
    assert asked(condition, [person("ann", roles=[dated]), event("used", contact="ann")]) == (
        True,
        START + 2 * DAY + 15 * HOUR,
    )


def test_an_absence_by_a_role_nobody_holds_does_not_hold() -> None:
    assert not ask({"absent": "login", "for": "14d", "by": "champion"}, [], "90d")


def test_a_new_holder_is_absent_only_from_when_they_took_the_role() -> None:
    condition = {"absent": "login", "for": "14d", "by": "champion"}
    events = [event("login", "-60d", contact="ann"), person("ann", roles=["champion"])]
    assert edge(condition, events, after_start("14d")) == (False, True)
    seen = [person("bob", "-60d", roles=[{"role": "champion", "since": "2025-01-01"}])]
    assert edge(condition, seen, after_start("-60d") + 14 * DAY) == (False, True)


# ── the course of things ────────────────────────────────────────────────────────────────────────────────────────


def weekly(*numbers: int) -> list[Event]:
    """So many events in each week up to `START`, the last week last, all in the middle of their week."""
    return [
        event("used", START - (len(numbers) - place) * 7 * DAY + 3 * DAY)
        for place, number in enumerate(numbers)
        for _ in range(number)
    ]


@pytest.mark.parametrize(
    ("numbers", "comparison", "holds"),
    [
        ((10, 10, 10, 10, 5), {"lte": -0.5}, True),
        ((10, 10, 10, 10, 6), {"lte": -0.5}, False),
        ((10, 99, 10, 0, 20), {"gte": 1}, True),
        ((1, 10, 12, 10, 12, 11), {"is": 0}, True),
        ((9, 9, 9, 9, 0), {"lte": -0.5}, False),
        ((0, 0, 0, 0, 9), {"gte": 0}, False),
        ((0, 0, 0, 10, 0), {"lte": -0.5}, False),
        ((0, 0, 99, 10, 10, 0), {"lte": -0.5}, True),
    ],
)
def test_a_change_compares_with_the_median_of_the_whole_blocks_before(
    numbers: tuple[int, ...], comparison: dict[str, float], holds: bool
) -> None:
    condition = {"change": "used", "in": "7d", "against": "28d", **comparison}
    assert ask(condition, weekly(*numbers), START - 2 * DAY) is holds


def test_a_change_needs_two_whole_blocks_since_the_first_such_event() -> None:
    condition = {"change": "used", "in": "1d", "against": "4d", "lte": -0.5, "min": 1}
    events = [event("used", START + hour * HOUR) for hour in range(0, 48, 6)]
    assert edge(condition, events, START + 3 * DAY) == (False, True)


def test_a_habit_counts_back_from_now() -> None:
    condition = {"regular": "used", "every": "7d", "of": 4, "in_at_least": 3, "gte": 2}
    assert ask(condition, weekly(2, 0, 2, 2))
    assert not ask(condition, weekly(2, 0, 1, 9))


@pytest.mark.parametrize(
    ("second", "holds"), [("0s", False), ("1s", True), ("3d", True), ("73h", False), ("-1h", False)]
)
def test_a_sequence_is_strictly_later_and_within_its_time(second: str, holds: bool) -> None:
    condition = {"sequence": ["trial", "project"], "within": "3d", "in": "30d"}
    assert ask(condition, [event("trial"), event("project", second)], "4d") is holds


def test_a_sequence_holds_while_its_first_is_in_the_window() -> None:
    condition = {"sequence": ["trial", "project"], "within": "3d", "in": "30d"}
    events = [event("trial"), event("project", "1d")]
    assert asked(condition, events, "2d") == (True, after_start("30d") + HOUR)
    assert edge(condition, events, after_start("30d") + HOUR) == (True, False)


def test_a_sequence_can_be_paired_by_a_field() -> None:
    condition = {"sequence": ["trial", "project"], "within": "3d", "in": "30d", "same": "team"}
    first = event("trial", team="red")
    assert not ask(condition, [first, event("project", "1h", team="blue")], "1d")
    assert ask(condition, [first, event("project", "1h", team="red")], "1d")


def test_the_latest_is_the_newest_by_its_own_time_ties_by_the_greater_id() -> None:
    condition = {"latest": "nps", "where": {"score": {"lte": 6}}}
    low, high = event("nps", "1h", name="a", score=3), event("nps", "2h", name="b", score=9)
    assert not ask(condition, [high, low], "1d")
    assert ask(condition, [high, event("nps", "2h", name="c", score=3)], "1d")
    assert not ask(condition)


def test_an_absence_counts_from_the_last_and_where_there_is_none_from_the_creation() -> None:
    condition = {"absent": "login", "for": "14d"}
    assert edge(condition, [], after_start("14d")) == (False, True)
    assert edge(condition, [event("login", "3d")], after_start("17d")) == (False, True)
    assert asked(condition, [event("login", "3d")], "4d") == (False, after_start("17d"))


def test_a_payment_is_missed_from_the_first_failure_that_nothing_followed() -> None:
    condition = {"missed": "paid", "after": "failed", "for": "3d"}
    failures = [event("failed"), event("failed", "1d")]
    assert edge(condition, failures, after_start("3d")) == (False, True)
    assert not ask(condition, [*failures, event("paid", "2d")], "9d")
    assert edge(condition, [*failures, event("paid", "12h")], after_start("4d")) == (False, True)


def test_a_missed_payment_can_be_paired_by_a_field() -> None:
    condition = {"missed": "paid", "after": "failed", "for": "3d", "same": "invoice"}
    failed = event("failed", invoice="a")
    assert ask(condition, [failed, event("paid", "1d", invoice="b")], "3d")
    assert not ask(condition, [failed, event("paid", "1d", invoice="a")], "3d")
    assert not ask(condition, [event("failed")], "9d")


# ── states ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("word", "begins", "ends"),
    [("within", "-2d", "1us"), ("past", "2d", None), ("last", "0s", "2d")],
)
def test_date_words_hold_on_their_side_of_each_edge(word: str, begins: str, ends: str | None) -> None:
    condition = {"attribute": "account.ends", word: "2d"}
    told = [attributes("-60d", ends="2026-03-02T09:00:00Z")]
    assert edge(condition, told, after_start(begins)) == (False, True)
    if ends is not None:
        assert edge(condition, told, START + 1 if ends == "1us" else after_start(ends)) == (True, False)


@pytest.mark.parametrize("value", [None, "soon", 5, True])
def test_a_date_word_does_not_hold_for_what_is_no_date(value: Any) -> None:
    for word in ("within", "past", "last"):
        assert not ask({"attribute": "account.ends", word: "9d"}, [attributes(ends=value)])


def test_for_counts_from_the_first_write_of_the_run_and_the_same_value_does_not_restart_it() -> None:
    condition = {"attribute": "account.status", "is": "onboarding", "for": "7d"}
    told = [attributes("1d", status="onboarding"), attributes("5d", status="onboarding")]
    assert edge(condition, told, after_start("8d")) == (False, True)
    broken = [*told[:1], attributes("3d", status="live"), *told[1:]]
    assert edge(condition, broken, after_start("12d")) == (False, True)


def test_a_late_write_breaks_the_run_where_it_belongs() -> None:
    condition = {"attribute": "account.status", "is": "onboarding", "for": "7d"}
    told = [attributes("0d", status="onboarding"), attributes("5d", status="onboarding")]
    late = attributes("3d", status="live")
    assert edge(condition, [*told, late], after_start("12d")) == (False, True)


def test_for_holds_of_a_missing_value_since_the_account_was_created() -> None:
    condition = {"attribute": "account.owner", "exists": False, "for": "3d"}
    assert edge(condition, [], after_start("3d")) == (False, True)
    assert edge(
        condition, [attributes("1d", owner="x"), attributes("2d", owner=None)], after_start("5d")
    ) == (
        False,
        True,
    )


def test_for_of_a_ratio_counts_from_when_the_ratio_came_to_hold() -> None:
    condition = {"attribute": "account.used", "lt": 0.5, "per": "account.seats", "for": "7d"}
    told = [attributes("0d", used=10, seats=10), attributes("2d", seats=40), attributes("4d", used=11)]
    assert edge(condition, told, after_start("9d")) == (False, True)


def test_an_attribute_per_nothing_is_missing() -> None:
    told = [attributes(used=10, seats=0)]
    assert not ask({"attribute": "account.used", "lt": 100, "per": "account.seats"}, told)
    assert ask({"attribute": "account.used", "is_not": 1, "per": "account.seats"}, told)


def test_tenure_grows_by_itself() -> None:
    assert edge({"attribute": "account.tenure_days", "gte": 30}, [], after_start("30d")) == (False, True)
    months = {"attribute": "account.tenure_months", "gte": 1}
    assert edge(months, [], after_start("31d")) == (False, True)  # 2 March to 2 April


def test_the_roles_of_a_contact_end_when_they_are_dated() -> None:
    dated = {"role": "champion", "until": "2026-03-05"}
    node = compile_condition({"attribute": "contact.roles", "contains": "champion"})
    profile = folded_person([dated])
    moment = Moment(profile, START, None, profile.contacts["ann"])
    assert node.test(moment) == (True, START + 2 * DAY + 15 * HOUR)


def folded_person(roles: list[Any]) -> Profile:
    from builders import folded
    from signals.watch import Watched

    return folded([person("ann", roles=roles)], Watched())


def test_a_milestone_is_reached_once_and_for_is_inclusive() -> None:
    reached = [event("product.milestone_reached", "2d", milestone="live")]
    assert ask({"reached": "live"}, reached, "2d")
    assert edge({"reached": "live", "for": "3d"}, reached, after_start("5d")) == (False, True)
    assert not ask({"not_reached": "live", "for": "1d"}, reached, "9d")
    assert edge({"not_reached": "live", "for": "14d"}, [], after_start("14d")) == (False, True)
    assert not ask({"not_reached": "live", "since": "account.signed", "for": "1d"}, [], "90d")


def test_a_role_is_vacant_once_someone_held_it_or_the_account_is_old_enough() -> None:
    vacant = {"role": "champion", "vacant": True}
    assert edge(vacant, [], after_start("14d")) == (False, True)
    held = person("ann", roles=["champion"])
    assert not ask(vacant, [held], "60d")
    assert ask(vacant, [held, event("crm.contact_left", "1d", contact="ann")], "1d")
    assert ask({"role": "champion", "vacant": False}, [held], "1d")


def test_a_signal_is_open_now_or_fired_in_a_window() -> None:
    fired = SignalState(open=False, last_fired=START)
    profile = Profile(id="acme", created_at=START, signals={"left": fired})
    leaves = START + 30 * DAY + HOUR
    assert compile_condition({"signal": "left"}).test(Moment(profile, START)) == (False, None)
    node = compile_condition({"signal": "left", "in": "30d"})
    assert node.test(Moment(profile, leaves - 1)) == (True, leaves)
    assert node.test(Moment(profile, leaves)) == (False, None)


# ── logic, refusals ─────────────────────────────────────────────────────────────────────────────────────────────


def test_until_of_a_nesting_is_that_of_what_carries_its_answer() -> None:
    old, used = {"attribute": "account.tenure_days", "gte": 30}, {"count": "used", "gte": 1}
    assert asked({"all": [old, used]}) == (False, START + DAY)
    assert asked({"all": [used, old]}) == (False, None)
    assert asked({"any": [{"not": old}, used]}) == (True, START + DAY)
    assert asked({"any": [used, old]}) == (False, START + DAY)


def test_nothing_is_all_of_none_and_not_any_of_none() -> None:
    assert ask({"all": []})
    assert not ask({"any": []})
    assert ask({"not": {"any": []}})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"count": "a"},
        {"count": "a", "gte": 1, "in": "0d"},
        {"count": "a", "gte": "1"},
        {"count": "a", "gte": True},
        {"count": "a", "gte": 1, "between": ["7d", "14d"]},
        {"count": "a", "gte": 1, "between": ["14d", "7d"], "in": "7d"},
        {"change": "a", "in": "14d", "against": "20d", "gte": 1},
        {"change": "a", "in": "14d", "against": "7d", "gte": 1},
        {"attribute": "account.plan"},
        {"attribute": "account.plan", "for": "7d"},
        {"attribute": "account.plan", "is": "pro", "likes": 1},
        {"role": "champion"},
        {"all": [{"what": 1}]},
    ],
)
def test_what_can_mean_nothing_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        compile_condition(body)


@pytest.mark.parametrize(
    "body",
    [
        {"attribute": "plan", "is": "pro"},
        {"attribute": "account", "is": "pro"},
        {"attribute": "account.tenure_days", "gte": 3, "for": "7d"},
        {"attribute": "account.score", "gte": 3, "for": "7d", "per": "account.tenure_days"},
        {"attribute": "account.ends", "within": "3d", "for": "7d"},
        {"count": "a", "gte": 1, "by": "champion", "same": "topic"},
        {"distinct": "a", "of": "b", "gte": 1, "by": "champion"},
    ],
)
def test_what_no_history_could_answer_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ConditionRefused):
        compile_condition(body)


# ── what an atom says of itself ─────────────────────────────────────────────────────────────────────────────────


def told_by(condition: dict[str, Any], events: list[Event], at: Instant) -> dict[str, Any]:
    """The evidence of an atom."""
    node = compile_condition(condition)
    (evidence,) = node.because(Moment(folded(events, watching(node)), at))
    assert evidence["condition"] == condition
    return evidence


@pytest.mark.parametrize(
    ("condition", "saw", "at"),
    [
        ({"count": "used", "in": "7d", "gte": 3}, 2, "2026-03-04T09:00:00Z"),
        ({"count": "used", "in": "1d", "gte": 3}, 1, "2026-03-04T09:05:00Z"),
        ({"count": "used", "gte": 3}, 2, None),
        ({"sum": "used", "of": "amount", "in": "90d", "gte": 3}, 3.5, "2026-03-04T00:00:00Z"),
        ({"absent": "used", "for": "1d"}, "none since 2026-03-04T09:05:20Z", "2026-03-04T09:05:20Z"),
        (
            {"latest": "used", "where": {"amount": 1}},
            "the latest, of 2026-03-04T09:05:20Z, is not like that",
            "2026-03-04T09:05:20Z",
        ),
        ({"sequence": ["used", "paid"], "within": "1d", "in": "7d"}, "not followed", "2026-03-04T09:05:20Z"),
        (
            {"missed": "paid", "after": "used", "for": "1d"},
            "missed since 2026-03-02T09:00:00Z",
            "2026-03-04T09:05:20Z",
        ),
        ({"attribute": "account.plan", "is": "free"}, "pro", "2026-03-03T09:00:00Z"),
        ({"attribute": "account.seats", "gte": 3}, None, None),
    ],
)
def test_evidence_says_what_was_seen_and_of_when_it_is(
    condition: dict[str, Any], saw: Any, at: str | None
) -> None:
    happened = [event("used", amount=1), attributes("1d", plan="pro")]
    happened.append(event("used", after_start("2d") + 320_000_000, amount=2.5))
    evidence = told_by(condition, happened, after_start("3d"))
    assert evidence["saw"] == saw
    assert evidence.get("at") == at


@pytest.mark.parametrize(
    ("comparison", "value", "wrong"),
    [
        ({"gte": 3}, "5", True),
        ({"gte": 3}, 2, False),
        ({"gt": "2026-03-02"}, 5, True),
        ({"gt": "2026-03-02"}, "2026-03-01", False),
        ({"is": "5"}, 5, True),
        ({"is": True}, 1, True),
        ({"is": 5}, 4.5, False),
        ({"in": ["a", 1]}, 2, False),
        ({"in": ["a"]}, 2, True),
        ({"contains": "a"}, 5, True),
        ({"contains": "a"}, ["b"], False),
        ({"starts_with": "a"}, ["a"], True),
        ({"matches": "a*"}, "b", False),
        ({"within": "5d"}, "soon", True),
        ({"past": "5d"}, "2026-03-02", False),
    ],
)
def test_evidence_says_where_it_does_not_hold_for_the_type(
    comparison: dict[str, Any], value: Any, wrong: bool
) -> None:
    evidence = told_by({"attribute": "account.it", **comparison}, [attributes(it=value)], START)
    assert not evidence["holds"]
    assert (evidence.get("because") == "type") is wrong
