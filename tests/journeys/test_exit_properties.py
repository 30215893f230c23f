"""No message is ever sent for a journey whose exit held at that moment, whatever happened before (semantics §5).

Random lives go through the real service and dispatcher, which comes by when it comes by. Whether the exit held when a
message was sent is asked of the whole history, by nothing but the condition.
"""

from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import START, asked, attributes, event, person, play
from channels.port import Temporary
from mailroom import House
from signals.event import Event
from signals.instant import HOUR, Instant

pytestmark = pytest.mark.slow

DONE = {"attribute": "account.status", "is": "done"}
EXITS: dict[str, dict[str, Any]] = {
    "an attribute": DONE,
    "an attribute for a time": {**DONE, "for": "1d"},
    "a count in a window": {"count": "login", "in": "2d", "gte": 2},
    "an absence": {"absent": "login", "for": "30h"},
    "a count that falls": {"count": "login", "in": "1d", "lt": 1},
    "one or the other": {"any": [{"count": "login", "in": "3d", "gte": 3}, {**DONE, "for": "6h"}]},
}
STEPS = [
    {"message": {"to": "admin", "channel": "email", "content": "hi"}},
    {"wait": {"for": "20h"}},
    {"message": {"to": "admin", "channel": ["in_app", "email"], "content": "more", "seen_within": "10h"}},
    {"id": "again", "wait": {"for": "31h"}},
    {"message": {"to": "admin", "channel": "email", "content": "hi"}},
    {"goto": "again"},
]
POLICIES: list[dict[str, Any]] = [
    {},
    {"quiet_hours": {"from": "20:00", "to": "08:00"}},
    {
        "contact_cap": {"per_day": 1},
        "holds": [{"key": "hurry", "when": {"attribute": "account.hold", "is": True}}],
    },
]


class Happening(NamedTuple):
    """What comes next, and how long after what came before. `look`: the dispatcher comes by."""

    hours: int
    what: str


HAPPENINGS = st.lists(
    st.builds(
        Happening,
        st.sampled_from([0, 1, 3, 7, 12, 20, 30]),
        st.sampled_from(["go", "login", "done", "new", "hold", "free", "later", "look", "look", "look"]),
    ),
    min_size=4,
    max_size=30,
)


def told(what: str, now: Instant) -> Event:
    """The event of a happening."""
    if what in ("done", "new"):
        return attributes(now, status=what)
    if what in ("hold", "free"):
        return attributes(now, hold=what == "hold")
    return event(what, now)


def live(house: House, happenings: list[Happening]) -> list[Event]:
    """The house lives through all of it; answers what was told."""
    now, history = START, [person("ann", roles=["admin"]), event("go", START)]
    house.happens(*history)
    for hours, what in [*happenings, Happening(1, "look")]:
        now += hours * HOUR
        if what == "look":
            house.dispatcher.run(now)
        elif what == "later":
            house.provider.outcomes.append(Temporary("451 later"))
        else:
            history.append(told(what, now))
            house.happens(history[-1], now=now)
    return history


def held(condition: dict[str, Any], history: list[Event], now: Instant) -> bool | None:
    """Whether the condition held then, by the history alone."""
    known = [each for each in history if each.time <= now]
    return asked(condition, known, now)[0]


@pytest.mark.parametrize("kind", EXITS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(happenings=HAPPENINGS, policies=st.sampled_from(POLICIES))
def test_no_message_is_ever_sent_for_a_journey_whose_exit_held_at_that_moment(
    kind: str, happenings: list[Happening], policies: dict[str, Any]
) -> None:
    house = House(play(steps=STEPS, exit=EXITS[kind]), **policies)
    history = live(house, happenings)
    sent = [message for message in house.messages() if message.sent_at is not None]
    assert [one.id for one in sent if held(EXITS[kind], history, one.sent_at or 0)] == []
