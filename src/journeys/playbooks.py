"""The playbook as the database has it: built once per change, seen by every worker within a second."""

import threading
from collections.abc import Callable, Sequence

from channels.render import Renderer
from journeys.definitions import Draft, Fault, Refused, build, lint
from journeys.playbook import Playbook
from journeys.store.library import LIVE, Library
from signals.instant import SECOND, Instant

LOOK_EVERY = SECOND
"""How often a process asks whether definitions changed."""


class Playbooks:
    """Supplies the current playbook; call it where one is needed."""

    def __init__(self, library: Library, renderer: Renderer, zone: str, now: Callable[[], Instant]) -> None:
        self._library, self._renderer, self._zone, self._now = library, renderer, zone, now
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
            retired = [draft for draft in drafts if draft.status == "retired"]
            self._playbook = build(live, self._zone, None, retired, stamp, current)

    def changed(self) -> None:
        """Definitions have just changed here: do not wait to look."""
        with self._lock:
            self._looked_at = None

    def check(self, wanted: Sequence[Draft]) -> list[Fault]:
        """What would be wrong if these became live beside what is."""
        keys = {(draft.kind, draft.key) for draft in wanted}
        live = [draft for draft in self._library.live() if draft.status in LIVE]
        together = [draft for draft in live if (draft.kind, draft.key) not in keys] + list(wanted)
        faults = [fault for fault in lint(together, self._renderer) if (fault.kind, fault.key) in keys]
        try:
            build(together, self._zone)
        except Refused as refused:
            faults += refused.faults
        return faults

    def activate(self, wanted: Sequence[Draft], now: Instant, current: bool = False) -> int:
        """Make these versions live after all checks. Raises Refused with every fault."""
        faults = self.check(wanted)
        if faults:
            raise Refused(faults)
        stamp = self._library.activate(wanted, now, current)
        self.changed()
        return stamp
