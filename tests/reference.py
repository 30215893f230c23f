"""The reference: conditions answered by recounting the raw history, as plainly as the design page reads.

Slow on purpose and free of the code under test: it knows the envelope of an event and semantics §3, nothing else.
`tests/signals` shares its name with a package, so this lies beside it. Instants are microseconds.
"""

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
ABSENT = object()
NEVER = 10**18


def span(text: str) -> int:
    """`14d` in microseconds."""
    units = {"s": 1_000_000, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
    return int(text[:-1]) * units[text[-1]]


class Recount:
    """One account's whole history at one instant. `history` may hold later events: they have not happened yet.

    `signals`, `segments` and `stages` (in their order) are conditions by key: of signals that are open, and segments
    that are entered, while their condition holds and at no other time. `health` is the body of the health
    definition, under which the account has been scored since `created_at`.
    """

    def __init__(
        self,
        history: list[Any],
        created_at: int,
        now: int,
        signals: dict[str, Any] | None = None,
        health: dict[str, Any] | None = None,
        segments: dict[str, Any] | None = None,
        stages: dict[str, Any] | None = None,
    ) -> None:
        self.signals, self.segments, self.stages = signals or {}, segments or {}, stages or {}
        self.rules = health
        self.scored_since = created_at
        self.past = sorted(
            (event for event in history if event.time <= now), key=lambda e: (e.time, e.source, e.id)
        )
        self.now = now
        self.created_at = min([created_at, *(event.time for event in self.past)])

    def holds(self, condition: dict[str, Any]) -> bool:
        """Whether the condition holds."""
        if "all" in condition:
            return all(self.holds(each) for each in condition["all"])
        if "any" in condition:
            return any(self.holds(each) for each in condition["any"])
        if "not" in condition:
            return not self.holds(condition["not"])
        word = word_of(condition)
        if "by" in condition and not self.holders(condition["by"]):
            return False
        if word in NUMBERS:
            number = NUMBERS[word](self, condition)
            return number is not ABSENT and self.number(number, condition)
        return bool(ATOMS[word](self, condition))

    # ── which events count ──────────────────────────────────────────────────────────────────────────────────────

    def events(self, types: Any, condition: dict[str, Any]) -> list[Any]:
        """All events of the types that pass `where` and `by`."""
        wanted = [types] if isinstance(types, str) else types
        people = self.holders(condition["by"]) if "by" in condition else None
        return [
            event
            for event in self.past
            if any(
                re.fullmatch(pattern.replace(".", r"\.").replace("*", ".*"), event.type) for pattern in wanted
            )
            and all(
                compare(field(event.data, name), test) for name, test in condition.get("where", {}).items()
            )
            and (people is None or event.contact in people)
        ]

    def in_window(self, events: list[Any], condition: dict[str, Any]) -> list[Any]:
        """Those that have not left: an event leaves at floor(t) + r + W."""
        if "between" in condition:
            far, near = map(span, condition["between"])
            return [e for e in events if not self.left(e.time, far, far) and self.left(e.time, near, far)]
        if "in" not in condition:
            return events
        window = span(condition["in"])
        return [event for event in events if not self.left(event.time, window, window)]

    def left(self, time: int, window: int, longest: int) -> bool:
        """Whether an event of that time has left the window; the longest of the atom sets the resolution."""
        step = MINUTE if longest <= 48 * HOUR else HOUR if longest <= 45 * DAY else DAY
        return self.now >= time // step * step + step + window

    # ── atoms ───────────────────────────────────────────────────────────────────────────────────────────────────

    def count(self, condition: dict[str, Any]) -> int:
        """How many; with `same`, the largest number sharing one value."""
        found = self.in_window(self.events(condition["count"], condition), condition)
        if "same" not in condition:
            return len(found)
        values = [field(event.data, condition["same"]) for event in found]
        values = [value for value in values if value is not ABSENT]
        return max((sum(same(v, w) for w in values) for v in values), default=0)

    def amount(self, condition: dict[str, Any]) -> Any:
        """Sums and the like, in fractions: exact."""
        word = next(name for name in ("sum", "average", "min", "max") if name in condition)
        found = self.in_window(self.events(condition[word], condition), condition)
        values = [field(event.data, condition["of"]) for event in found]
        numbers = [Fraction(str(value)) for value in values if is_number(value)]
        if word == "sum":
            return sum(numbers, Fraction(0))
        if not numbers:
            return ABSENT
        average = sum(numbers, Fraction(0)) / len(numbers)
        return {"average": average, "min": min(numbers), "max": max(numbers)}[word]

    def distinct(self, condition: dict[str, Any]) -> int:
        """How many different values."""
        found = self.in_window(self.events(condition["distinct"], condition), condition)
        of = condition["of"]
        values: list[Any] = []
        for event in found:
            own = {"type": event.type, "contact": event.contact or ABSENT}
            value = own[of] if of in own else field(event.data, of)
            if value is not ABSENT and not any(same(value, known) for known in values):
                values.append(value)
        return len(values)

    def change(self, condition: dict[str, Any]) -> Any:
        """The last block against the median of the whole blocks before it; absent where there is too little past."""
        block, against = span(condition["in"]), span(condition["against"])
        longest = block + against
        times = [event.time for event in self.events(condition["change"], condition)]
        if not times:
            return ABSENT

        def total(back: int) -> int:
            far, near = (back + 1) * block, back * block
            return sum(
                not self.left(t, far, longest) and (back == 0 or self.left(t, near, longest)) for t in times
            )

        step = MINUTE if longest <= 48 * HOUR else HOUR if longest <= 45 * DAY else DAY
        first = min(times) // step * step
        blocks = [b for b in range(1, against // block + 1) if self.now - (b + 1) * block >= first]
        if len(blocks) < 2:
            return ABSENT
        ordered = sorted(total(back) for back in blocks)
        middle = len(ordered) // 2
        usual = (
            Fraction(ordered[middle])
            if len(ordered) % 2
            else Fraction(ordered[middle - 1] + ordered[middle], 2)
        )
        if usual == 0 or usual < condition.get("min", 10):
            return ABSENT
        return float((total(0) - usual) / usual)

    def regular(self, condition: dict[str, Any]) -> bool:
        """Enough in enough of the last blocks."""
        every, longest = span(condition["every"]), span(condition["every"]) * condition["of"]
        times = [event.time for event in self.events(condition["regular"], condition)]
        good = 0
        for back in range(condition["of"]):
            inside = [
                t
                for t in times
                if not self.left(t, (back + 1) * every, longest)
                and (back == 0 or self.left(t, back * every, longest))
            ]
            good += self.number(len(inside), condition)
        return good >= condition["in_at_least"]

    def sequence(self, condition: dict[str, Any]) -> bool:
        """A first in the window, and a second strictly later but soon enough."""
        first, second = condition["sequence"]
        starts = self.in_window(self.events(first, condition), condition)
        return any(
            0 < end.time - start.time <= span(condition["within"]) and self.paired(start, end, condition)
            for start in starts
            for end in self.events(second, condition)
        )

    def latest(self, condition: dict[str, Any]) -> bool:
        """The most recent event of the type is like that."""
        found = self.events(condition["latest"], {k: v for k, v in condition.items() if k == "by"})
        return bool(found) and found[-1] in self.events(condition["latest"], condition)

    def absent(self, condition: dict[str, Any]) -> bool:
        """None for so long; a role that nobody holds has nobody to be silent."""
        silence = self.silence(condition)
        return silence is not None and silence >= span(condition["for"])

    def silence(self, condition: dict[str, Any]) -> int | None:
        """For how long; a new holder of the role counts from when they took it or were first seen."""
        times = [event.time for event in self.events(condition["absent"], condition)]
        if "by" not in condition:
            return self.now - max(times, default=self.created_at)
        people = self.holders(condition["by"])
        times += [
            max(since, min(e.time for e in self.past if e.contact == name)) for name, since in people.items()
        ]
        return self.now - max(times) if people else None

    def missed(self, condition: dict[str, Any]) -> bool:
        """An `after` that nothing followed, long enough ago."""
        wanted = self.events(condition["missed"], {})
        return any(
            self.now - event.time >= span(condition["for"])
            and not any(paid.time >= event.time and self.paired(event, paid, condition) for paid in wanted)
            and not ("same" in condition and field(event.data, condition["same"]) is ABSENT)
            for event in self.events(condition["after"], {})
        )

    def paired(self, one: Any, other: Any, condition: dict[str, Any]) -> bool:
        """Whether two events share the field of `same`, or the person of `by`."""
        if "by" in condition:
            return bool(one.contact == other.contact)
        if "same" not in condition:
            return True
        first, second = field(one.data, condition["same"]), field(other.data, condition["same"])
        return first is not ABSENT and second is not ABSENT and same(first, second)

    def attribute(self, condition: dict[str, Any]) -> bool:
        """The attribute now, and with `for`, at every write since then."""
        if not self.attribute_at(condition, self.now):
            return False
        if "for" not in condition:
            return True
        start = self.now - span(condition["for"])
        instants = [event.time for event in self.past if event.type == "crm.account_updated"]
        return self.created_at <= start and all(
            self.attribute_at(condition, instant) for instant in (start, *instants) if instant >= start
        )

    def attribute_at(self, condition: dict[str, Any], instant: int) -> bool:
        """Whether the attribute compares as wanted at that instant."""
        value = self.value(condition["attribute"], instant)
        if "per" in condition:
            divisor = self.value(condition["per"], instant)
            good = is_number(value) and is_number(divisor) and divisor != 0
            value = Fraction(str(value)) / Fraction(str(divisor)) if good else ABSENT
        tests = {k: v for k, v in condition.items() if k in COMPARISONS}
        if not compare(value, tests):
            return False
        date = instant_of(value)
        for word in ("within", "past", "last"):
            if word in condition:
                wanted = span(condition[word])
                near = {
                    "within": lambda d, w: self.now <= d <= self.now + w,
                    "past": lambda d, w: d <= self.now - w,
                    "last": lambda d, w: self.now - w < d <= self.now,
                }[word]
                if date is None or not near(date, wanted):
                    return False
        return True

    def value(self, path: str, instant: int) -> Any:
        """The account's attribute at that instant; tenure is the one derived here."""
        name, _, rest = path.removeprefix("account.").partition(".")
        derived = {
            "tenure_days": (instant - self.created_at) // DAY,
            "created_at": text_of(self.created_at),
            "open_tickets": self.open_tickets(),
        }
        if name in derived:
            return derived[name]
        found: Any = None
        for event in self.past:
            if (
                event.type == "crm.account_updated"
                and event.time <= instant
                and name in event.data["attributes"]
            ):
                found = event.data["attributes"][name]
        return field({name: found}, f"{name}.{rest}" if rest else name)

    def open_tickets(self) -> int:
        """Tickets that nothing has solved since they were last opened; only ever updated counts as opened by that."""
        heard: dict[Any, dict[str, int]] = {}
        for event in self.past:
            if event.type.startswith("support.ticket_"):
                heard.setdefault(event.data["ticket"], {})[event.type.removeprefix("support.ticket_")] = (
                    event.time
                )
        opened = [
            (times.get("opened", times.get("updated")), times.get("solved")) for times in heard.values()
        ]
        return sum(at is not None and (solved is None or at > solved) for at, solved in opened)

    def reached(self, condition: dict[str, Any]) -> bool:
        """The milestone was reached, long enough ago."""
        at = self.milestone(condition["reached"])
        return at is not None and self.now - at >= span(condition.get("for", "0s"))

    def not_reached(self, condition: dict[str, Any]) -> bool:
        """Not reached since the account was created, for so long."""
        waited = self.now - self.created_at >= span(condition.get("for", "0s"))
        return waited and self.milestone(condition["not_reached"]) is None

    def milestone(self, name: str) -> int | None:
        """When it was first reached."""
        kind = "product.milestone_reached"
        times = [e.time for e in self.past if e.type == kind and e.data["milestone"] == name]
        return min(times, default=None)

    def signal(self, condition: dict[str, Any]) -> bool:
        """The signal is open now."""
        return self.holds(self.signals[condition["signal"]])

    def segment(self, condition: dict[str, Any]) -> bool:
        """The account is in the segment, and then it also has its tag."""
        return self.holds(self.segments[condition.get("segment", condition.get("tag"))])

    def stage(self, condition: dict[str, Any]) -> bool:
        """The first stage whose condition holds is this one."""
        first = next((key for key, when in self.stages.items() if self.holds(when)), None)
        return first == condition["stage"]

    def role(self, condition: dict[str, Any]) -> bool:
        """Vacant: nobody holds it, and someone did or the account is older than 14 days."""
        held = bool(self.holders(condition["role"]))
        if not condition["vacant"]:
            return held
        ever = any(since <= self.now for _, since, _ in self.spans(condition["role"]))
        return not held and (ever or self.now - self.created_at >= 14 * DAY)

    def holders(self, role: str) -> dict[str, int]:
        """Who holds the role now, and since when."""
        return {who: since for who, since, until in self.spans(role) if since <= self.now < until}

    def spans(self, role: str) -> list[tuple[str, int, int]]:
        """Everybody who held the role, from when until when."""
        people = {event.contact for event in self.past if event.contact is not None}
        return [
            (who, since, until) for who in people for since, until in self.held(who, role) if since < until
        ]

    def held(self, who: str, role: str) -> list[tuple[int, int]]:
        """When they held it: from what gave it, until its own date or a set without it; given anew, it goes on."""
        ended, since, until = [], NEVER, NEVER
        for event in self.past:
            if event.contact != who or not tells_roles(event):
                continue
            dates = roles_of(event).get(role)
            if dates is None or ("since" not in dates and until <= event.time):
                ended.append((since, min(until, event.time)))
                since = NEVER
            if dates is not None:
                begun = event.time if since == NEVER else since
                since = instant_of(dates["since"]) if "since" in dates else begun
                until = instant_of(dates["until"]) if "until" in dates else NEVER
        return [*ended, (since, until)]

    def number(self, number: Any, condition: dict[str, Any]) -> bool:
        """The number, divided by `per`, against the threshold."""
        return compare(self.per(number, condition), {k: v for k, v in condition.items() if k in NUMERIC})

    def per(self, number: Any, condition: dict[str, Any]) -> Any:
        """The number, divided by `per` as it is now."""
        if "per" not in condition or not is_number(number):
            return number
        divisor = self.value(condition["per"], self.now)
        good = is_number(divisor) and divisor != 0
        return Fraction(str(number)) / Fraction(str(divisor)) if good else ABSENT

    # ── health ──────────────────────────────────────────────────────────────────────────────────────────────────

    def health(self, condition: dict[str, Any]) -> bool:
        """The score, its band, or the score now less the score that long ago."""
        words = {k: v for k, v in condition.items() if k in COMPARISONS}
        if condition["health"] == "band":
            return compare(ABSENT if self.band() is None else self.band(), words)
        score = self.score()
        if condition["health"] == "score":
            return compare(ABSENT if score is None else score, words)
        then = self.now - span(words.pop("in"))
        before = self.at(then).score() if then >= self.scored_since else None
        return compare(ABSENT if score is None or before is None else score - before, words)

    def at(self, instant: int) -> "Recount":
        """The same account at an instant of the past."""
        made = (self.signals, self.rules, self.segments, self.stages)
        return Recount(self.past, self.scored_since, instant, *made)

    def score(self) -> int | None:
        """The weighted mean of what counts, rounded half up; None where nothing does."""
        counted = [
            (Fraction(str(one["weight"])), self.points(one))
            for one in (self.rules or {"measures": []})["measures"]
        ]
        counted = [(weight, points) for weight, points in counted if points is not ABSENT]
        if not counted:
            return None
        mean = sum(weight * points for weight, points in counted) / sum(weight for weight, _ in counted)
        return (mean + Fraction(1, 2)).__floor__()

    def points(self, measure: dict[str, Any]) -> Any:
        """What the map makes of a measure's number; by policy where that is missing."""
        number, pairs = self.measured(measure), measure["map"]
        if number is ABSENT:
            return Fraction(0) if measure.get("missing") == "zero" else ABSENT
        if number <= pairs[0][0] or number >= pairs[-1][0]:
            return Fraction(pairs[0][1] if number <= pairs[0][0] else pairs[-1][1])
        right = next(place for place, pair in enumerate(pairs) if number < pair[0])
        (x0, y0), (x1, y1) = pairs[right - 1], pairs[right]
        return y0 + (number - Fraction(str(x0))) * Fraction(y1 - y0) / (Fraction(str(x1)) - Fraction(str(x0)))

    def measured(self, measure: dict[str, Any]) -> Any:
        """A measure's number, unless its newest event is too old for `last_known`."""
        atom, missing = measure["value"], measure.get("missing")
        number = self.quantity(atom)
        if isinstance(missing, dict):
            times = self.behind(atom)
            if not times or self.now - max(times) > span(missing["last_known"]):
                return ABSENT
            if number is ABSENT and atom.keys() & {"average", "min", "max"} and "change" not in atom:
                number = self.per(self.at(self.emptied(atom) - 1).amount(atom), atom)
        return Fraction(str(number)) if is_number(number) else ABSENT

    def quantity(self, atom: dict[str, Any]) -> Any:
        """The number of an atom without comparison; of `absent`, whole days."""
        word = next(name for name in ("attribute", *ATOMS) if name in atom)
        if word == "attribute":
            return self.per(self.value(atom["attribute"], self.now), atom)
        if word == "absent":
            silence = self.silence(atom)
            return ABSENT if silence is None else silence // DAY
        return self.per(NUMBERS[word](self, atom), atom)

    def behind(self, atom: dict[str, Any]) -> list[int]:
        """The times of all events an atom's number rests on."""
        if "attribute" in atom:
            name = atom["attribute"].removeprefix("account.")
            told = [event for event in self.past if event.type == "crm.account_updated"]
            return [event.time for event in told if name in event.data["attributes"]]
        word = next(name for name in ATOMS if name in atom)
        of = atom["of"] if word in ("sum", "average", "min", "max") else None
        return [
            e.time for e in self.events(atom[word], atom) if of is None or field(e.data, of) is not ABSENT
        ]

    def emptied(self, atom: dict[str, Any]) -> int:
        """When the last number left the window."""
        word = next(name for name in ("average", "min", "max") if name in atom)
        times = [e.time for e in self.events(atom[word], atom) if is_number(field(e.data, atom["of"]))]
        window = span(atom["in"])
        step = MINUTE if window <= 48 * HOUR else HOUR if window <= 45 * DAY else DAY
        return max(times, default=self.now) // step * step + step + window

    def band(self) -> str | None:
        """The band of the score, no better than any cap."""
        score = self.score()
        if score is None or self.rules is None:
            return None
        tops = self.rules.get("bands", {"red": 50, "amber": 75})
        order = ("red", "amber", "green")
        band = "red" if score <= tops["red"] else "amber" if score <= tops["amber"] else "green"
        caps = [flag["cap"] for flag in self.rules.get("flags", []) if self.holds(flag["when"])]
        return min([band, *caps], key=order.index)


NUMBERS: dict[str, Any] = {
    "count": Recount.count,
    "sum": Recount.amount,
    "average": Recount.amount,
    "distinct": Recount.distinct,
    "change": Recount.change,
    "min": Recount.amount,  # after `change`, which has a `min` of its own
    "max": Recount.amount,
}
"""Atoms that compare a number, and how it is counted."""

ATOMS: dict[str, Any] = {
    **NUMBERS,
    "attribute": Recount.attribute,
    "signal": Recount.signal,
    "segment": Recount.segment,
    "tag": Recount.segment,
    "stage": Recount.stage,
    "health": Recount.health,
    "regular": Recount.regular,
    "sequence": Recount.sequence,
    "latest": Recount.latest,
    "absent": Recount.absent,
    "missed": Recount.missed,
    "reached": Recount.reached,
    "not_reached": Recount.not_reached,
    "role": Recount.role,
}
TEXT: dict[str, Any] = {
    "contains": lambda value, part: part in value,
    "starts_with": lambda value, part: value.startswith(part),
    "matches": lambda value, glob: re.fullmatch(glob.replace("*", ".*").replace("?", "."), value),
}
NUMERIC = ("is", "is_not", "gt", "gte", "lt", "lte")
COMPARISONS = (*NUMERIC, "in", "not_in", "exists", *TEXT)


def word_of(condition: dict[str, Any]) -> str:
    """The word that names the atom."""
    return next(name for name in ATOMS if name in condition)


def tells_roles(event: Any) -> bool:
    """Whether the event says which roles its contact holds."""
    return event.type == "crm.contact_left" or "roles" in event.data


def roles_of(event: Any) -> dict[str, dict[str, str]]:
    """The roles a CRM event gives, with their dates where it gives any."""
    given = event.data.get("roles", []) if event.type == "crm.contact_updated" else []
    return {
        each if isinstance(each, str) else each["role"]: {} if isinstance(each, str) else each
        for each in given
    }


def field(data: Any, path: str) -> Any:
    """The value at a dotted path; null is absent."""
    for name in path.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return ABSENT if data is None else data


def is_number(value: Any) -> bool:
    """A number; true is none."""
    return isinstance(value, int | float | Fraction) and not isinstance(value, bool)


def same(one: Any, other: Any) -> bool:
    """Equal without coercion."""
    if is_number(one) and is_number(other):
        return Fraction(str(one)) == Fraction(str(other))
    return type(one) is type(other) and bool(one == other)


def instant_of(value: Any) -> Any:
    """The instant that text like `2026-03-02T09:00:00Z` or `2026-03-02` names; None where it names none."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d(T.*)?", value):
        return None
    moment = datetime.fromisoformat(value)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def text_of(instant: int) -> str:
    """The instant as attributes say it."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)).isoformat()


def compare(value: Any, tests: Any) -> bool:
    """Whether the value passes every test; absent passes only `is_not`, `not_in` and `exists: false`."""
    wanted = tests if isinstance(tests, dict) else {"is": tests}
    return all(_one(value, word, against) for word, against in wanted.items())


def _one(value: Any, word: str, against: Any) -> bool:
    if word == "exists":
        return (value is not ABSENT) is against
    if word in ("is_not", "not_in"):
        return value is ABSENT or not _one(value, {"is_not": "is", "not_in": "in"}[word], against)
    if value is ABSENT:
        return False
    if word == "is":
        return same(value, against)
    if word == "in":
        return any(same(value, each) for each in against)
    if word == "contains" and isinstance(value, list):
        return any(same(each, against) for each in value)
    if word in TEXT:
        return isinstance(value, str) and isinstance(against, str) and bool(TEXT[word](value, against))
    if is_number(value) and is_number(against):
        value, against = Fraction(str(value)), Fraction(str(against))  # 0.1 means one tenth
    else:
        value, against = instant_of(value), instant_of(against)
    if value is None or against is None:
        return False
    return {"gt": value > against, "gte": value >= against, "lt": value < against, "lte": value <= against}[
        word
    ]
