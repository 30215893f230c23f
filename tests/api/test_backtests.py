"""`POST /v1/signals/{key}/backtest`: drafts tried on the stored history, in bounded time, one at a time."""

import threading
from itertools import count
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.house import House, MakeHouse
from backtest.worlds import CANCELLED, SPIKE, customer
from builders import START
from journeys.api.app import create_app
from journeys.backtest import report
from journeys.store import bulk
from journeys.store.outcomes import event_row
from journeys.store.tables import events
from signals.event import Event
from signals.instant import DAY, SECOND

PATH = "/v1/signals/spike/backtest"
ASKED: dict[str, Any] = {"outcome": {"type": CANCELLED}, "among": None, "to": "2027-04-01T00:00:00Z"}


def remember(house: House, *histories: list[Event]) -> None:
    """Stored history, and one event much later that says how far it reaches."""
    last = [Event("last", "test", "x", START + 400 * DAY, "zz", None, {}, START + 400 * DAY)]
    rows = [event_row(event, event.account or "", True) for mine in (*histories, last) for event in mine]
    with house.database.write() as connection:
        bulk.insert(connection, events, rows)


def refused(answer: Any, status: int, pointer: str | None = None) -> None:
    """A problem that names this place of the question."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    if pointer is not None:
        assert any(error["pointer"].startswith(pointer) for error in answer.json()["errors"]), answer.text


@pytest.fixture
def tried(make_house: MakeHouse) -> House:
    """A service with a draft of a signal, and a history in which it knows something."""
    house = make_house()
    house.ok("PUT", "/v1/signals/spike", SPIKE)
    right = [customer(f"r{n}", spikes=[30], cancels=[60]) for n in range(40)]
    remember(house, *right, *(customer(f"o{n}") for n in range(160)))
    return house


def test_a_draft_is_tried_before_it_is_live(tried: House) -> None:
    told = tried.ok("POST", PATH, ASKED, scope="marketer")
    (row,) = told["rows"]
    assert (row["firings"], row["followed"], row["lift"]) == (40, 40, {"value": 5, "shown": True})
    assert (told["accounts"], told["complete"], told["saved"]) == (200, True, None)
    assert tried.get("/v1/signals/spike")["status"] == "draft"
    assert tried.get("/v1/accounts")["items"] == [], "a back-test stores nothing"


def test_an_empty_question_tells_firings_and_volume(tried: House) -> None:
    told = tried.ok("POST", PATH, {})
    assert told["rows"][0]["per_week"]["most"] == 40
    assert told["rows"][0]["precision"] is None


def test_the_best_setting_of_a_sweep_is_kept_as_a_draft_where_asked_for(tried: House) -> None:
    told = tried.ok("POST", PATH, {**ASKED, "sweep": "when.gte=2..4", "save_draft": True})
    assert [row["setting"] for row in told["rows"]] == [None, "when.gte = 2", "when.gte = 3", "when.gte = 4"]
    assert told["saved"]["version"] == 2
    kept = tried.get("/v1/signals/spike")
    assert (kept["status"], kept["body"]["when"]["gte"]) == ("draft", 2)


def test_what_it_refers_to_can_be_given_with_the_question(tried: House) -> None:
    body = {"key": "tells", "when": {"reached": "started"}}
    tried.ok("PUT", "/v1/signals/tells", body)
    asked = {
        **ASKED,
        "definitions": [{"kind": "milestones", "body": {"key": "started", "when": SPIKE["when"]}}],
    }
    assert tried.ok("POST", "/v1/signals/tells/backtest", asked)["rows"][0]["firings"] == 40
    assert tried.ok("POST", "/v1/signals/tells/backtest", ASKED)["rows"][0]["firings"] == 0


def test_a_shipped_signal_needs_nothing_in_the_database(tried: House) -> None:
    told = tried.ok("POST", "/v1/signals/stalled_adoption/backtest", {**ASKED, "beside": ["ticket_spike"]})
    assert [row["signal"] for row in told["rows"]] == ["stalled_adoption", "ticket_spike"]
    assert told["rows"][0]["firings"] == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "pointer"),
    [
        ("/v1/signals/nowhere/backtest", {}, 404, None),
        ("/v1/signals/rescue-stalled-adoption/backtest", {}, 422, None),
        (PATH, {"outcom": {}}, 422, "/outcom"),
        (PATH, {"outcome": {"type": 7}}, 422, "/outcome/type"),
        (PATH, {"outcome": {"type": "x", "where": {"a": {"isnt": 1}}}}, 422, "/outcome/where"),
        (PATH, {"within": "soon"}, 422, "/within"),
        (PATH, {"within": "0d"}, 422, None),
        (PATH, {"from": "teatime"}, 422, "/from"),
        (PATH, {"from": "2030-01-01"}, 422, None),
        (PATH, {"among": {"nonsense": 1}}, 422, "/among"),
        (PATH, {"sweep": "when.gte"}, 422, None),
        (PATH, {"sweep": "when.in=soon"}, 422, "/signals/spike/when"),
        (PATH, {"sweep": "when.gte=1..2", "beside": ["stalled_adoption"]}, 422, None),
        (PATH, {"definitions": [{"kind": "unicorns", "body": {}}]}, 422, "/definitions/0/kind"),
        (PATH, {"save_draft": "yes"}, 422, "/save_draft"),
        (f"{PATH}?seconds=0", {}, 422, "/query/seconds"),
        (f"{PATH}?seconds=1000", {}, 422, "/query/seconds"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    tried: House, path: str, body: dict[str, Any], status: int, pointer: str | None
) -> None:
    refused(tried.call("POST", path, body), status, pointer)


def test_a_service_without_history_says_so(house: House) -> None:
    house.ok("PUT", "/v1/signals/spike", SPIKE)
    answer = house.call("POST", PATH, {})
    refused(answer, 422)
    assert "no history" in answer.json()["detail"]


def test_when_time_is_up_the_answer_says_how_far_it_came(tried: House) -> None:
    looks = count()
    tried.parts.now = lambda: tried.clock.at + next(looks) * SECOND  # time passes by looking at the clock
    hurried = TestClient(create_app(tried.parts))
    told = hurried.post(f"{PATH}?seconds=5", json=ASKED, headers=tried.signed("admin")).json()
    assert told["complete"] is False
    assert 0 < told["accounts"] < 10


RESCUE: dict[str, Any] = {
    "key": "save",
    "trigger": {"signal": "spike"},
    "steps": [{"task": {"to": "csm", "title": "Call"}}, {"wait": {"for": "3d"}}],
}


def test_a_draft_of_a_play_is_tried_before_it_is_live(tried: House) -> None:
    tried.ok("PUT", "/v1/plays/save", RESCUE)
    spike = [{"kind": "signals", "body": SPIKE}]
    told = tried.ok("POST", "/v1/plays/save/backtest", {**ASKED, "definitions": spike}, scope="marketer")
    assert (told["journeys"]["started"], told["journeys"]["ended"]) == (40, {"completed": 40})
    assert told["tasks"]["roles"][0]["count"] == 40
    assert (told["worth"]["followed"], told["worth"]["lift"]["shown"]) == (40, True)
    assert (told["accounts"], told["complete"], told["beside"]) == (200, True, [])
    assert tried.get("/v1/plays/save")["status"] == "draft"
    assert tried.get("/v1/journeys")["items"] == [], "a back-test stores nothing"


def test_a_shipped_play_needs_nothing_in_the_database(tried: House) -> None:
    told = tried.ok("POST", "/v1/plays/rescue-stalled-adoption/backtest", {})
    assert told["journeys"]["candidates"] == 200
    assert (told["outcome"], told["worth"]) == (None, None)


@pytest.mark.parametrize(
    ("key", "body", "status", "pointer"),
    [
        ("nowhere", {}, 404, None),
        ("save", {}, 422, None),
        ("save", {"sweep": "priority=1..2"}, 422, "/sweep"),
        ("save", {"within": "soon"}, 422, "/within"),
        ("save", {"definitions": [{"kind": "plays", "body": {"key": "save"}}]}, 422, "/plays/save"),
    ],
)
def test_a_question_about_a_play_that_makes_no_sense_is_refused(
    tried: House, key: str, body: dict[str, Any], status: int, pointer: str | None
) -> None:
    """`save` starts with a signal that is a draft: the question has to bring it, or nothing would start."""
    tried.ok("PUT", "/v1/plays/save", RESCUE)
    refused(tried.call("POST", f"/v1/plays/{key}/backtest", body), status, pointer)


def test_a_second_one_at_the_same_time_is_asked_to_wait(
    tried: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, go_on = threading.Event(), threading.Event()
    scored = report.report

    def waits(*given: Any) -> dict[str, Any]:
        running.set()
        assert go_on.wait(20)
        return scored(*given)

    monkeypatch.setattr(report, "report", waits)
    first: list[Any] = []
    thread = threading.Thread(target=lambda: first.append(tried.call("POST", PATH, ASKED)))
    thread.start()
    try:
        assert running.wait(20)
        second = tried.call("POST", PATH, ASKED)
        refused(second, 503)
        assert second.headers["retry-after"] == "10"
    finally:
        go_on.set()
        thread.join()
    assert first[0].status_code == 200
