"""The life of a definition by the public door: approval, versions and live journeys, stopping, and who changed what."""

from typing import Any

import pytest
import sqlalchemy as sa

from api.house import House, MakeHouse
from api.test_activation import account, activate, live, of
from api.test_definitions import SIGNAL, put, refused
from journeys.life import NotPossible
from journeys.store import audit
from journeys.store.tables import audit as table
from signals.instant import DAY

WALK: dict[str, Any] = {
    "key": "walk",
    "trigger": {"event": "ping"},
    "steps": [{"id": "rest", "wait": {"for": "5d"}}, {"id": "more", "wait": {"for": "5d"}}],
}
SHORTER = {**WALK, "steps": [{"id": "rest", "wait": {"for": "1d"}}]}


def ping(house: House, *names: str) -> None:
    """Each account starts to walk."""
    for name in names:
        told = {"specversion": "1.0", "id": f"p-{name}", "source": "test", "type": "ping", "account": name}
        house.ok(
            "POST",
            "/v1/events",
            {**told, "data": {}},
            scope="admin",
            headers={"content-type": "application/cloudevents+json"},
        )
    house.fold()


def walking(house: House, *names: str) -> None:
    """The play is live and these accounts are under way."""
    live(house, "plays", WALK)
    ping(house, *names)


def six_days_pass(house: House) -> None:
    """The walk's wait is over."""
    house.clock.at += 6 * DAY
    house.tick()


def statuses(house: House, play: str = "walk") -> list[tuple[str, int, str, str | None]]:
    found = house.get("/v1/journeys", play=play)["items"]
    return sorted((one["account"], one["version"], one["status"], one["reason"]) for one in found)


def told(house: House, **which: str) -> list[tuple[str, str]]:
    """What the audit tells, oldest first."""
    return [(one["action"], one["about"]) for one in reversed(house.get("/v1/audit", **which)["items"])]


# ── approval ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_approval_is_bound_to_the_content_and_names_who_and_when(house: House) -> None:
    kept = put(house, "signals", "pro", SIGNAL).json()
    assert kept["approved_by"] is None
    approved = house.ok("POST", "/v1/signals/pro/approve", {"hash": kept["hash"]}, scope="marketer")
    assert (approved["status"], approved["approved_at"]) == ("approved", "2026-03-02T09:00:00Z")
    assert approved["approved_by"].startswith("marketer (")
    changed = put(house, "signals", "pro", {**SIGNAL, "severity": "critical"}).json()
    assert (changed["status"], changed["approved_by"], changed["version"]) == ("draft", None, 2)


def test_one_changed_byte_voids_an_approval_even_where_it_is_changed_back(make_house: MakeHouse) -> None:
    house = make_house(approval="any")
    put(house, "signals", "pro", SIGNAL)
    house.ok("POST", "/v1/signals/pro/approve")
    put(house, "signals", "pro", {**SIGNAL, "says": ["a word"]})
    put(house, "signals", "pro", SIGNAL)
    answer = house.call("POST", "/v1/signals/pro/activate")
    refused(answer, 409)
    assert "signals/pro version 3 is not approved" in answer.json()["detail"]


def test_what_is_approved_must_be_what_was_seen(house: House) -> None:
    seen = put(house, "signals", "pro", SIGNAL).json()["hash"]
    put(house, "signals", "pro", {**SIGNAL, "severity": "critical"})
    refused(house.call("POST", "/v1/signals/pro/approve", {"hash": seen}), 409)
    refused(house.call("POST", "/v1/signals/pro/approve", {"hash": "nothing"}), 422, "/hash")
    refused(house.call("POST", "/v1/signals/none/approve"), 404)
    assert house.get("/v1/signals/pro")["status"] == "draft"


@pytest.mark.parametrize(("rule", "status"), [("none", 200), ("any", 200), ("other", 409)])
def test_whether_the_author_may_approve_is_a_setting(make_house: MakeHouse, rule: str, status: int) -> None:
    house = make_house(approval=rule)
    put(house, "signals", "pro", SIGNAL)
    house.ok("POST", "/v1/signals/pro/approve", scope="marketer")
    assert house.call("POST", "/v1/signals/pro/activate").status_code == status
    house.ok("POST", "/v1/signals/pro/approve", scope="admin")
    assert activate(house, "signals", "pro")["status"] == "active"


