"""The playbook as the database has it: built once per change, seen by every worker within a second."""

import threading
from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec
import sqlalchemy as sa

from channels.policies import Policies
from channels.policy_parts import ControlGroup
from channels.render import Renderer
from journeys.brakes import ACTOR, Tripped, raise_task
from journeys.definitions import Draft, Fault, Refused, build, parse
from journeys.gate import Gate
from journeys.life import LIVE, WAITING, SeenOtherwise
from journeys.lint import lint
from journeys.playbook import Playbook
from journeys.store import audit
from journeys.store.library import Library
from plays.play import Live
from signals.instant import SECOND, Instant

_BESIDE = ("signals", "segments", "content", "blocks", "offers")
"""Kinds whose drafts a draft of a play is tried with."""

LOOK_EVERY = SECOND
"""How often a process asks whether definitions changed."""


class Playbooks:
    """Supplies the current playbook; call it where one is needed."""

    def __init__(
        self,
        library: Library,
        renderer: Renderer,
        zone: str,
        now: Callable[[], Instant],
        gate: Gate | None = None,
    ) -> None:
        """`gate` tries the texts of what is to become live; None takes them untried."""
        self._library, self._renderer, self._zone, self._now = library, renderer, zone, now
        self._gate = gate
        self._lock = threading.Lock()
        self._looked_at: Instant | None = None
        self._playbook = Playbook(zone=zone, stamp=-1)

    def __call__(self) -> Playbook:
        """The playbook of now."""
        now = self._now()
        with self._lock:
            if self._looked_at is None or not 0 <= now - self._looked_at < LOOK_EVERY:
                self._looked_at = now
                self._refresh()
            return self._playbook

    def _refresh(self) -> None:
        stamp, current = self._library.stamp()
        if stamp != self._playbook.stamp:
            drafts = self._library.live()
            live = [draft for draft in drafts if draft.status in LIVE]
            retired = [draft for draft in drafts if draft.status not in LIVE]
            self._playbook = build(live, self._zone, None, retired, stamp, current)

    def pause(self, found: Tripped, now: Instant) -> None:
        """What the brake does: the play is paused where it is open, and its owner gets a task."""
        playbook, why = self(), found.reason

        def also(connection: sa.Connection) -> None:
            raise_task(connection, playbook, found, now)

        if self._library.set_status("plays", found.play, "paused", now, ACTOR, why, also=also):
            self.changed()

    def changed(self) -> None:
        """Definitions have just changed here: do not wait to look."""
        with self._lock:
            self._looked_at = None

    def _together(self, wanted: Sequence[Draft]) -> tuple[list[Draft], list[Draft]]:
        """What would be live with these, and the versions that journeys may still be on."""
        keys = {(draft.kind, draft.key) for draft in wanted}
        known = self._library.live()
        beside = [draft for draft in known if draft.status in LIVE and (draft.kind, draft.key) not in keys]
        retired = [draft for draft in known if draft not in beside and draft not in wanted]
        return [msgspec.structs.replace(draft, fresh=False) for draft in beside] + list(wanted), retired

    def with_these(
        self, wanted: Sequence[Draft], current: bool = False, plays: bool = True, live: Live = "pin"
    ) -> Playbook:
        """The playbook as it would be if these were made live now; `plays` False: without any. Raises Refused."""
        stamp, _ = self._library.stamp()
        made = {"fresh": True, "status": "active", "live": live, "since": stamp + 1, "ends": False}
        together, retired = self._together([msgspec.structs.replace(draft, **made) for draft in wanted])
        if not plays:
            together, retired = [draft for draft in together if draft.kind != "plays"], []
        return build(together, self._zone, None, retired, stamp + 1, current)

    def alone(self, draft: Draft) -> Playbook:
        """A playbook in which this is the only play, for everybody, among what is live and the newest drafts of what
        it may name: what a tryout goes by. Raises Refused, also where the play has faults."""
        together = self._around(draft)
        faults = lint(together, self._renderer, {("plays", draft.key)})
        if any(fault.blocking for fault in faults):
            raise Refused([fault for fault in faults if fault.blocking])
        documents = [one.model for one in together if one.kind == "policies"]
        policies = (documents[0] if documents else Policies()).model_copy(update={"control": ControlGroup()})
        stamp, _ = self._library.stamp()
        return build(together, self._zone, policies, (), stamp + 1)

    def around_text(self, draft: Draft) -> Playbook:
        """What a text is read among before it is live: what is live, the newest drafts of blocks and offers, and it."""
        return self.with_these([*self._waiting("blocks", "offers"), draft], plays=False)

    def _waiting(self, *kinds: str) -> list[Draft]:
        return [
            msgspec.structs.replace(parse(kind, row["body"]), version=row["version"])
            for (kind, _), row in self._library.newest().items()
            if kind in kinds and row["status"] in WAITING
        ]

    def _around(self, draft: Draft) -> list[Draft]:
        drafts = self._waiting(*_BESIDE)
        everybody = msgspec.structs.replace(draft, model=draft.model.model_copy(update={"holdout": 0.0}))
        together, _ = self._together([*drafts, everybody])
        alone = [one for one in together if one.kind != "plays" or one.key == draft.key]
        return [msgspec.structs.replace(one, status="active", ends=False) for one in alone]

    def token(self, wanted: Sequence[Draft], current: bool = False, live: Live = "pin") -> str:
        """Names the live definitions of now, these, and how they are to be made live: what a dry run saw, and an
        activation may insist on.
        """
        stamp, _ = self._library.stamp()
        named = sorted(f"{draft.kind}/{draft.key}/{draft.hash}" for draft in wanted)
        said = "\n".join([live, str(current), *named])
        return f"{stamp}-{sha256(said.encode()).hexdigest()[:16]}"

    def check(self, wanted: Sequence[Draft]) -> list[Fault]:
        """What would be wrong if these became live beside what is."""
        keys = {(draft.kind, draft.key) for draft in wanted}
        together, _ = self._together(wanted)
        found = lint(together, self._renderer, keys)
        faults = [fault for fault in found if (fault.kind, fault.key) in keys]
        try:
            coming = build(together, self._zone)
        except Refused as refused:
            return faults + refused.faults
        if self._gate is None or any(fault.blocking for fault in faults):
            return faults  # what is plainly wrong is mended before anything is tried
        return faults + self._gate.faults(together, wanted, coming, self._now())

    def activate(
        self,
        wanted: Sequence[Draft],
        now: Instant,
        current: bool = False,
        token: str | None = None,
        live: Live = "pin",
        actor: str = audit.SERVICE,
    ) -> int:
        """Make these versions live after all checks, `live` saying what becomes of journeys on the versions before.

        Raises Refused with every fault, SeenOtherwise where a `token` is given and other definitions are live, or
        other versions wanted, than when it was, NotApproved and NotPossible.
        """
        faults = [fault for fault in self.check(wanted) if fault.blocking]
        if faults:
            raise Refused(faults)
        seen = None
        if token is not None:
            if token != self.token(wanted, current, live):
                raise SeenOtherwise
            seen = int(token.partition("-")[0])
        stamp = self._library.activate(wanted, now, current, seen, live, actor)
        self.changed()
        return stamp
