"""Operations: `migrate`, `keys create`, `doctor`."""

import re
from typing import Annotated, Any

import typer

from journeys.cli.common import Json, app, opened, parts, settings
from journeys.cli.output import fail, lines, say, table
from journeys.cli.remote import Remote, RemoteRefused, beside
from journeys.settings import Settings
from journeys.store.library import Library
from journeys.store.schema import current, head, upgrade

keys = typer.Typer(no_args_is_help=True, help="API keys: create, list, revoke.")
app.add_typer(keys, name="keys")
_SECRETS = ("secret", "key", "smtp_url", "database_url", "hook_secrets", "webhooks")


@app.command()
def migrate(
    check: Annotated[bool, typer.Option(help="Only say where it is.")] = False, json: Json = False
) -> None:
    """Bring the database to this version. Running it again does nothing."""
    with opened(settings()) as database:
        before, after = (current(database), head()) if check else upgrade(database)
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
def revoke(key_id: str, json: Json = False) -> None:
    """The key opens nothing from now on."""
    with parts() as made:
        if not made.keys.revoke(key_id, made.now()):
            fail(f"there is no key {key_id!r} that is not revoked: `journeys keys list` shows the ids")
    say({"id": key_id, "revoked": True}, f"{key_id} opens nothing any more")


@app.command()
def doctor(
    show: Annotated[
        bool, typer.Option("--settings", help="Every setting: type, default, meaning, value.")
    ] = False,
    json: Json = False,
) -> None:
    """Look at the installation: settings, database, definitions; where JOURNEYS_URL names a service, at that."""
    if show:
        _show_settings()
        return
    with beside() as remote:
        found = _found(settings()) if remote is None else _found_running(remote)
    trouble = found["trouble"]
    shown = {**found, "trouble": "; ".join(trouble) or "none"}
    say(found, lines(*(f"{name:<12} {value}" for name, value in shown.items())))
    if trouble:
        raise typer.Exit(1)


def _found_running(remote: Remote) -> dict[str, Any]:
    """What a running service says of itself; its database is its own."""
    try:
        ready = remote.get("/readyz")
    except RemoteRefused as refused:
        return {"service": remote.url, "trouble": [str(refused)]}
    return {
        "service": remote.url,
        "stale feeds": ", ".join(one["feed"] for one in ready["stale_feeds"]) or "none",
        "trouble": [],
    }


def _found(chosen: Settings) -> dict[str, Any]:
    """What there is and what is wrong with it; looked at without what only a running service needs."""
    with opened(chosen) as database:
        version = current(database)
        live = len(Library(database).live()) if version == head() else None
    missing_secret = ["JOURNEYS_SECRET is not set: nothing that sends will start"]
    old = [f"the database is on version {version or 'none'}, needs {head()}: run `journeys migrate`"]
    return {
        "database": database.url.render_as_string(hide_password=True),
        "version": version,
        "needs": head(),
        "mail": "sent by SMTP" if chosen.smtp_url else "kept, not sent (JOURNEYS_SMTP_URL is unset)",
        "events": "Kafka" if chosen.kafka_bootstrap else "embedded log",
        "definitions": live,
        "trouble": missing_secret * (chosen.secret is None) + old * (version != head()),
    }


def _show_settings() -> None:
    values = settings()
    found = [
        {
            "name": f"JOURNEYS_{name.upper()}",
            "type": _type(field.annotation),
            "default": None if field.is_required() else field.default,
            "meaning": field.description,
            "value": "••••" if name in _SECRETS and getattr(values, name) else getattr(values, name),
        }
        for name, field in Settings.model_fields.items()
    ]
    rows = [[f["name"], f["type"], default_told(f["default"]), f["meaning"]] for f in found]
    say(found, lambda: table("Settings", ["name", "type", "default", "meaning"], rows))


def _type(annotation: Any) -> str:
    """As an operator writes it: `Path | None` is a path."""
    plain = re.sub(r"\w+\.", "", getattr(annotation, "__name__", str(annotation)))
    return str(annotation).removesuffix("[str]") if plain == "list" else plain.removesuffix(" | None").lower()


def default_told(value: Any) -> str:
    """A default as an operator would write it."""
    if value is None:
        return "unset"
    return ",".join(map(str, value)) or "unset" if isinstance(value, list | dict) else str(value)
