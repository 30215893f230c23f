"""A crash schedule: one seed decides the stream, the provider, and where each process is killed."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

from faults.checkers import ALWAYS, AT_THE_END, positions_never_go_back
from faults.process import live
from faults.seen_after import look
from faults.stream import Stream, stream
from journeys.store.database import Database
from journeys.store.tables import metadata

MOST_KILLS = 4
"""Processes of one schedule that are killed; the next one lives until all is over."""

KILLED = -9


class Result(NamedTuple):
    """What one schedule came to."""

    seed: int
    kills: int
    violations: tuple[tuple[str, str], ...]  # (checker, what it saw)
    trace: str  # the journal, which is the same for the same seed

    def __str__(self) -> str:
        lines = [f"seed {self.seed}, {self.kills} kills:"]
        return "\n".join([*lines, *(f"  {name}: {what}" for name, what in self.violations)])


def no_mutation() -> None:
    """The code as it is."""


def run(seed: int, mutate: Callable[[], None] = no_mutation, stop_early: bool = False) -> Result:
    """The schedule of this seed, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    try:
        shutil.copy(_empty_database(), folder / "base.db")
        (folder / "journal").touch()
        found = tuple(_lives(folder, seed, stream(seed), mutate, stop_early))
        journal = (folder / "journal").read_text()
        return Result(seed, journal.count("killed "), found, journal)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lives(
    folder: Path, seed: int, script: Stream, mutate: Callable[[], None], stop_early: bool
) -> Iterator[tuple[str, str]]:
    random = Random(f"kills/{seed}")
    positions: dict[str, int] = {}
    for _ in range(MOST_KILLS):
        status = live(folder, seed, script, random.randint(1, 130), mutate)
        if status != KILLED:
            break
        seen = look(folder, script)
        yield from (
            ("positions_never_go_back", what) for what in positions_never_go_back(positions, seen.positions)
        )
        positions = seen.positions
        for check in ALWAYS:
            yield from ((check.__name__, what) for what in check(seen))
    else:
        status = live(folder, seed, script, None, mutate)
    if status:
        broke = folder / "broke"
        yield "no_process_breaks", broke.read_text() if broke.exists() else f"exit status {status}"
    seen = look(folder, script)
    for check in AT_THE_END:
        yield from ((check.__name__, what) for what in check(seen))


@cache
def _empty_database() -> Path:
    """A database with its tables, made once and copied for every schedule."""
    path = Path(tempfile.mkdtemp(prefix="crash-empty-")) / "base.db"
    database = Database(f"sqlite:///{path}", durable=False, lock=False)
    with database.write() as connection:
        metadata.create_all(connection)
    database.close()
    return path


def broken(seeds: Iterable[int]) -> tuple[list[Result], int]:
    """The schedules in which something broke, and how many kills there were in all."""
    results = [run(seed) for seed in seeds]
    return [result for result in results if result.violations], sum(result.kills for result in results)
