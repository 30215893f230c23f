"""What customers reach without a key: one-click unsubscribe, preferences, the in-app inbox; signed links only."""

import email.policy
import re
from typing import Any

import pytest
import sqlalchemy as sa

from api.house import BASE, SECRET, House
from api.tale import people, trouble
from journeys import tokens
from journeys.api.public import inapp_token
from journeys.store.tables import consents
from signals.instant import DAY, HOUR

ONE_CLICK = {
    "content": b"List-Unsubscribe=One-Click",
    "headers": {"content-type": "application/x-www-form-urlencoded"},
}


def link(contact: str = "acme.ann", account: str = "acme", topic: str = "") -> str:
    """The link a mail to this contact carries."""
    return f"/u/{tokens.sign(SECRET, 'unsubscribe', contact, topic, account, 'm1')}"


def queue_marketing(house: House) -> None:
    """The play, whose mail is marketing from now on, starts for the people of beta; the mail falls due later."""
    body = {"key": "sorry", "channel": "email", "class": "marketing", "subject": "News", "body": "News."}
    house.ok("PUT", "/v1/content/sorry", body)
    house.ok("POST", "/v1/content/sorry/activate")
    people(house, "beta")
    trouble(house, "beta")


def fall_due(house: House) -> None:
    """An hour later what was queued is due, and sent if it may be."""
    house.clock.at += HOUR
    house.tick()
    house.send()


def unsubscribed(house: House) -> set[tuple[str, str, str]]:
    """Who has withdrawn which channel and topic."""
    with house.database.read() as connection:
        rows = connection.execute(sa.select(consents).where(~consents.c.allowed)).all()
    return {(row.contact, row.channel, row.topic) for row in rows}


def mail_status(house: House, account: str) -> tuple[str, str | None]:
    """What became of the one mail to an account, and why."""
    (mail,) = house.get("/v1/messages", account=account, channel="email")["items"]
    return mail["status"], mail["reason"]


def test_one_click_is_a_post_without_login_or_redirect(told: House) -> None:
    answer = told.http.post(link(), **ONE_CLICK)
    assert answer.status_code == 200
    assert unsubscribed(told) == {("acme.ann", "email", "")}


def test_a_bare_post_counts_too_and_the_same_again_changes_nothing_more(told: House) -> None:
    for _ in range(3):
        assert told.http.post(link()).status_code == 200
    assert unsubscribed(told) == {("acme.ann", "email", "")}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_only_a_post_unsubscribes(told: House, method: str) -> None:
    before = told.everything()
    told.http.request(method, link())
    assert told.everything() == before
    assert unsubscribed(told) == set()


def test_following_the_link_shows_a_button_that_posts_back(told: House) -> None:
    page = told.http.get(link(topic="product_tips"))
    assert page.status_code == 200
    assert '<form method="post">' in page.text
    assert "product tips" in page.text
    assert "script-src" not in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"


def wrong_links() -> list[str]:
    """Links that are not ours, or for something else."""
    good = link().removeprefix("/u/")
    payload, _, mac = good.partition(".")
    other = tokens.sign("another secret altogether", "unsubscribe", "acme.ann", "", "acme", "m1")
    return [
        *(
            "x",
            "x.y",
            ".",
            "%00",
            "é",
            "a" * 3_000,
            payload,
            f"{payload}.",
            f".{mac}",
            f"{payload}.{mac[:-1]}",
        ),
        f"{payload[:-2]}AA.{mac}",
        f"{mac}.{payload}",
        other,
        tokens.sign(SECRET, "preferences", "acme.ann", "acme"),
        tokens.sign(SECRET, "unsubscribe", "acme.ann"),
        tokens.sign(SECRET, "inapp", "acme.ann", "", "acme", "m1"),
    ]


@pytest.mark.parametrize("token", wrong_links())
def test_a_wrong_token_is_404_and_does_nothing(shared: House, token: str) -> None:
    before = shared.everything()
    for path in (f"/u/{token}", f"/p/{token}", f"/p/{token}/topics"):
        if token != tokens.sign(SECRET, "preferences", "acme.ann", "acme") or path.startswith("/u/"):
            assert shared.http.post(path).status_code in (404, 405), path
            assert shared.http.get(path).status_code in (404, 405), path
    assert shared.everything() == before


