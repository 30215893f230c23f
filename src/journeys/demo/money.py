"""Subscriptions, charges, failed payments and renewals."""

from typing import Any

from journeys.demo.casting import BOX
from journeys.demo.crm import told_at
from journeys.demo.life import Life
from journeys.demo.year import DAYS
from signals.instant import DAY, HOUR, MINUTE, SECOND, Instant, iso

MONTH = 30
"""Days between two monthly charges."""

_SOFT = ("insufficient_funds", "do_not_honor", "processing_error")
_HARD = ("expired_card", "lost_card")
_RETRIES = (0, 3, 5, 7)
_GRACE = 21


def subscribe(life: Life) -> None:
    """The subscription as billing first tells of it, with the first payment of a new customer.

    Only annual contracts carry `renews_at`: a monthly plan has nothing to work towards, it has a next charge.
    """
    frame = life.company.frame
    at = life.born + 4 * MINUTE if life.new else told_at(life) + 5 * SECOND
    started = life.born if life.new else life.year.utc(frame.joined)
    life.add(at, "billing.subscription_started", **_terms(life, life.joined), started_at=iso(started))
    if life.new and life.company.mrr:
        _paid(life, at + MINUTE, _invoice(life), life.joined)


def charge_days(life: Life) -> list[int]:
    """The days on which a monthly plan is charged within the year; none for annual and free plans."""
    frame = life.company.frame
    if frame.interval != "month" or not life.company.mrr:
        return []
    first = life.joined + MONTH if life.new else 1 + frame.number % MONTH
    return list(range(first, DAYS, MONTH))


def next_charge(life: Life, day: int) -> int:
    """The first day on or after `day` on which the household or company is charged."""
    return next(due for due in charge_days(life) if due >= day)


def charged_at(life: Life, day: int) -> Instant:
    """The instant of a charge, early in the morning UTC."""
    return life.year.utc(day) + 6 * HOUR + (life.company.frame.number % 120) * MINUTE


def charges(life: Life) -> list[tuple[int, Instant]]:
    """Charges the year's months. Returns day and instant of what was paid: households get their box for it."""
    paid = []
    for day in charge_days(life):
        if day in life.skipped:
            continue
        at: Instant | None = charged_at(life, day)
        if day in life.failing:
            at = _failed(life, day, life.failing[day])
        elif at is not None:
            _paid(life, at, _invoice(life), day)
        if at is not None:
            paid.append((day, at))
    return paid


def renewals(life: Life) -> None:
    """Renews an annual contract on its day, three per cent dearer, unless it has ended by then."""
    day = life.company.frame.renewal
    if day is None or day >= DAYS or (life.ended is not None and life.ended <= life.year.utc(day)):
        return
    seats, mrr = life.price(day)
    life.terms.append((day, seats, round(mrr * 1.03)))
    at = charged_at(life, day)
    life.add(at, "billing.subscription_renewed", **_terms(life, day))
    _paid(life, at + MINUTE, _invoice(life), day)


def change(life: Life, at: Instant, seats: int, mrr: int) -> None:
    """More or fewer seats at another price, from now on."""
    day = life.year.day_of(at)
    life.terms.append((day, seats, mrr))
    life.add(at, "billing.subscription_changed", **_terms(life, day))


def _terms(life: Life, day: int) -> dict[str, Any]:
    frame = life.company.frame
    seats, mrr = life.price(day)
    terms: dict[str, Any] = {"plan": frame.plan, "mrr": mrr, "interval": frame.interval, "currency": "EUR"}
    if frame.line != BOX:
        terms["seats"] = seats
    if frame.renewal is not None:
        renewed = day >= frame.renewal
        terms["renews_at"] = iso(life.year.utc(frame.renewal + (DAYS if renewed else 0)))
    return terms


def _invoice(life: Life) -> str:
    life.invoices += 1
    return f"INV-{life.company.frame.number:04d}-{life.invoices:02d}"


def _amount(life: Life, day: int) -> int:
    return life.price(day)[1] * (12 if life.company.frame.interval == "year" else 1)


def _paid(life: Life, at: Instant, invoice: str, day: int) -> None:
    data: dict[str, Any] = {"invoice": invoice, "amount": _amount(life, day), "currency": "EUR"}
    if life.company.frame.interval == "month":
        data["next_charge_at"] = iso(life.year.utc(day + MONTH))
    life.add(at, "billing.invoice_paid", **data)


def _failed(life: Life, day: int, outcome: str) -> Instant | None:
    """A charge that fails, with its retries. Returns when it was paid after all, or None."""
    rng, at, invoice = life.rng, charged_at(life, day), _invoice(life)
    hard = rng.random() < 0.4
    facts: dict[str, Any] = {"invoice": invoice, "amount": _amount(life, day), "currency": "EUR"}
    facts |= {"decline": "hard" if hard else "soft", "code": rng.choice(_HARD if hard else _SOFT)}
    tries = rng.randint(1, 3) if outcome == "recovered" else len(_RETRIES)
    for attempt in range(tries):
        moment = at + _RETRIES[attempt] * DAY
        life.add(moment, "billing.payment_failed", **facts, attempt=attempt + 1)
    if outcome == "recovered":
        until = _recovered(life, at + _RETRIES[tries - 1] * DAY, at + _RETRIES[tries] * DAY, hard)
        _paid(life, until, invoice, day)
        life.beat("payment_failed", at, until, outcome, tries)
        return until
    until = life.year.end
    if outcome == "lapsed":
        until = at + _GRACE * DAY
        life.end(until, "payment_failed")
    life.beat("payment_failed", at, until, outcome, tries)
    return None


def _recovered(life: Life, failed: Instant, retry: Instant, hard: bool) -> Instant:
    """Paid at the next retry; a dead card is first replaced, by whoever pays, the evening before it or sooner."""
    if not hard:
        return retry
    payer = life.company.holder("finance").id
    replaced = failed + (retry - failed) * 3 // 4
    life.add(replaced, "billing.payment_method_updated", payer)
    return replaced + 2 * MINUTE
