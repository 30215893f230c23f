"""What must hold after every crash schedule. Each checker is named by its invariant and answers what broke it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import msgspec

from builders import START
from faults.checkers_of_sending import (
    i15_a_crash_leaves_at_most_a_group_in_doubt,
    i15_a_message_is_accepted_once,
    i15_sent_means_accepted,
    i16_every_message_is_settled,
    i17_an_exit_answered_before_the_hand_over_is_honoured,
    i17_what_was_answered_before_the_hand_over_is_honoured,
)
from faults.seen_after import Seen
from faults.stream import FEED, event_in
from faults.world import BOOK
from journeys.react import live_through
from journeys.state import AccountState, new_state
from journeys.store.outcomes import event_of
from signals.event import Event
from signals.instant import DAY
from signals.sources.cloudevents import read_record

FAR = START + 365 * DAY


# ── ingest ─────────────────────────────────────────────────────────────────────────────────────────────────────


def i1_every_answered_event_is_in_exactly_one_place(seen: Seen) -> Iterator[str]:
    """I1: what a client was answered for is folded, in the log, or a dead letter with its content; never twice."""
    folded = {row.key: row.hash for row in seen.events}
    waiting = {row.key: row.hash for row in seen.log}
    buried = {(one.key, one.content_hash) for one in _buried(seen)}
    for event, answer in seen.answered():
        if answer == "conflict":
            continue
        places = [folded.get(event.key) == event.content_hash, waiting.get(event.key) == event.content_hash]
        if sum(places) > 1 or not (
            any(places) or answer == "written" or (event.key, event.content_hash) in buried
        ):
            yield f"{event.id} ({answer}) is in {sum(places)} places"
        if answer == "written" and event.key not in folded:
            yield f"{event.id} was written and is not folded"


def i1_every_record_of_the_feed_is_folded_or_dead(seen: Seen) -> Iterator[str]:
    """I1, I8: a record before the position is folded with its content, or a dead letter of its offset."""
    folded = {row.key: row.hash for row in seen.events}
    buried = {row.offset for row in seen.dead if row.partition == FEED}
    for record in seen.script.records:
        event = event_in(record)
        done = event is not None and folded.get(event.key) == event.content_hash
        if record.offset < seen.positions.get(FEED, 0) and not done and record.offset not in buried:
            yield f"record {record.offset} of the feed is nowhere"
        if done and record.offset in buried:
            yield f"record {record.offset} of the feed is folded and dead"


def _buried(seen: Seen) -> Iterator[Event]:
    for row in seen.dead:
        if row.partition.startswith("log/"):
            yield from (item for item in read_record(row.value, (), row.at) if isinstance(item, Event))


def i3_the_first_content_of_an_id_wins(seen: Seen) -> Iterator[str]:
    """I3: an id has one content; a record with another is a dead letter `id_conflict`."""
    folded = {row.key: row.hash for row in seen.events}
    told = {row.offset: row.reason for row in seen.dead if row.partition == FEED}
    for record in seen.script.records:
        event = event_in(record)
        if event is None or event.key not in folded or record.offset >= seen.positions.get(FEED, 0):
            continue
        if folded[event.key] != event.content_hash and told.get(record.offset) not in (
            "id_conflict",
            "no_account",
        ):
            yield f"record {record.offset} has other content and is {told.get(record.offset)}"


# ── accounts ───────────────────────────────────────────────────────────────────────────────────────────────────


def i4_every_state_is_the_fold_of_its_events(seen: Seen) -> Iterator[str]:
    """I4: sha256(profile) is that of a pure fold of the account's events in the order of their commits."""
    told: dict[str, list[Event]] = defaultdict(list)
    for row in seen.events:
        if row.source != "journeys" or row.type.startswith("engagement."):
            told[row.account].append(event_of(row))
    if seen.states.keys() != told.keys():
        yield f"accounts {sorted(seen.states)} of events about {sorted(told)}"
    for account, state in seen.states.items():
        here, there = _digest(state), _digest(_folded(account, told[account]))
        if here != there:
            yield f"{account}: {here[1]} is not {there[1]}"


def _folded(account: str, history: list[Event]) -> AccountState:
    state = new_state(account, history[0].time)
    for event in history:
        for reaction in live_through(state, event, BOOK, event.received_at):
            state = reaction.state
    return state


