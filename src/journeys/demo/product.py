"""A working year in the software: who logs in when, and what they use. The bulk of all events."""

from itertools import chain
from typing import Any

from journeys.demo.life import Life
from journeys.demo.people import Person
from journeys.demo.year import DAYS
from signals.instant import MINUTE, SECOND

FEATURES = (
    "dashboards",
    "alerts",
    "comments",
    "templates",
    "search",
    "automations",
    "exports",
    "approvals",
    "forecasts",
    "api",
)
_DEPTH = {"free": 4, "starter": 6, "pro": 8, "enterprise": 10}
_RATES = {"free": (0.8, 1.1), "starter": (1.15, 1.6), "pro": (1.25, 1.9), "enterprise": (1.6, 2.6)}
_USED: dict[str, dict[str, Any]] = {feature: {"feature": feature} for feature in FEATURES}
_NOTHING: dict[str, Any] = {}
_REPORTS = tuple({"report": name} for name in ("weekly figures", "forecast", "team load", "open work"))
_PROJECTS = tuple({"project": name} for name in ("rollout", "planning", "customer onboarding", "audit"))


def work(life: Life) -> None:
    """Everyday usage, the executive sponsor's visits and the accountant's."""
    _everyday(life)
    for person in life.company.people:
        if person.roles == ("exec_sponsor",):
            _visits(life, person, (8, 13), "product.report_viewed", _REPORTS[0])
        elif person.roles == ("finance",):
            _visits(life, person, (15, 22), "product.invoice_viewed", _NOTHING)


def _everyday(life: Life) -> None:
    """Feature uses day by day.

    The wanted number is carried over from day to day rather than drawn afresh, so that a fortnight of a
    small account is as steady as people are, and a planted fall is the only fall.
    """
    rng, plan = life.rng, life.company.frame.plan
    features = rng.sample(FEATURES[: _DEPTH[plan]], max(4, _DEPTH[plan] - rng.randint(0, 2)))
    rate, growth = rng.uniform(*_RATES[plan]), rng.uniform(0.0, 0.3) / DAYS
    busy, carried, turn = life.year.levels(life.company.culture.country), rng.random(), 0
    # Who joined before the year begins on its second day: the first one is told by the opening.
    for day in range(life.joined + (0 if life.new else 1), DAYS):
        wanted = rate * busy[day] * life.levels[day] * (1 + growth * day)
        carried += wanted * (0.8 + 0.4 * rng.random())
        uses = int(carried)
        if uses:
            carried -= uses
            turn = _day(life, day, uses, turn, features)


def _day(life: Life, day: int, uses: int, turn: int, features: list[str]) -> int:
    """Shares a day's uses out to sessions of up to five, each by the next person in turn. Returns the turn."""
    users = _wheel(life, day)
    rng, morning = life.rng, life.at(day, 8.5)
    while uses > 0:
        share = min(uses, 2 + int(4 * rng.random()))
        uses -= share
        person = users[turn % len(users)].id
        turn += 1
        at = morning + int(16_200 * (rng.random() + rng.random())) * SECOND
        life.log(at, "product.login", person, _NOTHING)
        for _ in range(share):
            at += (20 + int(500 * rng.random())) * SECOND
            life.log(at, "product.feature_used", person, _USED[features[int(len(features) * rng.random())]])
        _made(life, at, person)
    return turn


def _made(life: Life, at: int, person: str) -> None:
    """Now and then a session ends with something made."""
    chance = life.rng.random()
    if chance < 0.12:
        life.log(at + MINUTE, "product.report_created", person, life.rng.choice(_REPORTS))
    elif chance < 0.15:
        life.log(at + MINUTE, "product.project_created", person, life.rng.choice(_PROJECTS))
    elif chance < 0.21:
        life.log(at + MINUTE, "product.report_viewed", person, life.rng.choice(_REPORTS))


def _wheel(life: Life, day: int) -> list[Person]:
    """Who works with the product in turn; the champion's turn comes twice as often."""
    here = [p for p in life.people(day) if p.roles not in (("exec_sponsor",), ("finance",))]
    here = here or life.company.people[:1]
    champions = [p for p in here if "champion" in p.roles]
    return (
        list(chain(champions, here[: len(here) // 2], champions, here[len(here) // 2 :]))
        if len(here) > 2
        else here
    )


def _visits(life: Life, person: Person, step: tuple[int, int], kind: str, data: dict[str, Any]) -> None:
    """Regular short visits that end with the one thing this person comes for."""
    first = life.activated if life.new else 0
    for day in life.workdays(first + life.rng.randint(1, step[0]), step):
        if life.present(person, day):
            at = life.office(day)
            life.log(at, "product.login", person.id, _NOTHING)
            life.log(at + 3 * MINUTE, kind, person.id, data)
