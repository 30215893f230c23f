"""Accounts, their people, and what is made of them: signals, tags, segments, scores and journeys."""

import sqlalchemy as sa

from journeys.store.tables.columns import At, Big, Bytes, Flag, Int, Json, Text, column, maybe, metadata

accounts = sa.Table(
    "accounts",
    metadata,
    column("id", Text, primary_key=True),
    column("version", Big),
    column("state", Bytes),  # what events move
    column("known", Bytes),  # what few of them change
    maybe("due_at", At),  # when to look at it at the latest; it may be early
    column("created_at", At),
    column("last_event_at", At),
    column("live_journeys", Int),
    maybe("name", Text),
    maybe("stage", Text),
    maybe("owner", Text),
    maybe("band", Text),
    sa.Index("ix_accounts_due_at", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    sa.Index("ix_accounts_owner", "owner", "id"),
    sa.Index("ix_accounts_stage", "stage", "id"),
    sa.Index("ix_accounts_band", "band", "id"),
    postgresql_with={"fillfactor": 60},  # room for the next version beside the one it follows
)
contacts = sa.Table(
    "contacts",
    metadata,
    column("account", Text, primary_key=True),
    column("id", Text, primary_key=True),
    maybe("email", Text),
    maybe("address_key", Text),
    maybe("name", Text),
    column("roles", Json),
    column("is_open", Flag),
    column("first_seen", At),
    sa.Index("ix_contacts_id", "id"),
    sa.Index("ix_contacts_address_key", "address_key"),
)
aliases = sa.Table(
    "aliases",  # ids of ours that have become others; `joins` are those of all that are one with the survivor
    metadata,
    column("id", Text, primary_key=True),
    column("kind", Text, primary_key=True),
    column("survivor", Text),
    column("joins", Json),
    sa.Index("ix_aliases_survivor", "survivor"),
)
external_ids = sa.Table(
    "external_ids",  # what a source calls an account or contact of ours
    metadata,
    column("kind", Text, primary_key=True),
    column("source", Text, primary_key=True),
    column("external", Text, primary_key=True),
    column("id", Text),
    column("at", At),
    sa.Index("ix_external_ids_id", "id"),
)
identity_merges = sa.Table(
    "identity_merges",  # which ids have become one, when and why: a row for each account concerned ("" for none)
    metadata,
    column("id", Text, primary_key=True),
    column("account", Text),
    column("kind", Text),
    column("old", Text),
    column("survivor", Text),
    column("at", At),
    column("because", Text),
    column("source", Text),
    column("event", Text),
    column("merged_at", At),
    sa.Index("ix_identity_merges_account_at", "account", "at"),
)
open_signals = sa.Table(
    "open_signals",
    metadata,
    column("account", Text, primary_key=True),
    column("signal", Text, primary_key=True),
    column("since", At),
    column("severity", Text),
    column("evidence", Json),
    sa.Index("ix_open_signals_signal", "signal", "account"),
)
tags = sa.Table(
    "tags",
    metadata,
    column("account", Text, primary_key=True),
    column("tag", Text, primary_key=True),
    sa.Index("ix_tags_tag", "tag", "account"),
)
memberships = sa.Table(
    "memberships",
    metadata,
    column("account", Text, primary_key=True),
    column("segment", Text, primary_key=True),
    column("since", At),
    sa.Index("ix_memberships_segment", "segment", "account"),
)
health_ledger = sa.Table(
    "health_ledger",  # what moved each account's score, whole points for whole points; `number` counts per account
    metadata,
    column("account", Text, primary_key=True),
    column("number", Big, primary_key=True, autoincrement=False),
    column("at", At),
    column("kind", Text),
    column("key", Text),
    column("points", Int),
    maybe("score_before", Int),
    maybe("score_after", Int),
    maybe("band_before", Text),
    maybe("band_after", Text),
    column("version", Text),
    maybe("value", Json),
    maybe("cause", Text),
)
journeys = sa.Table(
    "journeys",
    metadata,
    column("id", Text, primary_key=True),
    column("account", Text),
    column("play", Text),
    column("version", Int),
    maybe("key", Text),
    column("status", Text),
    maybe("reason", Text),
    maybe("step", Text),
    column("started_at", At),
    maybe("ended_at", At),
    maybe("wakes_at", At),
    maybe("arm", Text),
    sa.Index("ix_journeys_account_started_at", "account", "started_at"),
    sa.Index("ix_journeys_started_at", "started_at", "id"),
    sa.Index("ix_journeys_play_status", "play", "status"),
)
