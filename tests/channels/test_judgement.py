"""Which message may go now: every step of semantics §7, in its order, on both sides of its edge."""

from typing import Any

import pytest

from channels.facts import ContentFailure, Facts, Rival, RivalState
from channels.judgement import Judgement, judge
from channels.message import Message, MessageClass, Reason, Status
from channels.policies import Policies
from signals.instant import DAY, HOUR, MINUTE, SECOND, Instant, iso, parse_instant

NOON = parse_instant("2026-03-04T12:00:00Z")  # a Wednesday; 13:00 in Berlin
NIGHT = parse_instant("2026-03-04T21:00:00Z")
DEFAULTS = Policies()


def message(**more: Any) -> Message:
    body: dict[str, Any] = {
        "id": "m1",
        "journey": "j1",
        "play": "nudge",
        "version": 1,
        "step": "1",
        "account": "acme",
    }
    body |= {
        "contact": "ann",
        "channel": "email",
        "content": "hello",
        "due_at": NOON,
        "address": "ann@example.com",
    }
    return Message(**(body | more))


def facts(**more: Any) -> Facts:
    body: dict[str, Any] = {"journey_live": True, "contact_open": True, "readable": True, "suppression": None}
    body |= {"topic_consent": None, "channel_consent": None, "zones": ("Europe/Berlin",)}
    return Facts(**(body | more))


def rival(
    state: str, at: Instant = NOON, priority: int = 60, marketing: bool = True, name: str = "m2"
) -> Rival:
    return Rival(id=name, priority=priority, marketing=marketing, state=RivalState(state), at=at)


def at_noon(message: Message, policies: Policies = DEFAULTS, now: Instant = NOON, **world: Any) -> Judgement:
    return judge(message, facts(**world), policies, now)


def word(judgement: Judgement) -> str:
    """`held:rate`, or `sent`."""
    return judgement.outcome if judgement.reason is None else f"{judgement.outcome}:{judgement.reason}"


def later(message: Message, judgement: Judgement, now: Instant, **world: Any) -> tuple[Message, Judgement]:
    """The message judged again."""
    held = judgement.applied_to(message)
    return held, at_noon(held, now=now, **world)


FULL_CAP = (NOON - HOUR,)
FULL_ACCOUNT = tuple(NOON - n * DAY for n in range(1, 6))
BROKEN = ContentFailure(Reason.MISSING_FACT, "account.owner")

# One world in which every step says no, each step's word, and the change that lets the message pass it.
EVERYTHING_WRONG: dict[str, Any] = {
    "journey_live": False,
    "contact_open": False,
    "suppression": "complaint",
    "topic_consent": False,
    "sending_stopped": True,
    "account_holds": ("escalation",),
    "last_same_content_at": NOON - HOUR,
    "rivals": (rival("queued"),),
    "contact_sends": FULL_CAP,
    "account_sends": FULL_ACCOUNT,
    "last_other_contact_send_at": NOON - HOUR,
    "rate_next_at": NOON + SECOND,
    "content_failure": BROKEN,
    "control": True,
}
NIGHT_AT_NOON = Policies.read({"quiet_hours": {"from": "12:00", "to": "14:00"}})
ORDER: list[tuple[str, dict[str, Any]]] = [
    ("cancelled:journey_ended", {"journey_live": True}),
    ("suppressed:contact_closed", {"contact_open": True}),
    ("suppressed:complaint", {"suppression": None}),
    ("suppressed:unsubscribed", {"topic_consent": True}),
    ("held:sending_stopped", {"sending_stopped": False}),
    ("held:account_hold", {"account_holds": ()}),
    ("suppressed:duplicate", {"last_same_content_at": None}),
    ("held:outranked", {"rivals": ()}),
    ("held:contact_cap", {"contact_sends": ()}),
    ("held:account_cap", {"account_sends": ()}),
    ("held:role_gap", {"last_other_contact_send_at": None}),
    ("held:quiet_hours", {}),
]


