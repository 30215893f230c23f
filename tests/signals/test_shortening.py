"""What is packed shorter comes back as it was."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from signals.shortening import longer, shorter

PEOPLE = ["ann", "ben", "cleo"]

words = st.text("ab01", max_size=3)
numbers = st.lists(st.integers(-9, 2**50), max_size=6)
mixed = st.lists(st.sampled_from([1, 0, True, 1.0, "1", None, [1], [2, "0.43"]]), max_size=4)
series = st.tuples(numbers | mixed, numbers | mixed).map(list)
states = st.one_of(series, numbers, mixed, st.integers(), st.none())
keyed = st.dictionaries(st.sampled_from([*PEOPLE, "stranger"]) | words, states, max_size=4)


@given(
    st.dictionaries(st.integers(0, 2**33), states | keyed, max_size=4),
    st.lists(st.sampled_from(PEOPLE), unique=True),
)
def test_every_state_comes_back_as_it_was(measures: dict[int, Any], people: list[str]) -> None:
    again = longer(shorter(measures, people), people)
    assert repr(again) == repr(measures)  # 1, 1.0 and True are equal, and not the same


def test_a_long_series_of_one_person_becomes_small_numbers() -> None:
    kept = {7: {"ann": [[496_293, 496_314, 496_385], [219, 221, 222, 223]]}}
    assert shorter(kept, ["ann"]) == {7: {0: [[496_293, 21, 71], [219, 2, 1, 1]]}}
