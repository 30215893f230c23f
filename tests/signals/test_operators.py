"""Every comparison word: what it means for values of its type, of other types, and for none."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from builders import START, ask, attributes, event
from signals.conditions.atoms import AttributeAtom
from signals.instant import DAY, HOUR
from signals.operators import MISSING, Comparison, NumericComparison, dig, equal, predicate, ratio

SPRING, SUMMER = "2026-03-20T09:00:00Z", "2026-06-20T09:00:00+02:00"


WORDS = [
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
    ("gt", 3, MISSING, False),
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
    ("lte", 3, 3.01, False),
    ("lte", 3, MISSING, False),
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
    ("starts_with", "own", MISSING, False),
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
]
"""Word, what it compares with, the value, whether it holds."""

END = "2026-03-20T09:00:00Z"
END_AT = START + 18 * DAY

WORDS_OF_TIME: list[tuple[str, Any, dict[str, Any], int, bool]] = [
    ("within", "5d", {"ends": END}, END_AT - 5 * DAY - 1, False),
    ("within", "5d", {"ends": END}, END_AT - 5 * DAY, True),
    ("within", "5d", {"ends": END}, END_AT, True),
    ("within", "5d", {"ends": END}, END_AT + 1, False),
    ("within", "5d", {"ends": "2026-03-20"}, END_AT - 9 * HOUR, True),
    ("within", "5d", {"ends": "soon"}, END_AT, False),
    ("within", "5d", {}, END_AT, False),
    ("past", "5d", {"ends": END}, END_AT + 5 * DAY - 1, False),
    ("past", "5d", {"ends": END}, END_AT + 5 * DAY, True),
    ("past", "5d", {"ends": END}, END_AT + 500 * DAY, True),
    ("past", "5d", {"ends": 20}, END_AT + 5 * DAY, False),
    ("past", "5d", {}, END_AT + 5 * DAY, False),
    ("last", "5d", {"ends": END}, END_AT - 1, False),
    ("last", "5d", {"ends": END}, END_AT, True),
    ("last", "5d", {"ends": END}, END_AT + 5 * DAY - 1, True),
    ("last", "5d", {"ends": END}, END_AT + 5 * DAY, False),
    ("last", "5d", {"ends": True}, END_AT, False),
    ("last", "5d", {}, END_AT, False),
]
"""Date word, its span, what the account says, now, whether it holds."""

WORDS_OF_NUMBERS = [
    ("is", 2, 2, True),
    ("is", 2, 3, False),
    ("is_not", 2, 3, True),
    ("is_not", 2, 2, False),
    ("gt", 2, 3, True),
    ("gt", 2, 2, False),
    ("gte", 2, 2, True),
    ("gte", 2, 1, False),
    ("lt", 2, 1, True),
    ("lt", 2, 2, False),
    ("lte", 2, 2, True),
    ("lte", 2, 3, False),
]
"""Word, what it compares with, how many there were, whether it holds."""


@pytest.mark.parametrize(("word", "wanted", "value", "holds"), WORDS)
def test_a_word_compares_without_coercion(word: str, wanted: Any, value: Any, holds: bool) -> None:
    assert predicate(Comparison.model_validate({word: wanted}))(value) is holds


@pytest.mark.parametrize(("word", "wanted", "value", "holds"), WORDS)
def test_an_attribute_compares_as_its_word_says(word: str, wanted: Any, value: Any, holds: bool) -> None:
    told = [] if value is MISSING or isinstance(value, Decimal) else [attributes(it=value)]
    if not isinstance(value, Decimal):  # sums are decimals, attributes never
        assert ask({"attribute": "account.it", word: wanted}, told) is holds
        assert ask({"attribute": "account.it", word: wanted, "for": "3d"}, told, "3d") is holds
        assert not ask({"attribute": "account.it", word: wanted, "for": "3d"}, told, START + 3 * DAY - 1)


@pytest.mark.parametrize(("word", "wanted", "number", "holds"), WORDS_OF_NUMBERS)
def test_a_number_compares_as_its_word_says(word: str, wanted: int, number: int, holds: bool) -> None:
    happened = [event("used", amount=1) for _ in range(number)]
    assert ask({"count": "used", word: wanted}, happened) is holds
    assert ask({"sum": "used", "of": "amount", "in": "7d", word: wanted}, happened) is holds
    halves = [*happened, attributes(seats=2)]
    assert ask({"count": "used", word: wanted / 2, "per": "account.seats"}, halves) is holds


@pytest.mark.parametrize(("word", "span", "told", "now", "holds"), WORDS_OF_TIME)
def test_a_date_word_holds_on_its_side_of_each_edge(
    word: str, span: str, told: dict[str, Any], now: int, holds: bool
) -> None:
    assert ask({"attribute": "account.ends", word: span}, [attributes(**told)], now) is holds


def test_the_tables_know_every_word_both_ways_and_for_a_missing_value() -> None:
    asked = {field.alias or name for name, field in Comparison.model_fields.items()}
    for_numbers = {field.alias or name for name, field in NumericComparison.model_fields.items()}
    of_time = {field.alias or name for name, field in AttributeAtom.model_fields.items()} - asked
    assert of_time == {"attribute", "for", "per", "within", "past", "last"}
    answers = {(word, holds) for word, *_, holds in [*WORDS, *WORDS_OF_TIME]}
    assert answers == {
        (word, holds) for word in asked | {"within", "past", "last"} for holds in (True, False)
    }
    assert {word for word, _, value, _ in WORDS if value is MISSING} == asked
    assert {(word, holds) for word, *_, holds in WORDS_OF_NUMBERS} == {
        (word, holds) for word in for_numbers for holds in (True, False)
    }


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