def test_the_first_step_that_says_no_decides() -> None:
    world = dict(EVERYTHING_WRONG)
    for expected, mended in ORDER:
        assert word(at_noon(message(), NIGHT_AT_NOON, **world)) == expected
        world |= mended
    for expected, mended in [
        ("held:rate", {"rate_next_at": None}),
        ("failed:missing_fact", {"content_failure": None}),
        ("withheld:control", {"control": False}),
        ("sent", {}),
    ]:
        # Control waits for no token of the channel, so the rate is seen on a message outside it.
        outside = world | {"control": False} if expected == "held:rate" else world
        assert word(at_noon(message(), **outside)) == expected
        world |= mended


def test_a_sent_message_has_passed_every_check_in_order() -> None:
    checks = at_noon(message()).checks
    names = "journey contact suppression consent sending account_hold duplicate arbitration contact_cap account_cap"
    assert [check.check for check in checks] == [
        *names.split(),
        *("role_gap", "quiet_hours", "validity", "release", "rate", "content", "control"),
    ]
    assert all(check.passed for check in checks)
    assert checks[8].as_json() == {
        "check": "contact_cap",
        "passed": True,
        "saw": {"today": 0, "per_day": 1, "last_7d": 0, "per_7d": 3},
    }


def test_a_decision_ends_with_the_check_that_failed() -> None:
    last = at_noon(message(), account_holds=("dispute",)).checks[-1]
    assert last.as_json() == {"check": "account_hold", "passed": False, "saw": {"holds": ["dispute"]}}


# 1-4


@pytest.mark.parametrize("world", [{"exit_holds": True}, {"goal_holds": True}, {"journey_live": False}])
def test_a_journey_that_has_ended_sends_nothing(world: dict[str, Any]) -> None:
    assert word(at_noon(message(cls=MessageClass.TRANSACTIONAL), **world)) == "cancelled:journey_ended"


def test_an_unknown_exit_changes_nothing() -> None:
    assert at_noon(message(), exit_holds=None, goal_holds=None).may_go


def test_a_contact_without_address_gets_in_app_messages_only() -> None:
    assert word(at_noon(message(address=None))) == "suppressed:no_address"
    assert word(at_noon(message(address=None, channel="invitation"))) == "suppressed:no_address"
    assert at_noon(message(address=None, channel="in_app")).may_go


@pytest.mark.parametrize("cause", ["hard_bounce", "complaint", "manual", "legal"])
def test_whoever_is_on_the_suppression_list_gets_nothing(cause: str) -> None:
    assert word(at_noon(message(cls=MessageClass.TRANSACTIONAL), suppression=cause)) == f"suppressed:{cause}"


def test_consent_that_cannot_be_read_is_a_no_and_read_again_soon() -> None:
    judged = at_noon(message(cls=MessageClass.TRANSACTIONAL), readable=False, topic_consent=True)
    assert word(judged) == "held:consent_unreadable"
    assert judged.until == NOON + MINUTE


@pytest.mark.parametrize(
    ("topic", "topic_consent", "channel_consent", "expected"),
    [
        ("product_tips", None, None, "sent"),
        ("product_tips", True, None, "sent"),
        ("product_tips", False, None, "suppressed:unsubscribed"),
        ("newsletter", None, None, "suppressed:not_opted_in"),
        ("newsletter", True, None, "sent"),
        ("newsletter", False, None, "suppressed:unsubscribed"),
        ("unheard_of", None, None, "sent"),
        (None, None, None, "sent"),
        (None, False, None, "suppressed:unsubscribed"),
        ("product_tips", True, False, "suppressed:unsubscribed"),
        ("newsletter", None, False, "suppressed:unsubscribed"),
        ("newsletter", True, True, "sent"),
    ],
)
def test_unset_consent_is_yes_unless_the_topic_is_opt_in(
    topic: str | None, topic_consent: bool | None, channel_consent: bool | None, expected: str
) -> None:
    judged = at_noon(message(topic=topic), topic_consent=topic_consent, channel_consent=channel_consent)
    assert word(judged) == expected


