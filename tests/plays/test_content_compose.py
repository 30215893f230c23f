"""Facts are settled before the template runs: required, default, drop (semantics §6)."""

from typing import Any

import pytest

from channels.grammar import RenderFailed
from plays.compose import Composed, compose
from plays.content import Block, Content


def composed(
    body: str = "Body", facts: Any = None, context: Any = None, blocks: Any = None, use: Any = None
) -> Composed:
    content = Content.model_validate(
        {"key": "c", "channel": "in_app", "body": body, "facts": facts or {}, "blocks": use or {}}
    )
    made = {key: Block.model_validate({"key": key, **given}) for key, given in (blocks or {}).items()}
    return compose(content, made, lambda _: True, context or {})


def test_a_missing_required_fact_fails_by_name() -> None:
    with pytest.raises(RenderFailed) as failed:
        composed(facts={"account.name": "required"}, context={"account": {"name": None}})
    assert (failed.value.reason, failed.value.detail) == ("missing_fact", "account.name")


def test_a_default_takes_the_place_of_what_is_missing_and_an_empty_text_is_a_value() -> None:
    facts = {"who": {"source": "contact.name", "default": "there"}, "account.plan": {"default": "free"}}
    assert composed(facts=facts).context == {"who": "there", "account": {"plan": "free"}}
    given = {"contact": {"name": ""}, "account": {"plan": "pro", "id": "a"}}
    assert composed(facts=facts, context=given).context == {**given, "who": ""}


def test_the_callers_data_are_left_alone() -> None:
    data: dict[str, Any] = {"account": {"id": "a"}}
    composed(facts={"account.plan": {"default": "free"}}, context=data)
    assert data == {"account": {"id": "a"}}


def test_a_missing_drop_fact_takes_its_paragraph_away() -> None:
    body = "One {{ tip }}\n\nTwo\n\n{% if true %}\n\nThree {{ tip }}\n\n{% endif %}\n\nFour"
    facts = {"tip": {"source": "event.tip", "drop": True}}
    assert composed(body, facts).source.body == "Two\n\nFour"
    assert composed(body, facts, {"event": {"tip": "x"}}).source.body == body


def test_a_block_whose_drop_fact_is_missing_gives_way_to_the_next_of_its_slot() -> None:
    blocks = {
        "tip": {"slot": "value", "body": "Tip {{ tip }}", "facts": {"tip": "drop"}},
        "plain": {"slot": "value", "body": "Plain"},
    }
    use = {"value": ["tip", "plain"]}
    assert composed(blocks=blocks, use=use).blocks == ("plain",)
    taken = composed(blocks=blocks, use=use, context={"tip": "x"})
    assert (taken.blocks, taken.source.body) == (("tip",), "Body\n\nTip {{ tip }}")


def test_facts_of_blocks_that_were_not_chosen_are_not_asked_for() -> None:
    blocks = {
        "a": {"slot": "value", "body": "A"},
        "b": {"slot": "value", "body": "B", "facts": {"x.y": "required"}},
    }
    assert composed(blocks=blocks, use={"value": ["a", "b"]}).blocks == ("a",)
    with pytest.raises(RenderFailed, match=r"x\.y"):
        composed(blocks=blocks, use={"value": ["b"]})
