"""A block may be for a role, a stage, a tenure or a tone; the first of its slot that is for this reader is taken."""

from typing import Any

import pytest

from journeys.definitions import build, parse
from journeys.letters import Reader, composed
from journeys.playbook import Playbook
from journeys.samples import sample_profiles
from journeys.shipped import shipped
from plays.content import Content
from signals.instant import parse_instant
from signals.profile import Contact, Profile

NOW = parse_instant("2026-11-20T12:00:00Z")
STAGES = [draft for draft in shipped() if draft.kind in ("stages", "milestones")]


def playbook(when: Any) -> Playbook:
    """With one block for those of whom this holds, one for the rest, and a content that names both."""
    blocks = [
        parse("blocks", {"key": "theirs", "slot": "situation", "body": "theirs", "when": when}),
        parse("blocks", {"key": "others", "slot": "situation", "body": "others"}),
    ]
    text = {"key": "c", "channel": "in_app", "body": "b", "blocks": {"situation": ["theirs", "others"]}}
    return build([*STAGES, *blocks, parse("content", text)], "UTC")


def taken(when: Any, account: str, contact: str) -> tuple[str, ...]:
    book = playbook(when)
    people: dict[str, Profile] = {profile.id: profile for profile in sample_profiles(book, NOW)}
    person: Contact = people[account].contacts[contact]
    text: Content = book.contents["c"][0]
    return composed(text, Reader(people[account], person, "champion", NOW), book).blocks


@pytest.mark.parametrize(
    ("when", "account", "contact", "other_account", "other_contact"),
    [
        pytest.param(
            {"attribute": "contact.roles", "contains": "finance"},
            *("sample-full", "sample-fin", "sample-full", "sample-ann"),
            id="role",
        ),
        pytest.param(
            {"stage": "onboarding"}, *("sample-new", "sample-bo", "sample-full", "sample-ann"), id="stage"
        ),
        pytest.param(
            {"attribute": "account.tenure_months", "gte": 24},
            *("sample-full", "sample-ann", "sample-new", "sample-bo"),
            id="tenure",
        ),
        pytest.param(
            {"attribute": "contact.tone", "contains": "brief"},
            *("sample-full", "sample-eve", "sample-full", "sample-ann"),
            id="tone",
        ),
    ],
)
def test_the_first_block_that_is_for_this_reader_is_taken(
    when: Any, account: str, contact: str, other_account: str, other_contact: str
) -> None:
    assert taken(when, account, contact) == ("theirs",)
    assert taken(when, other_account, other_contact) == ("others",)
