"""One aggregate per account: what `react` is given and answers, packed as one value (architecture "Ways of building")."""

import msgspec

from journeys.journey import Journey
from signals.instant import Instant
from signals.profile import Profile


class AccountState(msgspec.Struct, array_like=True):
    """Profile, live journeys, and when each play last ended. Tasks and messages lie in rows of their own.

    `goals` are journeys that have ended by themselves and whose goal may still be reached within its window.

    `now` is the account's clock: monotone, the instant of the last reaction. `stamp` is that of the playbook the
    profile was last brought to: another one means that newly watched measures are still to be filled from history.
    """

    profile: Profile
    journeys: list[Journey] = []
    ended: dict[str, Instant] = {}
    goals: list[Journey] = []
    now: Instant = 0
    stamp: int = 0

    def due(self) -> Instant | None:
        """The next instant at which something happens here without an event."""
        found = self.profile.look_at
        for journey in (*self.journeys, *self.goals):
            if journey.wakes_at is not None and (found is None or journey.wakes_at < found):
                found = journey.wakes_at
        return found


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(AccountState)


def pack(state: AccountState) -> bytes:
    """The state as compact bytes."""
    return _ENCODER.encode(state)


def unpack(raw: bytes) -> AccountState:
    """The state from its bytes."""
    return _DECODER.decode(raw)


def new_state(account: str, created_at: Instant, stamp: int = 0) -> AccountState:
    """An account seen for the first time; everything is looked at once."""
    return AccountState(Profile(id=account, created_at=created_at, look_at=None), stamp=stamp)
