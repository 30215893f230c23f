"""What a scenario expects, compared with what is there; a mismatch shows both, and the decisions that explain it."""

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

import sqlalchemy as sa

from journeys.scenarios.mismatch import Mismatch
from journeys.scenarios.stage import Stage
from journeys.scenarios.story import Expect
from journeys.state import AccountState
from journeys.store.accounts import load
from journeys.store.outcomes import message_of, task_of
from journeys.store.reads.scores import health_json
from journeys.store.tables import accounts, contacts, dead_letters, decisions, journeys, messages, tasks
from signals.attributes import plain_account
from signals.instant import iso, iso_or_none
from signals.operators import as_instant


def check(stage: Stage, expect: Expect, at: str) -> list[Mismatch]:
    """Every expectation that does not hold now."""
    seen = _Seen(stage)
    found = [*_states(seen, expect), *_lists(seen, expect), *_absent(seen, expect)]
    return [
        Mismatch(at, what, expected, got, seen.because(about, {*what.split(), *_words(expected)}))
        for what, expected, got, about in found
    ]


def _words(expected: Any) -> set[str]:
    """What an expectation names: plays, contents."""
    values = expected.values() if isinstance(expected, Mapping) else ()
    return {value for value in values if isinstance(value, str)}


_Finding = tuple[str, Any, Any, "str | None"]


