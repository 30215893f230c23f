"""The first weeks of a customer who joins in the year: set-up, the people who follow, activation, or a stall."""

from journeys.demo.crm import describe, introduce
from journeys.demo.life import NEVER, Life
from journeys.demo.people import Person
from journeys.demo.year import DAYS
from signals.instant import DAY, MINUTE, Instant

_STALL = 14
"""Days after which an account that is not activated has stalled (the shipped `stalled_adoption`)."""

WELCOME = 8.25
"""The local hour at which somebody who joins becomes a contact: before the working day begins."""

_CONNECTORS = ("crm", "calendar", "chat", "warehouse", "mail", "spreadsheet")


def onboard(life: Life) -> None:
    """Signs the customer up and takes it as far as its part allows."""
    describe(life, life.born)
    for number, person in enumerate(p for p in life.company.people if p.joins == life.joined):
        introduce(life, person, life.born + (10 + number * 5) * 1_000_000)
    kinds = {part.kind: part for part in life.company.frame.parts}
    last = _first_steps(life)
    if "stalled_adoption" in kinds:
        _stall(life, kinds["stalled_adoption"].outcome)
    elif "onboarding_stalled" in kinds:
        _pause(life, last)
    else:
        life.activated = life.year.workday(life.joined + life.rng.randint(2, 5))
        _set_up(life, life.joined)
    _warm_up(life)


def _first_steps(life: Life) -> Instant:
    """The first hour in the product, by the admin. Returns its last instant."""
    admin = life.company.holder("admin").id
    at = life.born + 6 * MINUTE
    life.add(at, "product.login", admin)
    life.add(at + 2 * MINUTE, "product.setup_step_completed", admin, step="profile")
    return life.add(at + 9 * MINUTE, "product.feature_used", admin, feature="templates")


def _stall(life: Life, outcome: str) -> None:
    """Nothing is set up within 14 days. Rescued: activated after all; churned: gone some weeks later."""
    at, rng = life.born + _STALL * DAY, life.rng
    until = life.year.end
    life.activated = NEVER
    if outcome == "rescued":
        life.activated = life.year.workday(life.joined + _STALL + rng.randint(6, 24))
        until = _set_up(life, life.activated - 3)
    elif outcome == "churned":
        until = life.office(life.year.workday(life.joined + _STALL + rng.randint(30, 45)))
        life.end(until, "never_got_started")
    life.beat("stalled_adoption", at, until, outcome)


def _pause(life: Life, last: Instant) -> None:
    """After the first hour nothing for a week and a half, then all of the set-up in one go."""
    life.activated = life.year.workday(life.joined + 11)
    back = life.at(life.activated, 8.75)
    life.add(back, "product.login", life.company.holder("admin").id)
    _set_up(life, life.activated)
    life.beat("onboarding_stalled", last, back, "activated", (back - last) // DAY)


def _set_up(life: Life, start: int) -> Instant:
    """Project, integration, report, activation, spread over the days from `start` to the day of activation."""
    admin, champion = life.company.holder("admin").id, life.company.holder("champion").id
    days = [life.year.workday(start + (life.activated - start) * step // 3) for step in range(4)]
    morning = 9.5 if days[0] != life.joined else 15.5
    life.add(life.at(days[0], morning), "product.project_created", admin, project="first project")
    connector = life.rng.choice(_CONNECTORS)
    life.add(life.at(days[1], 16.2), "product.integration_connected", admin, integration=connector)
    life.add(life.at(days[2], 16.6), "product.teammate_invited", admin, invited=champion)
    life.add(life.at(days[3], 16.8), "product.report_created", champion, report="first report")
    at = life.at(days[3], 16.9)
    return life.add(at, "product.milestone_reached", champion, milestone="activated")


def _warm_up(life: Life) -> None:
    """Usage before activation is next to nothing, then grows for six weeks."""
    before = 0.4
    if life.company.frame.has("onboarding_stalled"):
        before = 0.0
    elif life.company.frame.has("stalled_adoption"):
        before = 0.08
    for day in range(life.joined, min(life.activated + 1, DAYS)):
        life.levels[day] = before
    for day in range(life.activated + 1, DAYS):
        life.levels[day] *= min(1.0, 0.5 + (day - life.activated) / 84)


def follow(life: Life) -> None:
    """Those who join later: known to the CRM, invited and active from that day on, never before activation."""
    for person in life.company.people:
        if person.joins <= life.joined:
            continue
        if life.activated == NEVER:
            introduce(life, person, life.born + 30 * MINUTE)
            person.joins = NEVER
        else:
            ready = max(person.joins, life.activated + 1)
            person.joins = life.year.workday(
                min(ready, DAYS - 3)
            )  # the latest still come before the year ends
            _welcome(life, person)


def _welcome(life: Life, person: Person) -> None:
    """The admin invites somebody, who becomes a contact half an hour later."""
    admin, at = life.company.holder("admin").id, life.at(person.joins, WELCOME)
    life.add(at - 30 * MINUTE, "product.teammate_invited", admin, invited=person.id)
    introduce(life, person, at)
