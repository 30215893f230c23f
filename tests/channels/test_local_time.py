"""Wall times name instants, also where the clock skips or repeats (semantics §7.10, guarantees "Time traps")."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.local_time import first_zone, instant_of, local_date, start_of_day, wall_clock, zone, zone_names
from signals.instant import iso, parse_instant

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [
    *("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC"),
    *("America/Sao_Paulo", "Africa/Casablanca", "Asia/Gaza", "America/Scoresbysund", "Antarctica/Troll"),
]


@pytest.mark.parametrize(
    ("place", "wall", "instant"),
    [
        pytest.param("Europe/Berlin", "2026-07-01T08:00", "2026-07-01T06:00:00Z", id="an ordinary time"),
        pytest.param("Europe/Berlin", "2026-03-29T01:59", "2026-03-29T00:59:00Z", id="before the gap"),
        pytest.param("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00:00Z", id="the gap begins"),
        pytest.param("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00:00Z", id="in the gap: after it"),
        pytest.param("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00:00Z", id="the gap ends"),
        pytest.param("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00Z", id="twice: the first"),
        pytest.param("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00:00Z", id="after the repeat"),
        pytest.param("America/New_York", "2026-03-08T02:30", "2026-03-08T07:00:00Z", id="New York, gap"),
        pytest.param("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30:00Z", id="New York, twice"),
        pytest.param(
            "Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30:00Z", id="half an hour skipped"
        ),
        pytest.param(
            "Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00Z", id="half an hour twice"
        ),
        pytest.param("Asia/Kathmandu", "2026-01-01T08:00", "2026-01-01T02:15:00Z", id="a quarter-hour zone"),
        pytest.param("Pacific/Apia", "2011-12-30T09:00", "2011-12-30T10:00:00Z", id="a day that never was"),
        pytest.param(
            "America/Sao_Paulo", "2018-11-04T00:00", "2018-11-04T03:00:00Z", id="a day without midnight"
        ),
    ],
)
def test_a_wall_time_names_the_first_instant_that_shows_it_or_later(
    place: str, wall: str, instant: str
) -> None:
    assert iso(instant_of(datetime.fromisoformat(wall), ZoneInfo(place))) == instant


def test_the_wall_clock_stands_still_while_an_hour_is_repeated() -> None:
    second_half_past_two = parse_instant("2026-10-25T01:30:00Z")
    assert wall_clock(second_half_past_two, BERLIN) == datetime.fromisoformat("2026-10-25T02:59:59.999999")


def test_a_day_without_midnight_begins_at_one() -> None:
    sao_paulo = ZoneInfo("America/Sao_Paulo")
    begins = start_of_day(date(2018, 11, 4), sao_paulo)
    assert local_date(begins - 1, sao_paulo) == date(2018, 11, 3)
    assert local_date(begins, sao_paulo) == date(2018, 11, 4)


@given(st.sampled_from(ZONES), st.datetimes(datetime(1975, 1, 1), datetime(2060, 1, 1)))
def test_wall_and_instant_are_inverse_to_each_other(name: str, wall: datetime) -> None:
    place = ZoneInfo(name)
    at = instant_of(wall, place)
    assert wall_clock(at - 1, place) < wall <= wall_clock(at, place)


@given(
    st.sampled_from(ZONES), st.integers(157_766_400_000_000, 2_840_140_800_000_000), st.integers(0, 10**11)
)
def test_the_wall_clock_never_goes_back(name: str, at: int, later: int) -> None:
    place = ZoneInfo(name)
    assert wall_clock(at, place) <= wall_clock(at + later, place)


@pytest.mark.parametrize(
    "name",
    [
        "right/UTC",
        "posix/UTC",
        "posixrules",
        "localtime",
        "Factory",
        "../../etc/passwd",
        "europe/berlin",
        "",
        "x" * 5000,
        None,
        7,
        ["Europe/Berlin"],
        "Europe/Berlin\x00",
    ],
)
def test_only_iana_ids_are_zones(name: object) -> None:
    assert zone(name) is None


def test_an_invalid_zone_is_skipped() -> None:
    assert first_zone("right/UTC", "Europe/Berlin", "Asia/Tokyo").key == "Europe/Berlin"
    assert first_zone(None, 5).key == "UTC"


def test_the_allow_list_has_the_zones_of_the_world() -> None:
    assert {"Europe/Berlin", "Asia/Kathmandu", "Etc/GMT+5", "UTC"} <= zone_names()
