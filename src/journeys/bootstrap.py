"""Putting the service together: the only file that names concrete adapters."""

import atexit
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from channels.fence import Fence
from channels.headers import Mailbox
from channels.outbox import Outbox
from channels.port import MailChannel
from channels.render import Renderer
from channels.smtp import Smtp, parse_smtp_url
from channels.webhook import Webhooks
from journeys.assets import asset
from journeys.composer import Composer, Office
from journeys.definitions import Draft
from journeys.dispatcher import CLAIM, Dispatcher
from journeys.filling import Filler
from journeys.gate import Gate
from journeys.hooks import Hooks
from journeys.ingest import GroupCommit, KafkaIngest, Outlet, SetAside
from journeys.life import WAITING
from journeys.playbooks import Playbooks
from journeys.proofs import Proofs
from journeys.rehearsal import Trials
from journeys.rounds import GROUP
from journeys.service import Service
from journeys.settings import Settings
from journeys.shipped import shipped_mappers
from journeys.store import audit
from journeys.store.database import Database
from journeys.store.fillings import Filling
from journeys.store.keys import Keys
from journeys.store.library import Library
from journeys.store.log import EmbeddedLog, StoredPositions
from journeys.wall import wall_clock
from journeys.worker import Letters
from plays.play import Live
from signals.instant import Instant
from signals.problem import Problem
from signals.sources.mapped import Mapper

DEMO_SECRET = "the demo signs links with a secret everybody knows"  # noqa: S105 - refused outside the demo


class MissingSecret(ValueError):
    """JOURNEYS_SECRET is not set outside the demo."""


class Parts:
    """Every part of one process, made once from settings and a clock."""

    def __init__(
        self,
        settings: Settings,
        *,
        now: Callable[[], Instant] = wall_clock,
        durable: bool = True,
        lock: bool = True,
    ) -> None:
        if settings.secret is None:
            raise MissingSecret(
                "set JOURNEYS_SECRET to at least 16 characters: it signs the links in mail "
                "(python -c 'import secrets; print(secrets.token_urlsafe(32))')"
            )
        self.settings, self.now = settings, now
        self.database = Database(settings.database_url, durable=durable, lock=lock)
        self.templates = settings.templates_dir or asset("templates")
        self.renderer = Renderer.from_dir(self.templates)
        self.library = Library(self.database, settings.approval)
        self.keys = Keys(self.database)
        self.office = Office(
            sender=_mailbox(settings.mail_from),
            postal=settings.postal_address,
            base_url=settings.base_url,
            secret=settings.secret,
            colour=settings.brand_colour,
        )
        self.fence = fence_for(self.templates)
        gate = Gate(self.fence.render, self.office, Trials(self.database).profiles)
        self.playbooks = Playbooks(self.library, self.renderer, settings.timezone, now, gate)
        self.proofs = Proofs(self.fence.render, self.office, lambda: _mail(settings), settings.test_addresses)
        self.composer = Composer(self.renderer, self.office)
        self.service = Service(self.database, self.playbooks, self.composer, self.playbooks.changed)
        self.filler = Filler(self.database, self.service)
        self.mail: MailChannel = _mail(settings)
        self.webhooks = Webhooks(settings.webhooks, now, networks=map(ip_network, settings.webhook_networks))
        kept = settings.smtp_url is None and not settings.webhooks  # what is only kept cannot be in doubt
        self.dispatcher = Dispatcher(
            self.database,
            self.playbooks,
            self.composer,
            self.mail,
            webhooks=self.webhooks,
            group=CLAIM if kept else GROUP,
            look_again=self.playbooks.changed,
            pause=self.playbooks.pause,
        )
        self.log = EmbeddedLog(self.database, settings.log_partitions)
        self.kafka: Any = _kafka_outlet(settings)

    def activate(
        self,
        drafts: list[Draft],
        current: bool = False,
        told: Callable[[Filling], None] = lambda _: None,
        wait: bool = True,
        *,
        live: Live = "pin",
        token: str | None = None,
        actor: str = audit.SERVICE,
    ) -> int:
        """Put and activate definitions; answers how many are new. Every account is brought to them, `told` how far,
        unless this is not to `wait`: the clock does it then.

        `live`, `token` and what is raised are those of `Playbooks.activate`."""
        now = self.now()
        kept = self.library.put(drafts, now, actor)
        changed = [draft for draft in kept if draft.status in WAITING]
        if changed:
            self.playbooks.activate(changed, now, current, token, live, actor)
            if wait:
                self.filler.finish(self.now, told)
        return len(changed)

    def close(self) -> None:
        """Let go of everything."""
        if self.kafka is not None:
            self.kafka.close()
        self.mail.close()
        self.database.close()


@lru_cache(maxsize=8)
def fence_for(templates: Path) -> Fence:
    """The one fence of this process for these templates: its child is started by the first text, and ends with us."""
    fence = Fence.from_dir(templates)
    atexit.register(fence.close)
    return fence


def outlet(parts: Parts, appended: Callable[[], None]) -> Outlet:
    """Where HTTP events go: Kafka where there is one, else the embedded log."""
    return GroupCommit(parts.log, appended) if parts.kafka is None else KafkaIngest(parts.kafka)


def hooks(parts: Parts, where: Outlet) -> Hooks:
    """What takes webhooks: what it makes of them goes to `where`, what it cannot take to the dead letters."""

    def mapper(name: str) -> Mapper | None:
        live = parts.playbooks().mappings.get(name) or shipped_mappers().get(name)
        return live if live is not None and live.mapping.format == "json" else None

    def aside(source: str, refused: Sequence[tuple[bytes, Problem]]) -> None:
        SetAside(parts.database, f"http/{source}", parts.now)(refused)

    return Hooks(parts.settings.hook_secrets, mapper, where, aside)


def _kafka_outlet(settings: Settings) -> Any:
    """One producer for all that is written to Kafka, made at the first write; None without Kafka."""
    if not settings.kafka_bootstrap:
        return None
    from signals.feeds.kafka_outlet import KafkaOutlet  # noqa: PLC0415 - the extra may be missing

    return KafkaOutlet(settings.kafka_bootstrap)


def kafka_feed(parts: Parts) -> Any:
    """The events of the configured topics."""
    from signals.feeds.kafka_feed import KafkaFeed  # noqa: PLC0415 - the extra may be missing

    return KafkaFeed(
        parts.settings.kafka_bootstrap,
        parts.settings.kafka_topics,
        parts.settings.kafka_group,
        StoredPositions(parts.database),
        parts.now,
    )


def dead_topic(parts: Parts) -> Callable[[Letters], None]:
    """What publishes dead letters to their Kafka topic."""
    from signals.feeds.kafka_dead import DeadTopic  # noqa: PLC0415 - the extra may be missing

    return DeadTopic(parts.kafka).publish


def _mail(settings: Settings) -> MailChannel:
    if settings.smtp_url is None:
        return Outbox()
    host = settings.base_url.split("//")[-1].split("/")[0].split(":")[0]
    return Smtp(parse_smtp_url(settings.smtp_url), helo=host or "localhost")


def _mailbox(text: str) -> Mailbox:
    name, _, rest = text.partition("<")
    return Mailbox(rest.rstrip("> "), name.strip()) if rest else Mailbox(text.strip())


def first_key(parts: Parts) -> str | None:
    """An admin key for a database that has none yet, shown once."""
    if parts.keys.list():
        return None
    return parts.keys.create("first", ["admin"], parts.now())


def forget(path: Path) -> None:
    """Remove an embedded database and what lies beside it."""
    for suffix in ("", "-wal", "-shm", ".lock"):
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").unlink()
