"""Reaching people: messages, what they may be sent, tasks, and each decision with its checks."""

import sqlalchemy as sa

from journeys.store.tables.columns import At, Big, Bytes, Flag, Int, Json, Text, column, maybe, metadata

messages = sa.Table(
    "messages",
    metadata,
    column("id", Text, primary_key=True),
    column("journey", Text),
    column("play", Text),
    column("version", Int),
    column("step", Text),
    column("visit", Int),
    column("lane", Int),
    column("account", Text),
    column("contact", Text),
    maybe("role", Text),
    maybe("address", Text),
    column("channel", Text),
    column("content", Text),
    maybe("content_version", Int),
    column("cls", Text),
    maybe("topic", Text),
    maybe("subject", Text),
    column("priority", Int),
    column("status", Text),
    maybe("reason", Text),
    maybe("detail", Text),
    column("due_at", At),
    maybe("valid_until", At),
    maybe("next_attempt_at", At),
    column("attempts", Int),
    maybe("held_since", At),
    maybe("held_until", At),
    column("quiet_time", Big),
    maybe("sent_at", At),
    column("arm_control", Flag),
    maybe("data", Json),  # what its content sees beside the profile, or a webhook carries
    maybe("charged_at", At),  # since when it uses cap room: handed over, sent or withheld
    maybe("released_at", At),  # when it was let go after having been held
    column("delivery", Text),  # new | claimed | handed | settled: the send protocol's own state
    maybe("lease_until", At),
    maybe("remote_id", Text),
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
    column("message", Text, primary_key=True),
    maybe("subject", Text),
    column("text", Text),
    maybe("html", Text),
)
consents = sa.Table(
    "consents",  # topic "" is every topic, channel "" every channel; `said_as` is the id it was said under
    metadata,
    column("contact", Text, primary_key=True),
    column("channel", Text, primary_key=True),
    column("topic", Text, primary_key=True),
    column("said_as", Text, primary_key=True),
    column("allowed", Flag),
    column("at", At),
)
suppressions = sa.Table(
    "suppressions",
    metadata,
    column("address_key", Text, primary_key=True),
    column("cause", Text),
    maybe("contact", Text),
    column("at", At),
)
tasks = sa.Table(
    "tasks",
    metadata,
    column("id", Text, primary_key=True),
    column("account", Text),
    maybe("owner", Text),
    column("type", Text),
    column("reason", Text),
    column("title", Text),
    maybe("play", Text),
    maybe("journey", Text),
    column("status", Text),
    column("priority", Int),
    column("level", Int),
    column("breached", Flag),
    maybe("first_touch_by", At),
    maybe("resolve_by", At),
    maybe("sla_at", At),
    maybe("outcome", Text),
    column("created_at", At),
    column("value", Bytes),
    sa.Index("ix_tasks_sla_at", "sla_at"),
    sa.Index("ix_tasks_account_status", "account", "status"),
    sa.Index("ix_tasks_owner_status", "owner", "status"),
)
decisions = sa.Table(
    "decisions",
    metadata,
    column("id", Text, primary_key=True),
    column("at", At),
    column("account", Text),
    maybe("contact", Text),
    maybe("play", Text),
    maybe("version", Int),
    maybe("journey", Text),
    maybe("message", Text),
    maybe("task", Text),
    column("subject", Text),
    column("outcome", Text),
    maybe("reason", Text),
    column("checks", Json),
    sa.Index("ix_decisions_account_at", "account", "at"),
    sa.Index("ix_decisions_contact_at", "contact", "at"),
    sa.Index("ix_decisions_message", "message"),
    sa.Index("ix_decisions_at", "at", "id"),
)
