"""The journey of `bench.journeys` as a DBOS workflow: a mail, a wait, a mail, each mail a transaction with its checks.

As DBOS's documentation advises, what a step writes is committed together with DBOS's record that the step is done
(a datasource's transaction). Workflows run side by side in DBOS's own threads; texts are made by our renderer, once a
mail, and kept in a list.
"""

from importlib.metadata import version
from typing import Any

import orjson
import sqlalchemy as sa
from dbos import DBOS, SQLAlchemyDatasource

from channels.frame import Frame
from channels.headers import Mailbox
from channels.local_time import first_zone
from channels.mime import Letterhead, Posting, build
from channels.policies import Policies
from channels.port import Mail
from channels.quiet_hours import is_quiet
from channels.render import Renderer, Source
from journeys.assets import asset
from signals.instant import DAY, WEEK, Instant

AT_ONCE = 50
"""Workflows under way at any time: more were slower here, fewer too."""

TABLES = """
create table people (contact text primary key, email text not null, zone text not null, allowed boolean not null);
create table suppressed (address text primary key);
create table sent (id text primary key, journey text not null, contact text not null, content text not null,
                   subject text not null, body text not null, at bigint not null);
create index sent_contact_at on sent (contact, at);
create table decided (message text primary key, outcome text not null, reason text, checks jsonb not null);
"""
TEXTS = {
    "hello": "You asked about {{ event.data.topic }}: three steps get you going.",
    "follow_up": "How did it go with {{ event.data.topic }}? Answer this mail, and we help.",
}
POLICIES = Policies()
RENDERER = Renderer.from_dir(asset("templates"))
LETTERHEAD = Letterhead(Mailbox("success@example.com", "Success"), frozenset({"success@example.com"}))
FRAME = Frame(
    sender="Success",
    address="Example Ltd, 1 Example Street",
    purpose="marketing",
    unsubscribe_url="https://example.com/u/token",
    preferences_url="https://example.com/p/token",
    colour="#1d5fd1",
)


def _checked(session: Any, contact: str, now: Instant) -> tuple[str | None, dict[str, Any], str]:
    """Why the person is not to be written to now (None: nothing), what was seen, and the address."""
    person = session.execute(
        sa.text(
            "select email, zone, allowed, exists (select from suppressed where address = email) "
            "from people where contact = :contact"
        ),
        {"contact": contact},
    ).one()
    times = session.execute(
        sa.text("select at, content from sent where contact = :contact and at > :since"),
        {"contact": contact, "since": now - WEEK},
    ).all()
    place = first_zone(person.zone, "UTC")
    assert POLICIES.contact_cap is not None
    assert POLICIES.quiet_hours is not None
    checks = {
        "suppressed": not person[3],
        "unsubscribed": person.allowed,
        "contact_cap": len(times) < (POLICIES.contact_cap.per_7d or len(times) + 1)
        and not any(at > now - DAY for at, _ in times),
        "quiet_hours": not is_quiet(now, POLICIES.quiet_hours.rule, place),
    }
    return next((name for name, passed in checks.items() if not passed), None), checks, person.email


def _made(message: str, email: str, content: str, now: Instant) -> tuple[Mail, str, str]:
    """The mail, its subject and its text."""
    source = Source("About {{ event.data.topic }}", TEXTS[content], "email")
    rendered = RENDERER.render(source, {"event": {"data": {"topic": "exports"}}}, FRAME)
    posting = Posting(
        to=email,
        message_id=f"<{message}@example.com>",
        date=now,
        unsubscribe_url="https://example.com/u/token",
        unsubscribe_mailto=None,
        list_id="product-tips.example.com",
    )
    return build(LETTERHEAD, posting, rendered), rendered.subject, rendered.text


class Peer:
    """DBOS, launched on this database, with the journey registered."""

    def __init__(self, url: str) -> None:
        self.version = version("dbos")
        self._url = url
        plain = url.replace("+psycopg", "")
        self._engine = sa.create_engine(url)
        with self._engine.begin() as connection:
            connection.exec_driver_sql(TABLES)
        DBOS(
            config={
                "name": "journeys-bench",
                "system_database_url": plain,
                "sys_db_pool_size": AT_ONCE,
                "log_level": "ERROR",
            }
        )
        store = SQLAlchemyDatasource.create(plain, {"pool_size": AT_ONCE})
        self.outbox: list[Mail] = []
        self._journey = self._registered(store)
        DBOS.launch()

    def _registered(self, store: SQLAlchemyDatasource) -> Any:
        @store.transaction(isolation_level="READ COMMITTED")
        def send(journey: str, contact: str, content: str, now: Instant) -> bool:
            session = store.sql_session()
            message = f"{journey}-{content}"
            reason, checks, email = _checked(session, contact, now)
            if reason is None:
                mail, subject, body = _made(message, email, content, now)
                session.execute(
                    sa.text(
                        "insert into sent values (:id, :journey, :contact, :content, :subject, :body, :at)"
                    ),
                    {
                        "id": message,
                        "journey": journey,
                        "contact": contact,
                        "content": content,
                        "subject": subject,
                        "body": body,
                        "at": now,
                    },
                )
                self.outbox.append(mail)
            session.execute(
                sa.text("insert into decided values (:message, :outcome, :reason, cast(:checks as jsonb))"),
                {
                    "message": message,
                    "outcome": "sent" if reason is None else "held",
                    "reason": reason,
                    "checks": orjson.dumps(checks).decode(),
                },
            )
            return reason is None

        @DBOS.workflow()
        def journey(identifier: str, contact: str, now: Instant) -> int:
            sent = int(send(identifier, contact, "hello", now))
            DBOS.sleep(0.001)
            return sent + int(send(identifier, contact, "follow_up", now + DAY))

        return journey

    def people(self, names: list[str]) -> None:
        """Those who are to be written to."""
        rows = [
            {"contact": name, "email": f"{name}@example.com", "zone": "UTC", "allowed": True}
            for name in names
        ]
        with self._engine.begin() as connection:
            connection.execute(sa.text("insert into people values (:contact, :email, :zone, :allowed)"), rows)

    def start(self, names: list[str], now: Instant) -> None:
        """A journey of each, so many at once; returns when all have ended."""
        for first in range(0, len(names), AT_ONCE):
            some = names[first : first + AT_ONCE]
            handles = [DBOS.start_workflow(self._journey, f"journey-{name}", name, now) for name in some]
            for handle in handles:
                handle.get_result()

    def outcome(self) -> tuple[list[tuple[str, str]], int, int]:
        """(journey, content) in the order of sending, how many mails left, how many messages were decided as sent."""
        with self._engine.connect() as connection:
            rows = connection.exec_driver_sql("select journey, content from sent order by journey, at").all()
            decided = connection.exec_driver_sql(
                "select count(*) from decided where outcome = 'sent'"
            ).scalar_one()
        return [(row[0], row[1]) for row in rows], len(self.outbox), int(decided)

    def close(self) -> None:
        """Let go of everything."""
        DBOS.destroy()
        self._engine.dispose()
