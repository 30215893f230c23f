"""A decision as one sentence for a person, built from its checks. Pure.

`not sent, it waits: Ann Lee has had 1 of 1 messages today` says the same as the row of checks it is made of.
"""

from collections.abc import Callable, Mapping
from typing import Any

from journeys.store.reads.wording import evidence_line, shown, words
from signals.instant import iso

Saw = Any
Words = str | Callable[[Saw, str], str]
"""How a reason is said: with `{who}` for the person, or made from what the check saw."""

_WAITS = {
    "held": "not sent yet",
    "suppressed": "not sent",
    "expired": "not sent, its time ran out",
    "cancelled": "not sent, cancelled",
    "failed": "not sent, it failed",
    "withheld": "not sent, kept back to compare",
    "in_doubt": "perhaps sent, it is in doubt",
    "not_sent": "not sent",
}


def sentence(decision: Mapping[str, Any], person: str | None = None) -> str:
    """The decision (a resource of interfaces.md §3) in one sentence; `person` is what its contact is called."""
    who = person or decision["contact"] or _unnamed(decision)
    return _SUBJECTS.get(decision["subject"], _other)(decision, who)


def _unnamed(decision: Mapping[str, Any]) -> str:
    """Who a decision without a contact is about: a call goes to another system."""
    seen = [check["saw"] for check in decision["checks"] if check["check"] == "contact"]
    return "the other system" if {"passes": "webhook"} in seen else "the person"


def stopped_by(decision: Mapping[str, Any]) -> dict[str, Any] | None:
    """The check that stopped it, None where every check passed."""
    return next((check for check in decision["checks"] if not check["passed"]), None)


# ── why a play did or did not start ────────────────────────────────────────────────────────────────────────────


def _start(decision: Mapping[str, Any], _person: str) -> str:
    play = f"{decision['play']} (version {decision['version']})"
    reason = decision["reason"]
    if decision["outcome"] == "started":
        if reason:
            return f"started {play} in the {reason} group: it runs, but nothing of it reaches anyone"
        return f"started {play}: every check passed"
    if decision["outcome"] == "tested":
        return f"tried {play} on a copy: nothing of it reached anyone here"
    check = stopped_by(decision)
    return f"did not start {play}: {_say(_STARTS, str(reason), check, '')}"


def _say(table: Mapping[str, Words], reason: str, check: Mapping[str, Any] | None, person: str) -> str:
    """The reason by its table; one that has no words of its own by its name."""
    say = table.get(reason, words(reason))
    if isinstance(say, str):
        return say.replace("{who}", person)
    return say(check["saw"] if check else None, person)


def _seen(saw: Saw) -> str:
    lines = (
        [evidence_line(each) for each in saw if isinstance(each, Mapping)] if isinstance(saw, list) else []
    )
    return f" (saw {'; '.join(lines)})" if lines else ""


def _re_entry(saw: Saw, _: str) -> str:
    ended = iso(saw) if isinstance(saw, int) else saw
    return "it may not start again so soon" + (f", it last ended at {ended}" if ended else "")


def _group(saw: Saw, _: str) -> str:
    return f"a journey of its group is under way{': ' + shown(saw) if saw else ''}"


_STARTS: dict[str, Words] = {
    "too_old": lambda saw, _: f"what would have started it ({shown(saw)}) came too late to act on",
    "play_paused": "the play is paused or being stopped",
    "already_live": "the account is already going through it",
    "audience": lambda saw, _: f"the account is not in its audience{_seen(saw)}",
    "re_entry": _re_entry,
    "exit_holds": lambda saw, _: f"its exit already holds{_seen(saw)}",
    "goal_met": lambda saw, _: f"its goal is already met{_seen(saw)}",
    "group_busy": _group,
    "stale_feed": lambda saw, _: f"a feed it depends on is silent, so nothing is known{_seen(saw)}",
}


# ── why a message was or was not sent ──────────────────────────────────────────────────────────────────────────


def _send(decision: Mapping[str, Any], person: str) -> str:
    outcome, reason = decision["outcome"], decision["reason"]
    if outcome == "sent":
        return f"sent to {person}: every check passed"
    if outcome == "tested":
        return _tried(decision, person)
    lead = _WAITS.get(outcome, words(outcome))
    # What has expired was stopped by its time; the reason is what it last waited for, which was seen earlier.
    check = None if outcome == "expired" else stopped_by(decision)
    return f"{lead}: {_say(_SENDS, str(reason), check, person)}" if reason else lead


def _tried(decision: Mapping[str, Any], person: str) -> str:
    saw: Mapping[str, Any] = next(
        (check["saw"] for check in decision["checks"] if check["check"] == "test"), {}
    )
    return f"only tried: {saw.get('content', 'it')} would go to {person}, who got nothing of it"


