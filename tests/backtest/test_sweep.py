"""A sweep: one value of a definition over a range, a row for each, and the best of those that show something."""

from typing import Any

import pytest

from backtest.worlds import SPIKE, customer, question
from journeys.backtest.question import MOST_SETTINGS, BadQuestion, sweep
from journeys.backtest.report import run
from journeys.backtest.trial import Trial, Variant
from journeys.definitions import Refused

NESTED: dict[str, Any] = {
    "key": "n",
    "levels": [
        {
            "severity": "warning",
            "when": {"all": [{"change": "x", "in": "7d", "against": "28d", "lte": -0.3}]},
        },
        {"severity": "critical", "when": {"absent": "x", "for": "14d"}},
    ],
}


def values(text: str) -> list[Any]:
    return [setting.value for setting in sweep(NESTED, f"levels.0.when.all.0.lte={text}")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2..6", [2, 3, 4, 5, 6]),
        ("-0.6..-0.2/0.1", [-0.6, -0.5, -0.4, -0.3, -0.2]),
        ("0..1/0.25", [0, 0.25, 0.5, 0.75, 1]),
        ("7d..28d/7d", ["1w", "2w", "3w", "4w"]),
        ("1d..3d", ["1d", "2d", "3d"]),
        ("1,5,20", [1, 5, 20]),
        ("7d, 90d", ["7d", "90d"]),
        ("pro,enterprise", ["pro", "enterprise"]),
        ("3", [3]),
    ],
)
def test_a_range_or_a_list_gives_its_values(text: str, found: list[Any]) -> None:
    assert values(text) == found


def test_each_setting_is_the_whole_definition_with_one_value_changed() -> None:
    first, second = sweep(NESTED, "levels.1.when.for=7d,21d")
    assert first.body["levels"][1]["when"] == {"absent": "x", "for": "7d"}
    assert second.body["levels"][0] == NESTED["levels"][0]
    assert NESTED["levels"][1]["when"]["for"] == "14d"
    assert str(first) == "levels.1.when.for = 7d"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("when.gte", "write PATH=a..b"),
        ("=1..2", "write PATH=a..b"),
        ("when.gte=", "write PATH=a..b"),
        ("when.gte=6..2", "runs nowhere"),
        ("when.gte=2..6/0", "runs nowhere"),
        ("when.gte=2..6d", "no range"),
        ("when.gte=a..b", "no range"),
        ("when.gte=1..1000", f"{MOST_SETTINGS} are the most"),
        ("when.gte=1..1e9/0.001", f"{MOST_SETTINGS} are the most"),
        ("when.lte=1..2", "there is count, in, gte"),
        ("wen.gte=1..2", "there is key, when"),
        ("when=1..2", "go on to count, in, gte"),
        ("when.gte.x=1..2", "nothing below"),
    ],
)
def test_a_sweep_that_makes_no_sense_says_what_would(asked: str, told: str) -> None:
    with pytest.raises(BadQuestion, match=told):
        sweep(SPIKE, asked)


def test_a_place_in_a_list_is_named_by_its_number() -> None:
    with pytest.raises(BadQuestion, match="0 to 1"):
        sweep(NESTED, "levels.2.severity=info,warning")


def test_a_value_that_makes_no_definition_is_refused() -> None:
    (setting,) = sweep(SPIKE, "when.in=soon")
    with pytest.raises(Refused):
        Trial([Variant("spike", setting.body)], (), question())


def tickets(account: str, many: int, cancels: list[float]) -> list[Any]:
    """A customer with so many tickets on day 30."""
    history = customer(account, spikes=[30], cancels=cancels)
    return [e for e in history if e.type != "support.ticket_opened"] + [
        e for spike in range(many) for e in customer(account, spikes=[30])[1:2]
    ]


def swept(histories: list[Any]) -> dict[str, Any]:
    settings = sweep(SPIKE, "when.gte=2..4")
    variants = [Variant("spike", SPIKE), *(Variant("spike", s.body, str(s), s.value) for s in settings)]
    return run(Trial(variants, (), question()), histories)


def test_a_sweep_runs_every_setting_over_the_same_history_and_offers_the_best() -> None:
    """Two tickets mean nothing, three mean the end: four is too late for most."""
    world = [tickets(f"two{n}", 2, []) for n in range(60)]
    world += [tickets(f"three{n}", 3, [60]) for n in range(40)]
    world += [tickets(f"four{n}", 4, [60]) for n in range(10)]
    told = swept(world)
    assert [(r["setting"], r["value"], r["firings"]) for r in told["rows"]] == [
        (None, None, 50),
        ("when.gte = 2", 2, 110),
        ("when.gte = 3", 3, 50),
        ("when.gte = 4", 4, 10),
    ]
    assert told["best"] == {
        "setting": "when.gte = 3",
        "value": 3,
        "f1": 1,
        "definition": {**SPIKE, "when": {**SPIKE["when"], "gte": 3}},
    }


def test_where_no_setting_shows_lift_none_is_offered() -> None:
    assert swept([tickets(f"a{n}", 2 + n % 3, [60] if n % 5 == 0 else []) for n in range(60)])["best"] is None
