"""E-mail over SMTP, in our own words, so that the one doubtful moment is known exactly.

smtplib's `sendmail` raises the same error for a connection lost at RCPT and for one lost after the final dot
(guarantees 0.6). Here `offer` ends at 354 with nothing handed over, and only what follows `deliver`'s final dot can
be in doubt. What each answer at each stage means is the table in smtp_table.py, and nowhere else (F12).

    one by one:   offer(mail) → Ready; commit `handed`, last suppression check; deliver() or abandon()
    in groups:    commit `handed` for up to 20 mails, then post(mail) for each; Temporary and Permanent are certain
                  and set the row back, so after a crash at most these 20 are in doubt (guarantees, protocol 4)

One connection can have one mail open, so several cannot be `Ready` at once: groups commit before they converse.
"""

import re
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from channels.address import require_normal
from channels.port import InDoubt, Mail, Outcome, Permanent, Ready, Sent, Temporary
from channels.smtp_table import TABLE, Ended, Meaning, Stage, outcome
from channels.smtp_url import SmtpServer, parse_smtp_url
from channels.smtp_wire import Answer, Broken, Clock, Reply, Wire

__all__ = ["Smtp", "SmtpServer", "Timeouts", "parse_smtp_url"]


# After a refusal here the connection is of no more use.
_FINAL = frozenset({Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH, Stage.BODY})
_QUEUE_ID = re.compile(r"(?:queued as|\bid[ =:])\s*<?([^\s<>;,]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; the defaults are those of RFC 5321 §4.5.3.2. `verdict` is the wait after the final dot."""

    connect: float = 30.0
    greeting: float = 300.0
    command: float = 300.0
    data: float = 120.0
    body: float = 180.0
    verdict: float = 600.0
    quit: float = 5.0


Dial = Callable[[tuple[str, int], float], socket.socket]


class Smtp:
    """One connection to one server, kept between mails. A `MailChannel`; not thread-safe, one per thread."""

    def __init__(
        self,
        server: SmtpServer,
        *,
        helo: str,
        timeouts: Timeouts | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Clock = time.monotonic,
        dial: Dial = socket.create_connection,
    ) -> None:
        """`helo` is our own host name; `tls` replaces the default context (system certificates, name checked)."""
        self._server = server
        self._helo = helo
        self._timeouts = timeouts or Timeouts()
        self._tls = tls
        self._clock = clock
        self._dial = dial
        self._wire: Wire | None = None
        self._extensions: dict[str, str] = {}
        self._dirty = False  # a refused transaction is still open: RSET first
        self._offered: Mail | None = None

    def offer(self, mail: Mail) -> Ready | Temporary | Permanent:
        """Up to the server's 354. Raises BadAddress for an envelope that is not in normal form, RuntimeError if a
        mail is open already; all that server and network do is in the result."""
        if self._offered is not None:
            raise RuntimeError("a mail is open: deliver() or abandon() it first")
        require_normal(mail.sender)
        require_normal(mail.recipient)
        reused = self._wire is not None
        try:
            self._open_transaction(mail)
        except Ended as ended:
            if reused and self._wire is None and ended.stage is Stage.MAIL:
                return self.offer(
                    mail
                )  # an idle connection had been closed meanwhile: once more on a fresh one
            return _certain(outcome(ended))
        self._offered = mail
        return Ready()

    def deliver(self) -> Outcome:
        """The content, the dot, the verdict. Raises RuntimeError without a mail that is Ready."""
        mail, self._offered = self._offered, None
        if mail is None:
            raise RuntimeError("deliver() without a mail that was offered and Ready")
        try:
            self._send_content(mail.content)
            reply = self._answered(Stage.DOT, self._timeouts.verdict)
        except Ended as ended:
            return outcome(ended)
        return Sent(_queue_id(reply))

    def abandon(self) -> None:
        """Drops the connection without the dot: RFC 5321 §4.1.1.4 then forbids the server to take the mail."""
        if self._offered is not None:
            self._offered = None
            self._drop()

    def post(self, mail: Mail) -> Outcome:
        """`offer` and `deliver` in one, for mails whose `handed` is already committed."""
        answer = self.offer(mail)
        return self.deliver() if isinstance(answer, Ready) else answer

    def close(self) -> None:
        """QUIT, whatever comes of it: what was sent stays sent."""
        self.abandon()
        if self._wire is None:
            return
        try:
            self._wire.send(b"QUIT\r\n", self._timeouts.quit)
            self._wire.reply(self._timeouts.quit)
        except Broken:
            pass  # nothing depends on a goodbye
        finally:
            self._drop()

    # --- the conversation ---

    def _open_transaction(self, mail: Mail) -> None:
        if self._wire is None:
            self._connect()
        limit, size = self._extensions.get("SIZE", ""), len(mail.content)
        if limit.isdigit() and 0 < int(limit) < size:
            raise Ended(Stage.MAIL, Answer.NEVER, f"the mail has {size} bytes, the server takes {limit}")
        if self._dirty:
            self._command(Stage.MAIL, "RSET")
        self._dirty = True
        announced = f" SIZE={size}" if "SIZE" in self._extensions else ""
        self._command(Stage.MAIL, f"MAIL FROM:<{mail.sender}>{announced}")
        self._command(Stage.RCPT, f"RCPT TO:<{mail.recipient}>")
        self._command(Stage.DATA, "DATA", self._timeouts.data)

    def _send_content(self, content: bytes) -> None:
        """All but the verdict. Any failure here is certain: the server never got the whole of `CRLF . CRLF`."""
        wire = self._required()
        try:
            wire.send(_stuffed(content), self._timeouts.body)
            if not wire.spoke():
                wire.send(b".\r\n", self._timeouts.body)
                self._dirty = False
                return
        except Broken as broken:
            raise self._lost(Stage.BODY, broken) from None
        self._answered(
            Stage.BODY, self._timeouts.command
        )  # raises, whatever it is: the table lets nothing pass

    def _connect(self) -> None:
        address = (self._server.host, self._server.port)
        try:
            self._wire = Wire(self._dial(address, self._timeouts.connect), self._clock)
        except OSError as error:
            raise Ended(Stage.CONNECT, Answer.CUT, f"connect: {error.strerror or error}") from None
        self._dirty = False
        if self._server.protection == "implicit":
            self._encrypt()
        self._answered(Stage.GREETING, self._timeouts.greeting)
        self._greet()
        if self._server.protection in {"required", "optional"}:
            self._start_tls()
        if self._server.user is not None:
            self._log_in(self._server.user, self._server.password or "")

    def _greet(self) -> None:
        lines = self._command(Stage.EHLO, f"EHLO {self._helo}").lines[1:]
        named = (line.upper().partition(" ") for line in lines)
        self._extensions = {name: rest for name, _, rest in named}

    def _start_tls(self) -> None:
        if "STARTTLS" not in self._extensions:
            if self._server.protection == "optional":
                return
            raise self._refused(Stage.STARTTLS, "the server does not offer STARTTLS, and it is required")
        self._command(Stage.STARTTLS, "STARTTLS")
        self._encrypt()
        self._greet()  # what was said in clear does not count (RFC 3207 §4.2)

    def _encrypt(self) -> None:
        if (
            self._tls is None
        ):  # made once, and only where TLS is spoken: reading the system's certificates takes 50 ms
            self._tls = _context(checked=self._server.protection != "optional")
        try:
            self._required().start_tls(self._tls, self._server.host, self._timeouts.command)
        except ssl.SSLCertVerificationError as error:
            raise self._refused(Stage.STARTTLS, f"the certificate: {error.verify_message}") from None
        except Broken as broken:
            raise self._lost(Stage.STARTTLS, broken) from None

    def _log_in(self, user: str, password: str) -> None:
        """AUTH PLAIN (RFC 4616), else LOGIN. SMTP_URL let a password pass only with TLS or on this machine."""
        offered = self._extensions.get("AUTH", "").split()
        if "PLAIN" in offered:
            self._command(Stage.AUTH, "AUTH PLAIN " + _base64(f"\0{user}\0{password}"))
        elif "LOGIN" in offered:
            self._command(Stage.AUTH, "AUTH LOGIN", go_on=True)
            self._command(Stage.AUTH, _base64(user), go_on=True)
            self._command(Stage.AUTH, _base64(password))
        else:
            raise self._refused(Stage.AUTH, "the server offers neither AUTH PLAIN nor AUTH LOGIN")

    # --- one exchange ---

    def _command(self, stage: Stage, line: str, within: float | None = None, *, go_on: bool = False) -> Reply:
        limit = self._timeouts.command if within is None else within
        try:
            self._required().send(f"{line}\r\n".encode("ascii"), limit)
        except Broken as broken:
            raise self._lost(stage, broken) from None
        return self._answered(stage, limit, go_on=go_on)

    def _answered(self, stage: Stage, within: float, *, go_on: bool = False) -> Reply:
        try:
            reply = self._required().reply(within)
        except Broken as broken:
            raise self._lost(stage, broken) from None
        proceeds = TABLE[stage, reply.answer] in {Meaning.PROCEED, Meaning.SENT}
        if (reply.answer is Answer.GO_ON) if go_on else proceeds:
            return reply
        if reply.code == 421 or reply.answer not in {Answer.NOT_NOW, Answer.NEVER} or stage in _FINAL:
            self._drop()
        raise Ended(stage, reply.answer, f"{stage}: {reply}", reply)

    def _required(self) -> Wire:
        assert self._wire is not None, "no connection"
        return self._wire

    def _lost(self, stage: Stage, broken: Broken) -> Ended:
        self._drop()
        return Ended(stage, broken.answer, f"{stage}: {broken}")

    def _refused(self, stage: Stage, detail: str) -> Ended:
        self._drop()
        return Ended(stage, Answer.NEVER, f"{stage}: {detail}")

    def _drop(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = None


def _certain(result: Temporary | Permanent | InDoubt) -> Temporary | Permanent:
    assert not isinstance(result, InDoubt), "doubt before the final dot"
    return result


def _stuffed(content: bytes) -> bytes:
    """A dot at the start of a line is doubled (RFC 5321 §4.5.2); the content ends in CRLF."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    ended = stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"
    return b"." + ended if ended.startswith(b".") else ended


def _queue_id(reply: Reply) -> str:
    """The server's name for the mail, if its last words have one."""
    found = _QUEUE_ID.search(reply.lines[-1])
    return found[1][:200] if found else reply.lines[-1][:200]


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")


def _context(*, checked: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not checked:  # opportunistic: against listeners, not against forgers (RFC 7435)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
