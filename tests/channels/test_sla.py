"""The ladder is climbed at the exact instants, each level once per clock (semantics §8)."""

from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from channels.business_time import Calendar, around_the_clock, business_duration, elapsed
from channels.sla import climb, next_sla_at
from channels.task import Task, TaskStatus
from channels.task_moves import close, reassign, resume, snooze, start, wait, with_clocks
from signals.instant import DAY, HOUR, MINUTE, Instant, iso, parse_instant

OFFICE = Calendar(ZoneInfo("Europe/Berlin"))
UTC_OFFICE = Calendar(ZoneInfo("UTC"))
MONDAY = parse_instant("2026-03-02T09:00:00Z")


def task(first_touch: str | None = "4h", resolve: str | None = "2d", calendar: Calendar = UTC_OFFICE) -> Task:
    body: dict[str, Any] = {"id": "t1", "account": "acme", "type": "call", "reason": "drop", "title": "Call"}
    return with_clocks(Task(**body, created_at=MONDAY), "standard", first_touch, resolve, calendar)


def ladder(task: Task, until: Instant, calendar: Calendar = UTC_OFFICE) -> list[str]:
    """`clock level instant` of every level reached, stepping from one `next_sla_at` to the next."""
    steps = []
    while (at := next_sla_at(task, calendar)) is not None and at <= until:
        task, rungs = climb(task, at, calendar)
        steps += [f"{rung.clock} {rung.level} {iso(rung.at)[5:16]}" for rung in rungs]
    return steps


def test_the_levels_are_reached_at_75_100_and_150_percent() -> None:
    assert ladder(task(), MONDAY + 30 * DAY) == [
        "first_touch 1 03-02T12:00",
        "first_touch 2 03-02T13:00",
        "first_touch 3 03-02T15:00",
    ]


def test_once_started_the_ladder_begins_again_with_resolve() -> None:
    touched = start(task(), MONDAY + HOUR, "cem", UTC_OFFICE)
    assert ladder(touched, MONDAY + 30 * DAY) == [
        "resolve 1 03-03T13:00",
        "resolve 2 03-03T17:00",
        "resolve 3 03-04T17:00",
    ]


def test_without_a_first_touch_to_wait_for_the_ladder_is_that_of_resolve() -> None:
    assert ladder(task(None, "4h"), MONDAY + DAY)[0] == "resolve 1 03-02T12:00"


def test_a_breach_is_remembered_beyond_the_first_touch() -> None:
    late, rungs = climb(task(), MONDAY + 4 * HOUR, UTC_OFFICE)
    assert ([rung.level for rung in rungs], late.level, late.breached) == ([1, 2], 2, True)
    touched = start(late, MONDAY + 5 * HOUR, "cem", UTC_OFFICE)
    assert (touched.level, touched.breached) == (0, True)
    reminded, rungs = climb(touched, MONDAY + DAY + 4 * HOUR, UTC_OFFICE)
    assert ([rung.level for rung in rungs], reminded.breached) == ([1], True)


def test_just_before_the_deadline_nothing_is_breached() -> None:
    late, rungs = climb(task(), MONDAY + 4 * HOUR - 1, UTC_OFFICE)
    assert ([rung.level for rung in rungs], late.breached) == ([1], False)


def test_each_level_is_reached_once() -> None:
    climbed, first = climb(task(), MONDAY + 10 * DAY, UTC_OFFICE)
    assert [rung.level for rung in first] == [1, 2, 3]
    assert climb(climbed, MONDAY + 20 * DAY, UTC_OFFICE) == (climbed, ())
    assert next_sla_at(climbed, UTC_OFFICE) is None


def test_a_late_start_climbs_the_ladder_to_resolve_at_once() -> None:
    very_late = MONDAY + 8 * DAY
    touched = start(climb(task(), very_late, UTC_OFFICE)[0], very_late, "cem", UTC_OFFICE)
    _, rungs = climb(touched, very_late, UTC_OFFICE)
    assert [(rung.clock, rung.level, rung.at) for rung in rungs] == [
        ("resolve", n, very_late) for n in (1, 2, 3)
    ]


