"""What commands share: the program, its settings, its parts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from pydantic import ValidationError

from journeys.bootstrap import Parts
from journeys.cli.output import Voice, fail
from journeys.settings import Settings
from journeys.store.database import Database, DatabaseBusy
from journeys.store.schema import WrongSchema, require

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From what customers do to the right word to the right person. Settings: `journeys doctor --settings`.",
)
Json = Annotated[
    bool, typer.Option("--json", help="Print machine-readable output.", callback=lambda on: _speak(on))
]


def _speak(on: bool) -> bool:
    Voice.json = Voice.json or on
    return on


def settings(**changes: object) -> Settings:
    """The settings of the environment; a fault is one line naming the variable."""
    try:
        return Settings(**changes)  # type: ignore[arg-type]  # names of fields, checked by Pydantic
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = "_".join(map(str, fault["loc"])).upper()
        fail(f"JOURNEYS_{name}: {fault['msg'].removeprefix('Value error, ')}")


@contextmanager
def opened(chosen: Settings) -> Iterator[Database]:
    """The database alone, whatever its version."""
    try:
        database = Database(chosen.database_url)
    except DatabaseBusy as error:
        fail(str(error))
    try:
        yield database
    finally:
        database.close()


@contextmanager
def parts(ready: bool = True) -> Iterator[Parts]:
    """The parts of this process on a database of this version."""
    made = None
    try:
        made = Parts(settings())
        if ready:
            require(made.database)
        yield made
    except (DatabaseBusy, WrongSchema) as error:
        fail(str(error))
    finally:
        if made is not None:
            made.close()
