"""How freely a fact may be shown: the house's table of known facts, by where they come from (docs/facts.md).

    given      the customer told us, or did it with us knowingly: their goals, their invoice, the ticket they opened
    derived    we worked it out, or recorded it beside them: last seen, tone, page views, what they are worth to us
    internal   our own words about them: health, segments, stage, signals and their evidence

Only what is given may be shown to a customer; anything may decide which words are chosen. A fact that is not in the
table must say its class itself; one that is may say a stricter class, never a laxer one.
"""

from typing import Literal, TypeAlias

Disclosure: TypeAlias = Literal["given", "derived", "internal"]

_STRICTNESS: dict[Disclosure, int] = {"given": 0, "derived": 1, "internal": 2}


def _table(disclosure: Disclosure, below: str, names: str) -> dict[str, Disclosure]:
    return {f"{below}{name}": disclosure for name in names.split()}


TABLE: dict[str, Disclosure] = {
    # what they are called and agreed with us
    **_table(
        "given",
        "account.",
        "id name goals plan seats seats_used mrr currency interval interval_months renews_at started_at status "
        "created_at tenure_days tenure_months payment_status owner timezone country language domain products",
    ),
    # what they bought, asked and answered
    **_table(
        "given",
        "account.",
        "orders last_order_at open_tickets open_urgent_tickets last_ticket_at nps previous_nps csat previous_csat",
    ),
    **_table("derived", "account.", "ltv tier line industry last_event_at usage logins sentiment tone"),
    **_table("internal", "account.", "health score band stage segments tags signals measures risk potential"),
    **_table(
        "given", "contact.", "id name first_name last_name email phone title timezone locale language company"
    ),
    **_table("derived", "contact.", "last_seen_at tone sentiment"),
    **_table("internal", "contact.", "roles score"),
    # what the event that began it says: their own doing has a word of its own for each thing
    **_table(
        "given",
        "event.data.",
        "invoice number code decline next_charge_at amount amount_due currency due_at due_on paid_at payment_url invoice_url decline_code decline_class "
        "next_attempt_at attempt card last4 ticket topic subject priority order item items product tracking carrier "
        "shipped_at delivered_at expected_at plan seats interval renews_at started_at cancel_reason reason comment "
        "milestone project report name goal invited invitee integration import role meeting webinar survey score",
    ),
    **_table(
        "derived",
        "event.data.",
        "page path url referrer ip user_agent device session duration count views clicks visits logins sentiment "
        "words message link content play feature",
    ),
    **_table(
        "internal", "event.data.", "evidence because severity signal segment edge was now since days health"
    ),
    **_table("derived", "event.", "time"),
    **_table("internal", "event.", "id source type account contact received_at"),
    # what the service says of itself
    "offer": "given",
    "journey.key": "given",
    **_table(
        "internal",
        "",
        "journey health score signal signals evidence measures segments tags stage role milestones",
    ),
}
"""Dotted source → class; a source below one that is listed has its class (`account.goals.first` is `given`)."""

_NAMES = (
    "name first_name last_name full_name given_name family_name surname nickname salutation company company_name "
    "email domain id"
)
NAME_LIKE = frozenset(_NAMES.split())
"""The last word of facts that say who somebody is and nothing about them."""


def known_class(source: str) -> Disclosure | None:
    """The class of a dotted source by the table, the nearest entry above it included; None where it is in no table."""
    parts = source.split(".")
    above = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((TABLE[path] for path in above if path in TABLE), None)


def stricter(one: Disclosure | None, other: Disclosure | None) -> Disclosure | None:
    """Of two classes the one that shows less; None says nothing."""
    said = [each for each in (one, other) if each is not None]
    return max(said, key=_STRICTNESS.__getitem__, default=None)


def is_name_like(source: str) -> bool:
    """Whether a fact says only who is written to: with nothing but such facts a text pretends to know the reader."""
    root, _, last = source.rpartition(".")
    return last in NAME_LIKE and not root.startswith("event")