def _digest(state: AccountState) -> tuple[str, Any]:
    """A normalised form: what is known, as of one instant, apart from when somebody last looked."""
    for reaction in live_through(state, None, BOOK, FAR):
        state = reaction.state
    plain = _sorted(msgspec.to_builtins(msgspec.structs.replace(state.profile, look_at=None)))
    return sha256(msgspec.json.encode(plain)).hexdigest(), plain


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def i5_positions_and_effects_agree(seen: Seen) -> Iterator[str]:
    """I5: nothing is both folded and still to be read; nothing before a position is left in the log; no effect of a
    record lies beyond its partition's position."""
    folded = {row.key for row in seen.events}
    for row in seen.log:
        if row.key in folded:
            yield f"log {row.offset} is folded and still in the log"
        if row.offset < seen.positions.get(f"log/{row.partition}", 0):
            yield f"log {row.offset} lies before the position"
    position = seen.positions.get(FEED, 0)
    yield from (
        f"dead letter of {row.partition} {row.offset} beyond position {seen.positions.get(row.partition, 0)}"
        for row in seen.dead
        if row.offset >= seen.positions.get(row.partition, 0)
    )
    elsewhere = {event.key for event, _ in seen.answered()} | {row.key for row in seen.log}
    elsewhere |= {event.key for call in seen.script.calls for event in call.events}
    for record in seen.script.records:
        event = event_in(record)
        if event is None or record.offset < position or event.key in elsewhere:
            continue
        if event.key in folded and not _read_before(seen, event, position):
            yield f"record {record.offset} is folded beyond position {position}"


def _read_before(seen: Seen, event: Event, position: int) -> bool:
    known = (event_in(record) for record in seen.script.records if record.offset < position)
    return any(one is not None and one.key == event.key for one in known)


# ── journeys ───────────────────────────────────────────────────────────────────────────────────────────────────


def i11_one_live_journey_of_a_play_and_key(seen: Seen) -> Iterator[str]:
    """I11: at most one live journey for each account, play and key; rows and states know the same ones."""
    live = [(row.account, row.play, row.key) for row in seen.journeys if row.status == "active"]
    yield from (f"{what} lives {times} times" for what, times in Counter(live).items() if times > 1)
    rows = {row.id for row in seen.journeys if row.status == "active"}
    states = {journey.id for state in seen.states.values() for journey in state.journeys}
    if rows != states:
        yield f"live in rows only {rows - states}, in states only {states - rows}"


def i12_nothing_of_a_dead_journey_waits(seen: Seen) -> Iterator[str]:
    """I12: one timer for each journey (its `wakes_at`), none once it has ended, and no message of it waits."""
    for row in seen.journeys:
        if row.status != "active" and row.wakes_at is not None:
            yield f"journey {row.id} is {row.status} and wakes at {row.wakes_at}"
    ended = {row.id for row in seen.journeys if row.status in ("exited", "preempted", "failed")}
    for row in seen.messages:
        if (
            row.journey in ended
            and row.status in ("queued", "held")
            and row.delivery == "new"
            and not row.attempts
        ):
            yield f"message {row.id} of an ended journey is {row.status}"


def every_start_and_every_send_has_its_decision(seen: Seen) -> Iterator[str]:
    """Semantics §1: every journey has one decision that started it, every trigger one that answered it, every
    message the decision that says what it is."""
    started = Counter(
        row.journey for row in seen.decisions if (row.subject, row.outcome) == ("start", "started")
    )
    yield from (
        f"journey {row.id} has {started[row.id]} starts" for row in seen.journeys if started[row.id] != 1
    )
    asked = Counter(row.account for row in seen.decisions if row.subject == "start" and row.play == "mail")
    goes = Counter(row.account for row in seen.events if row.type == "go")
    if asked != goes:
        yield f"triggers {dict(goes)} were answered by {dict(asked)}"
    told = {(row.message, row.outcome) for row in seen.decisions if row.subject == "send"}
    for row in seen.messages:
        if row.status != "queued" and (row.id, row.status) not in told:
            yield f"message {row.id} is {row.status} without a decision"


Checker = Callable[[Seen], Iterator[str]]

ALWAYS: tuple[Checker, ...] = (
    i1_every_answered_event_is_in_exactly_one_place,
    i1_every_record_of_the_feed_is_folded_or_dead,
    i3_the_first_content_of_an_id_wins,
    i5_positions_and_effects_agree,
    i11_one_live_journey_of_a_play_and_key,
    i12_nothing_of_a_dead_journey_waits,
    i15_a_message_is_accepted_once,
    every_start_and_every_send_has_its_decision,
)
"""Held after every kill."""

AT_THE_END: tuple[Checker, ...] = (
    *ALWAYS,
    i4_every_state_is_the_fold_of_its_events,
    i15_sent_means_accepted,
    i15_a_crash_leaves_at_most_a_group_in_doubt,
    i16_every_message_is_settled,
    i17_what_was_answered_before_the_hand_over_is_honoured,
    i17_an_exit_answered_before_the_hand_over_is_honoured,
)
"""Held once all is over."""


def positions_never_go_back(before: dict[str, int], after: dict[str, int]) -> Iterator[str]:
    """I5: a stored position never decreases."""
    for partition, offset in before.items():
        if after.get(partition, 0) < offset:
            yield f"{partition} went back from {offset} to {after.get(partition, 0)}"
