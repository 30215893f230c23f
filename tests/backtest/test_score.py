"""What a back-test counts: precision per firing, recall per outcome, lead time, chance, and what it leaves out."""

from math import isclose
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.worlds import CANCELLED, END, SPIKE, TICKET, answer, customer, row, told
from builders import START
from journeys.backtest.question import NOT_CANCELLED, BadQuestion, Outcome
from journeys.backtest.shares import Share, wilson, z_for
from signals.instant import DAY, WEEK

FOUR = [
    customer("a", spikes=[10], cancels=[30]),
    customer("b", spikes=[10]),
    customer("c", cancels=[50]),
    customer("d"),
]
"""One firing is right, one is wrong; one outcome comes without warning; nothing happens to the last."""


def test_precision_is_counted_per_firing_and_recall_per_outcome() -> None:
    found = row(FOUR)
    assert (found["firings"], found["accounts"], found["judged"], found["followed"]) == (2, 2, 2, 1)
    assert found["precision"]["value"] == 0.5
    assert (found["recall"]["outcomes"], found["recall"]["caught"], found["recall"]["value"]) == (2, 1, 0.5)


def test_lead_time_runs_from_the_first_firing_in_the_window_to_the_outcome() -> None:
    assert row(FOUR)["lead_days"] == {"lower_quartile": 20, "median": 20, "upper_quartile": 20}
    twice = [customer("a", spikes=[10, 40], cancels=[60])]
    assert row(twice)["lead_days"]["median"] == 50
    assert row(twice, within=30 * DAY)["lead_days"]["median"] == 20


def test_quartiles_of_the_lead_time_are_those_of_the_outcomes() -> None:
    many = [customer(f"a{n}", spikes=[10], cancels=[10 + days]) for n, days in enumerate([4, 8, 20, 80])]
    assert row(many)["lead_days"] == {"lower_quartile": 4, "median": 8, "upper_quartile": 20}


@pytest.mark.parametrize(("days", "followed"), [(0, 0), (0.001, 1), (90, 1), (90.001, 0)])
def test_an_outcome_counts_after_the_firing_and_up_to_the_end_of_the_window(
    days: float, followed: int
) -> None:
    assert row([customer("a", spikes=[10], cancels=[10 + days])])["followed"] == followed


@pytest.mark.parametrize(("day", "judged"), [(310, 1), (310.001, 0), (399, 0)])
def test_a_firing_too_near_the_end_is_left_out_and_counted(day: float, judged: int) -> None:
    """Also where its outcome has come: to count only those that were right would be flattery."""
    found = row([customer("a", spikes=[day], cancels=[day + 0.5])])
    assert (found["firings"], found["judged"], found["near_the_end"]) == (1, judged, 1 - judged)
    assert found["recall"]["caught"] == 1


def test_an_outcome_with_other_data_is_none() -> None:
    history = [*customer("a", spikes=[10]), told("a", CANCELLED, 20, reason="price")]
    assert row([history], outcome=Outcome(CANCELLED, {"reason": "price"}))["followed"] == 1
    assert row([history], outcome=Outcome(CANCELLED, {"reason": "gone"}))["followed"] == 0


def test_without_an_outcome_there_are_firings_and_volume_only() -> None:
    found = answer(FOUR, outcome=None)
    assert found["outcome"] is None
    assert found["rows"][0]["firings"] == 2
    assert "precision" not in found["rows"][0]


def test_volume_is_counted_by_weeks_that_begin_on_monday() -> None:
    volume = row([customer("a", spikes=[7]), customer("b", spikes=[13]), customer("c", spikes=[30])])[
        "per_week"
    ]
    assert volume["weeks"] == [{"week": "2026-03-09", "firings": 2}, {"week": "2026-03-30", "firings": 1}]
    assert (volume["most"], volume["mean"]) == (2, round(3 / (400 / 7), 2))


def test_what_came_before_from_is_lived_through_and_not_counted() -> None:
    history = [customer("a", spikes=[10, 100], cancels=[20, 110])]
    found = row(history, since=START + 50 * DAY)
    assert (found["firings"], found["recall"]["outcomes"]) == (1, 1)
    tickets = [customer("a", spikes=[50.5])]  # two of the three came before
    assert row(tickets, since=START + 50 * DAY)["firings"] == 1


def test_what_came_in_after_the_end_is_not_seen() -> None:
    found = answer([customer("a", spikes=[10], cancels=[30])], until=START + 20 * DAY)
    assert (found["rows"][0]["firings"], found["outcomes"]) == (1, 0)
    assert answer([customer("a", seen=30)], until=START + 20 * DAY)["accounts"] == 0


@pytest.mark.parametrize("changes", [{"within": 0}, {"since": END}])
def test_a_question_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadQuestion):
        answer([], **changes)


# ── among whom ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_those_who_have_gone_are_not_compared() -> None:
    """A customer who cancelled cannot cancel again: their weeks would make any signal look good."""
    gone = customer("a", spikes=[10, 200], cancels=[30])
    everybody, customers = answer([gone]), answer([gone], among=NOT_CANCELLED)
    assert everybody["rows"][0]["judged"] == 2
    assert (customers["rows"][0]["judged"], customers["rows"][0]["outside"]) == (1, 1)
    assert customers["chance"]["account_weeks"] == 5  # the weeks that begin on days 0 to 28
    assert everybody["chance"]["account_weeks"] == 310 // 7 + 1


