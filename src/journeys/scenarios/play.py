"""Playing a scenario: given, then entry after entry, time passing between them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from channels import task_moves
from channels.outbox import Calls, Outbox
from channels.task import Task, TaskRefused
from journeys.desk import Desk
from journeys.scenarios.expect import check
from journeys.scenarios.mismatch import Mismatch
from journeys.scenarios.stage import Stage
from journeys.scenarios.story import GivenAccount, GivenContact, ScenarioEvent, Story, instant_of
from journeys.store.tables import contacts, journeys, messages, tasks
from signals.event import Event
from signals.instant import Instant, iso


class Result(NamedTuple):
    """How a scenario went; no mismatches is a pass."""

    story: Story
    mismatches: list[Mismatch]


class CannotDo(ValueError):
    """A `do:` that makes no sense here; the message says why."""


def play(story: Story, beside: Path) -> Result:
    """Run one scenario. Raises CannotDo and StoryRefused for a scenario that cannot be run."""
    stage = Stage(story.clock, story.timezone)
    try:
        return Result(story, _Player(stage, story, beside).run())
    finally:
        stage.close()


class _Player:
    def __init__(self, stage: Stage, story: Story, beside: Path) -> None:
        self._stage, self._story, self._beside = stage, story, beside

    def run(self) -> list[Mismatch]:
        """Given with nothing defined, definitions activated silently, then the story."""
        stage, story = self._stage, self._story
        self._given()
        stage.run(story.clock)
        stage.use(story.uses, self._beside)
        stage.define(story.define)
        mismatches: list[Mismatch] = []
        for entry in story.then:
            at = instant_of(entry.at, story.clock)
            stage.run(at)
            for told in [*([entry.event] if entry.event else []), *entry.events]:
                stage.happen([self._event(told, at)])
                stage.run(at)
            for action in entry.do:
                for verb, arguments in action.items():
                    self._do(verb, arguments or {})
                    stage.run(at)
            if entry.expect is not None:
                mismatches += check(stage, entry.expect, str(entry.at))
        return mismatches

    # ── given ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _given(self) -> None:
        happened: list[Event] = []
        for entry in self._story.given:
            if entry.account is not None:
                happened += self._account(entry.account, entry.contacts)
            happened += [self._event(told, self._story.clock) for told in entry.events or []]
        if happened:
            self._stage.happen(happened, history=True)

    def _account(self, account: GivenAccount, people: list[GivenContact]) -> list[Event]:
        at = account.created_at if account.created_at is not None else self._story.clock
        attributes = {**account.attributes, "created_at": iso(at)}
        if account.name is not None:
            attributes["name"] = account.name
        found = [self._made("crm.account_updated", at, account.id, None, {"attributes": attributes})]
        for person in people:
            known = {name: getattr(person, name) for name in ("name", "email", "timezone", "locale")}
            given = {
                **{name: value for name, value in known.items() if value is not None},
                **person.attributes,
            }
            data = {"attributes": given, "roles": person.roles}
            found.append(self._made("crm.contact_updated", at, account.id, person.id, data))
        return found

    def _made(
        self, event_type: str, at: Instant, account: str, contact: str | None, data: dict[str, Any]
    ) -> Event:
        return Event(
            self._stage.next_id(), "given", event_type, at, account, contact, data, self._story.clock
        )

    def _event(self, told: ScenarioEvent, at: Instant) -> Event:
        time = at if told.at is None else instant_of(told.at, self._story.clock)
        identity = told.id or self._stage.next_id()
        return Event(
            identity, told.source, told.type, min(time, at), told.account, told.contact, told.data, at
        )

    # ── do ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _do(self, verb: str, arguments: dict[str, Any]) -> None:
        known: dict[str, Callable[[dict[str, Any]], None]] = {
            "unsubscribe": lambda a: self._consent("engagement.unsubscribed", a),
            "subscribe": lambda a: self._consent("engagement.subscribed", a),
            "suppress": lambda a: self._person("contact.suppressed", a, {"cause": a.get("cause", "manual")}),
            "unsuppress": lambda a: self._person("contact.unsuppressed", a, {}),
            "hold": self._hold,
            "release": lambda a: self._tell(
                "account.hold_released", a["account"], {"reason": a.get("reason")}
            ),
            "archive": self._archive,
            "define": self._stage.define,
            "pause": lambda a: self._set_status("plays", a["play"], "paused"),
            "resume": lambda a: self._set_status("plays", a["play"], "active"),
            "stop": self._stop,
            "exit_journey": self._exit_journey,
            "channel": self._channel,
            "seen": lambda a: self._receipt({**a, "kind": "inapp_seen"}),
            "clicked": lambda a: self._receipt({**a, "kind": "inapp_clicked"}),
            "dismissed": lambda a: self._receipt({**a, "kind": "inapp_dismissed"}),
            "receipt": self._receipt,
            **{f"{name}_task": self._task_move(name) for name in _TASK_MOVES},
        }
        if verb not in known:
            raise CannotDo(f"{verb!r} is nothing a scenario can do; it can {', '.join(sorted(known))}")
        try:
            known[verb](arguments)
        except KeyError as missing:
            raise CannotDo(f"{verb} needs {missing.args[0]!r}") from missing

    def _tell(self, event_type: str, account: str, data: dict[str, Any], contact: str | None = None) -> None:
        now = self._stage.now
        event = Event(self._stage.next_id(), "scenario", event_type, now, account, contact, data, now)
        self._stage.service.write([event], now)

    def _accounts_of(self, contact: str) -> list[str]:
        with self._stage.database.read() as connection:
            found = (
                connection.execute(sa.select(contacts.c.account).where(contacts.c.id == contact))
                .scalars()
                .all()
            )
        if not found:
            raise CannotDo(f"there is no contact {contact!r}")
        return sorted(found)

    def _consent(self, event_type: str, arguments: dict[str, Any]) -> None:
        whole_channel = "topic" in arguments and arguments["topic"] is None
        topic = "*" if whole_channel else arguments.get("topic", "")
        data = {"topic": topic, "channel": arguments.get("channel", "email")}
        self._tell(event_type, self._accounts_of(arguments["contact"])[0], data, arguments["contact"])

    def _person(self, event_type: str, arguments: dict[str, Any], data: dict[str, Any]) -> None:
        for account in self._accounts_of(arguments["contact"]):
            self._tell(event_type, account, data, arguments["contact"])

    def _hold(self, arguments: dict[str, Any]) -> None:
        until = arguments.get("until")
        ends = None if until is None else iso(instant_of(until, self._story.clock))
        data = {"reason": arguments.get("reason", "manual"), "until": ends}
        self._tell("account.hold_placed", arguments["account"], data)

    def _archive(self, arguments: dict[str, Any]) -> None:
        for kind in ("segment", "signal", "play"):
            if kind in arguments:
                self._set_status(f"{kind}s", arguments[kind], "archived")

    def _set_status(self, kind: str, key: str, status: str) -> None:
        if (kind, key) not in self._stage.drafts:
            live = sorted(known for of, known in self._stage.drafts if of == kind)
            raise CannotDo(
                f"no {kind.removesuffix('s')} {key!r} is live; live are {', '.join(live) or 'none'}"
            )
        self._stage.set_status(kind, key, status)

    def _stop(self, arguments: dict[str, Any]) -> None:
        mode = arguments.get("mode", "drain")
        if mode not in ("drain", "abort"):
            raise CannotDo(f"a play is stopped by drain or abort, not by {mode!r}")
        self._set_status("plays", arguments["play"], "draining" if mode == "drain" else "stopped")

    def _live_journeys(self, play: str, account: str) -> list[tuple[str, str]]:
        wanted = sa.select(journeys.c.account, journeys.c.id).where(
            journeys.c.play == play, journeys.c.status == "active", journeys.c.account == account
        )
        with self._stage.database.read() as connection:
            return [(row.account, row.id) for row in connection.execute(wanted)]

    def _exit_journey(self, arguments: dict[str, Any]) -> None:
        for account, journey in self._live_journeys(arguments["play"], arguments["account"]):
            self._stage.service.exit_journey(account, journey, "manual", self._stage.now)

    def _channel(self, arguments: dict[str, Any]) -> None:
        channels: dict[str, Outbox | Calls] = {"email": self._stage.outbox, "webhook": self._stage.calls}
        name = arguments.get("name", "email")
        if name not in channels:
            raise CannotDo(f"only these channels can be told how to answer: {', '.join(channels)}")
        channels[name].answers = arguments["answers"]

    def _receipt(self, arguments: dict[str, Any]) -> None:
        wanted = sa.select(messages.c.id, messages.c.account, messages.c.play).where(
            messages.c.contact == arguments["contact"], messages.c.content == arguments["content"]
        )
        with self._stage.database.read() as connection:
            row = connection.execute(wanted.order_by(messages.c.due_at.desc())).first()
        if row is None:
            raise CannotDo(f"{arguments['contact']} has no message {arguments['content']!r}")
        data = {"message": row.id, "content": arguments["content"], "play": row.play}
        if arguments["kind"] == "bounced":
            data["bounce"] = arguments.get("bounce", "hard")
        self._tell(f"engagement.{arguments['kind']}", row.account, data, arguments["contact"])

    def _task_move(self, name: str) -> Callable[[dict[str, Any]], None]:
        def move(arguments: dict[str, Any]) -> None:
            task_id = self._newest_task(arguments)
            try:
                self._stage.service.move_task(
                    task_id, self._stage.now, lambda task, desk: self._moved(name, task, desk, arguments)
                )
            except TaskRefused as refused:
                raise CannotDo(str(refused)) from refused

        return move

    def _newest_task(self, arguments: dict[str, Any]) -> str:
        wanted = sa.select(tasks.c.id).where(
            tasks.c.account == arguments["account"], tasks.c.status != "closed"
        )
        for name in ("type", "title"):
            if name in arguments:
                wanted = wanted.where(tasks.c[name] == arguments[name])
        with self._stage.database.read() as connection:
            found = connection.execute(wanted.order_by(tasks.c.created_at.desc())).scalar()
        if found is None:
            raise CannotDo(f"{arguments['account']} has no open task like {arguments}")
        return str(found)

    def _moved(self, name: str, task: Task, desk: Desk, arguments: dict[str, Any]) -> Task:
        now, by = self._stage.now, arguments.get("by") or task.owner or "scenario"
        calendar = desk.calendar(task.owner)
        reason = arguments.get("reason") or "said so in the scenario"
        if name == "snooze":
            until = instant_of(arguments["until"], self._story.clock)
            return task_moves.snooze(task, now, by, until, reason, calendar)
        if name == "close":
            return task_moves.close(task, now, by, arguments.get("outcome", "done"), reason)
        if name == "reassign":
            owner = arguments["owner"]
            return task_moves.reassign(task, now, by, owner, calendar, desk.calendar(owner))
        moves = {"start": task_moves.start, "wait": task_moves.wait, "resume": task_moves.resume}
        return moves[name](task, now, by, calendar)


_TASK_MOVES = ("start", "wait", "resume", "snooze", "close", "reassign")
