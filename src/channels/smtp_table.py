"""What every answer at every stage of an SMTP conversation means (guarantees F12): one table.

Before the final dot nothing has been handed over, so every failure there is certain. After it, only an explicit
2xx, 4xx or 5xx is an answer; a lost connection, silence or nonsense leaves the mail in doubt.
"""

import re
from enum import StrEnum

from channels.port import Blame, InDoubt, Permanent, Temporary
from channels.smtp_wire import Answer, Reply


class Stage(StrEnum):
    """Where in the conversation something happened."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BODY = "content"
    DOT = "final dot"


class Meaning(StrEnum):
    """What it means for the mail."""

    PROCEED = "go on"
    SENT = "sent"
    RETRY = "not sent, try again"
    REJECT = "not sent, never will be"
    CONFIG = "not sent, nor will any other be until the configuration is mended"
    DOUBT = "perhaps sent"


_P, _S, _R, _X, _C, _D = Meaning
_COLUMNS = (
    Answer.DONE,
    Answer.GO_ON,
    Answer.NOT_NOW,
    Answer.NEVER,
    Answer.CUT,
    Answer.SILENT,
    Answer.GARBAGE,
)
_ROWS: dict[Stage, tuple[Meaning, ...]] = {
    #                2xx 3xx 4xx 5xx cut silent garbage
    Stage.CONNECT: (_P, _R, _R, _R, _R, _R, _R),
    Stage.GREETING: (_P, _R, _R, _R, _R, _R, _R),  # 554 here is about us or the hour, not about this mail
    Stage.EHLO: (_P, _R, _R, _R, _R, _R, _R),
    Stage.STARTTLS: (_P, _R, _R, _C, _R, _R, _R),
    Stage.AUTH: (_P, _R, _R, _C, _R, _R, _R),
    Stage.MAIL: (_P, _R, _R, _X, _R, _R, _R),
    Stage.RCPT: (_P, _R, _R, _X, _R, _R, _R),
    Stage.DATA: (_R, _P, _R, _X, _R, _R, _R),
    Stage.BODY: (
        _R,
        _R,
        _R,
        _X,
        _R,
        _R,
        _R,
    ),  # the dot was not sent: whatever happened, the mail was not taken
    Stage.DOT: (_S, _D, _R, _X, _D, _D, _D),
}
TABLE: dict[tuple[Stage, Answer], Meaning] = {
    (stage, answer): meaning
    for stage, row in _ROWS.items()
    for answer, meaning in zip(_COLUMNS, row, strict=True)
}
"""Every stage and answer, and what it means. Whatever is not an explicit word after the dot is doubt."""

_LOGIN_NEEDED = frozenset({530, 534, 535, 538})
_DEAD_ADDRESS = re.compile(r"5\.(?:1\.(?:1|2|3|6|10)|2\.1)\b", re.ASCII)  # RFC 3463, 7505
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b", re.ASCII)
_DEAD_CODES = frozenset({550, 551, 553})  # RFC 5321 §4.2.3, where no enhanced code says more


class Ended(Exception):
    """This attempt is over; raised inside smtp.py only."""

    def __init__(self, stage: Stage, answer: Answer, detail: str, reply: Reply | None = None) -> None:
        super().__init__(detail)
        self.stage, self.answer, self.detail, self.reply = stage, answer, detail, reply


def outcome(ended: Ended) -> Temporary | Permanent | InDoubt:
    """What the table makes of it."""
    code = None if ended.reply is None else ended.reply.code
    match TABLE[ended.stage, ended.answer]:
        case Meaning.REJECT:
            return Permanent(ended.detail, code, _blame(ended))
        case Meaning.CONFIG:
            return Permanent(ended.detail, code, Blame.CONFIGURATION)
        case Meaning.RETRY:
            return Temporary(ended.detail)
        case _:
            return InDoubt(ended.detail)


def _blame(ended: Ended) -> Blame:
    """Whose fault a 5xx is: the enhanced code says it best (RFC 3463), else the code at RCPT."""
    if ended.reply is None:
        return Blame.MESSAGE
    if ended.stage is Stage.MAIL and ended.reply.code in _LOGIN_NEEDED:
        return Blame.CONFIGURATION
    text = ended.reply.lines[0]
    if _ENHANCED.match(text):
        return Blame.ADDRESS if _DEAD_ADDRESS.match(text) else Blame.MESSAGE
    dead = ended.stage is Stage.RCPT and ended.reply.code in _DEAD_CODES
    return Blame.ADDRESS if dead else Blame.MESSAGE
