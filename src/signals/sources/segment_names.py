"""Names of Segment's `track` events as types of ours.

Three ways, the first that fits: a name that is a type already (`billing.payment_failed`); one of the names Segment's
specs give a meaning to (`Order Completed`, the table here); any other, spelt as `product.` and its words
(`Report Created`, `reportCreated` → `product.report_created`). A `mapping` definition called `segment` goes before
all three (`signals.sources.segment`).

The table: Segment Spec, "B2B SaaS", "Ecommerce", "Email", "Live chat", and the older order of words of Ecommerce v1.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple
from unicodedata import combining, normalize

OUR_DOMAINS = ("product", "crm", "support", "billing", "engagement", "survey")
"""The domains of semantics §1; a name that begins with one of them and a full stop is a type already."""

MAX_NAME = 200
"""Characters of a type's name beside its domain; of a longer one the beginning and a digest are kept."""

_TYPE = re.compile(rf"(?:{'|'.join(OUR_DOMAINS)})\.[a-z0-9][a-z0-9_]*", re.ASCII)
_HUMP = re.compile(r"(?<=[^\W_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # reportCreated, HTTPError
_WORD = re.compile(r"[^\W_]+")


class Meaning(NamedTuple):
    """A type, and the fields its effects read, each with the properties it may be taken from (the first there is)."""

    type: str
    fields: Mapping[str, tuple[str, ...]] = {}


_TRIAL = {
    "started_at": ("trial_start_date",),
    "ends_at": ("trial_end_date",),
    "plan": ("trial_plan_name",),
}
_ORDER = {"order": ("order_id", "checkout_id"), "amount": ("total", "revenue", "value")}
_MAIL = {"message": ("email_id",), "subject": ("email_subject",), "link": ("link_url",)}
_CHAT = {"conversation": ("conversation_id",), "text": ("message_body",), "message": ("message_id",)}

SEMANTIC: dict[str, Meaning] = {
    # B2B SaaS
    "account_created": Meaning("crm.account_created"),
    "account_deleted": Meaning("crm.account_deleted"),
    "account_added_user": Meaning("crm.contact_added"),
    "account_removed_user": Meaning("crm.contact_left"),
    "signed_up": Meaning("product.signed_up"),
    "signed_in": Meaning("product.login"),
    "signed_out": Meaning("product.logout"),
    "invite_sent": Meaning("product.teammate_invited"),
    "trial_started": Meaning("billing.trial_started", _TRIAL),
    "trial_ended": Meaning("billing.trial_ended", _TRIAL),
    # Ecommerce, and v1 of it
    "order_completed": Meaning("billing.order_placed", _ORDER),
    "completed_order": Meaning("billing.order_placed", _ORDER),
    "order_updated": Meaning("billing.order_updated", _ORDER),
    "order_refunded": Meaning("billing.order_refunded", _ORDER),
    "order_cancelled": Meaning("billing.order_cancelled", _ORDER),
    "checkout_started": Meaning("billing.checkout_started", _ORDER),
    "payment_info_entered": Meaning("billing.payment_info_entered"),
    "coupon_applied": Meaning("billing.coupon_applied"),
    # Email
    "email_delivered": Meaning("engagement.delivered", _MAIL),
    "email_opened": Meaning("engagement.opened", _MAIL),
    "email_link_clicked": Meaning("engagement.clicked", _MAIL),
    "email_bounced": Meaning("engagement.bounced", _MAIL),
    "email_marked_as_spam": Meaning("engagement.complained", _MAIL),
    "unsubscribed": Meaning("engagement.unsubscribed", _MAIL),
    # Live chat: what the customer sends is what we receive
    "live_chat_conversation_started": Meaning("support.chat_started", _CHAT),
    "live_chat_conversation_ended": Meaning("support.chat_ended", _CHAT),
    "live_chat_message_sent": Meaning("support.message_received", _CHAT),
    "live_chat_message_received": Meaning("support.message_sent", _CHAT),
}
"""What Segment's specs mean, by `spelling`."""


@lru_cache(4096)
def meaning(name: str) -> Meaning:
    """The type of an event of this name, which is not empty, and where its fields come from."""
    if _TYPE.fullmatch(name) and len(name) <= MAX_NAME:
        return Meaning(name)
    spelt = spelling(name)
    return SEMANTIC.get(spelt) or Meaning(f"product.{spelt}")


def named(properties: Mapping[str, Any], fields: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The properties, and our names for those that go by another."""
    given = dict(properties)
    for ours, theirs in fields.items():
        found = next((given[name] for name in theirs if given.get(name) is not None), None)
        if found is not None:
            given.setdefault(ours, found)
    return given


def spelling(name: str) -> str:
    """Small ASCII words joined by `_`, never empty. Accents are left out; another script is spelt in Punycode
    (RFC 3492), so that two names stay two types."""
    words = _WORD.findall(name)
    if len(words) == 1:
        words = _WORD.findall(_HUMP.sub("_", name))
    spelt = "_".join(words).casefold()
    plain = "".join(sign for sign in normalize("NFKD", spelt) if not combining(sign))
    if not plain.isascii():
        plain = spelt.encode("punycode").decode().lower()
    return plain if 0 < len(plain) <= MAX_NAME else f"{plain[:MAX_NAME]}_{_digest(name)}".lstrip("_")


def _digest(name: str) -> str:
    return blake2b(name.encode(), digest_size=6).hexdigest()
