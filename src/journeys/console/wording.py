"""How things are written on a page: instants relative with the exact one on hover, keys as words, plain data."""

from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from journeys.store.reads.scores import signed
from journeys.store.reads.wording import evidence_line, shown, words
from signals.instant import DAY, HOUR, MINUTE, Duration, Instant, iso, parse_instant, to_datetime

_MONTH = 30 * DAY
_STEPS: tuple[tuple[Duration, Duration, str], ...] = (
    (HOUR, MINUTE, "min"),
    (2 * DAY, HOUR, "h"),
    (60 * DAY, DAY, "d"),
    (24 * _MONTH, _MONTH, "mo"),
)
"""Up to how long which unit is used."""


def relative(at: Instant, now: Instant) -> str:
    """`3 min ago`, `in 2 d`, `now`."""
    apart = abs(now - at)
    if apart < MINUTE:
        return "now"
    for up_to, size, unit in _STEPS:
        if apart < up_to:
            text = f"{apart // size} {unit}"
            break
    else:
        text = f"{apart // (365 * DAY)} y"
    return f"{text} ago" if at < now else f"in {text}"


def exact(at: Instant) -> str:
    """`Thu 12 Nov 2026, 20:26 UTC`."""
    return f"{to_datetime(at):%a %-d %b %Y, %H:%M} UTC"


def read(at: Any) -> Instant | None:
    """An instant from a resource's text; None from nothing."""
    if isinstance(at, int) or at is None:
        return at
    return parse_instant(at)


@pass_context
def when(context: Context, at: Any) -> Markup:
    """A `<time>`: relative to read, exact on hover, RFC 3339 for machines. A dash where there is none."""
    instant = read(at)
    if instant is None:
        return Markup('<span class="none">–</span>')
    now: Instant = context["now"]
    tag = Markup('<time datetime="{}" title="{}">{}</time>')
    return tag.format(iso(instant), exact(instant), relative(instant, now))


def clock_time(at: Any) -> Markup:
    """A `<time>` that shows the time of day only, for lists under a date."""
    instant = read(at)
    assert instant is not None
    tag = Markup('<time datetime="{}" title="{}">{}</time>')
    return tag.format(iso(instant), exact(instant), f"{to_datetime(instant):%H:%M}")


def day_month(at: Any) -> Markup:
    """A `<time>` that shows day and month only, for days told in one line each."""
    instant = read(at)
    assert instant is not None
    tag = Markup('<time datetime="{}" title="{}">{}</time>')
    return tag.format(iso(instant), exact(instant), f"{to_datetime(instant):%-d %b}")


def value(data: Any) -> str:
    """An attribute's value as a person reads it: dates without their midnight, numbers with thousands."""
    if isinstance(data, str) and data.endswith("T00:00:00Z"):
        return data[:10]
    if isinstance(data, (int, float)) and not isinstance(data, bool) and abs(data) >= 1_000:
        return f"{data:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return shown(data)


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 account`, `1 204 accounts`."""
    return f"{value(number)} {one if number == 1 else many or one + 's'}"


TONES: dict[str, str] = {
    **dict.fromkeys(("critical", "failed", "breached", "lost", "red"), "bad"),
    **dict.fromkeys(
        ("warning", "held", "in_doubt", "expired", "waiting", "preempted", "snoozed", "amber"), "warn"
    ),
    **dict.fromkeys(
        ("sent", "delivered", "completed", "saved", "done", "started", "created", "green"), "good"
    ),
    **dict.fromkeys(("active", "queued", "open", "entered"), "live"),
}
"""In which colour a word is shown; the word is always there too."""

FILTERS: dict[str, Any] = {
    "signed": signed,
    "words": words,
    "shown": shown,
    "value": value,
    "evidence": evidence_line,
    "tone": lambda word: TONES.get(word, "calm"),
    "clock_time": clock_time,
    "day_month": day_month,
    "capitalize_first": lambda text: text[:1].upper() + text[1:],
}
