"""The wall clock: the one place where the real time is read."""

import time

from signals.instant import Instant


def wall_clock() -> Instant:
    """Now, in microseconds."""
    return time.time_ns() // 1_000
