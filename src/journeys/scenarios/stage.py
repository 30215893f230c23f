"""The stage a scenario is played on: the live service on an in-memory database and a virtual clock."""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from channels.headers import Mailbox
from channels.outbox import Calls, Outbox
from channels.policies import Policies
from channels.render import Renderer
from journeys.assets import asset
from journeys.brakes import Tripped, raise_task
from journeys.composer import Composer, Office
from journeys.definitions import MODELS, Draft, Fault, Refused, build, parse
from journeys.dispatcher import Dispatcher
from journeys.life import MOVES
from journeys.lint import lint
from journeys.playbook import Playbook, promises_of
from journeys.reading import read_folder
from journeys.service import Service
from journeys.shipped import shipped
from journeys.simulate import Simulation
from journeys.store import braking, feeds
from journeys.store.accounts import load
from journeys.store.database import Database
from journeys.store.dead import bury
from journeys.store.log import EmbeddedLog
from journeys.store.outcomes import histories
from journeys.store.schema import upgrade
from plays.play import Live
from signals.conditions import Moment, compile_condition
from signals.conditions.node import say
from signals.event import Event, encode
from signals.feeds.port import Record
from signals.fold import remember
from signals.instant import Instant
from signals.problem import id_conflict


@lru_cache(maxsize=1)
def _empty() -> sqlite3.Connection:
    """A migrated, empty database every scenario starts from as a copy."""
    template = Database("sqlite://")
    upgrade(template)
    return template.raw_sqlite()


_SPARE: list[Database] = []
"""Databases of scenarios that are over: what their engines have compiled serves the next one."""


def fresh_database() -> Database:
    """An in-memory database on this version's tables, with nothing in it."""
    database = _SPARE.pop() if _SPARE else Database("sqlite://")
    _empty().backup(database.raw_sqlite())
    return database


@lru_cache(maxsize=1)
def _renderer() -> Renderer:
    return Renderer.from_dir(asset("templates"))


OFFICE = Office(
    sender=Mailbox("success@example.com", "Customer success"),
    postal="Example Ltd, 1 Example Street, Exampletown",
    base_url="https://journeys.example.com",
    secret="a scenario keeps no secrets",  # noqa: S106 - signs links in mails nobody gets
)


