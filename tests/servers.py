"""The servers tests run against. What a machine lacks is skipped by name; JOURNEYS_TEST_REQUIRE=all makes that
skip a failure, so that CI cannot pass by leaving out.

Servers are started once for each test process and shared by its tests; a database, a topic and a group are
each test's own.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any, NoReturn

import pytest
import sqlalchemy as sa

from journeys.services import (
    MailCatcher,
    PostgresServer,
    ServiceUnavailable,
    kafka_broker,
    mail_catcher,
    postgres,
    private_postgres,
)

LIBS = Path(__file__).parents[1] / ".services" / "kafka" / "libs"
REQUIRED = os.environ.get("JOURNEYS_TEST_REQUIRE") == "all"


def missing(what: str, why: object) -> NoReturn:
    """Skip for want of `what`, or fail where everything is required."""
    if REQUIRED:
        pytest.fail(f"JOURNEYS_TEST_REQUIRE=all, and there is no {what}: {why}", pytrace=False)
    pytest.skip(f"no {what}: {why}")


# -- PostgreSQL -----------------------------------------------------------------------------------------------


@dataclass
class Databases:
    """Makes databases on one server, each a copy of a template that `prepare` filled once."""

    server: sa.URL
    admin: sa.Engine
    templates: dict[object, str] = field(default_factory=dict)

    def fresh(self, prepare: Callable[[str], None] | None = None) -> str:
        """The SQLAlchemy URL of a new database. `prepare(url)` fills it, run once for each test process: pass the
        same function each time, and let it dispose of its engine: a template with a guest cannot be copied."""
        name = f"t_{token_hex(6)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {self._template(prepare)}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self._run(f"DROP DATABASE IF EXISTS {sa.make_url(url).database} WITH (FORCE)")

    def url(self, name: str) -> str:
        """The URL of the database called `name` on this server."""
        return self.server.set(database=name).render_as_string(hide_password=False)

    def _template(self, prepare: Callable[[str], None] | None) -> str:
        if prepare is None:
            return "template0"
        if prepare not in self.templates:
            name = f"tpl_{token_hex(6)}"
            self._run(f"CREATE DATABASE {name} TEMPLATE template0")
            prepare(self.url(name))
            self.templates[prepare] = name
        return self.templates[prepare]

    def _run(self, statement: str) -> None:
        with self.admin.connect() as connection:
            connection.execute(sa.text(statement))


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Databases on the PostgreSQL that was given, or on a private one."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(postgres(durable=False))
        except ServiceUnavailable as error:
            missing("PostgreSQL", error)
        admin = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        made = Databases(sa.make_url(url), admin)
        yield made
        for template in made.templates.values():
            made.drop(made.url(template))


@pytest.fixture
def fresh_database(databases: Databases) -> Iterator[Callable[[Callable[[str], None] | None], str]]:
    """`fresh_database(prepare)` gives the URL of a new database, dropped after the test."""
    made: list[str] = []

    def make(prepare: Callable[[str], None] | None = None) -> str:
        made.append(databases.fresh(prepare))
        return made[-1]

    yield make
    for url in made:
        databases.drop(url)


@pytest.fixture
def postgres_url(fresh_database: Callable[[Callable[[str], None] | None], str]) -> str:
    """The SQLAlchemy URL of an empty database of this test's own."""
    return fresh_database(None)


@pytest.fixture
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of this test's own, to crash and restart."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(private_postgres())
        except ServiceUnavailable as error:
            missing("PostgreSQL", error)
        yield server


# -- Kafka ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kafka:
    """A broker, and what kafka-python has to be told to get on with it."""

    bootstrap: str
    consumer: Mapping[str, Any] = field(default_factory=dict)
    producer: Mapping[str, Any] = field(default_factory=dict)
    settles: bool = True  # whether a group that somebody has left, or that has two members, finds its peace


@pytest.fixture(scope="session")
def kafka_stand_in() -> Iterator[Kafka]:
    """A wire-level stand-in from librdkafka, in this process: fetches and fresh groups, no admin, no retention.

    Its answers about versions are malformed from 2.8 on, so the version is told (ecosystem §2.1). A topic comes
    into being, with four partitions, when it is first written to.
    """
    confluent_kafka = pytest.importorskip("confluent_kafka")
    owner = confluent_kafka.Producer(
        {"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0}
    )
    brokers = owner.list_topics(timeout=10).brokers.values()
    told = {"api_version": (2, 3)}
    yield Kafka(
        ",".join(f"{each.host}:{each.port}" for each in brokers),
        consumer={**told, "session_timeout_ms": 6_000, "heartbeat_interval_ms": 1_000},
        producer={**told, "enable_idempotence": False},
        settles=False,
    )
    del owner


@pytest.fixture(scope="session")
def kafka_real() -> Iterator[Kafka]:
    """The broker JOURNEYS_TEST_KAFKA names, else one from the jars that `make services` or CI fetched."""
    if not (os.environ.get("JOURNEYS_TEST_KAFKA") or REQUIRED or LIBS.exists()):
        missing("Kafka", "set JOURNEYS_TEST_KAFKA, or run `make kafka` once to fetch a broker's jars")
    with ExitStack() as stack:
        try:
            bootstrap = stack.enter_context(kafka_broker(LIBS))
        except ServiceUnavailable as error:
            missing("Kafka", error)
        yield Kafka(bootstrap, consumer={"session_timeout_ms": 6_000, "heartbeat_interval_ms": 1_000})


# -- the rest -------------------------------------------------------------------------------------------------


@pytest.fixture
def mail() -> Iterator[MailCatcher]:
    """A mail catcher of this test's own."""
    with mail_catcher() as catcher:
        yield catcher


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium to drive."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return found or missing("Chromium", "install your system's chromium package")
