"""`claim_of_a_million`: to claim 500 due accounts of 1,000,000 that wait against 500 of 10,000, on one server.

Claimed as the clock does it: found by the instant at which they are due, locked, their states loaded.
"""

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from journeys.bootstrap import Parts
from journeys.state import new_state, pack
from journeys.store import accounts as account_store
from journeys.store import bulk
from journeys.store.tables import accounts
from signals.instant import DAY, HOUR, Instant, parse_instant

MONDAY = parse_instant("2026-03-02T10:00:00Z")
WAITING = int(os.environ.get("BENCH_CLAIM_WAITING", "1000000"))
FEW = 10_000
CLAIMED = 500
SLICE = 20_000


def claims(fresh: Callable[[str], Parts]) -> dict[str, Any]:
    """The figure; `fresh` makes a service on an empty database of that name."""
    few, many = (_waiting(fresh(f"waiting_{waiting}"), waiting) for waiting in (FEW, WAITING))
    try:
        times: dict[int, list[float]] = {FEW: [], WAITING: []}
        for _ in range(31):  # in turns
            for waiting, parts in ((FEW, few), (WAITING, many)):
                times[waiting].append(_claim(parts))
    finally:
        few.close()
        many.close()
    cost = {waiting: median(taken[1:]) * 1_000 for waiting, taken in times.items()}
    return {
        "figure": "claim_of_a_million",
        "value": round(cost[WAITING] / cost[FEW], 2),
        "unit": "ratio",
        "goal": 2,
        "detail": {
            "claimed": CLAIMED,
            "waiting": [FEW, WAITING],
            "milliseconds": [round(cost[FEW], 2), round(cost[WAITING], 2)],
        },
    }


def _waiting(parts: Parts, waiting: int) -> Parts:
    """The service with so many accounts that wait, 500 of them due."""
    for first in range(0, waiting, SLICE):
        rows = [_row(number, waiting) for number in range(first, min(first + SLICE, waiting))]
        with parts.database.write() as connection:
            bulk.insert(connection, accounts, rows)
    with parts.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze accounts")
    return parts


def _row(number: int, waiting: int) -> dict[str, Any]:
    """Due ones are spread among the others, as ids and instants have nothing to do with one another."""
    name, seen = f"acc-{number:07d}", MONDAY - DAY
    due: Instant = MONDAY - HOUR if number % (waiting // CLAIMED) == 0 else MONDAY + HOUR + number
    row = {"id": name, "version": 1, "state": pack(new_state(name, seen)), "due_at": due}
    return {**row, "created_at": seen, "last_event_at": seen, "live_journeys": 1}


def _claim(parts: Parts) -> float:
    """Seconds to lock and name 500 due accounts and load their states; they are let go as they were."""
    with parts.database.write() as connection:
        began = time.perf_counter()
        due = account_store.due(connection, MONDAY, CLAIMED)
        loaded = account_store.lock_and_load(connection, due)
        taken = time.perf_counter() - began
    if len(loaded) != CLAIMED:
        raise SystemExit(f"{len(loaded)} accounts were claimed, not {CLAIMED}")
    return taken
