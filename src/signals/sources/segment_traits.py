"""Traits of Segment's `identify` and `group` as attributes of ours."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from zoneinfo import available_timezones

_SPEC = (
    "address age avatar birthday company created_at description email employees first_name gender industry "
    "last_name locale name phone plan timezone title username website"
)
_RESERVED = {name.replace("_", ""): name for name in _SPEC.split()}
"""Names of traits that Segment gives a meaning to, whatever their case (`createdAt`, `created_at`)."""


def attributes(traits: Mapping[str, Any]) -> dict[str, Any]:
    """The traits under the names we know them by; `id` repeats who it is."""
    return {
        _RESERVED.get(name.replace("_", "").lower(), name): value
        for name, value in traits.items()
        if name != "id"
    }


def of_browser(context: Mapping[str, Any]) -> dict[str, Any]:
    """The zone and language of the person's browser, which say when and how to write to them."""
    zone, locale = context.get("timezone"), context.get("locale")
    found = {"timezone": zone} if isinstance(zone, str) and zone in _zones() else {}
    return {**found, "locale": locale} if isinstance(locale, str) and 1 < len(locale) <= 35 else found


def whole_name(given: Mapping[str, Any]) -> dict[str, str]:
    """The name made of its parts; nothing where there are none."""
    parts = [given.get(part) for part in ("first_name", "last_name")]
    whole = " ".join(part for part in parts if isinstance(part, str) and part)
    return {"name": whole} if whole else {}


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
