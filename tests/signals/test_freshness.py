"""What a silent feed makes unknown, atom by atom; what a silence of the past leaves (semantics §3 "Freshness")."""

from typing import Any

import pytest

from builders import START, event, folded, milestone, person, playbook, segment, signal, stages
from signals.conditions import Moment, compile_condition
from signals.conditions.doubt import Doubt
from signals.conditions.node import Answer, say
from signals.event import Event
from signals.freshness import Feeds, Heard, Promise, Promises, overlap
from signals.instant import DAY, HOUR, MINUTE, Instant
from signals.watch import Watched, watch

EVERY = 6 * HOUR
USAGE = Promise("mixpanel", ("product.*",), EVERY)
MONEY = Promise("stripe", ("billing.*",), 7 * DAY)
PROMISES = Promises([USAGE, MONEY])
LAST = START + 20 * DAY
"""When usage was last heard of, unless a test says otherwise."""


def heard(*times: Instant, source: str = "mixpanel", promises: Promises = PROMISES) -> Feeds:
    """Every feed heard of each hour for twenty days, then one of them at these times."""
    feeds = Feeds({promise.key: Heard(START) for promise in promises.made})
    for name in promises.sources:
        feeds = feeds.hear(name, range(START + HOUR, LAST + 1, HOUR))
    return feeds.hear(source, times)


def used(*days: float, kind: str = "product.used", **data: Any) -> list[Event]:
    return [event(kind, START + int(day * DAY), **data) for day in days]


def answer(
    condition: dict[str, Any], events: list[Event], now: Instant, feeds: Feeds, promises: Promises = PROMISES
) -> Answer:
    node = compile_condition(condition, promises)
    return node.test(Moment(folded(events, Watched(also=[node])), now, feeds=feeds))


def asked(condition: dict[str, Any], events: list[Event], now: Instant, feeds: Feeds) -> bool | None:
    return answer(condition, events, now, feeds)[0]


BUSY = used(*range(1, 20))
QUIET = used(1, 2)
"""Of two accounts: events every day, and none since the second."""