def test_without_an_approval_a_folder_is_refused_too_and_what_was_live_may_be_resumed(
    make_house: MakeHouse,
) -> None:
    house = make_house(approval="any")
    folder = {"definitions": [{"kind": "plays", "body": WALK}]}
    refused(house.call("POST", "/v1/definitions?activate=true", folder), 409)
    assert house.get("/v1/plays/walk")["status"] == "draft"
    house.ok("POST", "/v1/plays/walk/approve")
    house.ok("POST", "/v1/definitions?activate=true", folder)
    house.ok("POST", "/v1/plays/walk/pause")
    assert activate(house, "plays", "walk")["status"] == "active"


# ── versions ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_dry_run_counts_the_journeys_that_would_move_stay_and_end(house: House) -> None:
    walking(house, "acme", "beta")
    house.clock.at += 6 * DAY
    house.tick()  # these two stand at `more`, which the next version does not have
    ping(house, "cilia", "delta")
    house.clock.at += DAY
    put(house, "plays", "walk", SHORTER)
    would = activate(house, "plays", "walk", dry_run=True, live="migrate")
    assert of(would["would"]["journeys"]) == {"walk": {"stayed": 2, "ended": 2}}  # their day is over already
    pinned = activate(house, "plays", "walk", dry_run=True)
    assert of(pinned["would"]["journeys"]) == {}
    made = activate(house, "plays", "walk", live="migrate", token=would["token"])
    assert made["made"] == would["would"]
    assert made["live"] == "migrate"
    assert statuses(house) == [
        ("acme", 1, "active", None),
        ("beta", 1, "active", None),
        ("cilia", 2, "completed", None),
        ("delta", 2, "completed", None),
    ]


def test_a_migrated_journey_is_counted_as_moved(house: House) -> None:
    walking(house, "acme")
    put(house, "plays", "walk", {**WALK, "priority": 80})
    assert of(activate(house, "plays", "walk", live="migrate")["made"]["journeys"]) == {"walk": {"moved": 1}}
    assert statuses(house) == [("acme", 2, "active", None)]


def test_a_token_holds_for_what_it_saw_only(house: House) -> None:
    walking(house, "acme")
    put(house, "plays", "walk", SHORTER)
    token = activate(house, "plays", "walk", dry_run=True, live="migrate")["token"]
    refused(house.call("POST", f"/v1/plays/walk/activate?token={token}"), 409)
    refused(house.call("POST", f"/v1/plays/walk/activate?token={token}&live=migrate&current=true"), 409)
    assert activate(house, "plays", "walk", live="migrate", token=token)["version"] == 2


@pytest.mark.parametrize("query", ["live=sideways", "live=", "token=" + "x" * 65, "sample=0"])
def test_an_activation_takes_nothing_it_does_not_know(house: House, query: str) -> None:
    put(house, "plays", "walk", WALK)
    assert house.call("POST", f"/v1/plays/walk/activate?{query}").status_code == 422
    assert house.get("/v1/plays/walk")["status"] == "draft"


# ── pausing and stopping ───────────────────────────────────────────────────────────────────────────────────────


def test_a_paused_play_stands_still_on_every_version_and_goes_on(house: House) -> None:
    walking(house, "acme")
    live(house, "plays", SHORTER)  # acme stays on version 1
    house.ok("POST", "/v1/plays/walk/pause?reason=a+typo")
    house.clock.at += 11 * DAY
    house.tick()
    assert statuses(house) == [("acme", 1, "active", None)]
    assert house.ok("POST", "/v1/plays/walk/resume")["status"] == "active"
    house.tick()
    house.clock.at += 5 * DAY
    house.tick()
    assert statuses(house) == [("acme", 1, "completed", None)]


def test_stopping_by_abort_ends_every_journey_and_says_how_many(house: House) -> None:
    walking(house, "acme")
    live(house, "plays", SHORTER)
    ping(house, "beta")
    stopped = house.ok("POST", "/v1/plays/walk/stop?mode=abort&reason=wrong+words")
    assert stopped["status"] == "stopped"
    assert of(stopped["made"]["journeys"]) == {"walk": {"ended": 2}}
    assert statuses(house) == [
        ("acme", 1, "exited", "play_stopped"),
        ("beta", 2, "exited", "play_stopped"),
    ]
    refused(house.call("POST", "/v1/plays/walk/pause"), 409)


