"""Bringing files of events into the log: mapped rows or CloudEvents lines, in batches, resumable, nothing twice."""

from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import orjson
import sqlalchemy as sa
import yaml

from journeys.store import bulk
from journeys.store.database import Database
from journeys.store.dead import bury
from journeys.store.log import EmbeddedLog
from journeys.store.tables import imports
from signals.event import Event, encode
from signals.feeds.port import Record
from signals.instant import Instant
from signals.problem import Problem, id_conflict
from signals.sources import cloudevents, mapped
from signals.sources.csv_rows import read_rows
from signals.sources.segment import Translator

BATCH = 1_000
_CLOUDEVENT = (("content-type", b"application/cloudevents+json"),)


class Imported(msgspec.Struct):
    """What became of a file: rows read, events new, known before, refused by reason (with the first of each)."""

    file: str
    rows: int = 0
    skipped_rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: dict[str, int] = {}
    first_refusals: dict[str, str] = {}

    def refuse(self, reason: str, detail: str, row: int | None = None) -> None:
        """Count one that was not taken; `row` is its place in the file, where the detail does not say it already."""
        self.refused[reason] = self.refused.get(reason, 0) + 1
        place = "" if row is None or detail.startswith(f"row {row}:") else f"row {row}: "
        self.first_refusals.setdefault(reason, f"{place}{detail}")


Reader = Callable[[Path, Instant], Iterator[tuple[int, Event | Problem | None]]]
"""Reads a file at an instant: for each row its number and an event, what is wrong with it, or None where its mapping
ignores it."""


def reader(path: Path, mapping: Path | None, segment: Translator | None = None) -> Reader:
    """How to read this file: Segment calls where `segment` says how, mapped rows, or CloudEvents lines.

    Raises ValueError for a mapping that is none.
    """
    if segment is not None:
        return _calls(segment)
    return _lines if mapping is None else _mapped(path, mapping)


def overriding(mapping: Path) -> Translator:
    """Segment calls read by this mapping before the shipped names. Raises ValueError for a mapping that is none."""
    return Translator(mapped.compile(_mapping(mapping)))


class Importer:
    """Appends a file to the embedded log; how far it got is committed with every batch."""

    def __init__(
        self, database: Database, log: EmbeddedLog, clock: Callable[[], Instant], history: bool = True
    ) -> None:
        self._database, self._log, self._clock, self._history = database, log, clock, history

    def run(
        self,
        path: Path,
        mapping: Path | None,
        progress: Callable[[int], None] = lambda _: None,
        segment: Translator | None = None,
    ) -> Imported:
        """The whole file, from where an import stopped half-way left off. Raises ValueError for a mapping that is none."""
        read = reader(path, mapping, segment)
        name = _fingerprint(path, mapping)
        told = Imported(path.name, skipped_rows=self._begin(name))
        batch: list[tuple[int, Event]] = []
        refused: list[tuple[Record, Problem]] = []
        partition = f"file/{path.name}"
        now = self._clock()
        for number, item in read(path, now):
            if number <= told.skipped_rows:
                continue
            if number > told.rows:
                if len(batch) + len(refused) >= BATCH:
                    self._commit(name, partition, told, batch, refused)
                    progress(told.rows)
                    batch, refused = [], []
                told.rows = number
            if isinstance(item, Problem):
                refused.append((Record(partition, number, None), item))
            elif item is not None:
                batch.append((number, item))
        self._commit(name, partition, told, batch, refused, finished=True)
        progress(told.rows)
        return told

    def _begin(self, name: str) -> int:
        """The row to go on after; a finished import starts over (and finds everything known)."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(imports).where(imports.c.file == name)).first()
        return 0 if row is None or row.finished else int(row.rows)

    def _commit(
        self,
        name: str,
        partition: str,
        told: Imported,
        batch: list[tuple[int, Event]],
        refused: list[tuple[Record, Problem]],
        finished: bool = False,
    ) -> None:
        """Events, dead letters and how far the file has been read, in one transaction."""
        now = self._clock()
        with self._database.write() as connection:
            outcomes = self._log.append_in(connection, [event for _, event in batch], self._history).outcomes
            for (number, event), outcome in zip(batch, outcomes, strict=True):
                if outcome == "conflict":
                    refused.append(
                        (Record(partition, number, encode(event)), id_conflict(event.id, event.source))
                    )
            bury(connection, refused, now)
            row: dict[str, Any] = {"file": name, "rows": told.rows, "finished": finished, "at": now}
            bulk.upsert(connection, imports, [row])
        told.accepted += outcomes.count("new")
        told.duplicates += outcomes.count("duplicate")
        for record, problem in refused:
            told.refuse(problem.reason, problem.detail, record.offset)


def _fingerprint(path: Path, mapping: Path | None) -> str:
    """A file is known by its name, size and beginning, with the mapping it is read by."""
    digest = sha256(path.name.encode())
    digest.update(str(path.stat().st_size).encode())
    with path.open("rb") as stream:
        digest.update(stream.read(1 << 20))
    if mapping is not None:
        digest.update(mapping.read_bytes())
    return digest.hexdigest()


def _lines(path: Path, now: Instant) -> Iterator[tuple[int, Event | Problem]]:
    """JSON lines of structured CloudEvents."""
    for number, row in read_rows(path, "json"):
        if isinstance(row, Problem):
            yield number, row
            continue
        for item in cloudevents.read_record(orjson.dumps(row), _CLOUDEVENT, now):
            yield number, item


def _calls(translator: Translator) -> Reader:
    """JSON lines of Segment calls, or of batches of them."""

    def read(path: Path, now: Instant) -> Iterator[tuple[int, Event | Problem]]:
        for number, row in read_rows(path, "json"):
            items = [row] if isinstance(row, Problem) else translator.read(row, now)
            yield from ((number, item) for item in items)

    return read


def _mapping(path: Path) -> mapped.Mapping:
    try:
        body = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name} is not YAML: {error}") from error
    return mapped.Mapping.model_validate(body)


def _mapped(path: Path, mapping: Path) -> Reader:
    model = _mapping(mapping)
    mapper = mapped.compile(model)
    lookups = {table: mapper.index(table, _rows_of(path, table)) for table in mapper.tables}

    def read(source: Path, now: Instant) -> Iterator[tuple[int, Event | Problem | None]]:
        for number, row in read_rows(source, model.format):
            if isinstance(row, Problem):
                yield number, row
                continue
            for item in mapper.events(row, number, model.key, lookups, now) or (None,):
                yield number, item

    return read


def _rows_of(path: Path, table: str) -> Iterator[tuple[int, Any]]:
    """The rows of a lookup table: a file named after it, beside the one that is imported."""
    for suffix in (".csv", ".csv.gz", ".json", ".jsonl", ".jsonl.gz"):
        candidate = path.parent / f"{table}{suffix}"
        if candidate.is_file():
            yield from read_rows(candidate, "csv" if ".csv" in suffix else "json")
            return
    raise ValueError(
        f"the mapping looks things up in {table!r}, and there is no {table}.csv beside {path.name}"
    )


def total_refused(results: list[Imported]) -> Counter[str]:
    """Refusals of several files by reason."""
    return sum((Counter(result.refused) for result in results), Counter())
