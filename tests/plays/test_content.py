"""Content as written: front matter, facts, blocks, variants (semantics §6, definitions "content", "block")."""

from typing import Any

import pytest
from pydantic import ValidationError

from plays.content import BadFrontMatter, Block, Content, UnknownBlock, assemble, read_front_matter, variant

FILE = """---
key: adoption-nudge
channel: email
class: service
topic: product_tips
subject: "{{ first_name }}, three teammates are waiting"
facts:
  account.name: required
  first_name: {source: contact.name, default: there}
  invited: {source: event.data.invited, drop: true}
blocks: {opening: [hello-vip, hello]}
---

**{{ account.name }}** has {{ invited }} open invitations.

---

Bye
"""


def content(**changed: Any) -> Content:
    return Content.model_validate({"key": "c", "channel": "in_app", "body": "Body", **changed})


def block(key: str, slot: str, body: str, when: Any = None, **more: Any) -> Block:
    return Block.model_validate({"key": key, "slot": slot, "body": body, "when": when, **more})


def test_a_file_is_front_matter_and_a_body_that_may_hold_rules() -> None:
    read = Content.model_validate(read_front_matter(FILE, "content/nudge.md"))
    assert (read.key, read.class_, read.topic, read.role) == (
        "adoption-nudge",
        "service",
        "product_tips",
        None,
    )
    assert read.body.startswith("**{{ account.name }}**")
    assert read.body.endswith("---\n\nBye")


def test_what_is_not_said_has_the_documented_default() -> None:
    plain = content()
    assert (plain.class_, plain.tone, plain.locale, plain.topic, plain.blocks) == (
        "marketing",
        "neutral",
        "en",
        None,
        {},
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("key: x\n", "c.md:1: the file must start"),
        ("---\nkey: x\n", "c.md:1: .* no second line"),
        ("---\nkey: [x\n---\n", r"c.md:\d: "),
        ("---\n- a\n---\n", "must be a mapping"),
        ("---\nbody: x\n---\n", "not a key"),
        ("", "c.md:1"),
    ],
)
def test_a_broken_file_is_refused_with_file_and_reason(text: str, complaint: str) -> None:
    with pytest.raises(BadFrontMatter, match=complaint):
        read_front_matter(text, "c.md")


def test_facts_have_short_and_long_spellings() -> None:
    facts = content(
        facts={"account.name": "required", "tip": "drop-block", "n": {"source": "a.n", "default": 0}}
    ).facts
    assert {name: (fact.source, fact.missing) for name, fact in facts.items()} == {
        "account.name": ("account.name", "required"),
        "tip": ("tip", "drop"),
        "n": ("a.n", "default"),
    }
    assert content(facts=["account.name"]).facts["account.name"].missing == "required"


def test_a_fact_that_says_nothing_of_its_absence_is_left_to_the_linter() -> None:
    assert content(facts={"x": {"source": "a.x"}}).facts["x"].missing is None


def test_a_fact_is_shown_as_the_table_says_or_its_author_more_strictly() -> None:
    facts = content(
        facts={
            "health.score": "required",
            "account.goals.first": "required",
            "account.mrr": {"required": True, "disclosure": "internal"},
            "s": {"source": "signals.x", "disclosure": "given"},
            "account.shoe_size": "drop",
            "account.hat_size": {"drop": True, "disclosure": "given"},
        }
    ).facts
    assert {name: fact.shown_as for name, fact in facts.items()} == {
        "health.score": "internal",
        "account.goals.first": "given",
        "account.mrr": "internal",
        "s": "internal",
        "account.shoe_size": None,
        "account.hat_size": "given",
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"colour": "red"},
        {"channel": "sms"},
        {"channel": "email"},  # without a subject
        {"body": " "},
        {"facts": {"x": {"required": True, "drop": True}}},
        {"facts": {"a.b": {"source": "a.c", "required": True}}},
        {"facts": {"x": {"source": "a.__class__"}}},
        {"facts": {"x": "mandatory"}},
        {"blocks": {"closing": ["x"]}},
        {"key": "../x"},
        {"role": []},
        {"facts": 7},
        {"facts": [{"account.name": "required"}]},
        {"facts": [["account.name"]]},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        content(**changed)


def test_each_slot_takes_the_first_block_whose_condition_holds_in_the_order_of_slots() -> None:
    blocks = {
        each.key: each
        for each in (
            block("bye", "sign_off", "Bye"),
            block("vip", "opening", "Dear VIP", when={"tag": "vip"}),
            block("hello", "opening", "Hello"),
            block("gain", "value", "Gain", when={"tag": "never"}),
        )
    }
    assembled = content(blocks={"sign_off": ["bye"], "opening": ["vip", "hello"], "value": ["gain"]})
    assert (
        assemble(assembled, blocks, lambda condition: condition == {"tag": "vip"})
        == "Dear VIP\n\nBody\n\nBye {.sign}"
    )
    assert assemble(assembled, blocks, lambda _: False) == "Hello\n\nBody\n\nBye {.sign}"


@pytest.mark.parametrize("named", ["nobody", "bye"])
def test_a_block_that_does_not_exist_for_the_slot_is_an_error(named: str) -> None:
    with pytest.raises(UnknownBlock, match=named):
        assemble(
            content(blocks={"opening": [named]}), {"bye": block("bye", "sign_off", "Bye")}, lambda _: True
        )


def test_the_variant_is_the_one_for_the_role_then_the_stage_then_the_language() -> None:
    general, german = content(), content(locale="de")
    champion, late = content(role="champion"), content(stage="renewal")
    everything = [general, german, champion, late]
    assert variant(everything, "champion", "renewal", "de") is champion
    assert variant(everything, "admin", "renewal", "de") is late
    assert variant(everything, "admin", "value", "de-AT") is german
    assert variant(everything, "admin", None, "fr") is general
    assert variant([champion], "admin", None, "en") is None