def test_stopping_by_drain_lets_them_finish_and_takes_nobody_more(house: House) -> None:
    walking(house, "acme")
    assert house.ok("POST", "/v1/plays/walk/stop")["status"] == "draining"
    ping(house, "beta")
    six_days_pass(house)
    six_days_pass(house)
    assert statuses(house) == [("acme", 1, "completed", None)]


def test_a_stop_that_has_not_reached_everybody_is_not_taken_back(house: House) -> None:
    walking(house, "acme")
    house.ok("POST", "/v1/plays/walk/stop?mode=abort&wait=false")
    answer = house.call("POST", "/v1/plays/walk/resume")
    refused(answer, 409)
    assert "0 of 1 accounts" in answer.json()["detail"]
    refused(house.call("POST", "/v1/plays/walk/activate"), 409)
    house.parts.filler.finish(house.clock)
    assert house.ok("POST", "/v1/plays/walk/resume")["status"] == "active"
    assert statuses(house) == [("acme", 1, "exited", "play_stopped")]


def test_a_journey_the_stop_has_not_reached_yet_ends_before_anything_else_happens_to_it(house: House) -> None:
    walking(house, "acme")
    house.ok("POST", "/v1/plays/walk/stop?mode=abort&wait=false")
    six_days_pass(house)
    assert statuses(house) == [("acme", 1, "exited", "play_stopped")]


def test_an_archived_play_lets_its_journeys_finish(house: House) -> None:
    walking(house, "acme")
    house.ok("POST", "/v1/plays/walk/archive")
    six_days_pass(house)
    six_days_pass(house)
    assert statuses(house) == [("acme", 1, "completed", None)]


def test_a_paused_play_that_is_archived_ends_them(house: House) -> None:
    walking(house, "acme")
    house.ok("POST", "/v1/plays/walk/pause")
    house.ok("POST", "/v1/plays/walk/archive")
    assert statuses(house) == [("acme", 1, "exited", "play_stopped")]


@pytest.mark.parametrize("verb", ["pause", "resume", "stop"])
def test_only_plays_stand_still(house: House, verb: str) -> None:
    live(house, "signals", SIGNAL)
    refused(house.call("POST", f"/v1/signals/pro/{verb}"), 422)
    refused(house.call("POST", f"/v1/plays/none/{verb}"), 404)


@pytest.mark.parametrize(
    ("verb", "why"), [("pause", "draft"), ("resume", "draft"), ("stop?mode=abort", "draft")]
)
def test_a_draft_cannot_stand_still(house: House, verb: str, why: str) -> None:
    put(house, "plays", "walk", WALK)
    answer = house.call("POST", f"/v1/plays/walk/{verb}")
    refused(answer, 409)
    assert why in answer.json()["detail"]


# ── a folder at once ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_has_its_dry_run_and_token_and_shows_every_line_that_differs(house: House) -> None:
    account(house, "acme", plan="pro")
    live(house, "signals", SIGNAL)
    changed = {**SIGNAL, "severity": "critical"}
    folder = {"definitions": [{"kind": "plays", "body": WALK}, {"kind": "signals", "body": changed}]}
    told = house.ok("POST", "/v1/definitions?activate=true&dry_run=true", folder)
    assert [(one["kind"], one["change"]) for one in told["changes"]] == [
        ("plays", "new"),
        ("signals", "version 2"),
    ]
    assert told["changes"][1]["diff"][-1] == "+severity: critical"
    assert (told["accounts"], told["would"]["accounts"]) == (1, 1)
    assert house.get("/v1/signals/pro")["version"] == 1
    house.ok("POST", f"/v1/definitions?activate=true&token={told['token']}", folder)
    assert house.get("/v1/plays/walk")["status"] == "active"
    assert house.ok("POST", "/v1/definitions?activate=true", folder)["changes"] == []
    refused(
        house.call(
            "POST",
            f"/v1/definitions?activate=true&token={told['token']}",
            {"definitions": [{"kind": "plays", "body": SHORTER}]},
        ),
        409,
    )


