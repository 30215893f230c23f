"""Tickets: opened, written, answered, solved and scored."""

from journeys.demo.casting import BOX
from journeys.demo.life import Life, Ticket
from journeys.demo.phrases import BOX_TOPICS, TOPICS, answer, problem
from signals.instant import MINUTE, SECOND, Instant

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
                solved=life.business(day, (1, 3)),
                score=rng.choices((3, 4, 5, None), (1, 4, 6, 5))[0],
            ),
        )


def write(life: Life, ticket: Ticket) -> None:
    """A ticket as the help desk tells it: what was written, the first answer, and the end if there is one yet."""
    life.tickets += 1
    key, who = f"T{life.company.frame.number:04d}{life.tickets:02d}", ticket.person.id
    facts = {"ticket": key, "priority": ticket.priority, "topic": ticket.topic}
    text = problem(life.rng, ticket.topic, ticket.tone, ticket.person.name.split()[0])
    life.add(ticket.at, "support.ticket_opened", who, **facts)
    life.add(ticket.at + 10 * SECOND, "support.message_received", who, ticket=key, text=text)
    answered = ticket.at + life.rng.randint(8, 50 if ticket.priority in ("high", "urgent") else 150) * MINUTE
    agent = life.rng.choice(_AGENTS)
    life.add(answered, "support.ticket_updated", who, **facts, status="pending", agent=agent)
    if ticket.solved is not None:
        _close(life, ticket, ticket.solved, facts)


def _close(life: Life, ticket: Ticket, solved: Instant, facts: dict[str, str]) -> None:
    who, key = ticket.person.id, facts["ticket"]
    text = answer(life.rng, ticket.tone)
    life.add(solved - 10 * MINUTE, "support.message_received", who, ticket=key, text=text)
    life.add(solved, "support.ticket_solved", who, **facts)
    if ticket.score is not None:
        scored = solved + life.rng.randint(5, 90) * MINUTE
        life.add(scored, "support.csat_received", who, ticket=key, score=ticket.score)
