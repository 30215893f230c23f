"""What making a definition live would do, does, and undoes: dry runs, tokens, progress, previews, archiving."""

from typing import Any

import pytest

from api.house import House
from api.tale import people, trouble
from api.test_definitions import PLAY, SIGNAL, put, refused
from journeys.store.accounts import load
from signals.instant import DAY, HOUR, iso

COUNTS = ("accounts", "signals", "segments", "milestones", "stages", "bands", "journeys")
SPIKE = {"key": "spike", "when": {"count": "support.ticket_opened", "in": "7d", "gte": 3}}
RESCUE = {**PLAY, "trigger": {"signal": "spike"}, "steps": [{"wait": {"for": "3d"}}, {"end": {}}]}


def account(house: House, name: str, **attributes: Any) -> None:
    house.ok("PUT", f"/v1/accounts/{name}", {"attributes": attributes})


def activate(house: House, kind: str, key: str, **query: Any) -> Any:
    return house.ok("POST", f"/v1/{kind}/{key}/activate", params=query)


def live(house: House, kind: str, body: dict[str, Any], **query: Any) -> Any:
    """Keep and activate one definition."""
    put(house, kind, body["key"], body)
    return activate(house, kind, body["key"], **query)


def of(listed: list[dict[str, Any]]) -> dict[str, Any]:
    """What was counted, by key, without zeros."""
    return {one["key"]: {word: n for word, n in one.items() if word != "key" and n} for one in listed}


# ── the dry run ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_dry_run_counts_what_would_open_and_changes_nothing(house: House) -> None:
    for name in ("acme", "beta"):
        account(house, name, plan="pro")
    account(house, "tiny", plan="free")
    put(house, "signals", "pro", SIGNAL)
    before = house.everything()
    told = activate(house, "signals", "pro", dry_run=True)
    assert (told["status"], told["accounts"], of(told["would"]["signals"])) == (
        "draft",
        3,
        {"pro": {"opened": 2}},
    )
    assert set(told["would"]) == set(COUNTS)
    assert house.everything() == before
    assert house.get("/v1/accounts/acme")["open_signals"] == []


def test_the_activation_tells_its_own_numbers_which_are_those_of_the_dry_run(house: House) -> None:
    people(house)
    trouble(house)
    put(house, "signals", "spike", SPIKE)
    would = activate(house, "signals", "spike", dry_run=True, current=True)["would"]
    made = activate(house, "signals", "spike", current=True)["made"]
    assert made == would
    assert of(made["signals"]) == {"spike": {"fired": 1}}


def test_a_new_version_closes_and_leaves_where_it_holds_no_more(house: House) -> None:
    account(house, "acme", plan="pro")
    live(house, "signals", SIGNAL)
    live(house, "segments", {"key": "payers", "enter": {"signal": "pro"}})
    put(house, "signals", "pro", {**SIGNAL, "when": {"attribute": "account.plan", "is": "gold"}})
    would = activate(house, "signals", "pro", dry_run=True)["would"]
    assert of(would["signals"]) == {"pro": {"closed": 1}}
    assert of(would["segments"]) == {"payers": {"left": 1}}
    assert house.get("/v1/accounts/acme")["segments"] == ["payers"]


def test_with_current_a_dry_run_counts_the_journeys_that_would_start(house: House) -> None:
    people(house)
    trouble(house)
    live(house, "signals", SPIKE)
    put(house, "plays", "rescue", RESCUE)
    quiet = activate(house, "plays", "rescue", dry_run=True)
    assert of(quiet["would"]["journeys"]) == {}
    loud = activate(house, "plays", "rescue", dry_run=True, current=True)
    assert of(loud["would"]["journeys"]) == {"rescue": {"started": 1}}
    assert of(activate(house, "plays", "rescue", current=True)["made"]["journeys"]) == {
        "rescue": {"started": 1}
    }


def test_a_dry_run_counts_journeys_that_would_end(house: House) -> None:
    people(house)
    live(house, "signals", SPIKE)
    live(house, "plays", {**RESCUE, "exit": {"not": {"signal": "spike"}}})
    trouble(house)
    put(
        house, "signals", "spike", {**SPIKE, "when": {"count": "support.ticket_opened", "in": "7d", "gte": 9}}
    )
    would = activate(house, "signals", "spike", dry_run=True)["would"]
    assert of(would["journeys"]) == {"rescue": {"ended": 1}}


def test_stages_and_milestones_are_counted_too(house: House) -> None:
    account(house, "acme", plan="pro")
    stages = [{"key": "paying", "when": {"attribute": "account.plan", "is": "pro"}}]
    put(house, "stages", "stages", stages)
    assert of(activate(house, "stages", "stages")["made"]["stages"]) == {"paying": {"entered": 1}}
    put(house, "milestones", "bought", {"when": {"attribute": "account.plan", "is": "pro"}})
    would = activate(house, "milestones", "bought", dry_run=True)["would"]
    assert of(would["milestones"]) == {"bought": {"reached": 1}}


