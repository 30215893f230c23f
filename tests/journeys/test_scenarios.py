"""Every scenario of tests/scenarios is a test: the shipped signals and plays, and the rules of the path, told in days."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from journeys.scenarios.play import play
from journeys.scenarios.story import Story, read_stories

FOLDER = Path(__file__).parents[1] / "scenarios"


def _stories() -> Iterator[Any]:
    for path in sorted(FOLDER.glob("*.yaml")):
        for story in read_stories(path):
            yield pytest.param(path, story, id=f"{path.stem}: {story.scenario}")


@pytest.mark.parametrize(("path", "story"), list(_stories()))
def test_a_scenario_goes_as_it_says(path: Path, story: Story) -> None:
    mismatches = play(story, path.parent).mismatches
    if mismatches:
        pytest.fail("\n".join([f"{path.name}: {story.scenario}", *map(str, mismatches)]), pytrace=False)


def test_every_scenario_has_a_name_of_its_own() -> None:
    names = [story.scenario for path in FOLDER.glob("*.yaml") for story in read_stories(path)]
    assert len(names) == len(set(names))
