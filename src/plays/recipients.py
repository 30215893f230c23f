"""Who gets it: roles to people, by reachability and seniority in the role (semantics §5 "Roles")."""

from collections.abc import Sequence
from typing import NamedTuple

from plays.steps import All, Each, MessageStep
from signals.instant import Instant
from signals.profile import Contact, Profile, address, holders, is_open


class Lane(NamedTuple):
    """One addressee of a step, or a vacant lane (`contact` None)."""

    role: str
    contact: Contact | None
    channel: str


def reachable(contact: Contact, channel: str) -> bool:
    """Open, with an address for the channel, not on the suppression list. Unsubscribed people are reachable."""
    if not is_open(contact):
        return False
    return channel == "in_app" or (address(contact) is not None and contact.suppressed is None)


def channel_for(contact: Contact, channels: Sequence[str]) -> str:
    """The contact's preference if among them, else the first usable, else the first."""
    writes = contact.attributes.get("preferred_channel")
    wanted = writes[-1].value if writes else None
    if wanted in channels:
        return str(wanted)
    return next((channel for channel in channels if reachable(contact, channel)), channels[0])


def lanes(step: MessageStep, profile: Profile, now: Instant) -> list[Lane]:
    """Who the step is for now. A person who holds several roles of `each` gets the first lane's message only."""
    channels = list(step.channel)
    if isinstance(step.to, Each):
        found = [first_reachable(profile, [role], channels, now) for role in step.to.each]
    elif isinstance(step.to, All):
        people = [profile.contacts[span.contact] for span in holders(profile, step.to.all, now)]
        found = [Lane(step.to.all, person, channel_for(person, channels)) for person in people]
        found = found or [Lane(step.to.all, None, channels[0])]
    else:
        roles = [step.to] if isinstance(step.to, str) else step.to
        found = [first_reachable(profile, roles, channels, now)]
    seen: set[str] = set()
    unique = []
    for lane in found:
        if lane.contact is None or lane.contact.id not in seen:
            unique.append(lane)
            seen |= {lane.contact.id} if lane.contact else set()
    return unique


def first_reachable(profile: Profile, roles: list[str], channels: Sequence[str], now: Instant) -> Lane:
    """The first role with a reachable person; if nobody is reachable, the first holder: judgement says why not."""
    first_holder: Lane | None = None
    for role in roles:
        for span in holders(profile, role, now):
            contact = profile.contacts[span.contact]
            channel = channel_for(contact, channels)
            if any(reachable(contact, usable) for usable in channels):
                return Lane(role, contact, channel)
            first_holder = first_holder or Lane(role, contact, channel)
    return first_holder or Lane(roles[0], None, channels[0])
