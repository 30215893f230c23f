"""The answer of a play's back-test as plain data: for `--json`, the API and the table."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from journeys.backtest.report import CONFIDENCE, against, lived, monday, worth
from journeys.backtest.score import Row, Scores
from journeys.backtest.shares import z_for
from journeys.playtest.basis import Basis
from journeys.playtest.course import live
from journeys.playtest.tally import Tally
from signals.event import Event
from signals.instant import DAY, iso


def run(
    basis: Basis,
    histories: Iterable[Sequence[Event]],
    progress: Callable[[int], None] = lambda _: None,
    enough: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Every account lives through its history; `progress(events)` is told after each, `enough()` asked.

    No more than one history is held at a time, and the answer does not depend on the order in which they come.
    """
    scores = Scores(basis.question, 1)
    tally = Tally(basis.key, basis.playbook.policies.arbitration_window, basis.question.since)
    lives = map(partial(live, basis, tally=tally), histories)
    complete = scores.take_all(lives, progress, enough)
    return _report(basis, scores, tally, complete)


def _report(basis: Basis, scores: Scores, tally: Tally, complete: bool) -> dict[str, Any]:
    (row,) = scores.rows
    told: dict[str, Any] = {
        **lived(scores, complete),
        "play": basis.key,
        "beside": basis.beside,
        "journeys": _journeys(row, tally, scores.weeks),
        "messages": _messages(tally),
        "tasks": {"raised": tally.tasks.total(), "roles": _by_role(tally.tasks)},
        "held": _sorted(tally.held),
        "collisions": {kind: _sorted(found) for kind, found in tally.collisions.items()},
        "worth": None,
    }
    if scores.question.outcome is not None:
        z = z_for(1, CONFIDENCE)
        told |= against(scores.question, scores, z) | {"worth": worth(row, scores, z)}
    return told


def _journeys(row: Row, tally: Tally, weeks: float) -> dict[str, Any]:
    return {
        "candidates": row.firings + tally.not_started.total(),
        "started": row.firings,
        "accounts": row.accounts,
        "not_started": _sorted(tally.not_started),
        "ended": _sorted(tally.ended),
        "arms": _sorted(tally.arms),
        "per_week": {
            "mean": round(row.firings / weeks, 2) if weeks else None,
            "most": max(row.weeks.values(), default=0),
            "weeks": [{"week": monday(week), "started": row.weeks[week]} for week in sorted(row.weeks)],
        },
    }


def _messages(tally: Tally) -> dict[str, Any]:
    return {
        "made": tally.made,
        "sent": tally.sent.total(),
        "ended": _sorted(tally.settled),
        "waiting": tally.made - tally.settled.total(),
        "roles": _by_role(tally.sent),
    }


def _by_role(counted: Counter[tuple[str, int]]) -> list[dict[str, Any]]:
    """For each role how many there were, most on one day, and on which days (UTC)."""
    roles: dict[str, dict[int, int]] = {}
    for (role, day), many in sorted(counted.items()):
        roles.setdefault(role, {})[day] = many
    return [
        {
            "role": role,
            "count": sum(days.values()),
            "most_a_day": max(days.values()),
            "days": [{"day": iso(day * DAY)[:10], "count": many} for day, many in days.items()],
        }
        for role, days in roles.items()
    ]


def _sorted(counted: Counter[str]) -> dict[str, int]:
    """The most frequent first; of equals in the order of their names."""
    return dict(
        sorted(((name, many) for name, many in counted.items() if many), key=lambda each: (-each[1], each[0]))
    )