class _Seen:
    """What is there now, read once for each kind."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.now = stage, stage.now

    def state(self, account: str) -> AccountState | None:
        with self.stage.database.read() as connection:
            return load(connection, account)

    def states(self) -> list[AccountState]:
        with self.stage.database.read() as connection:
            ids = connection.execute(sa.select(accounts.c.id)).scalars().all()
            return [state for account in ids if (state := load(connection, account)) is not None]

    def rows(self, table: sa.Table, *order: str) -> list[Any]:
        with self.stage.database.read() as connection:
            return list(connection.execute(sa.select(table).order_by(*(table.c[name] for name in order))))

    def messages(self) -> list[dict[str, Any]]:
        rows = self.rows(messages, "due_at", "lane")
        return [{**message_of(row).as_json(), "to": row.contact, "address": row.address} for row in rows]

    def tasks(self) -> list[dict[str, Any]]:
        return [task_of(row.value).as_json() for row in self.rows(tasks, "created_at", "id")]

    def decisions(self) -> list[dict[str, Any]]:
        return [{**row._asdict(), "at": iso(row.at)} for row in self.rows(decisions, "at", "id")]

    def journeys(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        found: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for row in self.rows(journeys, "started_at", "id"):
            about = {"status": row.status, "reason": row.reason, "step": row.step, "version": row.version}
            about |= {"arm": row.arm, "key": row.key, "started_at": iso(row.started_at)}
            about |= {"ended_at": iso_or_none(row.ended_at)}
            found.setdefault(row.account, {}).setdefault(row.play, []).append(about)
        return found

    def dead(self) -> list[dict[str, Any]]:
        return [{"reason": row.reason, "detail": row.detail} for row in self.rows(dead_letters, "at")]

    def because(self, about: str | None, words: Set[str]) -> list[str]:
        """The newest decisions about an account or contact, those first that are about the play or content named.

        Of a contact nothing was decided about, those of their accounts: perhaps nobody held the role.
        """
        every = [] if about is None else self.decisions()
        mine = [d for d in every if about in (d["account"], d["contact"])]
        homes = (
            set() if mine or not every else {row.account for row in self.rows(contacts) if row.id == about}
        )
        mine = mine or [d for d in every if d["account"] in homes and d["subject"] != "task"]
        of_message = {row.id: row.content for row in self.rows(messages)} if mine else {}
        named = [d for d in mine if not words.isdisjoint({d["play"], of_message.get(d["message"])})]
        return [_said(decision) for decision in (named or mine)[-3:]]


def _said(decision: Mapping[str, Any]) -> str:
    failed = [check for check in decision["checks"] if not check.get("passed", True)]
    saw = f", {failed[0]['check']} saw {failed[0]['saw']}" if failed else ""
    reason = f":{decision['reason']}" if decision["reason"] else ""
    who = f" to {decision['contact']}" if decision["contact"] else ""
    return (
        f"{decision['at']} {decision['subject']} {decision['play']}{who} → {decision['outcome']}{reason}{saw}"
    )


def _states(seen: _Seen, expect: Expect) -> Iterator[_Finding]:
    for account, wanted in expect.open_signals.items():
        state = seen.state(account)
        open_now = [] if state is None else _open(state)
        if set(open_now) != set(wanted):
            yield f"open signals of {account}", sorted(wanted), sorted(open_now), account
    for account, counts in expect.fired.items():
        state = seen.state(account)
        for key, count in counts.items():
            signal = None if state is None else state.profile.signals.get(key)
            if (signal.fired if signal else 0) != count:
                yield f"{key} fired at {account}", count, signal.fired if signal else 0, account
    for account, wanted in expect.segments.items():
        state = seen.state(account)
        inside = [] if state is None else list(state.profile.segments)
        if set(inside) != set(wanted):
            yield f"segments of {account}", sorted(wanted), sorted(inside), account
    for account, stage in expect.stage.items():
        state = seen.state(account)
        if (state.profile.stage if state else None) != stage:
            yield f"stage of {account}", stage, state.profile.stage if state else None, account
    yield from _health(seen, expect)
    yield from _conditions(seen, expect)
    for account, attributes in expect.attributes.items():
        state = seen.state(account)
        known = {} if state is None else plain_account(state.profile, seen.now)
        for name, value in attributes.items():
            if not _like(value, known.get(name)):
                yield f"attribute {name} of {account}", value, known.get(name), account


def _health(seen: _Seen, expect: Expect) -> Iterator[_Finding]:
    """The field `health` of an account on what is given of it; null where nothing scores it."""
    for account, wanted in expect.health.items():
        state = seen.state(account)
        health = None if state is None else health_json(state.profile.health, seen.now)
        if not _like(wanted, health):
            yield f"health of {account}", wanted, health, account


def _open(state: AccountState) -> list[str]:
    return [key for key, signal in state.profile.signals.items() if signal.open and not key.startswith("@")]


def _conditions(seen: _Seen, expect: Expect) -> Iterator[_Finding]:
    """A bare condition, its measures counted from the whole history, whether or not a definition watches them."""
    for bare in expect.holds:
        verdict, saw = seen.stage.ask(bare["account"], bare["condition"])
        wanted = {"unknown": None}.get(bare["is"], bare["is"]) if isinstance(bare["is"], str) else bare["is"]
        if verdict is not wanted:
            yield (
                f"{bare['condition']} at {bare['account']}",
                bare["is"],
                f"{verdict} ({saw})",
                bare["account"],
            )


def _lists(seen: _Seen, expect: Expect) -> Iterator[_Finding]:
    lists: list[tuple[str, list[dict[str, Any]] | None, Any]] = [
        ("messages", expect.messages, seen.messages),
        ("tasks", expect.tasks, seen.tasks),
        ("decisions", expect.decisions, seen.decisions),
        ("dead", expect.dead, seen.dead),
    ]
    for name, wanted, read in lists:
        if wanted is not None:
            yield from _matched(name, wanted, read(), expect.only)
    for account, plays in expect.journeys.items():
        yield from _journeys(account, plays, seen.journeys().get(account, {}), expect.only)
    for contact, count in expect.message_count.items():
        sent = [m for m in seen.messages() if m["to"] == contact and m["status"] in ("sent", "delivered")]
        if len(sent) != count:
            yield f"messages sent to {contact}", count, len(sent), contact
    for account, count in expect.task_count.items():
        still = [t for t in seen.tasks() if t["account"] == account and t["status"] != "closed"]
        if len(still) != count:
            yield f"open tasks of {account}", count, len(still), account
    refused = [{fault.kind: fault.key} for fault in seen.stage.refused]
    for wanted_refusal in expect.refused:
        if wanted_refusal not in refused:
            yield "refused definitions", wanted_refusal, [str(fault) for fault in seen.stage.refused], None


def _matched(
    name: str, wanted: list[dict[str, Any]], rows: list[dict[str, Any]], only: bool
) -> Iterator[_Finding]:
    """Each expected row takes another actual one; with `only` none may be left."""
    left = list(rows)
    for row in wanted:
        found = next((actual for actual in left if _row_like(row, actual)), None)
        if found is None:
            about = row.get("to") or row.get("contact") or row.get("account")
            yield name, row, [_short(actual, row) for actual in rows], about
        else:
            left.remove(found)
    if only and left:
        yield f"{name}: only those", wanted, [_short(actual, left[0]) for actual in left], None


def _journeys(
    account: str, wanted: Mapping[str, Any], seen: Mapping[str, list[Any]], only: bool
) -> Iterator[_Finding]:
    for play, status in wanted.items():
        mine = seen.get(play, [])
        listed = status if isinstance(status, list) else [status]
        compared = mine if isinstance(status, list) else mine[-1:]
        ok = len(compared) == len(listed) and all(map(_journey_like, listed, compared))
        if status is None or status == "none":
            ok = not mine
        if not ok:
            yield f"journeys of {play} at {account}", status, [_journey_said(one) for one in mine], account
    if only and (more := seen.keys() - wanted.keys()):
        yield f"journeys at {account}: only those", list(wanted), sorted(more), account


def _journey_like(wanted: Any, seen: Mapping[str, Any]) -> bool:
    if isinstance(wanted, Mapping):
        return _row_like(wanted, seen)
    status, _, reason = str(wanted).partition(":")
    return seen["status"] == status and (not reason or seen["reason"] == reason)


def _journey_said(one: Mapping[str, Any]) -> str:
    return f"{one['status']}:{one['reason']}" if one["reason"] else f"{one['status']} at {one['step']}"


def _absent(seen: _Seen, expect: Expect) -> Iterator[_Finding]:
    lists = {"messages": seen.messages, "tasks": seen.tasks, "decisions": seen.decisions, "dead": seen.dead}
    for name, wanted in expect.absent.items():
        if name in lists:
            for row in wanted:
                if found := [actual for actual in lists[name]() if _row_like(row, actual)]:
                    about = row.get("to") or row.get("contact") or row.get("account")
                    yield f"{name} that should not be", row, _short(found[0], row), about
        elif name == "journeys":
            for account, plays in wanted.items():
                yield from _absent_journeys(account, plays, seen.journeys().get(account, {}))
        elif name == "open_signals":
            for account, keys in wanted.items():
                state = seen.state(account)
                for key in set(keys) & set([] if state is None else _open(state)):
                    yield f"open signals of {account} that should not be", key, "open", account


def _absent_journeys(account: str, plays: Any, seen: Mapping[str, list[Any]]) -> Iterator[_Finding]:
    unwanted = plays.items() if isinstance(plays, Mapping) else [(play, None) for play in plays]
    for play, status in unwanted:
        found = [one for one in seen.get(play, []) if status is None or _journey_like(status, one)]
        if found:
            yield (
                f"journeys of {play} at {account} that should not be",
                status,
                _journey_said(found[0]),
                account,
            )


def _row_like(wanted: Mapping[str, Any], actual: Mapping[str, Any]) -> bool:
    """A row matches on the fields given."""
    return all(_like(value, actual.get(name)) for name, value in wanted.items())


def _like(wanted: Any, actual: Any) -> bool:
    """Instants compare as instants, maps on the fields given, all else as it is."""
    if isinstance(wanted, Mapping) and isinstance(actual, Mapping):
        return _row_like(wanted, actual)
    if isinstance(wanted, str) and isinstance(actual, str) and wanted != actual:
        one, other = as_instant(wanted), as_instant(actual)
        return one is not None and one == other
    return bool(wanted == actual)


def _short(actual: Mapping[str, Any], asked: Iterable[str]) -> dict[str, Any]:
    """Of a row, what was asked about and what says how it went."""
    names = ("to", "content", "account", "contact", "title", "play", "subject", "outcome", "status", "reason")
    shown = [*names, *(name for name in asked if name not in names)]
    return {name: actual[name] for name in shown if actual.get(name) is not None}
