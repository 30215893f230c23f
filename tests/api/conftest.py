"""Fixtures of the API's tests: a service of each test's own, or one shared by a module that only asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("api.hooked", "api.house", "api.tale", "api.wire")

# After their asserts were told to be rewritten.
from api.house import House, MakeHouse, blank  # noqa: E402
from api.tale import tell  # noqa: E402
from signals.instant import Instant  # noqa: E402


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


@pytest.fixture(scope="session")
def told_once(tmp_path_factory: pytest.TempPathFactory, template: Path) -> tuple[Path, Instant]:
    """The database of a service in which the story of `tale` has happened, and the instant it has come to."""
    house = House(tmp_path_factory.mktemp("told"), template)
    tell(house)
    house.close()
    return house.folder / "journeys.db", house.clock()


@pytest.fixture
def told(tmp_path: Path, told_once: tuple[Path, Instant]) -> Iterator[House]:
    """A service of this test's own in which a play is under way: a task is open, two messages went out."""
    made = House(tmp_path, *told_once)
    yield made
    made.close()


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
