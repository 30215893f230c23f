"""What may be done to a task: each move is a function from a task to the next one.

A move that is not possible raises `TaskRefused` with a sentence the person who tried can act on. Moves take the
calendar of the owner, in which the clocks count; levels that fell due before a move are climbed first (`sla.climb`).
"""

from typing import Any

from msgspec.structs import replace

from channels import sla_clock
from channels.business_time import Calendar
from channels.sla_clock import SlaClock
from channels.task import Note, Outcome, Severity, Task, TaskRefused, TaskStatus
from signals.instant import DAY, Duration, Instant, iso

LONGEST_SNOOZE: Duration = 30 * DAY

_SEVERITIES: tuple[Severity | None, ...] = (None, "info", "warning", "critical")


def with_clocks(
    task: Task, sla: str, first_touch: str | None, resolve: str | None, calendar: Calendar
) -> Task:
    """A new task whose clocks run from its creation, to the targets of the SLA rule chosen for it."""
    now = task.created_at
    clocked = replace(
        task,
        sla=sla,
        first_touch=sla_clock.started(first_touch, now) if first_touch else None,
        resolve=sla_clock.started(resolve, now) if resolve else None,
    )
    return _with_deadlines(clocked, calendar)


def start(task: Task, now: Instant, by: str, calendar: Calendar) -> Task:
    """The first touch: its clock stops, and the ladder begins again with the one to resolve."""
    if task.status is not TaskStatus.OPEN:
        raise TaskRefused(_not_from(task, "start", "only an open task is started"))
    touched = replace(
        task,
        status=TaskStatus.STARTED,
        started_at=now,
        level=0,
        first_touch=_stopped(task.first_touch, now, calendar),
    )
    return _noted(touched, now, by, "start")


def wait(task: Task, now: Instant, by: str, calendar: Calendar) -> Task:
    """Waiting on the customer: the clocks stand still."""
    if task.status not in {TaskStatus.OPEN, TaskStatus.STARTED}:
        raise TaskRefused(_not_from(task, "wait", "only an open or started task waits on the customer"))
    waiting = replace(_paused(task, now, calendar), status=TaskStatus.WAITING, waiting_since=now)
    return _noted(waiting, now, by, "wait")


def resume(task: Task, now: Instant, by: str, calendar: Calendar) -> Task:
    """On with a waiting or snoozed task, in the status it had before; its clocks run on."""
    if task.status not in {TaskStatus.WAITING, TaskStatus.SNOOZED}:
        raise TaskRefused(_not_from(task, "resume", "only a waiting or snoozed task is resumed"))
    return _noted(_back(task, now, calendar), now, by, "resume")


def snooze(task: Task, now: Instant, by: str, until: Instant, reason: str, calendar: Calendar) -> Task:
    """Out of sight until an instant, at most 30 days ahead; the clock to resolve stands still."""
    if task.status not in {TaskStatus.STARTED, TaskStatus.WAITING} or task.started_at is None:
        raise TaskRefused(_not_from(task, "snooze", "start it first: a snooze needs a first touch"))
    if not now < until <= now + LONGEST_SNOOZE:
        raise TaskRefused(f"cannot snooze until {iso(until)}: name a time to come, at most 30 days ahead")
    _need_reason(reason, "snooze")
    asleep = replace(
        _paused(task, now, calendar), status=TaskStatus.SNOOZED, was=task.status, snoozed_until=until
    )
    return _noted(asleep, now, by, "snooze", reason)


def close(task: Task, now: Instant, by: str, outcome: str, reason: str) -> Task:
    """The end: needs an outcome and a reason."""
    _refuse_closed(task, "close")
    if outcome not in set(Outcome):
        raise TaskRefused(f"{outcome!r:.40} is not an outcome: choose one of {', '.join(Outcome)}")
    _need_reason(reason, "close")
    closed = replace(
        task,
        status=TaskStatus.CLOSED,
        was=None,
        waiting_since=None,
        snoozed_until=None,
        closed_at=now,
        outcome=Outcome(outcome),
        close_reason=reason.strip(),
    )
    return _noted(closed, now, by, "close", reason)


