"""`journeys_vs_dbos`: journey steps a second against DBOS with the same steps on the same PostgreSQL, fsync on.

A journey is three steps: a mail, a day's wait, a mail that follows up. Ours runs them with everything on that a mail
has to pass: consent, suppression, holds, duplicates, caps, role gap, quiet hours, content, and a decision with every
check. DBOS, a library for durable workflows, runs the same three steps as one of its workflows, each mail being a
transaction in which it reads the person's consent and suppression, counts what they were sent in seven days, asks
whether it is night, and writes the message and its decision; its checkpoint rides on the same transaction, as its
documentation advises. Mails go to an outbox on either side; the time between them is not waited for.

Both are one process of Python. In the same run each side is held to the oracle: every journey exactly its two
messages, in order, none doubled, each with its decision. Our mails are handed over in the groups of the service that
keeps its mails; over SMTP a group is smaller, so that no more than 20 can ever be in doubt.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

import sqlalchemy as sa

from bench.claiming import claims
from channels.outbox import Outbox
from channels.port import Mail, Outcome
from journeys.bootstrap import DEMO_SECRET, Parts
from journeys.definitions import Draft, parse
from journeys.dispatcher import CLAIM, Dispatcher
from journeys.services.database import PostgresServer, private_postgres
from journeys.settings import Settings
from journeys.store.log import LogFeed
from journeys.store.schema import upgrade
from journeys.store.tables import decisions, journeys, messages
from journeys.worker import Worker, calm_collector
from signals.event import Event
from signals.instant import DAY, Instant, parse_instant

JOURNEYS = int(os.environ.get("BENCH_JOURNEYS", "2000"))
"""Of ours in a round; DBOS runs an eighth of them, which takes longer."""

ROUNDS = int(os.environ.get("BENCH_JOURNEY_ROUNDS", "3"))
STEPS = 3
"""Of a journey: a mail, a wait, a mail."""

CONTENTS = ["hello", "follow_up"]
MONDAY = parse_instant("2026-03-02T10:00:00Z")


def drafts() -> list[Draft]:
    """The play and its texts, under the policies as shipped."""

    def mail(content: str) -> dict[str, Any]:
        return {
            "message": {"to": "champion", "channel": "email", "content": content, "topic": "product_tips"}
        }

    steps = [mail("hello"), {"wait": {"for": "1d"}}, mail("follow_up")]
    texts = {
        "hello": "You asked about {{ event.data.topic }}: three steps get you going.",
        "follow_up": "How did it go with {{ event.data.topic }}? Answer this mail, and we help.",
    }
    contents = [
        {"key": key, "channel": "email", "subject": "About {{ event.data.topic }}", "body": body}
        | {"facts": ["event.data.topic"]}
        for key, body in texts.items()
    ]
    play = parse("plays", {"key": "welcome", "trigger": {"event": "bench.go"}, "steps": steps})
    return [play, *(parse("content", text) for text in contents)]


# ── ours ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Provider(Outbox):
    """Takes every mail, and counts them."""

    taken = 0

    def post(self, mail: Mail) -> Outcome:
        self.taken += 1
        return super().post(mail)


class Ours:
    """The service on a clock that is told what time it is: worker, clock and dispatcher in turn, one process."""

    def __init__(self, url: str) -> None:
        self.now: Instant = MONDAY
        settings = Settings(
            database_url=url, secret=DEMO_SECRET, smtp_url=None, kafka_bootstrap=[], log_partitions=1
        )
        self.parts = Parts(settings, now=lambda: self.now)
        self.provider = Provider()
        parts = self.parts
        self.dispatcher = Dispatcher(
            parts.database, parts.playbooks, parts.composer, self.provider, group=CLAIM
        )
        upgrade(self.parts.database)
        self.parts.activate(drafts())
        self.worker = Worker(LogFeed(self.parts.database), self.parts.service, lambda: self.now, batch=1_000)

    def people(self, names: list[str]) -> None:
        """Every account has a champion; not part of what is measured."""
        data = [{"attributes": {"email": f"{name}@example.com"}, "roles": ["champion"]} for name in names]
        at = MONDAY - DAY
        self._happen(
            Event(f"who-{name}", "bench", "crm.contact_updated", at, name, f"{name}-ann", known, at)
            for name, known in zip(names, data, strict=True)
        )
        self._fold()

    def expect(self, names: list[str], began: Instant) -> None:
        """The event that starts a journey lies in the log, for each of these accounts."""
        self.now = began
        self._happen(
            Event(f"go-{name}", "bench", "bench.go", began, name, None, {"topic": "exports"}, began)
            for name in names
        )

    def run(self) -> None:
        """All journeys that are expected, from the event in the log to their end."""
        self._fold()
        self.dispatcher.run(self.now)
        self.now += DAY
        while self.parts.service.tick(self.now):
            pass
        self.dispatcher.run(self.now)

    def _happen(self, events: Iterator[Event]) -> None:
        known = list(events)
        for first in range(0, len(known), 5_000):
            self.parts.log.append(known[first : first + 5_000])

    def _fold(self) -> None:
        while self.worker.once():
            pass

    def check(self, expected: int) -> None:
        """SystemExit where a journey has not had exactly its two messages, or one has no decision."""
        with self.parts.database.read() as connection:
            sent = sa.select(messages.c.journey, messages.c.content).where(messages.c.status == "sent")
            rows = connection.execute(sent.order_by(messages.c.journey, messages.c.sent_at)).all()
            ended = sa.select(sa.func.count()).where(journeys.c.status == "completed")
            completed = connection.execute(ended).scalar_one()
            decided = sa.select(sa.func.count(sa.distinct(decisions.c.message))).where(
                decisions.c.outcome == "sent"
            )
            told = connection.execute(decided).scalar_one()
        _hold_to_oracle("ours", expected, rows, told, self.provider.taken)
        if completed != expected:
            raise SystemExit(f"the answers differ: {completed} journeys of {expected} are completed")


def _hold_to_oracle(side: str, expected: int, rows: Any, decided: int, left: int) -> None:
    """`rows` are (journey, content) in the order of sending, `left` is how many mails the provider was given."""
    said = [[row[1] for row in mine] for _, mine in groupby(rows, key=lambda row: row[0])]
    if said != [CONTENTS] * expected or not decided == left == 2 * expected:
        raise SystemExit(
            f"the answers of {side} differ: {len(said)} journeys of {expected} wrote, {Counter(map(tuple, said))}, "
            f"{decided} messages have a decision, {left} mails left"
        )


# ── the figure ─────────────────────────────────────────────────────────────────────────────────────────────────


def run() -> Iterator[dict[str, Any]]:
    """Steps a second beside DBOS, then what claiming costs, on one server."""
    calm_collector()
    with private_postgres(durable=True) as server:
        yield _against_dbos(server)
        yield claims(lambda name: Ours(_database(server, name)).parts)


class Pace(NamedTuple):
    """Steps a second, and a second of this process's own processor time."""

    wall: float
    cpu: float


