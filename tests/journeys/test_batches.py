"""How records are cut into batches, and how often each comes, changes nothing."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import ACCOUNT, START, playbook, segment, signal
from histories import conditions, late_histories
from journeys.scenarios.stage import fresh_database
from journeys.service import Service
from journeys.state import AccountState, pack, unpack
from journeys.store import accounts
from journeys.store.tables import decisions, events
from seen import composer
from signals.event import Event
from signals.instant import DAY
from stores import rows
from yard import records

END = START + 130 * DAY

ROUNDS = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


@st.composite
def cuts(draw: st.DrawFn, history: list[Event]) -> list[list[Event]]:
    """The history with some events a second and a third time, any time after the first, cut into batches."""
    again = draw(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=5))
    repeated = list(history)
    for which, where in again if history else []:
        event = repeated[which % len(repeated)]
        first = repeated.index(event) + 1
        repeated.insert(first + where % (len(repeated) - first + 1), event)
    batches, left = [], repeated
    while left:
        size = draw(st.integers(1, 8))
        batches.append(left[:size])
        left = left[size:]
    return batches


def lived(batches: list[list[Event]], made: dict[str, Any]) -> tuple[AccountState | None, Any]:
    """What a service makes of these batches by `END`: the account's state, and the rows of what happened."""
    database = fresh_database()
    book = playbook(
        signals=[signal("noted", when=made["signal"], cooldown="1d")],
        segments=[segment("inside", enter=made["segment"], tag=True)],
    )
    service, offset, now = Service(database, lambda: book, composer()), 0, START
    for batch in batches:
        now = max(now, *(event.received_at for event in batch))
        service.take(records(batch, first=offset), now)
        offset += len(batch)
    while service.tick(END):
        pass
    with database.read() as connection:
        state = accounts.load(connection, ACCOUNT)
    told = rows(database, events), rows(database, decisions)
    database.close()
    return state, told


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Event], list[list[Event]]]:
    """A history, and the same cut into batches."""
    history = draw(late_histories())
    return history, draw(cuts(history))


@ROUNDS
@given(lives(), st.fixed_dictionaries({"signal": conditions, "segment": conditions}))
def test_neither_the_size_of_batches_nor_duplicates_change_anything(
    life: tuple[list[Event], list[list[Event]]], made: dict[str, Any]
) -> None:
    history, batches = life
    singly, told = lived([[event] for event in history], made)
    cut, told_too = lived(batches, made)
    assert (singly is None) == (cut is None) == (not history)
    assert told == told_too
    if singly is not None and cut is not None:
        assert unpack(*pack(singly)) == unpack(*pack(cut))
