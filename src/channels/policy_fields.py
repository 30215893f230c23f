"""The scalar fields of the policies document: text a person writes, kept in the unit the core counts in."""

import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from channels.days_off import check_code
from channels.local_time import zone
from signals.instant import DAY, Duration, format_duration, parse_duration

SERVICE_ZONE = "service"
"""The word for the zone of the service itself (setting `TIMEZONE`)."""

_CLOCK = re.compile(r"([01]\d|2[0-4]):([0-5]\d)", re.ASCII)
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s?%", re.ASCII)
_LONGEST: Duration = 3660 * DAY  # ten years: beyond it a typing error, and nothing may overflow
_MINUTES_A_DAY = 1440


def _read_span(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("write a duration as text with a unit, like 90s 15m 4h 14d 2w")
    duration = parse_duration(value)
    if not 0 < duration <= _LONGEST:
        raise ValueError(f"{value!r} must be longer than nothing and at most 3660d; null switches it off")
    return duration


def _read_clock(value: Any) -> Any:
    # YAML 1.1 reads a bare 20:00 as the sexagesimal number 1200, which is the minute meant.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MINUTES_A_DAY:
        return value
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    minute = int(match[1]) * 60 + int(match[2]) if match else _MINUTES_A_DAY + 1
    if minute > _MINUTES_A_DAY:
        raise ValueError(f'{value!r:.40} is not a time of day: write "HH:MM", from "00:00" to "24:00"')
    return minute


def _write_clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _read_percent(value: Any) -> Any:
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if isinstance(value, str) and match is None:
        raise ValueError(f"{value!r:.40} is not a percentage: write it like 10%")
    return float(match[1]) if match else value


def _read_money(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("must be an amount of money, like 50 or 49.90")
    try:
        return Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"{value!r:.40} is not an amount of money, like 50 or 49.90") from error


def _read_holidays(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, str):
        return check_code(value)
    if not isinstance(value, list | tuple | set | frozenset):
        raise ValueError("write a list of dates, or a country or region code like DE or DE-BE")
    return frozenset(_read_date(day) for day in value)


def _read_date(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{value!r:.40} is not a date, like 2026-12-24") from error


def _write_holidays(value: frozenset[date] | str | None) -> Any:
    return sorted(day.isoformat() for day in value) if isinstance(value, frozenset) else value


def _check_zone(name: str) -> str:
    if name != SERVICE_ZONE and zone(name) is None:
        raise ValueError(f"{name!r:.60} is not an IANA zone like Europe/Berlin, nor {SERVICE_ZONE!r}")
    return name


def _check_business_span(text: str) -> str:
    _read_span(text)
    return text


Span = Annotated[
    int,
    BeforeValidator(_read_span),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,9}[smhdw]$", "examples": ["72h"]}),
]
"""A duration longer than nothing, read from `72h`, kept as microseconds."""

BusinessSpan = Annotated[str, AfterValidator(_check_business_span)]
"""A duration of business time. It stays text: what `3d` is worth depends on the owner's calendar."""

TimeOfDay = Annotated[
    int,
    BeforeValidator(_read_clock),
    PlainSerializer(_write_clock),
    WithJsonSchema({"type": "string", "pattern": r"^\d\d:\d\d$", "examples": ["20:00"]}),
]
"""A time on the local clock, read from `"20:00"`, kept as minutes after midnight (1440 is `"24:00"`)."""

Percent = Annotated[
    float,
    BeforeValidator(_read_percent),
    Field(ge=0, le=100, allow_inf_nan=False),
    PlainSerializer(lambda value: f"{value:g}%"),
    WithJsonSchema({"anyOf": [{"type": "string", "examples": ["10%"]}, {"type": "number"}]}),
]
"""A share from 0 to 100, read from `10%` or 10."""

Money = Annotated[
    Decimal,
    BeforeValidator(_read_money),
    Field(ge=0, allow_inf_nan=False),
    PlainSerializer(str),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]
"""An exact amount in the account's currency."""

HolidaysField = Annotated[
    frozenset[date] | str | None,
    BeforeValidator(_read_holidays),
    PlainSerializer(_write_holidays),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "examples": ["DE-BE"]},
                {"type": "array", "items": {"type": "string", "format": "date"}},
                {"type": "null"},
            ]
        }
    ),
]
"""Dates, or a country or region code; null is none."""

ZoneField = Annotated[str, AfterValidator(_check_zone)]
"""An IANA id or `service`."""