def _paced(journeys: int, act: Callable[[], None]) -> Pace:
    began, used = time.perf_counter(), time.process_time()
    act()
    steps = STEPS * journeys
    return Pace(steps / (time.perf_counter() - began), steps / (time.process_time() - used))


def _against_dbos(server: PostgresServer) -> dict[str, Any]:
    """The sides take turns; each is worth its best turn, since the machine is shared."""
    from bench.dbos_peer import Peer

    ours, peer = Ours(_database(server, "ours")), Peer(_database(server, "peer"))
    mine: list[Pace] = []
    theirs: list[Pace] = []
    started = Counter[str]()
    try:
        for number in range(
            ROUNDS + 1
        ):  # a first small one warms plans, pools and caches, and does not count
            many = JOURNEYS if number else JOURNEYS // 10
            names = [f"acc-{number}-{place:06d}" for place in range(many)]
            few = names[: max(1, many // 8)]
            ours.people(names)
            peer.people(few)
            ours.expect(names, MONDAY + number * 14 * DAY)
            mine.append(_paced(many, ours.run))
            theirs.append(_paced(len(few), lambda few=few: peer.start(few, MONDAY)))
            started.update({"ours": many, "DBOS": len(few)})
        ours.check(started["ours"])
        _hold_to_oracle("DBOS", started["DBOS"], *peer.outcome())
    finally:
        peer.close()
        ours.parts.close()
    return _ratio(mine[1:], theirs[1:], peer.version)


def _ratio(mine: list[Pace], theirs: list[Pace], version: str) -> dict[str, Any]:
    best, their_best = (max(pace.wall for pace in paces) for paces in (mine, theirs))
    cpu, their_cpu = (max(pace.cpu for pace in paces) for paces in (mine, theirs))
    return {
        "figure": "journeys_vs_dbos",
        "value": round(best / their_best, 1),
        "unit": "ratio",
        "goal": 50,
        "detail": {
            "steps_per_second": round(best),
            "dbos_steps_per_second": round(their_best),
            "by_round": [round(one.wall / other.wall, 1) for one, other in zip(mine, theirs, strict=True)],
            "steps_per_cpu_second": round(cpu),
            "dbos_steps_per_cpu_second": round(their_cpu),
            "load": round(os.getloadavg()[0], 1),
            "journeys": JOURNEYS,
            "steps_of_a_journey": STEPS,
            "dbos": version,
        },
    }


def _database(server: PostgresServer, name: str) -> str:
    engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"create database {name}")
    engine.dispose()
    return sa.make_url(server.url).set(database=name).render_as_string(hide_password=False)
