"""Broken versions of the protocol (guarantees F3): each must be caught by a checker, or the checkers prove nothing.

A mutant is a function that patches modules; it is called in the forked process only, before it lives its life.
"""

# A mutant breaks what the types promise: that is its purpose.
# mypy: disable-error-code="attr-defined, assignment, method-assign, no-any-return, var-annotated, arg-type"

from collections.abc import Callable, Sequence
from secrets import token_hex
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace

from channels.message import Status
from channels.port import InDoubt, Mail, Temporary
from journeys import batch, dispatcher, facts, rounds, service, work
from journeys.composer import Office
from journeys.store import accounts, bulk, dead, log, outcomes, sending
from journeys.store.tables import positions
from signals.feeds.port import Record

_take = service.Service.take
_move = batch.move


def _alone(database: Any, records: Sequence[Record], now: int) -> None:
    """Move the position past these records in a transaction of its own."""
    with database.write() as connection:
        current = batch.position(connection, records[0].partition)
        if records[-1].offset >= current:
            _move(connection, records[0].partition, current, records[-1].offset + 1, now)


def offset_before_effects() -> None:
    """The position is committed first, the effects after it."""
    position = batch.position

    def take(self: Any, records: Sequence[Record], now: int) -> Any:
        batch.position = position
        with self._database.read() as connection:
            current = position(connection, records[0].partition)
        _alone(self._database, records, now)
        batch.position = lambda *_: current
        return _take(self, records, now)

    batch.move = lambda *_: None
    service.Service.take = take


def offset_after_effects() -> None:
    """The effects are committed first, the position after them."""

    def take(self: Any, records: Sequence[Record], now: int) -> Any:
        taken = _take(self, records, now)
        _alone(self._database, records, now)
        return taken

    batch.move = lambda *_: None
    service.Service.take = take


