"""Properties of health: it agrees with a recount at every instant, changes at no other, and its ledger adds up."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import ACCOUNT, START, folded, signal
from histories import amounts, changes, conditions, counts, distincts, histories, instants
from reference import Recount
from signals.conditions import Moment, compile_condition
from signals.definitions import HealthRules
from signals.event import Event
from signals.fold import after
from signals.instant import DAY, Instant
from signals.ledger import Entry
from signals.profile import Profile
from signals.watch import Watched, watch

pytestmark = pytest.mark.slow

ROUNDS = settings(max_examples=150, deadline=None, derandomize=True)
FEWER = settings(max_examples=100, deadline=None, derandomize=True)
COMPARISONS = frozenset(("gte", "gt", "lt", "lte", "is", "is_not"))
NPS = {"attribute": "account.score"}


def _number(atom: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in atom.items() if name not in COMPARISONS}


@st.composite
def _measures(draw: st.DrawFn, place: int) -> dict[str, Any]:
    atom = _number(
        draw(st.one_of(counts, amounts, distincts, changes(), st.just(NPS), st.just({"absent": "used"})))
    )
    numbers = draw(
        st.lists(st.sampled_from([-1, 0, 0.5, 1, 2, 3, 5, 8]), min_size=1, max_size=4, unique=True)
    )
    missing: list[Any] = ["exclude", "zero"]
    if "between" not in atom and not (atom.keys() & {"average", "min", "max"} and "in" not in atom):
        missing.append({"last_known": draw(st.sampled_from(["1m", "3d", "30d"]))})
    return {
        "key": f"m{place}",
        "value": atom,
        "map": [[number, draw(st.integers(0, 100))] for number in sorted(numbers)],
        "weight": draw(st.sampled_from([1, 2, 0.5])),
        "missing": draw(st.sampled_from(missing)),
    }


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """A health definition of one to three measures, perhaps with flags."""
    measures = [draw(_measures(place)) for place in range(draw(st.integers(1, 3)))]
    caps = st.sampled_from(["red", "amber"])
    flags = [
        {"key": f"f{place}", "when": draw(conditions), "cap": draw(caps)}
        for place in range(draw(st.integers(0, 2)))
    ]
    return {"version": 1, "measures": measures, "flags": flags}


@st.composite
def on_health(draw: st.DrawFn) -> dict[str, Any]:
    """An atom on the score, its change or its band."""
    word = draw(st.sampled_from(["gte", "gt", "lt", "lte", "is", "is_not"]))
    which = draw(st.sampled_from(["score", "change", "band"]))
    if which == "band":
        return {
            "health": "band",
            **draw(st.sampled_from([{"is": "red"}, {"is_not": "green"}, {"in": ["amber", "green"]}])),
        }
    if which == "score":
        return {"health": "score", word: draw(st.sampled_from([25, 50, 51, 75]))}
    return {
        "health": "change",
        "in": draw(st.sampled_from(["1d", "14d"])),
        word: draw(st.sampled_from([-15, -1, 0, 10])),
    }


LOOKS = 120
"""After so many looks a life is long enough to be compared with a recount."""


class Span(NamedTuple):
    """A time in which nobody looked at the account, with the profile as it stood."""

    start: Instant
    end: Instant
    profile: Profile


class Walk:
    """One account followed from instant to instant: looked at when it asks for it, and when something happens."""

    def __init__(self, watched: Watched, history: list[Event]) -> None:
        self.watched, self.profile = watched, Profile(id=ACCOUNT, created_at=START)
        self.ledger: list[Entry] = []
        self.spans: list[Span] = []
        self._start = START
        self._look(START, None)
        for event in history:
            self._until(event.time)
            self.profile, touched = after(self.profile, event, watched.measures_of(event.type), event.time)
            self._look(event.time, touched)
        self._until(self._start + 40 * DAY)

    def _look(self, now: Instant, touched: set[str] | None) -> None:
        self.profile = self.profile.copy()
        self.ledger += watch(self.profile, self.watched, now, touched).ledger

    def _until(self, end: Instant) -> None:
        while self.profile.look_at is not None and self.profile.look_at < end and len(self.spans) < LOOKS:
            now = self.profile.look_at
            self._rest(now)
            self._look(now, None)
        self._rest(end if self.profile.look_at is None else min(end, self.profile.look_at))
        self._start = end

    def _rest(self, end: Instant) -> None:
        if self._start < end and len(self.spans) < LOOKS:
            self.spans.append(Span(self._start, end, self.profile))
        self._start = end


def walked(body: dict[str, Any], history: list[Event], also: dict[str, Any] | None = None) -> Walk:
    """The life of an account whose health is scored by these rules; `also` is watched too."""
    signals = [] if also is None else [signal("also", when=also)]
    return Walk(Watched(signals, health=HealthRules.model_validate(body)), history)


def since_start(history: list[Event]) -> list[Event]:
    return [event for event in history if event.time >= START]


def score_of(profile: Profile) -> tuple[int | None, str | None]:
    assert profile.health is not None
    return profile.health.score, profile.health.band


@ROUNDS
@given(rules(), histories().map(since_start), st.lists(instants, max_size=4))
def test_score_and_band_are_those_of_a_recount_and_change_only_where_somebody_looks(
    body: dict[str, Any], history: list[Event], others: list[Instant]
) -> None:
    for start, end, profile in walked(body, history).spans:
        for now in {start, end - 1, *(each for each in others if start <= each < end)}:
            recount = Recount(history, START, now, health=body)
            assert (recount.score(), recount.band()) == score_of(profile), now


@ROUNDS
@given(rules(), on_health(), histories().map(since_start), st.lists(instants, max_size=3))
def test_the_truth_about_health_never_changes_before_until(
    body: dict[str, Any], atom: dict[str, Any], history: list[Event], others: list[Instant]
) -> None:
    node = compile_condition(atom)
    for start, end, profile in walked(body, history, atom).spans[:40]:
        holds, until = node.test(Moment(profile, start))
        assert until is None or until >= end  # or it would have been looked at
        for now in {start, end - 1, *(each for each in others if start <= each < end)}:
            assert Recount(history, START, now, health=body).holds(atom) == holds, now


@FEWER
@given(rules(), histories().map(since_start))
def test_the_ledger_adds_up_to_the_score_entry_by_entry(body: dict[str, Any], history: list[Event]) -> None:
    walk = walked(body, history)
    score, band = None, None
    for number, entry in enumerate(walk.ledger, 1):
        assert (entry.number, entry.score_before, entry.band_before) == (number, score, band)
        assert (entry.score_after or 0) - (entry.score_before or 0) == entry.points
        score, band = entry.score_after, entry.band_after
    assert (score, band) == score_of(walk.profile)
    assert sum(entry.points for entry in walk.ledger) == (score or 0)


@FEWER
@given(rules(), histories().map(since_start), st.randoms(use_true_random=False))
def test_the_order_of_arrival_never_changes_the_score(
    body: dict[str, Any], history: list[Event], random: Any
) -> None:
    watched = Watched(health=HealthRules.model_validate(body))
    now = max((event.time for event in history), default=START)
    shuffled = random.sample(history, len(history))
    for late in (now, now + DAY, now + 20 * DAY):
        profile = folded(shuffled, watched, now=now)
        watch(profile, watched, late, None)
        recount = Recount(history, START, late, health=body)
        assert (recount.score(), recount.band()) == score_of(profile)
