"""A content shown as any account and role in each channel, and mailed to allowed addresses only."""

from email import message_from_bytes
from typing import Any

import pytest

from api.house import House
from api.tale import FINANCE, LETTER, PAY, people
from api.test_definitions import put, refused
from channels.outbox import Outbox
from journeys.proofs import Proofs


@pytest.fixture
def stocked(house: House) -> House:
    people(house)
    for kind, key, body in (
        ("blocks", "pay", PAY),
        ("content", "letter", LETTER),
        ("content", "letter@finance", FINANCE),
    ):
        assert put(house, kind, key, body).status_code == 200
        house.ok("POST", f"/v1/{kind}/{key}/activate")
    outbox = Outbox()
    parts = house.parts
    parts.proofs._mail = lambda: outbox
    parts.proofs._allowed = frozenset({"me@example.com", "@review.example.org"})
    house.outbox = outbox  # type: ignore[attr-defined]
    return house


def shown(house: House, key: str = "letter", **query: Any) -> Any:
    return house.ok(
        "POST", f"/v1/content/{key}/preview", params={"account": "acme", **query}, scope="marketer"
    )


def test_a_draft_is_shown_as_the_person_would_read_it(stocked: House) -> None:
    proof = shown(stocked)
    assert (proof["subject"], proof["contact"], proof["blocks"], proof["problem"]) == (
        "Acme: invoice INV-1042",
        "acme.ann",
        ["pay"],
        None,
    )
    assert proof["text"].startswith("Hello.\n\nPlease pay.")
    assert "<!DOCTYPE html>" in proof["html"]
    assert proof["sampled"] == ["event.data.invoice"]


def test_a_role_gets_its_own_variant(stocked: House) -> None:
    assert shown(stocked, role="finance")["text"].startswith("Dear treasurer.")
    assert shown(stocked, "letter@finance")["variant"]["role"] == "finance"


@pytest.mark.parametrize("channel", ["email", "in_app", "task", "invitation"])
def test_it_is_shown_in_each_channel(stocked: House, channel: str) -> None:
    proof = shown(stocked, channel=channel)
    assert proof["channel"] == channel
    assert ("<!DOCTYPE" in proof["html"]) == (channel in ("email", "invitation"))


def test_what_cannot_be_rendered_says_why(stocked: House) -> None:
    put(stocked, "content", "letter", {**LETTER, "body": "{{ account.hats }}"})
    assert shown(stocked)["problem"] == {"reason": "missing_fact", "detail": "account.hats"}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("letter", {"account": "nowhere"}),
        ("letter", {"account": "acme", "contact": "nobody"}),
        ("nothing", {"account": "acme"}),
    ],
)
def test_what_is_not_there_is_404(stocked: House, path: str, query: dict[str, str]) -> None:
    refused(stocked.call("POST", f"/v1/content/{path}/preview", params=query), 404)


def test_looking_changes_nothing(stocked: House) -> None:
    before = stocked.everything()
    shown(stocked)
    assert stocked.everything() == before


@pytest.mark.parametrize("to", ["me@example.com", "ME@EXAMPLE.COM", "anybody@review.example.org"])
def test_a_test_goes_to_an_allowed_address_marked_and_without_a_way_to_unsubscribe_anybody(
    stocked: House, to: str
) -> None:
    answer = stocked.ok(
        "POST", "/v1/content/letter/test", {"to": to}, params={"account": "acme"}, scope="marketer"
    )
    (mail,) = stocked.outbox  # type: ignore[attr-defined]
    message = message_from_bytes(mail.content)
    assert (answer["to"], mail.recipient) == (mail.recipient, message["To"])
    assert message["Subject"] == "[Test] Acme: invoice INV-1042"
    assert message["List-Unsubscribe"] is None
    assert b"/u/test" in mail.content


@pytest.mark.parametrize(
    ("to", "status"),
    [
        ("ann@example.com", 403),
        ("x@example.org", 403),
        ("me@example.com, ann@example.com", 422),
        ("nobody", 422),
    ],
)
def test_nobody_else_gets_a_test(stocked: House, to: str, status: int) -> None:
    refused(stocked.call("POST", "/v1/content/letter/test", {"to": to}, params={"account": "acme"}), status)
    assert list(stocked.outbox) == []  # type: ignore[attr-defined]


