"""Running it: definitions and how they went live, keys, the audit and the answers to be given again."""

import sqlalchemy as sa

from journeys.store.tables.columns import At, Big, Bytes, Flag, Int, Json, Text, column, maybe, metadata

definitions = sa.Table(
    "definitions",
    metadata,
    column("kind", Text, primary_key=True),
    column("key", Text, primary_key=True),
    column("version", Int, primary_key=True, autoincrement=False),
    column("status", Text),
    column("body", Json),
    column("hash", Text),
    column("author", Text),
    column("created_at", At),
    maybe("activated_at", At),
    maybe("approved_by", Text),
    maybe("approved_at", At),
    # pin | migrate | drain: what its activation made of journeys on the versions before
    column("live", Text),
    column("since", Int),  # the stamp it became live with, 0 before
    column("ends", Flag),  # its live journeys end as `play_stopped`
)
brakes = sa.Table(
    "brakes",  # how the sends of each play have gone since it was last activated or resumed
    metadata,
    column("play", Text, primary_key=True),
    column("sends", Big),
    column("failed", Big),
)
fillings = sa.Table(
    "fillings",  # how far each set of live definitions has been brought to the accounts, in id order
    metadata,
    column("stamp", Int, primary_key=True, autoincrement=False),
    column("started_at", At),
    column("moved_at", At),
    maybe("finished_at", At),
    column("last", Text),
    column("done", Int),
    column("accounts", Int),
    column("made", Json),
    maybe("measures", Json),
)
switches = sa.Table(
    "switches",  # few words every process reads: the playbook's stamp, whether sending is stopped
    metadata,
    column("name", Text, primary_key=True),
    column("value", Text),
    column("at", At),
)
api_keys = sa.Table(
    "api_keys",
    metadata,
    column("id", Text, primary_key=True),
    column("name", Text),
    column("prefix", Text),
    column("hash", Bytes),
    column("scopes", Json),
    column("created_at", At),
    maybe("revoked_at", At),
    sa.UniqueConstraint("hash"),
)
audit = sa.Table(
    "audit",  # who changed what, in one chain: each row's `chain` is the hash of the row and of the chain before it
    metadata,
    column("number", Big, primary_key=True, autoincrement=False),
    column("at", At),
    column("actor", Text),
    column("action", Text),
    column("about", Text),
    maybe("from_hash", Text),
    maybe("to_hash", Text),
    column("detail", Json),
    column("chain", Text),
    sa.Index("ix_audit_about", "about", "number"),
)
answers = sa.Table(
    "answers",  # what was answered to an Idempotency-Key, to be answered again
    metadata,
    column("key", Text, primary_key=True),
    column("request_hash", Bytes),
    maybe("status", Int),
    maybe("body", Bytes),
    column("at", At),
)
