"""How an account reacts: what starts, what does not and why, what ends, and that nothing else ever decides."""

from typing import Any

from hypothesis import HealthCheck, given, settings

from builders import (
    ACCOUNT,
    START,
    Account,
    after_start,
    attributes,
    event,
    person,
    play,
    playbook,
    segment,
    signal,
)
from histories import conditions, histories
from journeys.react import Exit, Settled, live_through, react
from journeys.state import new_state, pack, unpack
from signals.event import Event
from signals.instant import DAY, iso

PRO = {"attribute": "account.plan", "is": "pro"}
LONG = [{"wait": {"for": "30d"}}]


def living(*plays: Any, **parts: Any) -> Account:
    return Account(playbook(*plays, **parts))


# ── starts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_candidate_leaves_a_decision_in_order_of_priority_then_key() -> None:
    acme = living(
        play("b"),
        play("a"),
        play("top", priority=90),
        play("not_for_us", audience=PRO),
        play("other", trigger={"event": "x"}),
    )
    acme.happens("go")
    assert acme.decisions() == [
        ("top", "started", None),
        ("a", "started", None),
        ("b", "started", None),
        ("not_for_us", "not_started", "audience"),
    ]


def test_a_play_starts_once_while_it_is_live() -> None:
    acme = living(play())
    acme.happens("go")
    acme.happens("go", "1d")
    assert acme.decisions() == [("rescue", "started", None), ("rescue", "not_started", "already_live")]
    assert len(acme.journeys()) == 1


def test_a_keyed_play_is_live_once_for_each_key() -> None:
    acme = living(play(journey_key="event.data.invoice"))
    for when, invoice in (("0d", "a"), ("1d", "b"), ("2d", "a")):
        acme.happens("go", when, invoice=invoice)
    assert [journey.key for journey in acme.journeys()] == ["a", "b"]
    assert acme.decisions()[-1] == ("rescue", "not_started", "already_live")


def test_re_entry_counts_from_the_end_of_the_last_journey_of_the_play_and_key() -> None:
    acme = living(play(re_entry="10d", journey_key="event.data.invoice", steps=[{"wait": {"for": "5d"}}]))
    acme.happens("go", "0d", invoice="a")
    for at in (after_start("15d") - 1, after_start("15d")):
        acme.happens("go", at, invoice="a")
    acme.happens("go", "15d", invoice="b")
    assert [outcome for _, outcome, _ in acme.decisions()] == ["started", "not_started", "started", "started"]
    assert acme.decisions()[1][2] == "re_entry"


def test_a_play_that_is_never_re_entered_runs_once() -> None:
    acme = living(play(re_entry="never", steps=[{"wait": {"for": "1d"}}]))
    for when in ("0d", "5d"):
        acme.happens("go", when)
    assert acme.decisions()[1:] == [("rescue", "not_started", "re_entry")]


def test_nothing_starts_where_its_exit_or_its_goal_already_holds() -> None:
    acme = living(play("out", exit=PRO), play("done", goal={"when": PRO, "within": "9d"}))
    acme.live(attributes(plan="pro"))
    acme.happens("go", "1d")
    assert acme.decisions() == [("done", "not_started", "goal_met"), ("out", "not_started", "exit_holds")]


def test_a_paused_play_starts_nothing() -> None:
    acme = living(play(paused=True))
    acme.happens("go")
    assert acme.decisions() == [("rescue", "not_started", "play_paused")]


def test_an_old_event_changes_the_profile_and_starts_nothing_but_a_decision() -> None:
    acme = living(
        play(), play("other", trigger={"signal": "pro"}), signals=[signal("pro", when=PRO)], policies={}
    )
    acme.live(event("start", "0d"))
    old = attributes("1d", plan="pro")
    acme.live(old, after_start("4d") + 1)
    acme.live(event("go", "1d"), after_start("4d") + 1)
    assert acme.decisions() == [("other", "not_started", "too_old"), ("rescue", "not_started", "too_old")]
    assert acme.edges() == ["(signal pro opened)"]
    acme.live(event("go", "1d"), "4d")
    assert acme.decisions()[-1] == ("rescue", "not_started", "too_old")  # the account's clock never goes back


def test_an_event_is_young_enough_up_to_and_including_the_limit() -> None:
    acme = living(play())
    acme.live(event("go", "0d"), "3d")
    assert acme.decisions() == [("rescue", "started", None)]


def test_a_date_edge_has_no_age_limit_while_its_date_is_ahead() -> None:
    acme = living(play(trigger={"date": "account.renews_at", "before": ["90d"]}))
    acme.live(event("start", "0d"))
    acme.live(attributes("1d", renews_at=iso(START + 60 * DAY)), "9d")
    assert acme.decisions() == [("rescue", "started", None)]


