"""Waits for a business window: on whose clock, on which days, and on the days clocks are changed (semantics §5 "Steps")."""

from typing import Any

import pytest
from pydantic import ValidationError

from builders import Account, attributes, person, play, playbook
from plays.steps import Step
from signals.instant import Instant, iso, parse_instant

TO_ADMIN = {"message": {"to": "admin", "content": "hello"}}
TO_EACH = {"message": {"to": {"each": ["champion", "admin"]}, "content": "hello"}}


def opened(
    start: str,
    window: dict[str, Any],
    *then: dict[str, Any],
    zones: tuple[str | None, str | None],
    **about: Any,
) -> str:
    """When the step behind the window is taken; `zones` are those of the contact and of the account."""
    steps = [{"wait": {"window": window}}, *(then or [TO_ADMIN])]
    now = parse_instant(start)
    acme = Account(playbook(play(steps=steps), zone="UTC", **about), created_at=now)
    contact, account = zones
    acme.live(person("ann", now, roles=["admin"], **({} if contact is None else {"timezone": contact})))
    if account is not None:
        acme.live(attributes(now, timezone=account))
    acme.happens("go", now)
    acme.until(now + 30 * 86_400_000_000)
    made: list[Instant] = [message.due_at for message in acme.messages()]
    return iso(made[0])


OFFICE = {"from": "09:00", "to": "17:00"}


@pytest.mark.parametrize(
    ("start", "window", "zones", "opens"),
    [
        # open already; the end of the window lies outside it
        ("2026-03-02T09:00:00Z", OFFICE, (None, None), "2026-03-02T09:00:00Z"),
        ("2026-03-02T16:59:59Z", OFFICE, (None, None), "2026-03-02T16:59:59Z"),
        ("2026-03-02T17:00:00Z", OFFICE, (None, None), "2026-03-03T09:00:00Z"),
        # a Friday evening waits for Monday, or for the days that are named
        ("2026-03-06T18:00:00Z", OFFICE, (None, None), "2026-03-09T09:00:00Z"),
        ("2026-03-06T18:00:00Z", {**OFFICE, "days": ["sat"]}, (None, None), "2026-03-07T09:00:00Z"),
        # whose clock: the addressee's, else the account's, else the service's
        ("2026-03-02T04:00:00Z", OFFICE, ("America/New_York", "Asia/Tokyo"), "2026-03-02T14:00:00Z"),
        ("2026-03-02T08:30:00Z", OFFICE, (None, "Asia/Tokyo"), "2026-03-03T00:00:00Z"),
        ("2026-03-02T08:30:00Z", OFFICE, ("No/Where", "Asia/Tokyo"), "2026-03-03T00:00:00Z"),
        ("2026-03-02T04:00:00Z", {**OFFICE, "zone": "account"}, ("America/New_York", "Asia/Tokyo"), "2026-03-02T04:00:00Z"),
        ("2026-03-02T04:00:00Z", {**OFFICE, "zone": "service"}, ("America/New_York", "Asia/Tokyo"), "2026-03-02T09:00:00Z"),
        # New York puts its clocks forward on Sunday 8 March and back on Sunday 1 November 2026
        ("2026-03-06T23:00:00Z", OFFICE, ("America/New_York", None), "2026-03-09T13:00:00Z"),
        ("2026-10-30T22:00:00Z", OFFICE, ("America/New_York", None), "2026-11-02T14:00:00Z"),
        # an hour that does not exist opens after the gap; one that comes twice opens the first time
        ("2026-03-08T00:00:00Z", {"from": "02:30", "to": "03:30", "days": ["sun"]}, ("America/New_York", None), "2026-03-08T07:00:00Z"),
        ("2026-11-01T00:00:00Z", {"from": "01:30", "to": "03:00", "days": ["sun"]}, ("America/New_York", None), "2026-11-01T05:30:00Z"),
        # zones of halves and quarters
        ("2026-03-02T00:00:00Z", OFFICE, ("Asia/Kathmandu", None), "2026-03-02T03:15:00Z"),
        ("2026-03-02T00:00:00Z", OFFICE, ("Australia/Lord_Howe", None), "2026-03-02T00:00:00Z"),
    ],
)  # fmt: skip
def test_a_window_opens_on_the_clock_it_names(
    start: str, window: dict[str, Any], zones: tuple[str | None, str | None], opens: str
) -> None:
    assert opened(start, window, zones=zones) == opens


def test_the_addressee_is_the_first_of_the_next_message_wherever_it_stands() -> None:
    branch = {"branch": [{"otherwise": True, "steps": [{"update": {"tags": {"add": ["x"]}}}, TO_EACH]}]}
    assert (
        opened("2026-03-02T04:00:00Z", OFFICE, branch, zones=("America/New_York", None))
        == "2026-03-02T14:00:00Z"
    )


def test_the_services_holidays_are_no_days_of_a_window() -> None:
    policies = {"calendar": {"holidays": ["2026-03-02", "2026-03-03"]}}
    seen = opened("2026-03-02T08:00:00Z", OFFICE, zones=(None, None), policies=policies)
    assert seen == "2026-03-04T09:00:00Z"


def test_a_zone_that_changes_while_it_waits_is_heeded() -> None:
    now = parse_instant("2026-03-02T00:00:00Z")
    acme = Account(playbook(play(steps=[{"wait": {"window": OFFICE}}, TO_ADMIN])), created_at=now)
    acme.live(person("ann", now, roles=["admin"], timezone="America/New_York"))
    acme.happens("go", now)
    acme.live(person("ann", now + 1, timezone="Europe/Berlin"))
    acme.until(now + 5 * 86_400_000_000)
    assert iso(acme.messages()[0].due_at) == "2026-03-02T08:00:00Z"


@pytest.mark.parametrize(
    "wait",
    [
        {"window": {"from": "17:00", "to": "09:00"}},
        {"window": {"from": "09:00", "to": "09:00"}},
        {"window": {"from": "25:00", "to": "26:00"}},
        {"window": {"days": []}},
        {"window": {"days": ["someday"]}},
        {"window": {"zone": "Europe/Berlin"}},
        {"window": {}, "for": "3d"},
        {"window": {}, "until": {"absent": "login", "for": "1d"}},
        {"window": {}, "at": "account.renews_at"},
        {},
    ],
)
def test_a_window_that_means_nothing_is_refused(wait: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Step.model_validate({"wait": wait})
