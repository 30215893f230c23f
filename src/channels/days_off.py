"""Public holidays: a list of dates, or a country or region code (`DE`, `DE-BE`) read from the holidays package."""

import re
from datetime import date
from functools import lru_cache
from typing import TypeAlias

import holidays

Holidays: TypeAlias = frozenset[date] | str | None
"""Dates, a code, or none."""

_CODE = re.compile(r"[A-Z]{2}(?:-[A-Z0-9]{1,3})?", re.ASCII)
_ANY_YEAR = 2026  # a code is known for all years or for none


def is_holiday(day: date, days_off: Holidays) -> bool:
    """Whether this local day is one of the holidays."""
    if days_off is None:
        return False
    if isinstance(days_off, str):
        return day in _days(days_off, day.year)
    return day in days_off


def check_code(code: str) -> str:
    """The code, if its holidays are known. Raises ValueError saying what to write instead."""
    if _CODE.fullmatch(code) is None:
        raise ValueError(
            f"{code!r:.40} is not a holiday calendar: write a country or region code like DE or DE-BE, or dates"
        )
    try:
        _days(code, _ANY_YEAR)
    except NotImplementedError as error:  # how the package says that it does not know a place
        raise ValueError(f"no holidays are known for {code!r}: {error}; list the dates instead") from error
    return code


@lru_cache(maxsize=4096)
def _days(code: str, year: int) -> frozenset[date]:
    country, _, region = code.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=region or None, years=year))
