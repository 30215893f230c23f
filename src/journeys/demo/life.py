"""One account's year while it is being written: drafts of events, beats, and what the writers agree on."""

from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeAlias

from journeys.demo.people import Company, Person
from journeys.demo.stories import Beat
from journeys.demo.year import DAYS, Year
from signals.instant import SECOND, Instant

Draft: TypeAlias = tuple[Instant, int, str, str | None, dict[str, Any]]
"""Time, order of writing, type, contact and data of an event that has no id yet."""

NEVER = DAYS + 1000
"""A day that does not come."""


@dataclass
class Ticket:
    """A support ticket to be written: who opened it when, about what, and how it went."""

    at: Instant
    person: Person
    topic: str
    priority: str
    tone: str
    solved: Instant | None
    score: int | None


@dataclass
class Life:
    """What is being written about one account. Days are days of the year, instants are UTC."""

    company: Company
    year: Year
    rng: Random
    drafts: list[Draft] = field(default_factory=list)
    beats: list[Beat] = field(default_factory=list)
    levels: list[float] = field(default_factory=lambda: [1.0] * DAYS)  # how much the product is used, by day
    ended: Instant | None = None  # when the subscription was cancelled: nothing happens after it
    activated: int = -1  # day of activation; NEVER: not in this year
    quiet: list[tuple[int, int]] = field(default_factory=list)  # days without ordinary tickets
    unseen: dict[str, tuple[int, int]] = field(default_factory=dict)  # contact → days of absence
    own_scores: tuple[int, int] = (NEVER, NEVER)  # days in which a story writes the survey scores
    failing: dict[int, str] = field(default_factory=dict)  # charge day → how the failure ends
    skipped: set[int] = field(default_factory=set)  # charge days without a box
    late: dict[int, int] = field(default_factory=dict)  # charge day → days the box travels
    terms: list[tuple[int, int, int]] = field(default_factory=list)  # from which day: seats, mrr
    reason: str = ""  # why it ended
    tickets: int = 0
    invoices: int = 0

    born: Instant = 0  # when a customer who joins in this year does so

    def __post_init__(self) -> None:
        if self.company.frame.joined >= 0:
            self.born = self.at(self.joined, 9 + 5 * self.rng.random())

    @property
    def new(self) -> bool:
        """Whether the account joins within the year."""
        return self.company.frame.joined >= 0

    @property
    def joined(self) -> int:
        """The first day of the account within the year."""
        return max(self.company.frame.joined, 0)

    def at(self, day: int, hour: float) -> Instant:
        """The instant of a local hour at the account."""
        return self.year.at(self.company.timezone, day, hour)

    def business(self, day: int, step: tuple[int, int]) -> Instant:
        """Some instant in office hours on a working day, `step` (from, to) days later."""
        return self.office(self.year.workday(day + self.rng.randint(*step)))

    def office(self, day: int) -> Instant:
        """Some instant in the account's office hours, most often around noon."""
        return self.at(day, 8.5 + 4.5 * (self.rng.random() + self.rng.random()))

    def add(self, at: Instant, kind: str, contact: str | None = None, **data: Any) -> Instant:
        """Writes an event of type `kind` down; those outside the year are dropped at the end. Returns `at`."""
        self.drafts.append((at, len(self.drafts), kind, contact, data))
        return at

    def log(self, at: Instant, kind: str, contact: str, data: dict[str, Any]) -> None:
        """`add` for the many: `data` may be shared between events, and is copied when they are read."""
        self.drafts.append((at, len(self.drafts), kind, contact, data))

    def beat(self, kind: str, at: Instant, until: Instant, outcome: str, size: float = 0) -> None:
        """Notes what was planted."""
        self.beats.append(Beat(kind, at, until, outcome, size))

    def price(self, day: int) -> tuple[int, int]:
        """Seats and monthly price on a day."""
        agreed = [terms for terms in self.terms if terms[0] <= day]
        return max(agreed)[1:] if agreed else (self.company.seats, self.company.mrr)

    def end(self, at: Instant, reason: str) -> None:
        """The subscription is cancelled; the earliest end counts."""
        if self.ended is None or at < self.ended:
            self.ended = at
            self.reason = reason

    def present(self, person: Person, day: int) -> bool:
        """Whether somebody is at the account and to be seen on a day."""
        if day < person.joins or (person.leaves is not None and day >= person.leaves):
            return False
        away = self.unseen.get(person.id)
        return away is None or not away[0] <= day < away[1]

    def people(self, day: int) -> list[Person]:
        """Everybody to be seen on a day; at worst the first contact."""
        return [p for p in self.company.people if self.present(p, day)] or self.company.people[:1]

    def workdays(self, start: int, step: tuple[int, int], stop: int = DAYS) -> list[int]:
        """Working days from `start`, some random `step` (from, to) apart, before `stop`."""
        days, day = [], start
        while (on := self.year.workday(day)) < stop:
            days.append(on)
            day += self.rng.randint(*step)
        return days

    def finished(self) -> list[Draft]:
        """The events in order of time, within the year, up to the end of the account."""
        if self.ended is not None:
            _, mrr = self.price(self.year.day_of(self.ended))
            plan = self.company.frame.plan
            self.add(self.ended, "billing.subscription_cancelled", reason=self.reason, plan=plan, mrr=mrr)
        first, last = self.year.start, self.year.end if self.ended is None else self.ended + SECOND
        return sorted(draft for draft in self.drafts if first <= draft[0] < min(last, self.year.end))
