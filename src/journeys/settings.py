"""Settings: the environment or `.env`, prefix `JOURNEYS_` (interfaces.md §5). `journeys doctor --settings` shows all."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from channels.endpoint import Endpoint, read_endpoints
from journeys.life import Approval
from signals.sources.hook_secrets import check_secrets, parse_secrets

DEFAULT_TOPICS = [
    "journeys.product",
    "journeys.crm",
    "journeys.support",
    "journeys.billing",
    "journeys.events",
]


class Settings(BaseSettings):
    """Everything an operator can set. Each field's description is its documentation."""

    model_config = SettingsConfigDict(
        env_prefix="JOURNEYS_", env_file=".env", extra="ignore", env_ignore_empty=True
    )

    database_url: str = Field(
        "sqlite:///journeys.db", description="SQLAlchemy URL; SQLite is the embedded database"
    )
    kafka_bootstrap: Annotated[list[str], NoDecode] = Field(
        [], description="Brokers; unset: the embedded log"
    )
    kafka_topics: Annotated[list[str], NoDecode] = Field(
        DEFAULT_TOPICS, description="Topics to read events from"
    )
    kafka_group: str = Field(
        "journeys", description="Consumer group, for lag tools; offsets live in the database"
    )
    smtp_url: str | None = Field(None, description="smtp://user:pass@host:587; unset: mail is kept and shown")
    mail_from: str = Field("Customer success <success@example.com>", description="Who mail is from")
    postal_address: str = Field(
        "Example Ltd, 1 Example Street, Exampletown", description="In the footer of mail"
    )
    test_addresses: Annotated[list[str], NoDecode] = Field(
        [],
        description="Where test sends of texts may go: addresses, or whole domains like @example.com; unset: nowhere",
    )
    brand_colour: str = Field("#1d5fd1", description="Of buttons and links in mail")
    base_url: str = Field("http://127.0.0.1:8000", description="Where links in mail lead back to")
    secret: str | None = Field(
        None, description="Signs links; at least 16 characters; required outside the demo"
    )
    hook_secrets: Annotated[dict[str, list[str]], NoDecode] = Field(
        {},
        repr=False,
        description="Of webhooks: stripe=SECRET,zendesk=SECRET,generic/NAME=SECRET; a source twice while its secret "
        'is replaced; or JSON, {"stripe": ["new", "old"]}; a source without one is shut',
    )
    webhooks: Annotated[dict[str, Endpoint], NoDecode] = Field(
        {},
        repr=False,
        description='Endpoints that plays may call, as JSON: {"crm": {"url": "https://…", "secret": "whsec_…"}}; '
        "a list of secrets while one is replaced",
    )
    webhook_networks: Annotated[list[str], NoDecode] = Field(
        [],
        description="Networks of our own that calls may go to, like 10.1.2.0/24; unset: public addresses only",
    )
    definitions_dir: Path | None = Field(
        None, description="A folder of definitions applied and activated at start"
    )
    approval: Approval = Field(
        "none",
        description="Whether a definition is approved before it becomes live: none; any: by a key; other: by another "
        "key than the one that wrote it",
    )
    templates_dir: Path | None = Field(
        None, description="E-mail frame and console pages, in place of the shipped ones"
    )
    timezone: str = Field("UTC", description="The service's IANA zone")
    host: str = Field("127.0.0.1", description="Address to listen on")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(8000, description="Port to listen on; 0: a free one")
    log_partitions: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="Partitions of the embedded log"
    )
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = Field(1_000, description="Records per transaction")
    url: str | None = Field(None, description="Of a running service, for commands beside it")
    key: str | None = Field(None, description="API key for commands beside a running service")

    @field_validator("kafka_bootstrap", "kafka_topics", "test_addresses", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("hook_secrets", mode="before")
    @classmethod
    def _hook_secrets(cls, value: Any) -> Any:
        return parse_secrets(value) if isinstance(value, str) else value

    @field_validator("hook_secrets")
    @classmethod
    def _usable_secrets(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        for source, secrets in value.items():
            check_secrets(source, secrets)
        return value

    @field_validator("webhooks", mode="before")
    @classmethod
    def _endpoints(cls, value: Any) -> Any:
        return read_endpoints(value) if isinstance(value, str) else value

    @field_validator("webhook_networks", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        named = value.replace(",", " ").split() if isinstance(value, str) else value
        return [str(ip_network(network)) for network in named]

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not value.startswith(("sqlite:", "postgresql:", "postgresql+psycopg:", "postgres:")):
            raise ValueError("sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
        return value

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, value: str | None) -> str | None:
        if value is not None and len(value) < 16:
            raise ValueError(
                "needs at least 16 characters: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        return value
