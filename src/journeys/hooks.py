"""Vendors' webhooks: checked, mapped, durable before the answer (interfaces.md §3 `POST /v1/hooks/{source}`).

Nothing that was signed is lost. What a mapping makes an event of is in the log; what no rule takes, what cannot be
kept, what came before with other content is a dead letter with the bytes as they came; what a mapping ignores is
counted. A delivery sent again changes nothing: the vendor's id is the event's.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, TypeAlias

from journeys.ingest import Outlet
from signals.event import Event
from signals.instant import Instant
from signals.problem import Problem, Refused, id_conflict
from signals.sources import hook_secrets, wire
from signals.sources.hook_secrets import GENERIC, Secrets
from signals.sources.mapped import Mapper
from signals.sources.signatures import Delivery

MAX_ROWS = 1_000
"""Rows of one payload."""

DELIVERY = "$delivery"
"""The field of every row that names its delivery: the header `webhook-id`, else a digest of the bytes."""

Aside: TypeAlias = Callable[[str, Sequence[tuple[bytes, Problem]]], None]
"""Keeps what came from a source and could not be taken, durably."""


class Receipt(NamedTuple):
    """What became of the rows of a delivery; `kept` are dead letters."""

    accepted: int = 0
    duplicates: int = 0
    ignored: int = 0
    kept: int = 0


class Tally:
    """How many rows of each source came to what, since this process began."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, source: str, **outcomes: int) -> None:
        """Count these."""
        with self._lock:
            self._counts.update({(source, outcome): count for outcome, count in outcomes.items() if count})

    def counts(self) -> dict[tuple[str, str], int]:
        """(source, outcome) and how many."""
        with self._lock:
            return dict(self._counts)


class Hooks:
    """Takes deliveries. `mapper` answers the live mapping of a name, else the shipped one, else None."""

    def __init__(
        self,
        secrets: Secrets,
        mapper: Callable[[str], Mapper | None],
        outlet: Outlet,
        aside: Aside,
    ) -> None:
        self._secrets, self._mapper, self._outlet, self._aside = secrets, mapper, outlet, aside
        self.tally = Tally()

    def check(self, source: str, delivery: Delivery) -> None:
        """Raise Refused (401) unless the sender holds a secret of the source; a source without one is shut."""
        try:
            hook_secrets.check(source, delivery, self._secrets.get(source, ()))
        except Refused:
            self.tally.add(source, refused=1)
            raise

    def take(self, source: str, raw: bytes, name: str | None, now: Instant) -> Receipt:
        """Make durable what a checked delivery holds; `name` is the sender's own for it.

        Raises Refused for what is no JSON (400), no object or list of them (422), or too many rows (413), and
        Unavailable where nothing can be made durable: the vendor will send it again.
        """
        items = self._items(source, _payload(raw), name or digest(raw), now)
        events = [item for item in items if isinstance(item, Event)]
        refused = [item for item in items if isinstance(item, Problem)]
        outcomes = self._outlet.accept(events) if events else []
        for event, outcome in zip(events, outcomes, strict=True):
            if outcome == "conflict":
                refused.append(id_conflict(event.id, event.source))
        if refused:
            self._aside(source, [(raw, problem) for problem in refused])
        ignored = sum(item is None for item in items)
        receipt = Receipt(outcomes.count("new"), outcomes.count("duplicate"), ignored, len(refused))
        self.tally.add(source, **receipt._asdict())
        return receipt

    def _items(self, source: str, payload: Any, name: str, now: Instant) -> list[Event | Problem | None]:
        """An event or problem for each rule that takes a row; None for a row that is ignored."""
        if isinstance(payload, Problem):
            return [payload]
        key = source.removeprefix(GENERIC)
        mapper = self._mapper(key)
        if mapper is None:
            return [
                Problem(
                    422, "unmapped", f"there is no live mapping {key!r} for JSON: activate one, and replay"
                )
            ]
        try:
            rows = mapper.rows(payload)
        except Refused as refused:
            return [refused.problem]
        if len(rows) > MAX_ROWS:
            raise Refused(Problem(413, "too_large", f"{len(rows)} rows in one payload, {MAX_ROWS} are taken"))
        return [item for row in _named(rows, name) for item in _mapped(mapper, row, key, now)]


class _Row(NamedTuple):
    """A row, and its number among several."""

    number: int
    row: Any


def _mapped(mapper: Mapper, row: _Row, source: str, now: Instant) -> Sequence[Event | Problem | None]:
    if isinstance(row.row, Problem):
        return [row.row]
    return mapper.events(row.row, row.number, source, {}, now) or [None]


def _named(rows: Sequence[Any], name: str) -> Iterator[_Row]:
    for number, row in enumerate(rows, start=1):
        alone = len(rows) == 1
        if isinstance(row, dict):
            row = {**row, DELIVERY: name if alone else f"{name}/{number}"}  # noqa: PLW2901 - the row as it is read
        elif not isinstance(row, Problem):
            row = Problem(422, "invalid", f"row {number} is no JSON object")  # noqa: PLW2901
        yield _Row(0 if alone else number, row)


def _payload(raw: bytes) -> Any:
    """The payload; a Problem stands where a value in it cannot be kept. Raises Refused for what is no JSON."""
    try:
        found = wire.parse_items(raw) if raw.lstrip(b" \t\r\n")[:1] == b"[" else wire.parse(raw)
    except Refused as refused:
        if refused.problem.status != 422:
            raise
        return refused.problem
    if not isinstance(found, dict | list):
        raise Refused(Problem(422, "invalid", "a webhook's payload is a JSON object, or a list of them"))
    return found


def digest(raw: bytes) -> str:
    """Names a delivery that has no name of its own: the same bytes are the same delivery."""
    return blake2b(raw, digest_size=16).hexdigest()