def test_the_links_in_a_mail_work_and_name_no_address(told: House) -> None:
    queue_marketing(told)
    fall_due(told)
    (sent,) = told.parts.mail
    mail = email.message_from_bytes(sent.content, policy=email.policy.default)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    (url,) = re.findall(rf"<({BASE}/[^>]+)>", mail["List-Unsubscribe"])
    text = mail.get_body(("plain",)).get_content()
    links = [url, *re.findall(rf"{BASE}/[up]/[\w.-]+", text)]
    assert len(links) > 1
    assert not [each for each in links if "example.com" in each.removeprefix(BASE) or "@" in each]
    assert {told.http.get(each.removeprefix(BASE)).status_code for each in links} == {200}
    assert told.http.post(url.removeprefix(BASE), **ONE_CLICK).status_code == 200
    assert unsubscribed(told) == {("beta.ann", "email", "")}


def test_an_unsubscribe_counts_before_the_next_mail_goes_out(told: House) -> None:
    """The play has started and its mail is queued; then the person unsubscribes; then it falls due."""
    queue_marketing(told)
    assert told.http.post(link("beta.ann", "beta")).status_code == 200
    fall_due(told)
    assert mail_status(told, "beta") == ("suppressed", "unsubscribed")


def test_without_it_the_same_mail_goes_out(told: House) -> None:
    queue_marketing(told)
    fall_due(told)
    assert mail_status(told, "beta")[0] == "sent"


def test_another_topic_does_not_stop_this_mail(told: House) -> None:
    queue_marketing(told)
    told.http.post(link("beta.ann", "beta", "newsletter"))
    fall_due(told)
    assert mail_status(told, "beta")[0] == "sent"


# ── preferences ────────────────────────────────────────────────────────────────────────────────────────────────


def preferences() -> str:
    """The preference page of the story's person."""
    return f"/p/{tokens.sign(SECRET, 'preferences', 'acme.ann', 'acme')}"


def test_the_preference_page_changes_nothing_until_a_button_is_pressed(told: House) -> None:
    before = told.everything()
    page = told.http.get(preferences())
    assert page.status_code == 200
    assert told.everything() == before
    for action in re.findall(r'action="([^"]+)"', page.text):
        assert told.http.post(action).status_code == 200
    assert unsubscribed(told) == {("acme.ann", "email", ""), ("acme.ann", "email", "*")}


def test_a_choice_that_is_none_is_404(shared: House) -> None:
    assert shared.http.post(f"{preferences()}/everything").status_code == 404


# ── in-app ─────────────────────────────────────────────────────────────────────────────────────────────────────


def inbox(house: House, contact: str, token: str) -> Any:
    """What a product's page asks for."""
    return house.http.get(f"/v1/inapp/{contact}", headers={"authorization": f"Bearer {token}"})


def test_a_contact_sees_their_own_messages_and_nothing_else(told: House) -> None:
    people(told, "beta")
    items = inbox(told, "acme.ann", inapp_token(SECRET, "acme.ann")).json()["items"]
    assert [(one["title"], one["content"]) for one in items] == [("We are on it", "note")]
    assert "Your tickets have our attention." in items[0]["html"]
    assert inbox(told, "beta.ann", inapp_token(SECRET, "beta.ann")).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        inapp_token(SECRET, "beta.ann"),
        inapp_token("another secret altogether", "acme.ann"),
        tokens.sign(SECRET, "unsubscribe", "acme.ann"),
        tokens.sign(SECRET, "preferences", "acme.ann"),
    ],
    ids=["none", "made up", "of another", "of another secret", "to unsubscribe", "of preferences"],
)
def test_no_other_token_opens_an_inbox(shared: House, token: str) -> None:
    answer = inbox(shared, "acme.ann", token)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_opens_no_inbox(shared: House) -> None:
    assert inbox(shared, "acme.ann", shared.key("admin")).status_code == 401


def test_reading_the_inbox_changes_nothing(told: House) -> None:
    before = told.everything()
    told.clock.at += DAY
    inbox(told, "acme.ann", inapp_token(SECRET, "acme.ann"))
    assert told.everything() == before