class Stage:
    """One scenario's world."""

    def __init__(self, clock: Instant, zone: str = "UTC") -> None:
        self.database = fresh_database()
        self.zone = zone
        self._stamp, self._current = 0, False
        self.drafts: dict[tuple[str, str], Draft] = {}
        self.retired: list[Draft] = []
        self.policies = Policies.only({})
        self.named_policies: dict[str, Any] | None = {}
        self.refused: list[Fault] = []
        self._playbook = Playbook(policies=self.policies, zone=zone)
        self.outbox, self.calls = Outbox(), Calls()
        composer = Composer(_renderer(), OFFICE)
        self.service = Service(self.database, self.playbook, composer)
        self.dispatcher = Dispatcher(
            self.database, self.playbook, composer, self.outbox, webhooks=self.calls, pause=self._brake
        )
        self.log = EmbeddedLog(self.database)
        self.simulation = Simulation(self.database, self.service, self.dispatcher, clock)
        self._events = 0

    def playbook(self) -> Playbook:
        """The playbook as it is now."""
        return self._playbook

    @property
    def now(self) -> Instant:
        """The virtual clock."""
        return self.simulation.now

    # ── definitions ────────────────────────────────────────────────────────────────────────────────────────────

    def use(self, uses: str, beside: Path) -> None:
        """`none`, `defaults` (the shipped library, plays loaded but not active), or a folder beside the file."""
        if uses == "none":
            return
        self.named_policies = None
        self.policies = Policies()
        drafts = shipped() if uses == "defaults" else read_folder((beside / uses).resolve())
        for draft in drafts:
            if draft.kind == "policies":
                self.policies = draft.model
            elif not (uses == "defaults" and draft.kind == "plays"):
                self.drafts[draft.kind, draft.key] = draft

    def define(self, bodies: Mapping[str, Any]) -> None:
        """New versions of these definitions; those that cannot be taken are noted as refused."""
        bodies = dict(bodies)
        current = bool(bodies.pop("current", False))
        live: Live = bodies.pop("live", "pin")
        self._name_policies(bodies.pop("policies", None))
        new = self._activated(bodies.pop("activate", {}))
        new += [draft for kind, listed in bodies.items() for draft in self._parsed(kind, listed)]
        self.drafts = {
            name: msgspec.structs.replace(draft, fresh=False) for name, draft in self.drafts.items()
        }
        before = dict(self.drafts)
        made = {"fresh": True, "live": live, "since": self._stamp + 1}
        for draft in new:
            name = (draft.kind, draft.key)
            self.drafts[name] = msgspec.structs.replace(draft, version=self._next_version(*name), **made)
        self._refuse_faulty({(draft.kind, draft.key) for draft in new}, before)
        self.retired += [draft for name, draft in before.items() if self.drafts.get(name) is not draft]
        self._rebuild(current, before)
        self._count_anew([draft.key for draft in new if draft.kind == "plays"])
        self.fill()

    def _name_policies(self, named: Mapping[str, Any] | None) -> None:
        if named is None:
            return
        if self.named_policies is None:
            self.policies = Policies.read({**self.policies.as_json(), **named})
        else:
            self.named_policies = {**self.named_policies, **named}
            self.policies = Policies.only(self.named_policies)

    def _activated(self, wanted: Mapping[str, Sequence[str]]) -> list[Draft]:
        """Shipped definitions by key, `{plays: [ticket-spike]}`: shipped plays are loaded but not active."""
        known = {(draft.kind, draft.key): draft for draft in shipped()}
        named = [(kind, key) for kind, keys in wanted.items() for key in keys]
        self.refused += [
            Fault(kind, key, "no definition of this kind and key is shipped")
            for kind, key in named
            if (kind, key) not in known
        ]
        return [known[name] for name in named if name in known]

    def _parsed(self, kind: str, listed: Any) -> list[Draft]:
        if kind not in MODELS:
            self.refused.append(Fault(kind, "", "there is no such kind of definition"))
            return []
        bodies = listed if isinstance(listed, list) and kind != "stages" else [listed]
        found = []
        for body in bodies:
            try:
                found.append(parse(kind, body))
            except Refused as refused:
                self.refused += refused.faults
        return found

    def _next_version(self, kind: str, key: str) -> int:
        known = [*self.retired, *self.drafts.values()]
        return 1 + max(
            (draft.version for draft in known if (draft.kind, draft.key) == (kind, key)), default=0
        )

    def _refuse_faulty(self, new: set[tuple[str, str]], before: Mapping[tuple[str, str], Draft]) -> None:
        """What lint finds in the new ones is refused, unless lint is off; what was there `before` what is refused goes on."""
        if self.policies.lint:
            drafts = [*self.drafts.values(), *self._policy_draft()]
            for fault in lint(drafts, _renderer(), new):
                if fault.blocking and (fault.kind, fault.key) in new:
                    self._refuse(fault, before)

    def _refuse(self, fault: Fault, before: Mapping[tuple[str, str], Draft]) -> None:
        name = (fault.kind, fault.key)
        self.refused.append(fault)
        self.drafts.pop(name, None)
        if name in before:
            self.drafts[name] = before[name]

    def _policy_draft(self) -> list[Draft]:
        return [Draft("policies", "policies", {}, self.policies)]

    def _build(self) -> Playbook:
        return build(
            list(self.drafts.values()), self.zone, self.policies, self.retired, self._stamp, self._current
        )

    def _rebuild(self, current: bool = False, before: Mapping[tuple[str, str], Draft] | None = None) -> None:
        """The playbook of what is live; a circle refuses all that are on it, and what was there `before` goes on."""
        self._stamp, self._current = self._stamp + 1, current
        try:
            self._playbook = self._build()
        except Refused as refused:
            for fault in refused.faults:
                self._refuse(fault, before or {})
            self._playbook = self._build()
        self._promise()

    def _promise(self) -> None:
        with self.database.write() as connection:
            feeds.expect(connection, promises_of(self.policies), self.now)

    def fill(self) -> None:
        """Bring every account to the present playbook."""
        last: str | None = ""
        while last is not None:
            last = self.service.fill(self.now, last)

    def set_status(self, kind: str, key: str, status: str) -> None:
        """Pause, resume, drain, stop or archive a definition. Raises KeyError where none of that key is live."""
        draft = self.drafts[kind, key]
        ends = status == "stopped" or (status == "archived" and draft.status == "paused")
        changed = msgspec.structs.replace(draft, status=status, ends=ends, fresh=False)
        if ends:
            self.retired = [
                msgspec.structs.replace(one, ends=True) if (one.kind, one.key) == (kind, key) else one
                for one in self.retired
            ]
        if status == "archived":
            del self.drafts[kind, key]
            self.retired.append(changed)
        else:
            self.drafts[kind, key] = changed
        self._rebuild()
        self._count_anew([key] if status == "active" else [])
        self.fill()

    def _count_anew(self, plays: Sequence[str]) -> None:
        with self.database.write() as connection:
            braking.forget(connection, plays)

    def _brake(self, found: Tripped, now: Instant) -> None:
        if self.drafts["plays", found.play].status in MOVES["paused"]:
            playbook = self._playbook
            self.set_status("plays", found.play, "paused")
            with self.database.write() as connection:
                raise_task(connection, playbook, found, now)

    # ── what happens ───────────────────────────────────────────────────────────────────────────────────────────

    def happen(self, events: Sequence[Event], history: bool = False) -> None:
        """Events enter the log now; ids that came before with other content are dead letters, as from any log."""
        told = self.log.append(events, history)
        conflicts = [
            (
                Record("scenario", self._events + place, encode(event)),
                id_conflict(event.id, event.source),
            )
            for place, (event, outcome) in enumerate(zip(events, told.outcomes, strict=True))
            if outcome == "conflict"
        ]
        if conflicts:
            with self.database.write() as connection:
                bury(connection, conflicts, self.now)

    def next_id(self) -> str:
        """An id for an event that has none."""
        self._events += 1
        return f"scenario-{self._events}"

    def ask(self, account: str, condition: Any) -> tuple[bool | None, str]:
        """Whether a bare condition holds now, its measures counted from the whole history, and what it saw."""
        node = compile_condition(condition, self._playbook.promises)
        with self.database.read() as connection:
            heard = feeds.load(connection)
            state = load(connection, account)
            history = histories(connection, [account]).get(account, [])
        if state is None:
            return None, f"there is no account {account}"
        profile = remember(state.profile, history, list(node.measures()), self.now)
        verdict = node.verdict(Moment(profile, self.now, feeds=heard))
        return verdict.holds, "; ".join(map(say, verdict.because))

    def run(self, until: Instant) -> None:
        """Let time pass."""
        self.simulation.run(until)

    def close(self) -> None:
        """Leave the database to the next scenario."""
        self.database.kept.clear()
        _SPARE.append(self.database)
