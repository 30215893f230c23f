"""The fold: a profile and an event make the next profile (semantics §1, §2). What each type changes: `signals.effects`.

What is kept depends only on the set of events. An event that fails half-way leaves the profile before it whole.
"""

from collections.abc import Collection, Iterable

import msgspec

from signals.effects import EFFECTS
from signals.effects.accounts import set_created
from signals.effects.people import suppression_cause
from signals.event import Event
from signals.instant import Instant
from signals.joins import Said, joined
from signals.matching import type_matches
from signals.measures import Measure
from signals.profile import Contact, Profile
from signals.sieve import AT_ONCE, LATE
from signals.tone import heard

__all__ = ["after", "remember", "suppression_cause"]


def after(
    profile: Profile, event: Event, measures: Iterable[Measure], now: Instant
) -> tuple[Profile, set[str]]:
    """The profile with the event in it, and what it touched (`attribute:plan`, `milestone:x`, `measure:7`, …)."""
    twin = profile.copy() if event.type in EFFECTS else profile.looked_at()
    touched: set[str] = set()
    if event.seq > twin.seq:
        twin.seq = event.seq
    if event.time > twin.last_event_at:
        twin.last_event_at = event.time
    if event.time < now - AT_ONCE:
        touched.add(LATE)
    if twin.given_created_at is None and event.time < twin.created_at:
        set_created(twin, event.time, touched)
    if event.contact is not None:
        _see(twin, event.contact, event.time, touched)
    if event.said is not None:
        _join(twin, event.contact, event.said)
    effect = EFFECTS.get(event.type)
    if effect is not None:
        effect(twin, event, touched)
    event, kept = heard(event), twin.measures
    for measure in measures:
        old = kept.get(measure.id)
        new = measure.fold(old, event, now)
        if new is not old and new is not None:
            kept[measure.id] = new
            touched.add(measure.token)
    return twin, touched


def remember(
    profile: Profile, history: Iterable[Event], measures: Collection[Measure], now: Instant
) -> Profile:
    """The profile with these measures counted anew from its history: for definitions that have just become live."""
    twin = profile.copy()
    for measure in measures:
        twin.measures.pop(measure.id, None)
    for event in map(heard, history):
        for measure in measures:
            if any(type_matches(pattern, event.type) for pattern in measure.types):
                new = measure.fold(twin.measures.get(measure.id), event, now)
                if new is not None:
                    twin.measures[measure.id] = new
    return twin


def _see(profile: Profile, contact_id: str, at: Instant, touched: set[str]) -> None:
    last = profile.seen.get(contact_id)
    if last is None or at > last:
        profile.seen = {**profile.seen, contact_id: at}
    if last is None:
        _put(profile, Contact(contact_id, first_seen=at))
    elif at < last and at < (known := profile.contacts[contact_id]).first_seen:
        _put(profile, msgspec.structs.replace(known, first_seen=at))
    else:
        return
    touched.add("contacts")  # an absence may count from when someone was first seen


def _put(profile: Profile, contact: Contact) -> None:
    profile.contacts = {**profile.contacts, contact.id: contact}


def _join(profile: Profile, contact_id: str | None, said: Said) -> None:
    """Who was named by another id is known by it too, from when the two were joined."""
    profile.joins = joined(profile.joins, said.accounts)
    if contact_id is not None:
        contact = profile.contacts[contact_id]
        joins = joined(contact.joins, said.contacts)
        _put(profile, msgspec.structs.replace(contact, joins=joins))
