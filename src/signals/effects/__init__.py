"""What each type of event changes by itself (semantics §1, the table of types).

What is kept depends only on the set of events: newest opening against newest closing, first time, greatest time,
exact sums, writes ordered by event time.
"""

from typing import Any

from signals.effects.accounts import (
    SUBSCRIPTION_STATUS,
    Effect,
    add_order,
    set_payment,
    set_score,
    set_shipment,
    set_subscription,
    track_ticket,
    update_account,
)
from signals.effects.marks import HOLDS_CLOSE, HOLDS_OPEN, close_hold, give_tags, note_milestone, open_hold
from signals.effects.people import close_contact, suppress, update_contact
from signals.event import Event
from signals.instant import LATEST
from signals.profile import Profile

EFFECTS: dict[str, Effect] = {
    "account.tagged": give_tags,
    "crm.account_updated": update_account,
    "crm.contact_updated": update_contact,
    "crm.contact_left": close_contact,
    **dict.fromkeys((*HOLDS_OPEN, "account.hold_placed"), open_hold),
    **dict.fromkeys((*HOLDS_CLOSE, "account.hold_released"), close_hold),
    "product.milestone_reached": note_milestone,
    **dict.fromkeys(
        ("support.ticket_opened", "support.ticket_updated", "support.ticket_solved"), track_ticket
    ),
    "support.csat_received": set_score("csat"),
    "survey.nps_received": set_score("nps"),
    **dict.fromkeys((*SUBSCRIPTION_STATUS, "billing.subscription_changed"), set_subscription),
    "billing.invoice_paid": set_payment("ok"),
    "billing.payment_failed": set_payment("failed"),
    "billing.order_placed": add_order,
    "billing.order_shipped": set_shipment("shipped"),
    "billing.order_delivered": set_shipment("delivered"),
    **dict.fromkeys(("engagement.bounced", "engagement.complained"), suppress),
    **dict.fromkeys(("contact.suppressed", "contact.unsuppressed"), suppress),
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