def test_unless_the_operator_lists_an_address_no_test_goes_anywhere(house: House) -> None:
    assert isinstance(house.parts.proofs, Proofs)
    people(house)
    put(house, "content", "letter", {**LETTER, "blocks": {}})
    refused(
        house.call("POST", "/v1/content/letter/test", {"to": "a@example.com"}, params={"account": "acme"}),
        403,
    )


def test_a_text_that_fails_is_not_mailed(stocked: House) -> None:
    put(stocked, "content", "letter", {**LETTER, "body": "{{ account.hats }}"})
    refused(
        stocked.call("POST", "/v1/content/letter/test", {"to": "me@example.com"}, params={"account": "acme"}),
        422,
    )
    assert list(stocked.outbox) == []  # type: ignore[attr-defined]


# ── the render gate ────────────────────────────────────────────────────────────────────────────────────────────


def reading(fact: str) -> dict[str, Any]:
    """A letter that says this fact and nothing else."""
    return {**LETTER, "facts": [fact], "subject": "News", "body": f"{{{{ {fact} }}}}", "blocks": {}}


def test_a_text_that_fails_for_one_account_of_the_store_is_not_made_live(stocked: House) -> None:
    stocked.ok("PUT", "/v1/accounts/beta", {"attributes": {"plan": "pro"}})
    put(stocked, "content", "letter", reading("account.seats"))
    answer = stocked.call("POST", "/v1/content/letter/activate")
    refused(answer, 422, "/content/letter/body")
    (error,) = answer.json()["errors"]
    assert "rendered for acme" in error["detail"]
    assert "account.seats is missing" in error["detail"]
    faults = stocked.ok("POST", "/v1/content/letter/lint", scope="marketer")["faults"]
    assert [(fault["pointer"], fault["blocking"]) for fault in faults] == [("/body", True)]
    assert "default" in faults[0]["mend"]
    assert stocked.get("/v1/content/letter")["status"] == "draft"


def test_once_every_account_has_what_it_reads_it_becomes_live(stocked: House) -> None:
    put(stocked, "content", "letter", reading("account.plan"))
    assert stocked.ok("POST", "/v1/content/letter/activate")["status"] == "active"


def test_a_block_that_breaks_a_live_content_is_not_made_live(stocked: House) -> None:
    put(stocked, "blocks", "pay", {**PAY, "facts": ["account.seats"], "body": "{{ account.seats }} seats"})
    refused(
        stocked.call("POST", "/v1/blocks/pay/activate"),
        422,
        *["/content/letter/body"],
        "/content/letter@finance/body",
    )


# ── what is refused when it is saved ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"body": "{% include '/etc/passwd' %}"}, "/body"),
        ({"body": "{{ x.__class__ }}"}, "/body"),
        ({"body": "{{ x"}, "/body"),
        ({"body": "{{" + "(" * 5_000 + "1" + ")" * 5_000 + "}}"}, "/body"),
        ({"body": "{% if x %}" * 300 + "{% endif %}" * 300}, "/body"),
        ({"body": "{% macro m() %}{{ m() }}{% endmacro %}"}, "/body"),
        ({"body": "x" * 100_000}, "/body"),
        ({"subject": "x" * 100_000}, "/subject"),
        ({"subject": "Hi\r\nBcc: a@example.com"}, "/subject"),
        ({"subject": "Hi \u2028 there"}, "/subject"),
        ({"subject": "A \U0001f4a9 =?UTF-8?Q?=0A?=Bcc: x@example.com"}, "/subject"),
        ({"subject": "{{ lipsum(n=20000) }}"}, "/subject"),
    ],
    ids=lambda given: str(given)[:40],
)
def test_b58_b61_b64_b65_what_no_text_may_be_is_422_when_it_is_saved(
    shared: House, changed: dict[str, str], pointer: str
) -> None:
    before = shared.everything()
    answer = put(shared, "content", "letter", {**LETTER, "blocks": {}, **changed})
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {f"/content/letter{pointer}"}
    assert shared.everything() == before
