"""What must hold of messages after every crash schedule (I15 to I17)."""

from collections import Counter
from collections.abc import Iterator

from faults.seen_after import Seen
from journeys.rounds import GROUP
from signals.event import Event
from signals.instant import Instant

SETTLED = {"sent", "delivered", "failed", "suppressed", "withheld", "expired", "cancelled", "in_doubt"}


def i15_a_message_is_accepted_once(seen: Seen) -> Iterator[str]:
    """I15: the provider takes each message once, and one purpose (journey, step, visit, contact) is one message."""
    accepted = Counter(words[1] for words in seen.journal if words[0] == "accepted")
    yield from (f"{name} was accepted {times} times" for name, times in accepted.items() if times > 1)
    known = {row.id: row for row in seen.messages}
    yield from (f"{name} is no message of ours" for name in accepted if name not in known)
    purposes = Counter((row.journey, row.step, row.visit, row.contact) for row in seen.messages)
    yield from (f"{purpose} is {times} messages" for purpose, times in purposes.items() if times > 1)


def i15_sent_means_accepted(seen: Seen) -> Iterator[str]:
    """I15: what is sent was accepted, and what was accepted is sent, or in doubt, or has bounced."""
    accepted = {words[1] for words in seen.journal if words[0] == "accepted"}
    for row in seen.messages:
        if row.channel == "email" and row.status == "sent" and row.id not in accepted:
            yield f"{row.id} is sent and nobody took it"
        if row.id in accepted and row.status not in ("sent", "delivered", "in_doubt"):
            yield f"{row.id} was taken and is {row.status}"


def i15_a_crash_leaves_at_most_a_group_in_doubt(seen: Seen) -> Iterator[str]:
    """I15: each kill leaves at most GROUP messages in doubt; a message in doubt was in a conversation or a crash."""
    doubt = [row for row in seen.messages if row.status == "in_doubt" and "died" in (row.detail or "")]
    if len(doubt) > GROUP * seen.kills:
        yield f"{len(doubt)} in doubt after {seen.kills} kills"


def i16_every_message_is_settled(seen: Seen) -> Iterator[str]:
    """I16: when all is over every message has settled or is in doubt, and none is still handed over."""
    for row in seen.messages:
        if row.status not in SETTLED:
            yield f"{row.id} is still {row.status}:{row.reason}, delivery {row.delivery}"


def i17_what_was_answered_before_the_hand_over_is_honoured(seen: Seen) -> Iterator[str]:
    """I17: after an answered unsubscribe or suppression nothing more is handed over to that person."""
    known, gone = {row.id: row for row in seen.messages}, set()
    for words in seen.journal:
        for event in _answer(seen, words):
            if event.type in ("engagement.unsubscribed", "contact.suppressed"):
                gone.add(event.contact)
        if words[0] == "handed" and known[words[1]].contact in gone:
            yield f"{words[1]} was handed over although {known[words[1]].contact} had left"


def i17_an_exit_answered_before_the_hand_over_is_honoured(seen: Seen) -> Iterator[str]:
    """Semantics §7.1: once the contract has ended nothing of the play is handed over until it is active again."""
    known, times = {row.id: row for row in seen.messages}, {row.key: row.time for row in seen.events}
    newest: dict[str, tuple[Instant, str, str]] = {}
    for words in seen.journal:
        for event in _answer(seen, words):
            status = (event.data.get("attributes") or {}).get("status")
            if status is not None and event.account is not None:
                said = (
                    times.get(event.key, 0),
                    event.id,
                    status,
                )  # of two at one instant the greater id counts
                newest[event.account] = max(newest.get(event.account, said), said)
        handed = known.get(words[1]) if words[0] == "handed" else None
        ended = handed is not None and newest.get(handed.account, (0, "", ""))[2] == "cancelled"
        if handed is not None and ended and handed.play == "mail":
            yield f"{handed.id} was handed over although its journey had been ended"


def _answer(seen: Seen, words: list[str]) -> tuple[Event, ...]:
    if words[0] == "meanwhile":
        return (seen.script.meanwhile[int(words[1])],)
    if words[0] == "answered" and seen.script.calls[int(words[1])].kind == "write":
        return seen.script.calls[int(words[1])].events
    return ()
