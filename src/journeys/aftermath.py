"""What a conversation with a provider makes of a message: one table of four answers, pure."""

from msgspec.structs import replace

from channels.judgement import Judgement
from channels.message import Message, Reason, Status, retry_at
from channels.port import Blame, InDoubt, Outcome, Permanent, Sent, Temporary
from journeys.journey import Decision, decide
from journeys.store.sending import Handed, Move
from signals.instant import MINUTE, Instant


def after(handed: Handed, outcome: Outcome, now: Instant, live: bool = True) -> Move:
    """The message after its conversation. One that nobody received gives its cap room and its release back.

    `live`: whether its journey goes on. What would be tried again dies with a journey that ended meanwhile.
    """
    move = _after(handed, outcome, now)
    if live or move.message.status is not Status.QUEUED:
        return move
    ended = replace(move.message, status=Status.CANCELLED, reason=Reason.JOURNEY_ENDED, next_attempt_at=None)
    return Move(ended, "settled")


def _after(handed: Handed, outcome: Outcome, now: Instant) -> Move:
    message = handed.message
    match outcome:
        case Sent(remote_id):
            sent = replace(message, status=Status.SENT, reason=None, sent_at=now, next_attempt_at=None)
            charged = handed.charged_at or now
            return Move(sent, "settled", charged, handed.released_at, remote_id=remote_id)
        case InDoubt(detail) if message.channel == "webhook":  # idempotent: again, with the same id
            return _again(message, detail, None, now)
        case InDoubt(detail):
            return _in_doubt(handed, detail)
        case Temporary(detail, later):
            return _again(message, detail, later, now)
        case Permanent(detail, _, Blame.CONFIGURATION):  # not its fault: it waits until we are set up right
            waiting = replace(message, reason=Reason.TEMPORARY, detail=detail, next_attempt_at=now + MINUTE)
            return Move(waiting)
        case Permanent(detail):
            return _failed(message, Reason.PERMANENT, detail)


def _in_doubt(handed: Handed, detail: str) -> Move:
    """Handed over without an answer: perhaps it arrived, so it uses cap room and is not sent again by itself."""
    doubtful = replace(
        handed.message, status=Status.IN_DOUBT, reason=None, detail=detail, next_attempt_at=None
    )
    return Move(doubtful, "handed", handed.charged_at, handed.released_at)


def _again(message: Message, detail: str, later: int | None, now: Instant) -> Move:
    """Another try at 1 m, 5 m, 30 m, 2 h, 8 h, or later where the provider asks for it; then failed."""
    attempts = message.attempts + 1
    at = retry_at(attempts, now)
    if at is None:
        return _failed(replace(message, attempts=attempts), Reason.TEMPORARY, detail)
    at = max(at, now + (later or 0))
    return Move(
        replace(message, attempts=attempts, reason=Reason.TEMPORARY, detail=detail, next_attempt_at=at)
    )


def _failed(message: Message, reason: Reason, detail: str) -> Move:
    failed = replace(message, status=Status.FAILED, reason=reason, detail=detail, next_attempt_at=None)
    return Move(failed, "settled")


def decision_on(message: Message, judgement: Judgement | None, now: Instant) -> Decision:
    """The decision that says what became of the message, and why."""
    checks = [] if judgement is None else [check.as_json() for check in judgement.checks]
    if message.detail is not None:
        checks.append({"check": "delivery", "passed": message.status is Status.SENT, "saw": message.detail})
    reason = None if message.reason is None else message.reason.value
    return decide(
        now,
        message.account,
        "send",
        message.status.value,
        reason,
        contact=message.contact or None,
        play=message.play,
        version=message.version,
        journey=message.journey,
        message=message.id,
        checks=checks,
        also=message.attempts,
    )