ATOMS: list[tuple[dict[str, Any], list[Event], bool, bool | None, bool | None]] = [
    # condition, events, fresh, while silent, after two silent days have been over for an hour
    ({"count": "product.used", "in": "7d", "gte": 3}, BUSY, True, True, True),
    ({"count": "product.used", "in": "7d", "gte": 3}, QUIET, False, None, False),
    ({"count": "product.used", "in": "7d", "gt": 3}, QUIET, False, None, False),
    ({"count": "product.used", "in": "7d", "lt": 3}, QUIET, True, None, None),
    ({"count": "product.used", "in": "7d", "lte": 3}, BUSY, False, False, False),
    ({"count": "product.used", "in": "7d", "is": 0}, QUIET, True, None, None),
    ({"count": "product.used", "in": "7d", "is": 1}, QUIET, False, None, None),
    ({"count": "product.used", "in": "7d", "is_not": 0}, QUIET, False, None, False),
    ({"count": "product.used", "in": "7d", "gte": 1, "lt": 3}, QUIET, False, None, None),
    ({"count": "product.used", "lt": 3}, QUIET, True, None, True),
    ({"not": {"count": "product.used", "in": "7d", "gte": 3}}, QUIET, True, None, None),
    ({"not": {"count": "product.used", "in": "7d", "lt": 3}}, BUSY, True, True, True),
    ({"sum": "product.used", "of": "n", "in": "7d", "gte": 1}, QUIET, False, None, False),
    ({"sum": "product.used", "of": "n", "in": "7d", "lt": 1}, QUIET, True, None, None),
    ({"distinct": "product.used", "of": "type", "in": "7d", "lt": 3}, QUIET, True, None, None),
    ({"distinct": "product.used", "of": "type", "in": "7d", "gte": 1}, BUSY, True, True, True),
    ({"max": "product.used", "of": "n", "in": "30d", "gte": 1}, used(1, n=1), True, True, True),
    ({"max": "product.used", "of": "n", "in": "30d", "lt": 1}, used(1, n=1), False, None, None),
    ({"min": "product.used", "of": "n", "in": "30d", "lte": 1}, used(1, n=1), True, True, True),
    ({"min": "product.used", "of": "n", "in": "30d", "gte": 1}, used(1, n=1), True, None, True),
    ({"average": "product.used", "of": "n", "in": "30d", "lt": 2}, used(1, n=1), True, None, None),
    ({"average": "product.used", "of": "n", "in": "30d", "gt": 2}, used(1, n=1), False, None, False),
    ({"change": "product.used", "in": "2d", "against": "8d", "lte": -0.4, "min": 1}, BUSY[:-3], True, None, None),
    ({"change": "product.used", "in": "2d", "against": "8d", "gte": 0.5, "min": 1}, BUSY[:-3], False, None, False),
    ({"regular": "product.used", "every": "5d", "of": 4, "in_at_least": 3, "gte": 2}, BUSY, True, True, True),
    ({"regular": "product.used", "every": "5d", "of": 4, "in_at_least": 3, "gte": 2}, QUIET, False, None, False),
    ({"sequence": ["product.a", "product.b"], "within": "1d", "in": "9d"}, [], False, None, False),
    ({"latest": "product.used", "where": {"n": 1}}, used(1, n=1), True, None, True),
    ({"latest": "product.used", "where": {"n": 2}}, used(1, n=1), False, None, False),
    ({"absent": "product.used", "for": "14d"}, QUIET, True, None, True),
    ({"absent": "product.used", "for": "14d"}, BUSY, False, False, False),
    ({"absent": "product.used", "for": "14d"}, [], True, None, True),
    ({"missed": "product.b", "after": "product.a", "for": "3d"}, used(1, kind="product.a"), True, None, True),
    ({"missed": "product.b", "after": "product.a", "for": "3d"}, [], False, None, False),
    ({"missed": "billing.paid", "after": "product.a", "for": "3d"}, used(1, kind="product.a"), True, True, True),
    ({"not_reached": "live", "for": "14d"}, [], True, None, True),
    ({"reached": "live"}, [], False, None, False),
    ({"reached": "live"}, [event("product.milestone_reached", "1d", milestone="live")], True, True, True),
    ({"attribute": "account.plan", "exists": False}, [], True, True, True),
    ({"count": "support.asked", "in": "7d", "lt": 3}, [], True, True, True),
]  # fmt: skip
SILENT = LAST + EVERY + 1
BACK = LAST + 2 * DAY


@pytest.mark.parametrize(("condition", "events", "fresh", "silent", "caught_up"), ATOMS)
def test_an_atom_is_unknown_where_missing_events_could_change_it(
    condition: dict[str, Any],
    events: list[Event],
    fresh: bool,
    silent: bool | None,
    caught_up: bool | None,
) -> None:
    assert asked(condition, events, LAST + EVERY, heard()) is fresh, "silent for no longer than promised"
    assert asked(condition, events, SILENT, heard()) is silent
    assert asked(condition, events, BACK + HOUR, heard(BACK)) is caught_up
    assert asked(condition, events, BACK - 1, heard(BACK)) is silent, "looked at late, the silence being over"


@pytest.mark.parametrize(("condition", "events", "fresh", "silent", "caught_up"), ATOMS)
def test_without_a_promise_on_its_types_an_atom_is_compiled_as_ever(
    condition: dict[str, Any],
    events: list[Event],
    fresh: bool,
    silent: bool | None,
    caught_up: bool | None,
) -> None:
    others = Promises([Promise("crm", ("crm.*",), HOUR)])
    plain, promised = compile_condition(condition), compile_condition(condition, others)
    assert type(plain) is type(promised)
    assert not isinstance(promised, Doubt)
    assert answer(condition, events, SILENT, Feeds({}), others)[0] is fresh


def test_a_feed_nobody_has_heard_of_yet_is_taken_as_fresh() -> None:
    condition = {"absent": "product.used", "for": "14d"}
    assert answer(condition, [], SILENT, Feeds({})) == (True, None)
    node = compile_condition(condition, PROMISES)
    assert node.test(Moment(folded([], Watched(also=[node])), SILENT)) == (True, None)


# ── when a feed is silent ───────────────────────────────────────────────────────────────────────────────────────


def test_a_feed_that_never_spoke_is_silent_from_the_activation_of_the_policy() -> None:
    never = Heard(START)
    assert never.silence(START + EVERY, EVERY) is None
    assert never.silence(START + EVERY + 1, EVERY) == (START, None)