def test_a_list_of_what_counts_leaves_drafts_out(house: House) -> None:
    live(house, "signals", SIGNAL)
    put(house, "signals", "pro", {**SIGNAL, "severity": "critical"})
    put(house, "signals", "next", {**SIGNAL, "key": "next"})
    assert [(one["key"], one["version"]) for one in house.get("/v1/signals")["items"]] == [
        ("next", 1),
        ("pro", 2),
    ]
    assert [(one["key"], one["version"]) for one in house.get("/v1/signals", live=True)["items"]] == [
        ("pro", 1)
    ]


# ── the audit ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_change_leaves_who_what_and_from_which_content_to_which(house: House) -> None:
    first = put(house, "plays", "walk", WALK).json()["hash"]
    house.ok("POST", "/v1/plays/walk/approve")
    activate(house, "plays", "walk")
    second = put(house, "plays", "walk", SHORTER).json()["hash"]
    activate(house, "plays", "walk", live="migrate")
    for verb in ("pause?reason=too+soon", "resume", "stop", "archive"):
        house.ok("POST", f"/v1/plays/walk/{verb}")
    rows = house.get("/v1/audit", kind="plays", key="walk")["items"][::-1]
    assert [(row["action"], row["from_hash"], row["to_hash"]) for row in rows] == [
        ("draft", None, first),
        ("approve", first, first),
        ("activate", None, first),
        ("draft", first, second),
        ("activate", first, second),
        ("pause", second, second),
        ("resume", second, second),
        ("stop", second, second),
        ("archive", second, None),
    ]
    assert {row["actor"].partition(" ")[0] for row in rows} == {"admin", "marketer"}
    assert rows[4]["detail"] == {"version": 2, "live": "migrate"}
    assert rows[5]["detail"] == {"version": 2, "was": "active", "reason": "too soon"}
    assert rows[0]["at"] == "2026-03-02T09:00:00Z"


def test_the_same_body_again_leaves_no_row_and_neither_does_what_is_refused(house: House) -> None:
    put(house, "signals", "pro", SIGNAL)
    put(house, "signals", "pro", SIGNAL)
    put(house, "plays", "lost", {**WALK, "key": "lost", "trigger": {"signal": "nowhere"}})
    assert house.call("POST", "/v1/plays/lost/activate").status_code == 422
    assert told(house) == [("draft", "signals/pro"), ("draft", "plays/lost")]


def test_the_audit_is_walked_and_filtered(house: House) -> None:
    live(house, "signals", SIGNAL)
    live(house, "plays", WALK)
    assert told(house, kind="plays") == [("draft", "plays/walk"), ("activate", "plays/walk")]
    assert told(house, action="activate") == [("activate", "signals/pro"), ("activate", "plays/walk")]
    actor = house.get("/v1/audit", limit=1)["items"][0]["actor"]
    assert [what for what, _ in told(house, actor=actor)] == ["activate", "activate"]
    page = house.get("/v1/audit", limit=3)
    assert len(house.get("/v1/audit", limit=3, cursor=page["next"])["items"]) == 1
    refused(house.call("GET", "/v1/audit?cursor=AAAA"), 400)
    refused(house.call("GET", "/v1/audit?key=walk"), 422)
    assert house.call("GET", "/v1/audit?action=dance").status_code == 422


def test_a_row_of_the_audit_that_is_changed_or_taken_away_breaks_the_chain(house: House) -> None:
    for severity in ("info", "warning", "critical"):
        live(house, "signals", {**SIGNAL, "severity": severity})
    with house.database.read() as connection:
        assert audit.broken(connection) is None
    with house.database.write() as connection:
        connection.execute(sa.update(table).where(table.c.number == 3).values(actor="somebody else"))
        assert audit.broken(connection) == 3
    with house.database.write() as connection:
        connection.execute(sa.delete(table).where(table.c.number == 2))
        assert audit.broken(connection) == 2


def test_what_is_not_possible_now_leaves_everything_as_it_was(house: House) -> None:
    walking(house, "acme")
    house.ok("POST", "/v1/plays/walk/stop?mode=abort&wait=false")
    before = house.everything()
    with pytest.raises(NotPossible):
        house.parts.library.set_status("plays", "walk", "active", house.clock())
    assert house.everything() == before
