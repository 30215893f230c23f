"""The linter of texts: for every rule a text that is refused, and the nearest one that is not (semantics §6)."""

from pathlib import Path
from typing import Any

import pytest

from plays.content import Block, Content
from plays.disclosure import TABLE, known_class
from plays.links import dead
from plays.lint import Finding, lint_block, lint_content

GOALS = {"account.goals": "required"}


def letter(body: str, facts: Any = GOALS, **changed: Any) -> Content:
    """An e-mail with a fact of substance, so that only what is tested is found."""
    known = "{{ account.goals }}: " if facts is GOALS else ""
    return Content.model_validate(
        {"key": "c", "channel": "email", "subject": "Hello", "facts": facts, "body": known + body, **changed}
    )


def found(content: Content, *blocks: Block, lacking: set[str] | None = None) -> list[Finding]:
    return list(lint_content(content, {block.key: block for block in blocks}, lacking or ()))


def rules(content: Content, *blocks: Block) -> list[str]:
    return [finding.rule for finding in found(content, *blocks) if finding.blocking]


def fact(source: str, **said: Any) -> dict[str, Any]:
    return {"x": {"source": source, "required": True, **said}}


NAME = {"contact.name": "required"}
GREETING = Block(key="hi", slot="opening", facts={"contact.name": "required"}, body="Hi {{ contact.name }},")
SITUATION = Block(key="why", slot="situation", facts=GOALS, body="You want {{ account.goals }}.")


@pytest.mark.parametrize(
    ("refused", "nearest"),
    [
        pytest.param(
            letter("A question, {{ contact.name }}.", NAME),
            letter("A question, {{ contact.name }}, on {{ account.goals }}.", {**NAME, **GOALS}),
            id="a name and nothing else",
        ),
        pytest.param(
            letter("Hi.", NAME, subject="{{ contact.name }}, a word"),
            letter("Hi.", {}, subject="A word"),
            id="no name is honest",
        ),
        pytest.param(
            letter("A word.", {}, blocks={"opening": ["hi"]}),
            letter("A word.", {}, blocks={"opening": ["hi"], "situation": ["why"]}),
            id="by its blocks",
        ),
        pytest.param(
            letter("{{ firm }}, a word.", {"firm": {"source": "account.name", "required": True}}),
            letter("{{ firm }}, a word.", {"firm": {"source": "account.plan", "required": True}}),
            id="a name by another name",
        ),
    ],
)
def test_fake_personalisation(refused: Content, nearest: Content) -> None:
    assert rules(refused, GREETING, SITUATION) == ["fake_personalisation"]
    assert rules(nearest, GREETING, SITUATION) == []


@pytest.mark.parametrize(
    ("refused", "nearest"),
    [
        (letter("{{ x }}", fact("account.health.score")), letter("{{ x }}", fact("account.seats"))),
        (letter("{{ x }}", fact("contact.last_seen_at")), letter("{{ x }}", fact("account.renews_at"))),
        (letter("{{ x }}", fact("event.data.page")), letter("{{ x }}", fact("event.data.invoice"))),
        (letter("{{ x }}", fact("event.time")), letter("{{ x }}", fact("event.data.due_at"))),
        (letter("{{ x }}", fact("event.data.evidence.seen")), letter("{{ x }}", fact("event.data.ticket"))),
        (
            letter("{{ x }}", fact("account.hats", disclosure="derived")),
            letter("{{ x }}", fact("account.hats", disclosure="given")),
        ),
        (
            letter("{{ x }}", fact("account.seats", disclosure="internal")),
            letter("{{ x }}", fact("account.seats")),
        ),
        (
            letter("{% if x > 5 %}{{ x }}{% endif %}{{ account.goals }}", {**GOALS, **fact("account.ltv")}),
            letter("{% if x > 5 %}you{% endif %}{{ account.goals }}", {**GOALS, **fact("account.ltv")}),
        ),
        (
            letter("{% set y = x %}{{ y }}", fact("account.ltv")),
            letter("{{ 'a' if x else account.goals }}", {**GOALS, **fact("account.ltv")}),
        ),
        (
            letter("{% for y in x %}{{ y.z }}{% endfor %}", fact("account.segments")),
            letter("{% for y in x %}{{ y.z }}{% endfor %}", fact("account.goals")),
        ),
        (
            letter("b", subject="Your {{ x }}", facts=fact("account.ltv")),
            letter("b", subject="Your {{ x }}", facts=fact("account.plan")),
        ),
        (letter("We noticed at 03:12 that it is late."), letter("You told us that it is late.")),
        (letter("We\nhave noticed it."), letter("Have you noticed it?")),
        (letter("We saw you yesterday."), letter("We saw your tickets, and answer them.")),
        (letter("You have not logged in."), letter("The next step waits for you.")),
        (letter("You viewed our prices."), letter("Our prices, as you asked.")),
        (
            letter("Your usage score is 7."),
            letter("Your score in the survey? Tell us more.".replace("score", "word")),
        ),
        (letter("Our data shows it."), letter("Your report shows it.")),
    ],
)
def test_surveillance(refused: Content, nearest: Content) -> None:
    assert set(rules(refused)) == {"surveillance"}
    assert rules(nearest) == []


