"""One event of a batch, with where it came from."""

from typing import NamedTuple

from journeys.ids import Merge
from signals.event import Event
from signals.feeds.port import Record


class Arrival(NamedTuple):
    """One event of a batch with the record it came in, and its key and content hash as it was sent.

    `merges` are what has to be joined before it is folded.
    """

    event: Event
    record: Record
    history: bool
    key: bytes
    content: bytes
    merges: tuple[Merge, ...] = ()
