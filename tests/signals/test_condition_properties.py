"""Properties of every condition: it agrees with a plain recount of the history, and `until` is never late."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import ACCOUNT, START, folded, watching
from histories import atoms, by_role, conditions, histories, instants, late_histories
from reference import Recount
from signals.conditions import Moment, compile_condition
from signals.event import Event
from signals.fold import after
from signals.instant import DAY, Instant
from signals.profile import Profile

ROUNDS = settings(max_examples=200, deadline=None, derandomize=True)
FEWER = settings(max_examples=120, deadline=None, derandomize=True)


def recounted(condition: dict[str, Any], history: list[Event], now: Instant) -> bool:
    return Recount(history, START, now).holds(condition)


def profiles(history: list[Event], condition: dict[str, Any]) -> Iterator[tuple[Profile, Instant, Instant]]:
    """The profile after each batch of events received at one instant: from when, and until when it is the newest."""
    watched = watching(compile_condition(condition))
    profile, start = Profile(id=ACCOUNT, created_at=START), START
    for event in history:
        if start < event.received_at:
            yield profile, start, event.received_at
        profile, _ = after(profile, event, watched.measures_of(event.type), event.received_at)
        start = event.received_at
    yield profile, start, start + 200 * DAY


@ROUNDS
@given(atoms, histories(), st.lists(instants, max_size=4))
def test_an_atom_agrees_with_a_recount_of_the_history_at_any_instant(
    atom: dict[str, Any], history: list[Event], others: list[Instant]
) -> None:
    node = compile_condition(atom)
    for profile, start, end in profiles(history, atom):
        inside = [instant for instant in others if start <= instant < end]
        for now in [start, end - 1, *inside]:
            assert node.test(Moment(profile, now))[0] == recounted(atom, history, now), now


@FEWER
@given(by_role, histories(of_people=True), st.lists(instants, max_size=4))
def test_an_atom_on_the_people_of_a_role_agrees_with_a_recount_and_never_changes_before_until(
    atom: dict[str, Any], history: list[Event], others: list[Instant]
) -> None:
    node = compile_condition(atom)
    for profile, start, end in profiles(history, atom):
        holds, until = node.test(Moment(profile, start))
        certain = end if until is None else min(until, end)
        for now in [start, end - 1, *(each for each in others if start <= each < end)]:
            assert node.test(Moment(profile, now))[0] == recounted(atom, history, now), now
            assert now >= certain or recounted(atom, history, now) == holds, (now, until)


@ROUNDS
@given(conditions, histories(), st.lists(instants, max_size=3))
def test_the_truth_never_changes_before_until_without_an_event(
    condition: dict[str, Any], history: list[Event], others: list[Instant]
) -> None:
    node = compile_condition(condition)
    for profile, start, end in profiles(history, condition):
        now = start
        for _ in range(40):
            holds, until = node.test(Moment(profile, now))
            assert until is None or until > now
            edge = end if until is None else min(until, end)
            for probe in [now, edge - 1, *(each for each in others if now <= each < edge)]:
                assert recounted(condition, history, probe) == holds, (now, probe, until)
            if until is None or until >= end:
                break
            now = until


@FEWER
@given(conditions, late_histories(), st.lists(instants, max_size=3))
def test_late_events_count_where_they_belong_in_time(
    condition: dict[str, Any], history: list[Event], others: list[Instant]
) -> None:
    node = compile_condition(condition)
    for profile, start, end in profiles(history, condition):
        arrived = [event for event in history if event.received_at <= start]
        holds, until = node.test(Moment(profile, start))
        certain = end if until is None else min(until, end)
        for now in [start, end - 1, *(each for each in others if start <= each < end)]:
            expected = recounted(condition, arrived, now)
            assert node.test(Moment(profile, now))[0] == expected, now
            assert now >= certain or expected == holds, (now, until)


@FEWER
@given(conditions, histories(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_never_changes_a_verdict(
    condition: dict[str, Any], history: list[Event], random: Any
) -> None:
    node = compile_condition(condition)
    now = max((event.time for event in history), default=START)
    shuffled = list(history)
    random.shuffle(shuffled)
    in_order, in_any = (folded(events, watching(node), now=now) for events in (history, shuffled))
    for later in (now, now + DAY, now + 20 * DAY):
        assert node.test(Moment(in_order, later)) == node.test(Moment(in_any, later))


@FEWER
@given(conditions, histories())
def test_the_evidence_names_only_atoms_that_carry_the_answer(
    condition: dict[str, Any], history: list[Event]
) -> None:
    node = compile_condition(condition)
    now = max((event.time for event in history), default=START)
    verdict = node.verdict(Moment(folded(history, watching(node)), now))
    assert verdict.because
    assert all({"condition", "holds", "saw"} <= evidence.keys() for evidence in verdict.because)
