"""Who a step is for: roles, reachability, seniority, channels, lanes."""

from typing import Any

from builders import START, event, folded, person
from plays.recipients import lanes, reachable
from plays.steps import MessageStep
from signals.event import Event
from signals.watch import Watched


def addressed(events: list[Event], to: Any, channel: Any = "email") -> list[tuple[str | None, str, str]]:
    """The lanes as (contact, role, channel)."""
    step = MessageStep.model_validate({"to": to, "channel": channel, "content": "hello"})
    found = lanes(step, folded(events, Watched()), START + 10**12)
    return [(lane.contact.id if lane.contact else None, lane.role, lane.channel) for lane in found]


def test_of_several_holders_the_one_who_has_held_it_longest_is_asked_ties_by_id() -> None:
    events = [person("bob", "1h", roles=["admin"]), person("ann", "1h", roles=["admin"])]
    assert addressed(events, "admin") == [("ann", "admin", "email")]
    assert addressed([*events, person("cyd", "0h", roles=["admin"])], "admin") == [("cyd", "admin", "email")]


def test_the_first_role_with_a_reachable_person_wins() -> None:
    events = [person("ann", roles=["champion"], email=None), person("bob", roles=["admin"])]
    assert addressed(events, ["champion", "admin"]) == [("bob", "admin", "email")]
    assert addressed(events, ["champion", "admin"], "in_app") == [("ann", "champion", "in_app")]


def test_a_reachable_holder_is_asked_before_an_unreachable_one_of_longer_standing() -> None:
    events = [person("ann", "0h", roles=["admin"], email=None), person("bob", "1h", roles=["admin"])]
    assert addressed(events, "admin") == [("bob", "admin", "email")]


def test_if_nobody_is_reachable_the_first_holder_is_taken() -> None:
    events = [person("ann", roles=["admin"], email=None), person("bob", "1h", roles=["admin"])]
    bounced = event("engagement.bounced", "2h", contact="bob", bounce="hard")
    assert addressed([*events, bounced], ["champion", "admin"]) == [("ann", "admin", "email")]


def test_a_role_nobody_holds_is_a_vacant_lane() -> None:
    assert addressed([], ["champion", "admin"]) == [(None, "champion", "email")]
    assert addressed([], {"all": "user"}) == [(None, "user", "email")]
    gone = [person("ann", roles=["admin"]), event("crm.contact_left", "1h", contact="ann")]
    assert addressed(gone, "admin") == [(None, "admin", "email")]


def test_each_is_a_lane_a_role_and_who_holds_several_gets_the_first() -> None:
    events = [person("ann", roles=["champion", "finance"]), person("bob", roles=["admin"])]
    assert addressed(events, {"each": ["admin", "champion", "finance", "exec"]}) == [
        ("bob", "admin", "email"),
        ("ann", "champion", "email"),
        (None, "exec", "email"),
    ]


def test_all_is_everyone_in_the_role() -> None:
    events = [person("bob", "1h", roles=["user"]), person("ann", "2h", roles=["user"])]
    assert addressed(events, {"all": "user"}) == [("bob", "user", "email"), ("ann", "user", "email")]


def test_the_channel_is_the_contacts_preference_if_among_them_else_the_first_usable() -> None:
    wants = person("ann", roles=["admin"], preferred_channel="email")
    assert addressed([wants], "admin", ["in_app", "email"]) == [("ann", "admin", "email")]
    assert addressed([wants], "admin", ["in_app"]) == [("ann", "admin", "in_app")]
    bare = person("ann", roles=["admin"], email=None)
    assert addressed([bare], "admin", ["email", "in_app"]) == [("ann", "admin", "in_app")]


def test_a_suppressed_address_is_unreachable_by_mail_and_reachable_in_the_app() -> None:
    events = [person("ann"), event("engagement.complained", "1h", contact="ann")]
    ann = folded(events, Watched()).contacts["ann"]
    assert [reachable(ann, channel) for channel in ("email", "invitation", "in_app")] == [False, False, True]
