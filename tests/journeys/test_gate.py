"""The render gate: a text is rendered for whoever it may meet before it is live, and one failure blocks."""

from collections.abc import Sequence
from typing import Any

import pytest

from channels.headers import Mailbox
from channels.render import Renderer
from journeys.assets import asset
from journeys.composer import Office
from journeys.definitions import Draft, Fault, build, parse
from journeys.gate import Gate
from journeys.samples import sample_data, sample_profiles
from journeys.scenarios.stage import OFFICE
from journeys.shipped import shipped
from signals.instant import parse_instant
from signals.profile import Profile

NOW = parse_instant("2026-11-20T12:00:00Z")
RENDERER = Renderer.from_dir(asset("templates"))
PEOPLE = {profile.id: profile for profile in sample_profiles(build((), "UTC"), NOW)}


def content(body: str, **said: Any) -> Draft:
    given = {"key": "letter", "channel": "email", "subject": "A word", "body": body, **said}
    return parse("content", given)


def play(**said: Any) -> Draft:
    message = {"to": ["champion", "admin"], "content": "letter"}
    return parse("plays", {"key": "p", "trigger": {"event": "go"}, "steps": [{"message": message}], **said})


def tried(
    *drafts: Draft, people: Sequence[Profile] = (), office: Office = OFFICE, wanted: Any = None
) -> list[Fault]:
    gate = Gate(RENDERER.render, office, lambda most: people[:most])
    return gate.faults(drafts, wanted or drafts, build(drafts, "UTC"), NOW)


def test_a_fact_that_one_account_lacks_blocks_and_names_account_role_and_fact() -> None:
    (fault, *others) = tried(content("{{ account.plan }}", facts=["account.plan"]), play())
    assert (fault.kind, fault.key, fault.pointer, fault.blocking) == ("content", "letter", "/body", True)
    assert "sample-bare as champion" in fault.detail
    assert "the fact account.plan is missing" in fault.detail
    assert "default" in fault.mend
    assert ["as admin" in other.detail for other in others] == [True]


@pytest.mark.parametrize(
    "text",
    [
        content("{{ account.plan }}", facts={"account.plan": "drop"}),
        content("{{ account.plan }}", facts={"account.plan": {"default": "your"}}),
        content("{{ event.data.invoice }}", facts=["event.data.invoice"]),
        content(
            "{% for g in goals %}{{ g }}{% endfor %}",
            facts={"goals": {"source": "account.goals", "default": []}},
        ),
    ],
)
def test_the_nearest_texts_pass(text: Draft) -> None:
    assert tried(text, play()) == []


def test_an_account_the_audience_leaves_out_is_not_asked() -> None:
    text = content("{{ account.plan }}", facts=["account.plan"])
    assert tried(text, play(audience={"attribute": "account.plan", "exists": True})) == []


@pytest.mark.parametrize(
    ("signal", "trigger"),
    [
        ({"when": {"all": [{"attribute": "account.plan", "is": "pro"}, {"tag": "x"}]}}, {"signal": "s"}),
        ({"when": {"attribute": "account.seats_used", "per": "account.plan", "gte": 1}}, {"signal": "s"}),
        ({"dates": {"attribute": "account.plan", "before": ["30d"]}}, {"signal": "s"}),
        ({"when": {"tag": "x"}}, {"date": "account.plan", "before": ["30d"]}),
    ],
)
def test_an_account_without_what_the_trigger_asks_for_cannot_come_into_the_play(
    signal: dict[str, Any], trigger: dict[str, Any]
) -> None:
    text = content("{{ account.plan }}", facts=["account.plan"])
    assert tried(text, play(trigger=trigger), parse("signals", {"key": "s", **signal})) == []
    either = {"when": {"any": [{"attribute": "account.plan", "is": "pro"}, {"tag": "x"}]}}
    assert tried(text, play(trigger={"signal": "s"}), parse("signals", {"key": "s", **either})) != []


def test_a_mistake_on_some_data_is_found_with_them() -> None:
    text = content("{{ goals | first }}", facts={"goals": {"source": "account.goals", "drop": True}})
    (fault, *_) = tried(text, play())
    assert "sample-odd" in fault.detail  # an empty list has no first


def test_every_variant_is_tried_on_those_it_is_for() -> None:
    variants = [
        content("Hello."),
        content("{{ account.plan }}", role="admin", facts=["account.plan"]),
        content(
            "{{ account.hats }}",
            locale="de",
            facts={"account.hats": {"required": True, "disclosure": "given"}},
        ),
    ]
    faults = tried(*variants, play())
    assert {
        (fault.key, fault.detail.split(" (")[0].split(":")[0].rpartition(" ")[2]) for fault in faults
    } == {
        ("letter@admin", "admin"),
        ("letter@de", "champion"),
    }


