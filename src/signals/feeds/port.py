"""The port every feed keeps (contract suite: tests/contract/test_feeds.py)."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from signals.instant import Instant


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record of a partition, its bytes untouched."""

    partition: str  # "<topic>/<number>"; the embedded log's are "log/<number>"
    offset: int
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    key: bytes | None = None
    received_at: Instant = 0


class Positions(Protocol):
    """Where the truth about offsets lives: the database, beside the effects of the records before them."""

    def next_offsets(self, partitions: Sequence[str]) -> Mapping[str, int]:
        """The next offset to read for each partition known; one never read from is absent."""
        ...


class Feed(Protocol):
    """A source of records. Not thread-safe: one worker owns it."""

    def poll(self, limit: int, timeout: float) -> Sequence[Record]:
        """Up to `limit` records of one partition in offset order; empty when `timeout` seconds brought none."""
        ...

    def rewind(self, partition: str, offset: int) -> None:
        """Read the partition again from `offset`, because the transaction that held its records was rolled back."""
        ...

    def oldest_unread(self) -> Instant | None:
        """When the oldest record still unread came in; None when all has been read. The clock stays behind it."""
        ...

    def close(self) -> None:
        """Give the partitions back."""
        ...


class FeedBroken(Exception):
    """The feed cannot go on by itself (a gap in the log, a wedged client); the worker stops it and says so.

    `gap` is (partition, first missing offset, next offset there is) where records are gone (I9).
    """

    def __init__(self, detail: str, gap: tuple[str, int, int] | None = None) -> None:
        super().__init__(detail)
        self.gap = gap
