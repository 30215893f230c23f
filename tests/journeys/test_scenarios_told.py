"""What `journeys test` tells: a failed expectation beside what was seen and why, and files that change while it watches."""

from pathlib import Path

import pytest

from journeys.cli.scenarios import changes_of
from journeys.scenarios.mismatch import Mismatch
from journeys.scenarios.play import play
from journeys.scenarios.story import StoryRefused, read_stories

FAILS = """
scenario: One that fails
clock: 2026-03-02T09:00:00Z
define:
  content: [{key: hi, channel: email, subject: Hi, body: Hi}, {key: ho, channel: email, subject: Ho, body: Ho}]
  plays:
    - {key: walk, trigger: {event: ping}, audience: {tag: vip}, steps: [{message: {to: champion, channel: email, content: hi}}]}
    - {key: other, trigger: {event: ping}, steps: [{message: {to: champion, channel: email, content: ho}}]}
given: [{account: {id: acme}, contacts: [{id: ann, email: ann@acme.test, roles: [champion]}]}]
then:
  - {at: 0h, event: {type: ping, account: acme}}
  - {at: 1h, expect: {journeys: {acme: {walk: active}}, messages: [{to: ann, content: ho, status: held}]}}
"""


def told(folder: Path) -> list[Mismatch]:
    (folder / "s.yaml").write_text(FAILS)
    (story,) = read_stories(folder / "s.yaml")
    return play(story, folder).mismatches


def test_a_failed_expectation_shows_expected_seen_and_the_decision_that_explains_it(tmp_path: Path) -> None:
    message, journey = map(str, told(tmp_path))
    assert message.splitlines() == [
        "at 1h: messages",
        "  expected  {to: ann, content: ho, status: held}",
        "  seen      {to: ann, content: ho, account: acme, contact: ann, play: other, subject: Ho, status: sent}",
        "  because   2026-03-02T09:00:00Z send other to ann → sent",
    ]
    assert journey.splitlines()[:3] == [
        "at 1h: journeys of walk at acme",
        "  expected  active",
        "  seen      nothing",
    ]
    assert "start walk → not_started:audience" in journey
    assert "start other" not in journey


def test_where_nothing_was_decided_about_a_person_their_account_explains_it(tmp_path: Path) -> None:
    nobody = FAILS.replace("roles: [champion]", "roles: [admin]").replace(", audience: {tag: vip}", "")
    (tmp_path / "s.yaml").write_text(nobody)
    (story,) = read_stories(tmp_path / "s.yaml")
    message = str(play(story, tmp_path).mismatches[0])
    assert "send other → not_sent:role_vacant, role saw champion" in message


def test_a_word_nobody_knows_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(FAILS.replace("messages:", "mesages:"))
    with pytest.raises(StoryRefused, match=r"/then/1/expect/mesages: .*did you mean 'messages'"):
        read_stories(tmp_path / "s.yaml")


def test_of_many_rows_the_likest_come_first_and_the_rest_is_counted() -> None:
    rows = [{"to": f"p{number}", "status": "sent"} for number in range(9)]
    said = str(Mismatch("0h", "messages", {"to": "p7", "status": "held"}, rows, [])).splitlines()
    assert said[2] == "  seen      {to: p7, status: sent}"
    assert said[-1] == "            and 3 more"


def test_watching_tells_first_nothing_and_then_each_file_that_changed_came_or_went(tmp_path: Path) -> None:
    story, beside = tmp_path / "s.yaml", tmp_path / "plays" / "p.yaml"
    story.write_text("a: 1")
    changes = changes_of([story])
    assert next(changes) == []
    story.write_text("a: 12")
    assert next(changes) == ["s.yaml"]
    beside.parent.mkdir()
    beside.write_text("b: 1")
    assert next(changes) == ["p.yaml"]
    beside.unlink()
    assert next(changes) == ["p.yaml"]
