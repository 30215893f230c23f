"""Edges: when a signal fires and clears, a segment is entered and left, a date comes; in which order; and silence."""

from typing import Any

import pytest
from pydantic import ValidationError

from builders import (
    START,
    Account,
    after_start,
    attributes,
    event,
    milestone,
    playbook,
    segment,
    signal,
    stages,
)
from journeys.react import refill
from signals.definitions import Signal
from signals.instant import DAY, HOUR, Instant, iso
from signals.watch import CircularDefinitions, Watched

TICKETS = {"count": "ticket", "in": "7d", "gte": 2}
PRO = {"attribute": "account.plan", "is": "pro"}


def account(**parts: Any) -> Account:
    return Account(playbook(**parts))


# ── signals ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_signal_fires_when_it_turns_true_and_clears_when_it_turns_false_by_itself() -> None:
    acme = account(signals=[signal("spike", when=TICKETS)])
    acme.happens("ticket", "0s")
    acme.happens("ticket", "1d")
    assert acme.edges() == ["signal spike fired"]
    leaves = after_start("7d") + HOUR
    acme.until(leaves - 1)
    assert acme.edges() == ["signal spike fired"]
    acme.until(leaves)
    assert acme.edges() == ["signal spike fired", "signal spike cleared"]
    assert acme.state.profile.signals["spike"].since == leaves


def test_a_firing_writes_an_event_with_its_evidence() -> None:
    acme = account(signals=[signal("spike", when=TICKETS, severity="critical")])
    acme.happens("ticket")
    (reaction,) = acme.happens("ticket", "1d")
    (told,) = reaction.events
    assert (told.type, told.time, told.data["severity"]) == ("signal.spike", after_start("1d"), "critical")
    assert told.data["evidence"] == [
        {"condition": TICKETS, "holds": True, "saw": 2, "at": "2026-03-03T09:00:00Z"}
    ]


def test_within_its_cooldown_a_signal_stays_shut_and_fires_at_its_end_if_it_still_holds() -> None:
    acme = account(signals=[signal("pro", when=PRO, cooldown="7d")])
    acme.live(attributes("0d", plan="pro"))
    acme.live(attributes("1d", plan="free"))
    acme.live(attributes("2d", plan="pro"))
    acme.until(after_start("7d") - 1)
    assert acme.edges() == ["signal pro fired", "signal pro cleared"]
    acme.until("7d")
    assert acme.edges()[2:] == ["signal pro fired"]
    assert acme.state.profile.signals["pro"].last_fired == after_start("7d")


def test_what_no_longer_holds_when_the_cooldown_ends_does_not_fire() -> None:
    acme = account(signals=[signal("pro", when=PRO, cooldown="7d")])
    for when, plan in (("0d", "pro"), ("1d", "free"), ("2d", "pro"), ("3d", "free")):
        acme.live(attributes(when, plan=plan))
    acme.until("30d")
    assert acme.edges() == ["signal pro fired", "signal pro cleared"]


LEVELS = [
    {"when": {"attribute": "account.score", "lte": 3}, "severity": "critical"},
    {"when": {"attribute": "account.score", "lte": 6}, "severity": "warning"},
]


def test_rising_to_a_worse_level_fires_again_and_falling_or_trembling_does_not() -> None:
    acme = account(signals=[signal("mood", levels=LEVELS)])
    for when, score in (("0d", 5), ("1d", 2), ("2d", 5), ("3d", 1), ("4d", 9)):
        acme.live(attributes(when, score=score))
    told = [(edge.change, edge.severity) for reaction in acme.reactions for edge in reaction.edges]
    assert told == [("fired", "warning"), ("fired", "critical"), ("cleared", None)]
    assert acme.state.profile.signals["mood"].fired == 2


def test_a_worse_level_does_not_reopen_a_cleared_signal_within_its_cooldown() -> None:
    acme = account(signals=[signal("mood", levels=LEVELS, cooldown="7d")])
    for when, score in (("0d", 5), ("1d", 9), ("2d", 1)):
        acme.live(attributes(when, score=score))
    acme.until("6d")
    assert acme.edges() == ["signal mood fired", "signal mood cleared"]
    acme.until("7d")
    assert acme.edges()[2:] == ["signal mood fired"]


def test_where_both_hold_clear_wins() -> None:
    acme = account(
        signals=[signal("pro", when=PRO, clear={"attribute": "account.quiet", "is": True}, cooldown="0s")]
    )
    acme.live(attributes("0d", plan="pro", quiet=True))
    assert acme.edges() == []
    acme.live(attributes("1d", quiet=False))
    acme.live(attributes("2d", quiet=True))
    assert acme.edges() == ["signal pro fired", "signal pro cleared"]


def test_with_a_clear_of_its_own_a_signal_outlives_its_condition() -> None:
    acme = account(signals=[signal("pro", when=PRO, clear={"attribute": "account.plan", "is": "none"})])
    for when, plan in (("0d", "pro"), ("1d", "free"), ("2d", "none")):
        acme.live(attributes(when, plan=plan))
    assert acme.edges() == ["signal pro fired", "signal pro cleared"]
    assert acme.state.profile.signals["pro"].since == after_start("2d")


