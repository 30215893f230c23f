"""Properties of watching: looking only where something was touched comes to the same as looking at everything."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import ACCOUNT, START, milestone, playbook, segment, signal, stages
from histories import conditions, histories
from journeys.react import live_through
from journeys.state import new_state, pack
from signals.definitions import HealthRules
from signals.event import Event
from signals.fold import after
from signals.instant import DAY, Instant
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
        sight = watch(self.profile, self.watched, now, None if self.everything else touched)
        self.edges += sight.edges
        self.ledger += sight.ledger

    def until(self, now: Instant) -> None:
        looks = 0
        while self.profile.look_at is not None and self.profile.look_at <= now:
            self._look(self.profile.look_at, None)
            looks += 1
            assert looks < LOOKS

    def take(self, event: Event) -> None:
        self.until(event.time)
        self.profile, touched = after(self.profile, event, self.watched.measures_of(event.type), event.time)
        self._look(event.time, touched)

    def made(self) -> dict[str, Any]:
        """All that definitions made of the profile."""
        whole: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(self.profile, look_at=None))
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
