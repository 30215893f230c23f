"""How each story is played: what it writes into an account's year, and what it keeps the everyday from writing."""

from collections.abc import Callable

from journeys.demo import box
from journeys.demo.casting import Part
from journeys.demo.crm import score, seats_used
from journeys.demo.life import NEVER, Life, Ticket
from journeys.demo.money import change, charged_at, next_charge
from journeys.demo.onboarding import WELCOME
from journeys.demo.people import Person, price
from journeys.demo.phrases import TOPICS
from journeys.demo.support import write
from journeys.demo.year import DAYS
from signals.instant import DAY, HOUR, MINUTE, Instant

Plot = Callable[[Life, Part], None]


def usage_drop(life: Life, part: Part) -> None:
    """Down over two weeks, then flat; back after six weeks, or gone after nine, or so for the rest of the year."""
    day, depth = life.year.workday(part.day), (0.4, 0.6)[part.number % 2]
    at, until = life.at(day, 8.0), life.year.end
    back = day + 42 if part.outcome == "recovered" else NEVER
    for on in range(day, DAYS):
        down = min(1.0, (on - day + 1) / 14)
        up = min(1.0, max(0, on - back) / 14)
        life.levels[on] *= 1 - depth * (down - up)
    if part.outcome == "recovered":
        until = life.at(back + 14, 18.0)
    elif part.outcome == "churned":
        until = life.office(life.year.workday(day + 63 + part.number % 7))
        life.end(until, "not_used_enough")
    life.beat("usage_drop", at, until, part.outcome, depth)


def ticket_spike(life: Life, part: Part) -> None:
    """Three to six tickets on as many topics, in a tone that gets colder; open: only the first is solved."""
    moments = _in_a_week(life, part.day, 3 + part.number % 4)
    topics = life.rng.sample(list(TOPICS), len(moments))
    worst = "urgent" if part.number % 2 else "high"
    priorities = ("normal", worst, "high", "normal", "high", "low")
    for number, at in enumerate(moments):
        day = life.year.day_of(at)
        solved = None if part.outcome == "open" and number else life.business(day, (1, 3))
        tone = "cold" if number else "neutral"
        who, points = life.rng.choice(life.people(day)), life.rng.choice((1, 2, 3))
        write(life, Ticket(at, who, topics[number], priorities[number], tone, solved, points))
    if part.number % 3 == 0:
        life.add(moments[-1] + HOUR, "crm.escalation_opened", reason="ticket spike")
        life.add(moments[-1] + 4 * DAY, "crm.escalation_closed", reason="ticket spike")
    life.beat("ticket_spike", moments[0], moments[-1], part.outcome, len(moments))


def repeat_issue(life: Life, part: Part) -> None:
    """The same thing again within a week, after the first ticket was called solved; open: the second is not."""
    first, second = _in_a_week(life, part.day, 2)
    topic, who = life.rng.choice(list(TOPICS)), life.rng.choice(life.people(part.day))
    solved = None if part.outcome == "open" else second + 4 * HOUR
    write(life, Ticket(first, who, topic, "normal", "neutral", first + 4 * HOUR, None))
    write(life, Ticket(second, who, topic, "high", "cold", solved, 2))
    life.beat("repeat_issue", first, second, part.outcome, 2)


def champion_left(life: Life, part: Part) -> None:
    """The champion goes; in some accounts a colleague takes over two to five weeks later."""
    day = life.year.workday(part.day)
    leaver = life.company.holder("champion")
    at = until = life.office(day)
    life.add(
        at,
        "crm.contact_left",
        leaver.id,
        reason=life.rng.choice(("new job", "reorganisation", "parental leave")),
    )
    leaver.leaves = day
    until = life.year.end
    if part.outcome == "replaced":
        until = _succeed(life, leaver, life.year.workday(day + life.rng.randint(13, 35)))
    life.beat("champion_left", at, until, part.outcome)


