"""What `account.plan`, `contact.locale` or `event.data.invoice` name: given and derived attributes, with their until.

Derived ones are always there (definitions, "Derived account attributes"); those that move with the clock say when
they will change next.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from signals.instant import DAY, Instant, from_datetime, iso, to_datetime
from signals.operators import MISSING, dig, is_number
from signals.profile import Contact, Profile, open_tickets
from signals.tone import tone_of

_MONTHS = {"month": 1, "monthly": 1, "quarter": 3, "quarterly": 3, "year": 12, "yearly": 12, "annual": 12}
_ISO_MONTHS = re.compile(r"P(?:(\d{1,3})Y)?(?:(\d{1,3})M)?", re.ASCII)
Value = tuple[Any, Instant | None]
"""A value (or MISSING) and the earliest instant at which it could change without an event."""

URGENT = ("urgent", "p1")


def months_between(start: datetime, end: datetime) -> int:
    """Whole calendar months; the 31st is reached on the last day of a shorter month (B88)."""
    months = (end.year - start.year) * 12 + end.month - start.month
    return months if add_months(start, months) <= end else months - 1


def add_months(start: datetime, months: int) -> datetime:
    """The same day and time `months` later, clamped to the month's last day."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    for day in range(start.day, 27, -1):
        try:
            return start.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    return start.replace(year=year, month=month + 1)


def interval_months(interval: Any) -> int | None:
    """Months from a number, month, quarter, year or an ISO 8601 duration (definitions, small rules)."""
    if is_number(interval):
        return int(interval)
    if not isinstance(interval, str):
        return None
    if interval.lower() in _MONTHS:
        return _MONTHS[interval.lower()]
    match = _ISO_MONTHS.fullmatch(interval)
    months = int(match[1] or 0) * 12 + int(match[2] or 0) if match else 0
    return months or None


def _tenure_days(profile: Profile, now: Instant) -> Value:
    days = max(0, now - profile.created_at) // DAY
    return days, profile.created_at + (days + 1) * DAY


def _tenure_months(profile: Profile, now: Instant) -> Value:
    created = to_datetime(profile.created_at)
    months = max(0, months_between(created, to_datetime(max(now, profile.created_at))))
    return months, _in_months(created, months + 1)


def _in_months(start: datetime, months: int) -> Instant | None:
    """None where the calendar has ended by then: nothing changes any more."""
    try:
        return from_datetime(add_months(start, months))
    except ValueError:
        return None


def _created_at(profile: Profile, _: Instant) -> Value:
    return iso(profile.created_at), None


def _open_tickets(profile: Profile, _: Instant) -> Value:
    return len(open_tickets(profile)), None


def _open_urgent_tickets(profile: Profile, _: Instant) -> Value:
    return sum(
        ticket.priority is not None and ticket.priority.value in URGENT for ticket in open_tickets(profile)
    ), None


def _last_ticket_at(profile: Profile, _: Instant) -> Value:
    opened = [ticket.since for ticket in profile.tickets.values() if ticket.since is not None]
    return (iso(max(opened)) if opened else MISSING), None


def _orders(profile: Profile, _: Instant) -> Value:
    return (profile.orders[0] if profile.orders else 0), None


def _ltv(profile: Profile, _: Instant) -> Value:
    total = float(profile.orders[1]) if profile.orders else 0.0
    return (int(total) if total == int(total) else total), None


def _last_order_at(profile: Profile, _: Instant) -> Value:
    return (iso(profile.orders[2]) if profile.orders else MISSING), None


def _previous(name: str) -> Callable[[Profile, Instant], Value]:
    def previous(profile: Profile, _: Instant) -> Value:
        writes = profile.attributes.get(name, [])
        return (writes[-2].value if len(writes) > 1 else MISSING), None

    return previous


DERIVED: dict[str, Callable[[Profile, Instant], Value]] = {
    "created_at": _created_at,
    "tenure_days": _tenure_days,
    "tenure_months": _tenure_months,
    "open_tickets": _open_tickets,
    "open_urgent_tickets": _open_urgent_tickets,
    "last_ticket_at": _last_ticket_at,
    "orders": _orders,
    "ltv": _ltv,
    "last_order_at": _last_order_at,
    "previous_nps": _previous("nps"),
    "previous_csat": _previous("csat"),
}
SOURCES = {
    "tenure_days": "created_at",
    "tenure_months": "created_at",
    "previous_nps": "nps",
    "previous_csat": "csat",
}
"""Which touched attribute a derived one moves with, where the names differ."""


def tokens(name: str) -> tuple[str, ...]:
    """What the fold touches when the account's attribute of this name changes."""
    return tuple(f"attribute:{each}" for each in dict.fromkeys((name, SOURCES.get(name, name))))


def account_value(profile: Profile, path: tuple[str, ...], now: Instant) -> Value:
    """The account's attribute at a dotted path below `account.`."""
    derived = DERIVED.get(path[0])
    if derived is not None and len(path) == 1:
        return derived(profile, now)
    if path[0] == "id":
        return profile.id, None
    value = profile.value(path[0])
    return (MISSING if value is None else dig(value, path[1:]) if len(path) > 1 else value), None


def contact_value(profile: Profile, contact: Contact, path: tuple[str, ...], now: Instant) -> Any:
    """The contact's attribute at a dotted path below `contact.`. A tone we were told goes before the one we heard."""
    if path[0] == "roles":
        spans = contact.spans
        return [span.role for span in spans if span.since <= now and (span.until is None or span.until > now)]
    if path[0] == "last_seen_at":
        return iso(profile.seen[contact.id])
    if path[0] == "id":
        return contact.id
    writes = contact.attributes.get(path[0])
    value = writes[-1].value if writes else None
    if path == ("tone",) and value is None:
        return tone_of(profile, contact.id)
    return MISSING if value is None else dig(value, path[1:]) if len(path) > 1 else value


def plain_account(profile: Profile, now: Instant) -> dict[str, Any]:
    """Every attribute of the account as plain data: for templates, the API and the console."""
    given = {
        name: writes[-1].value for name, writes in profile.attributes.items() if writes[-1].value is not None
    }
    derived = {name: resolve(profile, now)[0] for name, resolve in DERIVED.items()}
    return {**given, **{name: value for name, value in derived.items() if value is not MISSING}}


def plain_contact(profile: Profile, contact: Contact, now: Instant) -> dict[str, Any]:
    """Every attribute of the contact as plain data."""
    given = {
        name: writes[-1].value for name, writes in contact.attributes.items() if writes[-1].value is not None
    }
    tone = contact_value(profile, contact, ("tone",), now)
    heard = {} if tone is MISSING else {"tone": tone}
    return {**given, **heard, "id": contact.id, "roles": contact_value(profile, contact, ("roles",), now)}


def owner(profile: Profile) -> str | None:
    """The CSM who owns the account."""
    value = profile.value("owner")
    return value if isinstance(value, str) else None


def zone(profile: Profile) -> str | None:
    """The account's IANA zone, as given."""
    value = profile.value("timezone")
    return value if isinstance(value, str) else None
