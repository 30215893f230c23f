"""What reactions leave behind, keys and the library: written once, read the same, on every database."""

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from builders import START, event
from channels.message import Message, Reason, Status
from journeys.definitions import parse
from journeys.journey import decide
from journeys.store import audit, braking, consent, outcomes, sending
from journeys.store.database import Database
from journeys.store.keys import Keys
from journeys.store.library import Library
from journeys.store.tables import consents, decisions, events, messages, suppressions
from signals.instant import DAY, HOUR, MINUTE
from stores import rows

MANY = 30
"""Enough for COPY."""


def message(number: int, **about: object) -> Message:
    given = {
        "id": f"m{number:03}", "journey": "j1", "play": "calm", "version": 1, "step": "1", "account": "acme",
        "contact": "ann", "address": "ann@example.com", "channel": "email", "content": "sorry",
        "due_at": START, "next_attempt_at": START,
    }  # fmt: skip
    return Message(**{**given, **about})  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, MANY])
def test_a_message_comes_back_as_it_was_and_one_that_exists_is_left_alone(
    store: Database, count: int
) -> None:
    made = [message(number, topic="🦔\t\\", valid_until=START + DAY) for number in range(count)]
    with store.write() as connection:
        outcomes.insert_messages(connection, made)
        outcomes.insert_messages(connection, [replace(each, status=Status.SENT) for each in made])
        assert sending.load_waiting(connection, [each.id for each in made]) == made


@pytest.mark.parametrize("count", [1, MANY])
def test_a_decision_written_twice_is_one_row(store: Database, count: int) -> None:
    made = [decide(START, "acme", "start", "started", None, play=f"p{number}") for number in range(count)]
    for _ in range(2):
        with store.write() as connection:
            outcomes.save_decisions(connection, [*made, made[0]])
    assert len(rows(store, decisions)) == count


def test_messages_of_an_ended_journey_die_with_it_unless_they_were_handed_over(store: Database) -> None:
    made = [message(0), message(1, status=Status.HELD), message(2), message(3, journey="j2")]
    with store.write() as connection:
        outcomes.insert_messages(connection, made)
        sending.save_moves(connection, [sending.Move(made[2], "handed", charged_at=START)])
        outcomes.cancel_messages(connection, ["j1"], START + HOUR)
        outcomes.cancel_messages(connection, [], START)
        found = connection.execute(sa.select(messages.c.status).order_by(messages.c.id)).scalars().all()
    assert found == ["cancelled", "cancelled", "queued", "queued"]
    assert [(row[10], row[11]) for row in rows(store, decisions)] == [("cancelled", "journey_ended")] * 2


def test_consent_and_suppression_follow_what_people_and_providers_say(store: Database) -> None:
    said = [
        event("engagement.unsubscribed", contact="ann", topic="tips"),
        event("engagement.complained", contact="ann"),
        event("engagement.subscribed", "1h", contact="bob"),
    ]
    with store.write() as connection:
        consent.save_consents(connection, said, {"ann": "Ann@example.com", "bob": "bob@example.com"})
    assert rows(store, consents) == [
        ("ann", "email", "tips", "ann", False, START),
        ("bob", "email", "", "bob", True, START + HOUR),
    ]
    assert {(row[1], row[2]) for row in rows(store, suppressions)} == {("complaint", "ann")}
    with store.write() as connection:
        lifted = event("contact.unsuppressed", contact="ann")
        consent.save_consents(connection, [lifted], {"ann": "ann@example.com"})
    assert rows(store, suppressions) == []


def test_an_event_comes_back_as_it_was_in_the_order_of_time(store: Database) -> None:
    happened = [event("a.b", "1h", contact="ann", deep=[{"x": None, "y": 1.5, "z": "\\🦔"}]), event("a.c")]
    with store.write() as connection:
        connection.execute(sa.insert(events), [outcomes.event_row(each, "acme", False) for each in happened])
        assert outcomes.histories(connection, ["acme", "none"]) == {"acme": happened[::-1]}
        assert outcomes.known_hashes(connection, [each.key for each in happened]) == {
            each.key: each.content_hash for each in happened
        }


def test_due_messages_come_by_rank_and_only_those_nobody_has(store: Database) -> None:
    made = [
        message(0, priority=10),
        message(1, priority=90, next_attempt_at=START + MINUTE),
        message(2, next_attempt_at=START + DAY),
        message(3, next_attempt_at=None, status=Status.HELD),
    ]
    with store.write() as connection:
        outcomes.insert_messages(connection, made)
        assert sending.due_messages(connection, START + HOUR, 10) == [
            ("m001", "acme", "email"),
            ("m000", "acme", "email"),
        ]
        assert sending.due_messages(connection, START + HOUR, 1) == [("m001", "acme", "email")]
        assert sending.next_message_due(connection) == START
        sending.save_moves(connection, [sending.Move(made[1], "claimed")])
        assert sending.due_messages(connection, START + HOUR, 10) == [("m000", "acme", "email")]