def test_a_transactional_message_needs_the_channel_but_not_the_topic() -> None:
    receipt = message(topic="newsletter", cls=MessageClass.TRANSACTIONAL)
    assert at_noon(receipt, topic_consent=False).may_go
    assert word(at_noon(receipt, channel_consent=False)) == "suppressed:unsubscribed"


# What passes unseen


def test_a_transactional_message_passes_holds_duplicates_caps_night_and_control() -> None:
    world = EVERYTHING_WRONG | {
        "journey_live": True,
        "contact_open": True,
        "suppression": None,
        "sending_stopped": False,
        "rate_next_at": None,
        "content_failure": None,
    }
    judged = at_noon(message(cls=MessageClass.TRANSACTIONAL), NIGHT_AT_NOON, **world)
    assert judged.may_go
    assert {"check": "quiet_hours", "passed": True, "saw": {"passes": "transactional"}} in [
        check.as_json() for check in judged.checks
    ]


def test_a_service_message_passes_the_account_hold_only() -> None:
    service = message(cls=MessageClass.SERVICE)
    assert at_noon(service, account_holds=("dispute",)).may_go
    assert word(at_noon(service, contact_sends=FULL_CAP)) == "held:contact_cap"
    assert word(at_noon(service, control=True)) == "withheld:control"
    assert word(at_noon(service, rivals=(rival("queued"),))) == "held:outranked"


def test_an_in_app_message_passes_caps_gap_and_night_only() -> None:
    in_app = message(channel="in_app")
    world = {"contact_sends": FULL_CAP, "account_sends": FULL_ACCOUNT, "last_other_contact_send_at": NOON}
    assert at_noon(in_app, NIGHT_AT_NOON, **world).may_go
    assert word(at_noon(in_app, account_holds=("dispute",))) == "held:account_hold"
    assert word(at_noon(in_app, last_same_content_at=NOON)) == "suppressed:duplicate"
    assert word(at_noon(in_app, rivals=(rival("queued"),))) == "held:outranked"


def test_an_arm_of_control_is_withheld_like_the_global_control_group() -> None:
    assert word(at_noon(message(arm_control=True))) == "withheld:control"
    assert word(at_noon(message(arm_control=True), contact_sends=FULL_CAP)) == "held:contact_cap"


# 5-7


def test_a_message_on_hold_waits_for_an_event_but_not_for_ever() -> None:
    judged = at_noon(message(), account_holds=("dispute",))
    assert (judged.until, judged.expires_at, judged.look_at) == (None, NOON + 72 * HOUR, NOON + 72 * HOUR)


@pytest.mark.parametrize(("ago", "expected"), [(18 * HOUR - 1, "suppressed:duplicate"), (18 * HOUR, "sent")])
def test_the_same_content_is_not_sent_twice_within_18_hours(ago: int, expected: str) -> None:
    assert word(at_noon(message(), last_same_content_at=NOON - ago)) == expected


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(rival("queued"), "held:outranked", id="queued"),
        pytest.param(rival("queued", priority=50), "sent", id="equal priority does not outrank"),
        pytest.param(rival("queued", marketing=False), "sent", id="only marketing outranks"),
        pytest.param(rival("queued", name="m1"), "sent", id="not oneself"),
        pytest.param(rival("due", NOON + 10 * MINUTE), "held:outranked", id="due within the window"),
        pytest.param(rival("due", NOON + 10 * MINUTE + 1), "sent", id="due after it"),
        pytest.param(rival("sent", NOON - 10 * MINUTE + 1), "held:outranked", id="sent within the window"),
        pytest.param(rival("sent", NOON - 10 * MINUTE), "sent", id="sent before it"),
    ],
)
def test_a_marketing_message_of_higher_priority_goes_first(other: Rival, expected: str) -> None:
    assert word(at_noon(message(), rivals=(other,))) == expected