@pytest.mark.parametrize(
    ("refused", "nearest"),
    [
        (letter("{{ account.plan }}"), letter("{{ account.plan }}", {"account.plan": "required"})),
        (letter("{% if account.ltv > 2 %}x{% endif %}"), letter("{% if account.goals %}x{% endif %}")),
        (letter("{{ x }}", {"x": {"source": "account.plan"}}), letter("{{ x }}", fact("account.plan"))),
        (
            letter("{{ x }}", fact("account.hats")),
            letter("{{ x }}", fact("account.hats", disclosure="given")),
        ),
        (
            letter("{% if x %}y{% endif %}", fact("account.health", disclosure="given")),
            letter("{% if x %}y{% endif %}", fact("account.health", disclosure="internal")),
        ),
        (
            letter("{{ account.plan | default('') }}"),
            letter("{{ account.plan | default('') }}", {"account.plan": {"default": ""}}),
        ),
        (
            letter("{% if event.data %}x{% endif %}"),
            letter(
                "{% if event.data is defined %}{{ event.data.invoice }}{% endif %}",
                {"event.data.invoice": "drop"},
            ),
        ),
    ],
)
def test_facts(refused: Content, nearest: Content) -> None:
    assert rules(refused) == ["facts"]
    assert rules(nearest) == []


def test_a_task_is_for_our_own_people_and_may_ask_for_what_it_reads() -> None:
    brief = "{{ account.name }} has {{ account.health }} points. We noticed it."
    told = Content(key="t", channel="task", body=brief, facts={"account.health": "required"})
    asking = Content(
        key="t", channel="task", body="{% if account.mrr is defined %}{{ account.mrr }}{% endif %}"
    )
    careless = Content(key="t", channel="task", body="{{ account.mrr }}")
    assert (rules(told), rules(asking), rules(careless)) == ([], [], ["facts"])


LONG = "x" * 78


@pytest.mark.parametrize(
    ("refused", "nearest"),
    [
        (letter("", subject=LONG + "y"), letter("", subject=LONG)),
        (
            letter("", subject=LONG + "{{ account.goals }}"),
            letter("", subject=LONG[1:] + "{{ account.goals }}"),
        ),
        (
            letter("", subject="{% if account.goals %}" + LONG + "y{% else %}" + LONG + "z{% endif %}"),
            letter("", subject="{% if account.goals %}" + LONG + "y{% else %}x{% endif %}"),
        ),
        (letter("", subject=LONG + "y"), letter("", subject=LONG + "y", channel="in_app")),
        (letter("[a](http://www.ietf.org/)"), letter("[a](https://www.ietf.org/)")),
        (letter("[a](/pricing)"), letter("[a]({{ account.goals }})")),
        (letter("[a](https://www.ietf.org/a b)"), letter("[a](https://www.ietf.org/a%20b)")),
        (letter("[a](javascript:alert)"), letter("[a](mailto:help@ietf.org)")),
    ],
)
def test_delivery(refused: Content, nearest: Content) -> None:
    assert rules(refused) == ["delivery"]
    assert rules(nearest) == []


def test_marketing_needs_a_frame_with_a_way_out() -> None:
    lacking = {"unsubscribe_url"}
    assert [one.rule for one in found(letter("Hi"), lacking=lacking)] == ["delivery"]
    assert found(letter("Hi", **{"class": "service"}), lacking=lacking) == []
    assert found(letter("Hi", channel="in_app"), lacking=lacking) == []


