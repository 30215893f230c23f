"""The pages tell the truth: what they name exists, every word is explained once, every decision has its number."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from docs import pages
from journeys.api.app import create_app
from journeys.bootstrap import Parts
from journeys.cli import app
from journeys.cli.operate import default_told
from journeys.definitions import MODELS
from journeys.settings import Settings
from journeys.shipped import shipped

ROOT = pages.ROOT
README = ROOT / "README.md"
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
GLOSSARY = ROOT / "docs" / "glossary.md"
OPERATING = ROOT / "docs" / "operating.md"
ROUTE = re.compile(r"(?:(GET|PUT|POST|DELETE) |\$JOURNEYS_URL)(/[a-z][\w/{}.-]*)")
every_page = pytest.mark.parametrize("page", pages.PAGES, ids=pages.named)


@every_page
def test_a_link_leads_to_a_file_that_is_there(page: Path) -> None:
    assert [link for link in pages.links(page) if not (page.parent / link).exists()] == []


@every_page
def test_a_file_named_in_the_text_is_there(page: Path) -> None:
    tops = {path.name for path in ROOT.iterdir()}
    paths = [word for text in pages.code(page) for word in text.split() if "/" in word and "*" not in word]
    mine = [path for path in paths if path.split("/")[0] in tops]
    assert [path for path in mine if not (ROOT / path).exists()] == []


@every_page
def test_a_make_verb_named_in_the_text_is_one(page: Path) -> None:
    verbs = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = [*pages.code(page), *(line for block in pages.blocks(page, "sh") for line in block.splitlines())]
    asked = {found[1] for line in lines if (found := re.match(r"make ([a-z]+)", line.strip()))}
    assert asked <= verbs


@every_page
def test_a_command_named_in_the_text_is_one_with_these_options(page: Path) -> None:
    wrong = [command for command in pages.commands(page) if not understood(command)]
    assert wrong == []


def understood(command: str) -> bool:
    """Whether the words lead to a command of ours and its options are its own."""
    found: Any = typer.main.get_command(app)
    alone = command if "'" in command else re.split(r"[&|;,]", command)[0]
    words = shlex.split(alone)[1:]
    while words and hasattr(found, "commands"):
        found = found.commands.get(words.pop(0))
        if found is None:
            return False
    options = {opt for parameter in found.params for opt in (*parameter.opts, *parameter.secondary_opts)}
    return all(word.split("=")[0] in options for word in words if word.startswith("--"))


@every_page
def test_a_route_named_in_the_text_is_served(page: Path, served: dict[str, set[str]]) -> None:
    text = page.read_text("utf-8")
    wrong = [
        (method, path)
        for method, path in ROUTE.findall(text)
        if path.startswith(("/v1/", "/healthz", "/readyz", "/metrics")) and not answers(served, method, path)
    ]
    assert wrong == []


@pytest.fixture(scope="module")
def served() -> dict[str, set[str]]:
    """Every route of the service with its methods."""
    parts = Parts(Settings(database_url="sqlite:///:memory:", secret="s" * 32), lock=False)
    document = create_app(parts).openapi()
    parts.close()
    routes = {
        path: {method.upper() for method in operations} for path, operations in document["paths"].items()
    }
    return routes | {path: {"GET"} for path in ("/healthz", "/readyz", "/metrics")}


def answers(served: dict[str, set[str]], method: str, path: str) -> bool:
    """Whether some route has this path."""
    mine = path.strip("/").split("/")
    theirs = [
        route.strip("/").split("/") for route, methods in served.items() if not method or method in methods
    ]
    return any(len(mine) == len(route) and all(map(meets, mine, route)) for route in theirs)


def meets(mine: str, theirs: str) -> bool:
    """A part in braces stands for anything, but a kind of definition only for one that is."""
    if theirs == "{kind}":
        return mine in MODELS or mine == "{kind}"
    return "{" in mine or "{" in theirs or mine == theirs


@every_page
def test_a_setting_named_in_the_text_is_one(page: Path) -> None:
    known = {f"JOURNEYS_{name.upper()}" for name in Settings.model_fields} | {"JOURNEYS_TEST_REQUIRE"}
    assert set(re.findall(r"JOURNEYS_[A-Z_]+", page.read_text("utf-8"))) <= known


def test_the_example_environment_names_settings_that_are() -> None:
    named = set(re.findall(r"^#?(JOURNEYS_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    known = {f"JOURNEYS_{name.upper()}" for name in Settings.model_fields}
    assert named - known == {"JOURNEYS_DATABASE_PASSWORD"}, "which is for docker compose alone"


def test_a_metric_named_for_operators_is_exported() -> None:
    exported = (ROOT / "src" / "journeys" / "api" / "health.py").read_text()
    named = set(re.findall(r"`journeys_(\w+)", (ROOT / "docs" / "operating.md").read_text()))
    assert named
    assert [
        name for name in named if f'"{name}"' not in exported and f'"journeys_{name}"' not in exported
    ] == []


class TestDecisions:
    def test_they_are_numbered_without_a_gap(self) -> None:
        assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))

    @pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem[:4])
    def test_each_is_short_and_says_context_decision_and_consequences(self, page: Path) -> None:
        text = page.read_text("utf-8")
        assert text.startswith(f"# {int(page.name[:4])}. ")
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequences"))
        assert len(text.splitlines()) <= 40


class TestGlossary:
    WORDS = [
        (word.strip(), meaning.strip())
        for words, meaning in re.findall(
            r"^\| \*\*(.+?)\*\* \| (.+?) \|$", GLOSSARY.read_text(), re.MULTILINE
        )
        for word in words.split(",")
    ]

    def test_each_word_stands_once(self) -> None:
        words = [word for word, _ in self.WORDS]
        assert sorted(words) == sorted(set(words))

    def test_a_meaning_is_one_line(self) -> None:
        assert [word for word, meaning in self.WORDS if len(meaning) > 150] == []

    def test_every_kind_of_definition_is_explained(self) -> None:
        words = {word for word, _ in self.WORDS}
        kinds = {kind if kind == "content" else kind.removesuffix("s") for kind in MODELS}
        assert kinds - {"policie"} <= words

    def test_what_the_first_page_calls_its_path_is_explained(self) -> None:
        path = next(line for line in README.read_text().splitlines() if "Kafka ─" in line)
        steps = [
            step
            for step in re.findall(r"[a-z]+", path.split("event", 1)[1])
            if step not in ("in", "app", "inbox")
        ]
        assert set(steps) <= {word for word, _ in self.WORDS}


def test_the_library_holds_what_the_pages_say() -> None:
    counted = {kind: sum(draft.kind == kind for draft in shipped()) for kind in ("signals", "plays")}
    said = {"signals": 22, "plays": 14}
    assert counted == said, "README.md and CHANGELOG.md say twenty-two signals and fourteen plays"
    for page in ("README.md", "CHANGELOG.md"):
        assert re.search(r"wenty-two signals.{0,30} fourteen plays", (ROOT / page).read_text())


def test_the_pictures_are_small() -> None:
    pictures = list((ROOT / "docs" / "pictures").glob("*.png"))
    assert pictures
    assert all(picture.stat().st_size < 200_000 for picture in pictures)


def test_the_page_of_operating_lists_every_setting_with_its_default_and_meaning() -> None:
    table = re.findall(
        r"^\| `(JOURNEYS_\w+)` \| (.+?) \| (.+) \|$", OPERATING.read_text("utf-8"), re.MULTILINE
    )
    assert table == [
        (
            f"JOURNEYS_{name.upper()}",
            f"`{default_told(field.default)}`".replace("`unset`", "unset"),
            field.description,
        )
        for name, field in Settings.model_fields.items()
    ]
