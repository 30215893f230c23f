"""A feed that fell silent is named: by the service, on the profile, in what explains, on the page (semantics §3)."""

from typing import Any

import sqlalchemy as sa

from api.house import NOW, House, MakeHouse
from journeys.store.tables import feeds
from signals.instant import DAY, HOUR, iso

FEED = {"source": "mixpanel", "types": ["product.*"], "every": "6h"}
SILENT = {"feed": "mixpanel", "types": ["product.*"], "every": "6h", "silent_since": iso(NOW + HOUR)}


def promise(house: House, *promised: dict[str, Any]) -> None:
    house.ok("PUT", "/v1/policies/policies", {"feeds": list(promised)})
    house.ok("POST", "/v1/policies/policies/activate")


def speak(house: House, at: int, kind: str = "product.login", source: str = "mixpanel") -> None:
    """The feed says something of acme, received and folded at that instant."""
    house.clock.at = at
    about = {"specversion": "1.0", "id": f"{source}-{at}", "source": source, "type": kind, "account": "acme"}
    house.ok("POST", "/v1/events", about, headers={"content-type": "application/cloudevents+json"})
    house.fold()


def rows(house: House) -> list[Any]:
    with house.database.read() as connection:
        return list(connection.execute(sa.select(feeds).order_by(feeds.c.source, feeds.c.every)))


def test_a_service_is_ready_while_a_feed_of_others_is_silent_and_names_it(house: House) -> None:
    promise(house, FEED)
    speak(house, NOW + HOUR)
    house.clock.at = NOW + 7 * HOUR
    assert house.http.get("/readyz").json()["stale_feeds"] == []
    house.clock.at += 1
    ready = house.http.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ok", "trouble": {}, "stale_feeds": [SILENT]},
    )
    speak(house, NOW + DAY)
    assert house.http.get("/readyz").json()["stale_feeds"] == []


def test_the_profile_the_list_explain_and_the_page_name_it(make_house: MakeHouse) -> None:
    house = make_house(open_console=True)
    promise(house, FEED)
    speak(house, NOW + HOUR)
    assert house.get("/v1/accounts/acme")["stale_feeds"] == []
    assert "Not heard of" not in house.http.get("/accounts/acme").text
    house.clock.at = NOW + DAY
    assert house.get("/v1/accounts/acme")["stale_feeds"] == [SILENT]
    assert house.get("/v1/accounts")["items"][0]["stale_feeds"] == [SILENT]
    explained = house.get("/v1/accounts/acme/explain")
    assert explained["stale_feeds"] == [SILENT]
    assert explained["summary"].endswith(
        "; mixpanel has been silent since 2026-03-02T10:00:00Z: what rests on product.* is unknown"
    )
    assert house.get("/v1/accounts/acme/explain", at=iso(NOW + 2 * HOUR))["stale_feeds"] == []
    assert "drops and absences on product.* are unknown" in house.http.get("/accounts/acme").text


def test_a_play_that_could_not_be_judged_says_which_feed_is_silent(house: House) -> None:
    promise(house, FEED)
    body = {
        "key": "idle",
        "trigger": {"event": "go"},
        "audience": {"absent": "product.*", "for": "1d"},
        "steps": [{"end": {}}],
    }
    house.ok("PUT", "/v1/plays/idle", body)
    house.ok("POST", "/v1/plays/idle/activate")
    speak(house, NOW + HOUR)
    speak(house, NOW + 3 * DAY, "go", source="desk")
    (decision,) = house.get("/v1/decisions", play="idle")["items"]
    assert (decision["outcome"], decision["reason"]) == ("not_started", "stale_feed")
    assert "unknown, for mixpanel has been silent since 2026-03-02T10:00:00Z" in decision["sentence"]


def test_a_promise_counts_from_its_activation_and_outlives_other_changes_of_the_policies(
    house: House,
) -> None:
    speak(house, NOW - DAY)
    house.clock.at = NOW
    promise(house, FEED)
    (first,) = rows(house)
    assert (first.since, first.before, first.last) == (NOW, NOW - DAY, None)
    assert house.http.get("/readyz").json()["stale_feeds"][0]["silent_since"] == iso(NOW - DAY)
    speak(house, NOW + HOUR)
    house.clock.at = NOW + 2 * HOUR
    promise(house, {**FEED, "types": ["product.*", "engagement.*"]}, {**FEED, "source": "stripe"})
    kept, new = rows(house)
    assert (kept.since, kept.last, kept.types) == (NOW, NOW + HOUR, ["engagement.*", "product.*"])
    assert (new.since, new.before) == (NOW + 2 * HOUR, None)


def test_a_promise_that_is_not_made_any_more_is_forgotten(house: House) -> None:
    promise(house, FEED)
    promise(house)
    assert rows(house) == []
    promise(house, FEED)
    house.ok("POST", "/v1/policies/policies/archive")
    assert rows(house) == []
    house.clock.at = NOW + DAY
    assert house.http.get("/readyz").json()["stale_feeds"] == []
