"""Two profiles, or two people of one, become one: what moves, what counts, and roles that stood apart until then."""

import msgspec
import pytest

from builders import ACCOUNT, START, after_start, attributes, event, folded, person, watching
from signals.conditions import compile_condition
from signals.event import Event
from signals.fold import after
from signals.joins import Join, RoleSet, Said, as_one, joined, same
from signals.merge import merge_accounts, merge_contacts, merge_signals
from signals.profile import Contact, Profile, SignalState, Ticket, holders, open_holds, open_tickets
from signals.watch import Watched

NOTHING = watching(compile_condition({"reached": "x"}))
AT = after_start("5h")
BECAME = [Join(AT, "beta", ACCOUNT)]


def made(*happened: Event, watched: Watched = NOTHING) -> Profile:
    """The profile these events make."""
    return folded(happened, watched)


def beta(*happened: Event) -> Profile:
    """The same of the account that goes."""
    return msgspec.structs.replace(made(*happened), id="beta")


def one(kept: Profile, gone: Profile) -> Profile:
    """Both as one."""
    return merge_accounts(kept, gone, BECAME)


def roles(profile: Profile, contact: str) -> list[tuple[str, int, int | None]]:
    """Every role of a person with its hours since the start."""
    hour = after_start("1h") - START
    return sorted(
        (
            span.role,
            (span.since - START) // hour,
            None if span.until is None else (span.until - START) // hour,
        )
        for span in profile.contacts[contact].spans
    )


def test_an_attribute_keeps_the_value_written_last_whichever_account_it_was_written_to() -> None:
    kept, gone = made(attributes("1h", plan="free", city="Rome")), beta(attributes("2h", plan="pro"))
    for merged in (one(kept, gone), one(gone, kept)):
        assert (merged.value("plan"), merged.value("city")) == ("pro", "Rome")


def test_first_and_last_times_sums_and_milestones_are_those_of_both() -> None:
    kept = made(
        event("billing.order_placed", "2h", amount=1.1),
        event("product.milestone_reached", "3h", milestone="live"),
    )
    gone = beta(
        event("billing.order_placed", "-1d", amount=2),
        event("product.milestone_reached", "1h", milestone="live"),
    )
    merged = one(kept, gone)
    assert merged.orders == [2, "3.1", after_start("2h")]
    assert merged.milestones == {"live": after_start("1h")}
    assert (merged.created_at, merged.last_event_at) == (after_start("-1d"), after_start("3h"))


def test_a_given_creation_counts_more_than_an_earlier_event() -> None:
    gone = beta(event("x", "-9d"))
    merged = one(made(attributes("1h", created_at="2026-03-01T00:00:00Z")), gone)
    assert merged.created_at == after_start("-33h")


def test_tickets_and_holds_of_both_stand_and_the_later_closing_closes() -> None:
    kept = made(event("support.ticket_opened", ticket="A"), event("crm.escalation_opened"))
    gone = beta(
        event("support.ticket_opened", ticket="B"),
        event("support.ticket_solved", "1h", ticket="A"),
        event("billing.dispute_opened"),
    )
    merged = one(kept, gone)
    assert [ticket is merged.tickets["B"] for ticket in open_tickets(merged)] == [True]
    assert open_holds(merged, AT) == ["dispute", "escalation"]


def test_neither_profile_is_changed() -> None:
    kept, gone = (
        made(person("ann", roles=["champion"]), attributes(x=1)),
        beta(person("ann"), attributes(x=2)),
    )
    before = msgspec.msgpack.encode([kept, gone])
    one(kept, gone)
    merge_contacts(kept, "ann", "bob", [Join(AT, "ann", "bob")])
    assert msgspec.msgpack.encode([kept, gone]) == before


def test_a_persons_roles_at_both_accounts_are_held_together() -> None:
    merged = one(made(person("ann", "1h", roles=["admin"])), beta(person("ann", "2h", roles=["champion"])))
    assert roles(merged, "ann") == [("admin", 1, None), ("champion", 2, None)]


def test_roles_written_after_the_merge_replace_those_of_both() -> None:
    merged = one(made(person("ann", "1h", roles=["admin"])), beta(person("ann", "2h", roles=["champion"])))
    later, _ = after(merged, person("ann", "6h", roles=["user"]), [], AT)
    assert roles(later, "ann") == [("admin", 1, 6), ("champion", 2, 6), ("user", 6, None)]


