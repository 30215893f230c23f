"""The shipped library: it parses, lints clean, renders for whoever it may meet, and each part has its story."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from channels.frame import Frame
from channels.render import Renderer
from journeys.assets import asset
from journeys.definitions import Draft, build
from journeys.letters import for_channel
from journeys.lint import lint
from journeys.scenarios.story import Story, read_stories
from journeys.shipped import shipped
from journeys.texts import reuse
from plays.compose import compose
from plays.content import Block, Content
from plays.play import CompiledPlay
from plays.steps import MessageStep, TaskStep

SCENARIOS = Path(__file__).parents[1] / "scenarios"
PAGE = Path(__file__).parents[2] / "docs" / "plays.md"
RENDERER = Renderer.from_dir(asset("templates"))
FRAME = Frame(
    "Customer success", "Example Ltd, 1 Example Street", unsubscribe_url="https://journeys.example.com/u/t"
)
MONITORED = re.compile(
    r"\b(we noticed|we saw|we see that you|logged in|page views?|your score)\b", re.IGNORECASE
)

FULL: dict[str, Any] = {
    "account": {
        "id": "acme",
        "name": "Acme",
        "goals": ["cut reporting time by half"],
        "owner": "cara",
        "plan": "pro",
        "mrr": 1200,
        "seats": 10,
        "seats_used": 9,
        "renews_at": "2026-09-04T08:00:00Z",
        "created_at": "2025-01-01T00:00:00Z",
        "last_order_at": "2026-02-20T08:00:00Z",
        "open_tickets": 3,
        "last_ticket_at": "2026-03-01T10:00:00Z",
        "next_charge_at": "2026-03-20T06:00:00Z",
        "app_url": "https://app.example.com/acme",
    },
    "contact": {"id": "ann", "name": "Ann Archer", "email": "ann@example.com"},
    "event": {
        "type": "billing.payment_failed",
        "data": {
            "invoice": "INV-7",
            "amount": 490,
            "currency": "EUR",
            "payment_url": "https://pay.example.com/inv-7",
        },
    },
}
SPARSE: dict[str, Any] = {
    "account": {
        "id": "acme",
        "name": "acme",
        "created_at": "2025-01-01T00:00:00Z",
        "renews_at": "2026-09-04T08:00:00Z",
        "open_tickets": 0,
        "seats": 3,
        "seats_used": 3,
    },
    "contact": {"id": "ann"},
    "event": {"type": "billing.payment_failed", "data": {"invoice": "INV-7"}},
}
"""Only what the trigger or audience of the play makes sure of."""

OFFERS: list[dict[str, Any]] = [
    {"key": draft.key, "kind": draft.model.kind, "value": draft.model.value}
    for draft in shipped()
    if draft.kind == "offers"
]


def drafts(kind: str) -> list[Draft]:
    return [draft for draft in shipped() if draft.kind == kind]


def contents() -> list[Content]:
    return [draft.model for draft in drafts("content")]


def mails() -> list[Draft]:
    return [draft for draft in drafts("content") if draft.model.channel == "email"]


def blocks() -> dict[str, Block]:
    return {draft.key: draft.model for draft in drafts("blocks")}


def rendered(content: Content, context: dict[str, Any], holds: bool = True) -> tuple[str, str]:
    made = compose(content, blocks(), lambda _: holds, context)
    frame = FRAME if content.channel == "email" else None
    result = RENDERER.render(for_channel(made.source, content.channel), made.context, frame)
    return result.subject, result.text


def stories() -> list[Story]:
    return [story for path in SCENARIOS.glob("*.yaml") for story in read_stories(path)]


def test_the_library_is_read_and_lints_clean() -> None:
    assert lint(shipped(), RENDERER) == []
    assert build(shipped(), "UTC").plays.keys() == {draft.key for draft in drafts("plays")}


def test_the_library_has_the_twenty_two_shipped_signals() -> None:
    assert {draft.key for draft in drafts("signals")} == {
        "onboarding_stalled", "stalled_adoption", "usage_drop", "seat_underuse", "shallow_adoption", "ticket_spike",
        "repeat_issue", "sentiment_drop", "detractor", "champion_left", "role_vacant", "champion_quiet", "exec_disengaged",
        "contract_approaching", "payment_failed", "payment_overdue", "cancel_intent", "frequency_mismatch",
        "high_ltv_bad_experience", "value_milestone", "expansion_ready", "health_drop",
    }  # fmt: skip


def test_the_shipped_stages_are_the_five_of_the_design_in_their_order() -> None:
    (stages,) = drafts("stages")
    assert [stage.key for stage in stages.model.stages] == [
        "churned",
        "renewal",
        "onboarding",
        "value",
        "adoption",
    ]


def test_the_shipped_health_names_every_measure_and_flag_for_people() -> None:
    (health,) = drafts("health")
    assert all(part.name for part in (*health.model.measures, *health.model.flags))


@pytest.mark.parametrize("draft", drafts("signals"), ids=lambda draft: draft.key)
def test_every_signal_says_what_it_means_and_has_a_story_and_a_near_miss(draft: Draft) -> None:
    counts = [
        fired[draft.key]
        for story in stories()
        if story.uses == "defaults"
        for entry in story.then
        if entry.expect is not None
        for fired in entry.expect.fired.values()
        if draft.key in fired
    ]
    assert draft.model.says
    assert max(counts, default=0) >= 1, "no scenario fires it"
    assert 0 in counts, "no scenario nearly fires it"


@pytest.mark.parametrize("draft", drafts("plays"), ids=lambda draft: draft.key)
def test_every_play_has_a_story_that_activates_it(draft: Draft) -> None:
    assert any(draft.key in story.define.get("activate", {}).get("plays", ()) for story in stories())


@pytest.mark.parametrize("draft", drafts("plays"), ids=lambda draft: draft.key)
def test_every_play_is_told_in_a_file_of_its_own_and_on_the_page_of_plays(draft: Draft) -> None:
    assert (SCENARIOS / f"play_{draft.key.replace('-', '_')}.yaml").exists()
    assert f"| `{draft.key}` |" in PAGE.read_text()


@pytest.mark.parametrize("draft", drafts("plays"), ids=lambda draft: draft.key)
def test_every_play_ends_when_the_customer_cancels_and_takes_it_for_no_success(draft: Draft) -> None:
    """A story each would be long; the words are enough: an exit on the status, and no goal that cancelling meets."""
    assert "'cancelled'" in str(draft.model.exit)
    goal = draft.model.goal
    cleared = goal is not None and "'signal'" in str(goal.when)
    assert not cleared or "'cancelled'" in str(goal.when)


def test_no_mail_repeats_what_a_bank_only_suspects() -> None:
    words = re.compile(r"\b(stolen|lost card|fraud|suspicio|blocked)", re.IGNORECASE)
    letters = ("".join(rendered(draft.model, FULL)) for draft in mails())
    assert [letter for letter in letters if words.search(letter)] == []


@pytest.mark.parametrize("context", [FULL, SPARSE], ids=["full", "sparse"])
@pytest.mark.parametrize("holds", [True, False], ids=["first-blocks", "fallback-blocks"])
@pytest.mark.parametrize("draft", drafts("content"), ids=lambda draft: draft.key)
def test_every_content_renders_for_whom_it_may_meet(
    draft: Draft, context: dict[str, Any], holds: bool
) -> None:
    subject, text = rendered(draft.model, context, holds)
    assert text.strip()
    assert "{{" not in subject + text
    assert "None" not in subject + text


@pytest.mark.parametrize("draft", mails(), ids=lambda draft: draft.key)
def test_every_mail_is_short_and_tells_nobody_what_we_watch(draft: Draft) -> None:
    subject, text = rendered(draft.model, FULL)
    letter = text.split("\n-- \n")[0]
    assert len(subject) <= 78
    assert len(letter.split()) <= 170
    assert MONITORED.search(letter) is None


@pytest.mark.parametrize("draft", mails(), ids=lambda draft: draft.key)
def test_every_mail_greets_and_signs(draft: Draft) -> None:
    assert {"opening", "sign_off"} <= draft.model.blocks.keys()


def test_a_payment_link_is_a_button_where_there_is_one_and_words_where_there_is_none() -> None:
    (reminder,) = [one for one in contents() if one.key == "payment-reminder"]
    assert "https://pay.example.com/inv-7" in rendered(reminder, FULL)[1]
    assert "open the billing page" in rendered(reminder, SPARSE)[1]


def test_all_contents_and_blocks_are_used() -> None:
    bodies = [op.body for draft in drafts("plays") for op in CompiledPlay(draft.model).program.ops.values()]
    named = {body.content for body in bodies if isinstance(body, MessageStep | TaskStep)}
    assert {content.key for content in contents()} <= named
    placed = {key for content in contents() for keys in content.blocks.values() for key in keys}
    assert blocks().keys() == placed


def test_at_least_sixty_per_cent_of_what_mails_are_made_of_is_shared() -> None:
    """Content reuse, as `journeys reuse` counts it."""
    assert reuse(contents(), blocks())["percent"] >= 60


def test_at_least_sixty_per_cent_of_the_blocks_stand_in_more_than_one_message() -> None:
    """The stricter count of docs/plays.md: blocks rendered in more than one message ÷ all blocks used."""
    uses = Counter(key for draft in mails() for key in _blocks_in(draft.model))
    assert sum(count > 1 for count in uses.values()) / len(uses) >= 0.6


def _blocks_in(letter: Content) -> set[str]:
    """The blocks it is rendered with for whom we know best, or least; with each offer it may carry."""
    made = (
        compose(letter, blocks(), lambda _, holds=holds: holds, {**context, "offer": offer})
        for context in (FULL, SPARSE)
        for holds in (True, False)
        for offer in OFFERS
    )
    return {key for one in made for key in one.blocks}
