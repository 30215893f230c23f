"""Every table, in one MetaData (a test holds the migrations equal to it on both databases)."""

from datetime import UTC
from typing import Any

import orjson
import sqlalchemy as sa

from signals.instant import from_datetime, to_datetime


class InstantType(sa.types.TypeDecorator[int]):
    """Microseconds inside, `timestamptz` on PostgreSQL, UTC text on SQLite (which has no zones: 0.4 of ecosystem §2.2)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        moment = to_datetime(value)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> int | None:
        if value is None:
            return None
        return from_datetime(value.replace(tzinfo=UTC) if value.tzinfo is None else value)


class BytesType(sa.LargeBinary):
    """Bytes as they are: both drivers take and give them, and wrapping each in a memoryview costs more than the rest."""

    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> None:
        return None

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> None:
        return None


class JsonType(sa.types.TypeDecorator[Any]):
    """Plain data as JSON text on both databases: written and read by orjson, and costing no parse to store."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else orjson.loads(value)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Text, Int, Big, Flag, Bytes, At, Json = (
    sa.Text,
    sa.Integer,
    sa.BigInteger,
    sa.Boolean,
    BytesType,
    InstantType,
    JsonType,
)


def _column(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=options.pop("nullable", False), **options)


def _maybe(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


# ── what came in ───────────────────────────────────────────────────────────────────────────────────────────────

log = sa.Table(
    "log",  # the embedded log: dense offsets, so that fold and compare-and-swap are those of Kafka
    metadata,
    _column("partition", Int, primary_key=True, autoincrement=False),
    _column("offset", Big, primary_key=True, autoincrement=False),
    _column("key", Bytes),
    _column("hash", Bytes),
    _column("body", Bytes),
    _column("history", Flag),
    _column("received_at", At),
    sa.UniqueConstraint("key"),
)
log_heads = sa.Table(
    "log_heads",  # its row is the lock that keeps offsets dense and in commit order
    metadata,
    _column("partition", Int, primary_key=True, autoincrement=False),
    _column("next_offset", Big),
)
positions = sa.Table(
    "positions",  # where the fold has come to in each partition of any feed
    metadata,
    _column("partition", Text, primary_key=True),
    _column("next_offset", Big),
    _column("moved_at", At),
)
events = sa.Table(
    "events",
    metadata,
    _column("key", Bytes, primary_key=True),
    _column("hash", Bytes),
    _column("account", Text),
    _column("time", At),
    _column("type", Text),
    _column("source", Text),
    _column("id", Text),
    _maybe("contact", Text),
    _column("data", Json),
    _column("received_at", At),
    _column("timed", Flag),
    _column("history", Flag),
    sa.Index("ix_events_account_time", "account", "time"),
)
visitors = sa.Table(
    "visitors",  # people of no account yet, and who visitors turned out to be; the lock of what waits for them
    metadata,
    _column("id", Text, primary_key=True),
    _column("sign_ins", Json),
    _column("seen_at", At),
    sa.Index("ix_visitors_seen_at", "seen_at"),
)
unassigned = sa.Table(
    "unassigned",  # what these did, until it is known whose it is; `letter` is the dead letter that holds it too
    metadata,
    _column("key", Bytes, primary_key=True),
    _column("hash", Bytes),
    _column("visitor", Text),
    _column("body", Bytes),
    _column("history", Flag),
    _maybe("letter", Text),
    _column("kept_at", At),
    sa.Index("ix_unassigned_visitor", "visitor"),
    sa.Index("ix_unassigned_kept_at", "kept_at"),
)
dead_letters = sa.Table(
    "dead_letters",
    metadata,
    _column("id", Text, primary_key=True),
    _column("at", At),
    _column("reason", Text),
    _column("detail", Text),
    _column("partition", Text),
    _column("offset", Big),
    _maybe("value", Bytes),
    _maybe("record_key", Bytes),
    _column("headers", Json),
    _maybe("replayed_at", At),
    sa.Index("ix_dead_letters_at", "at", "id"),
)
feeds = sa.Table(
    "feeds",  # what was heard of the feeds that promised to speak (policy `feeds`), since the promise was made
    metadata,
    _column("source", Text, primary_key=True),
    _column("every", Big, primary_key=True, autoincrement=False),
    _column("types", Json),
    _column("since", At),
    _maybe("before", At),
    _maybe("first", At),
    _maybe("last", At),
    _column("gaps", Json),
)
gaps = sa.Table(
    "gaps",  # records a feed has lost (I9): [first, next)
    metadata,
    _column("partition", Text, primary_key=True),
    _column("first_offset", Big, primary_key=True, autoincrement=False),
    _column("next_offset", Big),
    _column("at", At),
)
imports = sa.Table(
    "imports",  # how far a file has been read into the log: an import stopped half-way goes on from there
    metadata,
    _column("file", Text, primary_key=True),
    _column("rows", Big),
    _column("finished", Flag),
    _column("at", At),
)

# ── accounts and what is made of them ──────────────────────────────────────────────────────────────────────────

accounts = sa.Table(
    "accounts",
    metadata,
    _column("id", Text, primary_key=True),
    _column("version", Big),
    _column("state", Bytes),  # what events move
    _column("known", Bytes),  # what few of them change
    _maybe("due_at", At),  # when to look at it at the latest; it may be early
    _column("created_at", At),
    _column("last_event_at", At),
    _column("live_journeys", Int),
    _maybe("name", Text),
    _maybe("stage", Text),
    _maybe("owner", Text),
    _maybe("band", Text),
    sa.Index("ix_accounts_due_at", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    sa.Index("ix_accounts_owner", "owner", "id"),
    sa.Index("ix_accounts_stage", "stage", "id"),
    sa.Index("ix_accounts_band", "band", "id"),
    postgresql_with={"fillfactor": 60},  # room for the next version beside the one it follows
)
contacts = sa.Table(
    "contacts",
    metadata,
    _column("account", Text, primary_key=True),
    _column("id", Text, primary_key=True),
    _maybe("email", Text),
    _maybe("address_key", Text),
    _maybe("name", Text),
    _column("roles", Json),
    _column("is_open", Flag),
    _column("first_seen", At),
    sa.Index("ix_contacts_id", "id"),
    sa.Index("ix_contacts_address_key", "address_key"),
)
aliases = sa.Table(
    "aliases",  # ids of ours that have become others; `joins` are those of all that are one with the survivor
    metadata,
    _column("id", Text, primary_key=True),
    _column("kind", Text, primary_key=True),
    _column("survivor", Text),
    _column("joins", Json),
    sa.Index("ix_aliases_survivor", "survivor"),
)
external_ids = sa.Table(
    "external_ids",  # what a source calls an account or contact of ours
    metadata,
    _column("kind", Text, primary_key=True),
    _column("source", Text, primary_key=True),
    _column("external", Text, primary_key=True),
    _column("id", Text),
    _column("at", At),
    sa.Index("ix_external_ids_id", "id"),
)
identity_merges = sa.Table(
    "identity_merges",  # which ids have become one, when and why: a row for each account concerned ("" for none)
    metadata,
    _column("id", Text, primary_key=True),
    _column("account", Text),
    _column("kind", Text),
    _column("old", Text),
    _column("survivor", Text),
    _column("at", At),
    _column("because", Text),
    _column("source", Text),
    _column("event", Text),
    _column("merged_at", At),
    sa.Index("ix_identity_merges_account_at", "account", "at"),
)
open_signals = sa.Table(
    "open_signals",
    metadata,
    _column("account", Text, primary_key=True),
    _column("signal", Text, primary_key=True),
    _column("since", At),
    _column("severity", Text),
    _column("evidence", Json),
    sa.Index("ix_open_signals_signal", "signal", "account"),
)
tags = sa.Table(
    "tags",
    metadata,
    _column("account", Text, primary_key=True),
    _column("tag", Text, primary_key=True),
    sa.Index("ix_tags_tag", "tag", "account"),
)
memberships = sa.Table(
    "memberships",
    metadata,
    _column("account", Text, primary_key=True),
    _column("segment", Text, primary_key=True),
    _column("since", At),
    sa.Index("ix_memberships_segment", "segment", "account"),
)
health_ledger = sa.Table(
    "health_ledger",  # what moved each account's score, whole points for whole points; `number` counts per account
    metadata,
    _column("account", Text, primary_key=True),
    _column("number", Big, primary_key=True, autoincrement=False),
    _column("at", At),
    _column("kind", Text),
    _column("key", Text),
    _column("points", Int),
    _maybe("score_before", Int),
    _maybe("score_after", Int),
    _maybe("band_before", Text),
    _maybe("band_after", Text),
    _column("version", Text),
    _maybe("value", Json),
    _maybe("cause", Text),
)
journeys = sa.Table(
    "journeys",
    metadata,
    _column("id", Text, primary_key=True),
    _column("account", Text),
    _column("play", Text),
    _column("version", Int),
    _maybe("key", Text),
    _column("status", Text),
    _maybe("reason", Text),
    _maybe("step", Text),
    _column("started_at", At),
    _maybe("ended_at", At),
    _maybe("wakes_at", At),
    _maybe("arm", Text),
    sa.Index("ix_journeys_account_started_at", "account", "started_at"),
    sa.Index("ix_journeys_started_at", "started_at", "id"),
    sa.Index("ix_journeys_play_status", "play", "status"),
)

# ── reaching people ────────────────────────────────────────────────────────────────────────────────────────────

messages = sa.Table(
    "messages",
    metadata,
    _column("id", Text, primary_key=True),
    _column("journey", Text),
    _column("play", Text),
    _column("version", Int),
    _column("step", Text),
    _column("visit", Int),
    _column("lane", Int),
    _column("account", Text),
    _column("contact", Text),
    _maybe("role", Text),
    _maybe("address", Text),
    _column("channel", Text),
    _column("content", Text),
    _maybe("content_version", Int),
    _column("cls", Text),
    _maybe("topic", Text),
    _maybe("subject", Text),
    _column("priority", Int),
    _column("status", Text),
    _maybe("reason", Text),
    _maybe("detail", Text),
    _column("due_at", At),
    _maybe("valid_until", At),
    _maybe("next_attempt_at", At),
    _column("attempts", Int),
    _maybe("held_since", At),
    _maybe("held_until", At),
    _column("quiet_time", Big),
    _maybe("sent_at", At),
    _column("arm_control", Flag),
    _maybe("data", Json),  # what its content sees beside the profile, or a webhook carries
    _maybe("charged_at", At),  # since when it uses cap room: handed over, sent or withheld
    _maybe("released_at", At),  # when it was let go after having been held
    _column("delivery", Text),  # new | claimed | handed | settled: the send protocol's own state
    _maybe("lease_until", At),
    _maybe("remote_id", Text),
    sa.Index(
        "ix_messages_waiting",
        "next_attempt_at",
        postgresql_where=sa.text("status IN ('queued', 'held')"),
        sqlite_where=sa.text("status IN ('queued', 'held')"),
    ),
    sa.Index("ix_messages_contact_charged_at", "contact", "charged_at"),
    sa.Index("ix_messages_account_charged_at", "account", "charged_at"),
    sa.Index("ix_messages_journey", "journey"),
    sa.Index("ix_messages_due_at", "due_at", "id"),
    sa.Index("ix_messages_account_due_at", "account", "due_at"),
)
renderings = sa.Table(
    "renderings",  # what was sent, word for word
    metadata,
    _column("message", Text, primary_key=True),
    _maybe("subject", Text),
    _column("text", Text),
    _maybe("html", Text),
)
consents = sa.Table(
    "consents",  # topic "" is every topic, channel "" every channel; `said_as` is the id it was said under
    metadata,
    _column("contact", Text, primary_key=True),
    _column("channel", Text, primary_key=True),
    _column("topic", Text, primary_key=True),
    _column("said_as", Text, primary_key=True),
    _column("allowed", Flag),
    _column("at", At),
)
suppressions = sa.Table(
    "suppressions",
    metadata,
    _column("address_key", Text, primary_key=True),
    _column("cause", Text),
    _maybe("contact", Text),
    _column("at", At),
)
tasks = sa.Table(
    "tasks",
    metadata,
    _column("id", Text, primary_key=True),
    _column("account", Text),
    _maybe("owner", Text),
    _column("type", Text),
    _column("reason", Text),
    _column("title", Text),
    _maybe("play", Text),
    _maybe("journey", Text),
    _column("status", Text),
    _column("priority", Int),
    _column("level", Int),
    _column("breached", Flag),
    _maybe("first_touch_by", At),
    _maybe("resolve_by", At),
    _maybe("sla_at", At),
    _maybe("outcome", Text),
    _column("created_at", At),
    _column("value", Bytes),
    sa.Index("ix_tasks_sla_at", "sla_at"),
    sa.Index("ix_tasks_account_status", "account", "status"),
    sa.Index("ix_tasks_owner_status", "owner", "status"),
)
decisions = sa.Table(
    "decisions",
    metadata,
    _column("id", Text, primary_key=True),
    _column("at", At),
    _column("account", Text),
    _maybe("contact", Text),
    _maybe("play", Text),
    _maybe("version", Int),
    _maybe("journey", Text),
    _maybe("message", Text),
    _maybe("task", Text),
    _column("subject", Text),
    _column("outcome", Text),
    _maybe("reason", Text),
    _column("checks", Json),
    sa.Index("ix_decisions_account_at", "account", "at"),
    sa.Index("ix_decisions_contact_at", "contact", "at"),
    sa.Index("ix_decisions_message", "message"),
    sa.Index("ix_decisions_at", "at", "id"),
)

# ── running it ─────────────────────────────────────────────────────────────────────────────────────────────────

definitions = sa.Table(
    "definitions",
    metadata,
    _column("kind", Text, primary_key=True),
    _column("key", Text, primary_key=True),
    _column("version", Int, primary_key=True, autoincrement=False),
    _column("status", Text),
    _column("body", Json),
    _column("hash", Text),
    _column("author", Text),
    _column("created_at", At),
    _maybe("activated_at", At),
    _maybe("approved_by", Text),
    _maybe("approved_at", At),
    _column(
        "live", Text
    ),  # pin | migrate | drain: what its activation made of journeys on the versions before
    _column("since", Int),  # the stamp it became live with, 0 before
    _column("ends", Flag),  # its live journeys end as `play_stopped`
)
brakes = sa.Table(
    "brakes",  # how the sends of each play have gone since it was last activated or resumed
    metadata,
    _column("play", Text, primary_key=True),
    _column("sends", Big),
    _column("failed", Big),
)
fillings = sa.Table(
    "fillings",  # how far each set of live definitions has been brought to the accounts, in id order
    metadata,
    _column("stamp", Int, primary_key=True, autoincrement=False),
    _column("started_at", At),
    _column("moved_at", At),
    _maybe("finished_at", At),
    _column("last", Text),
    _column("done", Int),
    _column("accounts", Int),
    _column("made", Json),
    _maybe("measures", Json),
)
switches = sa.Table(
    "switches",  # few words every process reads: the playbook's stamp, whether sending is stopped
    metadata,
    _column("name", Text, primary_key=True),
    _column("value", Text),
    _column("at", At),
)
api_keys = sa.Table(
    "api_keys",
    metadata,
    _column("id", Text, primary_key=True),
    _column("name", Text),
    _column("prefix", Text),
    _column("hash", Bytes),
    _column("scopes", Json),
    _column("created_at", At),
    _maybe("revoked_at", At),
    sa.UniqueConstraint("hash"),
)
audit = sa.Table(
    "audit",  # who changed what, in one chain: each row's `chain` is the hash of the row and of the chain before it
    metadata,
    _column("number", Big, primary_key=True, autoincrement=False),
    _column("at", At),
    _column("actor", Text),
    _column("action", Text),
    _column("about", Text),
    _maybe("from_hash", Text),
    _maybe("to_hash", Text),
    _column("detail", Json),
    _column("chain", Text),
    sa.Index("ix_audit_about", "about", "number"),
)
answers = sa.Table(
    "answers",  # what was answered to an Idempotency-Key, to be answered again
    metadata,
    _column("key", Text, primary_key=True),
    _column("request_hash", Bytes),
    _maybe("status", Int),
    _maybe("body", Bytes),
    _column("at", At),
)
