"""A message keeps its identity, ranks, and shows its public fields (semantics §7, interfaces §3)."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.message import (
    Message,
    MessageClass,
    Reason,
    Status,
    charges_caps,
    group,
    mail_message_id,
    message_id,
    rank,
    retry_at,
)
from signals.instant import HOUR, MINUTE, parse_instant

DUE = parse_instant("2026-03-02T09:00:00Z")


def message(name: str, **more: Any) -> Message:
    body: dict[str, Any] = {"journey": "j1", "play": "nudge", "version": 1, "step": "1", "account": "acme"}
    body |= {
        "contact": "ann",
        "channel": "email",
        "content": "hello",
        "due_at": DUE,
        "address": "ann@example.com",
    }
    return Message(**(body | more), id=name)


def test_a_message_is_the_same_however_often_a_process_dies() -> None:
    assert message_id("j1", "2", 1, "ann") == message_id("j1", "2", 1, "ann")
    assert len(bytes.fromhex(message_id("j1", "2", 1, "ann"))) == 16


parts = st.tuples(
    st.text(max_size=4), st.text(max_size=4), st.integers(0, 20), st.text(max_size=4), st.integers(0, 3)
)


@given(parts, parts)
def test_different_messages_have_different_identities(one: Any, other: Any) -> None:
    assert (message_id(*one) == message_id(*other)) is (one == other)


def test_every_attempt_carries_the_same_message_id() -> None:
    assert mail_message_id("ab12", "mail.example.com") == "<ab12@mail.example.com>"


def test_a_message_in_doubt_is_not_settled() -> None:
    assert {status for status in Status if not status.is_settled} == {
        Status.QUEUED,
        Status.HELD,
        Status.IN_DOUBT,
    }


def test_every_way_that_rendering_fails_is_a_reason() -> None:
    words = [
        "missing_fact",
        "bad_template",
        "template_error",
        "too_large",
        "bad_link",
        "bad_subject",
        "no_unsubscribe",
    ]
    assert all(Reason(word) for word in words)


@pytest.mark.parametrize(
    ("channel", "cls", "charges"),
    [
        ("email", "marketing", True),
        ("email", "service", True),
        ("email", "transactional", False),
        ("invitation", "marketing", True),
        ("in_app", "marketing", False),
        ("in_app", "transactional", False),
    ],
)
def test_caps_count_mail_that_is_not_transactional(channel: str, cls: str, charges: bool) -> None:
    assert charges_caps(message("a", channel=channel, cls=MessageClass(cls))) is charges


def test_priority_comes_first_then_age() -> None:
    old, new, high = (
        message("old"),
        message("new", due_at=DUE + 1),
        message("high", due_at=DUE + 2, priority=90),
    )
    assert rank([new, old, high]) == [high, old, new]


def test_the_lanes_of_a_step_stay_together_and_in_order() -> None:
    lanes = [message("z", lane=0), message("a", lane=1)]
    other = message("m", journey="j2")
    assert rank([other, lanes[1], lanes[0]]) == [*lanes, other]


def test_messages_of_one_contact_are_one_group() -> None:
    first, second, third = (
        message("1", priority=9),
        message("2", priority=8, contact="bob"),
        message("3", priority=7),
    )
    assert group([third, second, first]) == [[first, third], [second]]


def test_temporary_failures_are_tried_again_five_times() -> None:
    waits = [retry_at(attempts, DUE) for attempts in range(1, 7)]
    assert waits == [DUE + MINUTE, DUE + 5 * MINUTE, DUE + 30 * MINUTE, DUE + 2 * HOUR, DUE + 8 * HOUR, None]


def test_the_public_fields_are_those_of_the_interface() -> None:
    public = message("a", cls=MessageClass.SERVICE, status=Status.HELD, reason=Reason.RATE).as_json()
    named = "id journey step account contact role channel content class topic subject status reason due_at sent_at"
    assert set(named.split()) <= set(public)
    assert (public["class"], public["status"], public["reason"]) == ("service", "held", "rate")
    assert (public["due_at"], public["sent_at"]) == ("2026-03-02T09:00:00Z", None)
    assert "address" not in public


def test_a_message_survives_being_stored() -> None:
    held = message("a", status=Status.HELD, reason=Reason.RATE, held_since=DUE, quiet_time=HOUR)
    assert msgspec.json.decode(msgspec.json.encode(held), type=Message) == held
