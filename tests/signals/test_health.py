"""Health: maps, missing values, rounding, bands, flags, the atoms on it, the ledger of every point."""

from typing import Any

import pytest
from pydantic import ValidationError

from builders import START, Account, after_start, attributes, event, playbook, segment, signal
from journeys.playbook import Playbook
from journeys.react import refill
from signals.conditions import Moment, compile_condition
from signals.definitions import HealthRules, Signal
from signals.event import Event
from signals.freshness import Feeds, Heard
from signals.health import Gauge
from signals.instant import parse_duration
from signals.ledger import Entry, apportion, shares
from signals.measures import leaves_window
from signals.score import Health, half_up, reasons
from signals.watch import CircularDefinitions, Watched

LOGINS = {"key": "logins", "value": {"count": "login", "in": "7d"}, "map": [[0, 0], [10, 100]], "weight": 1}
NPS = {"key": "nps", "value": {"attribute": "account.nps"}, "map": [[0, 0], [10, 100]], "weight": 1}


def rules(*measures: dict[str, Any], **body: Any) -> HealthRules:
    return HealthRules.model_validate({"version": 1, "measures": list(measures or [LOGINS, NPS]), **body})


def scored(*measures: dict[str, Any], signals: list[Signal] | None = None, **body: Any) -> Account:
    """An account whose health is scored by these measures."""
    return Account(playbook(health=rules(*measures, **body), signals=signals or []))


def health(account: Account) -> Health:
    found = account.state.profile.health
    assert found is not None
    return found


def ledger(account: Account) -> list[Entry]:
    return [entry for reaction in account.reactions for entry in reaction.ledger]


def told(account: Account) -> list[tuple[str, int]]:
    return [(entry.key, entry.points) for entry in ledger(account)]


def gauge(pairs: list[list[float]], **body: Any) -> Gauge:
    return Gauge(rules({**NPS, "map": pairs, **body}).measures[0])


# ── maps ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "points"),
    [(-5, 0), (0, 0), (2, 40), (2.5, 50), (5, 100), (7, 80), (9, 60), (1_000_000, 60)],
)
def test_a_map_is_linear_between_its_pairs_and_flat_beyond_them(value: float, points: float) -> None:
    assert gauge([[0, 0], [5, 100], [9, 60]]).points(value) == points


def test_a_map_of_one_pair_is_the_same_everywhere() -> None:
    assert {gauge([[3, 70]]).points(value) for value in (-1, 3, 4)} == {70}


@pytest.mark.parametrize(
    "body",
    [
        {"map": []},
        {"map": [[0, 0], [0, 100]]},
        {"map": [[5, 0], [0, 100]]},
        {"map": [[0, -1]]},
        {"map": [[0, 101]]},
        {"weight": 0},
        {"missing": "average"},
        {"missing": {"last_known": "0d"}},
        {"value": {"attribute": "account.nps", "gte": 3}},
        {"value": {"attribute": "account.nps", "for": "3d"}},
        {"value": {"attribute": "contact.nps"}},
        {"value": {"count": "login", "in": "7d", "lt": 3}},
        {"value": {"count": "login", "where": {"id": "$key"}}},
        {"value": {"reached": "activated"}},
        {"value": {"all": []}},
        {"value": {"count": "login", "between": ["7d", "1d"]}, "missing": {"last_known": "9d"}},
        {"value": {"attribute": "account.open_tickets"}, "missing": {"last_known": "9d"}},
    ],
)
def test_a_measure_that_can_mean_nothing_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rules({**NPS, **body})


@pytest.mark.parametrize(
    "body",
    [
        {"bands": {"red": 75, "amber": 75}},
        {"bands": {"red": 50, "amber": 100}},
        {"flags": [{"key": "bad", "when": {"tag": "bad"}, "cap": "green"}]},
        {"flags": [{"key": "nps", "when": {"tag": "bad"}}]},
        {"measures": []},
        {"measures": [NPS, NPS]},
    ],
)
def test_a_definition_that_can_mean_nothing_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rules(**body)


# ── numbers ────────────────────────────────────────────────────────────────────────────────────────────────────


