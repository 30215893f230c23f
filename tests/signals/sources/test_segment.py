"""Segment's calls to events: who, when, what (ecosystem §3.2, semantics §2)."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.event import Event, encode
from signals.instant import DAY, HOUR, MINUTE, SECOND, Instant, iso, parse_instant
from signals.problem import Problem
from signals.sources import cloudevents, mapped
from signals.sources.records import read_record
from signals.sources.segment import KINDS, SOURCE, Translator

NOW = parse_instant("2026-03-02T09:00:00Z")
TRANSLATOR = Translator()


def call(kind: str = "track", **members: Any) -> dict[str, Any]:
    """A call by a known user; `...` leaves a member out."""
    given = {"type": kind, "messageId": "m1", "userId": "ann", "event": "Report Created", **members}
    return {name: value for name, value in given.items() if value is not ...}


def read(kind: str = "track", **members: Any) -> Event:
    """The event of such a call."""
    (item,) = TRANSLATOR.call(call(kind, **members), NOW)
    assert isinstance(item, Event), item
    return item


def refused(kind: str = "track", **members: Any) -> Problem:
    """Why such a call gives no event."""
    (item,) = TRANSLATOR.call(call(kind, **members), NOW)
    assert isinstance(item, Problem), item
    return item


# ── what happened ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_track_is_an_event_of_its_contact_with_the_properties_as_data() -> None:
    event = read(properties={"report": "r1"}, context={"groupId": "acme"}, timestamp="2026-03-02T08:00:00Z")
    assert (event.id, event.source, event.type) == ("m1", SOURCE, "product.report_created")
    assert (event.contact, event.account, event.data) == ("ann", "acme", {"report": "r1"})
    assert event.time == NOW - HOUR


def test_an_identify_says_what_is_known_of_a_contact() -> None:
    traits = {"email": "ann@example.com", "firstName": "Ann", "last_name": "Lee", "createdAt": "2026-01-01"}
    event = read("identify", traits={**traits, "id": "ann", "favouriteColour": "red"}, anonymousId="anon")
    assert event.type == "crm.contact_updated"
    assert event.data["attributes"] == {
        "email": "ann@example.com",
        "first_name": "Ann",
        "last_name": "Lee",
        "name": "Ann Lee",
        "created_at": "2026-01-01",
        "favouriteColour": "red",
    }
    assert event.data["anonymous_id"] == "anon"


def test_a_name_that_is_given_is_not_made_of_its_parts() -> None:
    event = read("identify", traits={"name": "Dr Lee", "firstName": "Ann"})
    assert event.data["attributes"]["name"] == "Dr Lee"


def test_an_identify_takes_traits_from_where_rudderstack_puts_them() -> None:
    assert read("identify", context={"traits": {"plan": "pro"}}).data["attributes"] == {"plan": "pro"}


def test_an_identify_may_name_the_account_by_the_company() -> None:
    assert read("identify", traits={"company": {"id": 42}}).account == "42"
    assert read("identify", traits={"company": {"id": "x"}}, context={"groupId": "acme"}).account == "acme"


def test_an_identify_takes_zone_and_language_from_the_browser_where_no_trait_says_otherwise() -> None:
    context = {"timezone": "Europe/Berlin", "locale": "de-DE"}
    event = read("identify", context=context, traits={"locale": "en"})
    assert event.data["attributes"] == {"timezone": "Europe/Berlin", "locale": "en"}
    assert read("identify", context={"timezone": "Mars/Base", "locale": 7}).data["attributes"] == {}


def test_a_group_says_what_is_known_of_an_account_and_that_the_user_belongs_to_it() -> None:
    event = read("group", groupId="acme", traits={"name": "Acme", "createdAt": "2025-01-01"})
    assert (event.type, event.account, event.contact) == ("crm.account_updated", "acme", "ann")
    assert event.data == {"attributes": {"name": "Acme", "created_at": "2025-01-01"}}


def test_a_page_says_where_and_what() -> None:
    seen = {"path": "/pricing", "url": "https://example.com/pricing", "title": "Pricing", "search": ""}
    event = read(
        "page", name="Pricing", category="Docs", context={"page": seen}, properties={"title": "Ours"}
    )
    assert event.type == "product.page_viewed"
    assert event.data == {
        "path": "/pricing",
        "url": "https://example.com/pricing",
        "title": "Ours",
        "name": "Pricing",
        "category": "Docs",
    }


def test_a_screen_is_a_screen() -> None:
    event = read("screen", name="Home", properties={"tab": 2})
    assert (event.type, event.data) == ("product.screen_viewed", {"name": "Home", "tab": 2})


def test_an_alias_says_that_the_previous_id_is_the_user() -> None:
    event = read("alias", previousId="anon")
    assert (event.type, event.contact, event.data) == ("crm.contact_merged", "ann", {"from": "anon"})


def test_what_an_order_was_worth_is_where_the_profile_looks_for_it() -> None:
    event = read(event="Order Completed", properties={"order_id": "o1", "revenue": 25, "total": 30.5})
    assert event.type == "billing.order_placed"
    assert event.data == {"order_id": "o1", "revenue": 25, "total": 30.5, "order": "o1", "amount": 30.5}


# ── who ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_visitor_is_named_in_the_data_and_nobody_else_is() -> None:
    event = read(userId=None, anonymousId="anon", properties={"anonymous_id": "somebody else"})
    assert (event.account, event.contact) == (None, None)
    assert event.data["anonymous_id"] == "anon"


def test_what_a_known_user_does_says_nothing_of_the_browser() -> None:
    assert "anonymous_id" not in read(anonymousId="anon").data


@pytest.mark.parametrize(
    ("given", "meant"), [(7, "7"), (7.0, "7"), ("  ann ", "ann"), ("ann@x.org", "ann@x.org")]
)
def test_ids_are_text_whatever_a_library_made_of_them(given: Any, meant: str) -> None:
    assert read(userId=given).contact == meant


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"userId": None}, "/userId"),
        ({"userId": ""}, "/userId"),
        ({"userId": {"id": 1}}, "/userId"),
        ({"userId": True}, "/userId"),
        ({"userId": "a b/../c"}, "/userId"),
        ({"event": ...}, "/event"),
        ({"event": "  "}, "/event"),
        ({"event": 5}, "/event"),
        ({"messageId": "m" * 256}, "/messageId"),
        ({"messageId": 5}, "/messageId"),
        ({"type": "charge"}, "/type"),
        ({"type": ["track"]}, "/type"),
        ({"type": "group"}, "/groupId"),
        ({"type": "alias"}, "/previousId"),
        ({"type": "alias", "previousId": "x", "userId": None, "anonymousId": "y"}, "/userId"),
        ({"timestamp": "2026-03-02T09:06:00Z"}, "/timestamp"),
    ],
)
def test_a_call_that_cannot_be_anybodys_says_what_it_lacks(members: dict[str, Any], pointer: str) -> None:
    kind = members.pop("type", "track")
    assert refused(kind, **members).pointer == pointer


# ── when ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_wrong_clock_is_taken_out_of_the_time() -> None:
    """It happened a minute before it was sent, whatever the device took the time to be (semantics §2)."""
    for wrong in (-400 * DAY, -3 * HOUR, 0, 3 * HOUR, 400 * DAY):
        event = read(timestamp=iso(NOW + wrong - MINUTE), sentAt=iso(NOW + wrong))
        assert event.time == NOW - MINUTE
        assert event.sent_time == NOW + wrong - MINUTE


def test_the_same_call_sent_again_later_is_the_same_content() -> None:
    one = read(timestamp=iso(NOW - MINUTE), sentAt=iso(NOW))
    again = read(timestamp=iso(NOW - MINUTE), sentAt=iso(NOW + 3 * SECOND))
    assert one.time != again.time
    assert (one.key, one.content_hash) == (again.key, again.content_hash)


def test_what_segment_sends_on_has_been_corrected_before() -> None:
    times = {"originalTimestamp": iso(NOW - DAY), "sentAt": iso(NOW - DAY), "receivedAt": iso(NOW - HOUR)}
    assert read(timestamp=iso(NOW - 2 * HOUR), **times).time == NOW - 2 * HOUR


def test_without_a_time_it_is_when_it_came() -> None:
    event = read(sentAt=iso(NOW - DAY))
    assert (event.time, event.timed) == (NOW, False)


@pytest.mark.parametrize("useless", ["yesterday", 1767225600, "", None, [], "2026-02-30T00:00:00Z"])
def test_a_time_that_is_none_is_as_good_as_missing(useless: Any) -> None:
    assert read(timestamp=useless).time == NOW
    assert read(timestamp="2026-03-02T08:00:00", sentAt=useless).time == NOW - HOUR


def test_a_call_that_lay_in_a_topic_is_corrected_by_when_it_came() -> None:
    value = orjson.dumps(call(timestamp=iso(NOW - MINUTE), sentAt=iso(NOW)))
    (item,) = read_record(value, (), NOW + DAY, TRANSLATOR._replace(came=NOW + SECOND))
    assert isinstance(item, Event)
    assert item.time == NOW + SECOND - MINUTE


def test_a_corrected_time_and_a_property_named_like_ours_survive_the_way_over_kafka() -> None:
    sent = read(
        timestamp=iso(NOW + HOUR),
        sentAt=iso(NOW + HOUR + MINUTE),
        properties={"account_id": 5, "contact_id": "x"},
    )
    (back,) = cloudevents.read_record(encode(sent), (), NOW)
    assert back == sent


# ── leniency ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "member", ["properties", "traits", "context", "integrations", "options", "timestamp"]
)
@pytest.mark.parametrize("useless", [None, 5, "text", [1], True])
@pytest.mark.parametrize("kind", KINDS)
def test_what_need_not_be_there_may_be_anything(kind: str, member: str, useless: Any) -> None:
    assert read(kind, groupId="acme", previousId="p", **{member: useless}).contact == "ann"


def test_the_context_of_a_batch_holds_for_every_call_that_does_not_say_otherwise() -> None:
    batch = {
        "context": {"groupId": "acme", "locale": "de"},
        "sentAt": iso(NOW + DAY),
        "batch": [call(timestamp=iso(NOW + DAY)), call(messageId="m2", context={"groupId": "globex"})],
    }
    one, two = TRANSLATOR.read(batch, NOW)
    assert isinstance(one, Event)
    assert isinstance(two, Event)
    assert (one.account, one.time, two.account) == ("acme", NOW, "globex")


def test_a_bad_call_spoils_only_itself() -> None:
    items = TRANSLATOR.read({"batch": [call(), 5, None, call(event=""), call(messageId="m2")]}, NOW)
    assert [type(item) for item in items] == [Event, Problem, Problem, Problem, Event]


def test_a_call_without_an_id_gets_one_that_it_has_again() -> None:
    one, again = read(messageId=...), read(messageId=None)
    assert one.id == read(messageId=...).id
    assert len(one.id) == len(again.id) == 32
    assert read(messageId=..., userId="bob").id != one.id


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = (
    *("messageId", "userId", "anonymousId", "groupId", "previousId", "event", "name", "category"),
    *("properties", "traits", "context", "timestamp", "originalTimestamp", "receivedAt", "sentAt", "batch"),
)


@settings(deadline=None)  # the first to name a zone reads the list of them
@given(
    st.dictionaries(st.sampled_from(MEMBERS), JSON | st.just("2026-03-02T08:00:00Z") | st.just("ann")),
    st.sampled_from([*KINDS, None, "x"]),
)
def test_nothing_that_is_json_breaks_it(members: dict[str, Any], kind: str | None) -> None:
    for item in TRANSLATOR.read({**members, "type": kind}, NOW):
        if isinstance(item, Event):
            assert encode(item)
            assert 0 < len(item.id) <= 255
        else:
            assert item.detail


@given(st.integers(-(10**6), 10**6), st.integers(0, 10**6))
def test_only_the_span_between_happening_and_sending_counts(wrong: int, span: int) -> None:
    clock: Instant = NOW + wrong * SECOND
    assert read(timestamp=iso(clock - span * SECOND), sentAt=iso(clock)).time == NOW - span * SECOND


# ── a mapping of one's own ─────────────────────────────────────────────────────────────────────────────────────


def by_mapping(*rules: dict[str, Any], **more: Any) -> Translator:
    """A translator that goes by these rules before the shipped names."""
    return Translator(
        mapped.compile(mapped.Mapping.model_validate({"key": "segment", "each": list(rules), **more}))
    )


UPGRADED = {
    "when": {"event": "Plan Upgraded"},
    "type": "billing.subscription_changed",
    "id": "messageId",
    "data": {"plan": "properties.to"},
}


def test_a_mapping_goes_before_the_shipped_names_and_leaves_who_and_when() -> None:
    message = call(event="Plan Upgraded", properties={"to": "pro"}, timestamp="2026-03-01", messageId=...)
    (event,) = by_mapping(UPGRADED).call(message, NOW)
    assert isinstance(event, Event)
    assert (event.type, event.data) == ("billing.subscription_changed", {"plan": "pro"})
    assert (event.contact, event.time) == ("ann", parse_instant("2026-03-01"))


def test_what_no_rule_takes_goes_by_the_shipped_names() -> None:
    (event,) = by_mapping(UPGRADED).call(call(), NOW)
    assert isinstance(event, Event)
    assert event.type == "product.report_created"


def test_a_mapping_may_leave_a_call_out_or_make_several_events_of_it() -> None:
    twice = {**UPGRADED, "id": "{messageId}-seats", "type": "billing.seats_changed", "data": {}}
    ours = by_mapping(UPGRADED, twice, ignore=[{"event": "Heartbeat"}])
    assert ours.call(call(event="Heartbeat"), NOW) == []
    both = ours.read({"batch": [call(event="Plan Upgraded", properties={"to": "pro"})]}, NOW)
    assert [(item.id, item.type) for item in both if isinstance(item, Event)] == [
        ("m1", "billing.subscription_changed"),
        ("m1-seats", "billing.seats_changed"),
    ]


def test_a_rule_that_fails_says_so() -> None:
    needs = {**UPGRADED, "data": {"plan": {"field": "properties.to", "missing": "refuse"}}}
    (problem,) = by_mapping(needs).call(call(event="Plan Upgraded"), NOW)
    assert isinstance(problem, Problem)
    assert "properties.to" in problem.detail


# ── topics ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_topic_may_hold_segment_calls_and_batches_beside_cloudevents() -> None:
    ours = read()
    (one,) = read_record(orjson.dumps(call()), (), NOW)
    two = read_record(orjson.dumps({"batch": [call(), call(messageId="m2")]}), (), NOW)
    (three,) = read_record(encode(ours), (("content-type", b"application/cloudevents+json"),), NOW)
    assert one == two[0] == three == ours
    assert len(two) == 2


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", "malformed"),
        (b"[]", "unsupported_media_type"),
        (b'{"type": "track"}', "unsupported_media_type"),
        (b'{"type": "order", "userId": "ann"}', "unsupported_media_type"),
        (b'{"specversion": "1.0"}', "invalid"),
        (b'{"type": "track", "userId": "ann"}', "invalid"),
        (b'{"userId":"' + b"x" * 600_000 + b'"}', "too_large"),
        (None, "tombstone"),
    ],
)
def test_a_record_that_is_neither_says_so(value: bytes | None, reason: str) -> None:
    (problem,) = read_record(value, (), NOW)
    assert isinstance(problem, Problem)
    assert problem.reason == reason
