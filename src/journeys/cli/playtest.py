"""The part of `journeys backtest` that tries a play: what it would have done over the stored history."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import orjson

from journeys.backtest.question import BadQuestion
from journeys.backtests import AskedOfHistory, Backtest, NoSignal
from journeys.bootstrap import Parts
from journeys.cli.figures import lead, percent, show_lived
from journeys.cli.output import bar, fail, table, tell
from journeys.cli.remote import Remote, RemoteRefused
from journeys.definitions import Draft
from journeys.playtests import NoPlay, PlayBacktest
from journeys.shipped import shipped

LONGEST = 110
"""Seconds a running service is given for its answer."""


def is_play(key: str, drafts: list[Draft], made: Parts | None, remote: Remote | None) -> bool:
    """Whether the key names a play: as given, else as stored, else as shipped. Where it names both: a signal."""
    given, known = ({(draft.kind, draft.key) for draft in some} for some in (drafts, shipped()))
    stored = _stored_here(made) if made is not None else _stored_there(remote)
    for is_there in (given.__contains__, stored, known.__contains__):
        found = [kind for kind in ("signals", "plays") if is_there((kind, key))]
        if found:
            return found[0] == "plays"
    return False


def _stored_here(made: Parts) -> Callable[[tuple[str, str]], bool]:
    return lambda name: made.library.get(*name) is not None


def _stored_there(remote: Remote | None) -> Callable[[tuple[str, str]], bool]:
    def stored(name: tuple[str, str]) -> bool:
        assert remote is not None
        try:
            remote.get(f"/v1/{name[0]}/{quote(name[1], safe='')}")
        except RemoteRefused:
            return False  # if it is for another reason, the question itself is refused for it
        return True

    return stored


def answer(
    asked: tuple[str, str, dict[str, Any]],
    drafts: list[Draft],
    made: Parts | None,
    remote: Remote | None,
    prepare: Callable[[Parts], Backtest | PlayBacktest],
) -> dict[str, Any]:
    """The answer, from a running service or from this process, where `prepare` makes the back-test ready.

    `asked` is the kind, the key and the body of the question.
    """
    if remote is not None:
        return _there(remote, *asked, drafts)
    assert made is not None
    try:
        ready = prepare(made)
    except (NoSignal, NoPlay, BadQuestion) as error:
        fail(str(error))
    with bar("events", ready.events) as moved:
        return ready.run(made.now, moved)


def _there(remote: Remote, kind: str, key: str, body: dict[str, Any], drafts: list[Draft]) -> dict[str, Any]:
    """Asked of the running service, which gives it so many seconds and no more."""
    sent = {**body, "definitions": [{"kind": draft.kind, "body": draft.body} for draft in drafts]}
    path = f"/v1/{kind}/{quote(key, safe='')}/backtest"
    told: dict[str, Any] = remote.post(path, orjson.dumps(sent), seconds=LONGEST)
    return told


def try_play(
    key: str,
    asked: AskedOfHistory,
    body: dict[str, Any],
    drafts: list[Draft],
    made: Parts | None,
    remote: Remote | None,
) -> dict[str, Any]:
    """What the play would have done, from this process or from a running service."""

    def prepare(here: Parts) -> PlayBacktest:
        return PlayBacktest(
            here.database, here.library, here.composer, here.settings.timezone, key, asked, drafts
        )

    return answer(("plays", key, body), drafts, made, remote, prepare)


# ── for people ─────────────────────────────────────────────────────────────────────────────────────────────────


def show_play(told: dict[str, Any]) -> None:
    """The tables of a play's back-test."""
    show_lived(told)
    beside = ", ".join(told["beside"]) or "no other play"
    tell(f"{told['play']}, beside {beside}.", "")
    _show_journeys(told["journeys"])
    _show_messages(told)
    rows = [[role["role"], role["count"], role["most_a_day"]] for role in told["tasks"]["roles"]]
    table("Tasks", ["for", "raised", "most on a day"], rows)
    table("Where it meets other plays", ["what", "play", "times"], list(_collisions(told["collisions"])))
    if told["worth"] is not None:
        _show_worth(told)


def _show_journeys(told: dict[str, Any]) -> None:
    week = told["per_week"]
    cells = [told["candidates"], told["started"], told["accounts"], week["mean"], week["most"]]
    table("Journeys", ["candidates", "started", "accounts", "a week", "most in a week"], [cells])
    table("Not started, by reason", ["reason", "times"], _rows(told["not_started"]))
    table("Journeys by end", ["end", "journeys"], _rows(told["ended"]))
    if told["arms"]:
        table("Arms", ["arm", "journeys"], _rows(told["arms"]))


def _show_messages(told: dict[str, Any]) -> None:
    messages = told["messages"]
    rows = [[role["role"], role["count"], role["most_a_day"]] for role in messages["roles"]]
    table("Messages sent", ["to", "sent", "most on a day"], rows)
    waiting = {"(still waiting)": messages["waiting"]} if messages["waiting"] else {}
    table("Messages by end", ["end", "messages"], _rows({**messages["ended"], **waiting}))
    table("Held on their way", ["by", "messages"], _rows(told["held"]))


def _rows(counted: dict[str, int]) -> list[list[Any]]:
    return [[name, many] for name, many in counted.items()]


_MET = {
    "blocked_by": "not started: its group was busy with",
    "blocks": "kept from starting",
    "preempted_by": "ended in favour of",
    "preempts": "ended",
    "outranked_by": "messages that waited for one of",
    "outranks": "messages waited for by",
    "same_contact": "messages due with one to the same person by",
}


def _collisions(told: dict[str, dict[str, int]]) -> Iterator[list[Any]]:
    for kind, plays in told.items():
        for play, many in plays.items():
            yield [_MET[kind], play, many]


def _show_worth(told: dict[str, Any]) -> None:
    worth, chance = told["worth"], told["chance"]
    lift = f"× {worth['lift']['value']}" if worth["lift"]["shown"] else "not shown"
    cells = [worth["judged"], percent(worth["precision"]), percent(worth["chance_at_that_age"]), lift]
    heads = ["judged", "followed", "chance then", "lift", "of the outcomes", "days ahead"]
    cells += [percent(worth["recall"]), lead(worth["lead_days"])]
    table(f"Starts against {told['outcome']['type']} within {told['within']}", heads, [cells], whole=True)
    tell(f"Chance: an outcome follows {percent(chance)} of {chance['account_weeks']:,} account-weeks.")
