"""A play's back-test is the live service on old events: counted by hand, and against the simulator."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.crowds import HI, MORE, NEWS, by, drafts, ends, histories, lived, person, said, tried
from backtest.worlds import CANCELLED, told
from builders import START
from journeys.backtest.question import Outcome, Question
from journeys.definitions import parse
from journeys.demo.base import customer_base
from journeys.playtest.basis import Basis
from journeys.playtest.report import run
from journeys.scenarios.stage import Stage
from journeys.shipped import shipped
from journeys.store.reads import history
from mailroom import COMPOSER
from signals.event import Event
from signals.instant import DAY, MINUTE, parse_instant

RESCUE: dict[str, Any] = {
    "key": "rescue",
    "group": "retention",
    "priority": 40,
    "trigger": {"event": "go"},
    "exit": {"count": "well", "gte": 1},
    "steps": [HI, {"task": {"to": "csm", "title": "Call"}}, {"wait": {"for": "1d"}}, MORE],
}
OFFER: dict[str, Any] = {"key": "offer", "priority": 60, "trigger": {"event": "also"}, "steps": [NEWS]}
KEEPER: dict[str, Any] = {
    "key": "keeper",
    "group": "retention",
    "priority": 60,
    "trigger": {"event": "keep"},
    "steps": [{"wait": {"for": "2d"}}],
}
POLICIES: dict[str, Any] = {
    "contact_cap": {"per_day": 1},
    "quiet_hours": {"from": "20:00", "to": "08:00"},
    "arbitration_window": "10m",
    "hold_ttl": "72h",
}
KNOWN = drafts([RESCUE, OFFER, KEEPER], **POLICIES)
END = START + 20 * DAY
M = MINUTE / DAY
"""A minute, in the days that `told` takes."""


def day(instant: str) -> dict[str, Any]:
    return {"day": instant, "count": 1}


def test_one_account_is_written_to_and_called_as_planned() -> None:
    found = tried("rescue", KNOWN, [person("a", "ann", 0), told("a", "go", 0)], END)
    assert found["journeys"]["started"] == 1
    assert found["journeys"]["ended"] == {"completed": 1}
    assert found["journeys"]["per_week"]["weeks"] == [{"week": "2026-03-02", "started": 1}]
    champion = {
        "role": "champion",
        "count": 2,
        "most_a_day": 1,
        "days": [day("2026-03-02"), day("2026-03-03")],
    }
    assert found["messages"] == {
        "made": 2,
        "sent": 2,
        "ended": {"sent": 2},
        "waiting": 0,
        "roles": [champion],
    }
    csm = {"role": "csm", "count": 1, "most_a_day": 1, "days": [day("2026-03-02")]}
    assert found["tasks"] == {"raised": 1, "roles": [csm]}
    assert (found["held"], found["beside"], found["worth"]) == ({}, ["keeper", "offer"], None)
    assert not any(found["collisions"].values())


def test_what_the_caps_would_have_held_is_counted_by_reason() -> None:
    """Bob gets the offer at 09:00. Rescue's first message is due at 09:01: outranked until 09:10, capped until
    midnight, quiet until 08:00. Its second is due on that day at 09:01: capped until midnight, quiet until 08:00.
    """
    happened = [person("b", "bob", 0), told("b", "also", 0), told("b", "go", M)]
    found = tried("rescue", KNOWN, happened, END)
    assert found["held"] == {"contact_cap": 2, "quiet_hours": 2, "outranked": 1}
    assert found["messages"]["roles"][0]["days"] == [day("2026-03-03"), day("2026-03-04")]
    assert found["collisions"]["outranked_by"] == {"offer": 1}
    assert found["collisions"]["same_contact"] == {"offer": 1}
    beside = tried("offer", KNOWN, happened, END)
    assert beside["collisions"]["outranks"] == {"rescue": 1}
    assert beside["held"] == {}


def test_a_busy_group_is_a_collision_on_either_side() -> None:
    happened = [
        told("busy", "keep", 0),
        told("busy", "go", 1),
        told("weak", "go", 0),
        told("weak", "keep", 0.5),
    ]
    rescue = tried("rescue", KNOWN, happened, END)
    assert rescue["journeys"]["not_started"] == {"group_busy": 1}
    assert rescue["journeys"]["ended"] == {"preempted:keeper": 1}
    assert (rescue["journeys"]["candidates"], rescue["journeys"]["started"]) == (2, 1)
    assert rescue["collisions"]["blocked_by"] == {"keeper": 1}
    assert rescue["collisions"]["preempted_by"] == {"keeper": 1}
    keeper = tried("keeper", KNOWN, happened, END)
    assert keeper["collisions"]["blocks"] == {"rescue": 1}
    assert keeper["collisions"]["preempts"] == {"rescue": 1}


def test_an_exit_takes_what_waits_with_it() -> None:
    happened = [person("a", "ann", 0), told("a", "also", 0), told("a", "go", M), told("a", "well", 0.5)]
    found = tried("rescue", KNOWN, happened, END)
    assert found["journeys"]["ended"] == {"exited:exit": 1}
    assert found["messages"]["ended"] == {"cancelled:journey_ended": 1}


def test_somebody_who_unsubscribed_in_history_is_not_written_to() -> None:
    word = by(told("a", "engagement.unsubscribed", 0.5, channel="email", topic=""), "a.ann")
    found = tried("rescue", KNOWN, [person("a", "ann", 0), word, told("a", "go", 1)], END)
    assert found["messages"]["ended"] == {"suppressed:unsubscribed": 2}


def test_a_word_settles_what_is_held_at_once() -> None:
    word = by(told("a", "engagement.unsubscribed", 0.2, channel="email", topic=""), "a.ann")
    happened = [person("a", "ann", 0), told("a", "also", 0), told("a", "go", M), word]
    found = tried("rescue", KNOWN, happened, START + DAY // 4)
    assert found["messages"]["ended"] == {"suppressed:unsubscribed": 1}


def test_a_hold_that_ends_lets_messages_go() -> None:
    known = drafts([RESCUE])
    opened = told("a", "crm.escalation_opened", 0, escalation="E1")
    happened = [person("a", "ann", 0), opened, told("a", "go", 0.1)]
    closed = told("a", "crm.escalation_closed", 0.5, escalation="E1")
    assert tried("rescue", known, happened, END)["messages"]["sent"] == 0
    found = tried("rescue", known, [*happened, closed], END)
    assert (found["messages"]["sent"], found["held"]) == (2, {"account_hold": 1})


def test_control_and_holdout_are_told_apart_and_nothing_of_them_is_sent() -> None:
    known = drafts([{**RESCUE, "holdout": "100%"}])
    found = tried("rescue", known, [person("a", "ann", 0), told("a", "go", 0)], END)
    assert found["journeys"]["arms"] == {"holdout": 1}
    assert found["messages"]["ended"] == {"withheld:control": 2}
    assert (found["messages"]["sent"], found["tasks"]["raised"]) == (0, 0)


def test_what_started_before_the_asked_instant_is_lived_through_and_not_counted() -> None:
    happened = [person("a", "ann", 0), told("a", "go", 0), told("a", "go", 10)]
    found = tried("rescue", KNOWN, happened, END, since=START + 5 * DAY)
    assert (found["journeys"]["started"], found["messages"]["sent"], found["tasks"]["raised"]) == (1, 2, 1)


def test_what_is_under_way_when_history_ends_is_told() -> None:
    found = tried("rescue", KNOWN, [person("a", "ann", 0), told("a", "go", 0.48)], START + DAY // 2)
    assert found["journeys"]["ended"] == {"active": 1}
    assert (found["messages"]["waiting"], found["held"]) == (1, {"quiet_hours": 1})


def test_nobody_in_the_role_is_a_task_to_find_somebody() -> None:
    found = tried("rescue", KNOWN, [told("a", "go", 0)], END)
    assert found["messages"]["made"] == 0
    assert found["tasks"]["roles"][0]["count"] == 3


def test_a_webhook_is_for_nobody_and_counted_by_its_channel() -> None:
    call = {"webhook": {"endpoint": "desk", "data": {"account": "{{ account.id }}"}}}
    found = tried("rescue", drafts([{**RESCUE, "steps": [call]}]), [told("a", "go", 0)], END)
    assert [(role["role"], role["count"]) for role in found["messages"]["roles"]] == [("webhook", 1)]


def test_what_live_plays_did_to_accounts_is_done_by_the_run_itself() -> None:
    """The history holds the tag a live journey gave; here the run gives it, or does not."""
    tagging = {"key": "tagging", "trigger": {"event": "x"}, "steps": [{"update": {"tags": {"add": ["met"]}}}]}
    picky = {**RESCUE, "audience": {"not": {"tag": "met"}}}
    given = told("a", "account.tagged", 0, add=["met"], remove=[])
    ours = Event(
        f"{'0' * 32}/account.tagged", "journeys", given.type, given.time, "a", None, given.data, START
    )
    happened = [person("a", "ann", 0), ours, told("a", "go", 1)]
    assert tried("rescue", drafts([picky]), happened, END)["journeys"]["started"] == 1
    again = [*happened, told("a", "x", 0.5)]
    assert tried("rescue", drafts([picky, tagging]), again, END)["journeys"]["not_started"] == {"audience": 1}


def test_starts_are_held_against_an_outcome_like_firings() -> None:
    happened = [
        event
        for number in range(40)
        for event in (
            told(f"r{number}", "go", 1),
            told(f"r{number}", CANCELLED, 5),
            *(told(f"o{number}-{other}", "login", 0) for other in range(4)),
        )
    ]
    asked = {"outcome": Outcome(CANCELLED), "within": 10 * DAY, "among": None}
    found = tried("rescue", KNOWN, happened, START + 60 * DAY, **asked)
    worth = found["worth"]
    assert (worth["judged"], worth["followed"], worth["recall"]["caught"]) == (40, 40, 40)
    assert worth["lift"]["shown"]
    assert worth["lead_days"]["median"] == 4


def test_signals_nobody_asks_for_are_not_run() -> None:
    known = [
        *drafts([{**RESCUE, "trigger": {"signal": "spike"}}]),
        parse("signals", {"key": "spike", "when": {"count": "t", "in": "7d", "gte": 2}}),
        parse("signals", {"key": "apart", "when": {"count": "elsewhere", "gte": 1}}),
        parse("segments", {"key": "far", "enter": {"signal": "apart"}, "tag": True}),
    ]
    play = next(draft for draft in known if draft.kind == "plays")
    basis = Basis(play, known, Question(END), COMPOSER, "UTC")
    assert {*basis.playbook.signals} == {"spike"}
    assert not basis.playbook.segments
    found = run(basis, histories([told("a", "t", 0), told("a", "t", 1), told("a", "elsewhere", 2)]))
    assert (found["journeys"]["started"], found["events"], found["events_that_matter"]) == (1, 3, 2)


@pytest.mark.parametrize(
    "asking",
    [
        {"audience": {"segment": "far"}},
        {"audience": {"tag": "far"}},
        {"trigger": {"segment": "far"}},
        {"trigger": {"event": "segment.*"}},
        {"steps": [{"branch": [{"when": {"count": "segment.entered", "gte": 1}, "steps": [HI]}]}]},
    ],
)
def test_what_a_play_uses_in_a_roundabout_way_is_run(asking: dict[str, Any]) -> None:
    known = [
        *drafts([{**RESCUE, **asking}]),
        parse("signals", {"key": "apart", "when": {"count": "elsewhere", "gte": 1}}),
        parse("segments", {"key": "far", "enter": {"signal": "apart"}, "tag": True}),
    ]
    play = next(draft for draft in known if draft.kind == "plays")
    basis = Basis(play, known, Question(END), COMPOSER, "UTC")
    assert ({*basis.playbook.signals}, {*basis.playbook.segments}) == ({"apart"}, {"far"})


# ── against the simulator, and whatever the batches ────────────────────────────────────────────────────────────

PLAYS: list[dict[str, Any]] = [
    RESCUE,
    OFFER,
    {
        **KEEPER,
        "steps": [{"message": {"to": {"each": ["admin", "champion"]}, "content": "hi"}}, *KEEPER["steps"]],
    },
    {
        "key": "show",
        "priority": 70,
        "re_entry": "1d",
        "trigger": {"event": ["go", "also"]},
        "goal": {"when": {"count": "well", "gte": 1}, "within": "10d"},
        "steps": [
            {
                "message": {
                    "to": ["admin", "champion"],
                    "channel": ["in_app", "email"],
                    "content": "shown",
                    "seen_within": "2h",
                }
            },
            {"wait": {"for": "3h"}},
            {"message": {"to": "champion", "content": "news", "class": "service", "valid_for": "6h"}},
        ],
    },
]
CROWD = drafts(
    PLAYS,
    contact_cap={"per_day": 1, "per_7d": 3},
    account_cap={"per_7d": 4},
    role_gap="5h",
    quiet_hours={"from": "20:00", "to": "08:00"},
    arbitration_window="10m",
    duplicate_window="18h",
    release_every="1m",
    hold_ttl="30h",
)
WORDS: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "well": ("well", None, {}),
    "hold": ("crm.escalation_opened", None, {"escalation": "E"}),
    "free": ("crm.escalation_closed", None, {"escalation": "E"}),
    "no": ("engagement.unsubscribed", "ann", {"channel": "email", "topic": ""}),
    "yes": ("engagement.subscribed", "ann", {"channel": "email", "topic": ""}),
    "gone": ("crm.contact_left", "bob", {}),
}
"""What people and the CRM say in between: the event's type, by whom, and its data."""

