"""Pictures of every shipped message, to look at: 600 and 360 px, by day and by night.

    PYTHONPATH=src:tests .venv/bin/python -m browser.letters [DIR]

Writes `<content>.<width>.<light|dark>.png` for each variant, and `sheet.<width>.<light|dark>.png` with all of them side by
side, into DIR (default: a new temporary folder, whose name is printed).
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, sync_playwright

from channels.frame import Frame
from channels.render import Renderer
from journeys.assets import asset
from journeys.definitions import build
from journeys.journey import Cause
from journeys.letters import Reader, composed
from journeys.playbook import Playbook
from journeys.samples import sample_data, sample_profiles
from journeys.shipped import shipped
from plays.content import Content
from signals.instant import Instant, parse_instant

WIDTHS = (600, 360)
SCHEMES = ("light", "dark")
NOW = parse_instant("2026-11-20T12:00:00Z")
FIELDS = (
    "invoice",
    "amount",
    "currency",
    "payment_url",
    "due_at",
    "decline_class",
    "ticket",
    "order",
    "reason",
    "topic",
)
FRAME = Frame(
    "Example customer success",
    "Example Ltd, 1 Example Street, Exampletown",
    unsubscribe_url="https://journeys.example.com/u/token",
    preferences_url="https://journeys.example.com/p/token",
)


class Letter(NamedTuple):
    """One rendered message, under a name for its file."""

    name: str
    subject: str
    text: str
    html: str


def letters() -> Iterator[Letter]:
    """Every variant of every shipped e-mail, as the sample account of whom most is known gets it."""
    playbook = build(shipped(), "UTC")
    renderer = Renderer.from_dir(asset("templates"))
    for draft in shipped():
        text = draft.model
        if draft.kind == "content" and text.channel in ("email", "invitation"):
            made = composed(text, _reader(text, playbook, NOW), playbook)
            page = renderer.render(made.source, made.context, _frame(text))
            assert page.html is not None
            yield Letter(draft.key.replace("@", "."), page.subject, page.text, page.html)


def _frame(text: Content) -> Frame:
    if text.class_ != "transactional":
        return replace(FRAME, purpose=text.class_)
    return replace(FRAME, purpose=text.class_, unsubscribe_url=None, preferences_url=None)


def _reader(text: Content, playbook: Playbook, now: Instant) -> Reader:
    (profile, *_) = sample_profiles(playbook, now)
    data: dict[str, Any] = sample_data([*FIELDS, *_event_fields(text)])[0]
    offer = {
        "key": "credit",
        "kind": "credit",
        "value": {"percent": 20, "months": 3, "amount": 50, "currency": "EUR"},
    }
    cause = Cause("e", "sample", "sample.event", now, None, data)
    return Reader(
        profile, profile.contacts["sample-ann"], text.role, now, cause, "play", None, {"offer": offer}
    )


def _event_fields(text: Content) -> list[str]:
    sources = [fact.source for fact in text.facts.values()]
    return [each.removeprefix("event.data.") for each in sources if each.startswith("event.data.")]


def shoot(folder: Path, executable: str) -> list[Path]:
    """All pictures; answers the sheets."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        made = list(letters())
        sheets = [_sheet(browser, made, folder, width, scheme) for width in WIDTHS for scheme in SCHEMES]
        browser.close()
    return sheets


def _sheet(browser: Browser, made: list[Letter], folder: Path, width: int, scheme: Any) -> Path:
    page = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)
    names = []
    for letter in made:
        page.set_content(letter.html)
        names.append(f"{letter.name}.{width}.{scheme}.png")
        page.screenshot(path=folder / names[-1], full_page=True)
    page.close()
    sheet = folder / f"sheet.{width}.{scheme}.png"
    wide = browser.new_page(viewport={"width": 4 * 340 + 40, "height": 900})
    pictures = "".join(
        f'<img style="width:330px;margin:4px;vertical-align:top" src="{name}">' for name in names
    )
    (folder / "sheet.html").write_text(f"<body>{pictures}", "utf-8")
    wide.goto((folder / "sheet.html").as_uri())
    wide.screenshot(path=sheet, full_page=True)
    wide.close()
    return sheet


def main() -> None:
    """Make the pictures."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        sys.exit("Chromium is needed: install your system's chromium package")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="letters-"))
    folder.mkdir(parents=True, exist_ok=True)
    shoot(folder, found)
    sys.stdout.write(f"{folder}\n")


if __name__ == "__main__":
    main()
