"""`state_bytes`: how large one account's packed state is, for the shipped library on the demo's customer base.

A year of the base goes through the whole pipeline on the virtual clock, on an embedded database. Each account's
state is then weighed as it lies in the database, and taken apart to say what weighs most.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, quantiles
from typing import Any

import msgspec
import sqlalchemy as sa

from journeys.bootstrap import DEMO_SECRET, Parts
from journeys.demo.base import customer_base
from journeys.demo.run import VirtualClock, replay
from journeys.settings import Settings
from journeys.state import AccountState, unpack
from journeys.store.schema import upgrade
from journeys.store.tables import accounts
from signals.instant import DAY
from signals.measures import Measure

ACCOUNTS = int(os.environ.get("BENCH_DEMO_ACCOUNTS", "100"))
TODAY = 20_700 * DAY
LIMIT = 4_096
SHOWN = 12


def run() -> Iterator[dict[str, Any]]:
    """Replay, weigh, take apart."""
    with tempfile.TemporaryDirectory() as folder:
        states, measures = _replayed(Path(folder))
    sizes = sorted(size for size, _ in states)
    largest = max(states, key=lambda pair: pair[0])[1]
    yield {
        "figure": "state_bytes",
        "value": sizes[-1],
        "unit": "bytes, the largest",
        "goal": LIMIT,
        "detail": {
            "median": round(quantiles(sizes, n=100)[49]),
            "p99": round(quantiles(sizes, n=100)[98]),
            "accounts": len(sizes),
            "over_the_goal": sum(size > LIMIT for size in sizes),
            "measures_live": len(measures),
            "mean_bytes_by_part": _mean_parts([state for _, state in states]),
            "mean_bytes_by_measure": _by_measure([state for _, state in states], measures),
            "largest": largest.profile.id,
            "its_bytes_by_part": _parts_of(largest),
            "its_bytes_by_measure": _by_measure([largest], measures),
        },
    }


def _replayed(folder: Path) -> tuple[list[tuple[int, AccountState]], dict[int, Measure]]:
    """Every account's state with its size in bytes, and the measures that are live."""
    base = customer_base(TODAY, accounts=ACCOUNTS)
    clock = VirtualClock(base.start)
    settings = Settings(
        database_url=f"sqlite:///{folder / 'demo.db'}", secret=DEMO_SECRET, smtp_url=None, kafka_bootstrap=[]
    )
    parts = Parts(settings, now=clock, durable=False)
    upgrade(parts.database)
    replay(parts, clock, base, base.end, lambda _: None)
    with parts.database.read() as connection:
        raw = [tuple(row) for row in connection.execute(sa.select(accounts.c.state, accounts.c.known))]
    live = dict(parts.playbooks().watched.measures)
    parts.close()
    return [(len(state) + len(known), unpack(state, known)) for state, known in raw], live


def _weight(value: Any) -> int:
    return len(msgspec.msgpack.encode(value))


def _parts_of(state: AccountState) -> dict[str, int]:
    """Bytes of each field of the profile, and of the journeys; the heaviest first."""
    profile = state.profile
    found = Counter({name: _weight(getattr(profile, name)) for name in profile.__struct_fields__})
    found["journeys"] = _weight(state.journeys)
    found["ended"] = _weight(state.ended)
    return dict(found.most_common(SHOWN))


def _mean_parts(states: list[AccountState]) -> dict[str, int]:
    names = ["journeys", "ended", *states[0].profile.__struct_fields__]
    found = Counter({name: round(mean(_parts_all(state, name) for state in states)) for name in names})
    return dict(found.most_common(SHOWN))


def _parts_all(state: AccountState, name: str) -> int:
    return _weight(getattr(state if name in ("journeys", "ended") else state.profile, name))


def _by_measure(states: list[AccountState], measures: dict[int, Measure]) -> dict[str, int]:
    """Mean bytes of each measure, with what it counts; the heaviest first."""
    found: Counter[str] = Counter()
    for state in states:
        for key, kept in state.profile.measures.items():
            found[_named(measures.get(key))] += _weight(kept)
    return {name: round(size / len(states)) for name, size in found.most_common(SHOWN)}


def _named(measure: Measure | None) -> str:
    if measure is None:
        return "no longer live"
    keyed = f" by {measure.keyed}" if measure.keyed else ""
    step = getattr(measure, "step", None)
    bucket = "" if not step else f" per {step // 60_000_000} min"
    days = "ever" if measure.keep is None else f"{measure.keep // DAY} d"
    return f"{measure.kind} {', '.join(measure.types)}{keyed}{bucket}, {days}"
