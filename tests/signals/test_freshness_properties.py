"""Properties of doubt: it agrees with a plain recount, `until` is never late, and only events' times decide."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import ACCOUNT, START, folded
from histories import conditions, histories, instants
from reference_of_feeds import Doubtful
from signals.conditions import Moment, Node, compile_condition
from signals.event import Event
from signals.freshness import Feeds, Heard, Promise, Promises
from signals.instant import DAY, HOUR, Instant, parse_duration
from signals.profile import Profile
from signals.watch import Watched

pytestmark = pytest.mark.slow

ROUNDS = settings(max_examples=200, deadline=None, derandomize=True)
END = START + 130 * DAY

Told = list[tuple[str, Instant]]


@st.composite
def promises(draw: st.DrawFn) -> list[dict[str, Any]]:
    """One or two feeds as the policy has them, on types that overlap."""
    types = st.lists(
        st.sampled_from(["used", "paid", "failed", "pa*", "*", "product.*"]), min_size=1, max_size=2
    )
    feed = st.fixed_dictionaries(
        {
            "source": st.sampled_from(["test", "other"]),
            "types": types,
            "every": st.sampled_from(["30m", "1d", "3d", "14d"]),
        }
    )
    return draw(st.lists(feed, min_size=1, max_size=2))


told = st.lists(st.tuples(st.sampled_from(["test", "other"]), instants), max_size=8)
"""What feeds said of other accounts."""


def promised(feeds: list[dict[str, Any]]) -> Promises:
    return Promises(
        Promise(feed["source"], tuple(feed["types"]), parse_duration(feed["every"])) for feed in feeds
    )


def heard(feeds: list[dict[str, Any]], events: Told, until: Instant, since: Instant = START) -> Feeds:
    known = Feeds({promise.key: Heard(since) for promise in promised(feeds).made})
    for source in ("test", "other"):
        known = known.hear(source, (time for name, time in events if name == source and time <= until))
    return known


class Life:
    """One account and what was heard of the feeds, at any instant."""

    def __init__(
        self, condition: dict[str, Any], feeds: list[dict[str, Any]], history: list[Event], others: Told
    ) -> None:
        self.condition, self.feeds, self.history = condition, feeds, history
        self.node: Node = compile_condition(condition, promised(feeds))
        self.watched = Watched(also=[self.node])
        self.told: Told = [*((event.source, event.time) for event in history), *others]
        self.instants = sorted({START, *(time for _, time in self.told if time > START)})

    def profile(self, now: Instant) -> Profile:
        """The account as of now."""
        happened = [event for event in self.history if event.time <= now]
        return folded(happened, self.watched) if happened else Profile(id=ACCOUNT, created_at=START)

    def recounted(self, now: Instant) -> bool | None:
        """What the reference says."""
        return Doubtful(self.history, START, now, self.feeds, START, self.told).knows(self.condition)

    def silent(self, now: Instant) -> bool:
        """Whether any feed is silent now."""
        feeds = heard(self.feeds, self.told, now)
        return any(feeds.silence(promise, now) for promise in promised(self.feeds).made)


@ROUNDS
@given(conditions, promises(), histories(), told, st.lists(instants, max_size=4))
def test_doubt_agrees_with_a_recount_of_when_feeds_spoke(
    condition: dict[str, Any],
    feeds: list[dict[str, Any]],
    history: list[Event],
    others: Told,
    probes: list[Instant],
) -> None:
    life = Life(condition, feeds, history, others)
    everything = heard(feeds, life.told, END)
    beside = [time + offset for time in life.instants for offset in (0, 30 * 60_000_000, 30 * 60_000_000 + 1)]
    for now in sorted({*beside, *(probe for probe in probes if probe >= START), END}):
        profile = life.profile(now)
        holds = life.node.test(Moment(profile, now, feeds=heard(feeds, life.told, now)))[0]
        assert holds == life.recounted(now), now
        assert life.node.test(Moment(profile, now, feeds=everything))[0] == holds, "looked at late"


@ROUNDS
@given(conditions, promises(), histories(), told, st.lists(instants, max_size=3))
def test_without_an_event_a_verdict_stays_until_its_until_or_becomes_unknown_in_a_silence(
    condition: dict[str, Any],
    feeds: list[dict[str, Any]],
    history: list[Event],
    others: Told,
    probes: list[Instant],
) -> None:
    life = Life(condition, feeds, history, others)
    for start, end in pairwise([*life.instants, END]):
        profile, known, now = life.profile(start), heard(feeds, life.told, start), start
        for _ in range(40):
            holds, until = life.node.test(Moment(profile, now, feeds=known))
            assert until is None or until > now
            edge = end if until is None else min(until, end)
            for probe in [now, edge - 1, *(each for each in probes if now <= each < edge)]:
                later = life.recounted(probe)
                assert later == holds or (later is None and life.silent(probe)), (now, probe, until)
            if edge == end:
                break
            now = edge


@ROUNDS
@given(conditions, histories(), st.lists(instants, max_size=4))
def test_where_every_feed_speaks_in_time_nothing_is_doubted(
    condition: dict[str, Any], history: list[Event], probes: list[Instant]
) -> None:
    feeds = [{"source": "other", "types": ["*"], "every": "1d"}]
    others = [("other", START + hour * HOUR) for hour in range(0, 131 * 24, 12)]
    life = Life(condition, feeds, history, others)
    plain = compile_condition(condition)
    for now in [START, *(probe for probe in probes if START <= probe < END), END]:
        profile, known = life.profile(now), heard(feeds, others, now)
        assert life.node.test(Moment(profile, now, feeds=known))[0] == plain.test(Moment(profile, now))[0]


@given(
    st.lists(st.integers(-50, 200), max_size=12),
    st.integers(1, 30),
    st.randoms(use_true_random=False),
    st.integers(0, 200),
)
def test_silences_depend_on_the_set_of_events_alone(
    times: list[int], every: int, random: Any, now: int
) -> None:
    since = 0
    shuffled = [*times, *times[:3]]
    random.shuffle(shuffled)
    at_once, one_by_one = Heard(since).after(times, every), Heard(since)
    for time in shuffled:
        one_by_one = one_by_one.after([time], every)
    assert at_once.closed(every) == one_by_one.closed(every) == silences(times, since, every)
    assert at_once.silence(now, every) == one_by_one.silence(now, every)
    happened = [time for time in times if time <= now]
    silence, then = one_by_one.silence(now, every), Heard(since).after(happened, every).silence(now, every)
    assert (silence is None) == (then is None)  # known late, it was the same silence
    assert silence is None or then is None or silence.start == then.start


def silences(times: list[int], since: int, every: int) -> tuple[tuple[int, int], ...]:
    """Recounted."""
    begin = max((time for time in times if time <= since), default=since)
    spoken = [begin, *sorted({time for time in times if time > since})]
    return tuple((one, other) for one, other in pairwise(spoken) if other - one > every)
