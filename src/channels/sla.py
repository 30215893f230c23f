"""The ladder: who hears of a task at 75, 100 and 150 % of its time, once each (semantics §8).

It is climbed on the clock to the first touch until the task is started, then on the clock to resolve from level 0
again. Whoever stores a task keeps `next_sla_at` beside it and calls `climb` when that instant has come.
"""

from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from channels.business_time import Calendar
from channels.sla_clock import BREACH_LEVEL, LADDER, SlaClock, level_at
from channels.task import Task, TaskStatus
from channels.task_moves import wake
from signals.instant import Instant

ClockName: TypeAlias = Literal["first_touch", "resolve"]

_STILL = frozenset({TaskStatus.WAITING, TaskStatus.CLOSED})


class Rung(msgspec.Struct, frozen=True):
    """A level reached: 1 reminds the owner, 2 (breached) goes to the manager, 3 to the director. `at` is exact."""

    clock: ClockName
    level: int
    at: Instant


def next_sla_at(task: Task, calendar: Calendar) -> Instant | None:
    """The exact instant at which time alone changes this task next: a level reached, or the end of a snooze.

    None while it waits on the customer, once it is closed, at the top of the ladder, and without an SLA.
    """
    if task.status in _STILL:
        return None
    if task.status is TaskStatus.SNOOZED:
        return task.snoozed_until
    rung = _next_rung(task, calendar)
    return None if rung is None else rung.at


def climb(task: Task, now: Instant, calendar: Calendar) -> tuple[Task, tuple[Rung, ...]]:
    """The task after all that time alone has done to it up to and including now, and the levels it reached, in order."""
    reached: list[Rung] = []
    while (at := next_sla_at(task, calendar)) is not None and at <= now:
        if task.status is TaskStatus.SNOOZED:
            task = wake(task, calendar)
        elif (rung := _next_rung(task, calendar)) is not None:
            reached.append(rung)
            task = replace(task, level=rung.level, breached=task.breached or rung.level >= BREACH_LEVEL)
    return task, tuple(reached)


def _next_rung(task: Task, calendar: Calendar) -> Rung | None:
    if task.level >= len(LADDER):
        return None
    name, clock = _counting(task)
    at = level_at(clock, task.level + 1, calendar) if clock is not None else None
    if at is None:
        return None
    # A first touch that came late begins the ladder to resolve at that touch, however much was used up by then.
    return Rung(name, task.level + 1, max(at, task.started_at or at))


def _counting(task: Task) -> tuple[ClockName, SlaClock | None]:
    """The clock the ladder is climbed on; a task without a first touch to wait for is resolved from the start."""
    if task.started_at is None and task.first_touch is not None:
        return "first_touch", task.first_touch
    return "resolve", task.resolve
