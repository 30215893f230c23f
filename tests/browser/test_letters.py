"""Shipped messages as mail programs show them: narrow and wide, by day and by night, and as plain text."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from browser.letters import SCHEMES, WIDTHS, Letter, letters, shoot

LETTERS = list(letters())


class Page(HTMLParser):
    """What a page is made of, and the words of the message itself, without what the frame says."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "td" and dict(attrs).get("class") in ("content", "foot"):
            self._inside = dict(attrs)["class"] == "content"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.words += words(data)


def words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


@pytest.mark.parametrize("letter", LETTERS, ids=lambda letter: letter.name)
def test_the_plain_text_says_what_the_page_says(letter: Letter) -> None:
    """Addresses of links stand in the text alone, numbers of lists too; every other word is in both, in that order."""
    rest = iter(words(letter.text))
    missing = [word for word in Page(letter.html).words if word not in rest]
    assert len(words(letter.text)) > 20
    assert missing == []


@pytest.mark.parametrize("letter", LETTERS, ids=lambda letter: letter.name)
def test_a_page_is_made_the_way_mail_programs_need_it(letter: Letter) -> None:
    page = Page(letter.html)
    metas = {
        attributes.get("name"): attributes.get("content") for tag, attributes in page.tags if tag == "meta"
    }
    assert metas["color-scheme"] == "light dark"
    assert "@media (prefers-color-scheme: dark)" in letter.html
    assert "max-width: 600px" in letter.html
    assert all(attributes.get("alt") is not None for tag, attributes in page.tags if tag == "img")
    assert all(attributes.get("role") == "presentation" for tag, attributes in page.tags if tag == "table")
    paragraphs = [
        attributes for tag, attributes in page.tags if tag in ("p", "td") and attributes.get("class") != "x"
    ]
    assert all("style" in attributes for attributes in paragraphs), "styles are inlined"
    assert "{." not in letter.html + letter.text
    assert len(letter.html) < 100_000  # Gmail cuts off what is longer


@pytest.mark.browser
@pytest.mark.slow
def test_pictures_are_made_and_no_letter_is_wider_than_its_window(chromium: str, tmp_path: Path) -> None:
    sheets = shoot(tmp_path, chromium)
    assert all(sheet.stat().st_size > 10_000 for sheet in sheets)
    for width in WIDTHS:
        for scheme in SCHEMES:
            for letter in LETTERS:
                head = (tmp_path / f"{letter.name}.{width}.{scheme}.png").read_bytes()[16:20]
                assert int.from_bytes(head, "big") == width
