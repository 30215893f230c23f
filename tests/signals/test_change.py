"""A change and its next crossing come from one walk ahead, and are what a look at each step answers."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import START, event, folded, watching
from signals.conditions import Moment, compile_condition
from signals.conditions.change import ChangeNode
from signals.instant import DAY, HOUR
from signals.profile import Profile

DAYS = st.lists(st.integers(0, 4), min_size=20, max_size=110)
"""Events on each day up to now."""

WORDS = st.tuples(
    st.sampled_from(["gt", "gte", "lt", "lte"]), st.sampled_from([-1, -0.6, -0.5, -0.3, -0.1, 0, 0.1, 0.5, 1])
)
SPANS = st.sampled_from([("7d", "28d"), ("14d", "56d"), ("1d", "4d"), ("7d", "14d"), ("30h", "90h")])


def used(days: list[int], node: ChangeNode) -> Profile:
    """The profile of an account that used the product so often on each of these days."""
    begun = START - len(days) * DAY
    happened = [event("used", begun + n * DAY + k * HOUR) for n, many in enumerate(days) for k in range(many)]
    return folded(happened, watching(node), created_at=begun)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(DAYS, WORDS, SPANS, st.integers(0, 20), st.integers(0, 40 * 24))
def test_the_answer_stands_until_it_says_and_no_step_is_looked_at_twice(
    days: list[int], word: tuple[str, float], spans: tuple[str, str], least: int, later: int
) -> None:
    condition: dict[str, Any] = {"change": "used", "in": spans[0], "against": spans[1], "min": least}
    quick, slow = (compile_condition({**condition, word[0]: word[1]}) for _ in range(2))
    assert isinstance(quick, ChangeNode)
    assert isinstance(slow, ChangeNode)
    slow.aligned = False
    profile, now = used(days, quick), START + later * HOUR
    holds, until = quick.test(Moment(profile, now))
    end = now + 150 * DAY if until is None else until
    every = max(slow.step, (end - now) // 200 // slow.step * slow.step)
    looks = [now, *range((now // slow.step + 1) * slow.step, end, every)]
    assert {slow.test(Moment(profile, at))[0] for at in looks} == {holds}
    if quick.aligned and until is not None and until < now + slow.ahead * slow.step:
        first = next(day for day, many in enumerate(days) if many)
        whole_at = START + (first - len(days)) * DAY + 3 * slow.block  # looked at whatever it comes to
        assert slow.test(Moment(profile, until))[0] is not holds or until <= whole_at + slow.step


def test_levels_of_one_signal_share_one_walk() -> None:
    mild, severe = (
        compile_condition({"change": "used", "in": "14d", "against": "56d", "lte": least})
        for least in (-0.3, -0.5)
    )
    assert isinstance(mild, ChangeNode)
    assert isinstance(severe, ChangeNode)
    made: list[int] = []
    walk = ChangeNode._crossings
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChangeNode, "_crossings", lambda self, *given: made.append(1) or walk(self, *given))
        moment = Moment(used([3] * 100, mild), START)
        assert [node.test(moment)[0] for node in (mild, severe)] == [False, False]
        assert len(made) == 1
        mild.test(Moment(used([3] * 100, mild), START))  # equal, and not the same
        assert len(made) == 2
