"""The dispatcher's conversations: groups, leases, deaths, and what every answer of a provider makes of a message."""

from collections.abc import Callable

import pytest

from builders import START, event, play
from channels.port import Blame, InDoubt, Permanent, Sent, Temporary
from channels.smtp import Smtp, SmtpServer, Timeouts
from journeys.rounds import GROUP, LEASE
from journeys.store.tables import decisions, journeys, messages, suppressions
from mailroom import MORE_TO_ADMIN, TO_ADMIN, TO_ALL, Dies, House
from signals.instant import DAY, HOUR, MINUTE
from smtp_server import BEHAVIOURS, StandIn

# ── groups, leases, crashes ────────────────────────────────────────────────────────────────────────────────────


def test_at_most_a_group_is_handed_over_at_any_time(house: Callable[..., House]) -> None:
    home = house(play(steps=[TO_ALL]))
    home.people(45)
    home.happens(event("go"))
    open_at_once: list[int] = []
    home.provider.meanwhile = lambda: open_at_once.append(home.count(messages, delivery="handed"))
    home.dispatcher.run(START)
    assert max(open_at_once) == GROUP
    assert len(home.provider) == 45


def test_a_message_is_handed_over_before_the_provider_hears_of_it(house: Callable[..., House]) -> None:
    home = house()
    home.happens(event("go"))
    states: list[int] = []
    home.provider.meanwhile = lambda: states.append(home.count(messages, delivery="handed"))
    home.dispatcher.round(START)
    assert states == [1]
    assert home.count(messages, delivery="settled") == 1


def test_what_a_dead_process_had_handed_over_is_in_doubt_once_its_lease_has_ended(
    house: Callable[..., House],
) -> None:
    home = house(play(steps=[TO_ALL]))
    home.people(3)
    home.happens(event("go"))
    home.provider.outcomes = [Sent("q1"), Dies]
    with pytest.raises(Dies):
        home.dispatcher.round(START)
    assert home.dispatcher.rescue(START + LEASE - 1) == 0
    assert home.dispatcher.rescue(START + LEASE) == 3
    assert home.said() == ["u00 in_doubt", "u01 in_doubt", "u02 in_doubt"]
    assert home.count(decisions, subject="send", outcome="in_doubt") == 3
    assert home.dispatcher.run(START + 30 * DAY) == 0
    assert len(home.provider) == 1


def test_a_message_in_doubt_keeps_its_cap_room(house: Callable[..., House]) -> None:
    again = play("again", trigger={"event": "more"}, steps=[MORE_TO_ADMIN])
    home = house(play(steps=[TO_ADMIN]), again, contact_cap={"per_day": 1})
    home.happens(event("go"))
    home.provider.outcomes = [Dies]
    with pytest.raises(Dies):
        home.dispatcher.round(START)
    home.dispatcher.rescue(START + LEASE)
    home.happens(event("more", "1h"), now=START + HOUR)
    home.dispatcher.run(START + HOUR)
    assert home.said() == ["abe in_doubt", "abe held:contact_cap"]


def test_an_outcome_that_comes_after_the_rescue_changes_nothing(house: Callable[..., House]) -> None:
    home = house()
    home.happens(event("go"))
    home.provider.meanwhile = lambda: home.dispatcher.rescue(START + LEASE)
    home.provider.outcomes = [Temporary("451 later")]
    home.dispatcher.round(START)
    assert home.said() == ["abe in_doubt"]


# ── what the provider answers ──────────────────────────────────────────────────────────────────────────────────

ANSWERS = {
    "ok": "abe sent",
    "quit_drop": "abe sent",
    "rcpt_550": "abe failed:permanent",
    "rcpt_452": "abe queued:temporary",
    "rcpt_drop": "abe queued:temporary",
    "data_drop": "abe queued:temporary",
    "dot_451": "abe queued:temporary",
    "dot_421": "abe queued:temporary",
    "dot_554": "abe failed:permanent",
    "dot_drop": "abe in_doubt",
    "dot_garbage": "abe in_doubt",
}