def _cap(who: str, saw: Saw) -> str:
    if not isinstance(saw, Mapping):
        return f"{who} has had as many messages as allowed"
    today, per_day = saw.get("today"), saw.get("per_day")
    if isinstance(today, int) and isinstance(per_day, int) and today >= per_day:
        return f"{who} has had {today} of {per_day} messages today"
    week, per_week = saw.get("last_7d"), saw.get("per_7d")
    return f"{who} has had {week} of {per_week} messages in the last 7 days"


def _contact_cap(saw: Saw, person: str) -> str:
    return _cap(person, saw)


def _account_cap(saw: Saw, _: str) -> str:
    return _cap("the account", saw)


def _vacant(saw: Saw, _: str) -> str:
    return f"nobody at the account is {words(shown(saw))}"


def _holds(saw: Saw, _: str) -> str:
    reasons = saw.get("holds") if isinstance(saw, Mapping) else None
    return "the account is on hold" + (f" ({shown(reasons)})" if reasons else "")


def _quiet(saw: Saw, person: str) -> str:
    local = saw.get("local", "") if isinstance(saw, Mapping) else ""
    return f"it is quiet hours for {person}" + (f", {local[11:16]} in {saw.get('zone')}" if local else "")


def _ended(saw: Saw, _: str) -> str:
    if isinstance(saw, Mapping) and saw.get("goal"):
        return "the goal of its journey is met"
    if isinstance(saw, Mapping) and saw.get("exit"):
        return "the exit of its journey holds"
    return "its journey has ended"


def _fails(saw: Saw, _: str) -> str:
    detail = saw.get("fails") if isinstance(saw, Mapping) else None
    return f"its content could not be made: {detail}" if detail else "its content could not be made"


_CONTENT = ("missing_fact", "bad_template", "template_error", "too_large", "bad_link", "bad_subject")
_SENDS: dict[str, Words] = {
    "journey_ended": _ended,
    "contact_closed": "{who} has left or was erased",
    "no_address": "{who} has no address for this channel",
    "hard_bounce": "mail to {who} bounced for good before",
    "complaint": "{who} complained about our mail",
    "manual": "{who} was put on the suppression list by hand",
    "legal": "{who} is on the suppression list for legal reasons",
    "unsubscribed": "{who} has unsubscribed from this",
    "not_opted_in": "{who} has not opted in to this topic",
    "duplicate": "{who} was sent the same content just before",
    "consent_unreadable": "consent could not be read, and that is a no",
    "sending_stopped": "all sending is stopped",
    "play_paused": "the play is paused",
    "account_hold": _holds,
    "outranked": "a message of higher priority to {who} goes first",
    "contact_cap": _contact_cap,
    "account_cap": _account_cap,
    "role_gap": "somebody else at the account was written to within a day",
    "quiet_hours": _quiet,
    "rate": "messages leave one at a time, and it is not its turn yet",
    "control": "the account is in the control group",
    "late": "nothing ran while it could have gone",
    "temporary": "the mail server asked to try again later",
    "permanent": "the mail server refused it for good",
    "bounced": "it came back",
    "role_vacant": _vacant,
    **dict.fromkeys(_CONTENT, _fails),
}


def _task(decision: Mapping[str, Any], _person: str) -> str:
    if decision["outcome"] == "created":
        return f"a task was made by {decision['play']}"
    if decision["outcome"] == "withheld":
        return "no task was made: the account is in the control group"
    return _other(decision, _person)


def _offer(decision: Mapping[str, Any], _person: str) -> str:
    """What was offered, and what was passed over before it."""
    if not decision["checks"]:
        return _other(decision, _person)
    over = [check for check in decision["checks"] if not check["passed"]]
    passed = ", ".join(f"{words(one['check'])} ({_OVER.get(one['saw']['why'], 'unknown')})" for one in over)
    made = next((words(check["check"]) for check in decision["checks"] if check["passed"]), None)
    if decision["outcome"] == "not_made":
        return f"no offer was made: {passed}"
    lead = (
        f"{decision['play']} offered {made}"
        if decision["outcome"] == "made"
        else f"{made} was withheld: control"
    )
    return f"{lead}; passed over: {passed}" if passed else lead


_OVER = {
    "service_fault": "we are at fault: no discount",
    "urgent_ticket": "an urgent ticket is open",
    "monetary_limit": "one that costs money was made within a year",
    "limit": "made as often as it may be",
    "when": "not for this account",
    "unknown": "not defined any more",
}


def _other(decision: Mapping[str, Any], _person: str) -> str:
    reason = f": {words(decision['reason'])}" if decision["reason"] else ""
    return f"{words(decision['subject'])} {words(decision['outcome'])}{reason}"


_SUBJECTS: dict[str, Callable[[Mapping[str, Any], str], str]] = {
    "start": _start,
    "send": _send,
    "task": _task,
    "offer": _offer,
}
