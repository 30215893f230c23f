"""What is known of those who became one depends on what happened, not on when it came to us (semantics §2)."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from households import folded, histories
from signals.event import Event

pytestmark = pytest.mark.slow

ROUNDS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def arrivals(draw: st.DrawFn, history: list[Event]) -> list[list[Event]]:
    """The same events in any order, some of them twice, in batches of any size."""
    again = draw(st.lists(st.sampled_from(history), max_size=3)) if history else []
    order = draw(st.permutations([*history, *again]))
    batches: list[list[Event]] = [[]]
    for event in order:
        if draw(st.integers(0, 3)) == 0:
            batches.append([])
        batches[-1].append(event)
    return batches


@ROUNDS
@given(st.data())
def test_order_of_arrival_batch_size_and_duplicates_change_nothing_when_a_merge_is_among_the_events(
    data: st.DataObject,
) -> None:
    history = data.draw(histories())
    assert folded(data.draw(arrivals(history))) == folded([history])


@ROUNDS
@given(histories())
def test_one_batch_leaves_what_single_events_leave(history: list[Event]) -> None:
    assert folded([event] for event in history) == folded([history])