_happenings = st.lists(
    st.tuples(
        st.sampled_from(["go", "also", "keep", "go", "also", "keep", *WORDS]),
        st.integers(0, 5),
        st.sampled_from([0, 1, 5, 12, 60, 300, 661, 900]),
        st.sampled_from(["a", "b", "c"]),
    ),
    max_size=14,
)


def crowd(happened: list[tuple[str, int, int, str]]) -> list[Event]:
    """Three accounts with a champion, two with an admin, and what happens to them.

    No two accounts are told of in one instant: live, a round between the two judges what waits for the second before
    it hears, and nothing says which of them comes first.
    """
    people = [person(account, "ann", 0) for account in "abc"]
    people += [person(account, "bob", 0, ["admin"]) for account in "ab"]
    return people + [
        _told(account, kind, 1 + d + (m + "abc".index(account) / 4) * M)
        for kind, d, m, account in sorted(happened)
    ]


def _told(account: str, kind: str, day: float) -> Event:
    name, contact, data = WORDS.get(kind, (kind, None, {}))
    happened = told(account, name, day, **data)
    return happened if contact is None else by(happened, f"{account}.{contact}")


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(_happenings)
def test_a_play_tried_does_what_it_does_live(happened: list[tuple[str, int, int, str]]) -> None:
    """Caps, gaps, quiet hours, arbitration, exits, pre-emption: the same ends by the same reasons."""
    events = crowd(happened)
    stage = lived(CROWD, events, END)
    try:
        for play in PLAYS:
            live, found = ends(stage, play["key"]), tried(play["key"], CROWD, events, END)
            waiting = live.pop("waiting")
            assert said(found) == live
            assert found["messages"]["waiting"] == sum(waiting.values())
    finally:
        stage.close()


