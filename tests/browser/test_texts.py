"""The console's pages of texts: every content, live or not, read as anybody of any account in any channel."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from api.house import House, blank
from api.tale import FINANCE, LETTER, PAY, people
from api.test_definitions import put
from api.wire import served
from browser.looking import complaints
from story import HARM

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
    with served(house.app) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.browser
@pytest.mark.slow
def test_a_marketer_chooses_a_reader_and_sees_the_mail(browser: Any, address: str) -> None:
    from playwright.sync_api import expect

    seen = browser.new_page()
    seen.goto(address)
    seen.get_by_role("link", name="Texts").click()
    seen.get_by_role("link", name="letter@finance").click()
    seen.get_by_label("Account", exact=True).fill("acme")
    seen.get_by_label("Channel").select_option("email")
    seen.get_by_role("button", name="Show").click()
    expect(seen.get_by_role("heading", level=1)).to_have_text("Acme: invoice INV-1042")
    expect(seen.frame_locator("iframe").get_by_text("Dear treasurer.", exact=True)).to_be_visible()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280])
def test_pages_fit_their_window_and_say_nothing_to_the_log(browser: Any, address: str, width: int) -> None:
    assert complaints(browser, [address + path for path in PAGES], width) == []