def test_a_waiting_task_climbs_nothing() -> None:
    waiting = wait(task(), MONDAY + 2 * HOUR, "cem", UTC_OFFICE)
    assert next_sla_at(waiting, UTC_OFFICE) is None
    assert climb(waiting, MONDAY + 20 * DAY, UTC_OFFICE) == (waiting, ())
    resumed = resume(waiting, MONDAY + DAY, "cem", UTC_OFFICE)
    assert ladder(resumed, MONDAY + 2 * DAY)[:2] == ["first_touch 1 03-03T10:00", "first_touch 2 03-03T11:00"]


def test_the_end_of_a_snooze_is_an_instant_to_look_at() -> None:
    touched = start(task(), MONDAY, "cem", UTC_OFFICE)
    dozing = snooze(touched, MONDAY, "cem", MONDAY + 7 * DAY, "later", UTC_OFFICE)
    assert next_sla_at(dozing, UTC_OFFICE) == MONDAY + 7 * DAY
    assert climb(dozing, MONDAY + 7 * DAY - 1, UTC_OFFICE)[0].status is TaskStatus.SNOOZED
    woken, rungs = climb(dozing, MONDAY + 7 * DAY + 4 * HOUR, UTC_OFFICE)
    assert (woken.status, rungs) == (TaskStatus.STARTED, ())
    assert ladder(dozing, MONDAY + 20 * DAY)[0] == "resolve 1 03-10T13:00"


def test_a_closed_task_climbs_nothing() -> None:
    assert next_sla_at(close(task(), MONDAY, "cem", "done", "x"), UTC_OFFICE) is None


def test_a_task_without_sla_climbs_nothing() -> None:
    bare = task(None, None)
    assert next_sla_at(bare, UTC_OFFICE) is None
    assert next_sla_at(start(task("4h", None), MONDAY, "cem", UTC_OFFICE), UTC_OFFICE) is None


def test_a_deadline_at_closing_time_is_breached_at_closing_time() -> None:
    assert ladder(task("8h"), MONDAY + DAY)[1] == "first_touch 2 03-02T17:00"


def test_another_owner_is_reminded_in_their_own_hours() -> None:
    tokyo = Calendar(ZoneInfo("Asia/Tokyo"))
    moved = reassign(task(), MONDAY + 2 * HOUR, "ann", "bob", UTC_OFFICE, tokyo)
    assert ladder(moved, MONDAY + 3 * DAY, tokyo)[0] == "first_touch 1 03-03T01:00"


moves = st.lists(
    st.tuples(st.sampled_from(["wait", "resume", "start", "look"]), st.integers(1, 3 * 1440)), max_size=8
)


@given(moves, st.sampled_from(["2h", "5h", "1d", "3d"]), st.sampled_from(["1d", "4h", "5d"]), st.booleans())
def test_levels_are_those_of_the_business_time_not_paused(
    drawn: list[tuple[str, int]], first_touch: str, resolve: str, office: bool
) -> None:
    """Against an oracle that adds up the running spans, whatever was done to the task, climbed late or in time."""
    calendar = OFFICE if office else around_the_clock(ZoneInfo("America/New_York"))
    one = task(first_touch, resolve, calendar)
    now, spans, reached = MONDAY, [], []
    for move, pause in drawn:
        before, now = now, now + pause * MINUTE
        if one.status is not TaskStatus.WAITING:
            spans.append((before, now))
        one, rungs = climb(one, now, calendar)
        reached += [(rung.clock, rung.level) for rung in rungs]
        if move == "wait" and one.status is not TaskStatus.WAITING:
            one = wait(one, now, "cem", calendar)
        elif move == "resume" and one.status is TaskStatus.WAITING:
            one = resume(one, now, "cem", calendar)
        elif move == "start" and one.status is TaskStatus.OPEN:
            one = start(one, now, "cem", calendar)
            one, rungs = climb(one, now, calendar)
            reached += [(rung.clock, rung.level) for rung in rungs]
    ran = [(a, b) for a, b in spans if a < b]
    if one.started_at is None:
        assert one.level == _level(sum(elapsed(a, b, calendar) for a, b in ran), first_touch, calendar)
    else:
        assert one.level == _level(sum(elapsed(a, b, calendar) for a, b in ran), resolve, calendar)
    assert len(reached) == len(set(reached))


def _level(used: int, target: str, calendar: Calendar) -> int:
    percent = used * 100 / business_duration(target, calendar)
    return sum(percent >= threshold for threshold in (75, 100, 150))
