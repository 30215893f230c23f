"""Who the customers are: companies and households with people in roles. Everyone is fictional, at example.com."""

import re
import unicodedata
from dataclasses import dataclass, field
from random import Random

from journeys.demo.casting import BOX, Frame
from journeys.demo.names import CULTURES, PREFIXES, SECTORS, Culture
from journeys.demo.team import OWNERS

_LETTERS = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "ß": "ss", "æ": "ae", "ı": "i"})
_SIZES = {"free": (3, 4), "starter": (3, 5), "pro": (4, 8), "enterprise": (7, 12), "box": (3, 4)}
_SEAT_PRICE = {"free": 0, "starter": 29, "pro": 59, "enterprise": 149}
_TIERS = {"free": "smb", "starter": "smb", "pro": "mid", "enterprise": "enterprise", "box": "consumer"}
_BOX_PRICES = (34, 39, 49, 59, 89, 119)
_GOALS = (
    "cut reporting time by half",
    "one source of truth for operations",
    "onboard the field teams",
    "replace spreadsheets in planning",
    "pass the audit without overtime",
    "answer customers within a day",
)


@dataclass
class Person:
    """Somebody at an account. `joins` and `leaves` are days of the year (None: stays)."""

    id: str
    name: str
    email: str
    locale: str
    timezone: str
    roles: tuple[str, ...]
    joins: int
    leaves: int | None = None


@dataclass
class Company:
    """A customer: a company using the software, or a household with a monthly box (`frame.line`)."""

    id: str
    name: str
    frame: Frame
    industry: str
    culture: Culture
    timezone: str
    tier: str
    owner: str | None
    seats: int
    mrr: int
    goals: list[str]
    people: list[Person] = field(default_factory=list)

    def holder(self, role: str) -> Person:
        """The first person with this role."""
        return next(person for person in self.people if role in person.roles)


class Registry:
    """Gives each name a spelling for ids and addresses that nobody else in the base has."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, name: str, separator: str = "-", scope: str = "") -> str:
        """`Łukasz Śliwa` → `lukasz-sliwa`; the second one in the same scope `lukasz-sliwa-2`."""
        base = spell(name, separator)
        number = 1
        chosen = base
        while scope + chosen in self._taken:
            number += 1
            chosen = f"{base}{separator}{number}"
        self._taken.add(scope + chosen)
        return chosen


def spell(name: str, separator: str = "-") -> str:
    """A name in lower-case ASCII letters and digits, words joined by `separator`."""
    plain = unicodedata.normalize("NFKD", name.translate(_LETTERS)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", separator, plain.lower()).strip(separator)


def company_names(rng: Random) -> list[tuple[str, str]]:
    """Every (name, industry) that can be made, in random order."""
    names = [
        (f"{prefix} {word}", sector) for prefix in PREFIXES for sector in SECTORS for word in SECTORS[sector]
    ]
    rng.shuffle(names)
    return names


def found(frame: Frame, name: str, industry: str, registry: Registry, rng: Random) -> Company:
    """Founds the customer behind a frame. `name` and `industry` are for companies; households find their own."""
    culture = rng.choice(CULTURES)
    if frame.line == BOX:
        return _household(frame, culture, registry, rng)
    size = rng.randint(*_SIZES[frame.plan])
    if frame.has("expansion_ready"):
        size = max(size, 6)
    company = Company(
        id=registry.unique(name),
        name=name,
        frame=frame,
        industry=industry,
        culture=culture,
        timezone=rng.choice(culture.zones),
        tier=_TIERS[frame.plan],
        owner=rng.choice(OWNERS[culture.region]),
        seats=size if frame.has("expansion_ready") else size + max(1, size // 4),
        mrr=0,
        goals=rng.sample(_GOALS, rng.randint(1, 2)),
    )
    company.mrr = price(frame.plan, company.seats)
    company.people = _staff(company, size, registry, rng)
    return company


def price(plan: str, seats: int) -> int:
    """What a software plan costs per month, in euros."""
    return _SEAT_PRICE[plan] * seats + (900 if plan == "enterprise" else 0)


def _staff(company: Company, size: int, registry: Registry, rng: Random) -> list[Person]:
    domain = f"{company.id}.example.com"
    people = []
    for roles in _roles(size):
        culture = company.culture if rng.random() < 0.75 else rng.choice(CULTURES)
        zone = company.timezone if rng.random() < 0.9 else rng.choice(culture.zones)
        name = f"{rng.choice(culture.given)} {rng.choice(culture.family)}"
        handle = registry.unique(name, ".", f"{domain}/")
        address = f"{handle}@{domain}"
        key = f"{company.id}.{handle.replace('.', '-')}"
        locale = culture.locale if rng.random() < 0.6 else company.culture.locale
        people.append(Person(key, name, address, locale, zone, roles, _joins(company.frame, roles, rng)))
    return people


def _roles(size: int) -> list[tuple[str, ...]]:
    if size < 5:
        leads: list[tuple[str, ...]] = [("admin", "finance"), ("champion", "user"), ("exec_sponsor",)]
    else:
        leads = [("admin",), ("champion", "user"), ("exec_sponsor",), ("finance",)]
    return leads + [("user",)] * (size - len(leads))


def _joins(frame: Frame, roles: tuple[str, ...], rng: Random) -> int:
    """Users of a new customer come in over its first three weeks; the others are there from the start."""
    if frame.joined < 0 or roles != ("user",):
        return frame.joined
    return frame.joined + rng.randint(1, 20)


def _household(frame: Frame, culture: Culture, registry: Registry, rng: Random) -> Company:
    family = rng.choice(culture.family)
    key = registry.unique(f"{family} household")
    loyal = frame.has("high_ltv_bad_experience")
    home = Company(
        id=key,
        name=f"{family} household",
        frame=frame,
        industry="household",
        culture=culture,
        timezone=rng.choice(culture.zones),
        tier=_TIERS[frame.plan],
        owner=None,
        seats=0,
        mrr=rng.choice(_BOX_PRICES[-2:] if loyal else _BOX_PRICES),
        goals=[rng.choice(("try something new every month", "less shopping on weekdays"))],
    )
    # The subscriber pays and decides; the others share the table or are sent a box now and then.
    roles = [("admin", "champion", "finance"), ("user",), *[("gift_recipient",)] * rng.randint(1, 3)]
    home.people = [_relative(home, family, role, registry, rng) for role in roles]
    return home


def _relative(home: Company, family: str, roles: tuple[str, ...], registry: Registry, rng: Random) -> Person:
    culture = home.culture
    surname = rng.choice(culture.family) if "gift_recipient" in roles else family
    name = f"{rng.choice(culture.given)} {surname}"
    handle = registry.unique(name, ".", "example.com/")
    key = f"{home.id}.{handle.replace('.', '-')}"
    zone, joined = home.timezone, home.frame.joined
    return Person(key, name, f"{handle}@example.com", culture.locale, zone, roles, joined)
