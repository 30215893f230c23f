"""The command line: `journeys …` (interfaces.md §2). One file per kind of work; errors are one line."""

import sys
from typing import NoReturn

import typer
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from typer.exceptions import TyperException

from journeys.cli import backtest, data, demo, library, operate, run, scenarios, texts
from journeys.cli.common import app
from journeys.cli.output import Voice, note

__all__ = ["app", "main"]
_COMMANDS = (backtest, data, demo, library, operate, run, scenarios, texts)


def main() -> None:
    """The entry point. What a person can mend is one line; anything else is a fault of ours and shows where.

    Exit status: 0 done, 1 it did not work or a check failed, 2 the command was not understood, 130 interrupted.
    """
    Voice.json = False
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except typer.Abort:
        note("journeys: interrupted")
        sys.exit(130)
    except TyperException as error:
        _misunderstood(error)
    except (DBAPIError, SQLAlchemyError) as error:
        note(f"journeys: the database: {str(error.__cause__ or error).splitlines()[0]}")
    except (ValueError, RuntimeError, OSError) as error:
        note(f"journeys: {' '.join(str(error).split())}")
    sys.exit(1)


def _misunderstood(error: TyperException) -> NoReturn:
    """A command that makes no sense: what is wrong and where help is. An empty message: the help has been shown."""
    message = getattr(error, "format_message", lambda: str(error))()
    if message.strip():
        path = getattr(getattr(error, "ctx", None), "command_path", "journeys")
        note(f"journeys: {' '.join(message.split())} (see `{path} --help`)")
    sys.exit(2)