def value_of(atom: dict[str, Any], events: list[Event], now: str) -> float | None:
    account = scored({**NPS, "value": atom, "map": [[0, 0], [1, 100]]})
    for each in events:
        account.live(each)
    account.until(now)
    watch = account.book.watched.health
    assert watch is not None
    moment = Moment(account.state.profile, after_start(now))
    return watch.standings(moment)[0].value


USED = [
    event("used", "1h", contact=who, minutes=minutes)
    for who, minutes in (("ann", 5), ("bob", 2.5), ("ann", 3))
]


@pytest.mark.parametrize(
    ("atom", "number"),
    [
        ({"count": "used", "in": "7d"}, 3),
        ({"count": "used"}, 3),
        ({"count": "used", "where": {"minutes": {"gte": 3}}}, 2),
        ({"count": "used", "per": "account.seats"}, 0.75),
        ({"sum": "used", "of": "minutes", "in": "7d"}, 10.5),
        ({"average": "used", "of": "minutes", "in": "7d"}, 3.5),
        ({"min": "used", "of": "minutes"}, 2.5),
        ({"max": "used", "of": "minutes"}, 5),
        ({"distinct": "used", "of": "contact", "in": "7d"}, 2),
        ({"absent": "used"}, 1),
        ({"attribute": "account.seats"}, 4),
        ({"attribute": "account.seats", "per": "account.nothing"}, None),
        ({"attribute": "account.name"}, None),
        ({"change": "used", "in": "7d", "against": "14d"}, None),
        ({"average": "other", "of": "minutes"}, None),
    ],
)
def test_an_atom_without_comparison_is_a_number(atom: dict[str, Any], number: float | None) -> None:
    events = [attributes("0h", seats=4, name="Acme"), *USED]
    assert value_of(atom, events, "26h") == number


# ── missing values ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_missing_measure_is_left_out_and_the_others_weigh_more() -> None:
    account = scored({**LOGINS, "weight": 3}, NPS)
    account.happens("login")
    assert health(account).score == 10
    account.live(attributes("1h", nps=8))
    assert health(account).score == 28  # (3 * 10 + 80) / 4 = 27.5


def test_a_missing_measure_may_count_as_nothing() -> None:
    account = scored(
        {"key": "seats", "value": {"attribute": "account.seats"}, "map": [[0, 0], [5, 100]], "weight": 1},
        {**NPS, "missing": "zero"},
    )
    account.live(attributes(seats=5))
    assert health(account).score == 50


def test_without_any_measure_there_is_no_score() -> None:
    account = scored(NPS)
    account.happens("login")
    assert (health(account).score, health(account).band) == (None, None)


def test_a_last_known_value_counts_until_its_newest_event_is_too_old() -> None:
    account = scored({**NPS, "missing": {"last_known": "30d"}})
    account.live(attributes("1h", nps=8))
    account.until("721h")
    assert health(account).score == 80
    account.until(after_start("721h") + 1)
    assert health(account).score is None
    account.live(attributes("800h", nps=6))
    assert health(account).score == 60


def test_a_mean_keeps_its_last_value_when_its_window_is_empty() -> None:
    value = {"average": "csat", "of": "score", "in": "7d"}
    account = scored({**NPS, "value": value, "missing": {"last_known": "30d"}})
    account.happens("csat", "0h", score=2)
    account.happens("csat", "24h", score=6)
    assert health(account).score == 40
    account.until("10d")
    assert health(account).score == 60  # the one that was in it last
    account.until("32d")
    assert health(account).score is None


# ── rounding, bands, flags ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("number", "whole"),
    [(50.5, 51), (50.49, 50), (0.5, 1), (74.4999999, 74), (74.49999999999999, 75), (2.675 * 100, 268)],
)
def test_a_score_is_rounded_half_up_at_the_end(number: float, whole: int) -> None:
    assert half_up(number) == whole


