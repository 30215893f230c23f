"""`conditions_vs_fold` and `conditions_500_vs_50`: what exact verdicts cost, in one process, without a database.

The core alone: `signals.fold.after`, and `signals.watch.watch` after every event and at every instant at which a
verdict expires in between. "Fold alone" keeps the very same measures and judges nothing. Both sides of a ratio
fold the same events into the same warm profiles, are run in turn several times on process CPU time, and the best
of each counts: other work on the machine then touches neither.

The answers: at sampled events the open signals are compared with `tests/reference.py`, which recounts the raw
history, and the timed runs must end in the same open signals. A difference is an error.

CEL (package common-expression-language, optional) decides the same rules beside ours, on numbers the recount has
counted for it. Keeping those numbers, which is most of our work, costs it nothing here; nor does it say `until`.
"""

import gc
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.rules import BUSY_TYPES, MANY_TYPES, START, Rules, fifty, five_hundred, stream
from journeys.worker import calm_collector
from signals.definitions import Signal
from signals.event import Event
from signals.fold import after
from signals.instant import Instant
from signals.profile import Profile
from signals.watch import Watched, watch

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from reference import Recount  # the oracle lies with the tests

EVENTS = int(os.environ.get("BENCH_CONDITION_EVENTS", "24000"))
ACCOUNTS = max(1, EVENTS // 200)
DAYS = 45
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SAMPLES = 150

Profiles = dict[str, Profile]
Run = Callable[[Profiles, Watched, list[Event]], Any]


def compiled(rules: Rules) -> Watched:
    """The rules as live signals."""
    return Watched(
        [Signal.model_validate({"key": key, "when": when, "cooldown": "0s"}) for key, when in rules.items()]
    )


# ── the sides ──────────────────────────────────────────────────────────────────────────────────────────────────


def fold_alone(profiles: Profiles, watched: Watched, happened: list[Event]) -> None:
    """Every event into its profile; all that conditions will want counted is counted."""
    for event in happened:
        account = event.account or ""
        profiles[account], _ = after(
            profiles[account], event, watched.measures_of(event.type), event.received_at
        )


def fold_and_watch(profiles: Profiles, watched: Watched, happened: list[Event]) -> int:
    """The same, and what falls due before the event first, and every condition it touches after. Answers the looks."""
    looks = 0
    for event in happened:
        account, now = event.account or "", event.received_at
        profile = profiles[account]
        while profile.look_at is not None and profile.look_at <= now:
            profile = profile.looked_at()
            watch(profile, watched, profile.look_at or now, None)
            looks += 1
        profile, touched = after(profile, event, watched.measures_of(event.type), now)
        watch(profile, watched, now, touched)
        profiles[account] = profile
    return looks


def fold_and_watch_events_only(profiles: Profiles, watched: Watched, happened: list[Event]) -> None:
    """Without the looks in between: no figure, since verdicts are then stale, but it tells where the time goes."""
    for event in happened:
        account, now = event.account or "", event.received_at
        profile, touched = after(profiles[account], event, watched.measures_of(event.type), now)
        watch(profile, watched, now, touched)
        profiles[account] = profile


class Side:
    """One set of rules over one stream, from warm profiles."""

    def __init__(self, rules: Rules, happened: list[Event]) -> None:
        self.rules, self.watched = rules, compiled(rules)
        third = len(happened) // 3
        self.earlier, self.timed = happened[:third], happened[third:]
        self.warm = {event.account or "": Profile(event.account or "", START) for event in happened}
        for profile in self.warm.values():
            watch(profile, self.watched, START, None)
        fold_and_watch(self.warm, self.watched, self.earlier)
        self.looks = self.fired = 0
        self.ends: dict[str, list[str]] = {}

    def rate(self, run: Run) -> float:
        """Events a second of CPU."""
        profiles = dict(self.warm)
        gc.collect()
        began = time.process_time()
        looks = run(profiles, self.watched, self.timed)
        seconds = time.process_time() - began
        if looks is not None:
            self.looks, self.fired = looks, fired(profiles) - fired(self.warm)
            self._same_end({account: opened(profile) for account, profile in profiles.items()})
        return len(self.timed) / seconds

    def _same_end(self, ends: dict[str, list[str]]) -> None:
        if self.ends and ends != self.ends:
            raise SystemExit("two runs over the same events ended in different open signals")
        self.ends = ends

    def check(self) -> list[tuple[Event, Recount]]:
        """Compare open signals with a recount at sampled events; answers those events with their recounts."""
        chosen = set(random.Random(3).sample(range(len(self.timed)), min(SAMPLES, len(self.timed))))
        histories: dict[str, list[Event]] = {}
        for event in self.earlier:
            histories.setdefault(event.account or "", []).append(event)
        profiles, checked = dict(self.warm), []
        for place, event in enumerate(self.timed):
            account = event.account or ""
            histories.setdefault(account, []).append(event)
            fold_and_watch(profiles, self.watched, [event])
            if place in chosen:
                recount = Recount(histories[account], START, event.time, self.rules)
                self._compare(profiles[account], recount, event.time)
                checked.append((event, recount))
        self._same_end({account: opened(profile) for account, profile in profiles.items()})
        return checked

    def _compare(self, profile: Profile, recount: Recount, now: Instant) -> None:
        expected = sorted(key for key, when in self.rules.items() if recount.holds(when))
        wrong = set(expected) ^ set(opened(profile))
        if wrong:
            raise SystemExit(f"{profile.id} at {now}: the recount sees {sorted(wrong)} otherwise")


def opened(profile: Profile) -> list[str]:
    """Keys of the signals that are open."""
    return sorted(key for key, state in profile.signals.items() if state.open)


def fired(profiles: Profiles) -> int:
    """How often any signal has fired."""
    return sum(state.fired for profile in profiles.values() for state in profile.signals.values())


def best(sides: list[tuple[Side, Run]]) -> list[float]:
    """The best rate of each, measured in turn."""
    rates = [[side.rate(run) for side, run in sides] for _ in range(ROUNDS)]
    return [max(of_side) for of_side in zip(*rates, strict=True)]


# ── the figures ────────────────────────────────────────────────────────────────────────────────────────────────


def run() -> Iterator[dict[str, Any]]:
    """Both figures."""
    calm_collector()
    yield _against_the_fold()
    yield _many_against_few()


def _against_the_fold() -> dict[str, Any]:
    side = Side(fifty(), list(stream(EVENTS, ACCOUNTS, DAYS, BUSY_TYPES)))
    checked = side.check()
    runs: list[Run] = [fold_alone, fold_and_watch, fold_and_watch_events_only]
    fold, both, stale = best([(side, each) for each in runs])
    return _figure(
        "conditions_vs_fold",
        both / fold,
        0.5,
        {
            "events_per_second": round(both),
            "fold_events_per_second": round(fold),
            "without_looks_events_per_second": round(stale),
            **_about(side, checked),
            **_cel(side, checked, 1 / (1 / both - 1 / fold)),
        },
    )


def _many_against_few() -> dict[str, Any]:
    happened = list(stream(EVENTS, ACCOUNTS, DAYS, MANY_TYPES))
    few, many = Side(fifty(), happened), Side(five_hundred(), happened)
    checked = many.check()
    runs: list[tuple[Side, Run]] = [(few, fold_and_watch), (many, fold_and_watch), (many, fold_alone)]
    fifty_rate, all_rate, fold, stale = best([*runs, (many, fold_and_watch_events_only)])
    return _figure(
        "conditions_500_vs_50",
        all_rate / fifty_rate,
        0.6,
        {
            "events_per_second": round(all_rate),
            "of_50_events_per_second": round(fifty_rate),
            "fold_for_500_events_per_second": round(fold),
            "without_looks_events_per_second": round(stale),
            "looks_of_50_per_event": round(few.looks / len(few.timed), 3),
            **_about(many, checked),
            **_cel(many, checked, 1 / (1 / all_rate - 1 / fold)),
        },
    )


def _figure(name: str, value: float, goal: float, detail: dict[str, Any]) -> dict[str, Any]:
    return {"figure": name, "value": round(value, 3), "unit": "ratio", "goal": goal, "detail": detail}


def _about(side: Side, checked: list[Any]) -> dict[str, Any]:
    readers = sum(len(_readers(side, event)) for event in side.timed[:1_000]) / min(1_000, len(side.timed))
    return {
        "conditions": len(side.rules),
        "measures": len(side.watched.measures),
        "conditions_touched_per_event": round(readers, 1),
        "looks_per_event": round(side.looks / len(side.timed), 3),
        "fired_per_event": round(side.fired / len(side.timed), 3),
        "events": len(side.timed),
        "accounts": len(side.warm),
        "open_at_the_end": round(sum(map(len, side.ends.values())) / len(side.ends), 1),
        "verdicts_compared_with_a_recount": len(checked) * len(side.rules),
    }


def _readers(side: Side, event: Event) -> set[int]:
    return set(side.watched.readers(f"measure:{m.id}" for m in side.watched.measures_of(event.type)))


def _cel(side: Side, checked: list[tuple[Event, Recount]], ours: float) -> dict[str, Any]:
    """Events a second that CEL decides, given the numbers, beside ours, which keeps them and knows `until`."""
    try:
        from bench.cel_rules import decided_per_second
    except ImportError:
        return {"cel": "not installed: pip install common-expression-language"}
    return {
        "judged_per_second": round(ours),
        "cel_judged_per_second": round(decided_per_second(side.rules, checked)),
    }
