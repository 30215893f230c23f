"""Amounts of money as payment providers write them: whole numbers of a currency's smallest unit.

    {minor_units: data.object.amount_due, currency: data.object.currency}

is 19.99 for 1999 cents and 1999 for 1999 yen. A price that comes in parts, each with its own rhythm, becomes what it
comes to in a month: `each` names the list, the other fields are those of its members.

    {each: items.data, minor_units: price.unit_amount, times: quantity, currency: price.currency,
     per_month: {interval: price.recurring.interval, count: price.recurring.interval_count}}
"""

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple

from signals.problem import Refused
from signals.sources import cells
from signals.sources.cells import Read, Row
from signals.sources.envelope import reject

NO_DECIMALS = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
"""Currencies without a smaller unit. Stripe lists UGX among them but writes it, like ISK, in hundredths."""

THREE_DECIMALS = frozenset(["bhd", "iqd", "jod", "kwd", "lyd", "omr", "tnd"])
"""Currencies in thousandths (ISO 4217)."""

_MONTHS = {
    "day": Decimal(12) / Decimal(365),
    "week": Decimal(12) / Decimal(52),
    "month": Decimal(1),
    "quarter": Decimal(3),
    "year": Decimal(12),
}
_CENT = Decimal("0.01")
_LARGEST = 10**15  # beyond, a sum would not be exact any more


class Parts(NamedTuple):
    """Where the parts of an amount are found."""

    minor_units: Read
    currency: Read
    times: Read | None = None
    interval: Read | None = None
    every: Read | None = None


def amount(parts: Parts, each: str | None) -> Callable[[Row], int | float | None]:
    """Reads the amount in whole units; None where it, or that of any member, is missing: half a sum is none.

    What it returns raises Refused for numbers that are none, and for words that are no interval.
    """

    def read(row: Row) -> int | float | None:
        members = [row] if each is None else cells.field(row, each)
        if not isinstance(members, list) or not members:
            return None
        return _total([_one(parts, member) if isinstance(member, dict) else None for member in members])

    return read


def _total(amounts: Sequence[Decimal | None]) -> int | float | None:
    known = [amount for amount in amounts if amount is not None]
    if len(known) < len(amounts):
        return None
    total = sum(known, Decimal(0))
    return int(total) if total == total.to_integral_value() else float(total)


def _one(parts: Parts, row: Row) -> Decimal | None:
    minor = _number(parts.minor_units, row, "minor_units")
    currency = parts.currency(row)
    if minor is None or not isinstance(currency, str):
        return None
    times = Decimal(1) if parts.times is None else _number(parts.times, row, "times")
    whole = minor.scaleb(-_decimals(currency)) * (Decimal(1) if times is None else times)
    if parts.interval is None:
        return whole
    months = _months(parts.interval(row), parts.every and _number(parts.every, row, "count"))
    return None if months is None else (whole / months).quantize(_CENT, ROUND_HALF_EVEN)


def _decimals(currency: str) -> int:
    word = currency.lower()
    return 0 if word in NO_DECIMALS else 3 if word in THREE_DECIMALS else 2


def _months(interval: Any, count: Decimal | None) -> Decimal | None:
    if interval is None:
        return None
    if interval not in _MONTHS:
        reject(f"{interval!r:.40} is no interval: {', '.join(_MONTHS)}")
    if count is not None and count <= 0:
        reject(f"an interval comes {count} times: more than none is needed")
    return _MONTHS[interval] * (Decimal(1) if count is None else count)


def _number(read: Read, row: Row, name: str) -> Decimal | None:
    try:
        number = cells.as_number(read(row))
    except Refused as refused:
        reject(f"{name}: {refused.problem.detail}")
    if number is not None and abs(number) > _LARGEST:
        reject(f"{name}: {number} is no amount of money")
    return None if number is None else Decimal(str(number))
