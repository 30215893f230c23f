"""Fixtures of the tests of journeys."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from builders import person, play
from commands import migrated, run, service  # noqa: F401 - fixtures of the command line
from mailroom import TO_ADMIN, House


@pytest.fixture
def open_houses() -> Iterator[list[House]]:
    made: list[House] = []
    yield made
    for house in made:
        house.database.close()


@pytest.fixture
def house(open_houses: list[House]) -> Callable[..., House]:
    """`house(*plays, **policies)`: a house with an admin called abe, closed after the test."""

    def make(*plays: Any, **more: Any) -> House:
        made = House(*(plays or (play(steps=[TO_ADMIN]),)), **more)
        made.happens(person("abe", roles=["admin"]))
        open_houses.append(made)
        return made

    return make
