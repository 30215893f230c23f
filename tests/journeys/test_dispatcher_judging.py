"""The dispatcher's judging: who waits for what, what wakes them, and what happens between making and sending."""

from collections.abc import Callable

import pytest

from builders import START, after_start, attributes, event, person, play, playbook
from channels.port import Permanent, Temporary
from journeys.rounds import LEASE
from journeys.store.tables import decisions, renderings
from mailroom import MORE_TO_ADMIN, TO_ADMIN, TO_ALL, Dies, House, at
from signals.instant import HOUR, MINUTE, SECOND

# ── holding and waking ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_held_message_goes_at_the_very_instant_its_reason_ends(house: Callable[..., House]) -> None:
    home = house(quiet_hours={"from": "08:00", "to": "12:00"})
    home.happens(event("go"))
    home.dispatcher.run(START)
    assert home.said() == ["abe held:quiet_hours"]
    assert home.dispatcher.run(at("12:00") - 1) == 0
    home.dispatcher.run(at("12:00"))
    assert home.said() == ["abe sent"]


def test_of_an_accounts_held_messages_one_goes_each_minute_whatever_wakes_them(
    house: Callable[..., House],
) -> None:
    home = house(play(steps=[TO_ALL]), quiet_hours={"from": "08:00", "to": "12:00"}, release_every="1m")
    home.people(3)
    home.happens(event("go"))
    home.dispatcher.run(START)
    sent = []
    for seconds in (0, 30, 59, 60, 90, 120):
        now = at("12:00") + seconds * SECOND
        words = [
            event("engagement.subscribed", now, contact=f"u{number:02}", topic="x") for number in range(3)
        ]
        home.happens(*words, now=now)
        home.dispatcher.run(now)
        sent.append(len(home.provider))
    assert sent == [1, 1, 1, 2, 2, 3]


def test_the_end_of_an_account_hold_lets_its_messages_go_at_once(house: Callable[..., House]) -> None:
    hold = {"key": "stop", "when": {"attribute": "account.stop", "is": True}}
    home = house(holds=[hold])
    home.happens(attributes(stop=True), event("go"))
    home.dispatcher.run(START)
    assert home.said() == ["abe held:account_hold"]
    home.happens(attributes("1h", stop=False), now=after_start("1h"))
    home.dispatcher.run(after_start("1h"))
    assert home.said() == ["abe sent"]


def test_who_was_outranked_goes_as_soon_as_the_other_has_failed(house: Callable[..., House]) -> None:
    low = play("low", priority=10, steps=[TO_ADMIN])
    high = play("high", priority=90, steps=[MORE_TO_ADMIN])
    home = house(low, high, arbitration_window="10m")
    home.happens(event("go"))
    home.provider.outcomes = [Permanent("554 no", 554)]
    home.dispatcher.run(START)
    assert sorted((one.play, one.status.value) for one in home.messages()) == [
        ("high", "failed"),
        ("low", "sent"),
    ]


def test_who_was_outranked_waits_until_the_window_after_the_other_has_passed(
    house: Callable[..., House],
) -> None:
    low = play("low", priority=10, steps=[TO_ADMIN])
    high = play("high", priority=90, steps=[MORE_TO_ADMIN])
    home = house(low, high, arbitration_window="10m")
    home.happens(event("go"))
    home.dispatcher.run(START)
    assert home.dispatcher.run(START + 10 * MINUTE - 1) == 0
    home.dispatcher.run(START + 10 * MINUTE)
    assert home.said() == ["abe sent", "abe sent"]


def test_the_kill_switch_holds_everything_and_letting_go_wakes_it(house: Callable[..., House]) -> None:
    home = house()
    home.happens(event("go"))
    home.switch(True, START)
    home.dispatcher.run(START)
    assert home.said() == ["abe held:sending_stopped"]
    home.switch(False, START + HOUR)
    home.dispatcher.run(START + HOUR)
    assert home.said() == ["abe sent"]


def test_what_a_paused_play_held_goes_once_the_play_goes_on(house: Callable[..., House]) -> None:
    home = house()
    home.happens(event("go"))
    home.book = playbook(play(steps=[TO_ADMIN], paused=True), contents=home.contents, stamp=1)
    home.dispatcher.run(START)
    assert home.said() == ["abe held:play_paused"]
    home.book = playbook(play(steps=[TO_ADMIN]), contents=home.contents, stamp=2)
    home.service.fill(START + HOUR)
    home.dispatcher.run(START + HOUR)
    assert home.said() == ["abe sent"]


@pytest.mark.parametrize(
    ("rate", "steps", "expected"),
    [
        (2, [0, 500, 999, 1000, 1999, 2000], [2, 2, 2, 4, 4, 6]),
        (0.5, [0, 1000, 1999, 2000, 4000], [1, 1, 1, 2, 3]),
        (30, [0, 999, 1000], [30, 30, 45]),
    ],
)
def test_a_channel_is_never_faster_than_its_rate_in_any_second(
    rate: float, steps: list[int], expected: list[int], house: Callable[..., House]
) -> None:
    home = house(play(steps=[TO_ALL]), channel_rate={"email": rate})
    home.people(45)
    home.happens(event("go"))
    sent = []
    for milliseconds in steps:
        home.dispatcher.run(START + milliseconds * 1_000)
        sent.append(len(home.provider))
    assert sent == expected


# ── control, in-app ────────────────────────────────────────────────────────────────────────────────────────────


