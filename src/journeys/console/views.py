"""View models: what a page shows, worked out before the template writes it. Pure."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any
from urllib.parse import quote, urlencode

from journeys.store.reads.page import Page
from signals.instant import DAY, Instant, iso, parse_instant, to_datetime
from signals.operators import as_instant

FACTS = ("plan", "mrr", "seats", "renews_at", "status", "payment_status", "tier", "industry", "country")
"""What of an account's attributes is shown first."""

_HIDDEN = {"name", "owner", "stage"}


class Filters(dict[str, Any]):
    """What a list is narrowed by; a filter that was not given is None."""

    def __missing__(self, name: str) -> None:
        return None


def wanted(**given: str | None) -> Filters:
    """The filters that were really given: no empty ones, no NUL, which no stored word contains."""
    known = {name: text.strip() for name, text in given.items() if text and "\x00" not in text}
    return Filters({name: text for name, text in known.items() if text})


def paging(path: str, filters: Mapping[str, str], page: Page, cursor: str | None) -> dict[str, str | None]:
    """Where the next page and the first one lie; None where there is none."""
    following = page["next"]
    return {
        "next": None if following is None else address(path, {**filters, "cursor": following}),
        "first": address(path, filters) if cursor else None,
    }


def address(path: str, query: Mapping[str, str]) -> str:
    """A path with its query."""
    return f"{path}?{urlencode(query)}" if query else path


def account_path(account: str) -> str:
    """Where an account's page lies."""
    return f"/accounts/{quote(account, safe='')}"


def facts(attributes: Mapping[str, Any]) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """An account's attributes: the few everybody asks for, and the rest by name."""
    first = [(name, attributes[name]) for name in FACTS if attributes.get(name) is not None]
    rest = sorted(
        (name, value) for name, value in attributes.items() if name not in FACTS and name not in _HIDDEN
    )
    return first, rest


_DATES = (("renews_at", "The contract renews"), ("next_charge_at", "The next charge"))


def ahead(timers: list[dict[str, Any]], attributes: Mapping[str, Any], now: Instant) -> list[dict[str, Any]]:
    """What happens next at an account: its timers and the dates that matter, the soonest first."""
    found = list(timers)
    for name, title in _DATES:
        at = as_instant(attributes[name]) if isinstance(attributes.get(name), str) else None
        if at is not None and at > now:
            found.append({"at": iso(at), "kind": "date", "title": title, "refs": {}})
    return sorted(found, key=lambda one: parse_instant(one["at"]))


def people(contacts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The people at an account: those here with roles first, those who left last; roles split by whether they last."""
    shown = [
        {
            **contact,
            "now": [span for span in contact["roles"] if span["until"] is None],
            "before": [span for span in contact["roles"] if span["until"] is not None],
        }
        for contact in contacts
    ]
    return sorted(shown, key=lambda one: (not one["open"], -_standing(one), one["name"] or one["id"]))


def _standing(person: Mapping[str, Any]) -> int:
    """How many roles someone holds; being a mere user counts least."""
    return sum(1 if span["role"] == "user" else 2 for span in person["now"])


def by_day(rows: Iterable[Mapping[str, Any]], now: Instant) -> list[dict[str, Any]]:
    """The time line under one heading for each UTC day, each row with the page it leads to.

    Days on which nothing but the everyday happened are `quiet`: those next to one another share a block.
    """
    blocks: list[dict[str, Any]] = []
    for day, group in groupby(rows, key=lambda row: parse_instant(str(row["at"])) // DAY):
        of_day = [{**row, "href": leads_to(row)} for row in group]
        quiet = all("types" in row["refs"] for row in of_day)
        if quiet and blocks and blocks[-1]["quiet"]:
            blocks[-1]["rows"] += of_day
        else:
            blocks.append({"title": None if quiet else _day_title(day, now), "quiet": quiet, "rows": of_day})
    return blocks


def _day_title(day: int, now: Instant) -> str:
    ago = now // DAY - day
    on = to_datetime(day * DAY)
    date = f"{on:%A, %-d %B}" if ago < 300 else f"{on:%-d %B %Y}"
    return {0: f"Today · {date}", 1: f"Yesterday · {date}"}.get(ago, date)


def leads_to(row: Mapping[str, Any]) -> str | None:
    """The page that says more about a row of the time line."""
    refs = row["refs"]
    paths = {
        "message": "/outbox/{}",
        "task": "/tasks/{}",
        "journey": "/decisions?journey={}",
        "decision": "/decisions?id={}",
    }
    own = row["kind"] if row["kind"] in refs else None
    for name in (own, "message", "task", "journey"):
        if name in paths and name in refs and row["kind"] in paths:
            return paths[name].format(quote(refs[name], safe=""))
    return f"/accounts?signal={quote(refs['signal'], safe='')}" if row["kind"] == "signal" else None


def plays(counted: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Journeys counted by play: how many of each status, the busiest play first."""
    found: dict[str, dict[str, int]] = {}
    for row in counted:
        found.setdefault(row["play"], {})[row["status"]] = row["journeys"]
    shown = [{"play": play, "by": by, "all": sum(by.values())} for play, by in found.items()]
    return sorted(shown, key=lambda row: (-row["all"], row["play"]))


def open_signals(counted: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Open signals by key with their worst severity and how many accounts have them, the worst first."""
    ranks = {"critical": 0, "warning": 1, "info": 2}
    found: dict[str, dict[str, Any]] = {}
    for row in counted:
        entry = found.setdefault(
            row["signal"], {"signal": row["signal"], "severity": row["severity"], "accounts": 0}
        )
        entry["accounts"] += row["accounts"]
        entry["severity"] = min(entry["severity"], row["severity"], key=lambda word: ranks.get(word, 3))
    return sorted(
        found.values(), key=lambda row: (ranks.get(row["severity"], 3), -row["accounts"], row["signal"])
    )


def deadline(task: Mapping[str, Any]) -> dict[str, Any]:
    """What a task breaches next: first touch until it is started, then resolving; nothing once closed."""
    if task["status"] == "closed":
        return {"what": None, "at": None}
    if task["status"] == "open" and task["first_touch_by"]:
        return {"what": "first touch", "at": task["first_touch_by"]}
    return {"what": "resolve", "at": task["resolve_by"]}


def with_deadlines(tasks: Iterable[Mapping[str, Any]], now: Instant) -> list[dict[str, Any]]:
    """Tasks, each with its next deadline and whether that is over."""
    shown = []
    for task in tasks:
        due = deadline(task)
        late = (
            due["at"] is not None and parse_instant(due["at"]) < now and task["status"] in ("open", "started")
        )
        shown.append({**task, "due": due, "late": late or task["breached"]})
    return shown
