"""Offers: top-down, limits by count and time, one that costs money a year, and no discount for a fault (semantics §9)."""

from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import ValidationError

from builders import START, Account, attributes, event, person, play, playbook
from plays.offers import Offer
from signals.event import Event

HALF = {"key": "half", "kind": "discount", "value": {"percent": 50}}
CREDIT = {"key": "credit", "kind": "credit", "value": 20}
PAUSE = {"key": "pause", "kind": "pause"}
BIGGER = {"key": "bigger", "kind": "plan_change", "value": "enterprise"}


def offering(*offers: dict[str, Any], plays: list[Any] | None = None, **about: Any) -> Account:
    """An account whose every `asked` is answered by the first of these offers it may have."""
    keys = [offer["key"] for offer in offers]
    step = {"offer": {"offers": keys, "to": "admin", "content": "save", **about}}
    book = playbook(
        *(plays or [play("save", trigger={"event": "asked"}, journey_key="event.data.n", steps=[step])]),
        offers=[Offer.model_validate(offer) for offer in offers],
    )
    acme = Account(book)
    acme.live(person("ann", roles=["admin"]))
    return acme


def made(acme: Account) -> list[str]:
    """The offers that messages carried, in order."""
    return [message.data["offer"]["key"] for message in acme.messages() if message.data]


def gave(when: str, kind: str, **data: Any) -> Event:
    """Another system gave something of this kind."""
    return replace(event("offer.made", when, source="crm"), data={"kind": kind, **data})


def ask(acme: Account, when: str, number: int = 1, **data: Any) -> None:
    acme.happens("asked", when, n=f"R{number}", **data)


def test_the_first_offer_the_account_may_have_is_made_and_the_content_sees_it() -> None:
    acme = offering({**HALF, "when": {"attribute": "account.plan", "is": "pro"}}, PAUSE)
    ask(acme, "1h")
    (message,) = acme.messages()
    assert message.data == {"offer": {"key": "pause", "kind": "pause", "value": None}}


def test_the_decision_says_which_offers_were_passed_over_and_why() -> None:
    acme = offering({**HALF, "when": {"attribute": "account.plan", "is": "pro"}}, PAUSE)
    ask(acme, "1h")
    (decision,) = [each for each in acme.reactions[-1].decisions if each.subject == "offer"]
    assert (decision.outcome, decision.reason) == ("made", None)
    assert [(check["check"], check["passed"]) for check in decision.checks] == [
        ("half", False),
        ("pause", True),
    ]
    assert decision.checks[0]["saw"]["why"] == "when"


def test_what_costs_money_is_offered_once_a_year_whichever_offer_or_play_it_was() -> None:
    steps = [{"offer": {"offers": ["half", "credit", "pause"], "to": "admin", "content": "save"}}]
    acme = offering(
        HALF,
        CREDIT,
        PAUSE,
        plays=[
            play("one", trigger={"event": "asked"}, journey_key="event.data.n", steps=steps),
            play("two", trigger={"event": "begged"}, journey_key="event.data.n", steps=steps),
        ],
    )
    ask(acme, "1h")
    acme.happens("begged", "2d", n="R1")
    ask(acme, "364d", 2)
    ask(acme, "367d", 3)
    assert made(acme) == ["half", "pause", "pause", "half"]


def test_two_journeys_at_one_instant_do_not_both_make_an_offer_that_costs_money() -> None:
    steps = [{"offer": {"offers": ["half", "pause"], "to": "admin", "content": "save"}}]
    plays = [play(key, trigger={"event": "asked"}, steps=steps) for key in ("one", "two")]
    acme = offering(HALF, PAUSE, plays=plays)
    ask(acme, "1h")
    assert sorted(made(acme)) == ["half", "pause"]


@pytest.mark.parametrize("kind", ["discount", "credit"])
def test_what_another_system_gave_counts(kind: str) -> None:
    acme = offering(HALF, PAUSE)
    acme.live(gave("1h", kind, offer="theirs"))
    ask(acme, "30d")
    assert made(acme) == ["pause"]


def test_a_limit_of_its_own_counts_over_its_own_time() -> None:
    acme = offering({**PAUSE, "limit": {"per_account": 2, "in": "10d"}})
    for number, day in enumerate(("1d", "2d", "3d", "20d")):
        ask(acme, day, number)
    assert made(acme) == ["pause", "pause", "pause"]
    assert acme.decisions("offer")[2] == ("save", "not_made", "limit")


