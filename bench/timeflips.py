"""`time_flip_p99`: how long after its instant an absence is acted on, with a million accounts waiting.

A private PostgreSQL, fsync on, and the service as it is deployed: worker, clock and dispatcher on the real clock.
Every account waits for the instant at which it will have been silent for 14 days; of some of them that instant
comes within the next minute. The database itself says when each firing was committed (`track_commit_timestamp`).

Afterwards nothing is due any more, and the statements of the idle service are counted: one indexed look a second
by each part that waits for instants, no table read from end to end.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from statistics import quantiles
from typing import Any

import msgspec
import sqlalchemy as sa

from journeys.bootstrap import DEMO_SECRET, Parts
from journeys.definitions import Draft, parse
from journeys.process import Engine
from journeys.services.database import PostgresServer, private_postgres
from journeys.settings import Settings
from journeys.state import pack, unpack
from journeys.store import bulk
from journeys.store.schema import upgrade
from journeys.store.tables import accounts, events, messages
from journeys.wall import wall_clock
from journeys.worker import Worker
from signals.event import Event
from signals.instant import DAY, HOUR, SECOND, Instant

ACCOUNTS = int(os.environ.get("BENCH_WAITING", "1000000"))
FLIPS = int(os.environ.get("BENCH_FLIPS", "3000"))
SPREAD = int(os.environ.get("BENCH_FLIP_SECONDS", "60")) * SECOND
IDLE = 10
"""Seconds for which the idle service is watched."""

SILENCE = 14 * DAY
KINDS = 500
"""Different instants the million wait for; the accounts of each are alike but for their id."""

SLICE = 20_000


def drafts() -> list[Draft]:
    """A signal for the absence, and a play that acts on it: a message and a wait."""
    mail = {"message": {"to": ["champion"], "channel": "in_app", "content": "hello"}}
    hello = {"key": "hello", "channel": "in_app", "subject": "Hello", "body": "Hello {{ account.id }}"}
    signal = {"key": "silent", "when": {"absent": "product.login", "for": "14d"}}
    steps = [mail, {"wait": {"for": "30d"}}]
    return [
        parse("signals", signal),
        parse("plays", {"key": "wake", "trigger": {"signal": "silent"}, "steps": steps}),
        parse("content", hello),
    ]


def _login(account: str, due: Instant, now: Instant) -> Event:
    return Event(f"login-{account}", "bench", "product.login", due - SILENCE, account, None, {}, now)


def _champion(account: str, at: Instant, now: Instant) -> Event:
    data = {"attributes": {"email": f"{account}@example.com"}, "roles": ["champion"]}
    who = f"{account}-p0"
    return Event(f"who-{account}", "bench", "crm.contact_updated", at, account, who, data, now)


# ── a million accounts ─────────────────────────────────────────────────────────────────────────────────────────


def _fold(parts: Parts, happened: list[Event]) -> None:
    """Through the log and the worker, as events come."""
    for start in range(0, len(happened), 5_000):
        parts.log.append(happened[start : start + 5_000])
    engine = Engine(parts, clock=False, dispatcher=False)
    worker = engine.worker
    assert isinstance(worker, Worker)
    while worker.once():
        pass


def _fill(parts: Parts) -> None:
    """The waiting accounts: some folded from events, the rest copies of their rows under other ids."""
    now = wall_clock()
    dues = {f"kind-{place:04d}": now + HOUR + place * (13 * DAY // KINDS) for place in range(KINDS)}
    _fold(parts, [_login(account, due, now) for account, due in dues.items()])
    with parts.database.read() as connection:
        wanted = sa.select(accounts).where(accounts.c.id.in_(list(dues)))
        patterns = [dict(row._mapping) for row in connection.execute(wanted)]
    rows: list[dict[str, Any]] = []
    for number in range(len(patterns), ACCOUNTS):
        pattern = patterns[number % KINDS]
        rows.append({**pattern, "id": f"acc-{number:07d}", **_renamed(pattern, number)})
        if len(rows) == SLICE:
            _insert(parts, rows)
    _insert(parts, rows)


def _renamed(pattern: dict[str, Any], number: int) -> dict[str, bytes]:
    state = unpack(pattern["state"], pattern["known"])
    profile = msgspec.structs.replace(state.profile, id=f"acc-{number:07d}")
    return pack(msgspec.structs.replace(state, profile=profile))._asdict()


def _insert(parts: Parts, rows: list[dict[str, Any]]) -> None:
    with parts.database.write() as connection:
        bulk.insert(connection, accounts, rows)
    rows.clear()


# ── what the database saw ──────────────────────────────────────────────────────────────────────────────────────


def _fired(parts: Parts) -> dict[str, tuple[Instant, Instant]]:
    """Of every firing: the instant it fell due, and when the database committed it."""
    committed = sa.literal_column("pg_xact_commit_timestamp(events.xmin)", sa.DateTime(timezone=True))
    wanted = sa.select(events.c.account, events.c.time, committed).where(events.c.type == "signal.silent")
    with parts.database.read() as connection:
        return {
            account: (due, round(at.timestamp() * SECOND))
            for account, due, at in connection.execute(wanted).all()
        }


def _scans(parts: Parts) -> Counter[str]:
    """Tables read from end to end so far, by name; those of a page or two are read so because it is quicker."""
    with parts.database.read() as connection:
        found = connection.exec_driver_sql(
            "select relname, seq_scan from pg_stat_user_tables where n_live_tup > 1000"
        )
        return Counter(dict(found.all()))


class Counted:
    """Counts the statements of this process while it is entered."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine, self.statements = engine, Counter[str]()

    def _count(self, _: Any, __: Any, statement: str, *___: Any) -> None:
        self.statements[" ".join(statement.split())] += 1

    def __enter__(self) -> Counter[str]:
        sa.event.listen(self.engine, "before_cursor_execute", self._count)
        return self.statements

    def __exit__(self, *_: object) -> None:
        sa.event.remove(self.engine, "before_cursor_execute", self._count)


