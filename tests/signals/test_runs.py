"""How long an attribute has compared as wanted: exact however often it is written."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import ACCOUNT, START, ask, attributes, folded, watching
from reference import Recount
from signals.conditions import Moment, compile_condition
from signals.effects import EFFECTS, TELLS_ATTRIBUTES, told_of_account
from signals.event import Event
from signals.instant import DAY, HOUR
from signals.profile import VALUES_KEPT
from signals.runs import WRITES_KEPT

ROUNDS = settings(max_examples=120, deadline=None, derandomize=True)
SAYS_EVERYTHING = {
    "attributes": {"plan": "pro"},
    "score": 3,
    "plan": "pro",
    "ticket": "T1",
    "milestone": "live",
    "amount": 2,
    "reason": "pause",
    "add": ["vip"],
    "bounce": "hard",
    "roles": ["champion"],
}

_values = st.lists(st.sampled_from([0, 1, 2, 3, None, "2"]), min_size=WRITES_KEPT, max_size=4 * WRITES_KEPT)
_asked = st.sampled_from(
    [
        {"gte": 1},
        {"gte": 2},
        {"is": 2},
        {"is_not": 2},
        {"exists": True},
        {"exists": False},
        {"lt": 3, "gt": 0},
        {"in": [1, 2]},
    ]
)


def told(values: list[Any]) -> list[Event]:
    """The account's score, said anew every six hours."""
    return [
        Event(
            f"e{place:03}", "test", "crm.account_updated", START + place * 6 * HOUR, ACCOUNT, None, given, 0
        )
        for place, given in enumerate({"attributes": {"score": value}} for value in values)
    ]


@ROUNDS
@given(_values, _asked, st.sampled_from(["6h", "3d", "20d"]), st.integers(0, 30))
def test_for_agrees_with_a_recount_however_often_the_attribute_is_written(
    values: list[Any], asked: dict[str, Any], span: str, days: int
) -> None:
    condition = {"attribute": "account.score", **asked, "for": span}
    node, history = compile_condition(condition), told(values)
    now = history[-1].time + days * DAY
    profile = folded(history, watching(node))
    assert node.test(Moment(profile, now))[0] == Recount(history, START, now).holds(condition)


@ROUNDS
@given(_values, _asked, st.randoms(use_true_random=False))
def test_for_is_the_same_for_every_order_of_arrival_of_as_many_writes_as_are_kept(
    values: list[Any], asked: dict[str, Any], random: Any
) -> None:
    node = compile_condition({"attribute": "account.score", **asked, "for": "3d"})
    history = told(values[:WRITES_KEPT])
    shuffled = list(history)
    random.shuffle(shuffled)
    now = history[-1].time + DAY
    one, other = (folded(events, watching(node), now=now) for events in (history, shuffled))
    assert one == other
    assert node.test(Moment(one, now)) == node.test(Moment(other, now))


def test_a_value_told_every_day_for_months_has_been_so_for_months() -> None:
    daily = [attributes(f"{day}d", usage=day % 3) for day in range(120)]
    assert ask({"attribute": "account.usage", "lt": 5, "for": "119d"}, daily, "119d")
    assert not ask({"attribute": "account.usage", "lt": 5, "for": "120d"}, daily, "119d")


def test_of_two_writes_of_one_instant_the_greater_event_counts() -> None:
    condition = {"attribute": "account.plan", "is": "pro", "for": "2d"}
    first, second = attributes("0d", plan="pro"), attributes("1d", plan="free")
    again = attributes("1d", plan="pro")
    assert second.id < again.id
    for history in ([first, second, again], [first, again, second]):
        assert ask(condition, history, "2d")


def test_an_attribute_itself_is_kept_as_it_is_and_as_it_was_before() -> None:
    daily = [attributes(f"{day}d", usage=day) for day in range(9)]
    profile = folded(daily, watching(compile_condition({"stage": "any"})))
    assert [each.value for each in profile.attributes["usage"]] == [7, 8]
    assert len(profile.attributes["usage"]) == VALUES_KEPT


@pytest.mark.parametrize("kind", sorted(EFFECTS))
def test_which_types_write_attributes_is_known(kind: str) -> None:
    event = Event("e1", "test", kind, START, ACCOUNT, None, SAYS_EVERYTHING, START)
    if "contact" not in kind and not kind.startswith("engagement."):
        assert bool(told_of_account(event)) == (kind in TELLS_ATTRIBUTES)
    else:
        assert kind not in TELLS_ATTRIBUTES
