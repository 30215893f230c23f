"""A row of a table as a row of the time line: its title, its detail, and what it is about. Pure."""

from collections.abc import Mapping
from typing import Any

from journeys.store.reads import merges
from journeys.store.reads.scores import entry_json
from journeys.store.reads.sentences import sentence
from journeys.store.reads.why import decision_json
from journeys.store.reads.wording import evidence_line, words
from signals.instant import Instant, iso
from signals.profile import Held

Row = dict[str, Any]
People = Mapping[str, str]
"""What the account's contacts are called, by id."""


def _row(at: Instant, kind: str, title: str, detail: str | None, status: str | None, **refs: Any) -> Row:
    known = {name: value for name, value in refs.items() if value is not None}
    return {"at": iso(at), "kind": kind, "title": title, "detail": detail, "status": status, "refs": known}


def event(row: Any, people: People) -> Row:
    """What happened upstream, with who did it and the plain values it came with."""
    title = words(row.type.partition(".")[2] or row.type).capitalize()
    who = people.get(row.contact, row.contact)
    detail = " · ".join(part for part in (who, _facts(row.data)) if part)
    refs = {"type": row.type, "event": row.id, "source": row.source, "contact": row.contact}
    return _row(row.time, "event", title, detail or None, None, **refs)


def ours(row: Any, people: People) -> Row:
    """A signal that fired, or a segment entered or left."""
    kind, _, change = row.type.partition(".")
    if kind == "segment":
        segment = row.data.get("segment")
        return _row(
            row.time, "segment", f"{change.capitalize()} {words(segment)}", None, change, segment=segment
        )
    evidence, signal = row.data.get("evidence"), row.data.get("signal", change)
    lines = evidence if isinstance(evidence, list) else []
    said = "; ".join(evidence_line(each) for each in lines if isinstance(each, dict))
    severity = row.data.get("severity")
    return _row(row.time, "signal", words(signal).capitalize(), said or None, severity, signal=signal)


def role(at: Instant, change: str, span: Held, people: People) -> Row:
    """Somebody who came to hold a role, or ceased to."""
    who, what = people.get(span.contact, span.contact), words(span.role)
    title = f"{who} became {what}" if change == "began" else f"{who} is {what} no longer"
    return _row(at, "role", title, None, None, role=span.role, contact=span.contact)


def merge(row: Any, people: People) -> Row:
    """Ids that became one."""
    title, detail, refs = merges.told(row, people)
    return _row(row.at, "event", title, detail, None, **refs)


_SHOWN_FACTS = 5
_LONGEST_FACT = 160


def _facts(data: dict[str, Any]) -> str:
    """The plain values an event came with, the long ones cut."""
    inner = data.get("attributes")
    flat = {**data, **inner} if isinstance(inner, dict) else data
    plain = [(name, value) for name, value in flat.items() if isinstance(value, (str, int, float))]
    shown = [f"{words(name)} {str(value)[:_LONGEST_FACT]}" for name, value in plain[:_SHOWN_FACTS]]
    return ", ".join(shown) + (" …" if len(plain) > _SHOWN_FACTS else "")


def started(row: Any, people: People) -> Row:
    """A journey that started."""
    arm = f"in the {row.arm} group" if row.arm in ("holdout", "control") else None
    return _row(
        row.started_at,
        "journey",
        f"Started {words(row.play)}",
        arm,
        "started",
        journey=row.id,
        play=row.play,
    )


def ended(row: Any, people: People) -> Row:
    """A journey that ended."""
    title = f"{row.status.capitalize()} {words(row.play)}"
    detail = words(row.reason) if row.reason else None
    return _row(row.ended_at, "journey", title, detail, row.status, journey=row.id, play=row.play)


_CHANNELS = {"email": "Mail", "in_app": "In-app message", "invitation": "Invitation", "webhook": "Call"}


def message(row: Any, people: People) -> Row:
    """Something meant for a person, or for another system."""
    who = people.get(row.contact, row.contact)
    title = f"{_CHANNELS.get(row.channel, words(row.channel))} to {who or row.content}"
    about = row.subject or words(row.content)
    detail = f"{about} · {words(row.reason)}" if row.reason else about
    refs = {"message": row.id, "journey": row.journey, "play": row.play, "contact": row.contact}
    return _row(row.placed_at, "message", title, detail, row.status, **refs)


def task(row: Any, people: People) -> Row:
    """Something meant for a human of ours."""
    owner = f"for {row.owner}" if row.owner else "in the queue"
    detail = f"{owner} · {words(row.outcome)}" if row.outcome else owner
    status = "breached" if row.breached and row.status != "closed" else row.status
    return _row(
        row.created_at, "task", row.title, detail, status, task=row.id, journey=row.journey, play=row.play
    )


def decision(row: Any, people: People) -> Row:
    """Why something was or was not done, in one sentence."""
    decision = decision_json(row)
    said = sentence(decision, people.get(row.contact))
    refs = {name: getattr(row, name) for name in ("play", "journey", "message", "task", "contact")}
    return _row(row.at, "decision", said[:1].upper() + said[1:], None, row.outcome, decision=row.id, **refs)


def band(row: Any, people: People) -> Row:
    """A health band that turned: the entry that turned it stands for all of its instant."""
    score = "" if row.score_after is None else f" at {row.score_after}"
    title = (
        "Health is not scored any more" if row.band_after is None else f"Health is {row.band_after}{score}"
    )
    return _row(row.at, "health", title, entry_json(row)["sentence"], row.band_after, entry=str(row.number))