def _succeed(life: Life, leaver: Person, day: int) -> Instant:
    others = [p for p in life.company.people if p is not leaver and p.joins <= 0]
    users = [p for p in others if p.roles == ("user",)] or others
    heir = life.rng.choice(users)
    return life.add(life.office(day), "crm.contact_updated", heir.id, roles=["champion", *heir.roles])


def contract_approaching(life: Life, part: Part) -> None:
    """The half-year before a renewal: review, quote, often a negotiation, and the decision on its day."""
    day = life.company.frame.renewal
    if day is None:
        raise ValueError(
            f"{life.company.id} has no renewal date: cast contract_approaching to annual plans only"
        )
    renews = life.year.utc(day)
    amount = 12 * life.company.mrr
    owner = life.company.owner
    life.add(renews - 150 * DAY + 14 * HOUR, "crm.meeting_held", subject="business review", owner=owner)
    life.add(renews - 118 * DAY + 10 * HOUR, "crm.renewal_opened", amount=amount, owner=owner)
    life.add(renews - 85 * DAY + 15 * HOUR, "crm.meeting_held", subject="success plan", owner=owner)
    life.add(renews - 61 * DAY + 9 * HOUR, "crm.quote_sent", amount=round(amount * 1.03), owner=owner)
    if part.number % 2:
        life.add(renews - 45 * DAY + 11 * HOUR, "crm.negotiation_started", amount=amount)
        life.add(renews - 24 * DAY + 16 * HOUR, "crm.negotiation_ended", amount=amount)
    if part.outcome == "cancelled":
        life.add(renews - 12 * DAY + 13 * HOUR, "crm.renewal_lost", reason="budget", owner=owner)
        life.end(renews, "not_renewed")
    life.beat("contract_approaching", renews - 180 * DAY, renews, part.outcome)


def payment_failed(life: Life, part: Part) -> None:
    """The next charge fails; `money` writes how it goes on, and the beat."""
    life.failing[next_charge(life, part.day)] = part.outcome


def cancel_intent(life: Life, part: Part) -> None:
    """The admin looks at the cancel page and starts the cancel flow; some stay, some are gone within days."""
    at = life.office(life.year.workday(part.day))
    who = life.company.holder("admin").id
    life.add(at - 2 * MINUTE, "product.login", who)
    life.add(at, "product.cancel_page_viewed", who)
    reason = life.rng.choice(("too expensive", "missing a feature", "switching", "not used enough"))
    started = life.add(at + 10 * MINUTE, "billing.cancel_flow_started", who, reason=reason)
    if part.outcome == "cancelled":
        until = started + life.rng.randint(3, 9) * DAY
        life.end(until, reason.replace(" ", "_"))
    else:
        until = life.add(started + 6 * MINUTE, "billing.cancel_flow_abandoned", who)
    life.beat("cancel_intent", at, until, part.outcome)


def detractor(life: Life, part: Part) -> None:
    """A low score; after seven to eight weeks a good one, or none any more."""
    day, points = life.year.workday(part.day), part.number % 7
    life.own_scores = (day - 30, DAYS)
    at, until = score(life, day, points), life.year.end
    if part.outcome == "recovered":
        until = score(life, life.year.workday(day + 49 + part.number % 7), 8 + part.number % 2)
    life.beat("detractor", at, until, part.outcome, points)


def exec_disengaged(life: Life, part: Part) -> None:
    """The executive sponsor's last visit; in some accounts they are back after three months."""
    sponsor, day = life.company.holder("exec_sponsor"), life.year.workday(part.day)
    back = life.year.workday(day + 90) if part.outcome == "returned" else NEVER
    life.unseen[sponsor.id] = (day, back + 1)  # the first and the last visit are written here
    at = _visit(life, sponsor, day)
    until = _visit(life, sponsor, back) if part.outcome == "returned" else life.year.end
    life.beat("exec_disengaged", at, until, part.outcome, min(back, DAYS) - day)


def _visit(life: Life, person: Person, day: int) -> Instant:
    at = life.office(day)
    life.add(at - 4 * MINUTE, "product.login", person.id)
    return life.add(at, "product.report_viewed", person.id, report="weekly figures")


