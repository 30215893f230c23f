"""Reading our own pages: fenced blocks, links, and what they name."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")


def named(page: Path) -> str:
    """A page by its path from the root, for test ids."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks in a language."""
    return [body for found, body in _FENCED.findall(page.read_text("utf-8")) if found == language]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCED.sub("", page.read_text("utf-8"))


def links(page: Path) -> list[str]:
    """Links to files of ours, as written."""
    return [link for link in _LINK.findall(prose(page)) if "://" not in link]


def code(page: Path) -> list[str]:
    """What stands in backticks."""
    return _CODE.findall(prose(page))


def commands(page: Path) -> list[str]:
    """Every `journeys …` of the page, in blocks and in prose, without its comment."""
    lines = [line for block in blocks(page, "sh") for line in block.replace("\\\n", "").splitlines()]
    inside = [found for line in lines for found in re.findall(r"\$\((journeys [^)]*)\)", line)]
    plain = [line.partition(" #")[0].strip() for line in lines]
    return [text.strip() for text in (*inside, *plain, *code(page)) if re.match(r"journeys [a-z]", text)]
