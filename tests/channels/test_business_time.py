"""Business time is what the clock over the door counts while the shop is open (semantics §8, guarantees I27)."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.business_time import Calendar, add, around_the_clock, business_duration, elapsed, next_open
from channels.local_time import zone_names
from signals.instant import HOUR, MINUTE, Instant, from_datetime, iso, parse_instant, to_datetime

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Calendar(BERLIN)
YEARS = (parse_instant("2025-01-01"), parse_instant("2026-12-31"))


def at(text: str, place: ZoneInfo = BERLIN) -> Instant:
    """The instant of a local time that exists once."""
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=place))


def after(start: str, text: str, calendar: Calendar = OFFICE) -> str:
    """What the clock shows once that much business time has passed."""
    done = add(at(start, calendar.zone), business_duration(text, calendar), calendar)
    return to_datetime(done).astimezone(calendar.zone).isoformat(timespec="minutes")[:16]


@pytest.mark.parametrize(
    ("start", "duration", "end"),
    [
        pytest.param("2026-03-02T09:00", "4h", "2026-03-02T13:00", id="within a day"),
        pytest.param("2026-03-02T15:00", "4h", "2026-03-03T11:00", id="over night"),
        pytest.param("2026-03-06T16:00", "2h", "2026-03-09T10:00", id="over a weekend"),
        pytest.param("2026-03-02T06:00", "1h", "2026-03-02T10:00", id="before opening"),
        pytest.param("2026-03-07T12:00", "1h", "2026-03-09T10:00", id="on a Saturday"),
        pytest.param(
            "2026-03-02T13:00", "4h", "2026-03-02T17:00", id="a deadline at closing time stays there"
        ),
        pytest.param("2026-03-06T09:00", "8h", "2026-03-06T17:00", id="also on a Friday"),
        pytest.param("2026-03-02T17:00", "1h", "2026-03-03T10:00", id="raised at closing time"),
        pytest.param("2026-03-02T11:00", "1d", "2026-03-03T11:00", id="a day is a business day"),
        pytest.param("2026-03-05T11:00", "3d", "2026-03-10T11:00", id="three of them over a weekend"),
        pytest.param("2026-03-02T11:00", "1w", "2026-03-09T11:00", id="a week is its business days"),
        pytest.param(
            "2026-03-07T11:00", "1d", "2026-03-09T17:00", id="a day from a Saturday ends with Monday"
        ),
        pytest.param("2026-03-27T16:00", "2h", "2026-03-30T10:00", id="the clock is changed in between"),
    ],
)
def test_a_deadline_is_counted_in_business_time(start: str, duration: str, end: str) -> None:
    assert after(start, duration) == end


def test_holidays_do_not_count() -> None:
    with_holidays = Calendar(BERLIN, holidays="DE")
    assert after("2026-04-02T16:00", "2h", with_holidays) == "2026-04-07T10:00"  # Good Friday, Easter Monday
    own = Calendar(BERLIN, holidays=frozenset({date(2026, 3, 3)}))
    assert after("2026-03-02T16:00", "2h", own) == "2026-03-04T10:00"


def test_days_and_hours_are_those_of_the_calendar() -> None:
    weekend_shift = Calendar(BERLIN, frozenset({5, 6}), 10 * 60, 14 * 60)
    assert after("2026-03-02T00:00", "2d", weekend_shift) == "2026-03-08T14:00"


def test_around_the_clock_a_day_is_a_day_on_the_wall_also_when_the_clock_is_changed() -> None:
    assert after("2026-03-28T12:00", "1d", around_the_clock(BERLIN)) == "2026-03-29T12:00"
    assert after("2026-10-24T12:00", "1d", around_the_clock(BERLIN)) == "2026-10-25T12:00"


def test_a_deadline_never_lies_before_its_start() -> None:
    repeated = parse_instant("2026-10-25T01:30:00Z")  # 02:30 for the second time: the wall clock stands still
    assert add(repeated, 0, around_the_clock(BERLIN)) == repeated
    assert iso(add(repeated, HOUR, around_the_clock(BERLIN))) == "2026-10-25T02:59:59.999999Z"


def test_no_time_passes_backwards_or_outside_business_hours() -> None:
    assert elapsed(at("2026-03-03T10:00"), at("2026-03-02T10:00"), OFFICE) == 0
    assert elapsed(at("2026-03-06T17:00"), at("2026-03-09T09:00"), OFFICE) == 0
    assert elapsed(at("2026-03-06T16:59"), at("2026-03-09T09:01"), OFFICE) == 2 * MINUTE


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-03-02T08:59", "2026-03-02T09:00"),
        ("2026-03-02T09:00", "2026-03-02T09:00"),
        ("2026-03-02T16:59", "2026-03-02T16:59"),
        ("2026-03-02T17:00", "2026-03-03T09:00"),
        ("2026-03-06T18:00", "2026-03-09T09:00"),
    ],
)
def test_the_next_opening_is_now_while_it_is_open(now: str, opens: str) -> None:
    assert next_open(at(now), OFFICE) == at(opens)


def test_a_business_day_that_the_calendar_skips_does_not_open() -> None:
    apia = ZoneInfo("Pacific/Apia")  # Friday 2011-12-30 never was
    assert next_open(at("2011-12-29T18:00", apia), Calendar(apia)) == at("2012-01-02T09:00", apia)


def test_what_is_no_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        business_duration("3 days", OFFICE)


# Two oracles that walk minute by minute. The first looks at the clock on the wall each minute; it is right wherever
# the clock is not changed during business hours. The second also counts minutes the clock jumps over, once.


def is_open(wall: datetime, calendar: Calendar) -> bool:
    minute = wall.hour * 60 + wall.minute
    return wall.weekday() in calendar.days and calendar.opens <= minute < calendar.closes


def looked_at_each_minute(start: Instant, end: Instant, calendar: Calendar) -> int:
    walls = (to_datetime(minute).astimezone(calendar.zone) for minute in range(start, end, MINUTE))
    return sum(is_open(wall, calendar) for wall in walls) * MINUTE


def counted_on_the_wall(start: Instant, end: Instant, calendar: Calendar) -> int:
    total, shown = 0, datetime.min
    for minute in range(start - 1440 * MINUTE, end + 1, MINUTE):
        wall = to_datetime(minute).astimezone(calendar.zone).replace(tzinfo=None, fold=0)
        shown = wall if shown == datetime.min else shown
        while shown < wall:  # the clock jumps over these as the minute begins
            total += minute > start and is_open(shown, calendar)
            shown += timedelta(minutes=1)
        if minute < end and shown == wall:  # not shown before: it passes now
            total += minute >= start and is_open(wall, calendar)
            shown += timedelta(minutes=1)
    return total * MINUTE


minutes = st.integers(0, (YEARS[1] - YEARS[0]) // MINUTE).map(lambda n: YEARS[0] + n * MINUTE)


@given(st.sampled_from(sorted(zone_names())), minutes, st.integers(0, 8 * 1440))
@settings(max_examples=120, deadline=None)
def test_office_hours_pass_as_a_look_at_the_clock_each_minute_says(
    name: str, start: Instant, span: int
) -> None:
    calendar, end = Calendar(ZoneInfo(name)), start + span * MINUTE
    assert elapsed(start, end, calendar) == looked_at_each_minute(start, end, calendar)


SHIFTS = [(0, 1440), (0, 150), (120, 600), (1380, 1440), (540, 1020)]
CHANGES = [
    *(
        ("Europe/Berlin", "2026-03-28"),
        ("Europe/Berlin", "2026-10-24"),
        ("Australia/Lord_Howe", "2026-04-04"),
    ),
    *(
        ("Australia/Lord_Howe", "2026-10-03"),
        ("Pacific/Apia", "2011-12-29"),
        ("America/Sao_Paulo", "2018-11-03"),
    ),
    *(("America/New_York", "2026-03-07"), ("Antarctica/Troll", "2026-03-28"), ("Asia/Gaza", "2025-04-11")),
]


@given(st.sampled_from(CHANGES), st.sampled_from(SHIFTS), st.integers(0, 2880), st.integers(0, 2880))
@settings(max_examples=120, deadline=None)
def test_hours_in_which_the_clock_is_changed_pass_as_it_shows(
    change: tuple[str, str], hours: tuple[int, int], offset: int, span: int
) -> None:
    place = ZoneInfo(change[0])
    calendar = Calendar(place, frozenset(range(7)), *hours)
    begin = at(change[1] + "T00:00", place) + offset * MINUTE
    # The wall clock stands still just short of the whole minute while time is repeated: hence the microsecond.
    assert (
        abs(
            elapsed(begin, begin + span * MINUTE, calendar)
            - counted_on_the_wall(begin, begin + span * MINUTE, calendar)
        )
        <= 1
    )


@given(st.sampled_from(CHANGES), st.sampled_from(SHIFTS), st.integers(0, 2880), st.integers(1, 40 * 60))
@settings(deadline=None)
def test_a_deadline_is_the_first_instant_by_which_the_time_has_passed(
    change: tuple[str, str], hours: tuple[int, int], offset: int, length: int
) -> None:
    place = ZoneInfo(change[0])
    calendar = Calendar(place, frozenset(range(7)), *hours)
    start = at(change[1] + "T00:00", place) + offset * MINUTE
    end = add(start, length * MINUTE, calendar)
    assert elapsed(start, end - 1, calendar) < length * MINUTE <= elapsed(start, end, calendar)
