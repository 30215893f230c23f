"""Data in and answers out: `events import`, `explain`, `dead`."""

import base64
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from journeys.bootstrap import Parts
from journeys.cli.common import Json, app, parts
from journeys.cli.output import bar, fail, lines, note, say, table, tell
from journeys.cli.remote import Remote, account_path, beside, import_file
from journeys.importer import Imported, Importer, overriding, total_refused
from journeys.store.library import LIVE
from journeys.store.log import LogFeed
from journeys.store.reads.overview import dead as dead_letters
from journeys.store.reads.people import names
from journeys.store.reads.why import explain as explained
from journeys.store.reads.why import silence
from journeys.store.tables import dead_letters as letters
from journeys.wall import wall_clock
from journeys.worker import Letters, Worker
from signals.instant import Instant, iso, parse_instant
from signals.sources.mapped import Mapping
from signals.sources.mapped import compile as compile_mapping
from signals.sources.segment import MAPPING, Translator

events = typer.Typer(no_args_is_help=True, help="Events: bring files in.")
dead = typer.Typer(no_args_is_help=True, help="Dead letters: what could not be taken, and why.")
app.add_typer(events, name="events")
app.add_typer(dead, name="dead")


@events.command("import")
def import_(
    files: Annotated[
        list[Path], typer.Argument(help="JSON lines or CSV, also gzip.", exists=True, dir_okay=False)
    ],
    mapping: Annotated[
        Path | None, typer.Option("--map", help="A mapping file for rows.", exists=True)
    ] = None,
    format: Annotated[str, typer.Option(help="cloudevents, segment; csv, json: --map.")] = "cloudevents",  # noqa: A002
    current: Annotated[
        bool, typer.Option(help="React to it as if it happened now; default: history, silent.")
    ] = False,
    json: Json = False,
) -> None:
    """Bring files into the log and fold them: with a progress bar, resumable, counting nothing twice."""
    if format not in ("cloudevents", "segment", "csv", "json"):
        fail(f"--format {format}: read are cloudevents, segment, and csv or json rows with --map")
    if format in ("csv", "json") and mapping is None:
        fail(f"--format {format} needs --map: which column is the account, the time, the type?")
    segment = format == "segment"
    with beside() as remote:
        if remote is None:
            results, folding = _import_here(files, mapping, not current, segment)
        else:
            results, folding = _import_there(remote, files, mapping, not current, segment), None
    body = {
        "files": [_told(result) for result in results],
        "folded": None if folding is None else folding.rows,
        "refused_while_folding": {} if folding is None else folding.refused,
    }
    say(body, lambda: _show(results, folding))


def _told(result: Imported) -> dict[str, Any]:
    return {name: getattr(result, name) for name in Imported.__struct_fields__}


def _import_here(
    files: list[Path], mapping: Path | None, history: bool, segment: bool
) -> tuple[list[Imported], Imported]:
    with parts() as made:
        live = made.playbooks().segment() if segment else None
        translator = overriding(mapping) if segment and mapping is not None else live
        importer = Importer(made.database, made.log, made.now, history)
        results = []
        for file in files:
            with bar(file.name, None) as moved:
                results.append(importer.run(file, mapping, moved, translator))
        return results, _fold(made)


def _import_there(
    remote: Remote, files: list[Path], mapping: Path | None, history: bool, segment: bool
) -> list[Imported]:
    """Read here and posted to the running service, which folds them."""
    results = []
    translator = _translator(remote, mapping) if segment else None
    for file in files:
        with bar(file.name, None) as moved:
            results.append(import_file(remote, file, mapping, history, wall_clock(), moved, translator))
    return results


def _translator(remote: Remote, mapping: Path | None) -> Translator:
    """How Segment calls are read: by the mapping given, else by the one that is live at the service."""
    if mapping is not None:
        return overriding(mapping)
    if all(each["key"] != MAPPING for each in remote.get("/v1/mappings", limit=200)["items"]):
        return Translator()
    versions = remote.get(f"/v1/mappings/{MAPPING}/versions")["items"]
    bodies = [each["body"] for each in versions if each["status"] in LIVE]
    return Translator(compile_mapping(Mapping.model_validate(bodies[0]))) if bodies else Translator()


