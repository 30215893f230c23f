"""Scenarios: `journeys test` plays them by the live code on a virtual clock, once or at every change of a file."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from journeys.cli.common import Json, app
from journeys.cli.output import fail, say, tell
from journeys.definitions import MODELS, Refused
from journeys.scenarios.play import CannotDo, Result, play
from journeys.scenarios.story import StoryRefused, read_stories
from signals.conditions import ConditionRefused

LOOK_EVERY = 0.5
"""Seconds between two looks at the files."""


@app.command("test")
def run_scenarios(
    paths: Annotated[list[Path], typer.Argument(help="Scenario files or folders of them.", exists=True)],
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Run again whenever one of the files, or one beside them, changes."),
    ] = False,
    json: Json = False,
) -> None:
    """Run scenarios by the live code on a virtual clock; exit 1 on a failed expectation."""
    if watch:
        _watch(paths)
    elif not _run(paths):
        raise typer.Exit(1)


def _watch(paths: list[Path]) -> None:
    """Run, wait until a file changes, run again; until Ctrl-C."""
    for changed in changes_of(paths):
        if changed:
            tell("", f"{', '.join(changed)} changed")
        _run(paths)
        tell("watching; Ctrl-C ends it")


def changes_of(paths: list[Path]) -> Iterator[list[str]]:
    """An empty list at once, then the names of the files each time some have changed, come or gone."""
    seen, changed = _stamps(paths), list[str]()
    while True:
        yield changed
        while not (changed := _differing(seen, now := _stamps(paths))):
            time.sleep(LOOK_EVERY)
        seen = now


def _stamps(paths: list[Path]) -> dict[Path, tuple[int, int]]:
    """Every file that a scenario may rest on, with when it was written and how long it is."""
    homes = {path if path.is_dir() else path.parent for path in paths}
    found = {file for home in homes for ending in ("*.y*ml", "*.md") for file in home.rglob(ending)}
    stats = ((file, file.stat()) for file in found if file.exists())
    return {file: (stat.st_mtime_ns, stat.st_size) for file, stat in stats}


def _differing(before: Mapping[Path, object], now: Mapping[Path, object]) -> list[str]:
    return sorted(path.name for path in before.keys() | now.keys() if before.get(path) != now.get(path))


def _run(paths: list[Path]) -> bool:
    """Play them all and tell; whether every expectation held."""
    began = time.perf_counter()
    results, broken = _play_all(_files(paths))
    told = [
        {
            "scenario": r.story.scenario,
            "passed": not r.mismatches,
            "mismatches": [m._asdict() for m in r.mismatches],
        }
        for r in results
    ]
    say(
        {"results": told, "broken": broken},
        lambda: _show_results(results, broken, time.perf_counter() - began),
    )
    if not results and not broken:
        fail("there is no scenario in these files")
    return not broken and not any(result.mismatches for result in results)


def _files(paths: list[Path]) -> list[Path]:
    """The files, and of folders all that may hold scenarios: a folder of definitions has them among others."""
    found: list[Path] = []
    for path in paths:
        found += sorted(filter(_may_hold_scenarios, path.rglob("*.y*ml"))) if path.is_dir() else [path]
    return found


def _may_hold_scenarios(path: Path) -> bool:
    return path.parent.name not in MODELS and path.stem not in MODELS


def _play_all(files: list[Path]) -> tuple[list[Result], list[str]]:
    results, broken = [], []
    for file in files:
        try:
            results += [play(story, file.parent) for story in read_stories(file)]
        except (StoryRefused, CannotDo, Refused, ConditionRefused) as error:
            broken.append(f"{file}: {error}" if str(file) not in str(error) else str(error))
    return results, broken


def _show_results(results: list[Result], broken: list[str], seconds: float) -> None:
    for result in results:
        tell(f"{'✓' if not result.mismatches else '✗'} {result.story.scenario}")
        for mismatch in result.mismatches:
            tell(*(f"    {line}" for line in str(mismatch).splitlines()))
    tell(*(f"✗ {line}" for line in broken))
    failed = sum(bool(result.mismatches) for result in results) + len(broken)
    tell("", f"{len(results) + len(broken) - failed} passed, {failed} failed in {seconds:.1f} s")
