"""A packed state is the state, small or large; what few events change is packed apart, and only where they did."""

from collections.abc import Iterable
from itertools import pairwise

import pytest

from builders import START, Account, attributes, event, person, play, playbook, signal
from journeys.squeeze import LARGE, is_squeezed
from journeys.state import AccountState, is_known_alike, pack, unpack
from signals.event import Event
from signals.instant import HOUR

BOOK = playbook(
    play(trigger={"signal": "busy"}, steps=[{"wait": {"for": "3d"}}]),
    signals=[
        signal("busy", when={"count": "used", "in": "40d", "gte": 2}),
        signal("broad", when={"count": "used", "by": "champion", "in": "60d", "gte": 9999}),
    ],
)
ANN = person("ann", roles=["champion"])


def lived(happened: Iterable[Event]) -> AccountState:
    acme = Account(BOOK)
    for each in happened:
        acme.live(each)
    return acme.state


def uses(count: int, contact: str = "ann") -> list[Event]:
    return [
        event("used", START + number * 7 * HOUR, contact=contact, feature=f"feature {number % 40}")
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [0, 3, 400])
def test_a_state_comes_back_from_its_bytes_as_it_was(count: int) -> None:
    people = [ANN, *(person(f"contact-{number}-of-many", name="Some Body") for number in range(count // 10))]
    state = lived([*people, attributes(plan="pro"), *uses(count)])
    packed = pack(state)
    assert [is_squeezed(part) for part in packed] == [count > 3] * 2
    assert unpack(*packed) == state
    assert pack(unpack(*packed)) == packed


def test_a_large_state_is_packed_small() -> None:
    assert len(pack(lived([ANN, *uses(400)])).state) < LARGE


def test_what_is_known_is_packed_anew_only_where_something_new_is_known() -> None:
    acme = Account(BOOK)
    acme.live(ANN)
    first = acme.state
    acme.live(event("used", "1h", contact="ann"))
    second = acme.state
    acme.live(event("used", "2h", contact="ann"))  # a journey starts
    third = acme.state
    acme.live(event("used", "3h", contact="ben"))  # somebody new
    fourth = acme.state
    acme.live(attributes("4h", plan="pro"))
    states = [first, second, third, fourth, acme.state]
    pairs = list(pairwise(states))
    assert [is_known_alike(*pair) for pair in pairs] == [True, False, False, False]
    assert [pack(one).known == pack(other).known for one, other in pairs] == [True, False, False, False]
