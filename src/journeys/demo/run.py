"""The demo: a year of a fictional customer base through the whole pipeline, every timer at its instant."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec
import sqlalchemy as sa

from channels.policies import Policies
from journeys.bootstrap import Parts
from journeys.definitions import Draft, parse
from journeys.demo.base import OPENING, CustomerBase
from journeys.demo.base import team as members
from journeys.demo.desk import Team
from journeys.shipped import shipped
from journeys.simulate import Simulation
from journeys.store.tables import decisions, events, journeys, messages, tasks
from journeys.worker import calm_collector
from signals.instant import DAY, Instant, iso

CHUNK = 5_000


class Replay(msgspec.Struct):
    """What the replay did."""

    events: int
    accounts: int
    seconds: float
    dead: int

    @property
    def events_per_second(self) -> float:
        """Through the whole pipeline, timers and sending included."""
        return self.events / self.seconds if self.seconds else 0.0


class VirtualClock:
    """A clock that stands where it is put."""

    def __init__(self, now: Instant) -> None:
        self.now = now

    def __call__(self) -> Instant:
        return self.now


def definitions(base: CustomerBase) -> list[Draft]:
    """The shipped library, with the demo's team."""
    policies = Policies.read({"team": members(base.end)})
    body = {"team": policies.as_json()["team"]}
    return [*(draft for draft in shipped() if draft.kind != "policies"), parse("policies", body)]


def replay(
    parts: Parts, clock: VirtualClock, base: CustomerBase, until: Instant, progress: Callable[[int], None]
) -> Replay:
    """Everything that happened in the year, in event-time order on the virtual clock."""
    clock.now = base.start
    parts.activate(definitions(base))
    calm_collector()
    _append(parts, base)
    team = Team(parts.database, parts.service)
    simulation = Simulation(parts.database, parts.service, parts.dispatcher, base.start, team)
    done = 0

    def moved(records: int, now: Instant) -> None:
        nonlocal done
        done += records
        clock.now = now
        progress(done)

    began = perf_counter()
    simulation.run(until, moved)
    return Replay(simulation.folded, len(base.companies), perf_counter() - began, simulation.dead)


def _append(parts: Parts, base: CustomerBase) -> None:
    """The year into the log; its first hours tell how older accounts stood, and are taken silently."""
    chunk: list[Any] = []
    opening = True
    for event in base.events():
        if opening and event.time >= base.start + OPENING:
            parts.log.append(chunk, history=True)
            chunk, opening = [], False
        chunk.append(event)
        if len(chunk) >= CHUNK:
            parts.log.append(chunk, history=opening)
            chunk = []
    parts.log.append(chunk, history=opening)


def _grouped(parts: Parts, *columns: sa.ColumnElement[Any], where: Any = sa.true()) -> list[list[Any]]:
    wanted = (
        sa.select(*columns, sa.func.count().label("n")).where(where).group_by(*columns).order_by(sa.desc("n"))
    )
    with parts.database.read() as connection:
        return [["" if cell is None else cell for cell in row] for row in connection.execute(wanted)]


def tables(parts: Parts, now: Instant) -> dict[str, tuple[list[str], list[list[Any]]]]:
    """What happened, as tables: signals by kind, journeys by play and end, messages by outcome and reason, tasks by SLA."""
    signal = sa.func.substr(events.c.type, 8)
    fired = _grouped(parts, signal, where=events.c.type.like("signal.%"))
    by_sla = sa.case(
        (sa.and_(tasks.c.status == "closed", tasks.c.breached), "closed late"),
        (tasks.c.status == "closed", "closed in time"),
        (tasks.c.breached, "breached"),
        (sa.or_(tasks.c.first_touch_by <= now + DAY, tasks.c.resolve_by <= now + DAY), "due within a day"),
        else_="in time",
    )
    return {
        "Signals fired": (["signal", "times"], fired),
        "Journeys": (
            ["play", "status", "reason", "n"],
            _grouped(parts, journeys.c.play, journeys.c.status, journeys.c.reason),
        ),
        "Messages": (["status", "reason", "n"], _grouped(parts, messages.c.status, messages.c.reason)),
        "Not started": (
            ["play", "reason", "n"],
            _grouped(parts, decisions.c.play, decisions.c.reason, where=decisions.c.outcome == "not_started"),
        ),
        "Tasks": (["type", "SLA", "n"], _grouped(parts, tasks.c.type, by_sla)),
    }


def story_of(parts: Parts, base: CustomerBase) -> list[str]:
    """One account on whose behalf mail was sent: what was planted, what was seen, what was done, and why."""
    wanted = (
        sa.select(messages.c.account, messages.c.id, messages.c.journey)
        .where(messages.c.status == "sent", messages.c.play.like("rescue%"))
        .order_by(messages.c.sent_at.desc())
        .limit(1)
    )
    any_sent = (
        sa.select(messages.c.account, messages.c.id, messages.c.journey)
        .where(messages.c.status == "sent")
        .limit(1)
    )
    with parts.database.read() as connection:
        row = connection.execute(wanted).first() or connection.execute(any_sent).first()
        if row is None:
            return ["no mail was sent"]
        journey = connection.execute(sa.select(journeys).where(journeys.c.id == row.journey)).one()
        about = sa.and_(events.c.account == row.account, events.c.time <= journey.started_at)
        before = connection.execute(
            sa.select(events).where(about).order_by(events.c.time.desc()).limit(3)
        ).all()
        mails = connection.execute(
            sa.select(messages).where(messages.c.journey == row.journey).order_by(messages.c.due_at)
        ).all()
    planted = ", ".join(sorted(base.stories[row.account].kinds)) if row.account in base.stories else "nothing"
    lines = [f"{row.account}: planted were {planted}"]
    lines += [f"{iso(event.time)}  event    {event.type}" for event in reversed(before)]
    lines.append(f"{iso(journey.started_at)}  journey  {journey.play} starts")
    for mail in mails:
        when = iso(mail.sent_at or mail.due_at)
        lines.append(
            f"{when}  message  {mail.status}: {mail.content!r} to {mail.contact} ({mail.role}): {mail.subject}"
        )
    end = f"{journey.status}{f', {journey.reason}' if journey.reason else ''}"
    lines.append(f"{iso(journey.ended_at) if journey.ended_at else 'now':20}  journey  {end}")
    return lines
