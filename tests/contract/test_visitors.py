"""Visitors and newcomers on every database: what they did waits, and is folded once when it is known whose it is."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import START
from journeys.scenarios.stage import fresh_database
from journeys.store import visitors
from journeys.store.accounts import LostUpdate
from journeys.store.database import Database
from journeys.store.tables import contacts, dead_letters, events, unassigned
from journeys.store.tables import visitors as visitors_table
from signals.feeds.port import Record
from signals.instant import DAY, HOUR, MINUTE, Instant, iso
from yard import service

PAGE = {"type": "page", "messageId": "page", "anonymousId": "anon", "timestamp": iso(START - DAY)}
TRACK = {"type": "track", "messageId": "track", "event": "Report Created", "userId": "ann"}
IDENTIFY = {
    "type": "identify",
    "messageId": "identify",
    "userId": "ann",
    "anonymousId": "anon",
    "traits": {"email": "ann@example.com"},
}
GROUP = {"type": "group", "messageId": "group", "userId": "ann", "groupId": "acme", "traits": {"plan": "pro"}}
NAMES = {"page", "track", "identify", "group"}


class Topic:
    """A topic of Segment calls and the service that reads it."""

    def __init__(self, database: Database, partition: str = "upstream/0") -> None:
        self.database, self._partition = database, partition
        self._offsets = count()
        self._service = service(database)

    def bring(self, *calls: dict[str, Any], at: Instant = START, alike: int = 1_000) -> None:
        """These come at this instant, so many in a batch."""
        lying = [
            Record(self._partition, next(self._offsets), orjson.dumps(call), received_at=at) for call in calls
        ]
        for start in range(0, len(lying), alike):
            self._take(lying[start : start + alike], at)

    def _take(self, batch: Sequence[Record], at: Instant) -> None:
        try:
            self._service.take(batch, at)
        except LostUpdate:  # as the worker does
            self._take(batch, at)

    def folded(self) -> list[tuple[str, str, str | None, Instant]]:
        """Every event: id, account, contact, time."""
        asked = sa.select(events.c.id, events.c.account, events.c.contact, events.c.time).order_by(
            events.c.id
        )
        with self.database.read() as connection:
            return [tuple(row) for row in connection.execute(asked)]

    def open_letters(self) -> list[str]:
        """Why what lies with the dead letters lies there."""
        asked = sa.select(dead_letters.c.reason).where(dead_letters.c.replayed_at.is_(None))
        with self.database.read() as connection:
            return sorted(connection.execute(asked).scalars())

    def waiting(self) -> int:
        """How many events wait."""
        with self.database.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(unassigned)).scalar_one())


def visit(number: int, anonymous: str = "anon", **more: Any) -> dict[str, Any]:
    """A visitor's page, this many minutes after the start of the day before."""
    at = iso(START - DAY + number * MINUTE)
    return {**PAGE, "messageId": f"v{number}", "anonymousId": anonymous, "timestamp": at, **more}


def signed_in(user: str, anonymous: str = "anon", number: int = 0, group: str = "acme") -> dict[str, Any]:
    """Somebody at an account signs in there, this many minutes after the start of the day before."""
    return {
        **IDENTIFY,
        "messageId": f"i-{user}-{anonymous}-{number}",
        "userId": user,
        "anonymousId": anonymous,
        "timestamp": iso(START - DAY + number * MINUTE),
        "traits": {},
        "context": {"groupId": group},
    }


def test_what_a_visitor_did_waits_and_is_no_dead_letter(store: Database) -> None:
    topic = Topic(store)
    topic.bring(PAGE)
    assert (topic.folded(), topic.open_letters(), topic.waiting()) == ([], [], 1)


def test_it_is_attached_with_its_own_time_when_the_visitor_signs_in(store: Database) -> None:
    topic = Topic(store)
    topic.bring(visit(1), visit(2), visit(3, "another"))
    topic.bring(signed_in("ann"), at=START + HOUR)
    assert topic.folded()[1:] == [(f"v{n}", "acme", "ann", START - DAY + n * MINUTE) for n in (1, 2)]
    assert topic.waiting() == 1


def test_it_is_attached_once_though_the_visitor_signs_in_again_and_the_batch_comes_again(
    store: Database,
) -> None:
    topic = Topic(store)
    for number in range(3):
        topic.bring(visit(1), signed_in("ann", number=5), visit(2), at=START + number * HOUR)
        topic.bring(signed_in("ann", number=6 + number), at=START + number * HOUR)
    assert [name for name, *_ in topic.folded() if name.startswith("v")] == ["v1", "v2"]
    assert (topic.open_letters(), topic.waiting()) == ([], 0)


def test_what_comes_after_the_visitor_is_known_is_theirs_at_once(store: Database) -> None:
    topic = Topic(store)
    topic.bring(signed_in("ann"))
    topic.bring(visit(9), visit(-9))
    assert [row[1:3] for row in topic.folded()] == [("acme", "ann")] * 3


def test_two_people_at_one_browser_stay_two(store: Database) -> None:
    """Each is the visitor from their sign-in on; who came first was also the one before."""
    topic = Topic(store)
    topic.bring(visit(1), signed_in("ann", number=10), visit(15), signed_in("bob", number=20), visit(25))
    topic.bring(visit(2), visit(16), visit(26))
    who = {name: contact for name, _, contact, _ in topic.folded()}
    assert [who[f"v{n}"] for n in (1, 2, 15, 16, 25, 26)] == ["ann", "ann", "ann", "ann", "bob", "bob"]


