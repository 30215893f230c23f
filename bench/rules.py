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
EVENTS_A_DAY = 200 / 45
"""Of one account in the benchmark of conditions."""

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
    """Counts, sums, distinct values, absences, changes, the latest, nested: six or more a type.

    Thresholds lie where people set them, at what is unusual: about 3 % of events fire something, as in the pipeline.
    """
    rules: Rules = {}
    for place, kind in enumerate(BUSY_TYPES):
        often = WEIGHTS[place]
        rules[f"busy_{place}"] = {"count": kind, "in": "7d", "gte": unusual(often, 7)}
        rules[f"calm_{place}"] = {"count": kind, "in": "30d", "gte": unusual(often, 30)}
        rules[f"gone_{place}"] = {"absent": kind, "for": f"{3 + 120 // often}d"}
        rules[f"ever_{place}"] = {"count": kind, "gte": 5 + 2 * often}
    for days in (7, 14, 28, 40):
        rules[f"broad_{days}"] = {
            "distinct": "product.feature_used",
            "of": "feature",
            "in": f"{days}d",
            "lt": 2 + days // 7,
        }
        rules[f"spent_{days}"] = {
            "sum": "billing.charge_made",
            "of": "amount",
            "in": f"{days}d",
            "gte": 500 * unusual(5, days),
        }
    for place in range(6):
        busy = {"count": BUSY_TYPES[place], "in": "14d", "gte": unusual(WEIGHTS[place], 14)}
        rules[f"both_{place}"] = {"all": [busy, {"not": {"signal": f"busy_{place}"}}]}
    urgent = {"count": "support.ticket_noted", "in": "2d", "where": {"priority": "urgent"}, "gte": 2}
    rules |= {
        "urgent": urgent,
        "tickets": {"count": "support.ticket_noted", "in": "7d", "gte": unusual(5, 7)},
    }
    rules["detractor"] = {"latest": "survey.score_given", "where": {"score": {"lte": 2}}}
    rules["drop"] = {"change": "product.feature_used", "in": "14d", "against": "42d", "lte": -0.4}
    return rules


def unusual(weight: float, days: int, deviations: float = 3) -> int:
    """How many events of a type are that many deviations above, or below, what is usual in so many days."""
    usual = EVENTS_A_DAY * days * weight / 100
    return max(1, round(usual + deviations * (usual**0.5 + 0.3)))


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
    window = seed.choice([1, 7, 7, 14, 30, 30, 90])
    weight = WEIGHTS[MANY_TYPES.index(kind)] * 100 / sum(WEIGHTS)
    far = 3 + seed.random()
    many, least = unusual(weight, window, far), unusual(weight, window, -far)
    silence = f"{round((5 + far) * 100 / weight / EVENTS_A_DAY) + 1}d"
    count = {"count": kind, "in": f"{window}d", "gte": many}
    few = {"count": kind, "in": f"{window}d", "lt": least}
    shape = seed.choices(["count", "few", "absent", "ever", "sum", "distinct", "change", "both"], _SHAPES)[0]
    shapes: dict[str, dict[str, Any]] = {
        "count": count,
        "few": few if least > 1 else count,
        "absent": {"absent": kind, "for": silence},
        "ever": {"count": kind, "gte": seed.randrange(5, 60)},
        "sum": {"sum": kind, "of": "seconds", "in": f"{window}d", "gte": 450 * many},
        "distinct": {"distinct": kind, "of": "feature", "in": f"{window}d", "gte": min(many, FEATURES)},
        "change": {"change": kind, "in": "14d", "against": "42d", "lte": -0.5},
        "both": {"all": [count, {"not": {"absent": kind, "for": silence}}]},
    }
    return shapes[shape]


_SHAPES = [40, 15, 15, 8, 6, 5, 4, 7]
