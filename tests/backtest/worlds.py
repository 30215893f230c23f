"""Hand-made customers whose back-test can be counted on the fingers."""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

from builders import START
from journeys.backtest.question import Outcome, Question
from journeys.backtest.report import run
from journeys.backtest.trial import Trial, Variant
from signals.event import Event
from signals.instant import DAY

TICKET, CANCELLED = "support.ticket_opened", "billing.subscription_cancelled"
SPIKE: dict[str, Any] = {"key": "spike", "when": {"count": TICKET, "in": "7d", "gte": 3}}
"""Three tickets in a week. With one a day from day d on it fires on day d + 2."""

END = START + 400 * DAY
_NUMBERS = count(1)


def told(account: str, kind: str, day: float, **data: Any) -> Event:
    """An event so many days after the start."""
    at = START + int(day * DAY)
    return Event(f"e{next(_NUMBERS):06}", "test", kind, at, account, None, data, at)


def customer(
    account: str, *, spikes: Iterable[float] = (), cancels: Iterable[float] = (), seen: float = 0
) -> list[Event]:
    """A customer first seen on a day, with a spike that is full on each of these days, who cancels on others."""
    tickets = [told(account, TICKET, day - 2 + number) for day in spikes for number in range(3)]
    return [
        told(account, "product.login", seen),
        *tickets,
        *(told(account, CANCELLED, day) for day in cancels),
    ]


def question(**changes: Any) -> Question:
    """What comes within 90 days, of everybody, unless said otherwise."""
    known: dict[str, Any] = {"until": END, "outcome": Outcome(CANCELLED), "among": None}
    return Question(**{**known, **changes})


def answer(
    histories: Iterable[Sequence[Event]], *bodies: dict[str, Any], context: Sequence[Any] = (), **asked: Any
) -> dict[str, Any]:
    """The back-test of these signals (the spike where none is named) over these histories."""
    variants = [Variant(body["key"], body) for body in bodies or (SPIKE,)]
    return run(Trial(variants, context, question(**asked)), histories)


def row(histories: Iterable[Sequence[Event]], *bodies: dict[str, Any], **asked: Any) -> dict[str, Any]:
    """The one row of it."""
    (found,) = answer(histories, *bodies, **asked)["rows"]
    return dict(found)