def test_control_is_withheld_and_uses_up_room_of_its_own(house: Callable[..., House]) -> None:
    again = play("again", trigger={"event": "more"}, steps=[MORE_TO_ADMIN])
    home = house(play(steps=[TO_ADMIN]), again, control={"percent": 100}, contact_cap={"per_day": 1})
    home.happens(event("go"))
    home.dispatcher.run(START)
    home.happens(event("more", "1h"), now=after_start("1h"))
    home.dispatcher.run(after_start("1h"))
    assert home.said() == ["abe withheld:control", "abe held:contact_cap"]
    assert len(home.provider) == 0


def test_an_in_app_message_is_delivered_once_in_the_transaction_that_judged_it(
    house: Callable[..., House],
) -> None:
    shown = {"message": {"to": "admin", "channel": "in_app", "content": "shown"}}
    home = house(play(steps=[shown, TO_ADMIN]))
    home.happens(event("go"))
    home.provider.outcomes = [Dies]
    with pytest.raises(Dies):
        home.dispatcher.run(START)
    home.dispatcher.rescue(START + LEASE)
    home.dispatcher.run(START + LEASE)
    assert sorted(home.said()) == ["abe in_doubt", "abe sent"]
    assert home.count(renderings) == 2
    assert home.count(decisions, subject="send", outcome="sent") == 1


# ── between the making of a message and its sending ────────────────────────────────────────────────────────────


def test_an_exit_before_the_hand_over_cancels(house: Callable[..., House]) -> None:
    home = house(play(steps=[TO_ADMIN], exit={"attribute": "account.status", "is": "cancelled"}))
    home.happens(event("go"))
    home.happens(attributes("1m", status="cancelled"), now=after_start("1m"))
    home.dispatcher.run(after_start("1m"))
    assert home.said() == ["abe cancelled:journey_ended"]
    assert len(home.provider) == 0


def test_an_exit_during_a_conversation_that_fails_ends_the_attempts(house: Callable[..., House]) -> None:
    home = house(play(steps=[TO_ADMIN], exit={"attribute": "account.status", "is": "cancelled"}))
    home.happens(event("go"))
    home.provider.outcomes = [Temporary("451 later")]
    home.provider.meanwhile = lambda: home.happens(attributes(status="cancelled"))
    home.dispatcher.run(START)
    home.provider.meanwhile = lambda: None
    home.dispatcher.run(START + MINUTE)
    assert home.said() == ["abe cancelled:journey_ended"]
    assert len(home.provider) == 0


def test_a_journey_that_another_ends_in_the_same_round_sends_nothing(house: Callable[..., House]) -> None:
    shown = {"message": {"to": "admin", "channel": "in_app", "content": "shown"}}
    first = play("first", priority=90, steps=[shown, {"update": {"attributes": {"status": "cancelled"}}}])
    second = play(
        "second", priority=10, steps=[TO_ADMIN], exit={"attribute": "account.status", "is": "cancelled"}
    )
    home = house(first, second)
    home.happens(event("go"))
    home.dispatcher.run(START)
    assert sorted(home.said()) == ["abe cancelled:journey_ended", "abe sent"]
    assert len(home.provider) == 0


@pytest.mark.parametrize(
    ("word", "reason"), [("engagement.unsubscribed", "unsubscribed"), ("contact.suppressed", "manual")]
)
def test_what_a_person_says_before_the_hand_over_is_honoured(
    word: str, reason: str, house: Callable[..., House]
) -> None:
    home = house()
    home.happens(event("go"))
    home.happens(event(word, contact="abe"))
    home.dispatcher.run(START)
    assert home.said() == [f"abe suppressed:{reason}"]


def test_a_suppression_holds_for_the_address_wherever_it_is_written_to(house: Callable[..., House]) -> None:
    home = house()
    home.happens(event("engagement.complained", contact="abe"))
    home.happens(person("abe", "1m", email="abraham@example.com"), now=after_start("1m"))
    home.happens(person("zoe", "2m", email="abe@example.com", roles=["admin"]), now=after_start("2m"))
    home.happens(event("go", "3m"), now=after_start("3m"))
    home.dispatcher.run(after_start("3m"))
    assert home.said() == ["zoe suppressed:complaint"]


def test_a_person_who_left_before_their_address_was_known_is_not_written_to(
    house: Callable[..., House],
) -> None:
    home = house(play(steps=[TO_ALL]))
    home.happens(event("contact.suppressed", contact="uma"))
    home.happens(person("uma", "1m", roles=["user"]), event("go", "1m"), now=after_start("1m"))
    home.dispatcher.run(after_start("1m"))
    assert home.said() == ["uma suppressed:manual"]
    home.happens(event("contact.unsuppressed", "1h", contact="uma"), now=after_start("1h"))
    home.happens(event("go", "1h"), now=after_start("1h"))
    home.dispatcher.run(after_start("1h"))
    assert home.said()[-1] == "uma sent"


def test_nothing_falls_due_past_an_event_that_is_still_unread(house: Callable[..., House]) -> None:
    absent = play("absent", steps=[{"wait": {"for": "1h"}}, {"message": {"to": "admin", "content": "more"}}])
    home = house(play(steps=[TO_ADMIN]), absent, quiet_hours={"from": "08:00", "to": "12:00"})
    home.happens(event("go"))
    home.dispatcher.run(START)
    home.unread = after_start("30m")
    home.dispatcher.run(at("12:00"))
    assert [one.content for one in home.messages()] == ["hi"]
    home.unread = None
    home.happens(event("go", at("12:00")), now=at("12:00"))
    assert "more" in [one.content for one in home.messages()]
