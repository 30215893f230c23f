"""What may be written as a step, a trigger and a play, and what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from builders import play
from plays.play import Play
from plays.steps import Step, Trigger, percent
from signals.instant import DAY

WAIT = {"wait": {"for": "1d"}}
PRO = {"attribute": "account.plan", "is": "pro"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {**WAIT, "end": {}},
        {"message": {"to": "admin"}},
        {"message": {"to": [], "content": "a"}},
        {"message": {"to": "admin", "content": "a", "channel": "fax"}},
        {"message": {"to": "admin", "content": "a", "channel": []}},
        {"task": {"title": ""}},
        {"task": {"title": "a", "priority": 101}},
        {"wait": {}},
        {"wait": {"for": "1d", "at": "account.renews_at"}},
        {"wait": {"until": PRO}},
        {"wait": {"until": PRO, "at": "account.renews_at"}},
        {"wait": {"for": "0d"}},
        {"wait": {"for": "1200d"}},
        {"wait": {"until": {"what": 1}, "for": "1d"}},
        {"branch": []},
        {"branch": [{"steps": [WAIT]}]},
        {"branch": [{"when": PRO, "otherwise": True, "steps": []}]},
        {"split": {"key": "x", "arms": []}},
        {"split": {"key": "x", "arms": [{"name": "a", "weight": 0, "steps": []}]}},
        {"split": {"key": "x", "arms": [{"name": "a", "steps": []}], "control": "101%"}},
        {"split": {"key": "x", "arms": [{"name": "a", "weight": float("inf"), "steps": []}]}},
        {"wait": {"at": "account.renews_at", "offset": "9000d"}},
        {"message": {"to": "admin", "content": "a", "valid_for": "999999999w"}},
        {"message": {"to": "admin", "content": "a", "seen_within": "0s"}},
        {"offer": {"offers": [], "to": "admin", "content": "a"}},
        {"offer": {"offers": ["x"], "content": "a"}},
        {"offer": {"offers": ["x"], "to": "admin"}},
        {"webhook": {}},
        {"webhook": {"endpoint": "https://example.com/"}},
        {"webhook": {"endpoint": "crm", "data": ["a"]}},
        {"webhook": {"endpoint": "crm", "url": "https://example.com/"}},
        {"fly": {}},
    ],
)
def test_a_step_that_cannot_be_walked_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Step.model_validate(body)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"signal": "a", "event": "b"},
        {"date": "account.renews_at"},
        {"signal": "a", "before": ["1d"]},
        {"segment": "a", "edge": "stay"},
    ],
)
def test_a_trigger_is_exactly_one_thing(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Trigger.model_validate(body)


@pytest.mark.parametrize(
    ("text", "number"), [("5%", 5.0), (5, 5.0), ("0%", 0.0), ("100%", 100.0), ("2.5%", 2.5)]
)
def test_a_percentage_is_read_with_or_without_its_sign(text: Any, number: float) -> None:
    assert percent(text) == number


@pytest.mark.parametrize("text", ["101%", "-1%", "half", None, "nan"])
def test_what_is_no_percentage_is_refused(text: Any) -> None:
    with pytest.raises(ValueError):
        percent(text)


def test_steps_are_numbered_by_place_and_named_ones_keep_their_name() -> None:
    arms = [{"when": PRO, "steps": [WAIT, {"id": "named", "end": {}}]}, {"otherwise": True, "steps": [WAIT]}]
    split = {"split": {"key": "x", "arms": [{"name": "a", "steps": [WAIT]}, {"name": "b", "steps": []}]}}
    program = play(steps=[WAIT, {"branch": arms}, split]).program
    assert sorted(program.ops) == ["1", "2", "2.1.1", "2.2.1", "3", "3.a.1", "named"]
    assert {name: op.next for name, op in program.ops.items()} == {
        "1": "2", "2": "3", "2.1.1": "named", "named": "3", "2.2.1": "3", "3": None, "3.a.1": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([{"goto": "nowhere"}], "no step has the id 'nowhere'"),
        ([{"end": {}}, WAIT], "never reached: 2"),
        ([{"id": "a", **WAIT}, {"id": "a", **WAIT}], "used twice: a"),
        ([{"id": "a", "goto": "a"}, WAIT], "never reached: 2"),
        ([{"wait": {"until": PRO, "for": "1d", "else": "gone"}}], "no step has the id 'gone'"),
    ],
)
def test_a_play_whose_steps_cannot_be_walked_is_refused_saying_which(steps: list[Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Play.model_validate({"key": "x", "trigger": {"event": "go"}, "steps": steps})


@pytest.mark.parametrize(("given", "read"), [("never", "never"), ("always", "always"), ("90d", 90 * DAY)])
def test_re_entry_is_a_word_or_a_duration(given: str, read: Any) -> None:
    assert play(re_entry=given).play.re_entry == read


@pytest.mark.parametrize(
    "body",
    [
        {"re_entry": "sometimes"},
        {"holdout": "120%"},
        {"priority": 101},
        {"steps": []},
        {"exit": {"what": 1}},
        {"goal": {"when": PRO}},
        {"colour": "red"},
    ],
)
def test_a_play_with_a_part_that_means_nothing_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        play(**body)


def test_a_play_keeps_what_every_condition_in_it_counts() -> None:
    count = {"count": "used", "gte": 1}
    steps = [
        {"wait": {"until": {**count, "in": "1d"}, "for": "1d"}},
        {"branch": [{"when": {**count, "in": "60d"}, "steps": [WAIT]}]},
    ]
    compiled = play(
        steps=steps, exit={**count, "in": "7d"}, goal={"when": count, "within": "9d"}, audience=PRO
    )
    assert len({measure.id for node in compiled.nodes() for measure in node.measures()}) == 4


MESSAGE = {"message": {"to": "admin", "content": "hello"}}
BACK = {"goto": "top"}


@pytest.mark.parametrize(
    ("steps", "circle"),
    [
        ([{"id": "top", **MESSAGE}, BACK], ["top", "2"]),
        ([{"id": "top", **MESSAGE}, WAIT, BACK], []),
        ([WAIT, {"id": "top", "branch": [{"when": PRO, "steps": [BACK]}]}], ["top", "top.1.1"]),
        ([{"id": "top", **WAIT}, {"branch": [{"when": PRO, "steps": [BACK]}]}], []),
        ([{"id": "top", "goto": "top"}], ["top"]),
        ([MESSAGE, MESSAGE, {"end": {}}], []),
        (
            [{"id": "top", "offer": {"offers": ["x"], "to": "a", "content": "b", "else": "top"}}, WAIT],
            ["top"],
        ),
        ([{"id": "top", "wait": {"until": PRO, "for": "1d", "else": "top"}}], []),
    ],
)
def test_steps_that_go_round_without_a_wait_are_found(steps: list[Any], circle: list[str]) -> None:
    assert sorted(play(steps=steps).program.circle()) == sorted(circle)


def test_the_next_message_is_found_through_branches_and_past_other_steps() -> None:
    offer = {"offer": {"offers": ["x"], "to": "champion", "content": "b"}}
    arms = [{"when": PRO, "steps": [{"task": {"title": "Call"}}]}, {"otherwise": True, "steps": [offer]}]
    program = play(steps=[WAIT, {"branch": arms}, WAIT, MESSAGE]).program
    assert program.next_message("1") is program.ops["2.2.1"].body
    assert program.next_message("2.2.1") is program.ops["4"].body
    assert program.next_message("4") is None
    assert program.next_message(None) is None
