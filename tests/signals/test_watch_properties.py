"""Properties of watching: looking only where something was touched comes to the same as looking at everything."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import ACCOUNT, START, milestone, playbook, segment, signal, stages
from histories import conditions, histories, instants, late_histories
from journeys.react import live_through
from journeys.state import new_state, pack
from reference import Recount
from signals.definitions import HealthRules
from signals.event import Event
from signals.fold import after
from signals.instant import DAY, HOUR, Instant
from signals.ledger import Entry
from signals.profile import Profile
from signals.watch import Edge, Watched, watch

ROUNDS = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
END = START + 130 * DAY
LOOKS = 5_000
"""More looks than this in four months are a loop, not a life."""


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, Any]:
    """Signals, segments, a milestone, stages and health, each possibly resting on those before it."""
    used: list[dict[str, Any]] = []

    def condition() -> dict[str, Any]:
        own = draw(conditions)
        if used and draw(st.booleans()):
            return {draw(st.sampled_from(["all", "any"])): [own, draw(st.sampled_from(used))]}
        return draw(st.sampled_from(used)) if used and draw(st.integers(0, 3)) == 0 else own

    parts: dict[str, Any] = {"signals": [], "segments": []}
    parts["milestones"] = [milestone("grown", when=condition())]
    used.append({"reached": "grown", "for": "1d"})
    for place in range(draw(st.integers(1, 2))):
        parts["segments"].append(segment(f"g{place}", enter=condition(), tag=draw(st.booleans())))
        used += [{"segment": f"g{place}"}, {"tag": f"g{place}"}]
    parts["health"] = HealthRules.model_validate(
        {
            "measures": [
                {
                    "key": "use",
                    "value": {"count": "used", "in": "7d"},
                    "map": [[0, 0], [4, 100]],
                    "weight": 2,
                },
                {
                    "key": "says",
                    "value": {"attribute": "account.score"},
                    "map": [[0, 0], [5, 100]],
                    "weight": 1,
                },
            ],
            "flags": [{"key": "flag", "when": condition(), "cap": "amber"}],
        }
    )
    used += [{"health": "score", "lt": 60}, {"health": "band", "is": "amber"}]
    used.append({"health": "change", "in": "1d", "lte": -10})
    for place in range(draw(st.integers(1, 3))):
        cooldown = draw(st.sampled_from(["0s", "1d", "7d"]))
        body: dict[str, Any] = {"when": condition()}
        if draw(st.integers(0, 2)) == 0:
            levels = [{"when": condition(), "severity": severity} for severity in ("warning", "critical")]
            body = {"levels": levels}
        if draw(st.integers(0, 3)) == 0:
            body["clear"] = condition()
        parts["signals"].append(signal(f"s{place}", cooldown=cooldown, **body))
        used += [{"signal": f"s{place}"}, {"signal": f"s{place}", "in": "3d"}]
        used.append({"count": f"signal.s{place}", "in": "7d", "gte": 2})
    dates = {"attribute": "account.ends", "before": ["10d", "3d"]}
    parts["signals"].append(signal("ending", dates=dates))
    parts["stages"] = stages(("first", condition()), ("second", condition()))
    return parts


class Walk:
    """One profile driven exactly from `look_at` to `look_at` and from event to event."""

    def __init__(self, watched: Watched, *, everything: bool) -> None:
        self.watched, self.everything = watched, everything
        self.profile = Profile(id=ACCOUNT, created_at=START)
        self.edges: list[Edge] = []
        self.ledger: list[Entry] = []
        self._look(START, None)

    def _look(self, now: Instant, touched: set[str] | None) -> None:
        self.profile = self.profile.copy()
        if self.everything:
            self.profile.waits, touched = None, None
        sight = watch(self.profile, self.watched, now, touched)
        self.edges += sight.edges
        self.ledger += sight.ledger

    def until(self, now: Instant) -> None:
        looks = 0
        while self.profile.look_at is not None and self.profile.look_at <= now:
            self._look(self.profile.look_at, None)
            looks += 1
            assert looks < LOOKS

    def take(self, event: Event) -> None:
        now = event.received_at
        self.until(now)
        self.profile, touched = after(self.profile, event, self.watched.measures_of(event.type), now)
        self._look(now, touched)

    def made(self) -> dict[str, Any]:
        """All that definitions made of the profile, but for when it is looked at next."""
        still = msgspec.structs.replace(self.profile, look_at=None, waits=None)
        whole: dict[str, Any] = msgspec.to_builtins(still)
        return whole


@ROUNDS
@given(definitions(), histories())
def test_looking_where_something_was_touched_comes_to_the_same_as_looking_everywhere(
    parts: dict[str, Any], history: list[Event]
) -> None:
    watched = playbook(**parts).watched
    touched_only, all_of_it = (Walk(watched, everything=flag) for flag in (False, True))
    for event in history:
        touched_only.take(event)
        all_of_it.take(event)
        assert touched_only.made() == all_of_it.made()
    for walk in (touched_only, all_of_it):
        walk.until(END)
    assert touched_only.made() == all_of_it.made()
    assert touched_only.edges == all_of_it.edges
    assert touched_only.ledger == all_of_it.ledger


@st.composite
def resting(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """Conditions of signals, segments and stages by key, resting on the signals and segments before them."""
    made: dict[str, dict[str, Any]] = {"signals": {}, "segments": {}, "stages": {}}
    used: list[dict[str, Any]] = []
    for kind, key in [("signals", "s0"), ("segments", "g0"), ("signals", "s1"), ("segments", "g1")]:
        made[kind][key] = draw(_resting_on(used))
        used += [{"signal": key}] if kind == "signals" else [{"segment": key}, {"tag": key}]
    made["stages"] = {key: draw(_resting_on(used)) for key in ("first", "second")}
    made["signals"]["staged"] = {"any": [{"stage": "first"}, {"not": {"stage": "second"}}]}
    return made


@st.composite
def _resting_on(draw: st.DrawFn, used: list[dict[str, Any]]) -> dict[str, Any]:
    own = draw(conditions)
    if not used or draw(st.booleans()):
        return own
    other = draw(st.sampled_from(used))
    return {draw(st.sampled_from(["all", "any"])): [own, draw(st.sampled_from([other, {"not": other}]))]}


@ROUNDS
@given(resting(), late_histories(), st.lists(instants, max_size=4))
def test_signals_segments_tags_and_stages_are_at_every_instant_what_a_recount_says(
    made: dict[str, dict[str, Any]], history: list[Event], probes: list[Instant]
) -> None:
    walk = Walk(
        playbook(
            signals=[signal(key, when=when, cooldown="0s") for key, when in made["signals"].items()],
            segments=[segment(key, enter=when, tag=True) for key, when in made["segments"].items()],
            stages=stages(*made["stages"].items()),
        ).watched,
        everything=False,
    )
    for place, event in enumerate(history):
        walk.take(event)
        arrived = history[: place + 1]
        later = history[place + 1].received_at if place + 1 < len(history) else END
        for now in sorted(
            {event.received_at, *(each for each in probes if event.received_at < each < later)}
        ):
            if now < later:
                walk.until(now)
                assert states_of(walk.profile) == recounted(made, arrived, now)


def states_of(profile: Profile) -> list[Any]:
    """What the definitions made of the profile: open signals, segments, tags, stage."""
    opened = [key for key, state in profile.signals.items() if state.open]
    return [sorted(opened), sorted(profile.segments), profile.tags, profile.stage]


def recounted(made: dict[str, dict[str, Any]], history: list[Event], now: Instant) -> list[Any]:
    """The same by the reference."""
    recount = Recount(history, START, now, **made)
    opened, entered = (
        sorted(key for key, when in made[kind].items() if recount.holds(when))
        for kind in ("signals", "segments")
    )
    stage = next((key for key, when in made["stages"].items() if recount.holds(when)), None)
    return [opened, entered, entered, stage]


@ROUNDS
@given(definitions(), histories(), st.lists(st.integers(0, 130 * 24), max_size=8))
def test_looking_more_often_changes_nothing(
    parts: dict[str, Any], history: list[Event], hours: list[int]
) -> None:
    watched = playbook(**parts).watched
    exact, restless = (Walk(watched, everything=flag) for flag in (False, True))
    probes = [START + hour * DAY // 24 for hour in hours]
    for event in history:
        exact.take(event)
        for probe in sorted(
            probe for probe in probes if restless.profile.last_event_at <= probe < event.time
        ):
            restless.until(probe)
            restless._look(probe, None)
        restless.take(event)
        assert exact.made() == restless.made()


@ROUNDS
@given(definitions(), histories())
def test_an_account_always_comes_to_rest_and_its_state_depends_on_nothing_else(
    parts: dict[str, Any], history: list[Event]
) -> None:
    packed = []
    for _ in range(2):
        book, state = playbook(**parts), new_state(ACCOUNT, START)
        for event in history:
            before = pack(state)
            reactions = live_through(state, event, book, event.time)
            assert pack(state) == before
            state = reactions[-1].state
        reactions = live_through(state, None, book, END)
        assert len(reactions) < LOOKS
        packed.append(pack(reactions[-1].state if reactions else state))
    assert packed[0] == packed[1]


BUSY = [
    {"change": "used", "in": "2d", "against": "6d", "lte": -0.4, "min": 1},
    {"change": "used", "in": "2d", "against": "4d", "lt": -0.2, "min": 1},
    {"change": "used", "in": "2d", "against": "4d", "gte": 0.5, "min": 1},
    {"count": "used", "in": "2d", "lt": 4},
    {"count": "used", "in": "2d", "lte": 2},
    {"count": "used", "in": "2d", "gte": 6},
    {"distinct": "used", "of": "feature", "in": "3d", "gte": 3},
    {"distinct": "used", "of": "feature", "in": "3d", "lt": 2},
    {"absent": "used", "for": "30h"},
    {"latest": "used", "where": {"feature": "a"}},
]
"""Conditions of which a sieve knows how they last."""


@st.composite
def busy_signals(draw: st.DrawFn) -> list[Any]:
    """Signals resting on one such condition, on several levels of them, or on two at once."""
    made = []
    for place in range(draw(st.integers(1, 4))):
        one, other = draw(st.sampled_from(BUSY)), draw(st.sampled_from(BUSY))
        levels = [{"when": one, "severity": "warning"}, {"when": other, "severity": "critical"}]
        shapes: list[dict[str, Any]] = [{"when": one}] * 3
        shapes += [{"when": one, "clear": other}, {"levels": levels}, {"when": {"not": one}}]
        shapes += [{"when": {"all": [one, other]}}, {"when": {"any": [one, other]}}]
        cooldown = draw(st.sampled_from(["0s", "1d"]))
        made.append(signal(f"s{place}", cooldown=cooldown, **draw(st.sampled_from(shapes))))
    return made


@st.composite
def busy_histories(draw: st.DrawFn) -> list[Event]:
    """A month with much use, some of it heard of days later."""
    hours = sorted(draw(st.lists(st.integers(0, 30 * 24), min_size=20, max_size=70)))
    told = []
    for place, hour in enumerate(hours):
        heard = START + hour * HOUR
        late = draw(st.sampled_from([0] * 8 + [5 * HOUR, 3 * DAY, 9 * DAY]))
        feature = draw(st.sampled_from("aabc"))
        time = max(START, heard - late)
        told.append(Event(f"b{place}", "test", "used", time, ACCOUNT, None, {"feature": feature}, heard))
    return told


@ROUNDS
@given(busy_signals(), busy_histories())
def test_what_a_sieve_passes_over_would_have_been_settled_to_the_same(
    watching: list[Any], history: list[Event]
) -> None:
    watched = playbook(signals=watching).watched
    sieved, all_of_it = (Walk(watched, everything=flag) for flag in (False, True))
    for event in history:
        sieved.take(event)
        all_of_it.take(event)
    for walk in (sieved, all_of_it):
        walk.until(START + 60 * DAY)
    assert sieved.edges == all_of_it.edges
