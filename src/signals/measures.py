"""Measures: what is counted of the past, and only what a live definition watches (semantics §3).

A measure is one way of keeping events of some types: counts by bucket, amounts by bucket, exact instants, the
last one. Its state is plain lists (they pack small and load fast), owned by the profile and replaced, never
changed, when an event is folded in. Every state depends only on the set of events, not on their order.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import orjson

from signals.event import Event
from signals.instant import DAY, HOUR, MINUTE, Duration, Instant
from signals.matching import compile_where
from signals.operators import MISSING, Comparison, dig, is_number

ALL = ""
"""The one key of a measure that is not kept by field or contact, where its state is seen as if it were."""

NOT_TEXT = "\0"
"""What begins the key of a value that is no text."""


def resolution(window: Duration) -> Duration:
    """The bucket a window is counted in: a minute up to 48 h, an hour up to 45 d, a day beyond."""
    if window <= 48 * HOUR:
        return MINUTE
    return HOUR if window <= 45 * DAY else DAY


def leaves_window(time: Instant, window: Duration) -> Instant:
    """When an event leaves the window: its bucket's end, the window later (semantics §3 "Windows")."""
    step = resolution(window)
    return time // step * step + step + window


class Measure:
    """What every kind shares: which events it takes, by what they are kept apart, for how long.

    `keyed` is `contact`, a dotted field of the data, or None; `keep` is the longest look back any user of the
    measure needs (None: for ever). `id` is stable: the same spec has the same id on every machine.
    """

    kind = "measure"
    mark = 0
    """A bit above 32 by which measures of one kind are found among others."""

    def __init__(self, types: tuple[str, ...], where: Mapping[str, Comparison], keyed: str | None) -> None:
        self.types = types
        self.where = compile_where(where)
        self.keyed = keyed
        self.keep: Duration | None = 0
        self._path = tuple(keyed.split(".")) if keyed else ()
        self._where_spec = {field: wanted.model_dump(exclude_unset=True) for field, wanted in where.items()}
        self.id = 0
        self.token = ""

    def spec(self) -> list[Any]:
        """All that tells this measure from another."""
        return [self.kind, sorted(self.types), self._where_spec, self.keyed]

    def named(self) -> "Measure":
        """The measure with its id set from its spec and how far it looks back: one that must remember more is another."""
        canonical = orjson.dumps([*self.spec(), self.keep], option=orjson.OPT_SORT_KEYS)
        self.id = int.from_bytes(blake2b(canonical, digest_size=4).digest()) | self.mark
        self.token = f"measure:{self.id}"
        return self

    def look_back(self, duration: Duration | None) -> None:
        """Some user looks back this far; None is for ever."""
        if self.keep is not None:
            self.keep = None if duration is None else max(self.keep, duration)

    def key_of(self, event: Event) -> str | None:
        """Under which key the event is kept; None where it has none and is not kept."""
        if self.keyed is None:
            return ALL
        if self.keyed == "contact":
            return event.contact
        if self.keyed == "type":
            return event.type
        value = dig(event.data, self._path)
        return None if value is MISSING else _as_key(value)

    def entries(self, state: Any) -> dict[str, Any]:
        """A profile's state of the measure by key; under `ALL` where it is not kept by any."""
        if state is None:
            return {}
        found: dict[str, Any] = {ALL: state} if self.keyed is None else state
        return found

    def fold(self, state: Any, event: Event, now: Instant) -> Any:
        """The state with the event in it (new, or by key a new dict), or the same object where it does not count."""
        if self.where is not None and not self.where(event):
            return state
        if self.keyed is None:
            return self.add(state, event, now)
        key = self.key_of(event)
        if key is None:
            return state
        old = None if state is None else state.get(key)
        new = self.add(old, event, now)
        if new is old:
            return state
        if old is None and state is not None and len(state) >= CROWDED:
            state = {name: kept for name, kept in state.items() if not self.over(kept, now)}
        return {**state, key: new} if state else {key: new}

    def add(self, old: Any, event: Event, now: Instant) -> Any:
        """One key's state with the event in it."""
        raise NotImplementedError  # abstract: every kind below defines it

    def over(self, state: Any, now: Instant) -> bool:
        """Whether nobody asks for anything of this key any more."""
        return False


def _as_key(value: Any) -> str:
    """The value as a key. No coercion: `"1"` and 1 are two keys, 1 and 1.0 are one (a NUL begins no text)."""
    if isinstance(value, str):
        return value
    whole = isinstance(value, float) and value.is_integer()
    return NOT_TEXT + orjson.dumps(int(value) if whole else value, option=orjson.OPT_SORT_KEYS).decode()