def test_a_feed_that_spoke_before_the_activation_is_silent_from_then() -> None:
    before = Heard(START).after([START - DAY, START - 2 * DAY], EVERY)
    assert before.silence(START, EVERY) == (START - DAY, None)
    assert before.silence(START - 1, EVERY) is None, "nothing was promised yet"
    assert before.after([START + 1], EVERY).closed(EVERY) == ((START - DAY, START + 1),)


def test_a_feed_has_caught_up_when_an_event_newer_than_its_pace_has_come() -> None:
    now = BACK + DAY
    assert heard(now - EVERY - 1).silence(USAGE, now) == (now - EVERY - 1, None), "the backlog is still old"
    assert heard(now - EVERY + 1).silence(USAGE, now) is None
    assert heard(now - EVERY + 1).gaps(USAGE, now) == ((LAST, now - EVERY + 1),)


def test_a_backlog_that_is_delivered_leaves_no_gap_in_whatever_order_it_comes() -> None:
    hours = list(range(LAST + HOUR, BACK + 1, HOUR))
    for order in (hours, hours[::-1], [*hours[::2], *hours[1::2]]):
        feeds = heard()
        for time in order:
            feeds = feeds.hear("mixpanel", [time])
        assert feeds.gaps(USAGE, BACK) == ()
        assert asked({"absent": "product.used", "for": "14d"}, QUIET, BACK, feeds) is True


def test_a_late_event_parts_a_gap_and_what_is_short_enough_is_none() -> None:
    feeds = heard(BACK).hear("mixpanel", [LAST + DAY])
    assert feeds.gaps(USAGE, BACK) == ((LAST, LAST + DAY), (LAST + DAY, BACK))
    assert feeds.hear("mixpanel", [BACK - EVERY]).gaps(USAGE, BACK)[-1] == (LAST + DAY, BACK - EVERY)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("product.*", "product.login", True),
        ("product.login", "product.*", True),
        ("product.*", "product.feature.*", True),
        ("product.feature.*", "product.*", True),
        ("*", "crm.contact_left", True),
        ("product.login", "product.login", True),
        ("product.login", "product.logins", False),
        ("product.*", "products.login", False),
        ("product.a*", "product.b*", False),
    ],
)
def test_types_and_patterns_overlap_where_some_type_matches_both(one: str, other: str, same: bool) -> None:
    assert overlap(one, other) is same


# ── several feeds on a type ─────────────────────────────────────────────────────────────────────────────────────

TWO = Promises([USAGE, Promise("segment", ("product.used",), DAY)])


def test_a_type_fed_by_several_is_unknown_if_any_of_them_is_silent() -> None:
    condition = {"absent": "product.used", "for": "14d"}
    only_segment = heard(LAST + 2 * HOUR, source="segment", promises=TWO)
    assert answer(condition, QUIET, SILENT, only_segment, TWO)[0] is None
    both = only_segment.hear("mixpanel", [SILENT - 1])
    assert answer(condition, QUIET, SILENT, both, TWO)[0] is True


def test_silences_of_several_feeds_are_subtracted_once() -> None:
    feeds = heard(BACK, promises=TWO).hear("segment", [LAST + 3 * DAY, LAST + 4 * DAY])
    feeds = feeds.hear("mixpanel", range(BACK, LAST + 5 * DAY, EVERY))
    condition = {"absent": "product.used", "for": "20d"}
    matures = START + 2 * DAY + 20 * DAY + 3 * DAY  # two silent days of one lie within three of the other
    known = feeds.hear("mixpanel", [matures]).hear("segment", [matures])
    assert answer(condition, QUIET, matures - 1, known, TWO)[0] is False
    assert answer(condition, QUIET, matures, known, TWO)[0] is True


# ── what a silence of the past leaves ───────────────────────────────────────────────────────────────────────────


def test_the_silent_time_is_subtracted_from_an_absence_to_the_microsecond() -> None:
    condition = {"absent": "product.used", "for": "19d"}
    events, matures = used(2), START + 2 * DAY + 19 * DAY + 2 * DAY
    feeds = heard(*range(BACK, matures + 1, EVERY))
    assert answer(condition, events, BACK, feeds) == (False, BACK + DAY), "looked at daily: it may be filled"
    assert answer(condition, events, matures - 1, feeds) == (False, matures)
    assert asked(condition, events, matures, feeds) is True


