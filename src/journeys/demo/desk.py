"""The demo's team at work: most tasks are taken up and closed in time, some late. By hash, no chance."""

from hashlib import blake2b

import sqlalchemy as sa

from channels import task_moves
from channels.sla_clock import BREACH_LEVEL
from channels.task import Task, TaskStatus
from journeys.desk import Desk
from journeys.service import Service
from journeys.store.database import Database
from journeys.store.outcomes import task_of
from journeys.store.tables import tasks
from signals.instant import Instant

OUTCOMES = ("saved", "saved", "done", "no_risk", "no_contact", "lost")
PROMPT, LATE = 82, 95
"""Of a hundred tasks, so many are worked before their reminder, so many after it; the rest when they have breached."""


class Team:
    """Works the tasks whose clock is about to reach a level."""

    def __init__(self, database: Database, service: Service) -> None:
        self._database, self._service = database, service

    def __call__(self, now: Instant) -> None:
        """At an instant at which tasks would climb: take up or close those that are worked in time."""
        wanted = sa.select(tasks.c.value).where(tasks.c.sla_at <= now)
        with self._database.read() as connection:
            due = [task_of(raw) for raw in connection.execute(wanted).scalars()]
        for task in due:
            if _works(task):
                self._service.move_task(task.id, now, lambda found, desk: _worked(found, desk, now))


def _works(task: Task) -> bool:
    """Prompt people act before the first level, late ones after it, a few only once the time is over."""
    lot = _lot(task, "works", 100)
    return lot < PROMPT or (lot < LATE and task.level >= 1) or task.level >= BREACH_LEVEL


def _worked(task: Task, desk: Desk, now: Instant) -> Task:
    who = task.owner or "queue"
    if task.status is TaskStatus.OPEN:
        return task_moves.start(task, now, who, desk.calendar(task.owner))
    if task.status is TaskStatus.STARTED:
        outcome = OUTCOMES[_lot(task, "outcome", len(OUTCOMES))]
        return task_moves.close(task, now, who, outcome, "talked it through")
    return task


def _lot(task: Task, about: str, sides: int) -> int:
    return int.from_bytes(blake2b(f"{about}/{task.id}".encode(), digest_size=4).digest()) % sides