# ── dates ───────────────────────────────────────────────────────────────────────────────────────────────────────


RENEWAL = signal("renewal", dates={"attribute": "account.renews_at", "before": ["90d", "30d", "60d"]})


def renewing(at: str | Instant, in_days: int) -> Any:
    moment = after_start(at) if isinstance(at, str) else at
    return attributes(moment, renews_at=iso(START + in_days * DAY))


def firings(acme: Account) -> list[int]:
    """The day of each firing."""
    return [
        (edge.at - START) // DAY
        for reaction in acme.reactions
        for edge in reaction.edges
        if edge.change == "fired"
    ]


def test_a_date_signal_fires_at_each_offset_and_clears_when_the_date_has_passed() -> None:
    acme = account(signals=[RENEWAL])
    acme.live(renewing("0d", 100))
    acme.until("200d")
    assert firings(acme) == [10, 40, 70]
    assert acme.edges()[-1] == "signal renewal cleared"
    assert acme.state.profile.signals["renewal"].since == after_start("100d")


def test_of_several_missed_offsets_only_the_newest_fires() -> None:
    acme = account(signals=[RENEWAL])
    acme.live(renewing("0d", 45))
    assert firings(acme) == [0]
    acme.until("100d")
    assert firings(acme) == [0, 15]


def test_a_date_that_moves_closer_fires_only_its_newest_missed_edge() -> None:
    acme = account(signals=[RENEWAL])
    acme.live(renewing("0d", 80))
    acme.live(renewing("1d", 26))
    acme.until("200d")
    assert firings(acme) == [0, 1]


def test_a_date_that_moves_away_beyond_the_last_edge_clears_and_fires_again_in_time() -> None:
    acme = account(signals=[RENEWAL])
    acme.live(renewing("0d", 50))
    acme.live(renewing("1d", 465))
    assert acme.edges() == ["signal renewal fired", "signal renewal cleared"]
    acme.until("600d")
    assert firings(acme) == [0, 375, 405, 435]


def test_a_date_that_moves_away_a_little_fires_the_edges_that_lie_ahead_again() -> None:
    acme = account(signals=[RENEWAL])
    acme.live(renewing("0d", 25))
    acme.live(renewing("1d", 65))
    acme.until("200d")
    assert firings(acme) == [0, 5, 35]


def test_the_same_date_again_fires_nothing_and_a_date_removed_clears() -> None:
    acme = account(signals=[RENEWAL])
    acme.live(renewing("0d", 80))
    acme.live(renewing("1d", 80))
    assert firings(acme) == [0]
    acme.live(attributes("2d", renews_at=None))
    assert acme.edges() == ["signal renewal fired", "signal renewal cleared"]


def test_date_edges_have_no_cooldown() -> None:
    near = signal("near", dates={"attribute": "account.ends", "before": ["2d", "1d"]}, cooldown="30d")
    acme = account(signals=[near])
    acme.live(attributes(ends=iso(START + 5 * DAY)))
    acme.until("9d")
    assert firings(acme) == [3, 4]


# ── segments, milestones, stages ────────────────────────────────────────────────────────────────────────────────


def test_a_segment_is_left_when_it_no_longer_holds_and_its_tag_goes_with_it() -> None:
    acme = account(segments=[segment("busy", enter={"count": "used", "in": "1d", "gte": 1}, tag=True)])
    acme.happens("used")
    assert acme.state.profile.tags == ["busy"]
    acme.until("3d")
    assert acme.edges() == ["segment busy entered", "segment busy left"]
    assert acme.state.profile.tags == []
    assert [told.type for reaction in acme.reactions for told in reaction.events] == [
        "segment.entered",
        "segment.left",
    ]


def test_where_both_hold_leave_wins() -> None:
    acme = account(segments=[segment("pro", enter=PRO, leave={"attribute": "account.gone", "is": True})])
    acme.live(attributes("0d", plan="pro", gone=True))
    assert acme.edges() == []
    acme.live(attributes("1d", gone=False))
    acme.live(attributes("2d", plan="free"))
    assert acme.edges() == ["segment pro entered"]
    acme.live(attributes("3d", plan="pro", gone=True))
    assert acme.edges() == ["segment pro entered", "segment pro left"]


def test_a_milestone_is_reached_the_first_time_its_condition_holds() -> None:
    acme = account(milestones=[milestone("live", when={"count": "used", "in": "1d", "gte": 1})])
    for when in ("0d", "5d"):
        acme.happens("used", when)
    assert acme.edges() == ["milestone live reached"]
    assert acme.state.profile.milestones == {"live": START}


