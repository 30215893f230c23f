"""A house: a service with one playbook and a dispatcher, in memory, with a provider that answers what it is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace

from builders import START, person, playbook
from channels.headers import Mailbox
from channels.message import Message
from channels.outbox import Calls, Outbox
from channels.port import InDoubt, Mail, MailChannel, Outcome, Permanent, Sent, Temporary
from channels.render import Renderer
from journeys.composer import Composer, Office
from journeys.dispatcher import Dispatcher
from journeys.playbook import Playbook
from journeys.service import Service
from journeys.store import sending
from journeys.store.database import Database
from journeys.store.outcomes import message_of
from journeys.store.tables import messages, metadata
from plays.content import Content
from signals.event import Event
from signals.instant import HOUR, MINUTE, Instant

COMPOSER = Composer(
    Renderer.from_dir(Path(__file__).parents[1] / "templates"),
    Office(
        sender=Mailbox("success@example.com", "Success"),
        postal="Example Ltd, 1 Example Street",
        base_url="https://example.com",
        secret="a secret of sixteen characters",
    ),
)
TO_ADMIN = {"message": {"to": "admin", "channel": "email", "content": "hi"}}
MORE_TO_ADMIN = {"message": {"to": "admin", "channel": "email", "content": "more"}}
TO_ALL = {"message": {"to": {"all": "user"}, "channel": "email", "content": "hi"}}


class Dies(BaseException):
    """The process ends here; nothing of ours catches it."""


class Provider(Outbox):
    """An outbox that answers what it is told, and lets something happen during a conversation."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: list[Outcome | type[Dies]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def post(self, mail: Mail) -> Outcome:
        self.meanwhile()
        told = self.outcomes.pop(0) if self.outcomes else None
        if told is Dies:
            raise Dies
        if told is None or isinstance(told, Sent | InDoubt):
            super().post(mail)
        return told if isinstance(told, Sent | Temporary | Permanent | InDoubt) else Sent("kept")


class House:
    """A service with one playbook, in memory."""

    def __init__(self, *plays: Any, mail: MailChannel | None = None, **policies: Any) -> None:
        self.provider = Provider()
        self.unread: Instant | None = None
        self.database = Database("sqlite://")
        with self.database.write() as connection:
            metadata.create_all(connection)
        texts = [
            {"key": "hi", "channel": "email", "subject": "Hi", "body": "Hello {{ account.name }}."},
            {"key": "more", "channel": "email", "subject": "More", "body": "More."},
            {"key": "shown", "channel": "in_app", "subject": "Shown", "body": "Look."},
        ]
        self.contents = [Content.model_validate(text) for text in texts]
        self.book: Playbook = playbook(*plays, policies=policies, contents=self.contents)
        self.service = Service(self.database, lambda: self.book, COMPOSER)
        self.calls = Calls()
        self.dispatcher = Dispatcher(
            self.database, lambda: self.book, COMPOSER, mail or self.provider, lambda: self.unread, self.calls
        )

    def happens(self, *happened: Event, now: Instant = START) -> None:
        self.service.write([replace(each, received_at=now) for each in happened], now)

    def messages(self) -> list[Message]:
        with self.database.read() as connection:
            rows = connection.execute(sa.select(messages).order_by(messages.c.due_at, messages.c.contact))
            return [message_of(row) for row in rows]

    def said(self) -> list[str]:
        """Every message as `contact status:reason`."""
        return [
            f"{one.contact} {one.status.value}" + (f":{one.reason.value}" if one.reason else "")
            for one in self.messages()
        ]

    def count(self, table: sa.Table, **where: Any) -> int:
        wanted = [table.c[name] == value for name, value in where.items()]
        with self.database.read() as connection:
            return int(
                connection.execute(sa.select(sa.func.count()).select_from(table).where(*wanted)).scalar_one()
            )

    def switch(self, stopped: bool, now: Instant) -> None:
        with self.database.write() as connection:
            sending.set_sending(connection, stopped, now)

    def people(self, count: int, role: str = "user") -> None:
        self.happens(*(person(f"u{number:02}", roles=[role]) for number in range(count)))


def at(clock: str) -> Instant:
    """The instant of this time on the first day, a Monday."""
    hours, minutes = clock.split(":")
    return START - 9 * HOUR + int(hours) * HOUR + int(minutes) * MINUTE
