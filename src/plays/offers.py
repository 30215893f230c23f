"""Offers: what an account may be given to stay, and what stands against it (semantics §9 "Offers"). Pure.

Every offer made is an event `offer.made` `{offer, kind, play, journey}` of the account, so limits are counts like any
other: they see what other systems told us of, move with the account when it is merged, and outlive a restart.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from signals.attributes import URGENT, account_value
from signals.conditions import Moment, Node, compile_condition
from signals.definitions import Definition, Key, checked
from signals.event import Event
from signals.freshness import Promises
from signals.instant import DAY, DurationField, format_duration
from signals.operators import is_number

OFFER_MADE = "offer.made"
MONETARY = ("credit", "discount")
"""Kinds that cost money: one of them per account and `YEAR`, whichever play or offer it was."""

YEAR = 365 * DAY


class Limit(Definition):
    """At most this many to one account within the time."""

    per_account: Annotated[int, Field(ge=1, le=1_000)] = 1
    in_: Annotated[DurationField, Field(alias="in")] = YEAR

    @field_validator("in_")
    @classmethod
    def _some_time(cls, span: int) -> int:
        if not 0 < span <= 10 * YEAR:
            raise ValueError("a limit counts over a time longer than nothing and at most 3650d")
        return span


class Offer(Definition):
    """Something an account may be given. `value` is what the content says of it: a number, or named values."""

    key: Key
    kind: Literal[
        "credit",
        "discount",
        "pause",
        "frequency_change",
        "plan_change",
        "extension",
        "training",
        "exec_call",
    ]
    when: dict[str, Any] | None = None
    value: Any = None
    limit: Limit | None = None

    _compiles = field_validator("when")(lambda value: value if value is None else checked(value))

    @model_validator(mode="after")
    def _worth_something(self) -> "Offer":
        if self.is_monetary and not _is_worth(self.value):
            raise ValueError(
                f"a {self.kind} names its value: a number above 0, or {{amount: …}}, or {{percent: …}} up to 100"
            )
        return self

    @property
    def is_monetary(self) -> bool:
        """Whether it costs money."""
        return self.kind in MONETARY

    @property
    def bound(self) -> Limit | None:
        """Its limit: for what costs money one in 365 days unless another is given, for the rest none."""
        return self.limit or (Limit() if self.is_monetary else None)


def _is_worth(value: Any) -> bool:
    """Whether a value is money, or a part of the price: numbers above 0, a percentage of at most 100."""
    named = value if isinstance(value, Mapping) else {"amount": value}
    told = [named[name] for name in ("amount", "percent") if name in named]
    numbers = [number for number in named.values() if is_number(number)]
    return bool(numbers) and all(map(is_number, told)) and min(numbers) > 0 and named.get("percent", 0) <= 100


class Verdict(NamedTuple):
    """Why an offer may not be made, and what was seen; `why_not` None: it may."""

    why_not: str | None
    saw: Any = None


_MAY = Verdict(None)


def _made(where: dict[str, Any], times: int, within: int, promises: Promises | None) -> Node:
    atom = {"count": OFFER_MADE, "in": format_duration(within), "where": where, "gte": times}
    return compile_condition(atom, promises)


class CompiledOffer:
    """An offer ready to be judged; `promises` are what its conditions may doubt."""

    def __init__(self, offer: Offer, promises: Promises | None = None) -> None:
        self.offer, self.key = offer, offer.key
        self._when = None if offer.when is None else compile_condition(offer.when, promises)
        bound = offer.bound
        self._spent = (
            bound if bound is None else _made({"offer": offer.key}, bound.per_account, bound.in_, promises)
        )
        self._money = _made({"kind": {"in": [*MONETARY]}}, 1, YEAR, promises) if offer.is_monetary else None

    def nodes(self) -> Iterator[Node]:
        """Every condition it asks: their measures must be kept."""
        yield from (node for node in (self._when, self._spent, self._money) if node is not None)

    def judge(self, moment: Moment) -> Verdict:
        """Whether it may be made now: what is unknown is a no."""
        if self.offer.kind == "discount" and (fault := service_fault(moment)):
            return Verdict("service_fault", fault)  # a fault gets a fix and an apology, never a discount
        if self.offer.kind == "plan_change" and (urgent := _urgent(moment)):
            return Verdict("urgent_ticket", urgent)  # nobody is sold a plan while we owe them a fix
        if self._money is not None and self._money.test(moment)[0] is not False:
            return Verdict("monetary_limit", self._money.saw(moment))
        if self._spent is not None and self._spent.test(moment)[0] is not False:
            return Verdict("limit", self._spent.saw(moment))
        if self._when is not None and not self._when.test(moment)[0]:
            return Verdict("when", list(self._when.because(moment)))
        return _MAY

    def as_plain(self) -> dict[str, Any]:
        """As content sees it, under `offer`."""
        return {"key": self.key, "kind": self.offer.kind, "value": self.offer.value}


def choose(
    keys: Iterable[str], offers: Mapping[str, CompiledOffer], moment: Moment
) -> tuple[CompiledOffer | None, list[dict[str, Any]]]:
    """The first of these that may be made, and a check for it and each one passed over before it, with why."""
    checks: list[dict[str, Any]] = []
    for key in keys:
        offer = offers.get(key)
        verdict = Verdict("unknown") if offer is None else offer.judge(moment)
        saw = None if verdict.why_not is None else {"why": verdict.why_not, "saw": verdict.saw}
        checks.append({"check": key, "passed": saw is None, "saw": saw})
        if saw is None:
            return offer, checks
    return None, checks


# ── service faults ──────────────────────────────────────────────────────────────────────────────────────────────

_FAULTS = frozenset(
    [
        "bug",
        "bugs",
        "crash",
        "crashes",
        "defect",
        "defects",
        "downtime",
        "error",
        "errors",
        "fault",
        "faults",
        "incident",
        "incidents",
        "outage",
        "outages",
    ]
)
_TOLD_IN = ("reason", "topic", "category", "cause")
_WORDS = re.compile(r"[a-z]+")


def service_fault(moment: Moment) -> str | None:
    """How we are at fault: an urgent ticket is open, or the event that caused this says so; None where we are not."""
    urgent = _urgent(moment)
    if urgent:
        return urgent
    event = moment.event
    return None if event is None else _told_of_fault(event)


def _urgent(moment: Moment) -> str | None:
    count, _ = account_value(moment.profile, ("open_urgent_tickets",), moment.now)
    return f"{count} open urgent" if isinstance(count, int) and count else None


def _told_of_fault(event: Event) -> str | None:
    if event.type.startswith("support.") and event.data.get("priority") in URGENT:
        return f"priority: {event.data['priority']}"
    for name in _TOLD_IN:
        said = event.data.get(name)
        if isinstance(said, str) and not _FAULTS.isdisjoint(_WORDS.findall(said.lower())):
            return f"{name}: {said:.100}"
    return None