@settings(deadline=None, max_examples=25)
@given(_happenings, st.randoms(use_true_random=False))
def test_the_order_of_accounts_makes_no_difference(
    happened: list[tuple[str, int, int, str]], rng: Any
) -> None:
    known = histories(crowd(happened))
    basis = Basis(CROWD[0], CROWD, Question(END, Outcome("well"), DAY), COMPOSER, "UTC")
    shuffled = rng.sample(known, len(known))
    assert run(basis, shuffled) == run(basis, known)


@pytest.mark.parametrize(("at_once", "accounts"), [(5_000, 500), (4, 3), (1, 1)])
def test_the_batch_of_accounts_makes_no_difference(
    monkeypatch: pytest.MonkeyPatch, at_once: int, accounts: int
) -> None:
    events = crowd([("go", n % 4, 60 * n, "abc"[n % 3]) for n in range(12)])
    stage = lived(CROWD, events, END)
    try:
        monkeypatch.setattr(history, "AT_ONCE", at_once)
        monkeypatch.setattr(history, "ACCOUNTS", accounts)
        basis = Basis(CROWD[0], CROWD, Question(END), COMPOSER, "UTC")
        assert run(basis, history.histories(stage.database)) == run(basis, histories(events)) | {
            "events": len([event for mine in history.histories(stage.database) for event in mine])
        }
    finally:
        stage.close()


@pytest.mark.slow
def test_a_year_of_customers_goes_as_it_went_live() -> None:
    """The shipped plays on the demo's customers; what the service wrote itself lies in the history and is told anew."""
    base = customer_base(parse_instant("2026-11-20T15:30:00Z"), accounts=6)
    events = list(base.events())
    stage = Stage(events[0].received_at)
    try:
        stage.use("defaults", history.__file__)  # type: ignore[arg-type]  # nothing is read from there
        plays = [draft for draft in shipped() if draft.kind == "plays"]
        stage.define({"activate": {"plays": [play.key for play in plays]}})
        stage.happen(events)
        stage.run(base.end)
        known = [*stage.drafts.values(), *stage._policy_draft()]
        started = 0
        for play in plays:
            basis = Basis(play, known, Question(base.end), COMPOSER, "UTC")
            found, live = run(basis, history.histories(stage.database)), ends(stage, play.key)
            live.pop("waiting")
            assert said(found) == live
            started += found["journeys"]["started"]
        assert started > 5
    finally:
        stage.close()