@pytest.mark.parametrize(
    "data",
    [
        {"reason": "Too many bugs"},
        {"topic": "outage"},
        {"category": "incident"},
        {"cause": "a fault of yours"},
    ],
)
def test_a_cause_that_tells_of_a_fault_gets_no_discount(data: dict[str, str]) -> None:
    acme = offering(HALF)
    ask(acme, "1h", **data)
    assert acme.decisions("offer") == [("save", "not_made", "service_fault")]


def test_other_reasons_and_an_unhurried_ticket_are_no_fault() -> None:
    acme = offering(HALF)
    acme.live(event("support.ticket_opened", "1h", ticket="T1", priority="normal"))
    ask(acme, "2h", reason="too expensive")
    assert made(acme) == ["half"]


def test_an_open_urgent_ticket_gets_neither_a_discount_nor_another_plan_and_a_credit_only() -> None:
    acme = offering(HALF, BIGGER, CREDIT)
    acme.live(event("support.ticket_opened", "1h", ticket="T1", priority="urgent"))
    ask(acme, "2h")
    assert made(acme) == ["credit"]
    acme.live(event("support.ticket_solved", "3h", ticket="T1"))
    ask(acme, "4h", 2)
    assert made(acme) == ["credit", "bigger"]


@pytest.mark.parametrize(
    ("else_", "title"), [("sorry", "Sorry"), ([{"task": {"title": "Nothing left"}}], "Nothing left")]
)
def test_where_no_offer_is_left_the_other_steps_run(else_: Any, title: str) -> None:
    step = {"offer": {"offers": ["half"], "to": "admin", "content": "save", "else": else_}}
    steps = [step, {"end": {}}, {"id": "sorry", "task": {"title": "Sorry"}}]
    if isinstance(else_, list):
        steps = steps[:1]
    acme = offering(HALF, plays=[play("save", trigger={"event": "asked"}, steps=steps)])
    acme.live(gave("1h", "discount", offer="half"))
    ask(acme, "2h")
    assert [task.title for task in acme.tasks()] == [title]
    assert acme.messages() == []


def test_nobody_to_offer_it_to_is_a_vacant_role_and_uses_nothing_up() -> None:
    acme = offering(HALF, to="champion")
    ask(acme, "1h")
    assert acme.decisions("send") == [("save", "not_sent", "role_vacant")]
    acme.live(person("cho", "2h", roles=["champion"]))
    ask(acme, "3h", 2)
    assert made(acme) == ["half"]


def test_a_held_out_account_is_offered_nothing_and_nothing_is_counted() -> None:
    step = {"offer": {"offers": ["half"], "to": "admin", "content": "save"}}
    plays = [
        play("save", trigger={"event": "asked"}, holdout="100%", journey_key="event.data.n", steps=[step])
    ]
    acme = offering(HALF, plays=plays)
    ask(acme, "1h")
    ask(acme, "2h", 2)
    assert acme.decisions("offer") == [("save", "withheld", "control")] * 2
    assert [told.type for reaction in acme.reactions for told in reaction.events] == ["experiment.exposed"]


def test_an_offer_that_is_not_defined_any_more_is_passed_over() -> None:
    steps = [{"offer": {"offers": ["gone", "pause"], "to": "admin", "content": "save"}}]
    acme = offering(PAUSE, plays=[play("save", trigger={"event": "asked"}, steps=steps)])
    ask(acme, "1h")
    assert made(acme) == ["pause"]


def test_the_order_of_late_news_does_not_matter_to_the_count() -> None:
    told = [gave("1d", "credit"), attributes("2d", plan="pro")]
    for order in (told, told[::-1]):
        acme = offering(HALF, PAUSE)
        for each in order:
            acme.live(each, "3d")
        ask(acme, "4d")
        assert made(acme) == ["pause"]


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "discount"},
        {"kind": "discount", "value": {"percent": "x"}},
        {"kind": "discount", "value": {"percent": 120}},
        {"kind": "credit", "value": {"amount": -5}},
        {"kind": "credit", "value": [20]},
        {"kind": "gift", "value": 1},
        {"kind": "pause", "limit": {"per_account": 0}},
        {"kind": "pause", "limit": {"in": "0d"}},
        {"kind": "pause", "limit": {"in": "9000d"}},
        {"kind": "pause", "when": {"nonsense": 1}},
        {"kind": "pause", "what": "else"},
    ],
)
def test_an_offer_that_means_nothing_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Offer.model_validate({"key": "offer", **body})


def test_the_event_of_an_offer_is_the_same_however_often_it_is_decided() -> None:
    one, other = offering(HALF), offering(HALF)
    for acme in (one, other):
        acme.live(event("asked", "1h", name="cause", n="R1"))
    ids = [[told.id for told in acme.reactions[-1].events] for acme in (one, other)]
    assert ids[0] == ids[1]
    assert one.reactions[-1].events[0].time > START