@pytest.mark.parametrize("order", [(1, 3, 2), (3, 2, 1), (2, 3, 1), (1, 2, 3)])
def test_who_was_there_when_does_not_depend_on_which_sign_in_is_heard_of_first(
    store: Database, order: tuple[int, ...]
) -> None:
    topic = Topic(store)
    users = {1: "ann", 2: "bob", 3: "ann"}
    for number in order:
        topic.bring(signed_in(users[number], number=10 * number))
    topic.bring(visit(5), visit(15), visit(25), visit(35))
    who = {name: contact for name, _, contact, _ in topic.folded()}
    assert [who[f"v{n}"] for n in (5, 15, 25, 35)] == ["ann", "ann", "bob", "ann"]


def test_the_same_id_with_other_content_is_a_conflict_while_it_waits_too(store: Database) -> None:
    topic = Topic(store)
    topic.bring(visit(1))
    topic.bring(visit(1), visit(1, name="Another"))
    assert (topic.open_letters(), topic.waiting()) == (["id_conflict"], 1)


def test_a_newcomer_is_a_dead_letter_until_they_are_seen_at_an_account(store: Database) -> None:
    topic = Topic(store)
    topic.bring(IDENTIFY, TRACK)
    assert (topic.open_letters(), topic.folded()) == (["no_account", "no_account"], [])
    topic.bring(GROUP)
    assert topic.open_letters() == []
    assert {(name, account, contact) for name, account, contact, _ in topic.folded()} == {
        (name, "acme", "ann") for name in ("identify", "track", "group")
    }
    with store.read() as connection:
        assert connection.execute(sa.select(contacts.c.email)).scalars().all() == ["ann@example.com"]


def test_a_visitor_waits_for_a_newcomer_who_waits_for_an_account(store: Database) -> None:
    topic = Topic(store)
    for call in (PAGE, IDENTIFY, TRACK, GROUP):
        topic.bring(call)
    assert {row[:3] for row in topic.folded()} == {(name, "acme", "ann") for name in NAMES}
    assert (topic.open_letters(), topic.waiting()) == ([], 0)


def test_a_contact_of_others_who_is_at_no_account_stays_a_dead_letter(store: Database) -> None:
    """Only Segment's libraries say who somebody is before they say where."""
    topic = Topic(store)
    cloud = {
        "specversion": "1.0",
        "id": "c",
        "source": "crm",
        "type": "crm.contact_updated",
        "contact": "ann",
    }
    topic.bring(cloud)
    topic.bring(GROUP)
    assert (topic.open_letters(), topic.waiting()) == (["no_account"], 0)


def test_an_alias_of_a_visitor_is_a_sign_in(store: Database) -> None:
    topic = Topic(store)
    topic.bring(GROUP, PAGE)
    topic.bring({"type": "alias", "messageId": "alias", "userId": "ann", "previousId": "anon"})
    assert ("page", "acme", "ann", START - DAY) in topic.folded()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.permutations([PAGE, IDENTIFY, TRACK, GROUP]), st.integers(1, 4), st.booleans())
def test_the_order_of_calls_and_the_size_of_batches_change_nothing(
    calls: list[dict[str, Any]], alike: int, again: bool
) -> None:
    """What the browser tells last closes it: whichever came first, all is ann's at acme, once."""
    database = fresh_database()
    topic = Topic(database)
    last = {**GROUP, "messageId": "last", "anonymousId": "anon"}
    topic.bring(*calls, *(calls if again else ()), last, alike=alike)
    assert {row[:3] for row in topic.folded()} == {(name, "acme", "ann") for name in (*NAMES, "last")}
    assert (topic.open_letters(), topic.waiting()) == ([], 0)
    database.close()


def test_what_nobody_claims_is_forgotten(store: Database) -> None:
    topic = Topic(store)
    topic.bring(visit(1))
    topic.bring(visit(2, "another"), at=START + visitors.KEPT)
    assert topic.waiting() == 2
    topic.bring(visit(3, "third"), at=START + visitors.KEPT + MINUTE)
    assert topic.waiting() == 2
    with store.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(visitors_table)).scalar() == 2


@pytest.mark.parametrize("calls", [(PAGE, signed_in("ann")), (TRACK, GROUP), (IDENTIFY, GROUP)])
def test_two_workers_leave_nothing_behind(
    shared_store: Database, calls: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """One keeps what somebody did while another learns who that is."""
    rounds = 12
    topics = [Topic(shared_store, f"upstream/{number}") for number in range(2)]
    ready = Barrier(2)

    def bring(number: int) -> None:
        for turn in range(rounds):
            own = {
                name: f"{calls[number][name]}{turn}"
                for name in ("userId", "anonymousId")
                if name in calls[number]
            }
            ready.wait(20)
            topics[number].bring({**calls[number], **own, "messageId": f"{number}-{turn}"})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(bring, range(2)))
    assert len(topics[0].folded()) == 2 * rounds
    assert (topics[0].open_letters(), topics[0].waiting()) == ([], 0)