def test_what_had_lasted_long_enough_before_the_silence_stands() -> None:
    condition = {"absent": "product.used", "for": "18d"}  # matures at the very instant of the last event
    assert asked(condition, QUIET, BACK, heard(BACK)) is True
    later = used(2, 2 + 1 / 86_400)
    assert asked(condition, later, BACK, heard(BACK)) is False


def test_the_silent_time_is_subtracted_from_what_was_missed_and_from_milestones() -> None:
    feeds = heard(BACK, BACK + 6 * DAY)
    missed = {"missed": "product.b", "after": "product.a", "for": "3d"}
    failed = used(19, kind="product.a")
    for condition, events, matures in (
        (missed, failed, START + 24 * DAY),
        ({"not_reached": "live", "for": "21d"}, [], START + 23 * DAY),
    ):
        known = feeds.hear("mixpanel", range(BACK, matures, EVERY)).hear("mixpanel", [matures])
        assert asked(condition, events, matures - 1, known) is False
        assert asked(condition, events, matures, known) is True


def test_a_drop_stays_unknown_until_the_last_event_that_could_be_missing_has_left_its_window() -> None:
    condition = {"count": "product.used", "in": "7d", "lt": 3}
    leaves = (BACK - 1) // HOUR * HOUR + HOUR + 7 * DAY
    feeds = heard(BACK).hear("mixpanel", range(BACK, leaves + 1, HOUR))
    assert answer(condition, QUIET, leaves - 1, feeds) == (None, leaves)
    assert asked(condition, QUIET, leaves, feeds) is True


def test_between_doubts_only_what_lies_in_its_window() -> None:
    condition = {"count": "product.used", "between": ["14d", "7d"], "lt": 3}
    enters, leaves = LAST + HOUR + 7 * DAY, BACK + 14 * DAY
    assert asked(condition, QUIET, SILENT, heard()) is True, "what is missing would not count for a week"
    feeds = heard(BACK).hear("mixpanel", range(BACK, leaves + 1, HOUR))
    assert answer(condition, QUIET, enters - 1, feeds) == (True, enters)
    assert asked(condition, QUIET, enters, feeds) is None
    assert asked(condition, QUIET, leaves - 1, feeds) is None
    assert asked(condition, QUIET, leaves, feeds) is True


def test_a_silence_before_the_account_was_there_is_none_of_its_business() -> None:
    condition = {"count": "product.used", "in": "28d", "lt": 3}
    node = compile_condition(condition, PROMISES)
    for created_at, holds in ((BACK - 1, None), (BACK, True)):
        profile = folded([], Watched(also=[node]), created_at=created_at)
        assert node.test(Moment(profile, BACK + HOUR, feeds=heard(BACK)))[0] is holds


# ── when to look again ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_unknown_is_looked_at_again_at_the_feeds_own_pace_or_sooner() -> None:
    wait = [
        ({"absent": "product.used", "for": "14d"}, EVERY),
        ({"absent": "product.used", "for": "1h"}, HOUR),
        ({"count": "product.used", "in": "7d", "gte": 3}, EVERY),
        ({"count": "product.used", "in": "10m", "lt": 3}, 10 * MINUTE),
        ({"latest": "product.used", "where": {"n": 1}}, EVERY),
        ({"not_reached": "live"}, EVERY),
        ({"absent": "product.used", "for": "433h"}, HOUR),  # matured an hour into the silence
    ]
    for condition, span in wait:
        assert answer(condition, QUIET, SILENT, heard()) == (None, SILENT + span)


def test_a_silence_known_to_be_over_is_waited_out_exactly() -> None:
    condition = {"absent": "product.used", "for": "14d"}
    assert answer(condition, QUIET, SILENT, heard(BACK)) == (None, BACK)


def test_nobody_is_woken_because_a_feed_may_fall_silent_unless_an_absence_matured_in_this_silence() -> None:
    condition = {"absent": "product.used", "for": "18d"}
    matured_before = answer(condition, used(1), LAST + HOUR, heard())
    matured_since = answer(condition, used(2 + 1 / 48), LAST + HOUR, heard())
    assert matured_before == (True, None)
    assert matured_since == (True, LAST + EVERY + 1)
    assert answer({"count": "product.used", "in": "7d", "lt": 3}, QUIET, LAST, heard()) == (True, None)


