"""What the benchmark of conditions folds and watches: a stream of events of many types, 50 and 500 live signals.

Every signal has no cooldown and no `clear` of its own, so that it is open exactly while its condition holds: the
answers can then be compared with a recount at any instant.
"""

import random
from collections.abc import Iterator
from typing import Any

from signals.event import Event
from signals.instant import DAY

START = 20_500 * DAY

BUSY_TYPES = ["product.login", "product.feature_used", "product.report_viewed", "product.export_made"]
BUSY_TYPES += ["product.invite_sent", "support.ticket_noted", "billing.charge_made", "survey.score_given"]
"""Eight types that all fifty conditions are about: every event of theirs touches six or more conditions."""

MANY_TYPES = BUSY_TYPES + [f"product.action_{place}" for place in range(32)]
"""What a customer with five hundred conditions sends."""

WEIGHTS = [30, 34, 12, 8, 4, 5, 5, 2] + [2] * 32
FEATURES = 12

Rules = dict[str, dict[str, Any]]
"""Conditions by the key of their signal."""


def stream(count: int, accounts: int, days: int, types: list[str], seed: int = 7) -> Iterator[Event]:
    """Events in order of time, spread evenly over the days and at random over accounts."""
    rng = random.Random(seed)
    weights = WEIGHTS[: len(types)]
    gap = days * DAY // count
    for number in range(count):
        account, kind = f"acc-{rng.randrange(accounts):05d}", rng.choices(types, weights)[0]
        at = START + number * gap + rng.randrange(gap)
        data = {"feature": f"feature_{rng.randrange(FEATURES)}", "seconds": rng.randrange(900)}
        data |= {"path": "/workspace/reports/quarterly/overview", "client": "web 4.12.1"}
        data |= {"priority": rng.choice(["low", "normal", "high", "urgent"]), "score": rng.randrange(11)}
        data |= {"amount": rng.randrange(2_000, 90_000) / 100}
        contact = f"{account}-p{rng.randrange(3)}"
        yield Event(f"evt-{number:010d}", "bench", kind, at, account, contact, data, at)


def fifty() -> Rules:
    """Counts, sums, distinct values, absences, changes, the latest, nested: six or more a type."""
    rules: Rules = {}
    for place, kind in enumerate(BUSY_TYPES):
        often = WEIGHTS[place]
        rules[f"busy_{place}"] = {"count": kind, "in": "7d", "gte": 3 + often // 2}
        rules[f"calm_{place}"] = {"count": kind, "in": "30d", "gte": 5 + often * 3 // 2}
        rules[f"gone_{place}"] = {"absent": kind, "for": f"{3 + 90 // often}d"}
        rules[f"ever_{place}"] = {"count": kind, "gte": 5 + 2 * often}
    for days in (7, 14, 28, 40):
        rules[f"broad_{days}"] = {
            "distinct": "product.feature_used",
            "of": "feature",
            "in": f"{days}d",
            "gte": 8 + days // 10,
        }
        rules[f"spent_{days}"] = {
            "sum": "billing.charge_made",
            "of": "amount",
            "in": f"{days}d",
            "gte": 150 * days,
        }
    for place in range(6):
        busy = {"count": BUSY_TYPES[place], "in": "14d", "gte": 4 + WEIGHTS[place] * 3 // 4}
        rules[f"both_{place}"] = {"all": [busy, {"not": {"signal": f"busy_{place}"}}]}
    urgent = {"count": "support.ticket_noted", "in": "2d", "where": {"priority": "urgent"}, "gte": 1}
    rules |= {"urgent": urgent, "tickets": {"count": "support.ticket_noted", "in": "7d", "gte": 2}}
    rules["detractor"] = {"latest": "survey.score_given", "where": {"score": {"lte": 6}}}
    rules["drop"] = {"change": "product.feature_used", "in": "7d", "against": "21d", "min": 4, "lte": -0.4}
    return rules


def five_hundred() -> Rules:
    """The fifty, and on every type of the many a dozen more: windows are shared, thresholds are not."""
    rules = fifty()
    seed = random.Random(11)
    while len(rules) < 500:
        kind = MANY_TYPES[len(rules) % len(MANY_TYPES)]
        rules[f"rule_{len(rules)}"] = _one_more(kind, seed)
    return rules


def _one_more(kind: str, seed: random.Random) -> dict[str, Any]:
    """What customers write most: counts; then absences, amounts, distinct values, changes, nesting."""
    window = seed.choice(["1d", "7d", "7d", "14d", "30d", "30d", "90d"])
    count = {"count": kind, "in": window, "gte": seed.randrange(1, 20)}
    few = {"count": kind, "in": window, "lt": seed.randrange(1, 6)}
    shape = seed.choices(["count", "few", "absent", "ever", "sum", "distinct", "change", "both"], _SHAPES)[0]
    shapes: dict[str, dict[str, Any]] = {
        "count": count,
        "few": few,
        "absent": {"absent": kind, "for": f"{seed.randrange(3, 30)}d"},
        "ever": {"count": kind, "gte": seed.randrange(5, 60)},
        "sum": {"sum": kind, "of": "seconds", "in": window, "gte": seed.randrange(500, 9_000)},
        "distinct": {"distinct": kind, "of": "feature", "in": window, "lt": seed.randrange(2, 8)},
        "change": {"change": kind, "in": "7d", "against": "21d", "min": 2, "lte": -0.3},
        "both": {"all": [few, {"not": {"absent": kind, "for": f"{seed.randrange(3, 30)}d"}}]},
    }
    return shapes[shape]


_SHAPES = [40, 15, 15, 8, 6, 5, 4, 7]
