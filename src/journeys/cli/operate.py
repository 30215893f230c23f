"""Operations: `migrate`, `keys create`, `doctor`."""

from typing import Annotated

import typer

from journeys.cli.common import Json, app, parts, settings
from journeys.cli.output import fail, lines, say, table
from journeys.settings import Settings
from journeys.store.database import Database
from journeys.store.schema import current, head, upgrade

keys = typer.Typer(no_args_is_help=True, help="API keys.")
app.add_typer(keys, name="keys")
_SECRETS = ("secret", "key", "smtp_url", "database_url")


@app.command()
def migrate(
    check: Annotated[bool, typer.Option(help="Only say where it is.")] = False, json: Json = False
) -> None:
    """Bring the database to this version. Running it again does nothing."""
    database = Database(settings().database_url)
    try:
        before, after = (current(database), head()) if check else upgrade(database)
    finally:
        database.close()
    say({"from": before, "to": after}, f"{before or 'empty'} → {after}")
    if check and before != after:
        raise typer.Exit(1)


@keys.command("create")
def create(
    name: str,
    scope: Annotated[
        list[str], typer.Option(help="ingest, marketer, csm or admin; may be given several times.")
    ],
    json: Json = False,
) -> None:
    """A new API key, shown this once."""
    with parts() as made:
        try:
            key = made.keys.create(name, scope, made.now())
        except ValueError as error:
            fail(str(error))
    say({"name": name, "scopes": scope, "key": key}, key)


@keys.command("list")
def listed(json: Json = False) -> None:
    """Every key, without what opens anything."""
    with parts() as made:
        found = made.keys.list()
    rows = [[k["id"], k["name"], k["prefix"], ", ".join(k["scopes"]), k["revoked_at"] or ""] for k in found]
    say(found, lambda: table("Keys", ["id", "name", "prefix", "scopes", "revoked"], rows))


@keys.command("revoke")
def revoke(key_id: str) -> None:
    """The key opens nothing from now on."""
    with parts() as made:
        if not made.keys.revoke(key_id, made.now()):
            fail(f"there is no key {key_id!r} that is not revoked")


@app.command()
def doctor(
    show: Annotated[
        bool, typer.Option("--settings", help="Every setting: type, default, meaning, value.")
    ] = False,
    json: Json = False,
) -> None:
    """Look at the installation: settings, database, definitions."""
    if show:
        _show_settings()
        return
    with parts(ready=False) as made:
        version = current(made.database)
        found = {
            "database": str(made.database.url.render_as_string(hide_password=True)),
            "version": version,
            "needs": head(),
            "mail": "kept, not sent (JOURNEYS_SMTP_URL is unset)"
            if made.settings.smtp_url is None
            else "sent by SMTP",
            "events": "Kafka" if made.settings.kafka_bootstrap else "embedded log",
            "definitions": len(made.library.live()) if version == head() else None,
        }
    say(found, lines(*(f"{name:<12} {value}" for name, value in found.items())))


def _show_settings() -> None:
    values = settings()
    found = [
        {
            "name": f"JOURNEYS_{name.upper()}",
            "type": getattr(field.annotation, "__name__", str(field.annotation)),
            "default": None if field.is_required() else field.default,
            "meaning": field.description,
            "value": "••••" if name in _SECRETS and getattr(values, name) else getattr(values, name),
        }
        for name, field in Settings.model_fields.items()
    ]
    rows = [[f["name"], f["type"], f["default"], f["meaning"]] for f in found]
    say(found, lambda: table("Settings", ["name", "type", "default", "meaning"], rows))
