"""Bringing a database to this version's tables, and refusing to run on another."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from journeys.assets import asset
from journeys.store.database import Database


class WrongSchema(RuntimeError):
    """The database is on another version; the message says which and what to do."""


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations()))
    config.set_main_option("path_separator", "os")
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def migrations() -> Path:
    """The folder with the migrations, in the wheel or beside the sources."""
    return asset("migrations")


def head() -> str:
    """The version this code needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


def current(database: Database) -> str | None:
    """The version the database is on; None where it is empty."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(database: Database) -> tuple[str | None, str]:
    """Bring the database to this version; answers from where to where. Running it again does nothing.

    All in one transaction, and one process at a time. Raises WrongSchema for a version of a newer program.
    """
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
        before = MigrationContext.configure(connection).get_current_revision()
        _known(before)
        command.upgrade(_config(connection), "head")
    return before, head()


_MIGRATING = 0x6A6F75726E657973
"""The advisory lock of whoever migrates ("journeys" in ASCII)."""


def _known(revision: str | None) -> None:
    known = [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]
    if revision is not None and revision not in known:
        raise WrongSchema(
            f"the database is on version {revision}, which this program does not know: it was made by a newer one; "
            "run that, or restore a backup"
        )


def require(database: Database) -> None:
    """Raises WrongSchema unless the database is on exactly this version."""
    found, wanted = current(database), head()
    if found != wanted:
        raise WrongSchema(
            f"the database is on version {found or 'none'}, this program needs {wanted}: run `journeys migrate`"
        )