def test_a_firing_elsewhere_is_no_warning() -> None:
    back = [*customer("a", spikes=[10], cancels=[60]), told("a", "billing.subscription_started", 20)]
    among = {"attribute": "account.status", "is": "active"}
    found = answer([back], among=among)
    assert (found["rows"][0]["outside"], found["rows"][0]["recall"]["caught"], found["outcomes"]) == (1, 0, 1)


def test_an_outcome_elsewhere_is_counted_apart() -> None:
    twice = answer([customer("a", cancels=[30, 60])], among=NOT_CANCELLED)
    assert (twice["outcomes"], twice["outcomes_outside"]) == (1, 1)


# ── chance ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_chance_is_the_share_of_weeks_that_an_outcome_follows() -> None:
    """Cancelling on day 50: weeks 0 to 7 begin in the 90 days before it, week 8 and all after do not."""
    found = answer([customer("a", cancels=[50])])["chance"]
    assert (found["account_weeks"], found["followed"]) == (45, 8)


def test_overlapping_windows_count_a_week_once() -> None:
    assert answer([customer("a", cancels=[50, 57])])["chance"]["followed"] == 9


def test_chance_at_an_age_is_that_of_the_weeks_of_that_age() -> None:
    """All cancel on their day 100: at age 1 week nobody will within 90 days, at 4 weeks everybody."""
    late = [customer(f"a{n}", spikes=[28], cancels=[100]) for n in range(20)]
    early = [customer(f"a{n}", spikes=[8], cancels=[100]) for n in range(20)]
    assert row(late)["chance_at_that_age"]["value"] == 1
    assert row(early)["chance_at_that_age"]["value"] == 0


def test_a_signal_that_only_knows_the_age_shows_no_lift() -> None:
    """Everybody is cancelled early or never: firing early is right more often than a random week, and knows nothing."""
    among = [customer(f"a{n}", spikes=[14], cancels=[40] if n % 4 == 0 else []) for n in range(200)]
    found = answer(among)
    (one,) = found["rows"]
    assert one["precision"]["low"] > found["chance"]["high"]
    assert one["lift"] == {"value": 1, "shown": False}


def test_a_signal_that_knows_something_shows_lift() -> None:
    right = [customer(f"r{n}", spikes=[30], cancels=[60]) for n in range(40)]
    other = [customer(f"o{n}") for n in range(160)]
    assert row([*right, *other])["lift"] == {"value": 5, "shown": True}


def test_noise_shows_no_lift_even_where_a_few_firings_were_lucky() -> None:
    lucky = [customer(f"l{n}", spikes=[30], cancels=[60]) for n in range(3)]
    other = [customer(f"o{n}", cancels=[60] if n % 4 == 0 else []) for n in range(40)]
    assert row([*lucky, *other])["lift"]["shown"] is False


def test_intervals_are_wider_the_more_signals_are_tried() -> None:
    alone = row(FOUR)["precision"]
    (first, _, _) = answer(FOUR, SPIKE, SPIKE, SPIKE)["rows"]
    assert first["precision"]["low"] < alone["low"]
    assert first["precision"]["high"] > alone["high"]


# ── rates ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_wilson_is_that_of_the_textbook() -> None:
    """Newcombe (1998), table I: 81 of 263, and 0 of 20, by the score method without continuity correction."""
    z = z_for(1)
    assert [round(part, 4) for part in wilson(81 / 263, 263, z)[1:]] == [0.2553, 0.3662]
    assert [round(part, 4) for part in wilson(0, 20, z)[1:]] == [0, 0.1611]


def test_a_table_of_rows_asks_more_of_each() -> None:
    assert round(z_for(1), 3) == 1.96
    assert round(z_for(20), 3) == 3.023


def share(pairs: list[tuple[int, int]]) -> Share:
    made = Share()
    for trials, hits in pairs:
        made.add(trials, hits)
    return made


def test_trials_of_one_account_that_go_together_count_once() -> None:
    independent = share([(1, n % 2) for n in range(100)])
    together = share([(10, 10 * (n % 2)) for n in range(100)])
    assert isclose(independent.effective(), 99)
    assert isclose(together.effective(), 99)
    assert share([(10, 0)] * 7).effective() == 7


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=30))
def test_an_interval_holds_its_rate_and_lies_within_0_and_1(pairs: list[tuple[int, int]]) -> None:
    made = share([(trials, min(trials, hits)) for trials, hits in pairs])
    found = made.interval(1.96)
    if not made.trials:
        assert found is None
        return
    assert found is not None
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1
    assert 0 < made.effective() <= max(made.trials, 1)


def test_weeks_are_whole_weeks_since_the_account_was_created() -> None:
    """Created on day 0 and first heard of on day 10: its weeks begin on days 14, 21, …"""
    known = told("a", "crm.account_updated", 10, attributes={"created_at": "2026-03-02T09:00:00Z"})
    found = answer([[known]])["chance"]
    assert found["account_weeks"] == (END - 90 * DAY - START) // WEEK - 1


def test_tickets_alone_bring_no_outcome() -> None:
    assert row([customer("a", spikes=[10])], outcome=Outcome(TICKET))["followed"] == 0