def expansion_ready(life: Life, part: Part) -> None:
    """The last users join within a week and fill the seats; some accounts buy half as many again."""
    day = life.year.workday(part.day)
    users = [p for p in life.company.people if p.roles == ("user",)][-3:]
    for number, person in enumerate(reversed(users)):
        person.joins = life.year.workday(day - 2 * number)  # `onboarding.follow` invites them
    at = life.at(max(person.joins for person in users), WELCOME)
    life.add(at, "crm.account_updated", attributes={"seats_used": seats_used(life, day)})
    until = life.year.end
    if part.outcome == "expanded":
        until = life.office(life.year.workday(day + life.rng.randint(20, 36)))
        seats = life.company.seats * 3 // 2
        change(life, until, seats, price(life.company.frame.plan, seats))
    life.beat("expansion_ready", at, until, part.outcome, life.company.seats)


def value_milestone(life: Life, part: Part) -> None:
    """The customer's own number gets better, and they say so."""
    champion, day = life.company.holder("champion").id, life.year.workday(part.day)
    at = life.office(day)
    life.add(at - 5 * MINUTE, "product.report_created", champion, report="before and after")
    life.add(at, "product.milestone_reached", champion, milestone="value_proven", goal=life.company.goals[0])
    life.beat("value_milestone", at, at, part.outcome)


def frequency_mismatch(life: Life, part: Part) -> None:
    """Two or three months skipped in a row, or three boxes within five days and then a month without."""
    due = next_charge(life, part.day)
    if part.outcome == "skipped":
        days = [due, due + 30, due + 60][: 2 + part.number % 2]
        moments = [box.skip(life, day) for day in days]
    else:
        moments = [life.at(due - 17 + gap, 19.5) for gap in (0, 2, 5)]
        for at in moments:
            box.order(life, at, life.company.mrr)
        box.skip(life, due)
    life.beat("frequency_mismatch", moments[0], moments[-1], part.outcome, len(moments))


def high_ltv_bad_experience(life: Life, part: Part) -> None:
    """The box travels for eleven days; the household writes twice and is angry."""
    due = next_charge(life, part.day)
    life.late[due] = 11
    subscriber = life.company.people[0]
    at = max(charged_at(life, due) + 6 * DAY, life.at(due + 6, 18.5))
    life.quiet.append((due - 20, due + 40))
    write(life, Ticket(at, subscriber, "delivery", "high", "cold", at + 7 * DAY, 1))
    until = life.year.end
    if part.outcome == "made_good":
        until = life.add(at + 8 * DAY, "billing.credit_granted", subscriber.id, amount=20, currency="EUR")
    life.beat("high_ltv_bad_experience", at, until, part.outcome, life.late[due])


def _in_a_week(life: Life, day: int, count: int) -> list[Instant]:
    """`count` instants in office hours within one week from a working day on, and a quiet month around them."""
    first = life.year.workday(day)
    life.quiet.append((first - 21, first + 21))
    days = [on for on in range(first, first + 7) if life.year.workday(on) == on]
    later = sorted(life.rng.choices(days[1:], k=count - 1))
    # The first at nine, the others at ten or later: all within seven days, none at the same moment.
    return [life.at(first, 9.0), *sorted(life.at(on, 10 + 7 * life.rng.random()) for on in later)]


PLOTS: dict[str, Plot] = {
    "usage_drop": usage_drop,
    "ticket_spike": ticket_spike,
    "repeat_issue": repeat_issue,
    "champion_left": champion_left,
    "contract_approaching": contract_approaching,
    "payment_failed": payment_failed,
    "cancel_intent": cancel_intent,
    "detractor": detractor,
    "exec_disengaged": exec_disengaged,
    "expansion_ready": expansion_ready,
    "value_milestone": value_milestone,
    "frequency_mismatch": frequency_mismatch,
    "high_ltv_bad_experience": high_ltv_bad_experience,
}
"""Kind of story, to how it is played. The two of the first weeks are played by `onboarding`."""
