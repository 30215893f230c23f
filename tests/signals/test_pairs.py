"""Sequences and missed payments: exact in the order of time however many events there are."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import ACCOUNT, START, after_start, ask, event, folded, watching
from reference import Recount
from signals.conditions import Moment, compile_condition
from signals.event import Event
from signals.instant import DAY, HOUR
from signals.pairs import ANSWERED_KEPT, PAIRED_WITH, WAITING_KEPT

ROUNDS = settings(max_examples=80, deadline=None, derandomize=True)
MANY = 4 * max(PAIRED_WITH, WAITING_KEPT)

_kinds = st.lists(st.sampled_from(["used", "used", "paid", "failed"]), min_size=MANY // 2, max_size=MANY)
_pairs = st.sampled_from(
    [
        {"sequence": ["used", "paid"], "within": "30m", "in": "7d"},
        {"sequence": ["used", "paid"], "within": "3h", "in": "40d"},
        {"sequence": ["used", "used"], "within": "1h", "in": "2d"},
        {"missed": "paid", "after": "failed", "for": "3d"},
        {"missed": "paid", "after": ["failed", "used"], "for": "1h"},
        {"missed": ["paid", "used"], "after": "used", "for": "1h"},
    ]
)


def hourly(kinds: list[str]) -> list[Event]:
    """One event an hour."""
    return [
        Event(f"e{place:04}", "test", kind, at := START + place * HOUR, ACCOUNT, None, {}, at)
        for place, kind in enumerate(kinds)
    ]


@ROUNDS
@given(_kinds, _pairs, st.integers(0, 50))
def test_pairs_agree_with_a_recount_however_many_there_are(
    kinds: list[str], condition: dict[str, Any], days: int
) -> None:
    node, history = compile_condition(condition), hourly(kinds)
    profile, now = folded(history, watching(node)), history[-1].time + days * DAY
    assert node.test(Moment(profile, now))[0] == Recount(history, START, now).holds(condition)


def test_a_sequence_is_not_forgotten_for_the_many_that_came_after_it() -> None:
    condition = {"sequence": ["trial", "bought"], "within": "1d", "in": "30d"}
    told = [event("trial"), event("bought", "2h")]
    told += [event("trial", START + 3 * HOUR + place) for place in range(MANY)]
    assert ask(condition, told, "20d")


def test_what_is_missed_is_counted_from_the_first_of_however_many() -> None:
    told = [event("failed", START + place * HOUR) for place in range(MANY)]
    assert ask({"missed": "paid", "after": "failed", "for": f"{MANY}h"}, told, f"{MANY}h")


def test_a_late_answer_leaves_what_was_asked_after_it() -> None:
    condition = {"missed": "paid", "after": "failed", "for": "2d"}
    told = [event("failed"), event("failed", "2d"), event("paid", "1d")]
    assert not ask(condition, told, "3d")
    assert ask(condition, told, "4d")


def test_answered_keys_are_forgotten_the_oldest_first_and_unanswered_ones_never() -> None:
    node = compile_condition({"missed": "paid", "after": "failed", "for": "1d", "same": "invoice"})
    told = [event("failed", START, invoice="open")]
    told += [event("paid", START + place, invoice=f"i{place}") for place in range(ANSWERED_KEPT + 40)]
    profile = folded(told, watching(node))
    (state,) = profile.measures.values()
    assert state.keys() == {"open", *(f"i{place}" for place in range(40, ANSWERED_KEPT + 40))}
    assert node.test(Moment(profile, after_start("1d")))[0]
