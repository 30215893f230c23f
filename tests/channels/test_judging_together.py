"""Messages due at one instant are judged as a group: what goes first counts for those behind it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.batch import judge_together
from channels.facts import Facts, Rival, RivalState
from channels.message import Message, MessageClass, Reason, Status, charges_caps
from channels.policies import Policies
from signals.instant import DAY, HOUR, MINUTE, parse_instant

NOON = parse_instant("2026-03-04T12:00:00Z")


def message(name: str, **more: Any) -> Message:
    body: dict[str, Any] = {
        "id": name,
        "journey": name,
        "play": "nudge",
        "version": 1,
        "step": "1",
        "account": "acme",
    }
    body |= {
        "contact": "ann",
        "channel": "email",
        "content": name,
        "due_at": NOON,
        "address": "ann@example.com",
    }
    return Message(**(body | more))


def facts(**more: Any) -> Facts:
    body: dict[str, Any] = {"journey_live": True, "contact_open": True, "readable": True, "suppression": None}
    return Facts(**(body | {"topic_consent": None, "channel_consent": None} | more))


def outcomes(*due: Message, policies: Policies | None = None, **world: Any) -> dict[str, str]:
    """The word for each message, in the order of judgement."""
    judged = judge_together([(one, facts(**world)) for one in due], policies or Policies(), NOON)
    return {one.id: f"{j.outcome}:{j.reason}" if j.reason else str(j.outcome) for one, j in judged}


def test_the_highest_priority_goes_and_outranks_the_others() -> None:
    seen = outcomes(message("low", priority=10), message("high", priority=90))
    assert list(seen.items()) == [("high", "sent"), ("low", "held:outranked")]


def test_a_queued_rival_that_was_judged_and_held_outranks_nobody() -> None:
    """A service message need not wait for marketing that is on hold."""
    marketing = message("high", priority=90)
    service = message("low", priority=10, cls=MessageClass.SERVICE)
    queued = Rival(id="high", priority=90, marketing=True, state=RivalState.QUEUED, at=NOON)
    seen = outcomes(marketing, service, account_holds=("dispute",), rivals=(queued,))
    assert seen == {"high": "held:account_hold", "low": "sent"}


def test_messages_of_equal_rank_share_the_cap_room() -> None:
    assert outcomes(message("a"), message("b")) == {"a": "sent", "b": "held:contact_cap"}


def test_the_same_content_is_sent_once() -> None:
    seen = outcomes(message("a", content="hello"), message("b", content="hello"))
    assert seen == {"a": "sent", "b": "suppressed:duplicate"}


def test_two_people_of_an_account_are_kept_apart_unless_it_is_one_step() -> None:
    assert outcomes(message("a"), message("b", contact="bob")) == {"a": "sent", "b": "held:role_gap"}
    lanes = [message("a", journey="j"), message("b", journey="j", contact="bob", lane=1)]
    assert outcomes(*lanes) == {"a": "sent", "b": "sent"}


def test_two_messages_to_one_person_need_no_gap_between_people() -> None:
    policies = Policies.read({"contact_cap": None})
    assert outcomes(message("a"), message("b"), policies=policies) == {"a": "sent", "b": "sent"}


def test_the_people_of_an_account_share_its_cap_room() -> None:
    policies = Policies.read({"role_gap": None, "account_cap": {"per_7d": 2}})
    seen = outcomes(*(message(name, contact=name) for name in "abc"), policies=policies)
    assert seen == {"a": "sent", "b": "sent", "c": "held:account_cap"}


def test_two_accounts_do_not_mind_each_other() -> None:
    assert outcomes(message("a"), message("b", contact="bob", account="other")) == {"a": "sent", "b": "sent"}


def test_held_messages_of_an_account_are_released_a_minute_apart() -> None:
    held = {"status": Status.HELD, "reason": Reason.QUIET_HOURS, "journey": "j"}
    seen = outcomes(message("a", **held), message("b", contact="bob", lane=1, **held))
    assert seen == {"a": "sent", "b": "held:rate"}


def test_what_uses_up_no_caps_leaves_the_room_to_others() -> None:
    seen = outcomes(
        message("a", channel="in_app"), message("b", cls=MessageClass.TRANSACTIONAL), message("c")
    )
    assert set(seen.values()) == {"sent"}


def test_control_uses_up_shadow_room_only() -> None:
    seen = outcomes(message("a", arm_control=True), message("b", arm_control=True), message("c"))
    assert seen == {"a": "withheld:control", "b": "held:contact_cap", "c": "sent"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ann", "bob", "cat"]),
            st.integers(0, 3),
            st.sampled_from(["email", "in_app", "invitation"]),
            st.sampled_from(list(MessageClass)),
            st.booleans(),
        ),
        max_size=12,
    ),
    st.lists(st.integers(0, 8 * 24).map(lambda hours: NOON - hours * HOUR), max_size=4),
)
def test_no_group_ever_exceeds_a_cap(drawn: list[tuple[Any, ...]], sends: list[int]) -> None:
    """I19, for whatever is due at once: every cap counts earlier sends and the group's own."""
    due = [
        message(f"m{n}", contact=contact, priority=priority, channel=channel, cls=cls, arm_control=control)
        for n, (contact, priority, channel, cls, control) in enumerate(drawn)
    ]
    policies = Policies.read({"role_gap": None, "arbitration_window": None, "contact_cap": {"per_day": 2}})
    world = facts(contact_sends=tuple(sends), account_sends=tuple(sends))
    judged = judge_together([(one, world) for one in due], policies, NOON)
    gone = [one for one, judgement in judged if judgement.may_go and charges_caps(one)]
    week = sum(sent > NOON - 7 * DAY for sent in sends)
    today = sum(sent >= NOON - 12 * HOUR for sent in sends)
    for person in {one.contact for one in gone}:
        theirs = sum(one.contact == person for one in gone)
        assert today + theirs <= 2
        assert week + theirs <= 3
    assert not gone or week + len(gone) <= 5


@pytest.mark.parametrize("size", [0, 1])
def test_a_small_group_is_a_group(size: int) -> None:
    assert len(outcomes(*[message("a")] * size)) == size


def test_an_outranked_message_is_looked_at_again_after_the_window() -> None:
    judged = judge_together(
        [(message("low", priority=10), facts()), (message("high", priority=90), facts())], Policies(), NOON
    )
    assert judged[1][1].look_at == NOON + 10 * MINUTE
