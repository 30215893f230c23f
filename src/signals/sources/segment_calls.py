"""What each of Segment's calls says: whom it is of, and what happened (Segment "Spec")."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from signals.sources import segment_names, segment_traits
from signals.sources.envelope import party, reject, text

Message: TypeAlias = Mapping[str, Any]
"""A call, as JSON gives it."""


class Who(NamedTuple):
    """Whom a call speaks of: our contact, the visitor, our account."""

    user: str | None
    anonymous: str | None
    group: str | None


def who_of(message: Message) -> Who:
    """Whom the call speaks of. Raises Refused where it names neither a user nor a visitor."""
    user, anonymous = _said(message, "userId"), _said(message, "anonymousId")
    if user is None and anonymous is None:
        reject("neither userId nor anonymousId says who this is of", "/userId")
    if anonymous is not None:
        text(anonymous, "anonymousId", "/anonymousId")
    group = _said(message, "groupId") or _said(object_in(message, "context"), "groupId")
    return Who(party(user, "userId", "/userId"), anonymous, party(group, "groupId", "/groupId"))


def _said(message: Message, name: str) -> str | None:
    """An id; libraries write numbers as numbers. None where it is missing or empty."""
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float):
        value = int(value) if value.is_integer() else value
    return str(value).strip() or None


_Said: TypeAlias = tuple[str, str | None, dict[str, Any]]
"""Type, account and data."""


def _track(message: Message, who: Who) -> _Said:
    name = message.get("event")
    if not isinstance(name, str) or not name.strip():
        reject("event is missing: which event is tracked?", "/event")
    meant = segment_names.meaning(name.strip())
    return meant.type, who.group, segment_names.named(object_in(message, "properties"), meant.fields)


def _identify(message: Message, who: Who) -> _Said:
    context = object_in(message, "context")
    traits = object_in(message, "traits") or object_in(context, "traits")  # RudderStack's place for them
    company = _said(object_in(traits, "company"), "id")
    account = who.group or party(company, "company id", "/traits/company/id")
    given = segment_traits.attributes(traits)
    attributes = {**segment_traits.of_browser(context), **segment_traits.whole_name(given), **given}
    return "crm.contact_updated", account, {"attributes": attributes}


def _group(message: Message, who: Who) -> _Said:
    if who.group is None:
        reject("groupId is missing: which account is this?", "/groupId")
    return (
        "crm.account_updated",
        who.group,
        {"attributes": segment_traits.attributes(object_in(message, "traits"))},
    )


def _page(message: Message, who: Who) -> _Said:
    seen = object_in(object_in(message, "context"), "page")
    where = {name: seen[name] for name in ("path", "referrer", "search", "title", "url") if seen.get(name)}
    return "product.page_viewed", who.group, {**where, **_viewed(message)}


def _screen(message: Message, who: Who) -> _Said:
    return "product.screen_viewed", who.group, _viewed(message)


def _alias(message: Message, who: Who) -> _Said:
    previous = _said(message, "previousId")
    if previous is None:
        reject("previousId is missing: who was this before?", "/previousId")
    if who.user is None:
        reject("userId is missing: who is this now?", "/userId")
    return "crm.contact_merged", who.group, {"from": text(previous, "previousId", "/previousId")}


def _viewed(message: Message) -> dict[str, Any]:
    said = {name: message[name] for name in ("name", "category") if message.get(name)}
    return {**object_in(message, "properties"), **said}


READERS: dict[str, Callable[[Message, Who], _Said]] = {
    "track": _track,
    "identify": _identify,
    "group": _group,
    "page": _page,
    "screen": _screen,
    "alias": _alias,
}
"""How each kind of call is read; raises Refused where it lacks what it needs."""


def object_in(message: Message, name: str) -> dict[str, Any]:
    """The object there; anything else is as good as missing."""
    value = message.get(name)
    return value if isinstance(value, dict) else {}
