"""What events say of who somebody is: names of others, addresses, merges. Pure."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from channels.address import BadAddress, lookup_key
from signals.event import Event
from signals.problem import Problem

ACCOUNT, CONTACT = "account", "contact"
MERGES = {"alias": CONTACT, "crm.contact_merged": CONTACT, "crm.account_merged": ACCOUNT}
"""Types that say that `data.from` is the event's contact or account, and which of the two."""

UPDATES = {"crm.account_updated": ACCOUNT, "crm.contact_updated": CONTACT}
"""Types that may say what others call the account or contact (`data.external`), or where they are written to."""


class Outside(NamedTuple):
    """Somebody as a source of ours names them."""

    kind: str
    source: str
    external: str


class Asked(msgspec.Struct):
    """What has to be known to resolve a set of events. `people` are those whose accounts and addresses matter;
    `joining` the ids that may become one; `links` what is to be known by the names of others from here on.
    """

    ids: set[str] = set()
    outside: set[Outside] = set()
    people: set[str] = set()
    addresses: set[str] = set()
    joining: set[str] = set()
    links: set[Outside] = set()


def asked_by(events: Iterable[Event]) -> Asked:
    """What these events ask for."""
    asked = Asked()
    for event in events:
        if event.account is not None:
            asked.ids.add(event.account)
        if event.contact is not None:
            asked.ids.add(event.contact)
        if event.account is None or event.contact is None or names_outside(event):
            _ask_outside(asked, event)
        if event.account is None and event.contact is not None:
            asked.people.add(event.contact)
        if event.type in MERGES:
            _ask_merge(asked, event)
        elif event.type in UPDATES:
            _ask_update(asked, event)
    return asked


def _ask_outside(asked: Asked, event: Event) -> None:
    asked.outside.update(outside for kind in (ACCOUNT, CONTACT) if (outside := named_outside(event, kind)))
    key = address_key(event.data.get("contact_email"))
    if key is not None:
        asked.addresses.add(key)


def _ask_merge(asked: Asked, event: Event) -> None:
    old = event.data.get("from")
    names = [name for name in (old, event.contact) if isinstance(name, str)]
    asked.ids.update(names)
    asked.joining.update(names)
    if MERGES[event.type] == CONTACT:
        asked.people.update(names)
    elif event.account is not None:
        asked.joining.add(event.account)


def _ask_update(asked: Asked, event: Event) -> None:
    links = external_of(event)
    if not isinstance(links, Problem) and links:
        _ask_links(asked, event, links)
    key = address_in(event)
    if key is not None and event.contact is not None:
        asked.people.add(event.contact)
        asked.addresses.add(key)


def _ask_links(asked: Asked, event: Event, links: list[Outside]) -> None:
    """Who is linked may have been known by the name others gave them (`called`)."""
    asked.outside.update(links)
    asked.links.update(links)
    mine = event.account if UPDATES[event.type] == ACCOUNT else event.contact
    names = [called(link) for link in links] + ([] if mine is None else [mine])
    asked.ids.update(names)
    asked.joining.update(names)
    if UPDATES[event.type] == CONTACT:
        asked.people.update(names)


def called(outside: Outside) -> str:
    """What somebody is called here who was heard of by another's name alone: `hubspot:123`."""
    return f"{outside.source}:{outside.external}"


def external_of(event: Event) -> list[Outside] | Problem:
    """What `data.external` says the account or contact is called elsewhere: `{stripe: cus_123}`."""
    said = event.data.get("external")
    if said is None or event.type not in UPDATES:
        return []
    if not isinstance(said, dict) or not all(_is_name(value) for value in said.values()):
        detail = "external names each source with one text of 1 to 255 characters, as in {stripe: cus_123}"
        return Problem(422, "invalid", detail, "/data/external")
    return [Outside(UPDATES[event.type], source, value) for source, value in said.items()]


def named_outside(event: Event, kind: str) -> Outside | None:
    """The account or contact as the event's source names it."""
    value = event.data.get(f"{kind}_external")
    return Outside(kind, event.source, value) if isinstance(value, str) else None


def names_outside(event: Event) -> bool:
    """Whether a vendor names somebody in its own way."""
    return "account_external" in event.data or "contact_external" in event.data


def own(name: str | None, event: Event) -> str | None:
    """The id, if it is one of ours: `hubspot:123` from HubSpot is what it is `called` until it is linked."""
    return None if name is None or name.startswith(f"{event.source}:") else name


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255


def address_in(event: Event) -> str | None:
    """The address that the event gives its contact, as it is compared."""
    if event.type != "crm.contact_updated":
        return None
    attributes = event.data.get("attributes")
    return address_key(attributes.get("email")) if isinstance(attributes, dict) else None


def address_key(address: Any) -> str | None:
    """How an address is compared; None where it is none."""
    return _key(address) if isinstance(address, str) else None


@lru_cache(maxsize=10_000)
def _key(address: str) -> str | None:
    try:
        return lookup_key(address)
    except BadAddress:
        return None
