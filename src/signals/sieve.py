"""What an event cannot have changed, told apart at once: one generated function for each set of touched tokens.

Most definitions an event is read by stay as they are. A sieve asks each, in one pass over values looked up once,
until when that is certain; those that are not certain until their next look are settled by their conditions, which
alone decide. Its source is made from the compiled conditions: numbers and generated names, never a text that
somebody wrote.
"""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from signals.instant import HOUR, Instant
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


WAIT = "wait"
"""In a guard: when the definition is to be looked at next."""


class Guard(NamedTuple):
    """`until`: an expression for the instant until which a condition is certainly so, 0 where that is not certain.

    `wait` in it stands for when the definition is to be looked at next, 0 where that is not set.
    `below`, (name, number, strictly), where it is certain for ever if a number is below another, and else not.
    """

    until: str
    below: tuple[str, str, float, bool] | None = None


class Code:
    """The source of one sieve in the making. The names it starts with: `profile`, `now`, `m` (its measures), `opened`
    (keys of its open signals), `never`, `bisect_left`, `min`.
    """

    def __init__(self, late: bool = False) -> None:
        """`late`: the event may lie anywhere in the past."""
        self.late = late
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"bisect_left": bisect_left, "never": NEVER}
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

    def below(self, name: str, threshold: float, *, strictly: bool) -> Guard:
        """Certain for ever while the number is below the threshold, or at most at it where not `strictly`."""
        known = self.constant(threshold)
        word = "<" if strictly else "<="
        return Guard(f"never if {name} {word} {known} else 0", (name, known, threshold, strictly))


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
    while it is closed and while it is open (None: nothing), and by which key of which container it is open.
    """

    place: int
    id: int
    closed: Guard | None = None
    open: Guard | None = None
    key: str | None = None
    container: str = "opened"


def make(strained: Sequence[Strained], code: Code) -> Sieve:
    """The function for these definitions; `code` is that their guards were written with."""
    by_key = {one.key: one for one in strained if one.key is not None}
    code.names["always"] = [one.place for one in strained if one.closed is None]
    names = {one.place: code.constant(one.key) for one in by_key.values()}
    body = [
        "m = profile.measures",
        "waits = profile.waits",
        "inside = profile.segments",
        "opened = [key for key, state in profile.signals.items() if state.open]",
        *code.lines,
        "found = always.copy()",
        *_closed(strained, names),
    ]
    for container in ("opened", "inside"):
        there = [one for one in by_key.values() if one.container == container and one.closed is not None]
        body += (
            [f"if {container}:", *(f"    {line}" for one in there for line in _opened(one, names))]
            if there
            else []
        )
    body.append("return sorted(found) if len(found) > 1 else found")
    source = "\n    ".join(["def sieve(profile, now):", *body])
    exec(compile(source, "<sieve>", "exec"), code.names)  # noqa: S102 - our own text: see the module's first lines
    sieve: Sieve = code.names["sieve"]
    return sieve


def _unless(guard: Guard, one: Strained) -> str:
    until = guard.until.replace(WAIT, f"waits.get({one.id}, 0)")
    return f"if not ({until}) >= waits.get({one.id}, never)"


def _opened(one: Strained, names: dict[int, str]) -> list[str]:
    """What is open is settled, unless it certainly stays so."""
    put = f"found.append({one.place})"
    here = f"if {names[one.place]} in {one.container}:"
    return [f"{here} {put}"] if one.open is None else [here, f"    {_unless(one.open, one)}: {put}"]


def _closed(strained: Sequence[Strained], names: dict[int, str]) -> list[str]:
    """What is closed is settled unless it certainly stays so. Thresholds of one number nest below the least of them:
    hundreds cost one comparison where it is not reached.
    """
    lines: list[str] = []
    ranked: dict[str, list[tuple[float, bool, str, Strained]]] = {}
    for one in strained:
        put = f"found.append({one.place})"
        if one.key is not None:
            put = f"if {names[one.place]} not in {one.container}: {put}"
        if one.closed is None:
            continue
        if one.closed.below is None:
            lines += [f"{_unless(one.closed, one)}:", f"    {put}"]
        else:
            name, known, threshold, strictly = one.closed.below
            reached = f"if {name} {'>=' if strictly else '>'} {known}:"
            ranked.setdefault(name, []).append((threshold, not strictly, f"{reached}\n{put}", one))
    for same in ranked.values():
        for depth, (*_, text, _) in enumerate(sorted(same, key=lambda entry: entry[:2])):
            reached, put = text.split("\n")
            indent = "    " * min(depth, DEEPEST)
            lines += [f"{indent}{reached}", f"{indent}    {put}"]
    return lines


DEEPEST = 12
"""How deep thresholds nest: Python takes no more than some twenty blocks within one another."""
