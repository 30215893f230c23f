"""The libraries themselves, unchanged but for their host, against a service that is running."""

import logging
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from rudderstack.analytics.client import Client as RudderClient
from segment.analytics.client import Client as SegmentClient

from api.house import NOW, House
from api.wire import served
from journeys.store.tables import dead_letters, events
from signals.instant import MINUTE

pytest_plugins = ["api.npm"]
pytestmark = pytest.mark.slow

STORY = [
    ("crm.account_updated", "acme", "ann"),
    ("crm.contact_updated", "acme", "ann"),
    ("product.report_created", "acme", "ann"),
    ("product.page_viewed", "acme", "ann"),
    ("product.screen_viewed", "acme", "ann"),
]
"""What every library tells, in this order: type, account, contact."""


@pytest.fixture
def port(house: House) -> Iterator[int]:
    """The port of a running service."""
    with served(house.app) as found:
        yield found


def tell(client: Any) -> None:
    """The story, by a library whose methods are those of Segment's for Python."""
    client.identify("ann", {"email": "ann@example.com", "firstName": "Ann"})
    client.group("ann", "acme", {"name": "Acme", "plan": "pro"})
    client.track("ann", "Report Created", {"report": "r1"})
    client.page("ann", None, "Pricing", {"path": "/pricing"})
    client.screen("ann", None, "Home")


def happened(house: House) -> list[tuple[str, str, str | None]]:
    """Fold what came, and answer what there is of it, in the order of arrival; nothing may have been refused."""
    house.fold()
    with house.database.read() as connection:
        open_letters = sa.select(dead_letters.c.detail).where(dead_letters.c.replayed_at.is_(None))
        refused = connection.execute(open_letters).all()
        rows = connection.execute(sa.select(events).order_by(events.c.time)).all()
    assert refused == []
    assert all(abs(row.time - NOW) < MINUTE for row in rows), (
        "the libraries' clocks are corrected to the service's"
    )
    return [(row.type, row.account, row.contact) for row in rows]


def is_known(house: House) -> None:
    """Who the story is about is known by name, address and plan."""
    found = house.get("/v1/accounts/acme")
    (ann,) = found["contacts"]
    assert (found["name"], found["attributes"]["plan"]) == ("Acme", "pro")
    assert (ann["id"], ann["name"], ann["email"]) == ("ann", "Ann", "ann@example.com")


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("library", [SegmentClient, RudderClient], ids=["segment", "rudderstack"])
def test_a_library_for_python_tells_the_whole_story(
    house: House, port: int, library: Callable[..., Any], gzip: bool
) -> None:
    failed: list[Any] = []
    client = library(
        house.key("ingest"),
        host=f"http://127.0.0.1:{port}",
        gzip=gzip,
        on_error=lambda *told: failed.append(told),
    )
    tell(client)
    client.shutdown()
    assert failed == []
    assert sorted(happened(house)) == sorted(STORY)
    is_known(house)


def test_a_wrong_key_is_told_to_the_library(
    house: House, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    failed: list[Any] = []
    client = SegmentClient(
        "jk_wrong", host=f"http://127.0.0.1:{port}", on_error=lambda error, _: failed.append(error)
    )
    client.track("ann", "Report Created")
    client.shutdown()
    (error,) = failed
    assert (error.status, error.code) == (401, "invalid_write_key")


NODE = """
const { Analytics } = require('@segment/analytics-node')
const [host, writeKey] = process.argv.slice(2)
const analytics = new Analytics({ writeKey, host, flushAt: 3 })
analytics.on('error', (error) => { console.error(error); process.exitCode = 1 })
analytics.identify({ userId: 'ann', traits: { email: 'ann@example.com', firstName: 'Ann' } })
analytics.group({ userId: 'ann', groupId: 'acme', traits: { name: 'Acme', plan: 'pro' } })
analytics.track({ userId: 'ann', event: 'Report Created', properties: { report: 'r1' } })
analytics.page({ userId: 'ann', name: 'Pricing', properties: { path: '/pricing' } })
analytics.screen({ userId: 'ann', name: 'Home' })
analytics.closeAndFlush()
"""


def test_segments_library_for_node(house: House, port: int, npm: Path) -> None:
    script = npm / "story.cjs"
    script.write_text(NODE, "utf-8")
    command = ("node", script.name, f"http://127.0.0.1:{port}", house.key("ingest"))
    done = subprocess.run(command, cwd=npm, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(happened(house)) == sorted(STORY)
    is_known(house)


BROWSER = """<!doctype html><meta charset="utf-8"><title>A page</title>
<script src="node_modules/@segment/analytics-next/dist/umd/index.js"></script>
<script>
  const [host, writeKey, delivery] = location.hash.slice(1).split(',')
  const ours = { apiHost: `${host}/v1`, protocol: 'http' }
  if (delivery === 'batching') ours.deliveryStrategy = { strategy: 'batching', config: { size: 4, timeout: 100 } }
  const analytics = AnalyticsNext.AnalyticsBrowser.load(
    { writeKey, cdnURL: `http://${host}` }, { integrations: { 'Segment.io': ours }, initialPageview: false })
  async function story() {
    await analytics.page('Pricing')
    await analytics.identify('ann', { email: 'ann@example.com', firstName: 'Ann' })
    await analytics.group('acme', { name: 'Acme', plan: 'pro' })
    await analytics.track('Report Created', { report: 'r1' })
  }
</script>"""


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files without telling of it."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def pages(folder: Path) -> Iterator[str]:
    """The address of a site of this folder's files: another origin than the service."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://localhost:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.browser
@pytest.mark.parametrize("delivery", ["singly", "batching"])
def test_segments_library_for_browsers(
    house: House, port: int, npm: Path, chromium: str, delivery: str
) -> None:
    """From a page of another origin: with a preflight, as text/plain, the visitor's page first."""
    from playwright.sync_api import sync_playwright

    (npm / "page.html").write_text(BROWSER, "utf-8")
    calls = 1 if delivery == "batching" else 4
    with pages(npm) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        answers: list[int] = []
        page.on("response", lambda response: answers.append(response.status) if ours(response) else None)
        page.goto(f"{site}/page.html#127.0.0.1:{port},{house.key('ingest')},{delivery}")
        page.evaluate("story()")
        while len(answers) < calls:
            page.wait_for_event("response", timeout=20_000)
        browser.close()
    assert answers == [200] * calls
    assert sorted(happened(house)) == sorted(story for story in STORY if story[0] != "product.screen_viewed")
    is_known(house)


def ours(response: Any) -> bool:
    """Whether this answers a call."""
    return bool(response.request.method == "POST" and "/v1/" in response.url)
