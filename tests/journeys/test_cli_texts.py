"""Texts from the command line: shared, shown, mailed."""

from pathlib import Path

import pytest

from commands import Run
from journeys.bootstrap import Parts
from journeys.settings import Settings
from signals.event import Event
from signals.instant import parse_instant

FIRST_PLAY = Path(__file__).parents[2] / "examples" / "first-play"
NOW = parse_instant("2026-03-02T09:00:00Z")
ACME = {"attributes": {"name": "Acme"}}
ANN = {"attributes": {"name": "Ann", "email": "ann@example.com"}, "roles": ["champion"]}


@pytest.fixture
def stocked(migrated: Run) -> Run:
    """With the first play's definitions as drafts, and a customer."""
    parts = Parts(Settings())
    account = Event("1", "crm", "crm.account_updated", NOW, "acme", None, ACME, NOW)
    contact = Event("2", "crm", "crm.contact_updated", NOW, "acme", "ann", ANN, NOW)
    parts.service.write([account, contact], NOW)
    parts.close()
    assert migrated("apply", FIRST_PLAY).status == 0
    return migrated


def test_a_draft_is_shown_as_somebody_and_its_page_is_written(stocked: Run, tmp_path: Path) -> None:
    said = stocked(
        "preview", "tickets-sorry", "--account", "acme", "--role", "champion", "--html", "page.html"
    )
    assert said.status == 0, said.err
    assert "to ann by email" in said.out
    assert "Acme: your tickets this week" in said.out
    assert "Hello Ann," in (tmp_path / "page.html").read_text()


def test_a_preview_is_also_told_to_machines(stocked: Run) -> None:
    proof = stocked("preview", "tickets-sorry", "--account", "acme", "--channel", "in_app", "--json").body
    assert (proof["channel"], proof["sent"], proof["problem"]) == ("in_app", None, None)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nothing", "--account", "acme"), "there is no content 'nothing'"),
        (("tickets-sorry", "--account", "nowhere"), "there is no account 'nowhere'"),
        (("tickets-sorry", "--account", "acme", "--contact", "bob"), "there is no contact 'bob' at 'acme'"),
        (("tickets-sorry", "--account", "acme", "--send-to", "ann@example.com"), "JOURNEYS_TEST_ADDRESSES"),
    ],
)
def test_what_is_not_there_or_not_allowed_is_one_line(
    stocked: Run, words: tuple[str, ...], says: str
) -> None:
    said = stocked("preview", *words)
    assert (said.status, said.err.count("\n")) == (1, 1)
    assert says in said.err


def test_a_test_is_mailed_where_the_operator_allows_it(stocked: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYS_TEST_ADDRESSES", "me@example.com")
    said = stocked("preview", "tickets-sorry", "--account", "acme", "--send-to", "me@example.com")
    assert "not sent: me@example.com kept: JOURNEYS_SMTP_URL is not set" in said.out


def test_reuse_is_counted_of_a_folder_and_of_what_is_live(stocked: Run) -> None:
    assert stocked("reuse", FIRST_PLAY, "--json").body["percent"] == 0.0
    assert stocked("reuse", "--json").body["contents"] == 0
    stocked("apply", FIRST_PLAY, "--activate")
    assert stocked("reuse", "--json").body["contents"] == 1
    assert "content reuse 0.0 %" in stocked("reuse").out
