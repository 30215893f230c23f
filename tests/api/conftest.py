"""Fixtures of the API's tests: a service of each test's own, or one shared by a module that only asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("api.house", "api.wire")

from api.house import House, MakeHouse, blank  # noqa: E402 - after its asserts were told to be rewritten


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database."""
    return blank(tmp_path_factory.mktemp("template"))


@pytest.fixture
def make_house(tmp_path: Path, template: Path) -> Iterator[MakeHouse]:
    """Makes a service; another one made in the same test finds what the closed one before it left."""
    made: list[House] = []

    def make(**options: object) -> House:
        made.append(House(tmp_path, template, **options))
        return made[-1]

    yield make
    for house in made:
        house.close()


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    """A service of this test's own."""
    return make_house()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[House]:
    """A service for a module's tests that leave nothing behind."""
    made = House(tmp_path_factory.mktemp("shared"), template)
    yield made
    made.close()