def test_the_stage_is_the_first_whose_condition_holds() -> None:
    acme = account(
        stages=stages(
            ("gone", {"attribute": "account.plan", "is": "none"}), ("pro", PRO), ("other", {"all": []})
        )
    )
    found = []
    for when, plan in (("0d", "free"), ("1d", "pro"), ("2d", "none")):
        acme.live(attributes(when, plan=plan))
        found.append(acme.state.profile.stage)
    assert found == ["other", "pro", "gone"]
    assert acme.state.profile.stage_since == after_start("2d")


# ── order, circles, silence ─────────────────────────────────────────────────────────────────────────────────────


def test_definitions_that_use_one_another_settle_in_one_instant_whatever_their_order() -> None:
    parts: dict[str, Any] = {
        "signals": [
            signal("third", when={"all": [{"segment": "second"}, {"stage": "risky"}, {"tag": "second"}]}),
            signal("last", when={"count": "signal.third", "gte": 1}),
        ],
        "segments": [segment("second", enter={"reached": "first"}, tag=True)],
        "milestones": [milestone("first", when=PRO)],
        "stages": stages(("risky", {"segment": "second"}), ("calm", {"all": []})),
    }
    acme = account(**parts)
    acme.happens("first look")
    (reaction,) = acme.live(attributes("1h", plan="pro"))
    assert [f"{edge.kind} {edge.key}" for edge in reaction.edges] == [
        "milestone first",
        "segment second",
        "stage risky",
        "signal third",
        "signal last",
    ]


def test_a_creation_told_later_brings_the_look_at_a_vacant_role_nearer() -> None:
    acme = account(signals=[signal("vacant", when={"role": "champion", "vacant": True})])
    acme.happens("first look")
    acme.live(attributes("1h", created_at="2026-02-20"))
    acme.until(after_start("4d"))
    assert [iso(edge.at) for reaction in acme.reactions for edge in reaction.edges] == [
        "2026-03-06T00:00:00Z"
    ]


def test_definitions_on_a_circle_are_refused_by_name_and_only_they() -> None:
    definitions = [
        signal("a", when={"signal": "b"}),
        signal("b", when={"any": [PRO, {"count": "signal.a", "gte": 1}]}),
        signal("leans_on_it", when={"signal": "a"}),
        signal("fine", when=PRO),
    ]
    with pytest.raises(CircularDefinitions) as refusal:
        Watched(definitions)
    assert str(refusal.value).endswith("circle: signal a, signal b")


def test_a_definition_that_uses_itself_is_a_circle() -> None:
    for body in ({"signal": "a"}, {"count": "signal.*", "gte": 1}):
        with pytest.raises(CircularDefinitions, match="signal a"):
            Watched([signal("a", when=body)])


def test_what_holds_when_it_is_activated_opens_silently_unless_current_is_asked_for() -> None:
    acme = account()
    acme.live(attributes(plan="pro"))
    parts: dict[str, Any] = {"signals": [signal("pro", when=PRO)], "segments": [segment("pros", enter=PRO)]}
    quiet = refill(acme.state, [], playbook(**parts, stamp=1), after_start("1d"))
    assert [(edge.change, edge.silent) for edge in quiet.edges] == [("opened", True), ("entered", True)]
    assert quiet.events == []
    assert quiet.state.profile.signals["pro"].open
    assert quiet.state.profile.signals["pro"].last_fired is None
    loud = refill(acme.state, [], playbook(**parts, stamp=1, current=True), after_start("1d"))
    assert [(edge.change, edge.silent) for edge in loud.edges] == [("fired", False), ("entered", False)]


def test_a_new_definition_counts_the_history_before_it() -> None:
    history = [event("ticket", "0d"), event("ticket", "1d")]
    acme = account()
    for each in history:
        acme.live(each)
    reaction = refill(
        acme.state, history, playbook(signals=[signal("spike", when=TICKETS)], stamp=1), after_start("2d")
    )
    assert reaction.state.profile.signals["spike"].open
    assert reaction.state.profile.look_at == after_start("7d") + HOUR


def test_archived_definitions_are_cleared_and_left_silently() -> None:
    acme = account(signals=[signal("pro", when=PRO)], segments=[segment("pros", enter=PRO, tag=True)])
    acme.live(attributes(plan="pro"))
    reaction = refill(acme.state, [], playbook(), after_start("1d"))
    profile = reaction.state.profile
    assert (profile.signals, profile.segments, profile.tags, reaction.edges) == ({}, {}, [], [])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"when": PRO, "levels": LEVELS},
        {"dates": {"attribute": "plan", "before": ["1d"]}},
        {"when": {"what": 1}},
    ],
)
def test_a_signal_has_exactly_one_way_to_be_true(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Signal.model_validate({"key": "x", **body})


def test_a_signal_and_a_segment_may_bear_one_name() -> None:
    acme = account(signals=[signal("busy", when=TICKETS)], segments=[segment("busy", enter=TICKETS)])
    acme.happens("ticket")
    acme.happens("ticket", "1d")
    assert acme.edges() == ["signal busy fired", "segment busy entered"]
    acme.until(after_start("7d") + HOUR)
    assert acme.edges()[2:] == ["signal busy cleared", "segment busy left"]
