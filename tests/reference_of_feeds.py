"""The reference with feeds: semantics §3 "Freshness" by recounting when each promised feed spoke. Slow on purpose."""

from itertools import pairwise
from typing import Any

from reference import Recount, span, word_of

UP, DOWN = {"gt", "gte"}, {"lt", "lte"}


class Doubtful(Recount):
    """A recount that knows what it cannot know. `feeds` are promises as in the policy, active since `since`; `heard`
    every event there is as (source, time): later ones have not happened yet.
    """

    def __init__(
        self,
        history: list[Any],
        created_at: int,
        now: int,
        feeds: list[dict[str, Any]],
        since: int,
        heard: list[tuple[str, int]],
    ) -> None:
        super().__init__(history, created_at, now)
        self.feeds = feeds
        self.silences = [self.silences_of(feed, since, heard) for feed in feeds]

    def silences_of(
        self, feed: dict[str, Any], since: int, heard: list[tuple[str, int]]
    ) -> list[tuple[int, int | None]]:
        """When it was silent for longer than promised; the last may not be over."""
        times = sorted(time for source, time in heard if source == feed["source"] and time <= self.now)
        begin = max((time for time in times if time <= since), default=since)
        times = [begin, *(time for time in times if time > since)]
        found: list[tuple[int, int | None]] = [
            (one, other) for one, other in pairwise(times) if other - one > span(feed["every"])
        ]
        if self.now - times[-1] > span(feed["every"]) and self.now >= since:
            found.append((times[-1], None))
        return found

    def on(self, types: Any) -> list[list[tuple[int, int | None]]]:
        """The silences of each feed on any of these types."""
        wanted = [types] if isinstance(types, str) else types
        return [
            silences
            for feed, silences in zip(self.feeds, self.silences, strict=True)
            if any(could_match(own, other) for own in feed["types"] for other in wanted)
        ]

    def knows(self, condition: dict[str, Any], negated: bool = False) -> bool | None:
        """Whether the condition holds; None where that is unknown."""
        if "not" in condition:
            inner = self.knows(condition["not"], not negated)
            return None if inner is None else not inner
        for word, ends in (("all", False), ("any", True)):
            if word in condition:
                each = [self.knows(part, negated) for part in condition[word]]
                return ends if ends in each else None if None in each else not ends
        word = word_of(condition)
        if word in ("absent", "missed", "not_reached"):
            return self.lasting(word, condition)
        if word in ("attribute", "role"):
            return self.holds(condition)
        return self.counting(word, condition, negated)

    # ── what may have been missed ───────────────────────────────────────────────────────────────────────────────

    def counting(self, word: str, condition: dict[str, Any], negated: bool) -> bool | None:
        """A number, a habit, a sequence, the latest: what more events could change is unknown."""
        holds = self.holds(condition)
        types = "product.milestone_reached" if word == "reached" else condition[word]
        sure = certain(word, condition)
        if holds is sure:
            return holds
        drop = negated if sure else bool(condition.keys() & (DOWN | {"is"}))
        for start, end in (silence for silences in self.on(types) for silence in silences):
            if end is None:
                near = span(condition["between"][1]) if "between" in condition else None
                if near is None or self.left(start + 1, near, self.longest(word, condition)):
                    return None
            elif drop and end > self.created_at and self.overlaps(word, condition, start, end):
                return None
        return holds

    def overlaps(self, word: str, condition: dict[str, Any], start: int, end: int) -> bool:
        """Whether an event that was missed between these instants could lie in the window. What counts ever has none."""
        longest = self.longest(word, condition)
        if longest is None or word == "latest":
            return False
        near = span(condition["between"][1]) if "between" in condition else None
        entered = near is None or self.left(start + 1, near, longest)
        return entered and not self.left(end - 1, longest, longest)

    def longest(self, word: str, condition: dict[str, Any]) -> Any:
        """How far the window reaches back; None: for ever."""
        if word == "change":
            return span(condition["in"]) + span(condition["against"])
        if word == "regular":
            return span(condition["every"]) * condition["of"]
        far = condition["between"][0] if "between" in condition else condition.get("in")
        return None if far is None else span(far)

    # ── the silent time does not count ──────────────────────────────────────────────────────────────────────────

    def lasting(self, word: str, condition: dict[str, Any]) -> bool | None:
        """An absence, something missed, a milestone not reached: long enough, silent times not counted?"""
        types = {"absent": "absent", "missed": "missed"}.get(word)
        feeds = self.on(condition[types] if types else "product.milestone_reached")
        starts = getattr(self, f"starts_of_{word}")(condition)
        holds: bool | None = any(
            self.now - start - self.unheard(feeds, start) >= span(condition.get("for", "0s"))
            for start in starts
        )
        if holds and any(end is None for silences in feeds for _, end in silences):
            return None
        if word == "missed" and not holds and any(s[-1][1] is None for s in self.on(condition["after"]) if s):
            return None  # what it should follow may have been missed too
        return holds

    def unheard(self, feeds: list[list[tuple[int, int | None]]], start: int) -> int:
        """For how long since then any of the feeds was silent, as far as that is over."""
        edges = sorted(
            {e for silences in feeds for pair in silences for e in pair if e is not None} | {start}
        )
        pieces = [(one, two) for one, two in pairwise(edges) if one >= start]
        return sum(
            two - one
            for one, two in pieces
            if any(s <= one and end is not None and two <= end for silences in feeds for s, end in silences)
        )

    def starts_of_absent(self, condition: dict[str, Any]) -> list[int]:
        """Since when there was none."""
        silence = self.silence(condition)
        return [] if silence is None else [self.now - silence]

    def starts_of_not_reached(self, condition: dict[str, Any]) -> list[int]:
        """Since when it has been waited for."""
        return [] if self.milestone(condition["not_reached"]) is not None else [self.created_at]

    def starts_of_missed(self, condition: dict[str, Any]) -> list[int]:
        """The events that nothing followed."""
        wanted = self.events(condition["missed"], {})
        return [
            event.time
            for event in self.events(condition["after"], {})
            if not any(paid.time >= event.time and self.paired(event, paid, condition) for paid in wanted)
            and self.paired(event, event, condition)
        ]


def certain(word: str, condition: dict[str, Any]) -> bool | None:
    """Which answer more events could not change."""
    if word in ("sequence", "reached"):
        return True
    words = condition.keys() & (UP | DOWN | {"is", "is_not"})
    if word == "latest":
        return None
    if word == "min":
        return True if words <= DOWN else None
    if words <= UP:
        return True
    return False if words <= DOWN and word in ("count", "sum", "distinct", "regular") else None


def could_match(pattern: str, other: str) -> bool:
    """Whether some type matches both."""
    for one, two in ((pattern, other), (other, pattern)):
        if one.endswith("*") and two.rstrip("*").startswith(one[:-1]):
            return True
    return pattern == other
