"""The composer: content, blocks, facts and a profile become what one person will read. Pure, on plain data."""

from collections.abc import Mapping
from typing import Any

from channels.facts import ContentFailure
from channels.frame import Frame
from channels.message import Message, MessageClass, Reason
from channels.render import Rendered, Renderer, RenderFailed, Source
from journeys.engine import TaskOrder
from journeys.journey import Journey
from journeys.playbook import Playbook
from journeys.tokens import sign
from plays.content import Block, Content, Fact, UnknownBlock, choose, join_parts
from signals.attributes import plain_account, plain_contact
from signals.conditions import Moment
from signals.conditions.operators import MISSING, dig
from signals.instant import Instant
from signals.profile import Contact, Profile


class Letterhead:
    """Who writes, from where, and under which address links lead back to us."""

    def __init__(
        self, *, sender: str, postal: str, base_url: str, secret: str, colour: str = "#1d5fd1"
    ) -> None:
        self.sender, self.postal, self.base_url, self.secret, self.colour = (
            sender,
            postal,
            base_url,
            secret,
            colour,
        )

    def unsubscribe_url(self, contact: str, topic: str | None) -> str:
        """The one-click link of RFC 8058, bound to person and topic."""
        return f"{self.base_url}/u/{sign(self.secret, 'unsubscribe', contact, topic or '')}"

    def preferences_url(self, contact: str) -> str:
        """The preference page."""
        return f"{self.base_url}/p/{sign(self.secret, 'preferences', contact)}"


class Composer:
    """Renders messages and task texts by a playbook's content."""

    def __init__(self, renderer: Renderer, letterhead: Letterhead) -> None:
        self._renderer, self.letterhead = renderer, letterhead

    def compose(
        self, message: Message, profile: Profile, journey: Journey | None, playbook: Playbook, now: Instant
    ) -> Rendered | ContentFailure:
        """What the recipient will read, or why it cannot be made."""
        contact = profile.contacts.get(message.contact)
        locale = plain_contact(contact, now).get("locale") if contact else None
        content = playbook.content(message.content, message.role, profile.stage, locale)
        if content is None:
            return ContentFailure(Reason.CONTENT_ERROR, f"there is no content {message.content!r}")
        context = _context(profile, contact, journey, message.role, now)
        moment = Moment(
            profile, now, journey.cause.as_event(profile.id) if journey and journey.cause else None, contact
        )
        frame = self._frame(message) if message.channel in ("email", "invitation") else None
        try:
            body = _body(content, playbook, moment, context)
            return self._renderer.render(
                Source(content.subject, body, message.channel, content.locale), context, frame
            )
        except RenderFailed as failure:
            reason = Reason.MISSING_FACT if failure.reason == "missing_fact" else Reason.CONTENT_ERROR
            return ContentFailure(reason, failure.detail)
        except UnknownBlock as failure:
            return ContentFailure(Reason.CONTENT_ERROR, str(failure))

    def task(
        self, order: TaskOrder, profile: Profile, journey: Journey | None, playbook: Playbook
    ) -> tuple[str, str]:
        """A task's title and body; what cannot be rendered is shown as written: a CSM is better off with it."""
        context = _context(profile, None, journey, None, order.at)
        content = playbook.content(order.content, None, profile.stage) if order.content else None
        body = content.body if content is not None else ""
        try:
            rendered = self._renderer.render(Source(order.title, body, "task"), context)
        except RenderFailed as failure:
            return order.title, f"{body}\n\n({failure})" if body else ""
        return rendered.subject, rendered.text

    def _frame(self, message: Message) -> Frame:
        head = self.letterhead
        purpose = message.cls.value
        subscribed = message.cls is not MessageClass.TRANSACTIONAL
        return Frame(
            sender=head.sender,
            address=head.postal,
            purpose=purpose,
            unsubscribe_url=head.unsubscribe_url(message.contact, message.topic) if subscribed else None,
            preferences_url=head.preferences_url(message.contact) if subscribed else None,
            colour=head.colour,
        )


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
        "contact": plain_contact(contact, now) if contact else {},
        "event": journey.cause.as_plain() if journey is not None and journey.cause is not None else {},
        "journey": {"play": journey.play, "key": journey.key} if journey is not None else {},
        "role": role,
        "tags": list(profile.tags),
        "milestones": sorted(profile.milestones),
    }


def _body(content: Content, playbook: Playbook, moment: Moment, context: dict[str, Any]) -> str:
    """The Markdown source for this reader: blocks chosen, facts filled in. Raises RenderFailed, UnknownBlock."""
    conditions = {id(playbook.blocks[key].when): node for key, node in playbook.block_conditions.items()}

    def holds(condition: Any) -> bool:
        node = conditions[id(condition)]
        return node is None or bool(node.test(moment)[0])

    chosen = [block for block in choose(content, playbook.blocks, holds) if _usable(block, context)]
    for facts in (content.facts, *(block.facts for block in chosen)):
        _fill(facts, context)
    return join_parts(content, chosen)


def _usable(block: Block, context: Mapping[str, Any]) -> bool:
    """A block whose `drop` fact is missing is left out."""
    return not any(fact.drop and _value(fact, context) is MISSING for fact in block.facts.values())


def _value(fact: Fact, context: Mapping[str, Any]) -> Any:
    return dig(context, tuple(fact.source.split(".")))


def _fill(facts: Mapping[str, Fact], context: dict[str, Any]) -> None:
    """Defaults where they are missing, renamed facts under their names; a required one that is missing fails."""
    for name, fact in facts.items():
        value = _value(fact, context)
        if value is MISSING:
            if fact.missing in (None, "required"):
                raise RenderFailed("missing_fact", name)
            value = fact.default if fact.missing == "default" else ""
        _put(context, tuple(name.split(".")), value)


def _put(context: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    place = context
    for part in path[:-1]:
        inner = place.get(part)
        place[part] = dict(inner) if isinstance(inner, dict) else {}
        place = place[part]
    place[path[-1]] = value
