"""What came in: the log, the events in it, and what could not be placed."""

import sqlalchemy as sa

from journeys.store.tables.columns import At, Big, Bytes, Flag, Int, Json, Text, column, maybe, metadata

log = sa.Table(
    "log",  # the embedded log: dense offsets, so that fold and compare-and-swap are those of Kafka
    metadata,
    column("partition", Int, primary_key=True, autoincrement=False),
    column("offset", Big, primary_key=True, autoincrement=False),
    column("key", Bytes),
    column("hash", Bytes),
    column("body", Bytes),
    column("history", Flag),
    column("received_at", At),
    sa.UniqueConstraint("key"),
)
log_heads = sa.Table(
    "log_heads",  # its row is the lock that keeps offsets dense and in commit order
    metadata,
    column("partition", Int, primary_key=True, autoincrement=False),
    column("next_offset", Big),
)
positions = sa.Table(
    "positions",  # where the fold has come to in each partition of any feed
    metadata,
    column("partition", Text, primary_key=True),
    column("next_offset", Big),
    column("moved_at", At),
)
events = sa.Table(
    "events",
    metadata,
    column("key", Bytes, primary_key=True),
    column("hash", Bytes),
    column("account", Text),
    column("time", At),
    column("type", Text),
    column("source", Text),
    column("id", Text),
    maybe("contact", Text),
    column("data", Json),
    column("received_at", At),
    column("timed", Flag),
    column("history", Flag),
    sa.Index("ix_events_account_time", "account", "time"),
)
visitors = sa.Table(
    "visitors",  # people of no account yet, and who visitors turned out to be; the lock of what waits for them
    metadata,
    column("id", Text, primary_key=True),
    column("sign_ins", Json),
    column("seen_at", At),
    sa.Index("ix_visitors_seen_at", "seen_at"),
)
unassigned = sa.Table(
    "unassigned",  # what these did, until it is known whose it is; `letter` is the dead letter that holds it too
    metadata,
    column("key", Bytes, primary_key=True),
    column("hash", Bytes),
    column("visitor", Text),
    column("body", Bytes),
    column("history", Flag),
    maybe("letter", Text),
    column("kept_at", At),
    sa.Index("ix_unassigned_visitor", "visitor"),
    sa.Index("ix_unassigned_kept_at", "kept_at"),
)
dead_letters = sa.Table(
    "dead_letters",
    metadata,
    column("id", Text, primary_key=True),
    column("at", At),
    column("reason", Text),
    column("detail", Text),
    column("partition", Text),
    column("offset", Big),
    maybe("value", Bytes),
    maybe("record_key", Bytes),
    column("headers", Json),
    maybe("replayed_at", At),
    sa.Index("ix_dead_letters_at", "at", "id"),
)
feeds = sa.Table(
    "feeds",  # what was heard of the feeds that promised to speak (policy `feeds`), since the promise was made
    metadata,
    column("source", Text, primary_key=True),
    column("every", Big, primary_key=True, autoincrement=False),
    column("types", Json),
    column("since", At),
    maybe("before", At),
    maybe("first", At),
    maybe("last", At),
    column("gaps", Json),
)
gaps = sa.Table(
    "gaps",  # records a feed has lost (I9): [first, next)
    metadata,
    column("partition", Text, primary_key=True),
    column("first_offset", Big, primary_key=True, autoincrement=False),
    column("next_offset", Big),
    column("at", At),
)
imports = sa.Table(
    "imports",  # how far a file has been read into the log: an import stopped half-way goes on from there
    metadata,
    column("file", Text, primary_key=True),
    column("rows", Big),
    column("finished", Flag),
    column("at", At),
)
