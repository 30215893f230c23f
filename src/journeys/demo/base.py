"""The customer base of the demo: a year of 300 fictional customers, and the answer key to what was planted."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from journeys.demo import box, crm, money, onboarding, product, support
from journeys.demo.casting import BOX, cast, frames
from journeys.demo.life import Life
from journeys.demo.people import Company, Registry, company_names, found
from journeys.demo.plots import PLOTS
from journeys.demo.stories import Beat, Story
from journeys.demo.team import TEAM, team
from journeys.demo.year import Year, dice
from signals.event import Event
from signals.instant import HOUR, Duration, Instant

OPENING: Duration = 6 * HOUR
"""Events in this first part of the year tell how things stood before it (accounts, people, milestones long
reached): best taken as history, so that nothing is celebrated years late."""

Row = tuple[Instant, int, int, str, str | None, dict[str, Any]]
"""Time, number of the account, number within it, type, contact, data."""


@dataclass(frozen=True)
class CustomerBase:
    """A year of customers. `start` and `end` are midnights UTC, 365 days apart; events lie in [start, end)."""

    start: Instant
    end: Instant
    companies: tuple[Company, ...]
    stories: dict[str, Story]
    rows: list[Row]

    def __len__(self) -> int:
        """How many events there are."""
        return len(self.rows)

    def events(self) -> Iterator[Event]:
        """All events in order of time, each with an id of its own; can be asked for again and again."""
        names = [company.id for company in self.companies]
        for at, account, number, kind, contact, data in self.rows:
            name = names[account]
            yield Event(
                id=f"{name}-{number:05d}",
                source=f"demo/{kind.partition('.')[0]}",
                type=kind,
                time=at,
                account=name,
                contact=contact,
                data=data.copy(),
                received_at=at,
            )

    def counts(self) -> dict[str, int]:
        """Events by type, the most frequent first."""
        return dict(Counter(row[3] for row in self.rows).most_common())

    def planted(self) -> dict[str, int]:
        """Beats by kind, the most frequent first."""
        return dict(Counter(kind for story in self.stories.values() for kind in story.kinds).most_common())


def customer_base(today: Instant, seed: int = 2026, accounts: int = 300) -> CustomerBase:
    """Writes the year that ends with the last midnight UTC at or before `today`.

    The same arguments give the same events, byte for byte. Fewer `accounts` have fewer of each story, at least one
    as long as somebody is left to have it. Raises ValueError for less than one account.
    """
    if accounts < 1:
        raise ValueError(f"a customer base needs at least one account, not {accounts}")
    year = Year(today)
    companies = _companies(year, seed, accounts)
    rows: list[Row] = []
    stories = {}
    for company in companies:
        life = _live(company, year, seed)
        stories[company.id] = Story(company.id, _beats(life))
        rows.extend(
            (at, company.frame.number, number, kind, contact, data)
            for number, (at, _, kind, contact, data) in enumerate(life.finished())
        )
    rows.sort(key=lambda row: row[:3])
    return CustomerBase(year.start, year.end, companies, stories, rows)


def _companies(year: Year, seed: int, accounts: int) -> tuple[Company, ...]:
    """Founds everybody, after the parts have been handed out: a story may ask for a size or a date."""
    rng = dice(seed, "casting")
    outlines = frames(accounts, rng)
    for frame in outlines:
        if frame.joined >= 0:
            frame.joined = year.workday(frame.joined)
    cast(outlines, rng)
    names, registry = company_names(dice(seed, "names")), Registry()
    return tuple(
        found(frame, *names[frame.number % len(names)], registry, dice(seed, "people", frame.number))
        for frame in outlines
    )


def _live(company: Company, year: Year, seed: int) -> Life:
    """Writes one account's year: what was planted first, then the everyday around it."""
    life = Life(company, year, dice(seed, "life", company.frame.number))
    for part in company.frame.parts:
        if part.kind in PLOTS:
            PLOTS[part.kind](life, part)
    if company.frame.line == BOX:
        _household(life)
    else:
        _business(life)
    support.ordinary(life)
    crm.scores(life)
    return life


def _business(life: Life) -> None:
    if life.new:
        onboarding.onboard(life)
    else:
        crm.opening(life)
    onboarding.follow(life)
    money.subscribe(life)
    money.charges(life)
    money.renewals(life)
    product.work(life)
    crm.talks(life)


def _household(life: Life) -> None:
    if life.new:
        crm.describe(life, life.born)
        for person in life.company.people:
            crm.introduce(life, person, life.born + 5_000_000)
    else:
        crm.opening(life)
    money.subscribe(life)
    box.deliveries(life, money.charges(life))
    box.evenings(life)


def _beats(life: Life) -> tuple[Beat, ...]:
    """The beats in order of time; an account in which nothing goes wrong says so with one of its own."""
    story = Story(life.company.id, tuple(life.beats))
    if story.healthy:
        begin = life.born if life.new else life.year.start
        life.beat("healthy", begin, life.year.end, "healthy")
    return tuple(sorted(life.beats, key=lambda beat: (beat.at, beat.kind)))


__all__ = ["OPENING", "TEAM", "CustomerBase", "customer_base", "team"]
