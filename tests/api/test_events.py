"""Good events at the public door: every mode, what 202 promises, and what becomes of a request made twice."""

import json
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient

from api.house import House, MakeHouse
from journeys.api.idempotency import Idempotency
from journeys.ingest import GroupCommit
from journeys.store.database import Database
from journeys.store.keys import Caller
from journeys.store.log import EmbeddedLog
from signals.event import Event, unpack
from signals.instant import DAY, HOUR, MINUTE

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
EMPTY = {"accepted": 0, "duplicates": 0, "rejected": []}


def event(number: int | str = 1, **changed: Any) -> dict[str, Any]:
    """An event as a structured CloudEvent."""
    told = {"specversion": "1.0", "id": f"e{number}", "source": "tests", "type": "product.login"}
    return {**told, "account": "acme", "contact": "ann", "data": {"n": number}, **changed}


def post(house: House, body: Any, kind: str = STRUCTURED, **headers: str) -> Any:
    """One request to the ingest route."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return house.http.post(
        "/v1/events", content=sent, headers={**house.signed("ingest"), "content-type": kind, **headers}
    )


def logged(house: House) -> list[Event]:
    """What is in the log, in order."""
    with sqlite3.connect(house.folder / "journeys.db") as connection:
        rows = connection.execute('SELECT body FROM log ORDER BY "partition", "offset"').fetchall()
    connection.close()
    return [unpack(raw).event for (raw,) in rows]


# ── modes ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_structured_event_is_taken(house: House) -> None:
    answer = post(house, event())
    assert (answer.status_code, answer.headers["content-type"]) == (202, "application/json")
    assert answer.json() == {**EMPTY, "accepted": 1}


def test_a_batch_is_taken_in_order(house: House) -> None:
    assert post(house, [event(number) for number in range(5)], BATCH).json() == {**EMPTY, "accepted": 5}
    assert [found.id for found in logged(house)] == [f"e{number}" for number in range(5)]


def test_a_binary_event_is_taken(house: House) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "b%C3%A9", "ce-source": "tests", "ce-type": "product.login"}
    answer = post(house, {"n": 1}, "application/json", **headers, **{"ce-account": "acme"})
    assert answer.json() == {**EMPTY, "accepted": 1}
    (found,) = logged(house)
    assert (found.id, found.account, found.data) == ("bé", "acme", {"n": 1})


def test_a_binary_event_needs_no_data(house: House) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "b1", "ce-source": "tests", "ce-type": "product.login"}
    assert post(house, b"", "", **headers, **{"ce-account": "acme"}).json()["accepted"] == 1


def test_the_same_event_in_another_mode_is_the_same_event(house: House) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "e1", "ce-source": "tests", "ce-type": "product.login"}
    post(house, event())
    answer = post(
        house, {"n": 1}, "application/json", **headers, **{"ce-account": "acme", "ce-contact": "ann"}
    )
    assert answer.json() == {**EMPTY, "duplicates": 1}


def test_account_and_contact_may_stand_in_the_data(house: House) -> None:
    post(house, event(account=None, contact=None, data={"account_id": "acme", "contact_id": "ann"}))
    (found,) = logged(house)
    assert (found.account, found.contact) == ("acme", "ann")


def sdk_event() -> CloudEvent:
    """An event made by the CloudEvents SDK."""
    attributes = {
        "id": "sdk-1",
        "source": "//crm.example.com/è",
        "type": "crm.account_updated",
        "time": datetime(2026, 3, 2, 8, tzinfo=UTC),
        "datacontenttype": "application/json",
        "subject": "acme",
        "account": "acme",
    }
    return CloudEvent(attributes=attributes, data={"attributes": {"plan": "pro", "name": "Ä & Co"}})


@pytest.mark.parametrize("to_http", [to_structured_event, to_binary_event], ids=["structured", "binary"])
def test_the_cloudevents_sdk_is_understood(house: House, to_http: Any) -> None:
    message = to_http(sdk_event())
    answer = house.http.post(
        "/v1/events", content=message.body, headers={**message.headers, **house.signed("ingest")}
    )
    assert answer.json() == {**EMPTY, "accepted": 1}, answer.text
    assert logged(house)[0].source == "//crm.example.com/è"
    house.fold()
    assert house.get("/v1/accounts/acme")["attributes"]["plan"] == "pro"
    assert house.get("/v1/accounts/acme")["name"] == "Ä & Co"


# ── durable ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_answered_202_is_there_when_the_database_is_opened_again(make_house: MakeHouse) -> None:
    before = make_house()
    post(before, [event(number) for number in range(20)], BATCH)
    before.close()
    after = make_house()
    assert [found.id for found in logged(after)] == [f"e{number}" for number in range(20)]
    assert after.fold() == 20
    assert post(after, event(7)).json()["duplicates"] == 1


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 0)], ids=["FULL", "OFF"])
def test_a_commit_is_on_the_disk_before_202_unless_told_otherwise(
    tmp_path: Path, durable: bool, synchronous: int
) -> None:
    """`durable` is the default of a service; tests do without (guarantees "SQLite" 4)."""
    database = Database(f"sqlite:///{tmp_path / 'other.db'}", **({} if durable else {"durable": False}))
    with database.write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == synchronous
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    database.close()


@pytest.mark.slow
def test_sixteen_threads_lose_and_double_nothing(house: House) -> None:
    """Half of what each thread sends is sent by its neighbour too: one of the two is a duplicate."""
    house.key("ingest")
    start = threading.Barrier(16)

    def send(thread: int) -> list[dict[str, Any]]:
        start.wait(10)
        mine = [f"{(thread + step % 2) % 16}-{step // 2}" for step in range(20)]
        return [post(house, event(number)).json() for number in mine]

    with ThreadPoolExecutor(16) as pool:
        answers = [told for found in pool.map(send, range(16)) for told in found]
    assert sum(told["accepted"] for told in answers) == 160
    assert sum(told["duplicates"] for told in answers) == 160
    assert sorted(found.id for found in logged(house)) == sorted(
        f"e{thread}-{number}" for thread in range(16) for number in range(10)
    )
    assert house.fold() == 160
    assert house.counts()["events"] == 160


class GatedLog(EmbeddedLog):
    """A log that lets its first writer in only when told."""

    def __init__(self, database: Any) -> None:
        super().__init__(database)
        self.entered, self.go = threading.Event(), threading.Event()
        self.commits: list[int] = []

    def append(self, batch: Any, history: bool = False) -> Any:
        self.commits.append(len(batch))
        self.entered.set()
        self.go.wait(10)
        return super().append(batch, history)


def test_requests_that_come_while_one_commits_share_the_next_commit(house: House) -> None:
    log = GatedLog(house.database)
    group, now = GroupCommit(log), house.clock()
    told = [Event(str(number), "tests", "product.login", now, "acme") for number in range(9)]
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(group.accept, told[:1])
        assert log.entered.wait(10)
        others = [pool.submit(group.accept, [each]) for each in told[1:]]
        while len(group._queue) < len(others):
            sleep(0)  # nothing is waited for but the other threads' turn
        log.go.set()
        assert [future.result(10) for future in [first, *others]] == [["new"]] * 9
    assert log.commits == [1, 8]


def fill(house: House) -> None:
    """From here on the file of the database cannot grow: SQLITE_FULL, as on a full disk."""
    with house.database.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def empty(house: House) -> None:
    """There is room again."""
    with house.database.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1073741823")


LARGE = [event(number, data={"text": "x" * 20_000}) for number in range(40)]


def test_a_log_that_cannot_be_written_is_503_and_nothing_is_kept(house: House) -> None:
    post(house, event("before"))
    fill(house)
    answer = post(house, LARGE, BATCH)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert "nothing was taken" in answer.json()["detail"]
    ready = house.http.get("/readyz")
    assert (ready.status_code, list(ready.json()["trouble"])) == (503, ["ingest"])
    assert [found.id for found in logged(house)] == ["ebefore"]
    empty(house)
    assert post(house, LARGE, BATCH).json() == {**EMPTY, "accepted": 40}
    assert house.http.get("/readyz").status_code == 200


def test_a_503_forgets_its_idempotency_key(house: House) -> None:
    key = {"idempotency-key": "k1"}
    post(house, event("before"), **{"idempotency-key": "warm"})
    fill(house)
    assert post(house, LARGE, BATCH, **key).status_code == 503
    empty(house)
    answer = post(house, LARGE, BATCH, **key)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 40)
    assert "idempotency-replayed" not in answer.headers


# ── Idempotency-Key ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_request_with_its_key_gets_the_same_answer(house: House) -> None:
    first = post(house, event(), **{"idempotency-key": '"k1"'})
    again = post(house, event(), **{"idempotency-key": "k1"})
    assert first.json() == again.json() == {**EMPTY, "accepted": 1}
    assert again.status_code == 202
    assert again.headers["idempotency-replayed"] == "true"


def test_a_refusal_is_replayed_as_what_it_was(house: House) -> None:
    key = {"idempotency-key": "k1"}
    first, again = (post(house, event(time="yesterday"), **key) for _ in range(2))
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "other",
    [
        lambda house: post(house, event(2), **{"idempotency-key": "k1"}),
        lambda house: post(house, [event(1)], BATCH, **{"idempotency-key": "k1"}),
        lambda house: post(house, event(1), f"{STRUCTURED}; charset=utf-8", **{"idempotency-key": "k1"}),
    ],
    ids=["other body", "a batch", "other content type"],
)
def test_a_key_used_for_another_request_is_422(house: House, other: Any) -> None:
    post(house, event(1), **{"idempotency-key": "k1"})
    answer = other(house)
    assert answer.status_code == 422
    assert "another request" in answer.json()["detail"]


def test_in_the_binary_mode_the_headers_are_part_of_the_request(house: House) -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-source": "tests",
        "ce-type": "product.login",
        "ce-account": "acme",
    }
    key = {"idempotency-key": "k1"}
    assert post(house, b"{}", "application/json", **headers, **key, **{"ce-id": "1"}).status_code == 202
    assert post(house, b"{}", "application/json", **headers, **key, **{"ce-id": "2"}).status_code == 422


def test_a_key_belongs_to_who_sent_it(house: House) -> None:
    post(house, event(1), **{"idempotency-key": "k1"})
    answer = post(house, event(2), **{"idempotency-key": "k1", **house.signed("admin")})
    assert answer.json() == {**EMPTY, "accepted": 1}


def test_a_key_is_kept_for_a_day(house: House) -> None:
    post(house, event(1), **{"idempotency-key": "k1"})
    house.clock.at += 23 * HOUR
    assert post(house, event(2), **{"idempotency-key": "k1"}).status_code == 422
    house.clock.at += DAY
    assert post(house, event(2), **{"idempotency-key": "k1"}).status_code == 202


@pytest.mark.parametrize("key", ["", '""', "x" * 300])
def test_a_key_of_no_use_is_400(house: House, key: str) -> None:
    assert post(house, event(), **{"idempotency-key": key}).status_code == 400


def test_b28_a_request_that_is_still_running_is_409(house: House) -> None:
    """The first request stands at a gate; the second comes meanwhile, and a third after a minute's silence."""
    idempotency, caller = Idempotency(house.database, house.clock), Caller("1", "tests", ("ingest",))
    inside, go = threading.Event(), threading.Event()
    app = FastAPI()

    @app.post("/slow")
    def slow(request: Request) -> Response:
        def act() -> Response:
            inside.set()
            go.wait(10)
            return Response(b"{}", 201, None, "application/json")

        return idempotency.once(request, caller, b"", act)

    client = TestClient(app)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/slow", headers={"idempotency-key": "k1"})
        assert inside.wait(10)
        second = client.post("/slow", headers={"idempotency-key": "k1"})
        assert (second.status_code, second.headers["retry-after"]) == (409, "1")
        house.clock.at += 2 * MINUTE
        go.set()
        assert first.result(10).status_code == 201
    assert client.post("/slow", headers={"idempotency-key": "k1"}).headers["idempotency-replayed"] == "true"
