"""What a compiled condition is: a node that answers `(holds, until)` for a profile at an instant, and why."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from signals.event import Event
from signals.freshness import Feeds
from signals.instant import Instant, iso
from signals.measures import Measure
from signals.profile import Contact, Profile
from signals.sieve import Code, Guard, every, some

Answer: TypeAlias = tuple[bool | None, Instant | None]
"""`holds` (None: unknown) and `until`: the earliest instant at which that could change without an event (None: never)."""

Evidence: TypeAlias = dict[str, Any]
"""One atom's evidence: `condition` as written, `holds`, `saw`, and `since` or `at` where an instant matters."""


class Moment(NamedTuple):
    """What a condition is evaluated against: a profile now, what a journey adds to it, what was heard of the feeds."""

    profile: Profile
    now: Instant
    event: Event | None = None
    contact: Contact | None = None
    key: str | None = None
    feeds: Feeds | None = None


class Verdict(NamedTuple):
    """The answer to a condition (semantics §3)."""

    holds: bool | None
    until: Instant | None
    because: list[Evidence]


class Node:
    """A compiled condition. `source` is the condition as written, for evidence."""

    def __init__(self, source: dict[str, Any]) -> None:
        self.source = source

    def test(self, moment: Moment) -> Answer:
        """Whether it holds, and until when that is certain."""
        raise NotImplementedError  # abstract: every atom defines it

    def saw(self, moment: Moment) -> Any:
        """The value the answer rests on, as plain data."""
        raise NotImplementedError  # abstract: every atom defines it

    def because(self, moment: Moment) -> Iterator[Evidence]:
        """The evidence, atom by atom."""
        told = {"condition": self.source, "holds": self.test(moment)[0], "saw": self.saw(moment)}
        at = self.as_of(moment)
        yield told if at is None else {**told, "at": iso(at)}

    def as_of(self, moment: Moment) -> Instant | None:
        """When the newest thing happened that the answer rests on; None where it is not known or says nothing."""
        return None

    def surely(self, holds: bool, code: Code) -> Guard | None:
        """Until when it certainly holds, or certainly does not, as a guard of a sieve; None where only `test` can tell."""
        return None

    def lasts(self, holds: bool, code: Code) -> Guard | None:
        """Like `surely`, of an answer that it gave at the last settling already, whose next look is set for when that
        answer may be another: what events only put off needs no nearer look.
        """
        return self.surely(holds, code)

    def reads(self) -> Iterator[str]:
        """Tokens of what the fold may touch that could change the answer (`attribute:plan`, `measure:7`, …)."""
        yield from ()

    def measures(self) -> Iterator[Measure]:
        """The measures it asks the profile to keep."""
        yield from ()

    def verdict(self, moment: Moment) -> Verdict:
        """The full answer with its evidence."""
        holds, until = self.test(moment)
        return Verdict(holds, until, list(self.because(moment)))


def soonest(first: Instant | None, second: Instant | None) -> Instant | None:
    """The earlier of two instants, None being never."""
    if first is None:
        return second
    return first if second is None or first < second else second


class Keeper(Node):
    """Asks the profile to keep a measure that no condition names."""

    def __init__(self, measure: Measure) -> None:
        super().__init__({})
        self._measure = measure

    def measures(self) -> Iterator[Measure]:
        yield self._measure


class Everything(Node):
    """`all`: false as soon as one is false; unknown if none is false and one is unknown (Kleene)."""

    def __init__(self, source: dict[str, Any], children: list[Node]) -> None:
        super().__init__(source)
        self.children = children

    def test(self, moment: Moment) -> Answer:
        unknown, earliest = False, None
        for child in self.children:
            holds, until = child.test(moment)
            if holds is False:
                return False, until  # it stays false at least as long as this child does
            unknown = unknown or holds is None
            earliest = soonest(earliest, until)
        return (None if unknown else True), earliest

    def surely(self, holds: bool, code: Code) -> Guard | None:
        return (every if holds else some)([child.surely(holds, code) for child in self.children])

    def lasts(self, holds: bool, code: Code) -> Guard | None:
        """All held then; but it may have been any one that did not."""
        if not holds:
            return self.surely(holds, code)
        return every([child.lasts(holds, code) for child in self.children])

    def because(self, moment: Moment) -> Iterator[Evidence]:
        holds = self.test(moment)[0]
        for child in self.children:
            if holds is not False or child.test(moment)[0] is False:
                yield from child.because(moment)

    def reads(self) -> Iterator[str]:
        for child in self.children:
            yield from child.reads()

    def measures(self) -> Iterator[Measure]:
        for child in self.children:
            yield from child.measures()


class Anything(Everything):
    """`any`: true as soon as one is true; unknown if none is true and one is unknown (Kleene)."""

    def test(self, moment: Moment) -> Answer:
        unknown, earliest = False, None
        for child in self.children:
            holds, until = child.test(moment)
            if holds is True:
                return True, until
            unknown = unknown or holds is None
            earliest = soonest(earliest, until)
        return (None if unknown else False), earliest

    def surely(self, holds: bool, code: Code) -> Guard | None:
        return (some if holds else every)([child.surely(holds, code) for child in self.children])

    def lasts(self, holds: bool, code: Code) -> Guard | None:
        """None held then; but it may have been any one that did."""
        if holds:
            return self.surely(holds, code)
        return every([child.lasts(holds, code) for child in self.children])

    def because(self, moment: Moment) -> Iterator[Evidence]:
        holds = self.test(moment)[0]
        for child in self.children:
            if holds is not True or child.test(moment)[0] is True:
                yield from child.because(moment)


class Negation(Node):
    """`not`: unknown stays unknown."""

    def __init__(self, source: dict[str, Any], child: Node) -> None:
        super().__init__(source)
        self.child = child

    def test(self, moment: Moment) -> Answer:
        holds, until = self.child.test(moment)
        return (None if holds is None else not holds), until

    def surely(self, holds: bool, code: Code) -> Guard | None:
        return self.child.surely(not holds, code)

    def lasts(self, holds: bool, code: Code) -> Guard | None:
        return self.child.lasts(not holds, code)

    def because(self, moment: Moment) -> Iterator[Evidence]:
        for evidence in self.child.because(moment):
            yield {**evidence, "negated": not evidence.get("negated", False)}

    def reads(self) -> Iterator[str]:
        return self.child.reads()

    def measures(self) -> Iterator[Measure]:
        return self.child.measures()


def say(evidence: Evidence) -> str:
    """One line of evidence for a person."""
    condition = evidence["condition"]
    word, about = next(iter(condition.items()))
    rest = ", ".join(f"{name} {value}" for name, value in condition.items() if name != word)
    about = about if isinstance(about, str) else ", ".join(map(str, about))
    negation = "not " if evidence.get("negated") else ""
    return f"{negation}{word} {about}{': ' + rest if rest else ''} (saw {evidence['saw']}){doubts(evidence)}"


def doubts(evidence: Mapping[str, Any]) -> str:
    """What a person is to know where a silent feed or a value's type decided the answer; nothing where none did."""
    if evidence.get("because") == "type":
        return ": other types do not compare"
    if evidence.get("because") != "stale_feed":
        return ""
    feed, since, until = evidence["feed"], evidence["silent_since"], evidence["silent_until"]
    silence = f"has been silent since {since}" if until is None else f"was silent from {since} to {until}"
    answer = "unknown" if evidence["holds"] is None else "not counted in full"
    return f": {answer}, for {feed} {silence}"
