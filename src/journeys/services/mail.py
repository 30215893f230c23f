"""A mail catcher: an SMTP server on loopback that keeps what it is given and sends nothing on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller

from journeys.services.processes import free_port


@dataclass(frozen=True)
class Mail:
    """One message as it came over the wire: envelope and content untouched."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass(frozen=True)
class MailCatcher:
    """Where to send, and what has come, in order of arrival."""

    url: str
    mails: list[Mail] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """aiosmtpd's hook for a whole message."""
        self.mails.append(Mail(envelope.mail_from, tuple(envelope.rcpt_tos), envelope.content))
        return "250 2.0.0 kept"


@contextmanager
def mail_catcher(port: int | None = None) -> Iterator[MailCatcher]:
    """Catch mail on `port`, or on any free one."""
    port = port or free_port()
    catcher = MailCatcher(f"smtp://127.0.0.1:{port}")
    controller = Controller(catcher, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield catcher
    finally:
        controller.stop()