@pytest.mark.parametrize("behaviour", ANSWERS)
def test_every_answer_of_a_mail_server_ends_in_its_status(
    behaviour: str, house: Callable[..., House]
) -> None:
    with StandIn(BEHAVIOURS[behaviour]) as server:
        channel = Smtp(
            SmtpServer("127.0.0.1", server.port, "never"),
            helo="here.example.com",
            timeouts=Timeouts(5, 5, 5, 5, 5, 5, 1),
        )
        home = house(mail=channel)
        home.happens(event("go"))
        home.dispatcher.run(START)
        channel.close()
        assert home.said() == [ANSWERS[behaviour]]
        dead_mailbox = behaviour == "rcpt_550"
        assert (home.count(suppressions, cause="hard_bounce") > 0) is dead_mailbox


def test_a_message_in_doubt_is_never_sent_again_and_holds_its_journey(house: Callable[..., House]) -> None:
    home = house(play(steps=[TO_ADMIN, MORE_TO_ADMIN]))
    home.happens(event("go"))
    home.provider.outcomes = [InDoubt("cut after the dot")]
    for hour in range(100):
        home.dispatcher.rescue(START + hour * HOUR)
        home.dispatcher.run(START + hour * HOUR)
    assert home.said() == ["abe in_doubt"]
    assert len(home.provider) == 1


def test_temporary_failures_come_back_after_1_5_30_120_and_480_minutes(house: Callable[..., House]) -> None:
    home = house()
    home.happens(event("go"))
    home.provider.outcomes = [Temporary("451 later")] * 6
    now, waited = START, []
    for _ in range(5):
        home.dispatcher.run(now)
        due = home.messages()[0].next_attempt_at
        assert due is not None
        waited.append((due - now) // MINUTE)
        now = due
    home.dispatcher.run(now)
    assert waited == [1, 5, 30, 120, 480]
    assert home.said() == ["abe failed:temporary"]
    assert home.count(journeys, status="completed") == 1


def test_a_provider_that_names_a_later_time_is_obeyed(house: Callable[..., House]) -> None:
    home = house()
    home.happens(event("go"))
    home.provider.outcomes = [Temporary("450 greylisted", 20 * MINUTE)]
    home.dispatcher.run(START)
    assert home.messages()[0].next_attempt_at == START + 20 * MINUTE


def test_our_own_misconfiguration_fails_no_message(house: Callable[..., House]) -> None:
    home = house(contact_cap={"per_day": 1})
    home.happens(event("go"))
    home.provider.outcomes = [Permanent("535 bad password", 535, Blame.CONFIGURATION)] * 10
    for minute in range(10):
        home.dispatcher.run(START + minute * MINUTE)
    assert (home.said(), home.messages()[0].attempts) == (["abe queued:temporary"], 0)
    home.dispatcher.run(START + 10 * MINUTE)
    assert home.said() == ["abe sent"]


def test_every_attempt_carries_the_same_message_id(house: Callable[..., House]) -> None:
    home = house()
    home.happens(event("go"))
    home.provider.outcomes = [InDoubt("?")]
    home.dispatcher.run(START)
    (mail,) = home.provider
    assert mail.message_id == f"<{home.messages()[0].id}@example.com>"


def test_a_dead_mailbox_is_told_to_the_account_once(house: Callable[..., House]) -> None:
    home = house(play(steps=[TO_ADMIN]), play("again", trigger={"event": "more"}, steps=[TO_ADMIN]))
    home.happens(event("go"))
    home.provider.outcomes = [Permanent("550 5.1.1 no such user", 550, Blame.ADDRESS)]
    home.dispatcher.run(START)
    home.happens(event("more", "1h"), now=START + HOUR)
    home.dispatcher.run(START + HOUR)
    assert home.said() == ["abe failed:permanent", "abe suppressed:hard_bounce"]
