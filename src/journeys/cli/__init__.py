"""The command line: `journeys …` (interfaces.md §2). One file per kind of work; errors are one line."""

import sys

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from journeys.cli import data, demo, library, operate, run
from journeys.cli.common import app
from journeys.cli.output import err

__all__ = ["app", "main"]
_COMMANDS = (data, demo, library, operate, run)


def main() -> None:
    """The entry point. What a person can mend is one line; anything else is a fault of ours and shows where."""
    try:
        app()
    except (DBAPIError, SQLAlchemyError) as error:
        err.print(f"journeys: the database: {str(error.__cause__ or error).splitlines()[0]}", markup=False)
        sys.exit(1)
    except (ValueError, RuntimeError, OSError) as error:
        err.print(f"journeys: {' '.join(str(error).split())}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
