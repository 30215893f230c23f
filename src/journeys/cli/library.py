"""Definitions as files, and scenarios: `apply`, `diff`, `lint`, `pull`, `test`."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer
import yaml

from channels.render import Renderer
from journeys.assets import asset
from journeys.cli.common import Json, app, parts
from journeys.cli.online import TIMEOUT, dead_links
from journeys.cli.output import bar, fail, lines, say, table, tell
from journeys.cli.remote import apply_drafts, beside
from journeys.definitions import MODELS, Draft, Fault, Refused, located, read_folder
from journeys.lint import lint as lint_drafts
from journeys.scenarios.play import CannotDo, Result, play
from journeys.scenarios.story import StoryRefused, read_stories
from journeys.texts import reuse as shared_texts
from plays.content import Block, Content
from signals.conditions import ConditionRefused

Folder = Annotated[
    Path, typer.Argument(help="A folder laid out as in definitions.md.", exists=True, file_okay=False)
]


def _read(folder: Path) -> list[Draft]:
    try:
        return read_folder(folder)
    except Refused as refused:
        _show_faults(refused.faults)
        raise typer.Exit(1) from refused


_TOLD = ("kind", "key", "file", "line", "pointer", "detail", "mend", "blocking")


def _show_faults(faults: list[Fault]) -> None:
    say(
        [{name: getattr(fault, name) for name in _TOLD} for fault in faults],
        lines(*faults),
    )


@app.command()
def lint(
    folder: Folder,
    online: Annotated[bool, typer.Option("--online", help="Also ask every fixed link of the texts.")] = False,
    json: Json = False,
) -> None:
    """Check definitions: what would be refused or fail later, each with its file, its line and a way to mend it."""
    drafts = _read(folder)
    faults = lint_drafts(drafts, Renderer.from_dir(asset("templates")))
    if online:
        with httpx2.Client(timeout=TIMEOUT, follow_redirects=True) as client:
            faults += dead_links(drafts, client)
    if not faults:
        say([], "nothing to mend")
        return
    _show_faults([located(fault, folder) for fault in faults])
    if any(fault.blocking for fault in faults):
        raise typer.Exit(1)


@app.command()
def reuse(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="A folder of definitions; without one: what is live.", exists=True, file_okay=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """How much of what customers read is written once and used in several contents: content reuse %."""
    told = _live_reuse() if folder is None else shared_texts(*_texts(_read(folder)))
    percent = "no texts" if told["percent"] is None else f"{told['percent']} %"
    summary = (
        f"content reuse {percent}: {told['shared']} of {told['pieces']} pieces of {told['contents']} contents"
    )
    rows = sorted(told["blocks"].items(), key=lambda row: (-row[1], row[0]))
    say(told, lambda: table(summary, ["block", "contents"], [[key, str(users)] for key, users in rows]))


def _live_reuse() -> dict[str, Any]:
    with beside() as remote:
        if remote is not None:
            return dict(remote.get("/v1/definitions/reuse"))
    with parts() as made:
        return shared_texts(*_texts(draft for draft in made.library.live() if draft.status != "retired"))


def _texts(drafts: Iterable[Draft]) -> tuple[list[Content], dict[str, Block]]:
    models = [draft.model for draft in drafts]
    contents = [model for model in models if isinstance(model, Content)]
    return contents, {model.key: model for model in models if isinstance(model, Block)}


@app.command()
def apply(
    folder: Folder,
    activate: Annotated[bool, typer.Option("--activate", help="Make them live after all checks.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    current: Annotated[
        bool, typer.Option("--current", help="With --activate: also act where a trigger holds already.")
    ] = False,
    json: Json = False,
) -> None:
    """Bring the definitions of a folder into the service: new versions where they differ."""
    changes = _bring(_read(folder), activate=activate, dry_run=dry_run, current=current)
    verb = "would change" if dry_run else "activated" if activate else "kept as drafts"
    say(changes, lambda: _show_changes(changes, verb))


@app.command()
def diff(folder: Folder, json: Json = False) -> None:
    """What `apply` would change; exit 1 where something would."""
    changes = _bring(_read(folder), dry_run=True)
    say(changes, lambda: _show_changes(changes, "would change"))
    if changes:
        raise typer.Exit(1)


def _bring(drafts: list[Draft], **how: bool) -> Sequence[dict[str, Any]]:
    """By the running service where JOURNEYS_URL names one, else here."""
    try:
        with beside() as remote, _progress(how.get("activate", False)) as show:
            if remote is None:
                return _bring_here(drafts, show, **how)
            return apply_drafts(remote, drafts, show, **how)
    except Refused as refused:
        _show_faults(refused.faults)
        raise typer.Exit(1) from refused


def _progress(activates: bool) -> AbstractContextManager[Callable[..., None]]:
    return bar("accounts brought to them", None) if activates else nullcontext(lambda *_: None)


def _bring_here(
    drafts: list[Draft],
    show: Callable[[int, int], None],
    *,
    activate: bool = False,
    dry_run: bool = False,
    current: bool = False,
) -> Sequence[dict[str, Any]]:
    with parts() as made:
        changes = made.library.changes(drafts, activate)
        if dry_run:
            return changes
        if activate:
            made.activate(drafts, current, lambda filling: show(filling.done, filling.accounts))
        else:
            made.library.put(drafts, made.now())
        return changes


def _show_changes(changes: Sequence[dict[str, Any]], verb: str) -> None:
    if not changes:
        tell("nothing differs")
        return
    table(verb, ["kind", "key", "change"], [[c["kind"], c["key"], c["change"]] for c in changes])


@app.command()
def pull(folder: Annotated[Path, typer.Argument(help="Where to write.")], json: Json = False) -> None:
    """Write the live definitions to a folder, laid out as `apply` reads them."""
    with parts() as made:
        drafts = [draft for draft in made.library.live() if draft.status != "retired"]
    written = [str(_write(folder, draft)) for draft in drafts]
    say(written, f"{len(written)} definitions in {folder}")


def _write(folder: Path, draft: Draft) -> Path:
    if draft.kind in ("content", "blocks"):
        head = {name: value for name, value in draft.body.items() if name != "body"}
        path = folder / draft.kind / f"{draft.key.replace('@', '.')}.md"
        text = f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n{draft.body.get('body', '')}\n"
    elif draft.kind in ("stages", "policies"):
        path, body = folder / f"{draft.kind}.yaml", draft.body
        text = yaml.safe_dump(body.get("stages", body), sort_keys=False, allow_unicode=True)
    elif draft.kind == "milestones":
        path = folder / "milestones.yaml"
        before = path.read_text("utf-8") if path.exists() else ""
        text = before + yaml.safe_dump([draft.body], sort_keys=False, allow_unicode=True)
    else:
        path = folder / draft.kind / f"{draft.key}.yaml"
        text = yaml.safe_dump(draft.body, sort_keys=False, allow_unicode=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


@app.command("test")
def run_scenarios(
    paths: Annotated[list[Path], typer.Argument(help="Scenario files or folders of them.", exists=True)],
    json: Json = False,
) -> None:
    """Run scenarios by the live code on a virtual clock; exit 1 on a failed expectation."""
    began = time.perf_counter()
    results, broken = _play_all(_files(paths))
    failed = [result for result in results if result.mismatches]
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
    if failed or broken:
        raise typer.Exit(1)
    if not results:
        fail("there is no scenario in these files")


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