@pytest.mark.parametrize(
    ("nps", "band"),
    [
        (0, "red"),
        (5.0, "red"),
        (5.04, "red"),
        (5.05, "amber"),
        (7.5, "amber"),
        (7.55, "green"),
        (10, "green"),
    ],
)
def test_the_tops_of_the_bands_belong_to_them(nps: float, band: str) -> None:
    account = scored(NPS)
    account.live(attributes(nps=nps))
    assert health(account).band == band


def test_bands_may_have_other_tops() -> None:
    account = scored(NPS, bands={"red": 20, "amber": 90})
    account.live(attributes(nps=9))
    assert health(account).band == "amber"


def test_a_flag_caps_the_band_until_it_clears_and_leaves_the_score() -> None:
    account = scored(
        NPS, flags=[{"key": "angry", "when": {"count": "cursed", "in": "1d", "gte": 1}, "cap": "red"}]
    )
    account.live(attributes(nps=9))
    account.happens("cursed", "1h")
    assert (health(account).score, health(account).band) == (90, "red")
    account.until("24h")
    assert health(account).band == "red"
    account.until("26h")
    assert (health(account).score, health(account).band) == (90, "green")


def test_the_worst_cap_counts_and_none_makes_it_better() -> None:
    flags = [
        {"key": "one", "when": {"attribute": "account.one", "is": True}, "cap": "amber"},
        {"key": "two", "when": {"attribute": "account.two", "is": True}, "cap": "red"},
    ]
    account = scored(NPS, flags=flags)
    account.live(attributes("0h", nps=9, one=True))
    assert health(account).band == "amber"
    account.live(attributes("1h", two=True))
    assert health(account).band == "red"
    account.live(attributes("2h", nps=1, two=False))
    assert health(account).band == "red"


def test_a_flag_may_rest_on_a_signal_and_a_signal_on_health() -> None:
    signals = [
        signal("upset", when={"count": "cursed", "in": "1d", "gte": 1}),
        signal("sick", when={"health": "band", "is": "red"}),
    ]
    account = scored(NPS, signals=signals, flags=[{"key": "angry", "when": {"signal": "upset"}}])
    account.live(attributes(nps=9))
    account.happens("cursed", "1h")
    assert account.edges()[-2:] == ["signal upset fired", "signal sick fired"]


def test_health_that_uses_what_uses_health_is_a_circle() -> None:
    round_about = rules(NPS, flags=[{"key": "risk", "when": {"segment": "risk"}}])
    with pytest.raises(CircularDefinitions) as error:
        Watched(segments=[segment("risk", enter={"health": "score", "lt": 50})], health=round_about)
    assert error.value.tokens == ["health", "segment:risk"]


# ── atoms ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"health": "score", "lt": 50}, False),
        ({"health": "score", "gte": 70, "lte": 70}, True),
        ({"health": "score", "is": 70}, True),
        ({"health": "score", "is_not": 70}, False),
        ({"health": "band", "is": "amber"}, True),
        ({"health": "band", "is_not": "amber"}, False),
        ({"health": "band", "in": ["red", "amber"]}, True),
        ({"health": "band", "not_in": ["red", "amber"]}, False),
        ({"health": "change", "in": "2h", "lte": -10}, True),
        ({"health": "change", "in": "1h", "lte": -10}, False),
        ({"health": "change", "in": "3h", "lte": -10}, False),
        ({"health": "change", "in": "14d", "is_not": 0}, True),
    ],
)
def test_the_atoms_on_health(condition: dict[str, Any], holds: bool) -> None:
    account = scored(NPS)
    for at, nps in (("1h", 6), ("2h", 9), ("3h", 7)):
        account.live(attributes(at, nps=nps))
    account.until("4h")
    moment = Moment(account.state.profile, after_start("4h"))
    assert compile_condition(condition).test(moment)[0] is holds


