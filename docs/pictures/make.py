"""Makes the pictures of README.md: the console on a small demo base, in Chromium. Run it with `.venv/bin/python docs/pictures/make.py`.

The base, the clock and the account are fixed, so the same code draws the same pages.
"""

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa
import uvicorn
from playwright.sync_api import sync_playwright

from journeys.api.app import create_app
from journeys.bootstrap import DEMO_SECRET, Parts
from journeys.demo.base import customer_base
from journeys.demo.run import VirtualClock, replay
from journeys.settings import Settings
from journeys.store.schema import upgrade
from journeys.store.tables import messages, open_signals
from signals.instant import parse_instant

HERE = Path(__file__).parent
TODAY = parse_instant("2026-03-02T00:00:00Z")
ACCOUNTS = 24
SIZE = {"width": 1180, "height": 780}


@contextmanager
def served(parts: Parts) -> Iterator[str]:
    """The console on a free port; nothing moves while its picture is taken."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(create_app(parts, open_console=True), log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def shoot(url: str, pages: dict[str, str]) -> None:
    """Each page as a picture of one screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium())
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        for name, path in pages.items():
            page.goto(url + path)
            page.screenshot(path=HERE / f"{name}.png")
        browser.close()


def _chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        raise SystemExit("no Chromium here: install your system's chromium package")
    return found


def _talked_about(parts: Parts) -> str:
    """The account with an open signal that was written to last."""
    wanted = (
        sa.select(messages.c.account)
        .join(open_signals, open_signals.c.account == messages.c.account)
        .where(messages.c.status == "sent")
        .order_by(messages.c.sent_at.desc(), messages.c.account)
    )
    with parts.database.read() as connection:
        return str(connection.execute(wanted).scalars().first())


def main() -> None:
    """A year of a small base, then the pictures."""
    base = customer_base(TODAY, accounts=ACCOUNTS)
    clock = VirtualClock(base.start)
    with TemporaryDirectory() as folder:
        chosen = Settings(database_url=f"sqlite:///{folder}/demo.db", secret=DEMO_SECRET, smtp_url=None)
        parts = Parts(chosen, now=clock, durable=False)
        upgrade(parts.database)
        replay(parts, clock, base, base.end, lambda _: None)
        clock.now = base.end
        with served(parts) as url:
            shoot(url, {"account": f"/accounts/{_talked_about(parts)}"})
        parts.close()


if __name__ == "__main__":
    main()