def _plan(parts: Parts, statement: str) -> str:
    with parts.database.read() as connection:
        found = connection.exec_driver_sql(f"explain {statement}").scalars()
        return " / ".join(line.strip() for line in found)


# ── the figure ─────────────────────────────────────────────────────────────────────────────────────────────────


def run() -> Iterator[dict[str, Any]]:
    """Fill, let the minute pass, count, then watch the service do nothing."""
    with private_postgres(durable=True) as server:
        _keep_commit_times(server)
        settings = Settings(
            database_url=server.url, secret=DEMO_SECRET, smtp_url=None, kafka_bootstrap=[], log_partitions=1
        )
        parts = Parts(settings)
        upgrade(parts.database)
        parts.activate(drafts())
        _fill(parts)
        dues = _flipping(parts)
        with parts.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("vacuum analyze")
        engine = Engine(parts)
        engine.start()
        cpu = _let_pass(max(dues.values()) + 2 * SECOND)
        idle = _watch_idle(parts)
        engine.stop()
        fired = _fired(parts)
        _compare(parts, dues, fired)
        parts.close()
    late = sorted((committed - due) / SECOND for due, committed in fired.values())
    yield {
        "figure": "time_flip_p99",
        "value": round(quantiles(late, n=100)[98], 3),
        "unit": "s",
        "goal": 1.0,
        "detail": {
            "p50_seconds": round(quantiles(late, n=100)[49], 3),
            "max_seconds": round(late[-1], 3),
            "waiting": ACCOUNTS,
            "flips": FLIPS,
            "over_seconds": SPREAD // SECOND,
            "cpu_seconds": cpu,
            **idle,
        },
    }


def _keep_commit_times(server: PostgresServer) -> None:
    engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("alter system set track_commit_timestamp = on")
    engine.dispose()
    server.stop()
    server.start()


def _flipping(parts: Parts) -> dict[str, Instant]:
    """The accounts whose instant is about to come, folded from events; how long that takes is allowed for."""
    now = wall_clock()
    start = now + (10 + FLIPS // 250) * SECOND
    dues = {f"flip-{place:05d}": start + place * SPREAD // FLIPS for place in range(FLIPS)}
    _fold(parts, [_champion(account, due - SILENCE, now) for account, due in dues.items()])
    _fold(parts, [_login(account, due, now) for account, due in dues.items()])
    if wall_clock() > start - 2 * SECOND:
        raise SystemExit("the machine was too slow to prepare the accounts in time: set BENCH_FLIPS lower")
    return dues


def _let_pass(until: Instant) -> float:
    """Wait for the instant; answers the seconds of CPU this process used meanwhile."""
    began = time.process_time()
    time.sleep(max(0.0, (until - wall_clock()) / SECOND))
    return round(time.process_time() - began, 1)


def _watch_idle(parts: Parts) -> dict[str, Any]:
    """What the service asks while nothing is due. SystemExit where it does more than look."""
    before, began = _scans(parts), time.process_time()
    with Counted(parts.database.engine) as statements:
        time.sleep(IDLE)
        seen = Counter(statements)
    cpu, scanned = time.process_time() - began, _scans(parts) - before
    due = [text for text in seen if "FROM accounts" in text]
    writes = [text for text in seen if not text.startswith("SELECT")]
    if scanned or writes or len(due) != 1 or seen[due[0]] > IDLE + 1:
        raise SystemExit(f"an idle service is busy: {dict(seen)}, read from end to end: {dict(scanned)}")
    return {
        "idle_looks_at_accounts_per_second": seen[due[0]] / IDLE,
        "idle_statements_per_second": round(sum(seen.values()) / IDLE, 1),
        "idle_cpu_share": round(cpu / IDLE, 4),
        "look": _plan(parts, due[0]),
        "idle_statements": dict(seen),
    }


def _compare(parts: Parts, dues: dict[str, Instant], fired: dict[str, tuple[Instant, Instant]]) -> None:
    """Each flipped once, at its instant, and was acted on; nobody else did."""
    with parts.database.read() as connection:
        asked = sa.select(messages.c.account, sa.func.count()).group_by(messages.c.account)
        acted = dict(connection.execute(asked).all())
    wrong = [account for account, due in dues.items() if fired.get(account, (0, 0))[0] != due]
    if wrong or fired.keys() != dues.keys() or acted != dict.fromkeys(dues, 1):
        raise SystemExit(
            f"the answers differ: {len(fired)} fired of {len(dues)}, {len(wrong)} of them not at their instant, "
            f"{len(acted)} acted on"
        )