def test_an_outranked_message_waits_until_the_window_of_the_other_has_passed() -> None:
    sent = at_noon(message(), rivals=(rival("sent", NOON - MINUTE), rival("sent", NOON - 2 * MINUTE)))
    assert sent.until == NOON + 9 * MINUTE
    due = at_noon(message(), rivals=(rival("due", NOON + 3 * MINUTE),))
    assert due.until == NOON + 3 * MINUTE


def test_an_outranked_message_waits_until_a_queued_one_is_settled() -> None:
    queued = at_noon(message(), rivals=(rival("sent", NOON, 55, name="m3"), rival("queued")))
    assert (queued.until, queued.waits_for) == (None, "m2")
    retried = at_noon(message(), rivals=(rival("queued", NOON + 5 * MINUTE),))
    assert retried.until == NOON + 5 * MINUTE


# 8-9


def test_one_message_a_day_means_the_persons_own_day() -> None:
    late = parse_instant("2026-03-04T23:30:00Z")  # 00:30 on the 5th in Berlin
    always = Policies.read({"quiet_hours": None})
    assert at_noon(message(due_at=late), always, late, contact_sends=(NOON,)).may_go
    held = at_noon(message(due_at=late), always, late, contact_sends=(NOON,), zones=("Europe/London",))
    assert word(held) == "held:contact_cap"
    assert held.until == parse_instant("2026-03-05T00:00:00Z")


def test_room_under_the_weekly_cap_appears_as_the_oldest_send_leaves() -> None:
    sends = tuple(NOON - n * DAY for n in (6, 4, 3, 2))  # four of three: two must leave
    held = at_noon(message(), contact_sends=sends)
    assert word(held) == "held:contact_cap"
    assert held.until == NOON + 3 * DAY
    assert at_noon(message(), contact_sends=(NOON - 7 * DAY, NOON - 4 * DAY, NOON - 3 * DAY)).may_go


def test_both_caps_full_wait_for_the_later_room() -> None:
    sends = (NOON - HOUR, NOON - 6 * DAY, NOON - 5 * DAY)
    assert at_noon(message(), contact_sends=sends).until == NOON + DAY
    assert at_noon(message(), contact_sends=FULL_CAP).until == parse_instant("2026-03-04T23:00:00Z")


def test_the_end_of_a_day_is_exact_where_it_has_no_midnight() -> None:
    evening = parse_instant("2018-11-03T22:00:00Z")  # the clocks of Sao Paulo skip the midnight to come
    always = Policies.read({"quiet_hours": None})
    held = at_noon(
        message(due_at=evening),
        always,
        evening,
        contact_sends=(evening - HOUR,),
        zones=("America/Sao_Paulo",),
    )
    assert iso(held.until or 0) == "2018-11-04T03:00:00Z"


def test_an_account_gets_five_messages_in_seven_days() -> None:
    held = at_noon(message(), account_sends=FULL_ACCOUNT)
    assert (word(held), held.until) == ("held:account_cap", NOON + 2 * DAY)
    assert at_noon(message(), account_sends=FULL_ACCOUNT[1:]).may_go


def test_two_people_of_an_account_are_written_to_a_day_apart() -> None:
    held = at_noon(message(), last_other_contact_send_at=NOON - 23 * HOUR)
    assert (word(held), held.until) == ("held:role_gap", NOON + HOUR)
    assert at_noon(message(), last_other_contact_send_at=NOON - 24 * HOUR).may_go


# 10-13


@pytest.mark.parametrize(
    ("zones", "until"),
    [
        (("Europe/Berlin", "Asia/Tokyo", "UTC"), "2026-03-05T07:00:00Z"),
        (("right/UTC", "America/New_York", "UTC"), None),
        ((None, "posixrules", "Asia/Kathmandu"), "2026-03-05T02:15:00Z"),
        (("nowhere", None, None), "2026-03-05T08:00:00Z"),
    ],
)
def test_quiet_hours_are_those_of_the_first_valid_zone(zones: tuple[object, ...], until: str | None) -> None:
    judged = at_noon(message(due_at=NIGHT), now=NIGHT, zones=zones)
    assert (iso(judged.until) if judged.until else None) == until


