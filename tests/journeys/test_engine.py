"""How a journey walks: waits, branches, splits, messages that wait for one another, roles, loops."""

from typing import Any

import pytest

from builders import START, Account, after_start, attributes, event, person, play, playbook
from journeys.journey import share
from journeys.react import Settled
from journeys.walking import LONGEST_RUN
from signals.conditions.node import Answer, Moment, Node
from signals.instant import DAY, HOUR, iso

PRO = {"attribute": "account.plan", "is": "pro"}


def task(title: str, **about: Any) -> dict[str, Any]:
    return {"task": {"title": title}, **about}


def walking(*steps: dict[str, Any], **body: Any) -> Account:
    return Account(playbook(play(steps=list(steps), **body)))


def done(acme: Account) -> list[tuple[str, int]]:
    """Every task: its title and the days after `START`."""
    return [(each.title, (each.at - START) // DAY) for each in acme.tasks()]


# ── waits ───────────────────────────────────────────────────────────────────────────────────────────────────────


UNTIL_PRO = {"wait": {"until": PRO, "for": "3d", "else": "late"}}


def test_a_wait_ends_when_its_condition_comes_to_hold_or_goes_to_else_at_its_limit() -> None:
    steps = [UNTIL_PRO, task("met"), {"end": {}}, task("late", id="late")]
    met = walking(*steps)
    met.happens("go")
    met.live(attributes("2d", plan="pro"))
    met.until("9d")
    assert done(met) == [("met", 2)]
    late = walking(*steps)
    late.happens("go")
    late.until(after_start("3d") - 1)
    assert done(late) == []
    late.until("9d")
    assert done(late) == [("late", 3)]


def test_a_wait_without_else_goes_on_to_the_next_step_at_its_limit() -> None:
    acme = walking({"wait": {"until": PRO, "for": "3d"}}, task("next"))
    acme.happens("go")
    acme.until("9d")
    assert done(acme) == [("next", 3)]


def test_a_condition_that_already_holds_does_not_wait() -> None:
    acme = walking(UNTIL_PRO, task("met"), {"end": {}}, task("late", id="late"))
    acme.live(attributes(plan="pro"))
    acme.happens("go", "1d")
    assert done(acme) == [("met", 1)]


def test_a_condition_that_comes_to_hold_by_time_alone_ends_the_wait_at_that_instant() -> None:
    acme = walking({"wait": {"until": {"absent": "login", "for": "5d"}, "for": "30d"}}, task("quiet"))
    acme.happens("login")
    acme.happens("go", "1d")
    acme.until("20d")
    assert done(acme) == [("quiet", 5)]


class Unknown(Node):
    """A condition whose feed is silent."""

    def test(self, moment: Moment) -> Answer:
        return None, None


def test_while_its_condition_is_unknown_a_wait_goes_on_past_its_limit() -> None:
    compiled = play(steps=[UNTIL_PRO, task("met"), {"end": {}}, task("late", id="late")])
    compiled.program.ops["1"].until = Unknown({})
    acme = Account(playbook(compiled))
    acme.happens("go")
    assert len(acme.until("9d")) < 10
    assert done(acme) == []
    assert acme.journeys()[0].step == "1"


@pytest.mark.parametrize(
    ("renews_at", "day"), [(START + 20 * DAY, 13), (START + 5 * DAY, 0), (START - DAY, 0), (None, 0)]
)
def test_a_wait_for_an_instant_that_is_past_or_missing_goes_on_at_once(
    renews_at: int | None, day: int
) -> None:
    acme = walking({"wait": {"at": "account.renews_at", "offset": "-7d"}}, task("now"))
    acme.live(attributes(renews_at=None if renews_at is None else iso(renews_at)))
    acme.happens("go")
    acme.until("30d")
    assert done(acme) == [("now", day)]


def test_a_wait_for_an_instant_follows_an_attribute_that_moves() -> None:
    acme = walking({"wait": {"at": "account.renews_at", "offset": "-7d"}}, task("now"))
    acme.live(attributes(renews_at=iso(START + 20 * DAY)))
    acme.happens("go")
    acme.live(attributes("3d", renews_at=iso(START + 30 * DAY)))
    acme.until("40d")
    assert done(acme) == [("now", 23)]


def test_a_wait_can_be_for_an_instant_the_event_names() -> None:
    acme = walking({"wait": {"at": "event.data.due"}}, task("now"))
    acme.happens("go", due=iso(START + 4 * DAY))
    acme.until("9d")
    assert done(acme) == [("now", 4)]


# ── branches, splits, goto ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("plan", "titles"), [("pro", ["pro", "after"]), ("free", ["other", "after"])])
def test_a_branch_takes_its_first_arm_that_holds_and_comes_back(plan: str, titles: list[str]) -> None:
    arms = [{"when": PRO, "steps": [task("pro")]}, {"otherwise": True, "steps": [task("other")]}]
    acme = walking({"branch": arms}, task("after"))
    acme.live(attributes(plan=plan))
    acme.happens("go")
    assert [each.title for each in acme.tasks()] == titles


def test_where_no_arm_matches_a_branch_goes_on() -> None:
    acme = walking({"branch": [{"when": PRO, "steps": [task("pro")]}]}, task("after"))
    acme.happens("go")
    assert [each.title for each in acme.tasks()] == ["after"]


def test_a_branch_sees_the_event_that_started_the_journey() -> None:
    arm = {"when": {"attribute": "event.data.amount", "gte": 100}, "steps": [task("big")]}
    acme = walking({"branch": [arm]}, {"wait": {"for": "1d"}})
    acme.happens("go", amount=100)
    assert [each.title for each in acme.tasks()] == ["big"]


def test_an_arm_is_chosen_by_the_hash_of_experiment_and_account_alone() -> None:
    arms = [
        {"name": "a", "weight": 1, "steps": [task("a")]},
        {"name": "b", "weight": 3, "steps": [task("b")]},
    ]
    acme = walking({"split": {"key": "words", "arms": arms}}, task("after"))
    acme.happens("go")
    expected = "a" if share("words", "acme") < 25 else "b"
    assert [each.title for each in acme.tasks()] == [expected, "after"]
    assert acme.journeys()[0].arm == expected


def test_the_shares_of_many_accounts_fill_the_range_evenly() -> None:
    shares = sorted(share("words", f"account-{number}") for number in range(2000))
    assert all(abs(found - place / 20) < 4 for place, found in enumerate(shares))


def test_more_than_a_hundred_steps_without_a_wait_is_a_loop() -> None:
    exactly = [{"update": {"attributes": {"n": number}}} for number in range(LONGEST_RUN)]
    fits, too_many = walking(*exactly), walking(*exactly, {"update": {"attributes": {"n": -1}}})
    for acme in (fits, too_many):
        acme.happens("go")
    assert fits.statuses() == ["completed"]
    assert too_many.statuses() == ["failed:loop"]


def test_a_goto_that_returns_without_a_wait_fails_as_a_loop_and_one_with_a_wait_goes_round() -> None:
    bare = walking(task("a", id="top"), {"goto": "top"})
    bare.happens("go")
    assert bare.statuses() == ["failed:loop"]
    waiting = walking(task("a", id="top"), {"wait": {"for": "1d"}}, {"goto": "top"})
    waiting.happens("go")
    waiting.until("3d")
    assert done(waiting) == [("a", 0), ("a", 1), ("a", 2), ("a", 3)]
    assert len({each.id for each in waiting.tasks()}) == 4


# ── messages and roles ──────────────────────────────────────────────────────────────────────────────────────────


def message(to: Any, content: str = "hello", **about: Any) -> dict[str, Any]:
    return {"message": {"to": to, "content": content, **about}}


def test_a_later_message_waits_until_the_earlier_is_settled_but_other_steps_do_not() -> None:
    acme = walking(message("admin", "first"), task("beside"), message("admin", "second"))
    acme.live(person("ann", roles=["admin"]))
    acme.happens("go", "1h")
    assert [each.content for each in acme.messages()] == ["first"]
    assert [each.title for each in acme.tasks()] == ["beside"]
    first = acme.messages()[0]
    acme.live(Settled(first.journey, frozenset({first.id})), "5h")
    assert [(each.content, each.due_at) for each in acme.messages()[1:]] == [("second", after_start("5h"))]


def test_a_wait_behind_an_unsettled_message_runs_from_where_it_began() -> None:
    acme = walking(message("admin", "first"), {"wait": {"for": "2d"}}, message("admin", "second"))
    acme.live(person("ann", roles=["admin"]))
    acme.happens("go")
    acme.until("3d")
    first = acme.messages()[0]
    acme.live(Settled(first.journey, frozenset({first.id})), "4d")
    assert [each.due_at for each in acme.messages()] == [START, after_start("4d")]


def test_the_first_role_with_a_reachable_person_is_asked() -> None:
    acme = walking(message(["champion", "admin"]))
    acme.live(person("ann", roles=["champion"], email=None))
    acme.live(person("bob", roles=["admin"]))
    acme.happens("go")
    assert [(each.contact, each.role) for each in acme.messages()] == [("bob", "admin")]


def test_each_role_is_a_lane_and_a_vacant_one_is_told_of_by_itself() -> None:
    acme = walking(message({"each": ["champion", "exec_sponsor", "finance"]}))
    acme.live(person("ann", roles=["champion", "finance"]))
    acme.happens("go")
    assert [(each.contact, each.role, each.lane) for each in acme.messages()] == [("ann", "champion", 0)]
    assert acme.decisions("send") == [("rescue", "not_sent", "role_vacant")]
    assert [(each.type, each.reason) for each in acme.tasks()] == [
        ("role_vacant", "role_vacant:exec_sponsor")
    ]


@pytest.mark.parametrize(("if_vacant", "tasks"), [("none", []), ([task("Search")], ["Search"])])
def test_if_vacant_is_what_the_step_says(if_vacant: Any, tasks: list[str]) -> None:
    acme = walking(message("champion", if_vacant=if_vacant), {"wait": {"for": "1d"}})
    acme.happens("go")
    assert [each.title for each in acme.tasks()] == tasks
    assert acme.decisions("send") == [("rescue", "not_sent", "role_vacant")]
    assert acme.journeys()[0].step == "2"


def test_a_loop_sends_anew_on_every_visit() -> None:
    steps = [{"id": "top", **message("admin")}, {"wait": {"for": "1d"}}, {"goto": "top"}]
    acme = walking(*steps)
    acme.live(person("ann", roles=["admin"]))
    acme.happens("go")
    first = acme.messages()[0]
    acme.live(Settled(first.journey, frozenset({first.id})), "1h")
    acme.until("1d")
    assert [each.visit for each in acme.messages()] == [1, 2]
    assert len({each.id for each in acme.messages()}) == 2


# ── tasks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_task_is_named_by_its_content_its_step_or_nothing_and_reasoned_by_its_signal_or_play() -> None:
    steps = [{"task": {"title": "a", "content": "guide"}}, task("b", id="call"), task("c")]
    acme = walking(*steps)
    acme.happens("go")
    assert [(each.type, each.reason) for each in acme.tasks()] == [
        ("guide", "rescue"),
        ("call", "rescue"),
        ("task", "rescue"),
    ]


def test_a_journey_is_completed_when_its_last_step_is_done() -> None:
    acme = walking(task("a"), {"wait": {"for": "1d"}})
    acme.happens("go")
    acme.until("2d")
    assert [(each.status, each.ended_at) for each in acme.journeys()] == [("completed", after_start("1d"))]
    assert acme.state.journeys == []
    assert acme.until("99d") == []


def test_a_live_journey_stays_on_its_version() -> None:
    acme = walking({"wait": {"for": "1d"}}, task("old"))
    acme.happens("go")
    old = acme.book.plays["rescue"]
    acme.book = playbook(play(version=2, steps=[{"wait": {"for": "1d"}}, task("new")]), retired=[old])
    acme.live(event("other", "1h"))
    acme.until("2d")
    assert done(acme) == [("old", 1)]
    acme.happens("go", after_start("2d") + HOUR)
    acme.until("9d")
    assert done(acme) == [("old", 1), ("new", 3)]