def test_a_late_role_of_before_the_merge_ends_only_what_was_written_under_that_name() -> None:
    merged = one(made(person("ann", "1h", roles=["admin"])), beta(person("ann", "2h", roles=["champion"])))
    late = msgspec.structs.replace(person("ann", "3h", roles=[]), said=Said("beta", "ann", BECAME))
    late = msgspec.structs.replace(late, account=ACCOUNT)
    told, _ = after(merged, late, [], AT)
    assert roles(told, "ann") == [("admin", 1, None), ("champion", 2, 3)]


def test_people_who_become_one_hold_the_roles_of_both_and_are_seen_since_the_first() -> None:
    profile = made(
        person("old", "1h", roles=["champion"], email=None, name="Ann"),
        person("ann", "2h", roles=["admin"]),
        event("x", "4h", contact="old"),
    )
    merged = merge_contacts(profile, "old", "ann", [Join(AT, "old", "ann")])
    ann = merged.contacts["ann"]
    assert list(merged.contacts) == ["ann"]
    assert roles(merged, "ann") == [("admin", 2, None), ("champion", 1, None)]
    assert (ann.first_seen, merged.seen) == (after_start("1h"), {"ann": after_start("4h")})
    assert [held.contact for held in holders(merged, "champion", AT)] == ["ann"]


def test_who_left_under_either_name_has_left_unless_given_a_role_after_it() -> None:
    gone = [person("old", roles=["admin"]), event("crm.contact_left", "2h", contact="old")]
    left = merge_contacts(
        made(*gone, person("ann", "1h", roles=["user"])), "old", "ann", [Join(AT, "old", "ann")]
    )
    back = merge_contacts(
        made(*gone, person("ann", "3h", roles=["user"])), "old", "ann", [Join(AT, "old", "ann")]
    )
    assert left.contacts["ann"].left_at == after_start("2h")
    assert back.contacts["ann"].left_at is None


def test_a_signal_open_at_either_is_open_since_then_with_the_worse_severity() -> None:
    kept = SignalState(open=True, since=5, severity="warning", level=0, fired=1, last_fired=5)
    gone = SignalState(open=True, since=3, severity="critical", level=1, fired=2, last_fired=9)
    closed = SignalState(since=1, fired=4, last_fired=1)
    merged = merge_signals(kept, gone)
    assert (merged.open, merged.since, merged.severity, merged.fired, merged.last_fired) == (
        True,
        3,
        "critical",
        3,
        9,
    )
    assert merge_signals(closed, kept).since == 5
    assert not merge_signals(closed, closed).open


def test_every_part_of_a_profile_says_how_it_is_merged() -> None:
    """A new field fails here until `signals.merge` knows what becomes of it."""
    merged = {
        Profile: "id created_at given_created_at last_event_at seq attributes contacts seen tickets holds milestones orders "
        "measures signals segments given_tags tag_words tags stage stage_since look_at waits health joins",
        Contact: "id attributes roles left_at first_seen suppressed spans went_at suppression joins",
        Ticket: "opened_at updated_at solved_at priority topic",
        SignalState: "open since severity level fired last_fired date edges evidence",
    }
    for kind, names in merged.items():
        assert set(kind.__struct_fields__) == set(names.split()), kind.__name__


@pytest.mark.parametrize(
    ("one_id", "other", "at", "expected"),
    [
        ("a", "a", 0, True),
        ("a", "b", 1, False),
        ("a", "b", 2, True),
        ("a", "c", 2, False),
        ("c", "a", 3, True),
        ("a", "d", 9, False),
    ],
)
def test_ids_are_one_from_the_instant_they_were_joined(
    one_id: str, other: str, at: int, expected: bool
) -> None:
    joins = [Join(2, "a", "b"), Join(3, "b", "c")]
    assert same(joins, one_id, other, at) is expected


def test_joins_are_a_set_in_one_order() -> None:
    a, b = Join(2, "a", "b"), Join(1, "x", "b")
    assert joined([a], [b, a], []) == [b, a] == joined([b, a])


def test_a_role_that_both_names_hold_lasts_as_long_as_either_says() -> None:
    sets = [
        RoleSet(1, "1", [["champion", None, 50]]),
        RoleSet(2, "2", [["champion", None, None], ["admin", 7, 9]], ("acme", "old")),
        RoleSet(3, "3", [["admin", 5, 20]]),
    ]
    whole = as_one(sets, ("acme", "ann"), [], [Join(9, "old", "ann")])
    assert [entry.value for entry in whole] == [
        [["champion", None, 50]],
        [["champion", None, None], ["admin", 7, 9]],
        [["champion", None, None], ["admin", 5, 20]],
    ]
