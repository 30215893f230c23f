"""The composer: content, blocks, facts and a profile become what one person will read. Pure, on plain data."""

import dataclasses
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
from journeys.playbook import Playbook
from journeys.tokens import sign
from plays.compose import compose
from plays.content import Content, UnknownBlock
from signals.attributes import plain_account, plain_contact
from signals.conditions import Moment
from signals.instant import Instant, iso
from signals.profile import Contact, Profile

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
        contact = profile.contacts.get(message.contact)
        locale = plain_contact(profile, contact, now).get("locale") if contact else None
        content = playbook.content(message.content, message.role, profile.stage, locale)
        if content is None:
            return ContentFailure(Reason.BAD_TEMPLATE, f"there is no content {message.content!r}")
        context = _context(profile, contact, journey, message.role, now) | (message.data or {})
        cause = (
            journey.cause.as_event(profile.id) if journey is not None and journey.cause is not None else None
        )
        moment = Moment(profile, now, cause, contact, feeds=playbook.feeds)
        try:
            return self._render(message, content, playbook, moment, context)
        except RenderFailed as failure:
            return ContentFailure(Reason(failure.reason), failure.detail)
        except (UnknownBlock, BadHeader) as failure:
            return ContentFailure(Reason.BAD_TEMPLATE, str(failure))

    def _render(
        self, message: Message, content: Content, playbook: Playbook, moment: Moment, context: dict[str, Any]
    ) -> Rendered:
        def holds(condition: Any) -> bool:
            return bool(playbook.block_condition(condition).test(moment)[0])

        made = compose(content, playbook.blocks, holds, context)
        framed = message.channel in ("email", "invitation")
        source = replace_channel(made.source, message.channel)
        return self._renderer.render(source, made.context, self._frame(message) if framed else None)

    def call(
        self, message: Message, profile: Profile, journey: Journey | None, now: Instant
    ) -> Call | ContentFailure:
        """A webhook, its body in the shape of Standard Webhooks: the same bytes at every attempt but for what is known.

        https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#payload-structure
        """
        context = _context(profile, None, journey, None, now)
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
        context = _context(profile, None, None, None, order.at)
        context["event"] = {} if order.cause is None else order.cause.as_plain()
        content = playbook.content(order.content, None, profile.stage) if order.content else None
        body = content.body if content is not None else ""
        try:
            rendered = self._renderer.render(Source(order.title, body, "task"), context)
        except RenderFailed as failure:
            return order.title, f"{body}\n\n({failure})" if body else ""
        return rendered.subject, rendered.text.strip()

    def wording(self, playbook: Playbook) -> Callable[[TaskOrder, Profile], tuple[str, str]]:
        """How a unit of work words its tasks."""
        return lambda order, profile: self.task(order, profile, playbook)

    def _frame(self, message: Message) -> Frame:
        office = self.office
        subscribed = message.cls is not MessageClass.TRANSACTIONAL
        return Frame(
            sender=office.sender.name or office.sender.address,
            address=office.postal,
            purpose=message.cls.value,
            unsubscribe_url=office.unsubscribe_url(message) if subscribed else None,
            preferences_url=office.preferences_url(message) if subscribed else None,
            colour=office.colour,
        )


def _filled(value: Any, context: dict[str, Any]) -> Any:
    """Plain data with its texts rendered. Raises RenderFailed."""
    if isinstance(value, dict):
        return {name: _filled(item, context) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, context) for item in value]
    if not isinstance(value, str) or "{" not in value:
        return value
    return _template(value).render(context, slotted=False)[0]


def replace_channel(source: Source, channel: str) -> Source:
    """The same text for the channel that was chosen for this person."""
    return dataclasses.replace(source, channel=channel)  # type: ignore[arg-type]  # one of the channels


def _context(
    profile: Profile, contact: Contact | None, journey: Journey | None, role: str | None, now: Instant
) -> dict[str, Any]:
    """Everything a text may read, as plain data."""
    return {
        "account": {
            "id": profile.id,
            "name": profile.id,
            **plain_account(profile, now),
            "stage": profile.stage,
        },
        "contact": plain_contact(profile, contact, now) if contact else {},
        "event": journey.cause.as_plain() if journey is not None and journey.cause is not None else {},
        "journey": {"play": journey.play, "key": journey.key} if journey is not None else {},
        "role": role,
        "tags": list(profile.tags),
        "milestones": sorted(profile.milestones),
    }