def test_a_variant_nobody_gets_is_tried_but_what_they_lack_is_no_failure() -> None:
    lacking = content("{{ account.plan }}", stage="nowhere", facts=["account.plan"])
    assert tried(content("Hello."), lacking, play()) == []
    broken = content("{{ account.name | date }}", stage="nowhere", facts=["account.name"])
    faults = tried(content("Hello."), broken, play())
    assert [(fault.key, fault.blocking) for fault in faults] == [("letter@nowhere", False)]


def test_a_block_is_tried_with_the_contents_that_name_it() -> None:
    block = parse(
        "blocks", {"key": "b", "slot": "value", "body": "{{ account.seats }}", "facts": ["account.seats"]}
    )
    text = content("Hello.", blocks={"value": ["b"]})
    assert {fault.key for fault in tried(text, block, play(), wanted=[block])} == {"letter"}
    assert (
        tried(text, block, play(), wanted=[parse("segments", {"key": "letter", "enter": {"tag": "x"}})]) == []
    )


def test_a_value_that_had_to_be_made_up_proves_nothing() -> None:
    facts = {"event.data.opening_day": {"required": True, "disclosure": "given"}}
    faults = tried(content("{{ event.data.opening_day | date }}", facts=facts), play())
    assert faults
    assert not any(fault.blocking for fault in faults)
    known = content("{{ event.data.due_at | date }}", facts=["event.data.due_at"])
    assert tried(known, play()) == []


def test_an_offer_stands_in_the_content_of_its_step() -> None:
    offer = parse("offers", {"key": "pause", "kind": "pause", "value": {"months": 2}})
    step = {"offer": {"offers": ["pause"], "to": "champion", "content": "letter"}}
    facts = ["offer.value.months"]
    assert (
        tried(content("{{ offer.value.months }}", facts=facts), offer, play(steps=[step, {"end": {}}])) == []
    )
    assert (
        tried(content("{{ offer.value.years }}", facts=["offer.value.years"]), offer, play(steps=[step]))
        != []
    )


def test_marketing_needs_a_postal_address() -> None:
    poor = Office(
        sender=Mailbox("a@example.com"), postal="", base_url="https://x.example.com", secret="s" * 16
    )
    (fault, *_) = tried(content("Hello."), office=poor)
    assert "postal address" in fault.detail
    assert tried(content("Hello.", **{"class": "transactional"}), office=poor) == []


def test_a_subject_too_long_for_many_is_a_remark_and_for_one_long_name_nothing() -> None:
    text = content("Hello.", subject="{{ account.name }} " + "x" * 64, facts=["account.name"])
    (remark,) = tried(text)
    assert (remark.pointer, remark.blocking) == ("/subject", False)
    text = content("Hello.", subject="{{ account.name }} " + "x" * 48, facts=["account.name"])
    assert tried(text) == []


def test_accounts_of_the_store_go_before_the_samples() -> None:
    text = content("{{ account.plan }}", facts=["account.plan"])
    assert tried(text, people=[PEOPLE["sample-full"]]) == []
    assert tried(text, people=[PEOPLE["sample-full"], PEOPLE["sample-bare"]]) != []


def test_the_shipped_library_passes_the_gate() -> None:
    gate = Gate(RENDERER.render, OFFICE, lambda _: [])
    faults = gate.faults(shipped(), shipped(), build(shipped(), "UTC"), NOW)
    assert [str(fault) for fault in faults if fault.blocking or fault.pointer != "/subject"] == []


def test_the_samples_are_as_unlike_as_customers_are() -> None:
    people = {profile.id: profile for profile in sample_profiles(build(shipped(), "UTC"), NOW)}
    assert {profile.stage for profile in people.values()} == {
        "churned",
        "renewal",
        "onboarding",
        "value",
        "adoption",
    }
    assert len(people) == 8


def test_an_event_says_what_its_fields_are_called() -> None:
    assert sample_data(["invoice", "from.plan"]) == ({"invoice": "INV-1042", "from": {"plan": "pro"}}, False)
    assert sample_data(["hat"]) == ({"hat": "sample"}, True)
    assert sample_data(["hatched_at"])[1] is False
    assert sample_data(["hat", "hat.size"])[0] == {"hat": {"size": "sample"}}