def test_of_many_accounts_a_dry_run_looks_at_an_even_part(house: House) -> None:
    for number in range(7):
        account(house, f"a{number}", plan="pro")
    put(house, "signals", "pro", SIGNAL)
    told = activate(house, "signals", "pro", dry_run=True, sample=3)
    assert (told["accounts"], told["would"]["accounts"]) == (7, 2)  # every third of them


def test_a_faulty_draft_has_no_dry_run(house: House) -> None:
    put(house, "plays", "rescue", {**PLAY, "trigger": {"signal": "nowhere"}})
    assert house.call("POST", "/v1/plays/rescue/activate?dry_run=true").status_code == 422


def test_the_token_of_a_dry_run_activates_what_it_saw(house: House) -> None:
    put(house, "signals", "pro", SIGNAL)
    token = activate(house, "signals", "pro", dry_run=True)["token"]
    assert activate(house, "signals", "pro", token=token)["status"] == "active"


def test_a_token_is_refused_once_other_definitions_are_live_or_the_draft_is_another(house: House) -> None:
    put(house, "signals", "pro", SIGNAL)
    token = activate(house, "signals", "pro", dry_run=True)["token"]
    live(house, "signals", SPIKE)
    refused(house.call("POST", f"/v1/signals/pro/activate?token={token}"), 409)
    fresh = activate(house, "signals", "pro", dry_run=True)["token"]
    put(house, "signals", "pro", {**SIGNAL, "severity": "critical"})
    refused(house.call("POST", f"/v1/signals/pro/activate?token={fresh}"), 409)
    refused(house.call("POST", "/v1/signals/pro/activate?token=nonsense"), 409)
    assert house.get("/v1/signals/pro")["status"] == "draft"


# ── progress ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_before_the_first_activation_there_is_no_progress(house: House) -> None:
    refused(house.call("GET", "/v1/definitions/progress"), 404)


def test_progress_is_told_of_the_newest_activation(house: House) -> None:
    account(house, "acme", plan="pro")
    live(house, "signals", SIGNAL)
    told = house.get("/v1/definitions/progress")
    assert (told["accounts"], told["done"], told["finished_at"]) == (1, 1, iso(house.clock()))
    assert of(told["made"]["signals"]) == {"pro": {"opened": 1}}


def test_without_waiting_the_accounts_follow_behind(house: House) -> None:
    account(house, "acme", plan="pro")
    told = live(house, "signals", SIGNAL, wait=False)
    assert (told["status"], told["filling"]["done"], told["filling"]["finished_at"]) == ("active", 0, None)
    assert house.get("/v1/accounts/acme")["open_signals"] == []
    house.parts.filler.finish(house.clock)
    assert [one["signal"] for one in house.get("/v1/accounts/acme")["open_signals"]] == ["pro"]
    assert house.get("/v1/definitions/progress")["finished_at"] is not None


# ── archiving ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_archived_signal_is_cleared_silently_and_found_by_nobody(house: House) -> None:
    people(house)
    trouble(house)
    live(house, "signals", SPIKE)
    assert house.get("/v1/accounts", signal="spike")["items"]
    told = house.ok("POST", "/v1/signals/spike/archive")
    assert of(told["made"]["signals"]) == {"spike": {"closed": 1}}
    assert house.get("/v1/accounts/acme")["open_signals"] == []
    assert house.get("/v1/accounts", signal="spike")["items"] == []
    kinds = [row["kind"] for row in house.get("/v1/accounts/acme/timeline")["items"]]
    assert "signal" not in kinds


def test_an_archived_segment_is_left_silently_and_its_tag_taken(house: House) -> None:
    account(house, "acme", plan="pro")
    live(
        house, "segments", {"key": "payers", "tag": True, "enter": {"attribute": "account.plan", "is": "pro"}}
    )
    assert [one["id"] for one in house.get("/v1/accounts", tag="payers")["items"]] == ["acme"]
    house.ok("POST", "/v1/segments/payers/archive")
    found = house.get("/v1/accounts/acme")
    assert (found["segments"], found["tags"]) == ([], [])
    for name in ("segment", "tag"):
        assert house.get("/v1/accounts", **{name: "payers"})["items"] == []
    assert [row for row in house.get("/v1/accounts/acme/timeline")["items"] if row["kind"] == "segment"] == []


def test_what_is_archived_is_forgotten_of_every_account(house: House) -> None:
    people(house)
    trouble(house)
    live(house, "signals", SPIKE)
    assert measures(house, "acme") == 1
    house.ok("POST", "/v1/signals/spike/archive")
    assert measures(house, "acme") == 0


def measures(house: House, name: str) -> int:
    """How many measures the account's profile keeps."""
    with house.database.read() as connection:
        state = load(connection, name)
    assert state is not None
    return len(state.profile.measures)


