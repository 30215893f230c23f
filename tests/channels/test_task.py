"""What may be done to a task, and what is refused (semantics §8)."""

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from channels.business_time import Calendar
from channels.task import Task, TaskRefused, TaskStatus, task_id
from channels.task_moves import (
    close,
    comment,
    raise_again,
    reassign,
    resume,
    snooze,
    start,
    wait,
    wake,
    with_clocks,
)
from signals.instant import DAY, HOUR, Instant, iso, parse_instant

OFFICE = Calendar(ZoneInfo("UTC"))
MONDAY = parse_instant("2026-03-02T09:00:00Z")


def task(first_touch: str | None = "4h", resolve: str | None = "3d", **more: Any) -> Task:
    body: dict[str, Any] = {
        "id": "t1",
        "account": "acme",
        "type": "call",
        "reason": "usage_drop",
        "title": "Call",
    }
    return with_clocks(
        Task(**(body | {"created_at": MONDAY} | more)), "standard", first_touch, resolve, OFFICE
    )


def started(now: Instant = MONDAY + HOUR, **more: Any) -> Task:
    return start(task(**more), now, "cem", OFFICE)


def asleep(until: Instant = MONDAY + 4 * DAY) -> Task:
    return snooze(started(), MONDAY + 2 * HOUR, "cem", until, "on holiday", OFFICE)


def by(instant: Instant | None) -> str:
    return "" if instant is None else iso(instant)[:16]


def test_a_new_task_has_both_deadlines() -> None:
    assert (by(task().first_touch_by), by(task().resolve_by)) == ("2026-03-02T13:00", "2026-03-04T17:00")


def test_a_task_without_sla_has_no_clock() -> None:
    bare = task(None, None)
    assert (bare.first_touch, bare.resolve, bare.first_touch_by, bare.resolve_by) == (None,) * 4


def test_starting_is_the_first_touch_and_begins_the_ladder_again() -> None:
    touched = started()
    assert (touched.status, touched.started_at, touched.level) == (TaskStatus.STARTED, MONDAY + HOUR, 0)
    assert touched.first_touch is not None
    assert (touched.first_touch.used, touched.first_touch.is_running) == (HOUR, False)


def test_waiting_on_the_customer_moves_the_deadline_by_the_business_time_waited() -> None:
    waiting = wait(started(), MONDAY + 2 * HOUR, "cem", OFFICE)
    assert (waiting.status, waiting.waiting_since) == (TaskStatus.WAITING, MONDAY + 2 * HOUR)
    resumed = resume(waiting, MONDAY + DAY + 2 * HOUR, "cem", OFFICE)
    assert (resumed.status, resumed.waiting_since) == (TaskStatus.STARTED, None)
    assert by(resumed.resolve_by) == "2026-03-05T17:00"
    assert (resumed.first_touch, resumed.first_touch_by) == (started().first_touch, started().first_touch_by)


def test_waiting_before_the_first_touch_moves_both_deadlines_and_is_no_touch() -> None:
    waiting = wait(task(), MONDAY + HOUR, "cem", OFFICE)
    resumed = resume(waiting, MONDAY + 3 * HOUR, "cem", OFFICE)
    assert (resumed.status, resumed.started_at) == (TaskStatus.OPEN, None)
    assert (by(resumed.first_touch_by), by(resumed.resolve_by)) == ("2026-03-02T15:00", "2026-03-05T11:00")


def test_a_wait_outside_business_hours_moves_nothing() -> None:
    waiting = wait(started(), MONDAY + 9 * HOUR, "cem", OFFICE)
    resumed = resume(waiting, MONDAY + 23 * HOUR, "cem", OFFICE)
    assert resumed.resolve_by == started().resolve_by


def test_a_clock_that_ran_out_keeps_its_deadline_through_a_wait() -> None:
    late = MONDAY + 7 * DAY
    resumed = resume(wait(started(), late, "cem", OFFICE), late + DAY, "cem", OFFICE)
    assert resumed.resolve_by == started().resolve_by


def test_a_snooze_wakes_to_the_status_before() -> None:
    assert wake(asleep(), OFFICE).status is TaskStatus.STARTED
    waiting = wait(started(), MONDAY + 2 * HOUR, "cem", OFFICE)
    dozing = snooze(waiting, MONDAY + 3 * HOUR, "cem", MONDAY + 2 * DAY, "no answer", OFFICE)
    woken = wake(dozing, OFFICE)
    assert (woken.status, woken.waiting_since, woken.snoozed_until) == (
        TaskStatus.WAITING,
        MONDAY + 2 * HOUR,
        None,
    )
    assert woken.resolve is not None
    assert not woken.resolve.is_running
    assert resume(woken, MONDAY + 3 * DAY, "cem", OFFICE).status is TaskStatus.STARTED


def test_a_snooze_pauses_the_clock_to_resolve() -> None:
    woken = wake(asleep(MONDAY + DAY + 2 * HOUR), OFFICE)
    assert by(woken.resolve_by) == "2026-03-05T17:00"


def test_raising_again_updates_instead_of_doubling() -> None:
    again = raise_again(task(severity="warning"), MONDAY + HOUR, "info", {"drop": 0.6}, OFFICE)
    assert (again.raised, again.evidence, again.severity, again.id) == (2, {"drop": 0.6}, "warning", "t1")
    assert again.dedupe_key == ("acme", "call", "usage_drop")