# ── at the top it changes nothing ───────────────────────────────────────────────────────────────────────────────


def test_unknown_clearing_or_leaving_opens_and_enters_nothing() -> None:
    """Where both hold, `clear` and `leave` win: where nobody knows, nothing happens."""
    paying, gone = {"attribute": "account.plan", "is": "pro"}, {"absent": "product.used", "for": "14d"}
    watched = Watched(
        signals=[signal("active", when=paying, clear=gone)],
        segments=[segment("actives", enter=paying, leave=gone)],
        promises=PROMISES,
    )
    told = [*QUIET, event("crm.account_updated", "3d", attributes={"plan": "pro"})]
    for now, feeds, silent in ((LAST, heard(), False), (SILENT, heard(), True)):
        sight = watch(folded(told, watched), watched, now, None, feeds=feeds)
        assert sight.edges == [], silent
    assert watch(folded(told, watched), watched, SILENT, None).edges == [], "known to be gone"


def test_milestones_derived_from_promised_types_are_doubted_too() -> None:
    book = playbook(
        milestones=[milestone("live", when={"count": "product.used", "gte": 5})],
        stages=stages(("new", {"not_reached": "live"}), ("old", {"all": []})),
        policies={"feeds": [{"source": "stripe", "types": ["product.used"], "every": "1d"}]},
    )
    assert book.promises is not None
    assert [promise.source for promise in book.promises.on_milestone("live")] == ["stripe"]
    assert book.promises.on_milestone("other") == ()
    profile = folded([person("ann")], book.watched)
    feeds = Feeds({("stripe", DAY): Heard(START)})
    watch(profile, book.watched, START + 2 * DAY, None, feeds=feeds)
    assert profile.stage is None
    again = profile.look_at
    assert again == START + 3 * DAY
    watch(profile, book.watched, again, None, feeds=feeds.hear("stripe", [again]))
    assert profile.stage == "new"


# ── why ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_evidence_names_the_feed_and_since_when_it_is_silent() -> None:
    node = compile_condition({"not": {"absent": "product.used", "for": "14d"}}, PROMISES)
    profile = folded(QUIET, Watched(also=[node]))
    verdict = node.verdict(Moment(profile, SILENT, feeds=heard()))
    assert verdict.because == [
        {
            "condition": {"absent": "product.used", "for": "14d"},
            "holds": None,
            "saw": "none since 2026-03-04T09:00:00Z",
            "at": "2026-03-04T09:00:00Z",
            "because": "stale_feed",
            "feed": "mixpanel",
            "silent_since": "2026-03-22T09:00:00Z",
            "silent_until": None,
            "every": "6h",
            "negated": True,
        }
    ]
    assert say(verdict.because[0]) == (
        "not absent product.used: for 14d (saw none since 2026-03-04T09:00:00Z): "
        "unknown, for mixpanel has been silent since 2026-03-22T09:00:00Z"
    )


def test_the_evidence_of_a_gap_says_from_when_to_when_and_a_known_answer_names_no_feed() -> None:
    drop = compile_condition({"count": "product.used", "in": "7d", "lt": 3}, PROMISES)
    profile = folded(QUIET, Watched(also=[drop]))
    (because,) = drop.verdict(Moment(profile, BACK + HOUR, feeds=heard(BACK))).because
    assert (because["holds"], because["silent_until"]) == (None, "2026-03-24T09:00:00Z")
    assert say(because).endswith("mixpanel was silent from 2026-03-22T09:00:00Z to 2026-03-24T09:00:00Z")
    (known,) = drop.verdict(Moment(profile, LAST, feeds=heard())).because
    assert known == {"condition": drop.source, "holds": True, "saw": 0, "at": "2026-03-04T09:00:00Z"}


def test_the_evidence_of_an_absence_that_a_silence_cut_short_says_so() -> None:
    node = compile_condition({"absent": "product.used", "for": "19d"}, PROMISES)
    profile = folded(used(2), Watched(also=[node]))
    (because,) = node.verdict(Moment(profile, BACK, feeds=heard(BACK))).because
    assert (because["holds"], because["because"], because["feed"]) == (False, "stale_feed", "mixpanel")