# ── previews ───────────────────────────────────────────────────────────────────────────────────────────────────


def preview(house: House, kind: str, key: str, name: str = "acme", **query: Any) -> Any:
    return house.ok("POST", f"/v1/{kind}/{key}/preview", params={"account": name, **query})


def test_a_draft_is_previewed_with_what_it_would_count_of_the_past(house: House) -> None:
    people(house)
    trouble(house)
    put(house, "signals", "spike", SPIKE)
    before = house.everything()
    told = preview(house, "signals", "spike")
    assert (told["holds"], told["state"]["open"], told["version"]) == (True, True, 1)
    assert told["because"][0]["saw"] == 3
    assert told["until"] is not None
    assert house.everything() == before


def test_a_preview_looks_back_and_ahead(house: House) -> None:
    people(house)
    start = house.clock()
    house.clock.at += DAY
    trouble(house)
    put(house, "signals", "spike", SPIKE)
    assert preview(house, "signals", "spike", at=iso(start + HOUR))["holds"] is False
    assert preview(house, "signals", "spike", at=iso(start + DAY + HOUR))["holds"] is True
    later = preview(house, "signals", "spike", at=iso(start + 30 * DAY))
    assert (later["holds"], later["state"]["open"]) == (False, False)


def test_levels_are_previewed_the_worst_first(house: House) -> None:
    people(house)
    trouble(house)
    levels = [
        {"severity": word, "when": {**SPIKE["when"], "gte": n}}
        for word, n in (("warning", 3), ("critical", 9))
    ]
    put(
        house,
        "signals",
        "spike",
        {"key": "spike", "levels": levels, "clear": {"count": "x", "in": "1d", "gte": 1}},
    )
    told = preview(house, "signals", "spike")
    assert [(part["part"], part["holds"]) for part in told["parts"]] == [
        ("critical", False),
        ("warning", True),
        ("clear", False),
    ]
    assert (told["holds"], told["state"]["severity"]) == (True, "warning")


def test_segments_milestones_stages_and_dates_are_previewed(house: House) -> None:
    account(house, "acme", plan="pro", renews_at=iso(house.clock() + 20 * DAY))
    pro = {"attribute": "account.plan", "is": "pro"}
    put(house, "segments", "payers", {"enter": pro, "leave": {"not": pro}})
    put(house, "milestones", "bought", {"when": pro})
    put(house, "stages", "stages", [{"key": "paying", "when": pro}])
    put(house, "signals", "soon", {"dates": {"attribute": "account.renews_at", "before": ["30d", "10d"]}})
    told = preview(house, "segments", "payers")
    assert ([part["part"] for part in told["parts"]], told["state"]["member"]) == (["enter", "leave"], True)
    assert preview(house, "milestones", "bought")["state"] == {"reached_at": iso(house.clock())}
    assert preview(house, "stages", "stages")["state"]["stage"] == "paying"
    dated = preview(house, "signals", "soon")
    assert (dated["state"]["open"], dated["until"]) == (True, iso(house.clock() + 10 * DAY))


def test_a_preview_of_health_tells_the_score_and_its_parts(house: House) -> None:
    people(house)
    trouble(house)
    tickets = {"count": "support.ticket_opened", "in": "28d"}
    measure = {"key": "tickets", "value": tickets, "map": [[0, 100], [4, 0]], "weight": 1}
    put(house, "health", "health", {"version": "1", "measures": [measure]})
    told = preview(house, "health", "health")
    assert (told["state"]["score"], told["state"]["band"]) == (25, "red")
    assert told["state"]["measures"] == [{"key": "tickets", "weight": 1, "value": 3, "points": 25.0}]


def test_a_preview_stands_on_what_is_live_beside_it(house: House) -> None:
    account(house, "acme", plan="pro")
    live(house, "signals", SIGNAL)
    put(house, "segments", "payers", {"enter": {"signal": "pro"}})
    assert preview(house, "segments", "payers")["state"]["member"] is True


def test_what_says_nothing_of_an_account_has_no_preview(house: House) -> None:
    put(house, "plays", "rescue", PLAY)
    refused(house.call("POST", "/v1/plays/rescue/preview?account=acme"), 422)


@pytest.mark.parametrize("path", ["signals/nowhere", "signals/pro"])
def test_a_preview_of_nothing_or_of_nobody_is_404(house: House, path: str) -> None:
    put(house, "signals", "pro", SIGNAL)
    refused(house.call("POST", f"/v1/{path}/preview?account=nobody"), 404)


def test_a_preview_asks_for_an_account_and_an_instant_that_is_one(shared: House) -> None:
    put(shared, "signals", "pro", SIGNAL)
    assert shared.call("POST", "/v1/signals/pro/preview").status_code == 422
    assert shared.call("POST", "/v1/signals/pro/preview?account=a&at=soon").status_code == 422