def test_only_a_worse_severity_wakes_a_snoozed_task() -> None:
    quiet = raise_again(asleep(), MONDAY + DAY, None, {}, OFFICE)
    assert quiet.status is TaskStatus.SNOOZED
    woken = raise_again(asleep(), MONDAY + DAY, "critical", {}, OFFICE)
    assert (woken.status, woken.severity, woken.snoozed_until) == (TaskStatus.STARTED, "critical", None)
    assert woken.resolve is not None
    assert woken.resolve.is_running


def test_closing_keeps_outcome_and_reason() -> None:
    closed = close(started(), MONDAY + 2 * HOUR, "cem", "saved", " they stay ")
    assert (closed.status, closed.outcome, closed.close_reason) == (TaskStatus.CLOSED, "saved", "they stay")
    assert closed.closed_at == MONDAY + 2 * HOUR


def test_another_owner_counts_in_their_own_calendar() -> None:
    half_days = Calendar(ZoneInfo("UTC"), opens=9 * 60, closes=13 * 60)
    moved = reassign(started(resolve="2d"), MONDAY + 8 * HOUR, "ann", "bob", OFFICE, half_days)
    assert moved.owner == "bob"
    assert by(moved.resolve_by) == "2026-03-03T13:00"  # one of two days is used up, in either calendar
    queued = reassign(moved, MONDAY + DAY, "ann", None, half_days, OFFICE)
    assert (queued.owner, by(queued.resolve_by)) == (None, "2026-03-03T17:00")


def test_every_move_leaves_a_note() -> None:
    done = close(comment(started(), MONDAY + HOUR, "cem", "called"), MONDAY + 2 * HOUR, "ann", "done", "fine")
    assert [(note.by, note.did, note.text) for note in done.notes] == [
        ("cem", "start", ""),
        ("cem", "comment", "called"),
        ("ann", "close", "fine"),
    ]


CLOSED = close(started(), MONDAY + 2 * HOUR, "cem", "done", "fine")
LATER = MONDAY + 3 * HOUR


@pytest.mark.parametrize(
    ("move", "why"),
    [
        pytest.param(lambda: start(started(), LATER, "cem", OFFICE), "only an open task", id="started twice"),
        pytest.param(lambda: start(CLOSED, LATER, "cem", OFFICE), "is closed", id="starting a closed task"),
        pytest.param(lambda: wait(asleep(), LATER, "cem", OFFICE), "is snoozed", id="waiting asleep"),
        pytest.param(lambda: wait(CLOSED, LATER, "cem", OFFICE), "is closed", id="waiting closed"),
        pytest.param(
            lambda: resume(started(), LATER, "cem", OFFICE), "only a waiting", id="resuming at work"
        ),
        pytest.param(lambda: wake(started(), OFFICE), "not asleep", id="waking the awake"),
        pytest.param(
            lambda: snooze(task(), LATER, "cem", LATER + DAY, "x", OFFICE), "first touch", id="untouched"
        ),
        pytest.param(
            lambda: snooze(wait(task(), LATER, "cem", OFFICE), LATER, "cem", LATER + DAY, "x", OFFICE),
            "first touch",
            id="untouched and waiting",
        ),
        pytest.param(
            lambda: snooze(started(), LATER, "cem", LATER + 30 * DAY + 1, "x", OFFICE),
            "30 days",
            id="too long",
        ),
        pytest.param(
            lambda: snooze(started(), LATER, "cem", LATER, "x", OFFICE), "time to come", id="until now"
        ),
        pytest.param(
            lambda: snooze(started(), LATER, "cem", LATER + DAY, " ", OFFICE), "reason", id="no reason"
        ),
        pytest.param(
            lambda: close(task(), LATER, "cem", "won", "x"), "choose one of saved", id="no outcome of ours"
        ),
        pytest.param(
            lambda: close(task(), LATER, "cem", "saved", "  "), "without a reason", id="no reason to close"
        ),
        pytest.param(lambda: close(CLOSED, LATER, "cem", "saved", "x"), "is closed", id="closed twice"),
        pytest.param(
            lambda: reassign(CLOSED, LATER, "cem", "bob", OFFICE, OFFICE), "is closed", id="given away"
        ),
        pytest.param(
            lambda: raise_again(CLOSED, LATER, "info", {}, OFFICE), "raise a new one", id="raised closed"
        ),
        pytest.param(lambda: comment(task(), LATER, "cem", "\n"), "with nothing", id="an empty comment"),
    ],
)
def test_what_may_not_be_done_is_refused_with_a_reason(move: Any, why: str) -> None:
    with pytest.raises(TaskRefused, match=why):
        move()


def test_a_snooze_of_exactly_thirty_days_is_allowed() -> None:
    assert snooze(started(), LATER, "cem", LATER + 30 * DAY, "x", OFFICE).snoozed_until == LATER + 30 * DAY


def test_a_task_made_twice_by_one_cause_is_one_task() -> None:
    made = task_id("acme", "call", "usage_drop", "j1", "3", 1)
    assert made == task_id("acme", "call", "usage_drop", "j1", "3", 1)
    assert made != task_id("acme", "call", "usage_drop", "j2", "3", 1)


def test_the_public_fields_are_those_of_the_interface() -> None:
    public = task().as_json()
    named = "id account owner type title body reason play journey status first_touch_by resolve_by breached level outcome"
    assert set(named.split()) <= set(public)
    assert (public["status"], public["first_touch_by"]) == ("open", "2026-03-02T13:00:00Z")


def test_a_task_survives_being_stored() -> None:
    for one in (asleep(), CLOSED, raise_again(task(), LATER, "critical", {"drop": [1, None]}, OFFICE)):
        assert msgspec.json.decode(msgspec.json.encode(one), type=Task) == one
