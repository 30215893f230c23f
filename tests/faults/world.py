"""The world of a crash schedule: the real parts on a SQLite file, ports that can die, and a journal that cannot.

Production code has no hooks. A crash point is a call through a port: the database's transactions, the mail
channel's conversations, the feed between polling and taking. `Chaos` counts them and ends the process at the one
that was drawn, as SIGKILL would: nothing is flushed, nothing is closed, no `finally` runs.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import sqlalchemy as sa

from channels.headers import Mailbox
from channels.port import Blame, InDoubt, Mail, Outcome, Permanent, Ready, Sent, Temporary
from channels.render import Renderer
from faults.stream import FEED, the_playbook
from journeys.composer import Composer, Office
from journeys.store import sending
from journeys.store.database import Database
from journeys.store.log import StoredPositions
from signals.feeds.port import Record
from signals.instant import Instant

TEMPLATES = Path(__file__).parents[2] / "templates"
BOOK = the_playbook()
COMPOSER = Composer(
    Renderer.from_dir(TEMPLATES),
    Office(
        sender=Mailbox("success@example.com", "Success"),
        postal="Example Ltd, 1 Example Street",
        base_url="https://example.com",
        secret="a secret of sixteen characters",
    ),
)


class Journal:
    """What was seen from outside, in one order: lines that are on their way to disk once `write` returns."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, *words: str, durable: bool = False) -> None:
        """One line; a killed process leaves it whole or not at all (one `write` to an O_APPEND file)."""
        os.write(self._handle, (" ".join(words) + "\n").encode())
        if durable:
            os.fsync(self._handle)


class Chaos:
    """Counts the crash points a process comes by, and kills it at one of them."""

    def __init__(self, journal: Journal, fatal: int | None) -> None:
        self._journal, self._fatal, self.hits = journal, fatal, 0

    def point(self, name: str) -> None:
        """Perhaps the end of this process."""
        self.hits += 1
        if self.hits == self._fatal:
            self._journal.write("killed", name)
            os.kill(os.getpid(), signal.SIGKILL)


class MortalDatabase(Database):
    """The database, with crash points around every commit; notes what was handed over once that is committed."""

    def __init__(self, path: Path, chaos: Chaos, journal: Journal) -> None:
        super().__init__(f"sqlite:///{path}", durable=False, lock=False)
        self._chaos, self._journal = chaos, journal
        self.handing: list[str] = []

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        self._chaos.point("before transaction")
        self.handing.clear()
        with super().write() as connection:
            yield connection
            self._chaos.point("before commit")
        for message in self.handing:
            self._journal.write("handed", message)
        self._chaos.point("after commit")


def note_hand_over(database: MortalDatabase) -> None:
    """Let the database know which messages a transaction hands over (patched for the life of this process)."""
    original = sending.save_moves

    def save_moves(connection: sa.Connection, moves: Sequence[sending.Move]) -> None:
        original(connection, moves)
        database.handing += [
            move.message.id
            for move in moves
            if move.delivery == "handed" and move.message.status.value == "queued"
        ]

    sending.save_moves = save_moves


class Provider:
    """A mail provider whose mailbox is an append-only file, forced to disk at the moment of acceptance.

    What it answers depends on seed, message and attempt only; `meanwhile` is what else happens during a conversation.
    """

    def __init__(self, journal: Journal, chaos: Chaos, seed: int, meanwhile: Callable[[], None]) -> None:
        self._journal, self._chaos, self._seed, self._meanwhile = journal, chaos, seed, meanwhile
        self._tries: dict[str, int] = {}
        self._offered: Mail | None = None

    def post(self, mail: Mail) -> Outcome:
        """One conversation."""
        name = mail.message_id.strip("<>").partition("@")[0]
        attempt = self._tries[name] = self._tries.get(name, 0) + 1
        dice = Random(f"provider/{self._seed}/{mail.recipient}/{attempt}/{len(self._tries)}").random()
        self._chaos.point("before conversation")
        self._journal.write("talk", name, mail.recipient)
        self._meanwhile()
        if dice < 0.3:
            return Temporary("451 try later")
        if dice < 0.34:
            return Permanent("550 no such user", 550, Blame.ADDRESS)
        self._journal.write("accepted", name, mail.recipient, durable=True)
        self._chaos.point("after conversation")
        return InDoubt("cut after the dot") if dice < 0.4 else Sent(f"q{name[:6]}")

    def offer(self, mail: Mail) -> Ready | Temporary | Permanent:
        """Always ready."""
        self._offered = mail
        return Ready()

    def deliver(self) -> Outcome:
        """The offered mail, posted."""
        assert self._offered is not None
        return self.post(self._offered)

    def abandon(self) -> None:
        """Forgets the offer."""
        self._offered = None

    def close(self) -> None:
        """Nothing to let go of."""


class OutsideFeed:
    """A feed like Kafka's: records with gaps between their offsets, visible from their instant on."""

    def __init__(
        self, records: Sequence[Record], database: Database, chaos: Chaos, now: Callable[[], Instant]
    ) -> None:
        self._records, self._chaos, self._now = records, chaos, now
        self._positions = StoredPositions(database)
        self._next: int | None = None

    def poll(self, limit: int, timeout: float) -> Sequence[Record]:
        """Records not yet read."""
        if self._next is None:
            self._next = self._positions.next_offsets([FEED]).get(FEED, 0)
        found = [record for record in self._visible() if record.offset >= self._next][: min(limit, 3)]
        if found:
            self._next = found[-1].offset + 1
        self._chaos.point("between poll and take")
        return found

    def rewind(self, partition: str, offset: int) -> None:
        """Read again from there."""
        self._next = offset

    def oldest_unread(self) -> Instant | None:
        """When the oldest record not yet folded came in."""
        folded = self._positions.next_offsets([FEED]).get(FEED, 0)
        return next((one.received_at for one in self._visible() if one.offset >= folded), None)

    def close(self) -> None:
        """Nothing to give back."""

    def _visible(self) -> list[Record]:
        return [record for record in self._records if record.received_at <= self._now()]
