"""Account states: what is locked, remembered, compared, and what people search by."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from builders import START, Account, attributes, event, person, play, playbook, segment, signal
from journeys.state import AccountState, pack
from journeys.store import accounts
from journeys.store.accounts import LostUpdate, lock_and_load, save
from journeys.store.database import Database
from journeys.store.reads.timeline import timeline
from journeys.store.tables import accounts as table
from journeys.store.tables import contacts, memberships, open_signals
from signals.instant import DAY, iso
from stores import rows

BOOK = playbook(
    signals=[signal("spike", when={"count": "support.ticket_opened", "in": "7d", "gte": 2})],
    segments=[segment("big", enter={"attribute": "account.plan", "is": "enterprise"})],
)


def keep(database: Database, *states: AccountState) -> None:
    """Save these in one transaction, as a batch does."""
    with database.write() as connection:
        before = lock_and_load(connection, [state.profile.id for state in states])
        save(connection, before, {state.profile.id: state for state in states}, START)


def load(database: Database, *ids: str) -> dict[str, accounts.Loaded]:
    with database.write() as connection:
        return lock_and_load(connection, ids)


def lived(*happened: object) -> AccountState:
    acme = Account(BOOK)
    for each in happened:
        acme.live(each)  # type: ignore[arg-type]
    return acme.state


def test_a_state_comes_back_as_it_was_and_its_version_counts(store: Database) -> None:
    state = lived(attributes(name="Acme"), person("ann", roles=["champion"]))
    keep(store, state)
    keep(store, lived(attributes(name="Acme 2")))
    store.kept.clear()
    loaded = load(store, "acme", "nobody")
    assert list(loaded) == ["acme"]
    assert loaded["acme"].version == 2
    assert loaded["acme"].state.profile.value("name") == "Acme 2"


def test_no_account_is_no_query(store: Database) -> None:
    assert load(store) == {}


def test_what_this_process_committed_is_not_read_again(store: Database) -> None:
    state = lived(attributes(name="Acme"))
    keep(store, state)
    assert load(store, "acme")["acme"].state is state


def test_what_another_process_committed_is_read_although_an_older_state_is_remembered(
    store: Database,
) -> None:
    keep(store, lived(attributes(name="Acme")))
    other = lived(attributes(name="Other"))
    with store.write() as connection:
        connection.execute(sa.update(table).values(version=2, **pack(other)._asdict()))
    assert load(store, "acme")["acme"].state.profile.value("name") == "Other"


def test_a_rollback_leaves_what_is_remembered_as_it_was(store: Database) -> None:
    first = lived(attributes(name="Acme"))
    keep(store, first)
    with pytest.raises(ZeroDivisionError):
        save_and_fail(store, lived(attributes(name="Lost")))
    assert load(store, "acme")["acme"].state is first


def save_and_fail(database: Database, state: AccountState) -> None:
    with database.write() as connection:
        save(connection, lock_and_load(connection, ["acme"]), {"acme": state}, START)
        raise ZeroDivisionError


def test_an_account_another_writer_created_meanwhile_is_a_lost_update(store: Database) -> None:
    keep(store, lived(attributes(name="Acme")))
    with pytest.raises(LostUpdate, match="created by another writer"), store.write() as connection:
        save(connection, {}, {"acme": lived(attributes(name="Mine"))}, START)
    store.kept.clear()
    assert load(store, "acme")["acme"].state.profile.value("name") == "Acme"


def test_a_state_saved_by_another_writer_meanwhile_is_a_lost_update(store: Database) -> None:
    """The lock keeps it from happening; that it would be seen is the second fence (I7)."""
    keep(store, lived(attributes(name="Acme")))
    old = load(store, "acme")
    keep(store, lived(attributes(name="Theirs")))
    with pytest.raises(LostUpdate), store.write() as connection:
        save(connection, old, {"acme": lived(attributes(name="Mine"))}, START)
    store.kept.clear()
    assert load(store, "acme")["acme"].state.profile.value("name") == "Theirs"


def test_two_writers_of_one_account_take_turns(shared_store: Database) -> None:
    keep(shared_store, lived(event("login")))
    both = threading.Barrier(2)

    def work(_: int) -> None:
        both.wait(10)
        for _ in range(10):
            with shared_store.write() as connection:
                before = lock_and_load(connection, ["acme"])
                acme = Account(BOOK)
                acme.state = before["acme"].state
                acme.happens("login")
                save(connection, before, {"acme": acme.state}, START)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    shared_store.kept.clear()
    assert load(shared_store, "acme")["acme"].version == 21


def test_more_accounts_than_a_statement_can_name_are_loaded_at_once(store: Database) -> None:
    keep(store, lived(event("login")))
    assert list(load(store, "acme", *(f"a{number}" for number in range(33_000)))) == ["acme"]


def test_segments_and_signals_are_searchable_while_they_hold(store: Database) -> None:
    acme = Account(BOOK)
    acme.live(attributes(plan="enterprise"))
    acme.happens("support.ticket_opened")
    acme.happens("support.ticket_opened", "1h")
    keep(store, acme.state)
    assert [row[:2] for row in rows(store, memberships)] == [("acme", "big")]
    assert [row[:2] for row in rows(store, open_signals)] == [("acme", "spike")]
    acme.live(attributes("1d", plan="free"))
    acme.until("9d")
    keep(store, acme.state)
    assert rows(store, memberships) == rows(store, open_signals) == []


def test_people_are_found_by_account_address_and_role(store: Database) -> None:
    keep(
        store,
        lived(
            person("ann", roles=["champion"], name="Ann 🦔", email="Ann@Example.com"),
            person("bob", email=None),
        ),
    )
    with store.read() as connection:
        found = connection.execute(sa.select(contacts).order_by(contacts.c.id)).all()
    assert [(row.id, row.email, row.name, row.roles, row.is_open) for row in found] == [
        ("ann", "Ann@Example.com", "Ann 🦔", ["champion"], True),
        ("bob", None, None, [], True),
    ]
    assert found[0].address_key is not None


def test_an_owner_too_long_for_an_index_is_cut_there_and_whole_in_the_state(store: Database) -> None:
    long = "".join(chr(0x4E00 + number % 20_000) for number in range(5_000))
    keep(store, lived(attributes(owner=long)))
    store.kept.clear()
    assert load(store, "acme")["acme"].state.profile.value("owner") == long
    with store.read() as connection:
        assert connection.execute(sa.select(table.c.owner)).scalar_one() == long[:255]


def test_what_is_due_is_found_the_longest_due_first(store: Database) -> None:
    for number, account in enumerate(("c", "a", "b")):
        with store.write() as connection:
            row = {
                "id": account,
                "version": 1,
                "state": b"",
                "known": b"",
                "due_at": START + number * DAY,
                "created_at": START,
            }
            row |= {"last_event_at": START, "live_journeys": 0, "name": None, "stage": None, "owner": None}
            connection.execute(sa.insert(table), [row])
    with store.write() as connection:
        assert accounts.due(connection, START + DAY, 10) == ["c", "a"]
        assert accounts.due(connection, START + 9 * DAY, 2) == ["c", "a"]
        assert accounts.due(connection, START - 1, 10) == []
        assert accounts.next_due(connection) == START
        assert accounts.after(connection, "", 2) == ["a", "b"]
        assert accounts.after(connection, "b", 2) == ["c"]


def test_an_instant_that_only_moves_away_is_not_written_until_it_comes(store: Database) -> None:
    """An index is touched where an account falls due sooner; one look in vain puts right what became later."""
    steps = [{"wait": {"for": "3d"}}, {"end": {}}]
    acme = Account(playbook(play(trigger={"event": "used"}, exit={"reached": "done"}, steps=steps)))
    acme.live(event("used"))
    keep(store, acme.state)
    assert found_due(store) == acme.state.due() == START + 3 * DAY
    acme.live(event("product.milestone_reached", "1d", milestone="done"))
    keep(store, acme.state)
    assert (found_due(store), acme.state.due()) == (START + 3 * DAY, None)
    with store.write() as connection:  # the look: nothing is due
        save(connection, lock_and_load(connection, ["acme"]), {"acme": acme.state}, START + 3 * DAY)
    assert found_due(store) is None


def found_due(database: Database) -> int | None:
    with database.read() as connection:
        return accounts.next_due(connection)


def test_the_time_line_shows_from_when_to_when_a_role_was_held(store: Database) -> None:
    ahead = {"role": "admin", "since": "2026-04-01T00:00:00Z"}
    left = event("crm.contact_left", "2d", contact="ann")
    keep(store, lived(person("ann", roles=["champion"]), person("ben", "1d", roles=[ahead]), left))
    with store.read() as connection:
        rows = timeline(connection, "acme", kinds=["role"])["items"]
    told = [(row["title"], row["at"]) for row in rows]
    assert told == [
        ("ann@example.com is champion no longer", iso(START + 2 * DAY)),
        ("ann@example.com became champion", iso(START)),
    ]


@pytest.mark.postgres
def test_an_account_somebody_works_on_is_left_to_them(pg_store: Database) -> None:
    keep(pg_store, lived(event("login")))
    with pg_store.write() as connection:
        connection.execute(sa.update(table).values(due_at=START))
    with pg_store.write() as mine, pg_store.write() as theirs:
        assert accounts.due(mine, START, 10) == ["acme"]
        assert accounts.due(theirs, START, 10) == []