@pytest.mark.parametrize(
    ("href", "says"),
    [
        ("http://www.ietf.org", "not https"),
        ("ftp://www.ietf.org", "not https"),
        ("//www.ietf.org", "not a whole address"),
        ("#top", "not a whole address"),
        ("", "not a whole address"),
        ("https://", "malformed"),
        ("https://ietf", "malformed"),
        ("https://127.0.0.1/x", "malformed"),
        ("https://www.ietf.org:port/", "malformed"),
        ("https://-x.org/", "malformed"),
        ("https://me@ietf.org/", "hides its host"),
        ("https://ietf.org\\@evil.org/", "hides its host"),
        ("https://shop.test/", "placeholder"),
        ("https://localhost/", "placeholder"),
        ("https://www.yourcompany.com/", "placeholder"),
        ("mailto:help", "no mailbox"),
        ("mailto:help@nowhere.invalid", "placeholder"),
    ],
)
def test_a_link_that_leads_nowhere_says_why(href: str, says: str) -> None:
    told = dead(href)
    assert told is not None
    assert told.certain
    assert says in told.detail
    assert told.mend


@pytest.mark.parametrize(
    "href",
    [
        "https://www.ietf.org/path?q=1#x",
        "https://www.ietf.org:8443/",
        "https://bücher.de/",
        "https://www.ietf.org/jvslot3e",
        "https://jvslot0e.ietf.org/",
        "jvslot0e",
        "mailto:help@ietf.org?subject=Hi",
        "mailto:jvslot1e",
    ],
)
def test_a_link_that_may_lead_somewhere_passes(href: str) -> None:
    assert dead(href) is None


def test_an_address_of_documentation_is_a_remark() -> None:
    (remark,) = found(letter("[a](https://www.example.com/a)"))
    assert (remark.rule, remark.blocking) == ("delivery", False)


def test_a_block_is_held_to_the_same_unless_only_tasks_use_it() -> None:
    block = Block(key="b", slot="value", facts={"account.ltv": "drop"}, body="[{{ account.ltv }}](/x)")
    assert [one.rule for one in lint_block(block)] == ["surveillance", "delivery"]
    assert list(lint_block(block, shown_to_customers=False)) == []


def test_every_finding_says_where_and_what_to_write() -> None:
    text = "Line one.\n\nWe noticed it, {{ account.plam }}.\n\n[a](/b)"
    faulty = letter(text, {"account.plan": "required"}, subject=LONG + "y")
    findings = found(faulty)
    assert {(one.rule, one.pointer, one.line) for one in findings} == {
        ("facts", "/body", 3),
        ("surveillance", "/body", 3),
        ("delivery", "/subject", None),
        ("delivery", "/body", 5),
    }
    assert all(one.mend for one in findings)
    assert "did you mean 'account.plan'" in next(one.mend for one in findings if one.rule == "facts")


def test_a_fact_that_there_is_was_meant_and_only_wants_declaring() -> None:
    (finding,) = [
        one
        for one in found(letter("{{ account.name }}, {{ account.plan }}", {"account.plan": "drop"}))
        if one.rule == "facts"
    ]
    assert finding.mend.startswith("add `account.name: required`")


def test_what_is_no_template_is_told_with_its_line() -> None:
    (broken,) = found(letter("a\nb {{ x\n", {}))
    assert (broken.rule, broken.pointer, broken.line) == ("template", "/body", 2)
    (subject,) = found(letter("a", {}, subject="{{ x"))
    assert (subject.pointer, subject.line) == ("/subject", None)


def test_a_source_below_one_that_is_known_has_its_class() -> None:
    assert known_class("account.goals.first") == "given"
    assert known_class("journey.key") == "given"
    assert known_class("journey.play") == "internal"
    assert known_class("event.data.hat") is None
    assert len(TABLE) > 100


def test_the_page_on_facts_lists_the_whole_table() -> None:
    page = (Path(__file__).parents[2] / "docs/facts.md").read_text("utf-8")
    rows = [
        row.split("|") for row in page.splitlines() if row.startswith(("| given", "| derived", "| internal"))
    ]
    listed = {path.strip(" `"): row[1].strip() for row in rows for path in row[2].split(",")}
    assert listed == TABLE
