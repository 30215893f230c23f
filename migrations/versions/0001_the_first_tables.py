"""The first tables"""

import sqlalchemy as sa
from alembic import op

from journeys.store.tables import InstantType, JsonType

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "aliases",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("survivor", sa.Text(), nullable=False),
        sa.Column("joins", JsonType(), nullable=False),
        sa.PrimaryKeyConstraint("id", "kind", name=op.f("pk_aliases")),
    )
    with op.batch_alter_table("aliases", schema=None) as batch_op:
        batch_op.create_index("ix_aliases_survivor", ["survivor"], unique=False)

    op.create_table(
        "external_ids",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", InstantType(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "source", "external", name=op.f("pk_external_ids")),
    )
    with op.batch_alter_table("external_ids", schema=None) as batch_op:
        batch_op.create_index("ix_external_ids_id", ["id"], unique=False)

    op.create_table(
        "identity_merges",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("old", sa.Text(), nullable=False),
        sa.Column("survivor", sa.Text(), nullable=False),
        sa.Column("at", InstantType(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("merged_at", InstantType(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_merges")),
    )
    with op.batch_alter_table("identity_merges", schema=None) as batch_op:
        batch_op.create_index("ix_identity_merges_account_at", ["account", "at"], unique=False)

    op.create_table(
        "accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("known", sa.LargeBinary(), nullable=False),
        sa.Column("due_at", InstantType(), nullable=True),
        sa.Column("created_at", InstantType(), nullable=False),
        sa.Column("last_event_at", InstantType(), nullable=False),
        sa.Column("live_journeys", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("band", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        postgresql_with={"fillfactor": 60},
    )
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.create_index(
            "ix_accounts_due_at", ["due_at"], unique=False, postgresql_where=sa.text("due_at IS NOT NULL")
        )
        batch_op.create_index("ix_accounts_owner", ["owner", "id"], unique=False)
        batch_op.create_index("ix_accounts_stage", ["stage", "id"], unique=False)
        batch_op.create_index("ix_accounts_band", ["band", "id"], unique=False)

    op.create_table(
        "answers",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("at", InstantType(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_answers")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", JsonType(), nullable=False),
        sa.Column("created_at", InstantType(), nullable=False),
        sa.Column("revoked_at", InstantType(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("hash", name=op.f("uq_api_keys_hash")),
    )
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", InstantType(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("from_hash", sa.Text(), nullable=True),
        sa.Column("to_hash", sa.Text(), nullable=True),
        sa.Column("detail", JsonType(), nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("ix_audit_about", ["about", "number"], unique=False)

    op.create_table(
        "consents",
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("said_as", sa.Text(), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("at", InstantType(), nullable=False),
        sa.PrimaryKeyConstraint("contact", "channel", "topic", "said_as", name=op.f("pk_consents")),
    )
    op.create_table(
        "contacts",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("address_key", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("roles", JsonType(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("first_seen", InstantType(), nullable=False),
        sa.PrimaryKeyConstraint("account", "id", name=op.f("pk_contacts")),
    )
    with op.batch_alter_table("contacts", schema=None) as batch_op:
        batch_op.create_index("ix_contacts_address_key", ["address_key"], unique=False)
        batch_op.create_index("ix_contacts_id", ["id"], unique=False)

    op.create_table(
        "dead_letters",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", InstantType(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("record_key", sa.LargeBinary(), nullable=True),
        sa.Column("headers", JsonType(), nullable=False),
        sa.Column("replayed_at", InstantType(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
    )
    with op.batch_alter_table("dead_letters", schema=None) as batch_op:
        batch_op.create_index("ix_dead_letters_at", ["at", "id"], unique=False)

    op.create_table(
        "decisions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", InstantType(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=True),
        sa.Column("play", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("journey", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("task", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("checks", JsonType(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index("ix_decisions_account_at", ["account", "at"], unique=False)
        batch_op.create_index("ix_decisions_contact_at", ["contact", "at"], unique=False)
        batch_op.create_index("ix_decisions_message", ["message"], unique=False)
        batch_op.create_index("ix_decisions_at", ["at", "id"], unique=False)

    op.create_table(
        "definitions",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("body", JsonType(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", InstantType(), nullable=False),
        sa.Column("activated_at", InstantType(), nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_at", InstantType(), nullable=True),
        sa.Column("live", sa.Text(), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("ends", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", "version", name=op.f("pk_definitions")),
    )
    op.create_table(
        "brakes",
        sa.Column("play", sa.Text(), nullable=False),
        sa.Column("sends", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("play", name=op.f("pk_brakes")),
    )
    op.create_table(
        "events",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("time", InstantType(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=True),
        sa.Column("data", JsonType(), nullable=False),
        sa.Column("received_at", InstantType(), nullable=False),
        sa.Column("timed", sa.Boolean(), nullable=False),
        sa.Column("history", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_events")),
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index("ix_events_account_time", ["account", "time"], unique=False)

    op.create_table(
        "feeds",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("every", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("types", JsonType(), nullable=False),
        sa.Column("since", InstantType(), nullable=False),
        sa.Column("before", InstantType(), nullable=True),
        sa.Column("first", InstantType(), nullable=True),
        sa.Column("last", InstantType(), nullable=True),
        sa.Column("gaps", JsonType(), nullable=False),
        sa.PrimaryKeyConstraint("source", "every", name=op.f("pk_feeds")),
    )
    op.create_table(
        "gaps",
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("first_offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("at", InstantType(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "first_offset", name=op.f("pk_gaps")),
    )
    op.create_table(
        "health_ledger",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", InstantType(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("score_before", sa.Integer(), nullable=True),
        sa.Column("score_after", sa.Integer(), nullable=True),
        sa.Column("band_before", sa.Text(), nullable=True),
        sa.Column("band_after", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("value", JsonType(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("account", "number", name=op.f("pk_health_ledger")),
    )
    op.create_table(
        "imports",
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.Boolean(), nullable=False),
        sa.Column("at", InstantType(), nullable=False),
        sa.PrimaryKeyConstraint("file", name=op.f("pk_imports")),
    )
    op.create_table(
        "journeys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("play", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("step", sa.Text(), nullable=True),
        sa.Column("started_at", InstantType(), nullable=False),
        sa.Column("ended_at", InstantType(), nullable=True),
        sa.Column("wakes_at", InstantType(), nullable=True),
        sa.Column("arm", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journeys")),
    )
    with op.batch_alter_table("journeys", schema=None) as batch_op:
        batch_op.create_index("ix_journeys_account_started_at", ["account", "started_at"], unique=False)
        batch_op.create_index("ix_journeys_started_at", ["started_at", "id"], unique=False)
        batch_op.create_index("ix_journeys_play_status", ["play", "status"], unique=False)

    op.create_table(
        "log",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("history", sa.Boolean(), nullable=False),
        sa.Column("received_at", InstantType(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "offset", name=op.f("pk_log")),
        sa.UniqueConstraint("key", name=op.f("uq_log_key")),
    )
    op.create_table(
        "log_heads",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", name=op.f("pk_log_heads")),
    )
    op.create_table(
        "memberships",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("since", InstantType(), nullable=False),
        sa.PrimaryKeyConstraint("account", "segment", name=op.f("pk_memberships")),
    )
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.create_index("ix_memberships_segment", ["segment", "account"], unique=False)

    op.create_table(
        "messages",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("play", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("visit", sa.Integer(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_version", sa.Integer(), nullable=True),
        sa.Column("cls", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("due_at", InstantType(), nullable=False),
        sa.Column("valid_until", InstantType(), nullable=True),
        sa.Column("next_attempt_at", InstantType(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("held_since", InstantType(), nullable=True),
        sa.Column("held_until", InstantType(), nullable=True),
        sa.Column("quiet_time", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", InstantType(), nullable=True),
        sa.Column("arm_control", sa.Boolean(), nullable=False),
        sa.Column("data", JsonType(), nullable=True),
        sa.Column("charged_at", InstantType(), nullable=True),
        sa.Column("released_at", InstantType(), nullable=True),
        sa.Column("delivery", sa.Text(), nullable=False),
        sa.Column("lease_until", InstantType(), nullable=True),
        sa.Column("remote_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.create_index("ix_messages_account_charged_at", ["account", "charged_at"], unique=False)
        batch_op.create_index("ix_messages_contact_charged_at", ["contact", "charged_at"], unique=False)
        batch_op.create_index("ix_messages_journey", ["journey"], unique=False)
        batch_op.create_index("ix_messages_due_at", ["due_at", "id"], unique=False)
        batch_op.create_index("ix_messages_account_due_at", ["account", "due_at"], unique=False)
        batch_op.create_index(
            "ix_messages_waiting",
            ["next_attempt_at"],
            unique=False,
            postgresql_where=sa.text("status IN ('queued', 'held')"),
            sqlite_where=sa.text("status IN ('queued', 'held')"),
        )

    op.create_table(
        "open_signals",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("signal", sa.Text(), nullable=False),
        sa.Column("since", InstantType(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("evidence", JsonType(), nullable=False),
        sa.PrimaryKeyConstraint("account", "signal", name=op.f("pk_open_signals")),
    )
    with op.batch_alter_table("open_signals", schema=None) as batch_op:
        batch_op.create_index("ix_open_signals_signal", ["signal", "account"], unique=False)

    op.create_table(
        "positions",
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("moved_at", InstantType(), nullable=False),
        sa.PrimaryKeyConstraint("partition", name=op.f("pk_positions")),
    )
    op.create_table(
        "renderings",
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("message", name=op.f("pk_renderings")),
    )
    op.create_table(
        "tags",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "tag", name=op.f("pk_tags")),
    )
    with op.batch_alter_table("tags", schema=None) as batch_op:
        batch_op.create_index("ix_tags_tag", ["tag", "account"], unique=False)

    op.create_table(
        "fillings",
        sa.Column("stamp", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_at", InstantType(), nullable=False),
        sa.Column("moved_at", InstantType(), nullable=False),
        sa.Column("finished_at", InstantType(), nullable=True),
        sa.Column("last", sa.Text(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("accounts", sa.Integer(), nullable=False),
        sa.Column("made", JsonType(), nullable=False),
        sa.Column("measures", JsonType(), nullable=True),
        sa.PrimaryKeyConstraint("stamp", name=op.f("pk_fillings")),
    )
    op.create_table(
        "suppressions",
        sa.Column("address_key", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=True),
        sa.Column("at", InstantType(), nullable=False),
        sa.PrimaryKeyConstraint("address_key", name=op.f("pk_suppressions")),
    )
    op.create_table(
        "switches",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", InstantType(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_switches")),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("play", sa.Text(), nullable=True),
        sa.Column("journey", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("breached", sa.Boolean(), nullable=False),
        sa.Column("first_touch_by", InstantType(), nullable=True),
        sa.Column("resolve_by", InstantType(), nullable=True),
        sa.Column("sla_at", InstantType(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("created_at", InstantType(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    with op.batch_alter_table("tasks", schema=None) as batch_op:
        batch_op.create_index("ix_tasks_account_status", ["account", "status"], unique=False)
        batch_op.create_index("ix_tasks_owner_status", ["owner", "status"], unique=False)
        batch_op.create_index("ix_tasks_sla_at", ["sla_at"], unique=False)

    op.create_table(
        "unassigned",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("visitor", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("history", sa.Boolean(), nullable=False),
        sa.Column("letter", sa.Text(), nullable=True),
        sa.Column("kept_at", InstantType(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_unassigned")),
    )
    with op.batch_alter_table("unassigned", schema=None) as batch_op:
        batch_op.create_index("ix_unassigned_kept_at", ["kept_at"], unique=False)
        batch_op.create_index("ix_unassigned_visitor", ["visitor"], unique=False)

    op.create_table(
        "visitors",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sign_ins", JsonType(), nullable=False),
        sa.Column("seen_at", InstantType(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visitors")),
    )
    with op.batch_alter_table("visitors", schema=None) as batch_op:
        batch_op.create_index("ix_visitors_seen_at", ["seen_at"], unique=False)
