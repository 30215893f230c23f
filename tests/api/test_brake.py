"""The brake by the public door: a play whose sends fail is paused by the service itself, and says so."""

from typing import Any

import pytest

from api.house import House
from api.tale import POLICIES, people
from api.test_activation import live
from api.test_life import ping

CONTENT = {"key": "hi", "channel": "email", "class": "service", "subject": "Hi", "body": "Hi"}
NEWS: dict[str, Any] = {
    "key": "news",
    "owner": "nora",
    "trigger": {"event": "ping"},
    "steps": [{"message": {"to": "champion", "channel": "email", "content": "hi"}}],
}
NAMES = ("acme", "beta", "cilia", "delta")


@pytest.fixture
def newsroom(house: House) -> House:
    """A play that mails whoever pings, with a brake at half of two."""
    house.ok("PUT", "/v1/policies/policies", {**POLICIES, "brake": {"failed": "50%", "of_at_least": 2}})
    house.ok("POST", "/v1/policies/policies/activate")
    live(house, "content", CONTENT)
    live(house, "plays", NEWS)
    for name in NAMES:
        people(house, name)
    return house


def test_the_service_pauses_a_play_whose_sends_fail_and_writes_down_why(newsroom: House) -> None:
    newsroom.parts.mail.answers = "permanent"
    ping(newsroom, "acme", "beta")
    newsroom.send()
    assert newsroom.get("/v1/plays/news")["status"] == "paused"
    row = newsroom.get("/v1/audit", kind="plays", key="news")["items"][0]
    assert (row["actor"], row["action"], row["detail"]["reason"]) == (
        "the brake",
        "pause",
        "2 of 2 sends failed",
    )
    (task,) = newsroom.get("/v1/tasks")["items"]
    assert (task["owner"], task["title"]) == ("nora", "news was paused: 2 of 2 sends failed")
    assert "beta.example.com" in task["body"]
    assert task["first_touch_by"] is not None


def test_resumed_it_is_counted_from_the_beginning(newsroom: House) -> None:
    newsroom.parts.mail.answers = "permanent"
    ping(newsroom, "acme", "beta")
    newsroom.send()
    newsroom.ok("POST", "/v1/plays/news/resume")
    ping(newsroom, "cilia")
    newsroom.send()
    assert newsroom.get("/v1/plays/news")["status"] == "active"
    ping(newsroom, "delta")
    newsroom.send()
    assert newsroom.get("/v1/plays/news")["status"] == "paused"


def test_where_few_fail_nothing_is_paused(newsroom: House) -> None:
    ping(newsroom, "acme", "beta", "cilia")
    newsroom.send()
    newsroom.parts.mail.answers = "permanent"
    ping(newsroom, "delta")
    newsroom.send()
    assert newsroom.get("/v1/plays/news")["status"] == "active"
    assert newsroom.get("/v1/tasks")["items"] == []


def test_a_play_paused_by_another_process_sends_nothing_more_at_once(newsroom: House) -> None:
    ping(newsroom, "acme")
    newsroom.parts.playbooks()  # this process has just looked, and would not look again within the second
    newsroom.parts.library.set_status("plays", "news", "paused", newsroom.clock())
    newsroom.send()
    (message,) = newsroom.get("/v1/messages")["items"]
    assert (message["status"], message["reason"]) == ("held", "play_paused")