def test_what_is_held_for_an_account_is_woken_with_it(store: Database) -> None:
    held = {"status": Status.HELD, "reason": Reason.ACCOUNT_HOLD, "next_attempt_at": START + DAY}
    with store.write() as connection:
        outcomes.insert_messages(connection, [message(0, **held), message(1, account="other", **held)])
        sending.wake_held(connection, "account_hold", START, accounts=["acme"])
        assert sending.due_messages(connection, START, 10) == [("m000", "acme", "email")]


def test_the_ledger_has_what_was_sent_suppressed_and_allowed(store: Database) -> None:
    sent = message(0, status=Status.SENT, sent_at=START)
    with store.write() as connection:
        outcomes.insert_messages(connection, [sent, message(1)])
        sending.save_moves(connection, [sending.Move(sent, "settled", charged_at=START)])
        connection.execute(
            sa.insert(suppressions), [{"address_key": "k", "cause": "manual", "contact": None, "at": START}]
        )
        ledger = sending.load_ledger(connection, [message(1)], ["k", "none"], START + HOUR)
    assert [each.message for each in ledger.charges_by_contact["ann"]] == ["m000"]
    assert [each.at for each in ledger.charges_by_account["acme"]] == [START]
    assert [each.id for each in ledger.queued["ann"]] == ["m001"]
    assert (ledger.suppressed, ledger.stopped) == ({"k": "manual"}, False)


def test_a_key_opens_until_it_is_revoked_and_is_never_shown_again(store: Database) -> None:
    keys = Keys(store)
    key = keys.create("ci", ["ingest"], START)
    caller = keys.find(key)
    assert caller is not None
    assert (caller.name, caller.may("ingest"), caller.may("admin")) == ("ci", True, False)
    assert keys.find(key + "x") is None
    assert key not in str(keys.list())
    assert keys.revoke(caller.id, START)
    assert not keys.revoke(caller.id, START)
    assert keys.find(key) is None
    with pytest.raises(ValueError, match="scopes are ingest"):
        keys.create("no", ["root"], START)


def test_a_definition_gets_a_version_where_it_differs_and_each_change_a_stamp(store: Database) -> None:
    library = Library(store)
    one = parse("signals", {"key": "spike", "when": {"count": "a.b", "in": "7d", "gte": 3}})
    two = parse("signals", {"key": "spike", "when": {"count": "a.b", "in": "7d", "gte": 4}})
    assert [each.version for each in library.put([one], START)] == [1]
    assert [each.version for each in library.put([one, two], START)] == [1, 2]
    assert library.stamp() == (0, False)
    assert library.activate(library.put([two], START), START, current=True) == 1
    assert library.stamp() == (1, True)
    assert [(each.key, each.version, each.fresh) for each in library.live()] == [("spike", 2, True)]
    assert library.set_status("signals", "spike", "paused", START)
    assert not library.set_status("signals", "none", "paused", START)
    assert library.stamp() == (2, False)
    assert [each["version"] for each in library.versions("signals", "spike")] == [2, 1]


def test_sends_are_counted_by_play_and_what_never_went_is_not(store: Database) -> None:
    ended = [
        message(0, status=Status.SENT),
        message(1, status=Status.FAILED, reason=Reason.PERMANENT),
        message(2, status=Status.FAILED, reason=Reason.MISSING_FACT),
        message(3, status=Status.SUPPRESSED, reason=Reason.UNSUBSCRIBED),
        message(4, status=Status.SENT, play="other"),
    ]
    with store.write() as connection:
        assert braking.count(connection, ended) == {"calm": (2, 1), "other": (1, 0)}
        braking.count_bounces(connection, [message(0, status=Status.FAILED, reason=Reason.BOUNCED)])
        braking.count_bounces(connection, [message(4, status=Status.DELIVERED)])
    with store.write() as connection:
        assert braking.count(connection, [message(5, status=Status.SENT)]) == {"calm": (3, 2)}
        braking.forget(connection, ["calm"])
        assert braking.count(connection, ended[:1]) == {"calm": (1, 0)}
        assert braking.count(connection, []) == {}


def test_every_change_of_a_definition_is_one_link_of_the_audit(store: Database) -> None:
    library = Library(store)
    one = parse("signals", {"key": "spike", "when": {"count": "a.b", "in": "7d", "gte": 3}})
    library.activate(library.put([one], START, "ada"), START, actor="bob")
    library.set_status("signals", "spike", "archived", START + DAY, "cleo", "of no use")
    found = library.audited(10, None)["items"]
    assert [(row["actor"], row["action"], row["about"]) for row in found] == [
        ("cleo", "archive", "signals/spike"),
        ("bob", "activate", "signals/spike"),
        ("ada", "draft", "signals/spike"),
    ]
    assert found[0]["detail"] == {"version": 1, "was": "active", "reason": "of no use"}
    with store.read() as connection:
        assert audit.broken(connection) is None