@pytest.mark.parametrize(
    "condition",
    [
        {"health": "mood", "is": "red"},
        {"health": "score"},
        {"health": "score", "is": "red"},
        {"health": "score", "in": "14d", "lt": 3},
        {"health": "change", "lte": -15},
        {"health": "change", "in": "14d"},
        {"health": "change", "in": "0d", "lte": -15},
        {"health": "band"},
        {"health": "band", "is": "purple"},
        {"health": "band", "is": 3},
        {"health": "band", "in": "14d", "is": "red"},
        {"health": "band", "lt": 3},
    ],
)
def test_an_atom_on_health_that_asks_nothing_is_refused(condition: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        compile_condition(condition)


def test_a_drop_is_over_at_the_instant_the_higher_score_is_old_enough() -> None:
    drop = signal("drop", when={"health": "change", "in": "2d", "lte": -20})
    account = scored(NPS, signals=[drop])
    for at, nps in (("0h", 9), ("60h", 8), ("72h", 5)):
        account.live(attributes(at, nps=nps))
    assert account.edges()[-1] == "signal drop fired"
    account.until(after_start("120h") - 1)
    assert account.edges()[-1] == "signal drop fired"
    account.until("120h")
    assert account.edges()[-1] == "signal drop cleared"


def test_scores_of_another_version_are_not_compared() -> None:
    account = scored(NPS)
    account.live(attributes("0h", nps=9))
    account.until("20d")
    account.book = playbook(health=rules({**NPS, "map": [[0, 0], [20, 100]]}, version=2), stamp=1)
    reaction = refill(account.state, [], account.book, after_start("20d"))
    account.state = reaction.state
    assert health(account).score == 45
    assert health(account).change(after_start("20d"), 1) is None
    assert [(entry.kind, entry.key, entry.points) for entry in reaction.ledger] == [("definition", "2", -45)]


def test_where_health_is_not_defined_any_more_it_is_forgotten() -> None:
    account = scored(NPS)
    account.live(attributes("0h", nps=9))
    assert refill(account.state, [], playbook(stamp=1), after_start("1h")).state.profile.health is None


# ── the ledger ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_change_names_its_measure_its_points_and_its_event() -> None:
    account = scored()
    account.live(event("login", "1h", name="first"))
    account.live(attributes("2h", nps=9))
    account.until("8d")
    assert [(one.key, one.points, one.score_before, one.score_after) for one in ledger(account)] == [
        ("logins", 10, None, 10),
        ("nps", 40, 10, 50),
        ("logins", -5, 50, 45),
    ]
    first, _, last = ledger(account)
    assert (first.cause, first.at, first.band_before, first.band_after) == (
        "first",
        after_start("1h"),
        None,
        "red",
    )
    assert (last.cause, last.at) == (None, leaves_window(after_start("1h"), parse_duration("7d")))


def test_where_several_moved_the_one_with_the_most_points_turns_the_band() -> None:
    account = scored({**NPS, "weight": 9}, {**NPS, "key": "csat", "value": {"attribute": "account.csat"}})
    account.live(attributes("0h", nps=9, csat=1))
    account.live(attributes("1h", nps=2, csat=9))
    assert told(account)[-2:] == [("csat", 8), ("nps", -63)]
    turned = [entry.key for entry in ledger(account) if entry.band_before != entry.band_after]
    assert turned == ["nps", "nps"]


def test_a_flag_is_told_where_it_turns_the_band() -> None:
    account = scored(
        NPS, flags=[{"key": "angry", "when": {"count": "cursed", "in": "1d", "gte": 1}, "cap": "amber"}]
    )
    account.live(attributes("0h", nps=9))
    account.live(event("cursed", "1h", name="curse"))
    account.until("3d")
    opened, cleared = ledger(account)[-2:]
    assert (opened.kind, opened.key, opened.points, opened.value, opened.cause) == (
        "flag",
        "angry",
        0,
        1,
        "curse",
    )
    assert (opened.band_before, opened.band_after) == ("green", "amber")
    assert (cleared.value, cleared.cause, cleared.band_after) == (0, None, "green")


def test_less_than_a_point_is_not_told() -> None:
    account = scored({**NPS, "map": [[0, 0], [1000, 100]]})
    for hour, nps in enumerate((500, 501, 502, 504)):
        account.live(attributes(f"{hour}h", nps=nps))
    assert told(account) == [("nps", 50)]
    account.live(attributes("5h", nps=505))
    assert told(account) == [("nps", 50), ("nps", 1)]


def test_a_measure_that_begins_to_count_brings_what_the_score_changes_by_it() -> None:
    assert shares([1, 1], [90, None], [90, 30]) == {1: -30}
    assert shares([1, 1], [None, None], [90, 30]) == {0: 45, 1: 15}
    assert shares([1, 1], [90, 30], [None, None]) == {0: -45, 1: -15}


@pytest.mark.parametrize(
    ("whole", "parts", "expected"),
    [
        (3, [3.1], [3]),
        (1, [0.5, 0.6], [0, 1]),
        (-6, [-6.4, 0.4], [-6, 0]),
        (0, [2.5, -2.5], [3, -3]),
        (2, [0.7, 0.6, 0.4], [1, 1, 0]),
    ],
)
def test_whole_points_are_given_by_the_largest_remainders(
    whole: int, parts: list[float], expected: list[int]
) -> None:
    found = apportion(whole, parts)
    assert sum(found) == whole
    assert found == expected


# ── reasons and trend ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_reasons_are_flags_and_then_what_costs_most() -> None:
    measures = [
        {**NPS, "key": name, "value": {"attribute": f"account.{name}"}, "weight": weight}
        for name, weight in (("a", 1), ("b", 2), ("c", 3), ("d", 4))
    ]
    account = scored(*measures, flags=[{"key": "angry", "when": {"attribute": "account.angry", "is": True}}])
    account.live(attributes("0h", a=0, b=9, c=5, d=10))
    assert [(one["key"], one["points"]) for one in reasons(health(account))] == [
        ("c", -15),
        ("a", -10),
        ("b", -2),
    ]
    account.live(attributes("1h", angry=True))
    assert [one["key"] for one in reasons(health(account))] == ["angry", "c", "a"]


def test_the_trend_is_not_known_before_the_score_is_old_enough() -> None:
    account = scored(NPS)
    account.live(attributes("0h", nps=9))
    account.live(attributes("24h", nps=7))
    day = after_start("24h") - after_start("0h")
    assert health(account).change(after_start("0h") + 14 * day - 1, 14 * day) is None
    assert health(account).change(after_start("0h") + 14 * day, 14 * day) == -20
    assert health(account).change(after_start("0h") + 15 * day, 14 * day) == 0


def test_where_no_health_is_defined_nothing_is_kept() -> None:
    account = Account(playbook())
    account.happens("login")
    assert account.state.profile.health is None


# ── freshness ──────────────────────────────────────────────────────────────────────────────────────────────────

FEEDS = {"feeds": [{"source": "test", "types": ["login"], "every": "6h"}]}


def heard(book: Playbook, *spans: str) -> Playbook:
    """The playbook after events of the feed at these times."""
    known = Feeds({("test", parse_duration("6h")): Heard(START)})
    return book.seeing(known.hear("test", [after_start(span) for span in spans]))


def test_while_a_feed_is_silent_its_measures_stay_as_they_stood_and_the_others_move() -> None:
    account = Account(playbook(policies=FEEDS, health=rules(LOGINS, NPS)))
    account.book = heard(account.book, "1h")
    account.happens("login", "1h")
    account.live(attributes("2h", nps=9))
    assert health(account).score == 50
    account.until("9d")  # seven days after the login, which nobody can know to have been the last
    assert health(account).score == 50
    account.live(attributes("9d", nps=5))
    assert health(account).score == 30


def test_when_the_feed_speaks_again_nothing_falls_for_the_gap() -> None:
    drop = signal("drop", when={"health": "change", "in": "14d", "lte": -5})
    account = Account(playbook(policies=FEEDS, health=rules(LOGINS), signals=[drop]))
    account.book = heard(account.book, "1h")
    account.happens("login", "1h")
    account.until("15d")
    account.book = heard(account.book, "1h", "360h")
    account.happens("login", "360h")
    assert health(account).score == 10  # the window overlaps the gap: nobody knows what is missing
    for hours in range(364, 540, 5):
        account.book = heard(account.book, "1h", *(f"{each}h" for each in range(360, hours + 1, 5)))
        account.happens("login", f"{hours}h")
    assert health(account).score == 100
    assert account.edges() == []
