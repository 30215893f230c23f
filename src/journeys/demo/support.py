"""Tickets: opened, written, answered, solved and scored."""

from journeys.demo.casting import BOX
from journeys.demo.life import Life, Ticket
from journeys.demo.phrases import BOX_TOPICS, TOPICS, answer, problem
from signals.instant import HOUR, MINUTE

_AGENTS = ("lena", "oluwaseun", "mirek", "sofia")


def ordinary(life: Life) -> None:
    """A ticket every now and then, never close to the ones a story writes, never many at a time."""
    rng = life.rng
    household = life.company.frame.line == BOX
    step = (80, 170) if household else (28, 75)
    topics = list(BOX_TOPICS if household else TOPICS)
    for day in life.workdays(life.joined + rng.randint(8, step[1]), step):
        if any(low <= day < high for low, high in life.quiet):
            continue
        at = life.office(day)
        write(
            life,
            Ticket(
                at=at,
                person=rng.choice(life.people(day)),
                topic=rng.choice(topics),
                priority=rng.choices(("low", "normal", "high"), (3, 6, 1))[0],
                tone=rng.choices(("warm", "neutral", "cold"), (8, 11, 1))[0],
                solved=at + int(HOUR * (2 + 50 * rng.random())),
                score=rng.choices((3, 4, 5, None), (1, 4, 6, 5))[0],
            ),
        )


def write(life: Life, ticket: Ticket) -> None:
    """A ticket as the help desk tells it."""
    rng, company = life.rng, life.company
    life.tickets += 1
    key = f"T{company.frame.number:04d}{life.tickets:02d}"
    facts = {"ticket": key, "priority": ticket.priority, "topic": ticket.topic}
    me, who = ticket.person.name.split()[0], ticket.person.id
    life.add(ticket.at, "support.ticket_opened", who, **facts)
    text = problem(rng, ticket.topic, ticket.tone, me)
    life.add(ticket.at + 10_000_000, "support.message_received", who, ticket=key, text=text)
    reply = (
        ticket.at
        + int((1 if ticket.priority in ("high", "urgent") else 4) * HOUR * rng.random())
        + 5 * MINUTE
    )
    if ticket.solved is not None:
        reply = min(reply, ticket.solved - 30 * MINUTE)
    life.add(reply, "support.ticket_updated", who, **facts, status="pending", agent=rng.choice(_AGENTS))
    if ticket.solved is None:
        return
    life.add(
        ticket.solved - 10 * MINUTE,
        "support.message_received",
        who,
        ticket=key,
        text=answer(rng, ticket.tone),
    )
    life.add(ticket.solved, "support.ticket_solved", who, **facts)
    if ticket.score is not None:
        life.add(ticket.solved + 3 * HOUR, "support.csat_received", who, ticket=key, score=ticket.score)