def no_dedupe() -> None:
    """Nobody asks whether an event has been folded already, and the table of events does not mind."""
    known, insert = log._known, bulk.insert

    def only_waiting(connection: sa.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        waiting = set(connection.execute(sa.select(log.log.c.key)).scalars())
        return {key: content for key, content in known(connection, keys).items() if key in waiting}

    def tolerant(connection: sa.Connection, table: sa.Table, rows: Sequence[Any]) -> None:
        (bulk.insert_new if table.name == "events" else insert)(connection, table, rows)

    log._known, bulk.insert = only_waiting, tolerant
    outcomes.known_hashes = lambda *_: {}


def no_conflict_check() -> None:
    """The same id with other content is taken for the same again."""
    known = outcomes.known_hashes

    class Anything(dict):  # type: ignore[type-arg]
        def get(self, key: bytes, default: Any = None) -> Any:
            return _Same() if key in self else default

    outcomes.known_hashes = lambda *given: Anything(known(*given))


class _Same:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = object.__hash__


def no_claim() -> None:
    """`handed` is not committed before the conversation: the message still waits while it is being sent."""
    save = sending.save_moves
    load = sending.load_handed

    def save_moves(connection: sa.Connection, moves: Sequence[sending.Move]) -> None:
        save(connection, [_unhanded(move) for move in moves])

    def load_handed(connection: sa.Connection, ids: Sequence[str]) -> Any:
        wanted = sa.select(sending.messages).where(sending.messages.c.id.in_(list(ids)))
        waiting = connection.execute(wanted.where(sending.messages.c.delivery == "new")).all()
        return [*load(connection, ids), *_as_loaded(waiting)]

    sending.save_moves, sending.load_handed = save_moves, load_handed


def _as_loaded(rows: Sequence[Any]) -> list[Any]:
    return [sending.Handed(outcomes.message_of(row), row.charged_at, row.released_at) for row in rows]


def _unhanded(move: sending.Move) -> sending.Move:
    handed = move.delivery == "handed" and move.message.status is Status.QUEUED
    waiting = replace(move.message, next_attempt_at=move.charged_at)
    return replace(move, message=waiting, delivery="new") if handed else move


def blind_resend() -> None:
    """A message whose process died is simply sent again."""

    def rescue(self: Any, now: int) -> int:
        with self._database.write() as connection:
            lost = sa.update(sending.messages).where(
                sending.messages.c.delivery == "handed", sending.messages.c.status == "queued"
            )
            return connection.execute(lost.values(delivery="new", next_attempt_at=now)).rowcount

    dispatcher.Dispatcher.rescue = rescue


def sent_before_conversation() -> None:
    """The message is noted as sent, then the provider is talked to."""
    save = sending.save_moves

    def save_moves(connection: sa.Connection, moves: Sequence[sending.Move]) -> None:
        save(connection, [_presumed(move) for move in moves])

    sending.save_moves = save_moves


def _presumed(move: sending.Move) -> sending.Move:
    handed = move.delivery == "handed" and move.message.status is Status.QUEUED
    sent = replace(move.message, status=Status.SENT, sent_at=move.charged_at)
    return replace(move, message=sent, delivery="settled") if handed else move


def no_compare_and_swap() -> None:
    """A worker believes what it polled and sets the position, whatever it is; an old owner's batch comes late."""
    _late_owner()

    def move(connection: sa.Connection, partition: str, expected: int, following: int, now: int) -> None:
        row = {"partition": partition, "next_offset": following, "moved_at": now}
        service.bulk.upsert(connection, positions, [row])

    batch.move = move


def _late_owner() -> None:
    """Every other batch is taken once more, by an owner that does not know it has been."""
    batch.position = lambda connection, partition: 0

    def take(self: Any, records: Sequence[Record], now: int) -> Any:
        taken = _take(self, records, now)
        if len(records) > 1:
            _take(self, records[:-1], now)
        return taken

    service.Service.take = take


def no_version_check() -> None:
    """What this process remembers of an account is taken for what the database has, at the version it has."""
    locked = accounts.lock_and_load

    def lock_and_load(connection: sa.Connection, ids: Any) -> Any:
        kept = dict(connection.info["kept"])
        found = locked(connection, ids)
        return {name: replace(loaded, state=kept.get(name, loaded).state) for name, loaded in found.items()}

    accounts.lock_and_load = lock_and_load


def dead_letter_outside() -> None:
    """Dead letters are written after the batch, in a transaction of their own."""
    bury = dead.bury

    def take(self: Any, records: Sequence[Record], now: int) -> Any:
        letters: list[Any] = []
        dead.bury = lambda connection, found, at: letters.extend(found)
        taken = _take(self, records, now)
        with self._database.write() as connection:
            bury(connection, letters, now)
        return taken

    service.Service.take = take


def suppression_only_at_enqueue() -> None:
    """Suppression and consent are not asked again when the message is sent."""
    load = sending.load_ledger

    def load_ledger(*given: Any) -> sending.Ledger:
        ledger = load(*given)
        ledger.suppressed, ledger.consents = {}, {}
        return ledger

    sending.load_ledger = load_ledger


def exit_not_rechecked() -> None:
    """Whether the journey still lives is not asked again when the message is sent, nor when it could not be."""
    made = facts.facts_for

    def facts_for(*given: Any) -> Any:
        return replace(made(*given), journey_live=True, exit_holds=False, goal_holds=False)

    rounds.facts_for = facts_for
    dispatcher._is_live = lambda *_: True


def exit_leaves_messages() -> None:
    """The messages of a journey that ends are left waiting, and nobody asks again when they are sent."""
    outcomes.cancel_messages = lambda *_: set()
    exit_not_rechecked()


def random_message_id() -> None:
    """Every attempt has a name of its own."""
    mail = Office.mail

    def named(self: Office, message: Any, rendered: Any, now: int) -> Mail:
        made: Mail = mail(self, message, rendered, now)
        return Mail(made.sender, made.recipient, f"<{token_hex(16)}@example.com>", made.content)

    Office.mail = named


def no_decision() -> None:
    """What the provider answered leaves no decision."""
    work.Work.decide = lambda self, made: None


def no_rescue() -> None:
    """Nobody looks after messages whose process died."""
    dispatcher.Dispatcher.rescue = lambda self, now: 0


def doubt_is_temporary() -> None:
    """An answer that leaves doubt is taken for a refusal, and the message is sent again."""
    after = dispatcher.after

    def temporary(handed: Any, outcome: Any, *rest: Any) -> Any:
        if isinstance(outcome, InDoubt):
            outcome = Temporary(outcome.detail)
        return after(handed, outcome, *rest)

    dispatcher.after = temporary


def effects_split() -> None:
    """States are committed apart from the events that made them."""
    save = work.Work.save

    def twice(self: Any) -> None:
        save(self)
        self.connection.exec_driver_sql("COMMIT")
        self.connection.exec_driver_sql("BEGIN IMMEDIATE")

    work.Work.save = twice


MUTANTS: dict[str, Callable[[], None]] = {
    each.__name__: each
    for each in (
        offset_before_effects,
        offset_after_effects,
        no_dedupe,
        no_conflict_check,
        no_claim,
        blind_resend,
        sent_before_conversation,
        no_compare_and_swap,
        no_version_check,
        dead_letter_outside,
        suppression_only_at_enqueue,
        exit_not_rechecked,
        exit_leaves_messages,
        random_message_id,
        no_decision,
        no_rescue,
        doubt_is_temporary,
        effects_split,
    )
}
"""By name."""
