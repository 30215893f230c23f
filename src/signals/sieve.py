"""What an event cannot have changed, told apart at once: one generated function for each set of touched tokens.

Most definitions an event is read by stay as they are. A sieve asks each, in one pass over values looked up once,
until when that is certain; those that are not certain until their next look are settled by their conditions, which
alone decide. Its source is made from the compiled conditions: numbers and generated names, never a text that
somebody wrote.
"""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from signals.instant import HOUR, Duration, Instant
from signals.measures import Measure
from signals.profile import Profile

Sieve: TypeAlias = Callable[[Profile, Instant], list[int]]
"""Places, in order, of the definitions to be settled; the others are as they were, and need no nearer look."""

LATE = "late"
"""Touched by an event that was not heard of `AT_ONCE`: it may count anywhere in the past."""

AT_ONCE = HOUR
"""How old an event may be that counts as happening now."""

NEVER = 1 << 62
"""Later than every instant."""

NOTHING: tuple[list[int], list[int]] = ([], [0])
"""A series where nothing was counted. Nobody writes to it."""

WAIT = "wait"
"""In a guard: when the definition is to be looked at next."""


class Below(NamedTuple):
    """A number is below another, or at most at it where not `strictly`; `known` is the name of that other."""

    name: str
    known: str
    threshold: float
    strictly: bool

    @property
    def rank(self) -> tuple[float, bool]:
        """What is reached only where another is has the greater rank."""
        return self.threshold, not self.strictly

    @property
    def reached(self) -> str:
        """The expression for the opposite."""
        return f"{self.name} {'>=' if self.strictly else '>'} {self.known}"


class Guard(NamedTuple):
    """`until`: an expression for the instant until which a condition is certainly so, 0 where that is not certain.

    `wait` in it stands for when the definition is to be looked at next, 0 where that is not set. Where it is certain
    for ever if a number is below another, and else not, `below` says so.
    """

    until: str
    below: Below | None = None


class Code:
    """The source of one sieve in the making. The names it starts with: `profile`, `now`, `m` (its measures), `opened`
    (keys of its open signals), `inside` (its segments), `never`, `bisect_left`, `nothing` (no buckets).
    """

    def __init__(self, late: bool = False) -> None:
        """`late`: the event may lie anywhere in the past."""
        self.late = late
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"bisect_left": bisect_left, "never": NEVER, "nothing": NOTHING}
        self._known: dict[Hashable, str] = {}

    def constant(self, value: Any) -> str:
        """A name for the value."""
        name = f"k{len(self.names)}"
        self.names[name] = value
        return name

    def let(self, what: Hashable, expression: str) -> str:
        """A name for what the expression is worth, worked out once however many ask for the same `what`."""
        if what not in self._known:
            self._known[what] = f"v{len(self._known)}"
            self.lines.append(f"{self._known[what]} = {expression}")
        return self._known[what]

    def state(self, measure: Measure) -> str:
        """The measure's state, None where nothing has been counted."""
        return self.let(("state", measure.id), f"m.get({measure.id})")

    def ago(self, span: Duration, step: Duration) -> str:
        """In which step of time it was that long ago."""
        if span % step:
            return f"(now - {span}) // {step}"
        return f"{self.let(('now', step), f'now // {step}')} - {span // step}"

    def series(self, measure: Measure) -> tuple[str, str]:
        """Names for the buckets of the measure's state, and for what lies in each; none where nothing was counted."""
        pair = self.let(("series", measure.id), f"{self.state(measure)} or nothing")
        buckets = self.let(("buckets", measure.id), f"{pair}[0]")
        return buckets, self.let(("in buckets", measure.id), f"{pair}[1]")

    def below(self, name: str, threshold: float, *, strictly: bool) -> Guard:
        """Certain for ever while the number is below the threshold, or at most at it where not `strictly`."""
        below = Below(name, self.constant(threshold), threshold, strictly)
        return Guard(f"0 if {below.reached} else never", below)


def when(certain: str) -> Guard:
    """Certain for ever where the expression is true."""
    return Guard(f"never if {certain} else 0")


def every(guards: Iterable[Guard | None]) -> Guard | None:
    """As long as all of them are certain; None where one never is."""
    found = list(guards)
    certain = [guard for guard in found if guard is not None]
    if not found or len(certain) < len(found):
        return None
    if len(certain) == 1:
        return certain[0]
    return Guard(f"min({', '.join(f'({guard.until})' for guard in certain)})")


def some(guards: Iterable[Guard | None]) -> Guard | None:
    """As long as the first of them that is certain; None where none ever is."""
    certain = [guard for guard in guards if guard is not None]
    if len(certain) < 2:
        return certain[0] if certain else None
    return Guard(" or ".join(f"({guard.until})" for guard in certain))


class Strained(NamedTuple):
    """One definition as a sieve sees it: its place, the id under which its next look is kept, what is certain of it
    while it is closed and while it is open (None: nothing), and the expression for whether it is open (None: never).
    """

    place: int
    id: int
    closed: Guard | None = None
    open: Guard | None = None
    is_open: str | None = None


def make(strained: Sequence[Strained], code: Code) -> Sieve:
    """The function for these definitions; `code` is that their guards were written with."""
    code.names["always"] = [one.place for one in strained if one.closed is None]
    opened = [line for one in strained if one.closed is not None for line in _opened(one)]
    body = [
        "m = profile.measures",
        "waits = profile.waits",
        "inside = profile.segments",
        "opened = [key for key, state in profile.signals.items() if state.open]",
        *code.lines,
        "found = always.copy()",
        *_closed(strained),
        *(["if opened or inside:", *(f"    {line}" for line in opened)] if opened else []),
        "return sorted(found) if len(found) > 1 else found",
    ]
    source = "\n    ".join(["def sieve(profile, now):", *body])
    exec(compile(source, "<sieve>", "exec"), code.names)  # noqa: S102 - our own text: see the module's first lines
    sieve: Sieve = code.names["sieve"]
    return sieve


def _unless(guard: Guard, one: Strained) -> str:
    until = guard.until.replace(WAIT, f"waits.get({one.id}, 0)")
    return f"if not ({until}) >= waits.get({one.id}, never):"


def _opened(one: Strained) -> list[str]:
    """What is open is settled, unless it certainly stays so."""
    if one.is_open is None:
        return []
    put = f"found.append({one.place})"
    if one.open is None:
        return [f"if {one.is_open}: {put}"]
    return [f"if {one.is_open}:", f"    {_unless(one.open, one)} {put}"]


def _closed(strained: Sequence[Strained]) -> list[str]:
    """What is closed is settled unless it certainly stays so. Thresholds of one number nest below the least of them:
    hundreds cost one comparison where it is not reached.
    """
    lines: list[str] = []
    ranked: dict[str, list[tuple[Below, str]]] = {}
    for one in strained:
        put = f"found.append({one.place})"
        if one.is_open is not None:
            put = f"if not {one.is_open}: {put}"
        if one.closed is not None and one.closed.below is not None:
            ranked.setdefault(one.closed.below.name, []).append((one.closed.below, put))
        elif one.closed is not None:
            lines += [_unless(one.closed, one), f"    {put}"]
    for same in ranked.values():
        for depth, (below, put) in enumerate(sorted(same, key=lambda entry: entry[0].rank)):
            indent = "    " * min(depth, DEEPEST)
            lines += [f"{indent}if {below.reached}:", f"{indent}    {put}"]
    return lines


DEEPEST = 12
"""How deep thresholds nest: Python takes no more than some twenty blocks within one another."""