def test_of_held_messages_one_per_account_and_minute_is_released() -> None:
    held = message(status=Status.HELD, reason=Reason.QUIET_HOURS)
    again = at_noon(held, last_release_at=NOON - 40 * SECOND)
    assert (word(again), again.until) == ("held:rate", NOON + 20 * SECOND)
    assert at_noon(held, last_release_at=NOON - MINUTE).may_go
    assert at_noon(message(), last_release_at=NOON).may_go  # never held: not part of a burst


def test_the_channel_rate_holds_until_its_next_token() -> None:
    held = at_noon(message(), rate_next_at=NOON + SECOND // 2)
    assert (word(held), held.until) == ("held:rate", NOON + SECOND // 2)
    assert at_noon(message(), rate_next_at=NOON).may_go


def test_control_waits_for_no_token_of_the_channel() -> None:
    assert word(at_noon(message(), rate_next_at=NOON + SECOND, control=True)) == "withheld:control"


def test_a_missing_fact_is_named() -> None:
    failed = at_noon(message(), content_failure=BROKEN)
    assert (word(failed), failed.detail) == ("failed:missing_fact", "account.owner")


def test_content_is_made_only_for_a_message_that_may_go() -> None:
    made = []

    def render() -> ContentFailure | None:
        made.append(1)
        return BROKEN

    assert word(at_noon(message(), content_failure=render, contact_sends=FULL_CAP)) == "held:contact_cap"
    old = message(due_at=NOON - 80 * HOUR)
    assert word(at_noon(old, content_failure=render)) == "expired:late"
    assert made == []
    assert word(at_noon(message(), content_failure=render)) == "failed:missing_fact"


def test_a_paused_play_and_a_stopped_service_hold_everything() -> None:
    receipt = message(cls=MessageClass.TRANSACTIONAL)
    assert word(at_noon(receipt, play_paused=True)) == "held:play_paused"
    assert word(at_noon(receipt, sending_stopped=True)) == "held:sending_stopped"
    assert word(at_noon(receipt, play_paused=True, exit_holds=True)) == "cancelled:journey_ended"


@pytest.mark.parametrize(
    "world",
    [
        {"account_holds": ("dispute",)},
        {"last_same_content_at": NOON},
        {"rivals": (rival("queued"),)},
        {"contact_sends": FULL_CAP},
        {"account_sends": FULL_ACCOUNT},
        {"last_other_contact_send_at": NOON},
    ],
)
def test_a_policy_that_is_off_stops_nothing(world: dict[str, Any]) -> None:
    bare = Policies.only({"duplicate_window": None})
    expected = "held:account_hold" if "account_holds" in world else "sent"
    assert word(at_noon(message(), bare, **world)) == expected


# Time to live


def test_a_held_message_expires_after_72_hours_with_its_last_reason() -> None:
    held, judged = later(
        message(), at_noon(message(), account_holds=("x",)), NOON + 72 * HOUR - 1, account_holds=("x",)
    )
    assert word(judged) == "held:account_hold"
    _, judged = later(held, judged, NOON + 72 * HOUR, account_holds=("x",))
    assert word(judged) == "expired:account_hold"
    assert judged.checks[-1].check == "validity"


def test_a_message_past_its_time_is_not_sent_when_its_hold_ends_at_last() -> None:
    _, judged = later(message(), at_noon(message(), account_holds=("x",)), NOON + 73 * HOUR)
    assert word(judged) == "expired:account_hold"


def test_what_settles_a_message_for_better_reason_is_said_instead_of_expired() -> None:
    for world in ({"exit_holds": True}, {"contact_open": False}, {"topic_consent": False}):
        _, judged = later(message(), at_noon(message(), account_holds=("x",)), NOON + 80 * HOUR, **world)
        assert judged.outcome in {Status.CANCELLED, Status.SUPPRESSED}


def test_a_message_that_nothing_held_and_nobody_sent_expires_late() -> None:
    assert word(at_noon(message(due_at=NOON - 72 * HOUR))) == "expired:late"
    assert at_noon(message(due_at=NOON - 72 * HOUR + 1)).may_go


def test_a_message_held_for_the_first_time_past_its_time_expires_with_that_reason() -> None:
    judged = at_noon(message(due_at=NOON - 80 * HOUR), account_holds=("x",))
    assert word(judged) == "expired:account_hold"


def test_an_expired_retry_says_that_it_was_a_retry() -> None:
    retry = message(due_at=NOON - 80 * HOUR, attempts=3, reason=Reason.TEMPORARY)
    assert word(at_noon(retry)) == "expired:temporary"


def test_valid_for_overrides_on_the_wall_clock() -> None:
    short = message(due_at=NIGHT, valid_until=NIGHT + 2 * HOUR)
    judged = at_noon(short, now=NIGHT)
    assert (word(judged), judged.look_at) == ("held:quiet_hours", NIGHT + 2 * HOUR)
    _, expired = later(short, judged, NIGHT + 2 * HOUR)
    assert word(expired) == "expired:quiet_hours"
    long = message(valid_until=NOON + 400 * HOUR)
    assert word(at_noon(long, now=NOON + 300 * HOUR, account_holds=("x",))) == "held:account_hold"


def test_quiet_hours_do_not_count_against_the_time_to_live() -> None:
    due = message(due_at=NIGHT)
    judged = at_noon(due, now=NIGHT)
    assert (judged.expires_at, judged.look_at) == (None, judged.until)
    morning = judged.until or 0
    held, judged = later(due, judged, morning, account_holds=("x",))
    assert judged.quiet_time == morning - NIGHT
    assert judged.expires_at == NIGHT + 72 * HOUR + (morning - NIGHT) == morning + 72 * HOUR
    _, judged = later(held, judged, morning + 72 * HOUR, account_holds=("x",))
    assert word(judged) == "expired:account_hold"


def test_an_outage_does_not_make_quiet_hours_longer() -> None:
    due = message(due_at=NIGHT)
    judged = at_noon(due, now=NIGHT)
    morning = judged.until or 0
    _, judged = later(due, judged, morning + 72 * HOUR)
    assert word(judged) == "expired:quiet_hours"


def test_a_second_look_in_the_same_night_counts_no_time_twice() -> None:
    due = message(due_at=NIGHT)
    judged = at_noon(due, now=NIGHT)
    held, again = later(due, judged, NIGHT + HOUR)
    assert (word(again), again.quiet_time, again.is_news(held)) == ("held:quiet_hours", HOUR, False)
    _, morning = later(held, again, judged.until or 0, account_holds=("x",))
    assert morning.quiet_time == (judged.until or 0) - NIGHT


def test_without_a_time_to_live_nothing_expires() -> None:
    forever = Policies.read({"hold_ttl": None})
    judged = at_noon(message(due_at=NOON - 4000 * HOUR), forever, account_holds=("x",))
    assert (word(judged), judged.look_at) == ("held:account_hold", None)


# What is written down


def test_a_hold_is_news_once() -> None:
    held, again = later(
        message(), at_noon(message(), account_holds=("x",)), NOON + HOUR, account_holds=("x", "y")
    )
    assert not again.is_news(held)
    assert again.applied_to(held).held_since == NOON
    _, other = later(held, again, NOON + 2 * HOUR, contact_sends=(NOON,))
    assert other.is_news(held)


def test_a_message_that_may_go_is_free_of_its_hold() -> None:
    held = at_noon(message(), account_holds=("x",)).applied_to(message())
    free = at_noon(held, now=NOON + HOUR).applied_to(held)
    assert (free.status, free.reason, free.held_since, free.held_until, free.next_attempt_at) == (
        Status.QUEUED,
        *(None,) * 4,
    )


def test_a_settled_message_is_looked_at_no_more() -> None:
    gone = at_noon(message(), exit_holds=True).applied_to(message())
    assert (gone.status, gone.reason, gone.next_attempt_at) == (Status.CANCELLED, Reason.JOURNEY_ENDED, None)