class Tally(Measure):
    """Counts by bucket, cumulative: `[buckets, totals]`; `totals[n]` is how many came before `buckets[n]`, the last
    total how many there ever were, the first how many have left every window.

    A window's count is one bisect and one subtraction, however many events it holds.
    """

    kind = "tally"

    def __init__(
        self, types: tuple[str, ...], where: Mapping[str, Comparison], keyed: str | None, step: Duration
    ) -> None:
        super().__init__(types, where, keyed)
        self.step = step

    def spec(self) -> list[Any]:
        return [*super().spec(), self.step]

    def add(self, old: Any, event: Event, now: Instant) -> Any:
        bucket = event.time // self.step
        if old is None:
            return [[bucket], [0, 1]]
        buckets, totals = old
        if bucket > buckets[-1]:
            gone = self._gone(buckets, now)
            return [[*buckets[gone:], bucket], [*totals[gone:], totals[-1] + 1]]
        if bucket == buckets[-1]:
            return [buckets, [*totals[:-1], totals[-1] + 1]]
        place = bisect_left(buckets, bucket)
        counted = [*totals[: place + 1], *(total + 1 for total in totals[place + 1 :])]
        if buckets[place] == bucket:
            return [buckets, counted]
        counted.insert(place + 1, totals[place] + 1)
        return [[*buckets[:place], bucket, *buckets[place:]], counted]

    def over(self, state: Any, now: Instant) -> bool:
        return _left(self, state, now)

    def _gone(self, buckets: list[int], now: Instant) -> int:
        """How many buckets nobody asks for any more; a few are not worth looking for."""
        if self.keep is None or len(buckets) < TRIMMED_FROM:
            return 0
        return bisect_left(buckets, (now - self.keep) // self.step)


def _left(measure: "Tally | Amounts", state: Any, now: Instant) -> bool:
    """Whether the newest bucket has left every window. Of people it is kept: a change asks for how long there is any."""
    if measure.keep is None or measure.keyed == "contact":
        return False
    return not state[0] or state[0][-1] < (now - measure.keep) // measure.step


CROWDED = 8
"""Keys from which a new one makes place: those that have left every window are forgotten."""

TRIMMED_FROM = 8
"""Buckets below which a tally is not trimmed."""


class Total(Tally):
    """A count without window: only the number is kept."""

    kind = "total"

    def add(self, old: Any, event: Event, now: Instant) -> Any:
        return 1 if old is None else old + 1


def tally_at(state: Any, cutoff: int) -> int:
    """How many lie in buckets after `cutoff`."""
    if state is None:
        return 0
    buckets, totals = state
    return int(totals[-1] - totals[bisect_right(buckets, cutoff)])


class Amounts(Measure):
    """Numbers of a field by bucket: `[buckets, [[count, sum, min, max], …]]`, sums as exact decimal text."""

    kind = "amounts"

    def __init__(
        self,
        types: tuple[str, ...],
        where: Mapping[str, Comparison],
        keyed: str | None,
        step: Duration,
        of: str,
    ) -> None:
        super().__init__(types, where, keyed)
        self.step = step
        self.of = of
        self._of = tuple(of.split("."))

    def spec(self) -> list[Any]:
        return [*super().spec(), self.step, self.of]

    def add(self, old: Any, event: Event, now: Instant) -> Any:
        value = dig(event.data, self._of)
        if not is_number(value):
            return old
        bucket, amount = event.time // self.step, Decimal(str(value))
        buckets, cells = ([], []) if old is None else old
        place = bisect_left(buckets, bucket)
        if place < len(buckets) and buckets[place] == bucket:
            count, total, least, most = cells[place]
            cell = [count + 1, str(Decimal(total) + amount)]
            cell += [str(min(Decimal(least), amount)), str(max(Decimal(most), amount))]
            return [buckets, [*cells[:place], cell, *cells[place + 1 :]]]
        cell = [1, str(amount), str(amount), str(amount)]
        buckets, cells = [*buckets[:place], bucket, *buckets[place:]], [*cells[:place], cell, *cells[place:]]
        gone = 0 if self.keep is None else bisect_right(buckets, (now - self.keep) // self.step - 1)
        return [buckets[gone:], cells[gone:]]

    def over(self, state: Any, now: Instant) -> bool:
        return _left(self, state, now)


class Last(Measure):
    """The newest event's time: for absences."""

    kind = "last"

    def add(self, old: Any, event: Event, now: Instant) -> Any:
        return event.time if old is None or event.time > old else old


class Latest(Measure):
    """The newest event and whether it is like `like`: `[time, source, id, is it]`; ties: the greater source, id."""

    kind = "latest"

    def __init__(self, types: tuple[str, ...], like: Mapping[str, Comparison], keyed: str | None) -> None:
        super().__init__(types, {}, keyed)
        self._like = compile_where(like)
        self._like_spec = {field: wanted.model_dump(exclude_unset=True) for field, wanted in like.items()}

    def spec(self) -> list[Any]:
        return [*super().spec(), self._like_spec]

    def add(self, old: Any, event: Event, now: Instant) -> Any:
        rank = [event.time, event.source, event.id]
        if old is not None and old[:3] >= rank:
            return old
        return [*rank, self._like is None or self._like(event)]


def shared(asked: Iterable[Measure]) -> dict[int, Measure]:
    """What these users of measures ask for, each kept once: those of one spec look back as far as the farthest."""
    alike: dict[bytes, list[Measure]] = {}
    for measure in asked:
        alike.setdefault(orjson.dumps(measure.spec(), option=orjson.OPT_SORT_KEYS), []).append(measure)
    for group in alike.values():
        for measure in group:
            for other in group:
                measure.look_back(other.keep)
            measure.named()
    return {group[0].id: group[0] for group in alike.values()}
