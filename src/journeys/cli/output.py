"""How commands speak: tables for people, JSON with `--json`, errors as one line on standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

SHORT = 30
"""Characters up to which a cell is never folded: ids, instants, names of settings."""

out = Console()
err = Console(stderr=True)
broad = Console(width=240)


class Voice:
    """Whether this run speaks JSON; set once by the `--json` option."""

    json = False


def say(value: Any, human: Callable[[], None] | str | None = None) -> None:
    """The value as JSON, or what a person reads."""
    if Voice.json:
        sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode() + "\n")
        sys.stdout.flush()  # whoever started us may be waiting for this line
    elif callable(human):
        human()
    else:
        _plain(out, human if human is not None else value)


def _plain(where: Console, text: object) -> None:
    """As it is, a line staying a line: what a terminal folds, a pipe and a copied key must not."""
    where.print(str(text), markup=False, highlight=False, soft_wrap=True)


def tell(*told: object) -> None:
    """Prints these for a person, a line each; nothing where JSON is spoken."""
    for line in () if Voice.json else told:
        _plain(out, line)


def note(text: str) -> None:
    """What is said beside the answer, on standard error."""
    _plain(err, text)


def lines(*told: object) -> Callable[[], None]:
    """Prints these, a line each, as they are."""

    def show() -> None:
        tell(*told)

    return show


def fail(message: str, code: int = 1) -> NoReturn:
    """One line on standard error, and a status that is not zero."""
    note(f"journeys: {' '.join(str(message).split())}")
    raise typer.Exit(code)


def table(title: str, columns: list[str], rows: list[list[Any]], *, whole: bool = False) -> None:
    """A small table; numbers stand right. One without rows is a line that says so.

    `whole`: one too broad for the terminal is folded by the terminal, a row staying a row; no figure is cut off.
    """
    if not rows:
        tell(f"{title}: none")
        return
    drawn = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[place], int | float) for row in rows)
        drawn.add_column(
            column,
            justify="right" if numeric else "left",
            header_style="dim",
            no_wrap=max(len(str(row[place])) for row in rows) <= SHORT,
            overflow="fold",
        )
    for row in rows:
        drawn.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    (broad if whole else out).print(drawn)
    out.print()


@contextmanager
def bar(what: str, total: int | None) -> Iterator[Callable[..., None]]:
    """A progress bar on standard error; call with how many are done, and of how many where that is known only now."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=Voice.json, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done, total=total: progress.update(task, completed=done, total=total)
