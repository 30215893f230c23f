"""What the customer relations system knows: accounts, people and roles, talks, and the scores people give."""

from typing import Any

from journeys.demo.life import Life
from journeys.demo.people import Person
from journeys.demo.phrases import BLAME, PRAISE
from signals.instant import MINUTE, SECOND, Instant, iso

_TALKS = ("check-in", "training", "roadmap", "adoption review", "support review")


def describe(life: Life, at: Instant) -> None:
    """The account and its attributes as the CRM first tells of them."""
    company = life.company
    attributes: dict[str, Any] = {
        "name": company.name,
        "line": company.frame.line,
        "industry": company.industry,
        "tier": company.tier,
        "country": company.culture.country,
        "timezone": company.timezone,
        "locale": company.culture.locale,
        "goals": company.goals,
        "created_at": iso(life.born if life.new else life.year.utc(company.frame.joined)),
    }
    if company.owner:
        attributes["owner"] = company.owner
        attributes["seats_used"] = seats_used(life, life.joined)
    life.add(at, "crm.account_updated", attributes=attributes)


def seats_used(life: Life, day: int) -> int:
    """How many people use the product on a day."""
    return sum(life.present(person, day) for person in life.company.people)


def introduce(life: Life, person: Person, at: Instant) -> None:
    """A contact with address and roles. Roles held from before the year say since when."""
    since = None if life.new else iso(life.year.utc(life.company.frame.joined))
    roles = [{"role": role, "since": since} if since else role for role in person.roles]
    attributes = {
        "name": person.name,
        "email": person.email,
        "timezone": person.timezone,
        "locale": person.locale,
    }
    life.add(at, "crm.contact_updated", person.id, attributes=attributes, roles=roles)


def talks(life: Life) -> None:
    """A call of the CSM every few weeks, and the seats in use whenever they have changed."""
    company, rng = life.company, life.rng
    for day in life.workdays(life.joined + rng.randint(6, 25), (24, 50)):
        person = rng.choice(life.people(day))
        minutes, about = rng.choice((15, 20, 30, 45)), rng.choice(_TALKS)
        life.add(
            life.office(day),
            "crm.call_logged",
            person.id,
            owner=company.owner,
            minutes=minutes,
            subject=about,
        )
    counted = seats_used(life, life.joined)
    for day in life.workdays(life.joined + 8 + rng.randint(0, 9), (10, 15)):
        used = seats_used(life, day)
        if used != counted:
            life.add(life.at(day, 18.5), "crm.account_updated", attributes={"seats_used": used})
            counted = used


def scores(life: Life) -> None:
    """Every three months somebody says how likely they are to recommend us; only stories have low scores."""
    low, high = life.own_scores
    for day in life.workdays(life.joined + life.rng.randint(20, 85), (80, 95)):
        if not low <= day < high:
            score(life, day, life.rng.choices((7, 8, 9, 10), (12, 28, 35, 25))[0])


def score(life: Life, day: int, points: int) -> Instant:
    """One answer to the survey, 0 to 10, with a comment now and then; returns when it came."""
    rng = life.rng
    data: dict[str, object] = {"score": points}
    if points <= 6 or rng.random() < 0.4:
        data["comment"] = rng.choice(BLAME if points <= 6 else PRAISE)
    person = rng.choice(life.people(day))
    return life.add(life.office(day), "survey.nps_received", person.id, **data)


def told_at(life: Life) -> Instant:
    """When the opening tells of an account: one after the other in the year's first two hours."""
    return life.year.start + 10 * MINUTE + (life.company.frame.number % 300) * 20 * SECOND


def opening(life: Life) -> None:
    """What is known of an account from before the year.

    Milestones and a sign of life come first: nothing that is long done looks undone for a moment.
    """
    company, at = life.company, told_at(life)
    people = [person for person in company.people if person.joins <= 0]
    life.add(at, "product.milestone_reached", milestone="activated")
    if life.rng.random() < 0.7:
        life.add(at, "product.milestone_reached", milestone="value_proven")
    for person in people:
        life.add(at + SECOND, "product.login", person.id)
    describe(life, at + 2 * SECOND)
    for person in people:
        introduce(life, person, at + 3 * SECOND)
