"""Quiet hours begin and end exactly, on the person's own clock (semantics §7.10, guarantees B87)."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.quiet_hours import QuietHours, is_quiet, quiet_ends
from signals.instant import MINUTE, from_datetime, iso, parse_instant, to_datetime

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(20 * 60, 8 * 60)
ZONES = [
    *("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC"),
    *("America/Sao_Paulo", "Africa/Casablanca", "Asia/Gaza", "America/Scoresbysund", "Antarctica/Troll"),
]


def at(text: str, place: ZoneInfo = BERLIN) -> int:
    """The instant of a local time that exists once."""
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=place))


def ends(now: int, quiet: QuietHours, place: ZoneInfo = BERLIN) -> str:
    """What the clock shows as quiet hours end."""
    return to_datetime(quiet_ends(now, quiet, place)).astimezone(place).isoformat(timespec="minutes")[:16]


@pytest.mark.parametrize(
    ("now", "quiet"),
    [
        ("2026-03-02T19:59:59.999999", False),
        ("2026-03-02T20:00", True),
        ("2026-03-02T23:59:59.999999", True),
        ("2026-03-03T00:00", True),
        ("2026-03-03T07:59:59.999999", True),
        ("2026-03-03T08:00", False),
    ],
)
def test_the_night_wraps_over_midnight_and_its_end_is_exclusive(now: str, quiet: bool) -> None:
    assert is_quiet(at(now), NIGHT, BERLIN) is quiet


def test_a_held_message_waits_until_quiet_hours_end() -> None:
    assert ends(at("2026-03-02T21:30"), NIGHT) == "2026-03-03T08:00"
    assert ends(at("2026-03-03T03:00"), NIGHT) == "2026-03-03T08:00"


def test_outside_quiet_hours_there_is_nothing_to_wait_for() -> None:
    now = at("2026-03-02T12:00")
    assert quiet_ends(now, NIGHT, BERLIN) == now


def test_a_midday_rest_does_not_wrap() -> None:
    rest = QuietHours(12 * 60, 14 * 60)
    assert [is_quiet(at(f"2026-03-02T{t}"), rest, BERLIN) for t in ("11:59", "12:00", "13:59", "14:00")] == [
        False,
        True,
        True,
        False,
    ]


def test_equal_ends_are_no_quiet_hours() -> None:
    assert not is_quiet(at("2026-03-02T08:00"), QuietHours(480, 480), BERLIN)


def test_the_day_may_end_at_24() -> None:
    evening = QuietHours(20 * 60, 24 * 60)
    assert ends(at("2026-03-02T23:00"), evening) == "2026-03-03T00:00"


@pytest.mark.parametrize(
    ("now", "until"),
    [
        pytest.param("2026-03-06T20:00", "2026-03-09T08:00", id="Friday evening"),
        pytest.param("2026-03-07T00:00", "2026-03-09T08:00", id="Saturday begins"),
        pytest.param("2026-03-08T12:00", "2026-03-09T08:00", id="Sunday"),
        pytest.param("2026-03-09T07:59", "2026-03-09T08:00", id="Monday before it ends"),
        pytest.param("2026-03-09T08:00", "2026-03-09T08:00", id="Monday after it ended"),
        pytest.param("2026-03-06T19:59", "2026-03-06T19:59", id="Friday afternoon"),
    ],
)
def test_a_weekend_lasts_until_the_end_of_mondays_night(now: str, until: str) -> None:
    assert ends(at(now), QuietHours(20 * 60, 8 * 60, weekends=True)) == until


def test_a_weekend_without_nights_ends_as_monday_begins() -> None:
    assert ends(at("2026-03-07T12:00"), QuietHours(weekends=True)) == "2026-03-09T00:00"


def test_a_holiday_after_a_weekend_prolongs_it() -> None:
    easter = QuietHours(20 * 60, 8 * 60, weekends=True, holidays="DE")
    assert ends(at("2026-04-02T21:00"), easter) == "2026-04-07T08:00"  # Maundy Thursday to Easter Tuesday


def test_holidays_are_those_of_the_region() -> None:
    womens_day = at("2027-03-08T12:00")  # in Berlin, not in Bavaria
    assert is_quiet(womens_day, QuietHours(holidays="DE-BE"), BERLIN)
    assert not is_quiet(womens_day, QuietHours(holidays="DE-BY"), BERLIN)


def test_holidays_may_be_dates() -> None:
    party = QuietHours(holidays=frozenset({date(2026, 3, 4)}))
    assert ends(at("2026-03-04T10:00"), party) == "2026-03-05T00:00"
    assert not is_quiet(at("2026-03-03T23:59"), party, BERLIN)


@pytest.mark.parametrize(
    ("place", "quiet", "now", "until"),
    [
        pytest.param(
            "Europe/Berlin", (22 * 60, 150), "2026-03-28T23:00Z", "2026-03-29T01:00:00Z", id="end in the gap"
        ),
        pytest.param(
            "Europe/Berlin", (22 * 60, 150), "2026-10-24T22:00Z", "2026-10-25T00:30:00Z", id="end twice"
        ),
        pytest.param(
            "Europe/Berlin", (150, 480), "2026-10-25T01:15Z", "2026-10-25T07:00:00Z", id="begin twice"
        ),
        pytest.param(
            "America/New_York", (1200, 480), "2026-03-08T04:00Z", "2026-03-08T12:00:00Z", id="short night"
        ),
        pytest.param(
            "America/New_York", (1200, 480), "2026-11-01T04:00Z", "2026-11-01T13:00:00Z", id="long night"
        ),
        pytest.param(
            "Asia/Kathmandu", (1200, 480), "2026-01-01T15:00Z", "2026-01-02T02:15:00Z", id="quarter hours"
        ),
        pytest.param(
            "Australia/Lord_Howe", (1200, 135), "2026-10-03T14:00Z", "2026-10-03T15:30:00Z", id="half hour"
        ),
        pytest.param(
            "Pacific/Apia", (1200, 480), "2011-12-30T09:00Z", "2011-12-30T18:00:00Z", id="skips a day"
        ),
        pytest.param(
            "America/Sao_Paulo", (1200, 1440), "2018-11-04T02:00Z", "2018-11-04T03:00:00Z", id="no midnight"
        ),
    ],
)
def test_nights_end_right_where_the_clock_changes(
    place: str, quiet: tuple[int, int], now: str, until: str
) -> None:
    when = parse_instant(now.replace("Z", ":00Z"))
    rule = QuietHours(*quiet)
    assert is_quiet(when, rule, ZoneInfo(place))
    assert iso(quiet_ends(when, rule, ZoneInfo(place))) == until


def test_the_second_pass_of_an_hour_is_not_quiet_again() -> None:
    until_half_past_two = QuietHours(22 * 60, 150)
    first, second = parse_instant("2026-10-25T00:15:00Z"), parse_instant("2026-10-25T01:15:00Z")  # both 02:15
    assert is_quiet(first, until_half_past_two, BERLIN)
    assert not is_quiet(second, until_half_past_two, BERLIN)


# An oracle that knows no zone arithmetic: it walks minute by minute and remembers the latest time the clock showed.


def oracle_is_quiet(wall: datetime, quiet: QuietHours) -> bool:
    minute = wall.hour * 60 + wall.minute
    days = quiet.holidays if isinstance(quiet.holidays, frozenset) else frozenset()
    if wall.date() in days or (quiet.weekends and wall.strftime("%a") in {"Sat", "Sun"}):
        return True
    if quiet.begins > quiet.ends:
        return not quiet.ends <= minute < quiet.begins
    return minute in range(quiet.begins, quiet.ends)


def oracle_end(now: int, quiet: QuietHours, place: ZoneInfo) -> int:
    """The first whole minute from `now` on that is not quiet."""
    minute, shown = now - 3 * 1440 * MINUTE, datetime.min
    while True:
        shown = max(shown, to_datetime(minute).astimezone(place).replace(tzinfo=None))
        if minute >= now and not oracle_is_quiet(shown, quiet):
            return minute
        minute += MINUTE


@lru_cache
def changes(name: str) -> list[int]:
    """Days on which a zone changes its offset, 2009 to 2028; some days in between too."""
    place, day = ZoneInfo(name), datetime(2009, 1, 1)
    found = [at("2026-03-02T00:00", place)]
    while day.year < 2029:
        here, next_day = day.replace(tzinfo=place), (day + timedelta(days=1)).replace(tzinfo=place)
        if here.utcoffset() != next_day.utcoffset():
            found.append(from_datetime(here))
        day += timedelta(days=1)
    return found


@st.composite
def nights(draw: st.DrawFn) -> tuple[int, QuietHours, ZoneInfo]:
    name = draw(st.sampled_from(ZONES))
    now = draw(st.sampled_from(changes(name))) + draw(st.integers(-2000, 4000)) * MINUTE
    begins, finishes = draw(
        st.tuples(st.integers(0, 1440), st.integers(0, 1440)).filter(lambda t: t != (0, 1440))
    )
    near = to_datetime(now).date()
    days_off = draw(st.frozensets(st.integers(-1, 3).map(lambda n: near + timedelta(days=n)), max_size=2))
    return now, QuietHours(begins, finishes, draw(st.booleans()), days_off), ZoneInfo(name)


@pytest.mark.slow
@given(nights())
@settings(max_examples=150, deadline=None)
def test_quiet_hours_are_those_of_a_minute_by_minute_walk(case: tuple[int, QuietHours, ZoneInfo]) -> None:
    now, quiet, place = case
    expected = oracle_end(now, quiet, place)
    assert quiet_ends(now, quiet, place) == expected
    assert is_quiet(now, quiet, place) is (expected > now)
