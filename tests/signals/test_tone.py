"""What a text tells of its writer, and how a person writes (semantics §1 `support.message_received`, §9)."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import START, Account, after_start, ask, event, folded, person, playbook, signal
from journeys.react import refill
from signals.attributes import contact_value, plain_contact
from signals.conditions.node import Keeper
from signals.event import Event
from signals.mood import READ, is_english, sentiment
from signals.operators import MISSING
from signals.profile import Profile
from signals.tone import HEARD, REMEMBERED, Tone, heard
from signals.watch import Watched

GLAD = "Thanks a lot, the new export is great!"
CROSS = "The export has failed again, this is a terrible waste of our time."
KEEPING = Watched(also=[Keeper(Tone(("thanks", "thank you"), 40).named())])


def letter(text: str = GLAD, when: str = "0h", contact: str = "ann", **about: Any) -> Event:
    return event(HEARD, when, contact=contact, text=text, **about)


def tone(*letters: Event, watched: Watched = KEEPING) -> Any:
    """How Ann writes, after these."""
    profile = folded(letters, watched)
    return contact_value(profile, profile.contacts["ann"], ("tone",), START)


# ── moods ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_glad_text_is_above_a_plain_one_and_a_cross_one_below() -> None:
    plain = sentiment("Where do I find the export of the report?") or 0
    glad, cross = sentiment(GLAD) or 0, sentiment(CROSS) or 0
    assert -1 <= cross < plain < glad <= 1


@pytest.mark.parametrize(
    "text",
    [
        "Danke, das ist wirklich super!",
        "Merci pour votre aide, c'est parfait",
        "No funciona la exportación, es un desastre",
        "Het werkt niet, wij zijn boos",
        "Questo non funziona, grazie",
        "谢谢你的帮助",
        "😀😀",
        "",
        "404",
        "Terrible.",
    ],
)
def test_of_what_is_not_surely_english_no_mood_is_read(text: str) -> None:
    assert sentiment(text) is None


@pytest.mark.parametrize("text", ["Thanks!", GLAD, CROSS, "Could you check this, please?", "It’s broken."])
def test_everyday_english_is_known_for_it(text: str) -> None:
    assert is_english(text)


@given(st.text(max_size=300))
def test_any_text_has_a_mood_within_bounds_or_none(text: str) -> None:
    mood = sentiment(text)
    assert mood is None or -1 <= mood <= 1


def test_a_long_letter_is_read_at_its_beginning() -> None:
    beginning = (GLAD + " ") * (READ // len(GLAD) + 1)
    assert sentiment(beginning + CROSS * 1_000) == sentiment(beginning)


# ── beside the text ────────────────────────────────────────────────────────────────────────────────────────────


def test_words_and_mood_lie_beside_the_text_and_the_event_itself_stays() -> None:
    told = letter()
    data = heard(told).data
    assert (data["words"], data["sentiment"]) == (8, sentiment(GLAD))
    assert told.data == {"text": GLAD}


def test_hearing_twice_is_hearing_once() -> None:
    once = heard(letter())
    assert heard(once) is once


@pytest.mark.parametrize("given_mood", [-1, 0, 0.4])
def test_a_mood_the_sender_knows_goes_before_ours_in_any_language(given_mood: float) -> None:
    assert heard(letter("Das ist kaputt", sentiment=given_mood)).data["sentiment"] == given_mood


@pytest.mark.parametrize("given_mood", ["angry", True, 7, None, [0.1]])
def test_a_mood_that_is_none_is_not_taken(given_mood: Any) -> None:
    assert heard(letter(sentiment=given_mood)).data["sentiment"] == sentiment(GLAD)
    assert "sentiment" not in heard(letter("Das ist kaputt", sentiment=given_mood)).data


def test_of_another_language_only_the_length_is_known() -> None:
    assert heard(letter("Das ist schon wieder kaputt")).data["words"] == 5
    assert "sentiment" not in heard(letter("Das ist schon wieder kaputt")).data


@pytest.mark.parametrize("data", [{}, {"text": None}, {"text": 7}, {"body": ["x"]}])
def test_a_message_without_a_text_tells_nothing(data: dict[str, Any]) -> None:
    assert heard(event(HEARD, contact="ann", **data)).data == data
    assert tone(event(HEARD, contact="ann", **data)) is MISSING


def test_the_text_may_stand_in_the_body() -> None:
    assert heard(event(HEARD, body=GLAD)).data["sentiment"] == sentiment(GLAD)


def test_only_what_customers_write_is_heard() -> None:
    other = event("crm.note_added", text=GLAD)
    assert heard(other) is other


# ── in conditions ──────────────────────────────────────────────────────────────────────────────────────────────

AVERAGE = {"average": HEARD, "of": "sentiment", "in": "28d"}


def test_the_mood_is_averaged_by_an_ordinary_condition() -> None:
    letters = [letter(), letter(CROSS, "1d"), letter(CROSS, "2d"), letter("Das ist kaputt", "3d")]
    assert ask({**AVERAGE, "lt": 0}, letters, "4d")
    assert not ask({**AVERAGE, "lt": 0}, letters[:1], "4d")
    assert not ask({**AVERAGE, "lte": 1}, letters[3:], "4d")


def test_by_role_it_is_the_mood_of_those_who_hold_it() -> None:
    roles = [person("ann", "-9d", roles=["champion"]), person("bob", "-9d", roles=["admin"])]
    letters = [*roles, letter(CROSS), letter(GLAD, contact="bob")]
    assert ask({**AVERAGE, "by": "champion", "lt": 0}, letters, "1d")
    assert not ask({**AVERAGE, "by": "admin", "lt": 0}, letters, "1d")


def test_evidence_holds_numbers_and_never_the_text() -> None:
    drop = {
        "all": [
            {**AVERAGE, "lt": 0},
            {"latest": HEARD, "where": {"text": {"contains": "export"}, "sentiment": {"lt": 0}}},
        ]
    }
    account = Account(playbook(signals=[signal("drop", when=drop)]))
    account.live(letter(CROSS))
    state = account.state.profile.signals["drop"]
    assert state.open
    assert "terrible" not in repr(state.evidence)
    assert "terrible" not in repr([told.data for each in account.reactions for told in each.events])


def test_a_play_may_start_at_an_angry_letter() -> None:
    from builders import play

    angry = play("calm", trigger={"event": HEARD, "where": {"sentiment": {"lte": -0.5}}})
    account = Account(playbook(angry))
    account.live(letter())
    account.live(letter(CROSS, "1h"))
    assert account.statuses() == ["active"]


# ── how a person writes ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GLAD, "brief warm"),
        ("Where is it?", "brief neutral"),
        ("word " * 40, "standard neutral"),
        ("word " * 119, "standard neutral"),
        ("word " * 120, "detailed neutral"),
        ("Thank you. " + "word " * 60, "standard warm"),
        ("Thanksgiving is near", "brief neutral"),
        ("Kaputt. THANKS", "brief warm"),
    ],
)
def test_the_tone_is_length_and_warmth(text: str, expected: str) -> None:
    assert tone(letter(text)) == expected


def test_who_never_wrote_has_no_tone() -> None:
    assert tone(person("ann")) is MISSING
    assert tone(person("ann"), letter(contact="bob")) is MISSING


def test_a_tone_we_were_told_goes_before_the_one_we_heard() -> None:
    assert tone(letter(), person("ann", "1h", tone="detailed neutral")) == "detailed neutral"
    assert tone(letter(), person("ann", "1h", tone=None)) == "brief warm"


def test_the_usual_letter_counts_not_the_longest() -> None:
    assert tone(letter("word " * 900), letter("Yes.", "1h"), letter("No.", "2h")) == "brief neutral"


def test_only_the_newest_letters_are_remembered() -> None:
    many = [letter("word " * 200, f"{hour}h") for hour in range(30)]
    short = [letter("Yes.", f"{100 + hour}h") for hour in range(REMEMBERED)]
    profile = folded([*many, *short], KEEPING)
    (kept,) = profile.measures.values()
    assert len(kept["ann"]) == REMEMBERED + 1
    assert kept["ann"][-1] == "brief neutral"


def test_the_tone_is_the_same_for_every_order_of_arrival() -> None:
    letters = [letter(), letter(CROSS), letter("word " * 300), letter("Das ist kaputt", "1h"), person("ann")]
    states = [folded(order, KEEPING, now=after_start("2h")).measures for order in permutations(letters)]
    assert all(state == states[0] for state in states)


def test_the_tone_is_readable_in_conditions_and_content() -> None:
    profile = folded([letter()], KEEPING)
    ann = profile.contacts["ann"]
    assert plain_contact(profile, ann, START)["tone"] == "brief warm"
    assert asked_of(profile, {"attribute": "contact.tone", "contains": "warm"})
    assert not asked_of(profile, {"attribute": "contact.tone", "is": "detailed warm"})


def asked_of(profile: Profile, condition: dict[str, Any]) -> bool | None:
    from signals.conditions import Moment, compile_condition

    return compile_condition(condition).test(Moment(profile, START, contact=profile.contacts["ann"]))[0]


def test_under_another_policy_the_tone_is_counted_anew_from_the_history() -> None:
    account = Account(playbook(policies={"tone": {"warm": ["thanks"], "brief_under_words": 40}}, stamp=1))
    letters = [letter(), letter("Yes.", "1h")]
    for each in letters:
        account.live(each)
    assert contact_tone(account.state.profile) == "brief warm"
    other = playbook(policies={"tone": {"warm": ["yes"], "brief_under_words": 1}}, stamp=2)
    profile = refill(account.state, letters, other, after_start("2h")).state.profile
    assert contact_tone(profile) == "detailed warm"
    assert len(profile.measures) == 1


def test_with_the_policy_off_no_tone_is_kept() -> None:
    account = Account(playbook())
    account.live(letter())
    assert account.state.profile.measures == {}
    assert contact_tone(account.state.profile) is MISSING


def contact_tone(profile: Profile) -> Any:
    return contact_value(profile, profile.contacts["ann"], ("tone",), START)
