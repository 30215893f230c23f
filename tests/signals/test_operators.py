"""Every comparison word: what it means for values of its type, of other types, and for none."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from signals.operators import MISSING, Comparison, dig, equal, predicate, ratio

SPRING, SUMMER = "2026-03-20T09:00:00Z", "2026-06-20T09:00:00+02:00"


@pytest.mark.parametrize(
    ("word", "wanted", "value", "holds"),
    [
        ("is", "pro", "pro", True),
        ("is", "pro", "Pro", False),
        ("is", "", "", True),
        ("is", 1, 1.0, True),
        ("is", 1, True, False),
        ("is", True, 1, False),
        ("is", True, True, True),
        ("is", False, 0, False),
        ("is", "1", 1, False),
        ("is", 0, MISSING, False),
        ("is", "", MISSING, False),
        ("is", 0.1, Decimal("0.1"), True),
        ("is_not", "pro", "free", True),
        ("is_not", "pro", "pro", False),
        ("is_not", 1, True, True),
        ("is_not", "pro", MISSING, True),
        ("in", ["pro", "team"], "team", True),
        ("in", ["pro", 1], True, False),
        ("in", [], "pro", False),
        ("in", ["pro"], MISSING, False),
        ("not_in", ["pro"], "free", True),
        ("not_in", ["pro"], "pro", False),
        ("not_in", ["pro"], MISSING, True),
        ("gt", 3, 3, False),
        ("gt", 3, 3.01, True),
        ("gte", 3, 3, True),
        ("gte", 3, 2.99, False),
        ("gte", 0, True, False),
        ("gte", 3, "3", False),
        ("gte", 3, MISSING, False),
        ("gte", 0.1, Decimal("0.1"), True),
        ("lt", 3, 3, False),
        ("lt", 3, 2, True),
        ("lt", 3, None, False),
        ("lt", 3, MISSING, False),
        ("lte", 3, 3, True),
        ("lte", 0.3, Decimal("0.1") + Decimal("0.2"), True),
        ("gt", SPRING, SUMMER, True),
        ("lt", SPRING, SPRING, False),
        ("lte", "2026-06-20T07:00:00Z", SUMMER, True),
        ("gte", SPRING, "soon", False),
        ("gte", SPRING, 5, False),
        ("contains", "ship", "ownership", True),
        ("contains", "ship", ["ship", "owner"], True),
        ("contains", "ship", ["ownership"], False),
        ("contains", 1, [True], False),
        ("contains", 1, "1", False),
        ("contains", "a", MISSING, False),
        ("starts_with", "own", "ownership", True),
        ("starts_with", "ship", "ownership", False),
        ("starts_with", "1", 1, False),
        ("starts_with", "", MISSING, False),
        ("matches", "own*ip", "ownership", True),
        ("matches", "own?", "ownership", False),
        ("matches", "*", MISSING, False),
        ("matches", "1*", 10, False),
        ("exists", True, "", True),
        ("exists", True, MISSING, False),
        ("exists", False, MISSING, True),
        ("exists", False, 0, False),
    ],
)
def test_a_word_compares_without_coercion(word: str, wanted: Any, value: Any, holds: bool) -> None:
    assert predicate(Comparison.model_validate({word: wanted}))(value) is holds


def test_several_words_must_all_hold() -> None:
    between = predicate(Comparison.model_validate({"gte": 2, "lt": 5}))
    assert [between(number) for number in (1, 2, 4, 5)] == [False, True, True, False]


@pytest.mark.parametrize(
    "body", [{"gte": "soon"}, {"gte": True}, {"is": float("nan")}, {"is": {"a": 1}}, {"like": "a"}]
)
def test_what_cannot_be_compared_with_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Comparison.model_validate(body)


def test_a_ratio_with_a_missing_or_zero_divisor_is_missing() -> None:
    pairs = [(6, 4), (6, 0), (6, MISSING), (MISSING, 4), (6, True), ("6", 4), (Decimal("0.3"), 0.1)]
    assert [ratio(*pair) for pair in pairs] == [1.5, *[MISSING] * 5, Decimal(3)]


def test_null_and_a_path_through_something_else_are_missing() -> None:
    data = {"a": {"b": None, "c": 0}, "d": [1]}
    found = [dig(data, tuple(path.split("."))) for path in ("a.c", "a.b", "a.x", "d.b", "a.c.d")]
    assert found == [0, MISSING, MISSING, MISSING, MISSING]


def test_lists_are_equal_by_type_and_content() -> None:
    assert equal([1], [1])
    assert not equal([1], "1")
