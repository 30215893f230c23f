"""What events change of the account itself: its attributes, tickets, subscription and orders."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from signals.attributes import interval_months
from signals.event import Event
from signals.instant import Instant
from signals.operators import as_instant, is_number
from signals.profile import Profile, Ticket, Write, merge_attributes, newest, tie

Effect = Callable[[Profile, Event, set[str]], None]

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


def attributes_of(event: Event) -> dict[str, Any]:
    """The attributes an event gives; none where they are no object."""
    given = event.data.get("attributes")
    return given if isinstance(given, dict) else {}


def update_account(profile: Profile, event: Event, touched: set[str]) -> None:
    """Attributes of the account, and when it was created: the earliest date it was ever given."""
    given = dict(attributes_of(event))
    created = given.pop("created_at", None)
    created_at = as_instant(created) if isinstance(created, str) else None
    if created_at is not None:
        earlier = profile.given_created_at
        profile.given_created_at = created_at if earlier is None else min(created_at, earlier)
        set_created(profile, profile.given_created_at, touched)
    _set(profile, event, given, touched)


def instant_of(value: Any) -> Instant | None:
    """The instant a text tells; None where it tells none."""
    return as_instant(value) if isinstance(value, str) else None


def track_ticket(profile: Profile, event: Event, touched: set[str]) -> None:
    """A ticket is opened, changed or solved; each instant and each part is kept by its own rule."""
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


def set_score(name: str) -> Effect:
    """The effect that sets the attribute `name` to a survey's score."""

    def effect(profile: Profile, event: Event, touched: set[str]) -> None:
        if is_number(event.data.get("score")):
            _set(profile, event, {name: event.data["score"]}, touched)

    return effect


def set_subscription(profile: Profile, event: Event, touched: set[str]) -> None:
    """What the account pays for, and how often."""
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


def set_payment(status: str) -> Effect:
    """The effect of a charge: the payment `status`, and when the next charge is due where the event says."""

    def effect(profile: Profile, event: Event, touched: set[str]) -> None:
        given: dict[str, Any] = {"payment_status": status}
        if instant_of(event.data.get("next_charge_at")) is not None:
            given["next_charge_at"] = event.data["next_charge_at"]
        _set(profile, event, given, touched)

    return effect


def add_order(profile: Profile, event: Event, touched: set[str]) -> None:
    """One more order: their number, their exact sum and the time of the last."""
    count, total, last = profile.orders or [0, "0", 0]
    amount = event.data.get("amount")
    total = str(Decimal(total) + Decimal(str(amount))) if is_number(amount) else total
    profile.orders = [count + 1, total, max(last, event.time)]
    touched.update(("attribute:orders", "attribute:ltv", "attribute:last_order_at"))


def set_shipment(name: str) -> Effect:
    """The effect of a carrier's word: the last order is now `name`."""

    def effect(profile: Profile, event: Event, touched: set[str]) -> None:
        _set(profile, event, {"last_order_status": name}, touched)

    return effect
