"""Definitions as files, and scenarios: `apply`, `diff`, `lint`, `pull`, `test`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer

from channels.render import Renderer
from journeys.api.shelf import How, Shelf
from journeys.assets import asset
from journeys.changes import changes
from journeys.cli.common import Json, app, parts
from journeys.cli.online import TIMEOUT, dead_links
from journeys.cli.output import bar, fail, lines, say, table, tell
from journeys.cli.remote import apply_drafts, beside, live_drafts
from journeys.definitions import Draft, Fault, Refused
from journeys.folder import write_folder
from journeys.impact import shown
from journeys.life import LIVE, NotNow
from journeys.lint import lint as lint_drafts
from journeys.reading import located, read_folder
from journeys.rehearsal import Trials
from journeys.store.audit import COMMAND_LINE
from plays.play import Live


class Mode(StrEnum):
    """What becomes of live journeys, as an option takes it."""

    PIN = "pin"
    MIGRATE = "migrate"
    DRAIN = "drain"


Folder = Annotated[
    Path, typer.Argument(help="A folder laid out as in definitions.md.", exists=True, file_okay=False)
]


def read_or_tell(folder: Path) -> list[Draft]:
    """The definitions of a folder; what is wrong with it is told, and ends the command."""
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
    drafts = read_or_tell(folder)
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
def apply(
    folder: Folder,
    activate: Annotated[bool, typer.Option("--activate", help="Make them live after all checks.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    current: Annotated[
        bool, typer.Option("--current", help="With --activate: also act where a trigger holds already.")
    ] = False,
    live: Annotated[
        Mode,
        typer.Option("--live", help="With --activate: what becomes of journeys on the versions before."),
    ] = Mode.PIN,
    token: Annotated[
        str | None,
        typer.Option(help="With --activate: what a dry run told; refused where things have changed since."),
    ] = None,
    json: Json = False,
) -> None:
    """Bring the definitions of a folder into the service: new versions where they differ."""
    how = {"activate": activate, "dry_run": dry_run, "current": current, "live": live.value, "token": token}
    found = _bring(folder, **how)
    verb = "would change" if dry_run else "activated" if activate else "kept as drafts"
    said = found if activate and dry_run else found["changes"]
    say(said, lambda: _show_applied(found, verb))


@app.command()
def diff(folder: Folder, json: Json = False) -> None:
    """What `apply` would change, line by line; exit 1 where something would."""
    found: Sequence[dict[str, Any]] = _bring(folder, dry_run=True)["changes"]
    say(found, lambda: _show_diff(found))
    if found:
        raise typer.Exit(1)


def _bring(folder: Path, **how: Any) -> dict[str, Any]:
    """By the running service where JOURNEYS_URL names one, else here; `{changes}`, and what an activation makes of
    accounts: `{accounts, would, token}` of a dry run, else `{made}`."""
    drafts = read_or_tell(folder)
    try:
        with beside() as remote, _progress(how.get("activate", False)) as show:
            if remote is None:
                return _bring_here(drafts, show, **how)
            return apply_drafts(remote, drafts, show, **how)
    except Refused as refused:
        _show_faults([located(fault, folder) for fault in refused.faults])
        raise typer.Exit(1) from refused
    except NotNow as refused:
        fail(str(refused))


def _progress(activates: bool) -> AbstractContextManager[Callable[..., None]]:
    return bar("accounts brought to them", None) if activates else nullcontext(lambda *_: None)


def _bring_here(
    drafts: list[Draft],
    show: Callable[[int, int], None],
    *,
    activate: bool = False,
    dry_run: bool = False,
    current: bool = False,
    live: Live = "pin",
    token: str | None = None,
) -> dict[str, Any]:
    with parts() as made:
        if dry_run:
            trials = Trials(made.database)
            shelf = Shelf(made.library, made.playbooks, made.filler, trials, made.now, lambda: None)
            return shelf.apply(drafts, activate, True, How(current=current, live=live), COMMAND_LINE)
        found: dict[str, Any] = {"changes": changes(drafts, made.library.newest(), activate)}
        if not activate:
            made.library.put(drafts, made.now(), COMMAND_LINE)
            return found
        told = lambda filling: show(filling.done, filling.accounts)  # noqa: E731 - named for the line below
        made.activate(drafts, current, told, live=live, token=token, actor=COMMAND_LINE)
        filling = made.filler.progress() if found["changes"] else None
        return found if filling is None else {**found, "made": shown(filling.made)}


def _show_applied(found: dict[str, Any], verb: str) -> None:
    """What changes, and what that makes of the accounts."""
    _show_changes(found["changes"], verb)
    if "would" in found:
        looked_at = found["would"]["accounts"]
        of = "" if looked_at == found["accounts"] else f" (of {looked_at:,} looked at)"
        _show_numbers(f"{found['accounts']:,} accounts{of}, of which would", found["would"])
        tell(f"--token {found['token']} activates only what was seen here")
    elif found["changes"] and "made" in found:
        _show_numbers(f"{found['made']['accounts']:,} accounts, of which", found["made"])


def _show_numbers(title: str, counts: dict[str, Any]) -> None:
    """Signals that open, segments that are left, journeys that start, move and end: how many of each."""
    rows = [
        [f"{kind}/{one['key']}", word, number]
        for kind, listed in counts.items()
        if isinstance(listed, list)
        for one in listed
        for word, number in one.items()
        if word != "key" and number
    ]
    table(title, ["of", "what", "accounts"], rows)


def _show_changes(found: Sequence[dict[str, Any]], verb: str) -> None:
    if not found:
        tell("nothing differs")
        return
    table(verb, ["kind", "key", "change"], [[c["kind"], c["key"], c["change"]] for c in found])


def _show_diff(found: Sequence[dict[str, Any]]) -> None:
    """Each definition under its name with the lines that differ; of a new one only its length."""
    for change in found:
        new = change["change"] == "new"
        size = f", {len(change['diff']) - 1} lines" if new else ""
        tell(f"{change['kind']}/{change['key']}: {change['change']}{size}")
        tell(*(f"  {line}" for line in ([] if new else change["diff"])), *([] if new else [""]))
    _show_changes(found, "would change")


@app.command()
def pull(folder: Annotated[Path, typer.Argument(help="Where to write.")], json: Json = False) -> None:
    """Write the live definitions to a folder, laid out as `apply` reads them; a file that says the same stays."""
    try:
        with beside() as remote:
            drafts = live_drafts(remote) if remote is not None else _live_here()
        written = write_folder(folder, drafts)
    except Refused as refused:
        _show_faults(refused.faults)
        raise typer.Exit(1) from refused
    say(written, f"{len(drafts)} definitions in {folder}, {len(written)} files written")


def _live_here() -> list[Draft]:
    with parts() as made:
        return [draft for draft in made.library.live() if draft.status in LIVE]
