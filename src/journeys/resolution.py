"""Whose the events of one batch are, each seen for the first time: our ids for every name they come with."""

from collections.abc import Sequence

import sqlalchemy as sa

from journeys.arrivals import Arrival
from journeys.identity import Identity
from journeys.ids import Link
from journeys.merging import recognise
from journeys.recognition import Visits
from journeys.store import identities, outcomes
from signals.feeds.port import Record
from signals.instant import Instant
from signals.problem import Problem, id_conflict


class Resolution:
    """Resolves the arrivals of one batch in their order. What it learns of ids is written by `save`."""

    def __init__(
        self, connection: sa.Connection, arrivals: Sequence[Arrival], now: Instant, *, alone: bool
    ) -> None:
        """`alone`: nobody else folds at the same time (`identities.lock`), so that ids may be joined."""
        self._connection, self._now, self._alone = connection, now, alone
        self.dead: list[tuple[Record, Problem]] = []
        self.duplicates = 0
        self.found: list[Arrival] = []
        self._links: list[tuple[Link, int]] = []
        self._visits = Visits(connection, arrivals, now)
        recognised = self._visits.recognise(list(arrivals))
        hoped = list(self._visits.hoped_for())
        events = [*(arrival.event for arrival in recognised), *(named.event for named in hoped)]
        keys = [*(arrival.key for arrival in recognised), *(named.key for named in hoped)]
        self._identity: Identity = recognise(connection, events)
        self._known = outcomes.known_hashes(connection, keys)
        for arrival in recognised:
            self._take(arrival)
        self._settle()

    def _take(self, arrival: Arrival) -> None:
        """The event, and what waited for it to say who somebody is."""
        if not self._is_new(arrival):
            return
        resolved = self._resolved(arrival)
        if resolved is not None:
            self._known[arrival.key] = arrival.content
            self.found.append(resolved)
            for waited in self._visits.released_by(resolved):
                self._take(waited)

    def _is_new(self, arrival: Arrival) -> bool:
        """The first wins, the same again is nothing, other content a dead letter (I3)."""
        content = self._known.get(arrival.key)
        if content is None:
            return True
        if content == arrival.content:
            self.duplicates += 1
        else:
            self.dead.append((arrival.record, id_conflict(arrival.event.id, arrival.event.source)))
        return False

    def _resolved(self, arrival: Arrival) -> Arrival | None:
        """With our ids; None for a dead letter, and for one that waits. Raises NotAlone."""
        if self._identity.is_plain(arrival.event):
            return arrival
        found = self._identity.resolve(arrival.event)
        if isinstance(found, Problem):
            if not self._visits.wait(arrival, found):
                self.dead.append((arrival.record, found))
            return None
        if found.merges and not self._alone:
            raise identities.NotAlone
        self._links += [(link, arrival.record.offset) for link in found.links]
        return arrival._replace(event=found.event, merges=found.merges)

    def _settle(self) -> None:
        for arrival, problem in self._visits.settle():
            if problem is None:
                self.duplicates += 1
            else:
                self.dead.append((arrival.record, problem))

    def save(self, following: int) -> None:
        """Write what the records before this offset said of who is who."""
        self._visits.save(following)
        links = [self._identity.settled(link) for link, offset in self._links if offset < following]
        identities.save_links(self._connection, links, self._now)
