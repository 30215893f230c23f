"""Is it alive, is it ready, what does it do: `/healthz`, `/readyz`, `/metrics`."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
import sqlalchemy as sa
from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from journeys.store import feeds
from journeys.store.database import Database
from journeys.store.sending import is_stopped
from journeys.store.tables import accounts, dead_letters, log, messages, tasks, unassigned, visitors
from signals.instant import SECOND, Instant

Check = Callable[[], str | None]
"""Answers what is wrong, None where all is well."""


Counts = Callable[[], Mapping[tuple[str, str], int]]
"""How many rows of webhooks, by source and outcome, came since this process began."""


def router(
    database: Database, checks: Mapping[str, Check], clock: Callable[[], Instant], webhooks: Counts
) -> APIRouter:
    """The routes an operator's machines ask."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/healthz")
    def alive() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @routes.get("/readyz")
    def ready() -> Response:
        """Every part can work; names the one that cannot. A feed of others that fell silent is named and is no fault here."""
        trouble = {name: found for name, check in checks.items() if (found := _asked(check)) is not None}
        stale = [] if trouble else _stale(database, clock())
        status = "ok" if not trouble else "not ready"
        body: dict[str, Any] = {"status": status, "trouble": trouble, "stale_feeds": stale}
        return Response(orjson.dumps(body), 503 if trouble else 200, None, "application/json")

    @routes.get("/metrics")
    def metrics() -> Response:
        """Prometheus text: what is waiting, counted when asked."""
        registry = _collected(database, clock())
        registry.register(_Webhooks(webhooks))
        return Response(generate_latest(registry), 200, None, CONTENT_TYPE_LATEST)

    return routes


class _Webhooks(Collector):
    """What came of webhooks here, counted as it came."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """One counter, by source and outcome."""
        rows = CounterMetricFamily(
            "journeys_webhook_rows_total", "Rows of webhooks", labels=["source", "outcome"]
        )
        for labels, count in self._counts().items():
            rows.add_metric(labels, count)
        yield rows


def _stale(database: Database, now: Instant) -> list[dict[str, Any]]:
    with database.read() as connection:
        return feeds.stale(connection, now)


def _asked(check: Check) -> str | None:
    """A database that cannot even be asked is an answer too; its words are not, they may hold a password."""
    try:
        return check()
    except SQLAlchemyError as error:
        return f"does not answer: {error.__class__.__name__}"


def _collected(database: Database, now: Instant) -> CollectorRegistry:
    registry = CollectorRegistry()
    with database.read() as connection:
        for name, help_text, query in _GAUGES:
            gauge = Gauge(f"journeys_{name}", help_text, registry=registry)
            gauge.set(float(connection.execute(query).scalar() or 0))
        by_status = Gauge("journeys_messages", "Messages by status", ["status"], registry=registry)
        counted = sa.select(messages.c.status, sa.func.count()).group_by(messages.c.status)
        for status, count in connection.execute(counted):
            by_status.labels(status).set(count)
        late = connection.execute(sa.select(sa.func.min(accounts.c.due_at))).scalar()
        lateness = Gauge(
            "journeys_due_lateness_seconds", "How late the latest due account is", registry=registry
        )
        lateness.set(0 if late is None else max(0, now - late) / SECOND)
        stopped = Gauge("journeys_sending_stopped", "1 while the kill switch is on", registry=registry)
        stopped.set(float(is_stopped(connection)))
    return registry


def _count(table: sa.Table, *where: Any) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(table).where(*where)


_GAUGES: tuple[tuple[str, str, sa.Select[Any]], ...] = (
    ("accounts", "Accounts known", _count(accounts)),
    ("log_unread", "Records in the embedded log that are not folded yet", _count(log)),
    ("dead_letters", "Dead letters not replayed", _count(dead_letters, dead_letters.c.replayed_at.is_(None))),
    ("events_unassigned", "Events of visitors nobody knows yet", _count(unassigned)),
    ("visitors", "Visitors remembered", _count(visitors)),
    ("tasks_open", "Tasks that are not closed", _count(tasks, tasks.c.status != "closed")),
    (
        "tasks_breached",
        "Open tasks past their time",
        _count(tasks, tasks.c.status != "closed", tasks.c.breached),
    ),
)
