"""The whole application on an embedded database of its own, entered by its public door."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fastapi.testclient import TestClient

from journeys.api.app import create_app
from journeys.bootstrap import Parts
from journeys.settings import Settings
from journeys.store.log import LogFeed
from journeys.store.schema import upgrade
from journeys.store.tables import accounts, api_keys, dead_letters, events, log, metadata
from journeys.worker import Worker
from signals.instant import Instant, parse_instant

NOW = parse_instant("2026-03-02T09:00:00Z")
BASE = "https://service.example.com"
SECRET = "links are signed with this in tests"
HOOK_SECRETS = {
    "stripe": ["whsec_stripe_secret_of_today", "whsec_stripe_secret_before"],
    "zendesk": ["zendesk-signing-secret-0001"],
    "hubspot": ["hubspot-client-secret-00001"],
    "intercom": ["intercom-client-secret-0001"],
    "salesforce": ["salesforce-shared-secret-1"],
    "generic/billing": ["whsec_YmlsbGluZyBzZWNyZXQgYmlsbGluZyBzZWNyZXQ="],
    "generic/delighted": ["delighted-shared-secret-01"],
    "generic/open": ["none"],
}
"""Of webhooks; every other source is shut."""
KEPT = (log, events, accounts, dead_letters)
"""Where an event could leave a trace."""


class FixedClock:
    """Answers the instant it was set to."""

    def __init__(self, at: Instant = NOW) -> None:
        self.at = at

    def __call__(self) -> Instant:
        return self.at


def blank(folder: Path) -> Path:
    """A migrated, empty embedded database, to be copied."""
    parts = Parts(settings(folder), now=FixedClock(), durable=False)
    upgrade(parts.database)
    parts.close()  # the last connection to go writes all there is into the one file
    return folder / "journeys.db"


def settings(folder: Path, **others: Any) -> Settings:
    """Settings of a service in this folder, whatever the environment says."""
    url = f"sqlite:///{folder / 'journeys.db'}"
    given: dict[str, Any] = {
        "kafka_bootstrap": [],
        "smtp_url": None,
        "definitions_dir": None,
        "base_url": BASE,
        "timezone": "UTC",
        "hook_secrets": HOOK_SECRETS,
    }
    return Settings(_env_file=None, database_url=url, secret=SECRET, **(given | others))


class House:
    """One service: its parts, its application, a client, and keys for it."""

    def __init__(self, folder: Path, template: Path, at: Instant = NOW, **options: Any) -> None:
        """`options` are settings by their names, and the application's."""
        told = {name: options.pop(name) for name in Settings.model_fields.keys() & options.keys()}
        self.folder, self.clock = folder, FixedClock(at)
        if not (folder / "journeys.db").exists():
            shutil.copy(template, folder / "journeys.db")
        self.parts = Parts(settings(folder, **told), now=self.clock, durable=False)
        self.app = create_app(self.parts, **options)
        self.http = TestClient(self.app, raise_server_exceptions=False, follow_redirects=False)
        self._keys: dict[tuple[str, ...], str] = {}

    @property
    def database(self) -> Any:
        """Its database."""
        return self.parts.database

    def key(self, *scopes: str) -> str:
        """An API key with these scopes."""
        if scopes not in self._keys:
            self._keys[scopes] = self.parts.keys.create("-".join(scopes), scopes, self.clock())
        return self._keys[scopes]

    def signed(self, *scopes: str) -> dict[str, str]:
        """The header that signs a request with a key of these scopes."""
        return {"authorization": f"Bearer {self.key(*scopes)}"}

    def call(self, method: str, path: str, body: Any = None, *, scope: str = "admin", **options: Any) -> Any:
        """One signed request; `body` goes as JSON."""
        headers = {**self.signed(scope), **options.pop("headers", {})}
        sent = {} if body is None else {"json": body}
        return self.http.request(method, path, headers=headers, **sent, **options)

    def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """What a request answers that must succeed."""
        answer = self.call(method, path, body, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def get(self, path: str, **query: Any) -> Any:
        """What a read answers."""
        answer = self.call("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fold(self) -> int:
        """Let the worker take what is in the log; answers how many records it took."""
        worker = Worker(LogFeed(self.database), self.parts.service, self.clock)
        return worker.once()

    def tick(self) -> int:
        """Let everything happen that is due by now; answers how many accounts lived through something."""
        return self.parts.service.tick(self.clock())

    def send(self) -> int:
        """Let the dispatcher send what is due."""
        return self.parts.dispatcher.run(self.clock())

    def counts(self) -> dict[str, int]:
        """How many rows each table has that an event could leave a trace in."""
        return self._counted(KEPT)

    def everything(self) -> dict[str, int]:
        """How many rows every table has, but that of keys, which are made as they are needed."""
        return self._counted([table for table in metadata.sorted_tables if table is not api_keys])

    def _counted(self, tables: Iterable[sa.Table]) -> dict[str, int]:
        with self.database.read() as connection:
            return {
                table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for table in tables
            }

    def close(self) -> None:
        """Let go of the database."""
        self.http.close()
        self.parts.close()


MakeHouse = Callable[..., House]