def reassign(task: Task, now: Instant, by: str, owner: str | None, old: Calendar, new: Calendar) -> Task:
    """Another owner (None: the queue): the clocks go on in the calendar of theirs."""
    _refuse_closed(task, "reassign")
    moved = replace(
        task,
        owner=owner,
        first_touch=sla_clock.moved(task.first_touch, now, old, new) if task.first_touch else None,
        resolve=sla_clock.moved(task.resolve, now, old, new) if task.resolve else None,
    )
    return _noted(_with_deadlines(moved, new), now, by, "reassign", owner or "queue")


def comment(task: Task, now: Instant, by: str, text: str) -> Task:
    """A line in the history, also of a closed task. It is no first touch."""
    if not text.strip():
        raise TaskRefused("cannot comment with nothing: write what you found out or did")
    return _noted(task, now, by, "comment", text)


def raise_again(
    task: Task, now: Instant, severity: Severity | None, evidence: Any, calendar: Calendar
) -> Task:
    """The same account, type and reason once more: the task is updated, not doubled.

    A snooze silences it, unless the severity is worse than any before: that wakes the task.
    """
    _refuse_closed(task, "raise again")
    worse = _SEVERITIES.index(severity) > _SEVERITIES.index(task.severity)
    raised = replace(
        task, raised=task.raised + 1, evidence=evidence, severity=severity if worse else task.severity
    )
    if worse and task.status is TaskStatus.SNOOZED:
        raised = _back(raised, now, calendar)
    return _noted(raised, now, "journeys", "raise", severity or "")


def wake(task: Task, calendar: Calendar) -> Task:
    """A snoozed task at the instant its snooze ends."""
    if task.status is not TaskStatus.SNOOZED or task.snoozed_until is None:
        raise TaskRefused(_not_from(task, "wake", "it is not asleep"))
    return _noted(_back(task, task.snoozed_until, calendar), task.snoozed_until, "journeys", "wake")


def _back(task: Task, now: Instant, calendar: Calendar) -> Task:
    """Out of a wait or a snooze; the clocks run on unless the task goes back to waiting."""
    working = TaskStatus.OPEN if task.started_at is None else TaskStatus.STARTED
    status = task.was or working if task.status is TaskStatus.SNOOZED else working
    back = replace(task, status=status, was=None, snoozed_until=None)
    if status is TaskStatus.WAITING:
        return back
    runs_on = replace(
        back,
        waiting_since=None,
        first_touch=sla_clock.resumed(back.first_touch, now)
        if back.first_touch and back.started_at is None
        else back.first_touch,
        resolve=sla_clock.resumed(back.resolve, now) if back.resolve else None,
    )
    return _with_deadlines(runs_on, calendar)


def _paused(task: Task, now: Instant, calendar: Calendar) -> Task:
    return replace(
        task,
        first_touch=_stopped(task.first_touch, now, calendar),
        resolve=_stopped(task.resolve, now, calendar),
    )


def _stopped(clock: SlaClock | None, now: Instant, calendar: Calendar) -> SlaClock | None:
    return None if clock is None else sla_clock.paused(clock, now, calendar)


def _with_deadlines(task: Task, calendar: Calendar) -> Task:
    """The deadlines of the running clocks; that of a paused or overdue clock stays as it was."""
    return replace(
        task,
        first_touch_by=_deadline(task.first_touch, task.first_touch_by, calendar),
        resolve_by=_deadline(task.resolve, task.resolve_by, calendar),
    )


def _deadline(clock: SlaClock | None, known: Instant | None, calendar: Calendar) -> Instant | None:
    computed = None if clock is None else sla_clock.deadline(clock, calendar)
    return known if computed is None else computed


def _noted(task: Task, now: Instant, by: str, did: str, text: str = "") -> Task:
    return replace(task, notes=(*task.notes, Note(now, by, did, text.strip())))


def _refuse_closed(task: Task, verb: str) -> None:
    if task.status is TaskStatus.CLOSED:
        raise TaskRefused(_not_from(task, verb, "it is over; raise a new one"))


def _need_reason(reason: str, verb: str) -> None:
    if not reason.strip():
        raise TaskRefused(f"cannot {verb} without a reason: say why, for whoever looks at this next")


def _not_from(task: Task, verb: str, why: str) -> str:
    return f"cannot {verb} task {task.id}, which is {task.status}: {why}"
