"""What each type of event changes by itself (semantics §1, the table of types).

What is kept depends only on the set of events: newest opening against newest closing, first time, greatest time,
exact sums, writes ordered by event time.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from signals.attributes import interval_months
from signals.event import Event
from signals.instant import LATEST, Instant
from signals.joins import Name, RoleSet
from signals.operators import as_instant, is_number
from signals.profile import (
    EVERY_HOLD,
    Contact,
    Profile,
    Ticket,
    Write,
    merge_attributes,
    newest,
    tie,
    with_roles,
    write,
)

_NO_HOLD: list[Any] = [0, 0, None, None]
Effect = Callable[[Profile, Event, set[str]], None]

HOLDS_OPEN = {
    "crm.escalation_opened": "escalation",
    "crm.negotiation_started": "negotiation",
    "billing.dispute_opened": "dispute",
}
HOLDS_CLOSE = {
    "crm.escalation_closed": "escalation",
    "crm.negotiation_ended": "negotiation",
    "billing.dispute_closed": "dispute",
}
SUBSCRIPTION_STATUS = {
    "billing.subscription_started": "active",
    "billing.subscription_renewed": "active",
    "billing.subscription_cancelled": "cancelled",
}


def set_created(profile: Profile, at: Instant, touched: set[str]) -> None:
    """The account was created at `at`."""
    profile.created_at = at
    touched.add("attribute:created_at")


def _set(profile: Profile, event: Event, given: dict[str, Any], touched: set[str]) -> None:
    profile.attributes = merge_attributes(profile.attributes, given, event.time, tie(event))
    touched.update(f"attribute:{name}" for name in given)


def _attributes(event: Event) -> dict[str, Any]:
    given = event.data.get("attributes")
    return given if isinstance(given, dict) else {}


def _account_updated(profile: Profile, event: Event, touched: set[str]) -> None:
    given = dict(_attributes(event))
    created = given.pop("created_at", None)
    created_at = as_instant(created) if isinstance(created, str) else None
    if created_at is not None:
        earlier = profile.given_created_at
        profile.given_created_at = created_at if earlier is None else min(created_at, earlier)
        set_created(profile, profile.given_created_at, touched)
    _set(profile, event, given, touched)


def _contact_updated(profile: Profile, event: Event, touched: set[str]) -> None:
    if event.contact is None:
        return
    contact = profile.contacts[event.contact]
    attributes = merge_attributes(contact.attributes, _attributes(event), event.time, tie(event))
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
        [entry["role"], _instant(entry.get("since")), _instant(entry.get("until"))]
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("role"), str)
    ]


def _instant(value: Any) -> Instant | None:
    return as_instant(value) if isinstance(value, str) else None


def _contact_left(profile: Profile, event: Event, touched: set[str]) -> None:
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


def place_hold(profile: Profile, reason: str, at: Instant, until: Instant | None, author: str | None) -> None:
    """The account hold stands from `at`; reasons are holds of their own."""
    kept = profile.holds.get(reason, _NO_HOLD)
    placed = [at, kept[1], until, author]
    profile.holds[reason] = max(kept, placed, key=placed_last)


def placed_last(hold: list[Any]) -> tuple[Instant, bool, Instant, str]:
    """Of two holds placed at one instant the one that lasts longer counts, whichever arrived first."""
    opened, _, until, author = hold
    return opened, until is None, until or 0, author or ""


def release_hold(profile: Profile, reason: str, at: Instant) -> None:
    """The account hold ends at `at`, unless it was placed again later."""
    opened, closed, *rest = profile.holds.get(reason, _NO_HOLD)
    profile.holds[reason] = [opened, max(closed, at), *rest]


def _hold_opened(profile: Profile, event: Event, touched: set[str]) -> None:
    reason = HOLDS_OPEN.get(event.type) or str(event.data.get("reason") or "manual")
    place_hold(profile, reason, event.time, _instant(event.data.get("until")), event.data.get("author"))
    touched.add("holds")


def _hold_closed(profile: Profile, event: Event, touched: set[str]) -> None:
    reason = HOLDS_CLOSE.get(event.type) or event.data.get("reason") or EVERY_HOLD
    release_hold(profile, str(reason), event.time)
    touched.add("holds")


def reach(profile: Profile, milestone: str, at: Instant, touched: set[str]) -> None:
    """The milestone was reached at `at`; the first time counts."""
    known = profile.milestones.get(milestone)
    if known is None or at < known:
        profile.milestones[milestone] = at
        touched.add(f"milestone:{milestone}")


def _milestone_reached(profile: Profile, event: Event, touched: set[str]) -> None:
    if isinstance(event.data.get("milestone"), str):
        reach(profile, event.data["milestone"], event.time, touched)


def _ticket(profile: Profile, event: Event, touched: set[str]) -> None:
    name = event.data.get("ticket")
    if name is None:
        return
    ticket = msgspec.structs.replace(profile.tickets.get(str(name), Ticket()))
    if event.type == "support.ticket_solved":
        ticket.solved_at = _later(ticket.solved_at, event.time)
    elif event.type == "support.ticket_opened":
        ticket.opened_at = _later(ticket.opened_at, event.time)
    else:
        ticket.updated_at = event.time if ticket.updated_at is None else min(ticket.updated_at, event.time)
    for part in ("priority", "topic"):
        if _text(event.data.get(part)):
            said = Write(event.time, tie(event), event.data[part])
            setattr(ticket, part, newest(getattr(ticket, part), said))
    profile.tickets[str(name)] = ticket
    touched.update(("attribute:open_tickets", "attribute:open_urgent_tickets", "attribute:last_ticket_at"))


def _later(known: Instant | None, at: Instant) -> Instant:
    return at if known is None else max(known, at)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _score(name: str) -> Effect:
    def effect(profile: Profile, event: Event, touched: set[str]) -> None:
        if is_number(event.data.get("score")):
            _set(profile, event, {name: event.data["score"]}, touched)

    return effect


def _subscription(profile: Profile, event: Event, touched: set[str]) -> None:
    data = event.data
    given: dict[str, Any] = {
        name: data[name] for name in ("plan", "mrr", "seats", "renews_at") if name in data
    }
    if "started_at" in data:
        given["subscription_started_at"] = data["started_at"]
    months = interval_months(data.get("interval"))
    if months is not None:
        given["interval_months"] = months
    status = _text(data.get("status")) or SUBSCRIPTION_STATUS.get(event.type)
    if status is not None:
        given["status"] = status
    _set(profile, event, given, touched)


def _payment(status: str) -> Effect:
    def effect(profile: Profile, event: Event, touched: set[str]) -> None:
        given: dict[str, Any] = {"payment_status": status}
        if _instant(event.data.get("next_charge_at")) is not None:
            given["next_charge_at"] = event.data["next_charge_at"]
        _set(profile, event, given, touched)

    return effect


def _order_placed(profile: Profile, event: Event, touched: set[str]) -> None:
    count, total, last = profile.orders or [0, "0", 0]
    amount = event.data.get("amount")
    total = str(Decimal(total) + Decimal(str(amount))) if is_number(amount) else total
    profile.orders = [count + 1, total, max(last, event.time)]
    touched.update(("attribute:orders", "attribute:ltv", "attribute:last_order_at"))


def _shipment(name: str) -> Effect:
    def effect(profile: Profile, event: Event, touched: set[str]) -> None:
        _set(profile, event, {"last_order_status": name}, touched)

    return effect


def _suppressed(profile: Profile, event: Event, touched: set[str]) -> None:
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


def _tagged(profile: Profile, event: Event, touched: set[str]) -> None:
    """Tags given by hand or by a play; those of segments come and go with the segment."""
    for word, given in (("add", True), ("remove", False)):
        for tag in event.data.get(word) or []:
            said = newest(profile.tag_words.get(tag), Write(event.time, tie(event), given))
            profile.tag_words[tag] = said
    settle_tags(profile)
    touched.update(f"tag:{tag}" for tag in profile.tag_words)


def settle_tags(profile: Profile) -> None:
    """The tags that what was said of them comes to; segments keep theirs."""
    words = profile.tag_words
    profile.given_tags = {tag: said.at for tag, said in words.items() if said.value}
    removed = {tag for tag, said in words.items() if not said.value}
    profile.tags = sorted({*profile.tags, *profile.given_tags} - (removed - profile.segments.keys()))


EFFECTS: dict[str, Effect] = {
    "account.tagged": _tagged,
    "crm.account_updated": _account_updated,
    "crm.contact_updated": _contact_updated,
    "crm.contact_left": _contact_left,
    **dict.fromkeys((*HOLDS_OPEN, "account.hold_placed"), _hold_opened),
    **dict.fromkeys((*HOLDS_CLOSE, "account.hold_released"), _hold_closed),
    "product.milestone_reached": _milestone_reached,
    **dict.fromkeys(("support.ticket_opened", "support.ticket_updated", "support.ticket_solved"), _ticket),
    "support.csat_received": _score("csat"),
    "survey.nps_received": _score("nps"),
    **dict.fromkeys((*SUBSCRIPTION_STATUS, "billing.subscription_changed"), _subscription),
    "billing.invoice_paid": _payment("ok"),
    "billing.payment_failed": _payment("failed"),
    "billing.order_placed": _order_placed,
    "billing.order_shipped": _shipment("shipped"),
    "billing.order_delivered": _shipment("delivered"),
    **dict.fromkeys(("engagement.bounced", "engagement.complained"), _suppressed),
    **dict.fromkeys(("contact.suppressed", "contact.unsuppressed"), _suppressed),
}

TELLS_ATTRIBUTES = (
    "crm.account_updated",
    "support.csat_received",
    "survey.nps_received",
    *SUBSCRIPTION_STATUS,
    "billing.subscription_changed",
    "billing.invoice_paid",
    "billing.payment_failed",
    "billing.order_shipped",
    "billing.order_delivered",
)
"""Types of events that write attributes of the account."""


def told_of_account(event: Event) -> dict[str, Any]:
    """What an event says of the account's attributes: what it would write to an empty profile."""
    empty = Profile(id="", created_at=LATEST)
    EFFECTS[event.type](empty, event, set())
    return {name: writes[-1].value for name, writes in empty.attributes.items()}
