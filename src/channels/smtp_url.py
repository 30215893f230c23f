"""SMTP_URL: which server, how protected, as whom."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

Protection: TypeAlias = Literal["required", "optional", "never", "implicit"]
"""STARTTLS with a checked certificate; STARTTLS if offered (not checked, RFC 7435); none; TLS from the first byte."""

_PORTS = {"smtp": 25, "smtps": 465}
_SUBMISSION = 587
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in. The password is in no repr."""

    host: str
    port: int
    protection: Protection
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_smtp_url(url: str) -> SmtpServer:
    """`smtp://user:pass@host:587?starttls=required|optional|never` or `smtps://user:pass@host`.

    Reserved characters of user and password are percent-encoded. `starttls` defaults to required with a password
    or on port 587, else optional; a password is never sent in clear, except to this machine. Default ports: 587
    with a password, 25 without, 465 for smtps. Raises ValueError; its text never holds the URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("SMTP_URL: this is not a URL with a port from 1 to 65535") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in {"", "/"} or parts.fragment:
        raise ValueError("SMTP_URL is written smtp://user:password@host:port?starttls=required, or smtps://…")
    user, password = _credentials(parts)
    default = _SUBMISSION if parts.scheme == "smtp" and user else _PORTS[parts.scheme]
    port = port or default
    protection = _protection(parts, safe_default=user is not None or port == _SUBMISSION)
    if user is not None and protection in {"optional", "never"} and parts.hostname not in _LOOPBACK:
        raise ValueError("SMTP_URL: a password needs starttls=required or smtps")
    return SmtpServer(parts.hostname, port, protection, user, password)


def _credentials(parts: SplitResult) -> tuple[str | None, str | None]:
    if parts.username is None and parts.password is None:
        return None, None
    if not parts.username or not parts.password:
        raise ValueError("SMTP_URL: give both a user and a password, or neither")
    return unquote(parts.username), unquote(parts.password)


def _protection(parts: SplitResult, *, safe_default: bool) -> Protection:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    chosen = options.pop("starttls", None)
    if options:
        raise ValueError(f"SMTP_URL: unknown option {next(iter(options))!r:.40}; there is only starttls")
    if parts.scheme == "smtps":
        if chosen is not None:
            raise ValueError("SMTP_URL: smtps is TLS from the first byte and takes no starttls")
        return "implicit"
    for known in get_args(Protection)[:3]:
        if chosen == known:
            return known  # type: ignore[no-any-return] # get_args forgets that these are the literals
    if chosen is not None:
        raise ValueError("SMTP_URL: starttls is required, optional or never")
    return "required" if safe_default else "optional"
