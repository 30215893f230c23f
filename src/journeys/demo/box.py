"""A year with a monthly box: orders, parcels, gifts, skipped months, and visits to the shop in the evening."""

from typing import Any

from journeys.demo.life import Life
from journeys.demo.money import charged_at
from journeys.demo.year import DAYS
from signals.instant import DAY, HOUR, MINUTE, Instant, iso

_SEEN: tuple[dict[str, Any], ...] = tuple(
    {"feature": name}
    for name in ("box_customised", "recipe_saved", "delivery_tracked", "review_written", "gift_planned")
)
_CARRIERS = ("Swiftmail", "Parcelwing", "Bluebike")
_NOTHING: dict[str, Any] = {}


def deliveries(life: Life, paid: list[tuple[int, Instant]]) -> None:
    """One box for each month paid; a new household gets its first, and is activated, after it joined."""
    if life.new:
        at = order(life, life.born + 6 * MINUTE, life.company.mrr)
        life.add(at + MINUTE, "product.milestone_reached", milestone="activated")
    for day, at in paid:
        order(life, at + 5 * MINUTE, life.company.mrr, life.late.get(day, 0))


def order(life: Life, at: Instant, amount: float, days: int = 0) -> Instant:
    """An order, its parcel and the delivery, `days` later (0: the usual three or four). Returns when it came."""
    rng, subscriber = life.rng, life.company.people[0].id
    life.invoices += 1
    key = f"O{life.company.frame.number:04d}-{life.invoices:02d}"
    facts: dict[str, Any] = {"order": key, "amount": amount, "currency": "EUR"}
    if rng.random() < 0.15:
        gifted = [p.id for p in life.company.people if "gift_recipient" in p.roles]
        facts |= {"gift": True, "recipient": rng.choice(gifted)}
    life.add(at, "billing.order_placed", subscriber, **facts)
    shipped = at + DAY + int(8 * HOUR * rng.random())
    life.add(shipped, "billing.order_shipped", subscriber, **facts, carrier=rng.choice(_CARRIERS))
    delivered = shipped + (days or rng.randint(2, 3)) * DAY + int(6 * HOUR * rng.random())
    return life.add(delivered, "billing.order_delivered", subscriber, **facts)


def skip(life: Life, day: int) -> Instant:
    """The month charged on `day` is skipped, decided four days earlier. Returns when that was."""
    life.skipped.add(day)
    at = life.at(day - 4, 20.25)
    due = iso(charged_at(life, day))
    return life.add(at, "billing.order_skipped", life.company.people[0].id, charge_at=due)


def evenings(life: Life) -> None:
    """Somebody of the household looks at the next box every few days, mostly the subscriber."""
    rng, family = life.rng, [p for p in life.company.people if "gift_recipient" not in p.roles]
    day = life.joined + 1 + rng.randint(0, 3)
    while day < DAYS:
        person = family[0] if rng.random() < 0.9 else rng.choice(family)
        at = life.at(day, 18.5 + 2 * (rng.random() + rng.random()))
        life.log(at, "product.login", person.id, _NOTHING)
        for number in range(rng.randint(1, 2)):
            life.log(at + (number + 1) * 4 * MINUTE, "product.feature_used", person.id, rng.choice(_SEEN))
        day += rng.randint(3, 6)
