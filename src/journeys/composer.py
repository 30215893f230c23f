"""The composer: content, blocks, facts and a profile become what one person will read. Pure, on plain data."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson

from channels.facts import ContentFailure
from channels.frame import Frame
from channels.headers import BadHeader, Mailbox
from channels.message import Message, MessageClass, Reason, mail_message_id
from channels.mime import Letterhead, Posting, build
from channels.port import Call, Mail
from channels.render import Rendered, Renderer, RenderFailed, Source
from channels.sandbox import compile_source
from journeys.engine import TaskOrder
from journeys.journey import Journey
from journeys.letters import Reader, composed, for_channel
from journeys.playbook import Playbook
from journeys.tokens import sign
from plays.content import UnknownBlock
from signals.instant import Instant, iso
from signals.profile import Profile

LARGEST_CALL = 64 * 1024
"""Bytes of a webhook's body."""

_template = lru_cache(512)(compile_source)


class Office:
    """Who writes, from where, and under which address links lead back to us.

    One-click unsubscribing needs an https `base_url` (RFC 8058); without one the header names the sender's mailbox.
    """

    def __init__(
        self, *, sender: Mailbox, postal: str, base_url: str, secret: str, colour: str = "#1d5fd1"
    ) -> None:
        self.sender, self.postal, self.colour = sender, postal, colour
        self.base_url, self._secret = base_url.rstrip("/"), secret
        self.domain = sender.address.partition("@")[2]
        self.letterhead = Letterhead(sender, frozenset({sender.address}))

    def unsubscribe_url(self, message: Message) -> str:
        """The one-click link, bound to person, topic and message."""
        token = sign(
            self._secret, "unsubscribe", message.contact, message.topic or "", message.account, message.id
        )
        return f"{self.base_url}/u/{token}"

    def preferences_url(self, message: Message) -> str:
        """The preference page of the person."""
        return f"{self.base_url}/p/{sign(self._secret, 'preferences', message.contact, message.account)}"

    def frame(
        self, cls: str, unsubscribe_url: str | None = None, preferences_url: str | None = None
    ) -> Frame:
        """The sheet of a mail of this class, with the ways out where it has any: transactional ones have none."""
        has_ways_out = cls != MessageClass.TRANSACTIONAL
        return Frame(
            sender=self.sender.name or self.sender.address,
            address=self.postal,
            purpose=cls,  # type: ignore[arg-type]  # one of the words of MessageClass
            unsubscribe_url=unsubscribe_url if has_ways_out else None,
            preferences_url=preferences_url if has_ways_out else None,
            colour=self.colour,
        )

    def mail(self, message: Message, rendered: Rendered, now: Instant) -> Mail:
        """The bytes that are handed over: the same at every attempt but for the Date. Raises BadHeader."""
        assert message.address is not None
        subscribed = message.cls is not MessageClass.TRANSACTIONAL
        secure = self.base_url.startswith("https://")
        posting = Posting(
            to=message.address,
            message_id=mail_message_id(message.id, self.domain),
            date=now,
            unsubscribe_url=self.unsubscribe_url(message) if subscribed and secure else None,
            unsubscribe_mailto=self.sender if subscribed and not secure else None,
            list_id=f"{(message.topic or message.play).replace('_', '-').lower()}.{self.domain}"
            if subscribed
            else None,
        )
        return build(self.letterhead, posting, rendered)


class Composer:
    """Renders messages and task texts by a playbook's content."""

    def __init__(self, renderer: Renderer, office: Office) -> None:
        self._renderer, self.office = renderer, office

    def compose(
        self, message: Message, profile: Profile, journey: Journey | None, playbook: Playbook, now: Instant
    ) -> Rendered | ContentFailure:
        """What the recipient will read, or why it cannot be made."""
        reader = Reader(
            profile,
            profile.contacts.get(message.contact),
            message.role,
            now,
            None if journey is None else journey.cause,
            None if journey is None else journey.play,
            None if journey is None else journey.key,
            message.data or {},
        )
        content = reader.content(message.content, playbook)
        if content is None:
            return ContentFailure(Reason.BAD_TEMPLATE, f"there is no content {message.content!r}")
        try:
            made = composed(content, reader, playbook)
            framed = message.channel in ("email", "invitation")
            source = for_channel(made.source, message.channel)
            return self._renderer.render(source, made.context, self._frame(message) if framed else None)
        except RenderFailed as failure:
            return ContentFailure(Reason(failure.reason), failure.detail)
        except (UnknownBlock, BadHeader) as failure:
            return ContentFailure(Reason.BAD_TEMPLATE, str(failure))

    def call(
        self, message: Message, profile: Profile, journey: Journey | None, now: Instant
    ) -> Call | ContentFailure:
        """A webhook, its body in the shape of Standard Webhooks: the same bytes at every attempt but for what is known.

        https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#payload-structure
        """
        cause = None if journey is None else journey.cause
        named = None if journey is None else journey.key
        context = Reader(profile, None, None, now, cause, message.play, named).context()
        about = {name: getattr(message, name) for name in ("account", "play", "version", "journey", "step")}
        try:
            data = _filled((message.data or {}).get("data", {}), context)
        except RenderFailed as failure:
            return ContentFailure(Reason(failure.reason), failure.detail)
        body = {"type": "journey.webhook", "timestamp": iso(message.due_at), "data": data, **about}
        content = orjson.dumps(body)
        if len(content) > LARGEST_CALL:
            return ContentFailure(Reason.TOO_LARGE, f"the data is over {LARGEST_CALL} bytes")
        return Call(message.content, message.id, content)

    def task(self, order: TaskOrder, profile: Profile, playbook: Playbook) -> tuple[str, str]:
        """A task's title and body; what cannot be rendered is shown as written: a CSM is better off with it."""
        reader = Reader(profile, None, None, order.at, order.cause)
        content = None if order.content is None else reader.content(order.content, playbook)
        try:
            made = None if content is None else composed(content, reader, playbook)
            body, context = ("", reader.context()) if made is None else (made.source.body, made.context)
            rendered = self._renderer.render(Source(order.title, body, "task"), context)
        except (RenderFailed, UnknownBlock) as failure:
            return order.title, f"{content.body}\n\n({failure})" if content is not None else ""
        return rendered.subject, rendered.text.strip()

    def wording(self, playbook: Playbook) -> Callable[[TaskOrder, Profile], tuple[str, str]]:
        """How a unit of work words its tasks."""
        return lambda order, profile: self.task(order, profile, playbook)

    def _frame(self, message: Message) -> Frame:
        office = self.office
        if message.cls is MessageClass.TRANSACTIONAL:  # two signatures are spared
            return office.frame(message.cls.value)
        ways_out = office.unsubscribe_url(message), office.preferences_url(message)
        return office.frame(message.cls.value, *ways_out)


def _filled(value: Any, context: dict[str, Any]) -> Any:
    """Plain data with its texts rendered. Raises RenderFailed."""
    if isinstance(value, dict):
        return {name: _filled(item, context) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, context) for item in value]
    if not isinstance(value, str) or "{" not in value:
        return value
    return _template(value).render(context, slotted=False)[0]