def _fold(made: Parts) -> Imported:
    """Fold what lies in the embedded log; what turns out to belong to nobody is counted too."""
    told = Imported("the log")

    def buried(letters: Letters) -> None:
        for _, problem in letters:
            told.refuse(problem.reason, problem.detail)

    feed = LogFeed(made.database, made.settings.log_partitions)
    worker = Worker(feed, made.service, made.now, batch=made.settings.batch_size, buried=buried)
    with bar("folding", made.log.unread()) as moved:
        while taken := worker.once():
            told.rows += taken
            moved(told.rows)
    return told


def _show(results: list[Imported], folding: Imported | None) -> None:
    rows = [[r.file, r.rows, r.accepted, r.duplicates, sum(r.refused.values())] for r in results]
    table("Imported", ["file", "rows", "new events", "known before", "refused"], rows)
    results = results if folding is None else [*results, folding]
    refused = total_refused(results)
    if refused:
        firsts = {reason: text for r in results for reason, text in r.first_refusals.items()}
        table(
            "Refused",
            ["reason", "n", "the first"],
            [[reason, n, firsts[reason]] for reason, n in refused.items()],
        )
    note("the service folds them" if folding is None else f"{folding.rows:,} events folded")


@app.command()
def explain(
    account: str,
    play: Annotated[str | None, typer.Option(help="Only this play.")] = None,
    contact: Annotated[str | None, typer.Option(help="Only this person.")] = None,
    at: Annotated[str | None, typer.Option(help="Up to this instant.")] = None,
    json: Json = False,
) -> None:
    """Why it did or did not happen: the decisions about an account, in words."""
    until = None if at is None else parse_instant(at)
    with beside() as remote:
        if remote is None:
            told = _explain_here(account, play, contact, until)
        else:
            asked = {"play": play, "contact": contact, "at": None if until is None else iso(until)}
            told = remote.get(f"{account_path(account)}/explain", **asked)
    say(told, lambda: _show_explained(told))


def _explain_here(account: str, play: str | None, contact: str | None, until: Instant | None) -> Any:
    with parts() as made, made.database.read() as connection:
        if not names(connection, [account]):
            fail(f"there is no account {account!r}")
        return explained(connection, account, play=play, contact=contact, at=until, now=made.now())


def _show_explained(told: dict[str, Any]) -> None:
    tell(*(f"{line['at']}  {line['sentence']}" for line in told["decisions"]))
    if not told["decisions"]:
        tell(told["summary"])
    elif told["stale_feeds"]:
        tell(*map(silence, told["stale_feeds"]))


@dead.command("list")
def dead_list(limit: int = 50, json: Json = False) -> None:
    """What could not be taken, newest first."""
    with beside() as remote:
        page = _dead_here(limit) if remote is None else remote.get("/v1/dead", limit=limit)
    rows = [[letter["id"][:12], letter["at"], letter["reason"], letter["detail"]] for letter in page["items"]]
    say(page, lambda: table("Dead letters", ["id", "at", "reason", "detail"], rows))


def _dead_here(limit: int) -> Any:
    with parts() as made, made.database.read() as connection:
        return dead_letters(connection, limit=limit)


@dead.command("show")
def dead_show(letter: str, json: Json = False) -> None:
    """One dead letter with its bytes (base64)."""
    with parts() as made, made.database.read() as connection:
        row = connection.execute(sa.select(letters).where(letters.c.id.startswith(letter))).first()
    if row is None:
        fail(f"there is no dead letter {letter!r}")
    shown = {**row._mapping, "at": iso(row.at)}
    shown |= {
        name: None if row._mapping[name] is None else base64.b64encode(row._mapping[name]).decode()
        for name in ("value", "record_key")
    }
    say(shown, lines(*(f"{name:<12} {value}" for name, value in shown.items())))
