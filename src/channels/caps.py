"""Frequency caps: how many sends count at an instant, and exactly when there is room again."""

from collections.abc import Iterable
from datetime import timedelta
from zoneinfo import ZoneInfo

import msgspec

from channels.local_time import local_date, start_of_day
from signals.instant import Duration, Instant


class Room(msgspec.Struct, frozen=True):
    """`used` of `cap`; `full_until` is when room appears, None where there is room (or no cap)."""

    used: int
    cap: int | None
    full_until: Instant | None


def room_today(sends: Iterable[Instant], cap: int | None, now: Instant, place: ZoneInfo) -> Room:
    """Room under a cap per local calendar day. It comes back as the next local day begins."""
    today = local_date(now, place)
    begun = start_of_day(today, place)
    used = sum(sent >= begun for sent in sends)
    if cap is None or used < cap:
        return Room(used, cap, None)
    return Room(used, cap, start_of_day(today + timedelta(days=1), place))


def room_within(sends: Iterable[Instant], cap: int | None, now: Instant, window: Duration) -> Room:
    """Room under a cap over (now - window, now]. It comes back as enough of the oldest leave the window."""
    counted = sorted(sent for sent in sends if sent > now - window)
    if cap is None or len(counted) < cap:
        return Room(len(counted), cap, None)
    return Room(len(counted), cap, counted[len(counted) - cap] + window)
