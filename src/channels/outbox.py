"""The e-mail channel that keeps instead of sending: for a service without SMTP_URL, and for scenarios.

It behaves like the real one to its caller (`MailChannel`), so everything before it is the same code as live.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

from channels.port import Blame, Call, InDoubt, Mail, Outcome, Permanent, Ready, Sent, Temporary

Answer: TypeAlias = Literal["ok", "temporary", "permanent", "silent"]
"""What a scenario's `do: channel` may set (definitions, "Scenario actions")."""

_VERDICTS: dict[Answer, Callable[[Mail], Outcome]] = {
    "ok": lambda mail: Sent(f"kept:{mail.message_id}"),
    "temporary": lambda _: Temporary("451 4.3.0 the channel was told to answer: temporary"),
    "permanent": lambda _: Permanent(
        "550 5.1.1 the channel was told to answer: permanent", 550, Blame.ADDRESS
    ),
    "silent": lambda _: InDoubt("the channel was told to be silent"),
}


class Outbox:
    """Keeps the newest `keep` mails, oldest first when iterated; `answers` (default ok) stays until changed."""

    def __init__(self, keep: int = 1_000) -> None:
        self.answers: Answer = "ok"
        self._kept: deque[Mail] = deque(maxlen=keep)
        self._offered: Mail | None = None

    def __iter__(self) -> Iterator[Mail]:
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def offer(self, mail: Mail) -> Ready | Temporary | Permanent:
        """Refuses at once when told to answer temporary or permanent; a silent one still says 354.

        Raises RuntimeError if a mail is open already.
        """
        if self._offered is not None:
            raise RuntimeError("a mail is open: deliver() or abandon() it first")
        verdict = _VERDICTS[self.answers](mail)
        if isinstance(verdict, Temporary | Permanent):
            return verdict
        self._offered = mail
        return Ready()

    def deliver(self) -> Outcome:
        """Keeps the offered mail, also when it then answers with silence. Raises RuntimeError without an offer."""
        mail, self._offered = self._offered, None
        if mail is None:
            raise RuntimeError("deliver() without a mail that was offered and Ready")
        self._kept.append(mail)
        return _VERDICTS[self.answers](mail)

    def abandon(self) -> None:
        """Forgets the offered mail."""
        self._offered = None

    def post(self, mail: Mail) -> Outcome:
        """`offer` and `deliver` in one."""
        answer = self.offer(mail)
        return self.deliver() if isinstance(answer, Ready) else answer

    def close(self) -> None:
        """Nothing to let go of; what was kept stays."""
        self._offered = None


class Calls:
    """Webhooks that are kept instead of posted: for scenarios, and a service without endpoints to try it out."""

    def __init__(self, keep: int = 1_000) -> None:
        self.answers: Answer = "ok"
        self._kept: deque[Call] = deque(maxlen=keep)

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def post(self, call: Call) -> Outcome:
        """What it was told to answer; what is not refused is kept, a repeated id too."""
        if self.answers in ("ok", "silent"):
            self._kept.append(call)
        return _ANSWERS[self.answers]

    def close(self) -> None:
        """Nothing to let go of; what was kept stays."""


_ANSWERS: dict[Answer, Outcome] = {
    "ok": Sent("kept"),
    "temporary": Temporary("503 the channel was told to answer: temporary"),
    "permanent": Permanent("400 the channel was told to answer: permanent", 400),
    "silent": InDoubt("the channel was told to be silent"),
}
