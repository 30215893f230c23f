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

out = Console()
err = Console(stderr=True)


class Voice:
    """Whether this run speaks JSON; set once by the `--json` option."""

    json = False


def say(value: Any, human: Callable[[], None] | str | None = None) -> None:
    """The value as JSON, or what a person reads."""
    if Voice.json:
        sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode() + "\n")
    elif callable(human):
        human()
    else:
        out.print(human if human is not None else value, highlight=False, markup=False)


def lines(*told: object) -> Callable[[], None]:
    """Prints these, a line each, as they are."""

    def show() -> None:
        for line in told:
            out.print(str(line), markup=False, highlight=False)

    return show


def fail(message: str, code: int = 1) -> NoReturn:
    """One line on standard error, and a status that is not zero."""
    err.print(f"journeys: {' '.join(str(message).split())}", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(code)


def table(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """A small table; numbers stand right."""
    drawn = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[place], int | float) for row in rows)
        drawn.add_column(column, justify="right" if numeric else "left", header_style="dim")
    for row in rows:
        drawn.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    out.print(drawn)
    out.print()


@contextmanager
def bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; call with how many are done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=Voice.json, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
