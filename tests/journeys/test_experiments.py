"""Experiments: exposure and goals are events, once for each account or journey; goals outlive journeys (semantics §5)."""

from typing import Any

from builders import Account, after_start, attributes, event, play, playbook
from journeys.journey import share
from plays.experiments import place_in
from signals.event import Event

PRO = {"attribute": "account.plan", "is": "pro"}
SPLIT = {"split": {"key": "tone", "arms": [{"name": "warm", "steps": []}, {"name": "cool", "steps": []}]}}


def told(acme: Account, kind: str) -> list[Event]:
    return [each for reaction in acme.reactions for each in reaction.events if each.type == kind]


def exposures(acme: Account) -> list[tuple[str, str]]:
    return [(each.data["experiment"], each.data["arm"]) for each in told(acme, "experiment.exposed")]


def keyed(*steps: Any, key: str = "rescue", **body: Any) -> Any:
    return play(key, journey_key="event.data.n", steps=list(steps), **body)


def test_an_account_is_exposed_once_to_an_experiment_however_often_it_comes_by() -> None:
    acme = Account(playbook(keyed(SPLIT)))
    for number in range(3):
        acme.happens("go", f"{number}d", n=f"N{number}")
    arm = ["warm", "cool"][place_in([1, 1], share("tone", "acme"))]
    assert exposures(acme) == [("tone", arm)]
    assert [journey.arm for journey in acme.journeys()] == [arm] * 3


def test_two_journeys_at_one_instant_are_one_exposure() -> None:
    acme = Account(playbook(play("one", steps=[SPLIT]), play("two", steps=[SPLIT])))
    acme.happens("go")
    assert len(exposures(acme)) == 1


def test_who_is_left_out_of_a_play_is_exposed_to_its_holdout_and_to_nothing_in_it() -> None:
    acme = Account(playbook(keyed(SPLIT, holdout="100%")))
    acme.happens("go", n="1")
    acme.happens("go", "1d", n="2")
    assert exposures(acme) == [("holdout/rescue", "holdout")]


def test_who_is_not_held_out_is_the_other_arm() -> None:
    share_of_acme = share("holdout/rescue", "acme")
    acme = Account(playbook(play(holdout=share_of_acme / 2)))
    acme.happens("go")
    assert exposures(acme) == [("holdout/rescue", "treated")]


def test_the_global_control_group_is_an_experiment_that_begins_with_the_first_start() -> None:
    for percent, arm in ((100, "control"), (1e-9, "treated")):
        acme = Account(playbook(play(), policies={"control": {"percent": percent, "salt": "x"}}))
        acme.happens("go")
        assert exposures(acme) == [("control/x", arm)]


def test_a_splits_own_control_is_an_arm() -> None:
    split = {"split": {**SPLIT["split"], "control": "100%"}}
    acme = Account(playbook(play(steps=[split, {"task": {"title": "Call"}}])))
    acme.happens("go")
    assert exposures(acme) == [("tone", "control")]
    assert acme.tasks() == []


def test_arms_are_shares_of_their_weights() -> None:
    assert [place_in([1, 1], share) for share in (0, 49.9, 50, 99.9)] == [0, 0, 1, 1]
    assert [place_in([3, 1], share) for share in (0, 74.9, 75, 100)] == [0, 0, 1, 1]


def test_a_goal_is_told_of_once_with_its_arm() -> None:
    acme = Account(
        playbook(play(goal={"when": PRO, "within": "9d"}, steps=[SPLIT, {"wait": {"for": "30d"}}]))
    )
    acme.happens("go")
    acme.live(attributes("2d", plan="pro"))
    acme.live(attributes("3d", plan="free"))
    acme.live(attributes("4d", plan="pro"))
    (reached,) = told(acme, "goal.reached")
    (journey,) = acme.journeys()
    assert reached.data == {"play": "rescue", "version": 1, "journey": journey.id, "arm": journey.arm}
    assert reached.time == after_start("2d")


# ── goals after the end ─────────────────────────────────────────────────────────────────────────────────────────


def short(**body: Any) -> Account:
    """A play that is over at once and whose goal may be reached for nine days."""
    goal = {"when": PRO, "within": "9d"}
    return Account(playbook(play(goal=goal, steps=[{"task": {"title": "Call"}}], **body)))


def test_a_goal_reached_after_a_journey_ended_by_itself_is_its_reason_after_all() -> None:
    acme = short()
    acme.happens("go")
    assert acme.statuses() == ["completed"]
    acme.live(attributes("5d", plan="pro"))
    assert acme.statuses() == ["completed:goal"]
    assert [each.time for each in told(acme, "goal.reached")] == [after_start("5d")]
    assert acme.state.goals == []


def test_a_goal_that_comes_with_time_alone_is_seen_at_its_instant() -> None:
    goal = {"when": {"absent": "login", "for": "3d"}, "within": "9d"}
    acme = Account(playbook(play(goal=goal, steps=[{"task": {"title": "Call"}}])))
    acme.happens("login", "1h")
    acme.happens("go", "1d")
    acme.until("20d")
    assert [each.time for each in told(acme, "goal.reached")] == [
        after_start("3d") + (after_start("1h") - after_start("0d"))
    ]


def test_after_its_window_a_goal_counts_no_more_and_is_forgotten() -> None:
    acme = short()
    acme.happens("go")
    assert acme.state.due() == after_start("9d") + 1
    acme.until("10d")
    acme.live(attributes("11d", plan="pro"))
    assert (acme.statuses(), acme.state.goals, told(acme, "goal.reached")) == (["completed"], [], [])


def test_the_goal_of_a_journey_that_was_ended_is_not_waited_for() -> None:
    left = {"attribute": "account.left", "is": True}
    acme = Account(playbook(play(exit=left, goal={"when": PRO, "within": "9d"})))
    acme.happens("go")
    acme.live(attributes("1d", left=True))
    acme.live(attributes("2d", plan="pro"))
    assert (acme.statuses(), told(acme, "goal.reached")) == (["exited:exit"], [])


def test_a_journey_that_is_over_leaves_room_for_the_next_while_its_goal_is_waited_for() -> None:
    acme = short()
    acme.happens("go")
    acme.live(event("go", "1d"))
    acme.live(attributes("2d", plan="pro"))
    assert acme.statuses() == ["completed:goal", "completed:goal"]
    assert len({each.id for each in told(acme, "goal.reached")}) == 2
