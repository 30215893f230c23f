"""What events change of the people at an account: what is known of them, their roles, whether mail may go to them."""

from typing import Any

import msgspec

from signals.effects.accounts import attributes_of, instant_of
from signals.event import Event
from signals.joins import Name, RoleSet
from signals.profile import Contact, Profile, Write, merge_attributes, newest, tie, with_roles, write


def update_contact(profile: Profile, event: Event, touched: set[str]) -> None:
    """What is known of a person, and the roles they hold."""
    if event.contact is None:
        return
    contact = profile.contacts[event.contact]
    attributes = merge_attributes(contact.attributes, attributes_of(event), event.time, tie(event))
    roles = contact.roles
    if isinstance(event.data.get("roles"), list):
        roles = write(roles, RoleSet(event.time, tie(event), _role_set(event.data["roles"]), _named(event)))
        touched.add("roles")
    changed = msgspec.structs.replace(contact, attributes=attributes)
    profile.contacts[event.contact] = (
        changed if roles is contact.roles else came_or_went(profile, changed, roles)
    )
    touched.add("contacts")


def _role_set(given: list[Any]) -> list[list[Any]]:
    """`[champion, {role, since, until}]` as `[[role, since, until], …]`; what names no role is left out."""
    entries = [{"role": item} if isinstance(item, str) else item for item in given]
    return [
        [entry["role"], instant_of(entry.get("since")), instant_of(entry.get("until"))]
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("role"), str)
    ]


def close_contact(profile: Profile, event: Event, touched: set[str]) -> None:
    """A person has left: every role of theirs ends."""
    if event.contact is None:
        return
    contact = profile.contacts[event.contact]
    roles = write(contact.roles, RoleSet(event.time, tie(event), [], _named(event)))
    went_at = event.time if contact.went_at is None else max(contact.went_at, event.time)
    gone = msgspec.structs.replace(contact, went_at=went_at)
    profile.contacts[event.contact] = came_or_went(profile, gone, roles)
    touched.update(("roles", "contacts"))


def _named(event: Event) -> Name | None:
    """The name it was said of, where that has become another."""
    if event.said is None or event.account is None or event.contact is None:
        return None
    return event.said.account or event.account, event.said.contact or event.contact


def came_or_went(profile: Profile, contact: Contact, roles: list[RoleSet]) -> Contact:
    """The contact with these roles: gone since the newest leaving, unless given a role again after it."""
    went_at = contact.went_at
    back = went_at is not None and any(entry.at > went_at and entry.value for entry in roles)
    return with_roles(profile, msgspec.structs.replace(contact, left_at=None if back else went_at), roles)


def suppress(profile: Profile, event: Event, touched: set[str]) -> None:
    """Mail to a person stops, or may go again."""
    cause = suppression_cause(event)
    if event.contact is None or (cause is None and event.type != "contact.unsuppressed"):
        return
    contact = profile.contacts[event.contact]
    word = newest(contact.suppression, Write(event.time, tie(event), cause))
    profile.contacts[event.contact] = msgspec.structs.replace(
        contact, suppression=word, suppressed=word.value
    )
    touched.add("contacts")


def suppression_cause(event: Event) -> str | None:
    """Why this event puts the contact's address on the suppression list; None where it does not."""
    if event.type == "engagement.bounced":
        return "hard_bounce" if event.data.get("bounce") == "hard" else None
    if event.type == "engagement.complained":
        return "complaint"
    return str(event.data.get("cause") or "manual") if event.type == "contact.suppressed" else None
