"""Which text a reader gets, and on what data: the same for sending, for the render gate and for previews. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from channels.render import Source
from journeys.journey import Cause
from journeys.playbook import Playbook
from plays.compose import Composed, compose
from plays.content import Content
from signals.attributes import plain_account, plain_contact
from signals.conditions import Moment
from signals.instant import Instant
from signals.profile import Contact, Profile


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: a person at an account in a role, because of what, at which instant.

    `contact` None is somebody of ours, reading a task. `beside` is what a step puts beside the profile (`offer`).
    """

    profile: Profile
    contact: Contact | None
    role: str | None
    now: Instant
    cause: Cause | None = None
    play: str | None = None
    journey_key: str | None = None
    beside: Mapping[str, Any] = field(default_factory=dict)

    @property
    def locale(self) -> str | None:
        """The language the person reads, as given."""
        found = (
            None
            if self.contact is None
            else plain_contact(self.profile, self.contact, self.now).get("locale")
        )
        return found if isinstance(found, str) else None

    def content(self, key: str, playbook: Playbook) -> Content | None:
        """The variant of a content that is this reader's."""
        return playbook.content(key, self.role, self.profile.stage, self.locale)

    def context(self) -> dict[str, Any]:
        """Everything a text may read, as plain data."""
        profile, now = self.profile, self.now
        account = {
            "id": profile.id,
            "name": profile.id,
            **plain_account(profile, now),
            "stage": profile.stage,
        }
        return {
            "account": account,
            "contact": plain_contact(profile, self.contact, now) if self.contact else {},
            "event": {} if self.cause is None else self.cause.as_plain(),
            "journey": {} if self.play is None else {"play": self.play, "key": self.journey_key},
            "role": self.role,
            "tags": list(profile.tags),
            "milestones": sorted(profile.milestones),
            **self.beside,
        }

    def moment(self, playbook: Playbook) -> Moment:
        """What the conditions of blocks are asked at."""
        cause = None if self.cause is None else self.cause.as_event(self.profile.id)
        return Moment(self.profile, self.now, cause, self.contact, feeds=playbook.feeds)


def composed(content: Content, reader: Reader, playbook: Playbook) -> Composed:
    """The text with the blocks that are this reader's, and its data. Raises RenderFailed, UnknownBlock."""
    moment = reader.moment(playbook)

    def holds(condition: Any) -> bool:
        return bool(playbook.block_condition(condition).test(moment)[0])

    return compose(content, playbook.blocks, holds, reader.context())


def for_channel(source: Source, channel: str) -> Source:
    """The same text for the channel that was chosen for this person."""
    return Source(source.subject, source.body, channel, source.locale)  # type: ignore[arg-type]  # one of the channels