def test_a_date_trigger_starts_at_each_of_its_edges() -> None:
    dated = play(
        trigger={"date": "account.renews_at", "before": ["90d", "30d"]}, steps=[{"wait": {"for": "1d"}}]
    )
    acme = living(dated)
    acme.live(attributes(renews_at=iso(START + 100 * DAY)))
    acme.until("200d")
    assert [(journey.started_at - START) // DAY for journey in acme.journeys()] == [10, 70]


def test_a_signal_and_a_segments_edges_start_their_plays_at_their_instant() -> None:
    acme = living(
        play("fired", trigger={"signal": "pro"}),
        play("entered", trigger={"segment": "pros"}),
        play("left", trigger={"segment": "pros", "edge": "leave"}),
        signals=[signal("pro", when=PRO, severity="critical")],
        segments=[segment("pros", enter=PRO)],
    )
    acme.live(attributes("0d", plan="pro"))
    acme.live(attributes("1d", plan="free"))
    assert [(journey.play, journey.started_at - START) for journey in acme.journeys()] == [
        ("entered", 0),
        ("fired", 0),
        ("left", DAY),
    ]
    assert acme.journeys("fired")[0].severity == "critical"


# ── groups ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_in_a_group_the_higher_priority_preempts_and_the_rest_are_blocked() -> None:
    acme = living(
        play("low", group="g", priority=10, trigger={"event": "low"}),
        play("same", group="g", priority=10, trigger={"event": "same"}),
        play("high", group="g", priority=20, trigger={"event": "high"}),
        play("free", priority=1, trigger={"event": "low"}),
    )
    for when, kind in (("0d", "low"), ("1d", "same"), ("2d", "high"), ("3d", "low")):
        acme.happens(kind, when)
    assert acme.decisions() == [
        ("low", "started", None),
        ("free", "started", None),
        ("same", "not_started", "group_busy"),
        ("high", "started", None),
        ("low", "not_started", "group_busy"),
        ("free", "not_started", "already_live"),
    ]
    assert acme.statuses("low") == ["preempted:high"]


def test_of_two_in_a_group_at_one_instant_the_higher_priority_starts() -> None:
    acme = living(play("a", group="g", priority=1), play("b", group="g", priority=2))
    acme.happens("go")
    assert acme.decisions() == [("b", "started", None), ("a", "not_started", "group_busy")]


def test_a_candidate_that_does_not_start_preempts_nobody() -> None:
    acme = living(
        play("low", group="g", priority=10),
        play("high", group="g", priority=20, trigger={"event": "high"}, audience=PRO),
    )
    acme.happens("go")
    acme.happens("high", "1d")
    assert acme.statuses("low") == ["active"]


# ── ends ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_exit_ends_a_journey_at_once_inside_a_long_wait_and_its_queue_dies_with_it() -> None:
    steps = [{"message": {"to": "admin", "content": "hello"}}, *LONG]
    acme = living(play(exit=PRO, steps=steps))
    acme.live(person("ann", roles=["admin"]))
    acme.happens("go", "1h")
    (reaction,) = acme.live(attributes("2d", plan="pro"))
    (journey,) = acme.journeys()
    assert (journey.status, journey.ended_at, journey.wakes_at) == ("exited", after_start("2d"), None)
    assert reaction.dead_journeys == [journey.id]


def test_an_exit_that_comes_with_time_alone_ends_the_journey_at_that_instant() -> None:
    acme = living(play(exit={"absent": "login", "for": "5d"}))
    acme.happens("login", "0d")
    acme.happens("go", "1d")
    acme.until("29d")
    assert [(journey.status, journey.ended_at) for journey in acme.journeys()] == [
        ("exited", after_start("5d"))
    ]


def test_a_goal_beats_an_exit_at_the_same_instant() -> None:
    acme = living(play(exit=PRO, goal={"when": PRO, "within": "9d"}))
    acme.happens("go")
    acme.live(attributes("1d", plan="pro"))
    assert acme.statuses() == ["completed:goal"]


def test_a_goal_counts_up_to_and_including_the_end_of_its_window() -> None:
    for at, status in ((after_start("9d"), "completed:goal"), (after_start("9d") + 1, "active")):
        acme = living(play(goal={"when": PRO, "within": "9d"}))
        acme.happens("go")
        acme.live(attributes(at, plan="pro"))
        assert acme.statuses() == [status]


def test_a_person_can_end_a_journey_and_ending_it_twice_changes_nothing() -> None:
    acme = living(play())
    acme.happens("go")
    (journey,) = acme.journeys()
    acme.live(Exit(journey.id, "by_hand"), "1d")
    assert acme.statuses() == ["exited:by_hand"]
    (reaction,) = acme.live(Exit(journey.id, "again"), "2d")
    assert reaction.journeys == {}


def test_its_open_tasks_are_closed_with_a_journey_only_where_the_play_says_so() -> None:
    for close in (True, False):
        acme = living(play(exit=PRO, close_tasks=close, steps=[{"task": {"title": "Call"}}, *LONG]))
        acme.happens("go")
        (reaction,) = acme.live(attributes("1d", plan="pro"))
        assert reaction.close_tasks == ([acme.journeys()[0].id] if close else [])


# ── experiments ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_held_out_account_runs_the_same_path_and_reaches_nobody() -> None:
    steps = [
        {"message": {"to": "admin", "content": "hello"}},
        {"task": {"title": "Call"}},
        {"update": {"attributes": {"touched": True}}},
        *LONG,
    ]
    acme = living(play(holdout="100%", steps=steps))
    acme.live(person("ann", roles=["admin"]))
    acme.happens("go", "1h")
    assert acme.decisions() == [("rescue", "started", "holdout")]
    assert [message.arm_control for message in acme.messages()] == [True]
    assert acme.tasks() == []
    assert acme.decisions("task") == [("rescue", "withheld", "control")] * 2
    assert acme.state.profile.value("touched") is None
    assert acme.journeys()[0].step == "4"


def test_a_control_account_is_withheld_from_every_play() -> None:
    acme = living(play(), policies={"control": {"percent": 100, "salt": "x"}})
    acme.happens("go")
    assert acme.decisions() == [("rescue", "started", "control")]


# ── purity ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_update_step_is_folded_and_watched_at_the_same_instant() -> None:
    acme = living(
        play(steps=[{"update": {"attributes": {"plan": "pro"}, "tags": {"add": ["vip"]}}}, *LONG]),
        play("next", trigger={"signal": "pro"}),
        signals=[signal("pro", when={"all": [PRO, {"tag": "vip"}]})],
    )
    (reaction,) = acme.happens("go")
    assert [told.type for told in reaction.events] == ["crm.account_updated", "account.tagged", "signal.pro"]
    assert acme.statuses("next") == ["active"]
    assert acme.journeys("next")[0].started_at == START


def test_what_falls_due_runs_one_instant_after_the_other_before_the_event() -> None:
    steps = [
        {"wait": {"for": "1d"}},
        {"task": {"title": "One"}},
        {"wait": {"for": "1d"}},
        {"task": {"title": "Two"}},
    ]
    acme = living(play(steps=steps))
    acme.happens("go")
    acme.happens("other", "9d")
    assert [(task.title, task.at - START) for task in acme.tasks()] == [("One", DAY), ("Two", 2 * DAY)]


PLAYS = [
    {
        "trigger": {"event": "used"},
        "steps": [{"message": {"to": ["champion", "admin"], "content": "a"}}, *LONG],
    },
    {
        "trigger": {"event": "paid"},
        "group": "g",
        "steps": [{"task": {"title": "Call"}}, {"wait": {"for": "2d"}}],
    },
    {
        "trigger": {"signal": "s"},
        "group": "g",
        "priority": 70,
        "re_entry": "3d",
        "steps": [
            {"wait": {"until": {"count": "paid", "in": "2d", "gte": 1}, "for": "3d", "else": "late"}},
            {"end": {}},
            {"id": "late", "update": {"attributes": {"score": 5}, "tags": {"add": ["late"]}}},
            {"split": {"key": "x", "arms": [{"name": "a", "steps": []}, {"name": "b", "steps": LONG}]}},
        ],
    },
]


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(conditions, conditions, histories())
def test_a_life_leaves_every_given_state_as_it_was_and_is_the_same_each_time(
    ends: dict[str, Any], fires: dict[str, Any], history: list[Event]
) -> None:
    packed, told = [], []
    for _ in range(2):
        plays = [
            play(f"p{place}", exit=ends, goal={"when": fires, "within": "5d"} if place else None, **body)
            for place, body in enumerate(PLAYS)
        ]
        book = playbook(*plays, signals=[signal("s", when=fires, cooldown="1d")])
        state, ids = new_state(ACCOUNT, START), []
        for stimulus, now in [*((one, one.time) for one in history), (None, START + 120 * DAY)]:
            before = pack(state)
            reactions = live_through(state, stimulus, book, now)
            assert pack(state) == before
            state = unpack(*pack(reactions[-1].state)) if reactions else state
            ids += [decision.id for reaction in reactions for decision in reaction.decisions]
            ids += [message.id for reaction in reactions for message in reaction.messages]
        assert len(set(ids)) == len(ids)
        packed.append(pack(state))
        told.append(ids)
    assert packed[0] == packed[1]
    assert told[0] == told[1]


def test_news_of_a_message_moves_its_journey_on() -> None:
    steps = [{"message": {"to": "admin", "content": "a"}}, {"message": {"to": "admin", "content": "b"}}]
    acme = living(play(steps=steps))
    acme.live(person("ann", roles=["admin"]))
    acme.happens("go", "1h")
    for when in ("2h", "3h"):
        assert acme.statuses() == ["active"]
        newest = acme.messages()[-1]
        acme.live(Settled(newest.journey, frozenset({newest.id})), when)
    assert [message.content for message in acme.messages()] == ["a", "b"]
    assert acme.statuses() == ["completed"]


def test_a_silent_event_opens_without_firing_and_starts_nothing() -> None:
    book = playbook(play(trigger={"signal": "pro"}), play("other"), signals=[signal("pro", when=PRO)])
    state = new_state(ACCOUNT, START)
    for each in (attributes(plan="pro"), event("go", "1d")):
        reaction = react(state, each, book, each.time, silent=True)
        state = reaction.state
        assert (reaction.decisions, reaction.events, reaction.journeys) == ([], [], {})
    assert state.profile.signals["pro"].open
    assert state.profile.signals["pro"].last_fired is None
