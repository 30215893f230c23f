"""The console: every page stands, harms nobody, and holds still in a real browser at any width."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException

from api.wire import served
from browser.looking import complaints
from journeys import console
from journeys.console import views
from journeys.console.spark import share, sparkline
from journeys.console.wording import relative
from journeys.store.database import Database
from journeys.store.reads import reach
from journeys.store.tables import metadata
from seen import TEMPLATES
from signals.instant import DAY, HOUR, MINUTE
from story import ACME, EVIL, HARM, NOW, told

PAGES = [
    "/",
    "/accounts",
    "/accounts?q=works&stage=adoption",
    f"/accounts/{ACME}",
    f"/accounts/{EVIL}",
    f"/accounts/{EVIL}?kind=decision",
    "/outbox",
    "/outbox?status=held",
    "/tasks",
    "/tasks?owner=nadia.brandt&status=open",
    "/decisions",
    "/decisions?outcome=held",
    "/dead",
]
EMPTY = ["/", "/accounts", "/outbox", "/tasks", "/decisions", "/dead"]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path_factory.mktemp('console') / 'story.db'}", durable=False)
    told(made)
    yield made
    made.close()


def application(database: Database) -> FastAPI:
    app = FastAPI()
    app.include_router(console.router(database, lambda: NOW, TEMPLATES))
    return app


@pytest.fixture(scope="module")
def client(database: Database) -> TestClient:
    return TestClient(application(database))


@pytest.fixture(scope="module")
def pages(database: Database) -> list[str]:
    """Every page there is, those of each message and task too."""
    with database.read() as connection:
        messages = reach.list_messages(connection)["items"]
        tasks = reach.list_tasks(connection)["items"]
    return [
        *PAGES,
        *(f"/outbox/{message['id']}" for message in messages),
        *(f"/tasks/{task['id']}" for task in tasks),
    ]


class Tags(HTMLParser):
    """The tags of a page, and whether they are well nested."""

    VOID = frozenset({"meta", "link", "input", "br", "img", "hr", "rect", "circle", "path"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def tags_of(text: str) -> list[tuple[str, dict[str, str | None]]]:
    reader = Tags()
    reader.feed(text)
    return reader.tags


def test_every_page_stands_and_is_well_nested(client: TestClient, pages: list[str]) -> None:
    for path in pages:
        answer = client.get(path)
        assert answer.status_code == 200, path
        reader = Tags()
        reader.feed(answer.text)
        assert reader.open in ([], ["option"] * len(reader.open)), path


def test_every_link_of_every_page_leads_somewhere(client: TestClient, pages: list[str]) -> None:
    found = {
        target
        for path in pages
        for _, attributes in tags_of(client.get(path).text)
        for name in ("href", "src", "action")
        if (target := attributes.get(name)) and not target.startswith("#")
    }
    assert len(found) > 40
    for target in sorted(found):
        assert target.startswith("/"), target
        assert client.get(target).status_code == 200, target


def test_a_name_meant_to_harm_is_only_text_on_every_page(client: TestClient, pages: list[str]) -> None:
    said = 0
    for path in pages:
        text = client.get(path).text
        said += "&lt;img src=x onerror" in text
        assert HARM not in text, path
        for tag, attributes in tags_of(text):
            assert tag != "img", path
            assert not [name for name in attributes if name.startswith("on") or name == "style"], path
            assert tag != "script" or (attributes.get("src") or "").startswith("/static/"), path
            assert tag != "style", path
    assert said >= 8


def test_a_rendered_mail_is_shut_in_and_harmless(client: TestClient, database: Database) -> None:
    with database.read() as connection:
        message = reach.list_messages(connection, account=EVIL, status="sent")["items"][0]["id"]
    mail = client.get(f"/outbox/{message}/html")
    assert mail.status_code == 200
    assert HARM not in mail.text
    policy = mail.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    frame = next(a for tag, a in tags_of(client.get(f"/outbox/{message}").text) if tag == "iframe")
    assert frame["sandbox"] == ""
    assert frame["src"] == f"/outbox/{message}/html"


def test_every_page_carries_the_strict_policy(client: TestClient, pages: list[str]) -> None:
    for path in [*pages, "/accounts/nobody", "/decisions?cursor=x"]:
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        for part in ("default-src 'none'", "style-src 'self'", "script-src 'self'", "form-action 'self'"):
            assert part in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/accounts/nobody", 404),
        ("/accounts/%00", 404),
        ("/outbox/none", 404),
        ("/outbox/none/html", 404),
        ("/outbox/%00", 404),
        ("/tasks/none", 404),
        ("/tasks/%00", 404),
        ("/static/none.css", 404),
        ("/static/..%2Fbase.html", 404),
        ("/decisions?cursor=tampered", 400),
        (f"/accounts/{ACME}?cursor=tampered", 400),
        ("/accounts?q=%00&stage=%00", 200),
        ("/tasks?owner=(queue)&breached=yes", 200),
        ("/accounts?q=%25_%5C%27%22", 200),
    ],
)
def test_what_is_asked_wrongly_is_answered_calmly(client: TestClient, path: str, status: int) -> None:
    assert client.get(path).status_code == status


def test_a_message_that_was_not_rendered_has_no_mail_to_show(client: TestClient, database: Database) -> None:
    with database.read() as connection:
        message = reach.list_messages(connection, status="held")["items"][0]["id"]
    assert client.get(f"/outbox/{message}/html").status_code == 404
    page = client.get(f"/outbox/{message}").text
    assert "has had 1 of 1 messages today" in page
    assert "<iframe" not in page


@pytest.mark.parametrize("path", EMPTY)
def test_an_empty_page_says_what_to_do(tmp_path: Path, path: str) -> None:
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}", durable=False)
    with empty.write() as connection:
        metadata.create_all(connection)
    page = TestClient(application(empty)).get(path)
    empty.close()
    assert page.status_code == 200
    assert 'class="empty"' in page.text


def test_the_account_page_tells_the_whole_story(client: TestClient) -> None:
    page = client.get(f"/accounts/{ACME}").text
    for words in (
        "Acme Works",
        "Ann Lee",
        "champion",
        "support.ticket_opened: 3 (≥ 3",
        "Call Acme Works about their tickets",
        "Used the product",
        "had 1 of 1 messages today",
        "2 mo ago",
    ):
        assert words in page, words
    assert '<svg class="spark"' in page


def test_the_account_page_shows_health_and_the_ledger_that_explains_it(client: TestClient) -> None:
    page = client.get(f"/accounts/{ACME}").text
    for words in (
        "<b>62</b>",
        "+22 against two weeks ago",
        "Unhappy",
        "caps the band",
        "Tickets −10, now 3 <small>79 → 69</small>",
        f"GET /v1/accounts/{ACME}/health",
        "Health is amber at 69",
    ):
        assert words in page, words
    assert 'class="chip bad">62</span>' in client.get("/accounts?band=red").text
    assert "Health is red at 62" in client.get(f"/accounts/{ACME}?kind=health").text


def test_the_door_can_be_locked(database: Database) -> None:
    def locked() -> None:
        raise HTTPException(401, "sign in")

    app = FastAPI()
    app.include_router(console.router(database, lambda: NOW, TEMPLATES, [Depends(locked)]))
    client = TestClient(app)
    assert client.get("/").status_code == 401
    assert client.get(f"/accounts/{ACME}").status_code == 401
    assert client.get("/static/console.css").status_code == 200


# ── small parts ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (0, "now"),
        (59_000_000, "now"),
        (MINUTE, "1 min ago"),
        (-90 * MINUTE, "in 1 h"),
        (47 * HOUR, "47 h ago"),
        (48 * HOUR, "2 d ago"),
        (60 * DAY, "2 mo ago"),
        (-800 * DAY, "in 2 y"),
    ],
)
def test_an_instant_is_said_relative_to_now(ago: int, said: str) -> None:
    assert relative(NOW - ago, NOW) == said


def test_a_sparkline_has_a_bar_for_each_day_and_says_what_it_shows() -> None:
    chart = sparkline([0, 5, 10], NOW, f"Events {HARM}")
    assert chart.count("<rect") == 3
    assert chart.count('class="nil"') == 1
    assert "Tue 3 Mar: 10" in chart
    assert HARM not in chart
    assert sparkline([], NOW, "Events").count("<rect") == 0


@pytest.mark.parametrize(
    ("part", "whole", "width"), [(0, 0, "0"), (0, 9, "0"), (1, 1000, "1"), (9, 9, "100.0")]
)
def test_a_share_is_drawn_even_where_it_is_small(part: int, whole: int, width: str) -> None:
    assert f'<rect width="{width}"' in share(part, whole)


def test_dates_that_matter_stand_among_the_timers_that_ring_next() -> None:
    timer = {"at": "2026-04-01T00:00:00Z", "kind": "task", "title": "Call", "refs": {}}
    known = {"renews_at": "2026-03-20", "next_charge_at": "2026-03-01T00:00:00Z", "plan": "pro"}
    assert [one["title"] for one in views.ahead([timer], known, NOW)] == ["The contract renews", "Call"]
    assert views.ahead([], {"renews_at": "soon", "next_charge_at": 7}, NOW) == []


def test_days_with_nothing_but_the_everyday_share_a_block() -> None:
    def row(at: str, **refs: Any) -> dict[str, Any]:
        return {"at": at, "kind": "event", "refs": refs}

    blocks = views.by_day(
        [
            row("2026-03-03T00:00:00Z", types=["product.login"]),
            row("2026-03-02T00:00:00Z", types=["product.login"]),
            row("2026-03-01T00:00:00Z", event="1"),
            row("2025-02-01T00:00:00Z", types=["product.login"]),
        ],
        NOW,
    )
    assert [(block["quiet"], block["title"], len(block["rows"])) for block in blocks] == [
        (True, None, 2),
        (False, "Sunday, 1 March", 1),
        (True, None, 1),
    ]


# ── in a real browser ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def address(database: Database) -> Iterator[str]:
    """The console served on a port of its own."""
    with served(application(database)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_their_window_and_say_nothing_to_the_log(
    browser: Any, address: str, pages: list[str], width: int, scheme: str
) -> None:
    assert complaints(browser, [address + path for path in pages], width, scheme) == []


@pytest.mark.browser
@pytest.mark.slow
def test_the_search_is_reached_by_keyboard_alone(browser: Any, address: str) -> None:
    from playwright.sync_api import expect

    page = browser.new_page()
    page.goto(address)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("ann lee")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/accounts\\?q=ann"))
    expect(page.locator("tbody tr")).to_have_count(1)
