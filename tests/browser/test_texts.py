"""The console's pages of texts: every content, live or not, read as anybody of any account in any channel."""

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from api.house import House, blank
from api.tale import people
from api.test_definitions import put
from story import HARM

ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
PAY = {"key": "pay", "slot": "next", "body": "Please pay."}
LETTER = {
    "key": "letter",
    "channel": "email",
    "subject": "{{ account.name }}: invoice {{ event.data.invoice }}",
    "facts": ["account.name", "event.data.invoice"],
    "body": "Hello.",
    "blocks": {"next": ["pay"]},
}
FINANCE = {**LETTER, "role": "finance", "body": "Dear treasurer."}
BROKEN = {"key": "broken", "channel": "in_app", "facts": ["account.hats"], "body": "{{ account.hats }}"}
PAGES = [
    "/texts",
    "/texts/letter",
    "/texts/letter@finance?channel=task",
    "/texts/broken",
    "/texts/letter?account=no",
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("texts")
    house = House(folder, blank(folder), open_console=True)
    people(house)
    people(house, "evil")
    house.ok("PUT", "/v1/accounts/evil", {"name": HARM})
    drafts = (("blocks", PAY), ("content", LETTER), ("content", FINANCE), ("content", BROKEN))
    for kind, body in drafts:
        key = f"{body['key']}@{body['role']}" if "role" in body else str(body["key"])
        assert put(house, kind, key, body).status_code == 200
    yield house
    house.parts.close()


def page(house: House, path: str, **query: str) -> str:
    answer = house.http.get(path, params=query or None)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def test_all_texts_are_listed_with_whom_they_are_for(house: House) -> None:
    text = page(house, "/texts")
    assert re.findall(r'href="/texts/([^"]+)"', text) == ["broken", "letter", "letter%40finance"]
    assert "draft" in text


def test_a_draft_with_a_draft_of_its_block_is_read_as_somebody(house: House) -> None:
    text = page(house, "/texts/letter", account="acme")
    assert "<h1>Acme: invoice INV-1042</h1>" in text
    assert "Please pay." in text
    assert "Dear treasurer." in page(house, "/texts/letter@finance", account="acme")
    frame = house.http.get("/texts/letter/html?account=acme")
    assert "Please pay." in frame.text
    assert "sandbox" in frame.headers["content-security-policy"]


def test_what_could_not_be_sent_says_why(house: House) -> None:
    text = page(house, "/texts/broken", account="acme")
    assert "missing fact, account.hats" in text
    assert "<iframe" not in text


def test_what_is_not_there_is_answered_calmly(house: House) -> None:
    assert house.http.get("/texts/none").status_code == 404
    assert house.http.get("/texts/%00").status_code == 404
    assert house.http.get("/texts/letter/html?account=no").status_code == 404
    assert "There is no account no." in page(house, "/texts/letter", account="no")
    assert "Please pay." in page(house, "/texts/letter", contact="nobody", channel="pigeon", role="\x00")


def test_a_name_meant_to_harm_is_only_text(house: House) -> None:
    for path in ("/texts/letter", "/texts/letter/html"):
        assert HARM not in page(house, path, account="evil")


def test_looking_changes_nothing(house: House) -> None:
    before = house.everything()
    for path in PAGES:
        page(house, path)
    assert house.everything() == before


@pytest.fixture(scope="module")
def address(house: House) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(house.app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.mark.browser
@pytest.mark.slow
def test_a_marketer_chooses_a_reader_and_sees_the_mail(chromium: str, address: str) -> None:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        seen = browser.new_page()
        seen.goto(address)
        seen.get_by_role("link", name="Texts").click()
        seen.get_by_role("link", name="letter@finance").click()
        seen.get_by_label("Account", exact=True).fill("acme")
        seen.get_by_label("Channel").select_option("email")
        seen.get_by_role("button", name="Show").click()
        expect(seen.get_by_role("heading", level=1)).to_have_text("Acme: invoice INV-1042")
        expect(seen.frame_locator("iframe").get_by_text("Dear treasurer.", exact=True)).to_be_visible()
        browser.close()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280])
def test_pages_fit_their_window_and_say_nothing_to_the_log(chromium: str, address: str, width: int) -> None:
    from playwright.sync_api import sync_playwright

    complaints: list[Any] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        seen = browser.new_page(viewport={"width": width, "height": 800})
        seen.on("console", lambda message: complaints.append(message.text))
        seen.on("pageerror", lambda error: complaints.append(str(error)))
        for path in PAGES:
            seen.goto(address + path)
            wider = seen.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wider <= 0, f"{path} is {wider} pixels wider than {width}"
        browser.close()
    assert complaints == []
