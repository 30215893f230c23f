"""One aggregate per account: what `react` is given and answers, packed as two values (architecture "Ways of building").

What nearly every event moves is packed apart from what few events change, so that the others neither pack nor write
that: measures and signals here; people, attributes, tickets and journeys there.
"""

from collections.abc import Callable
from operator import attrgetter, is_
from typing import Any, NamedTuple, TypeAlias

import msgspec

from journeys.journey import Journey
from journeys.squeeze import LARGE, is_squeezed, squeezed, unsqueezed
from signals.instant import Instant
from signals.profile import Profile
from signals.shortening import longer, shorter


class AccountState(msgspec.Struct):
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

    def journey(self, key: str) -> Journey | None:
        """The live journey of this id; None where it is none, or has ended."""
        return next((journey for journey in self.journeys if journey.id == key), None)

    def due(self) -> Instant | None:
        """The next instant at which something happens here without an event."""
        found = self.profile.look_at
        for journey in (*self.journeys, *self.goals):
            if journey.wakes_at is not None and (found is None or journey.wakes_at < found):
                found = journey.wakes_at
        return found


class Packed(NamedTuple):
    """A state as it is kept: what nearly every event moves, and what is known besides."""

    state: bytes
    known: bytes


MOVED = ("last_event_at", "seq", "seen", "measures", "signals", "segments", "look_at", "waits", "health")
"""Fields of a profile that nearly every event moves, and with it the account's clock."""

MEASURES = MOVED.index("measures")

KNOWN = tuple(name for name in Profile.__struct_fields__ if name not in MOVED)
"""Fields of a profile that few events change; so are its journeys."""

CLOCK = ("now", "stamp")
JOURNEYS = tuple(name for name in AccountState.__struct_fields__ if name != "profile" and name not in CLOCK)

_Fields: TypeAlias = Callable[[Any], tuple[Any, ...]]
_moved_of_profile: _Fields = attrgetter(*MOVED)
_known_of_profile: _Fields = attrgetter(*KNOWN)
_clock: _Fields = attrgetter(*CLOCK)
_journeys: _Fields = attrgetter(*JOURNEYS)


def _moved(state: AccountState) -> tuple[Any, ...]:
    return _moved_of_profile(state.profile) + _clock(state)


def _known(state: AccountState) -> tuple[Any, ...]:
    return _known_of_profile(state.profile) + _journeys(state)


_encode = msgspec.msgpack.Encoder().encode


def _decoder(of_profile: tuple[str, ...], of_state: tuple[str, ...]) -> Callable[[bytes], tuple[Any, ...]]:
    """Reads these fields, packed one after the other."""
    kinds = _kinds(Profile, of_profile) + _kinds(AccountState, of_state)
    return msgspec.msgpack.Decoder(tuple[tuple(kinds)]).decode  # type: ignore[misc]  # made at run time


def _kinds(struct: type[msgspec.Struct], names: tuple[str, ...]) -> list[Any]:
    kinds = {field.name: field.type for field in msgspec.structs.fields(struct)}
    return [kinds[name] for name in names]


_read_moved = _decoder(MOVED, CLOCK)
_read_known = _decoder(KNOWN, JOURNEYS)


def pack(state: AccountState) -> Packed:
    """The state as compact bytes."""
    return Packed(pack_moved(state), pack_known(state))


def pack_moved(state: AccountState) -> bytes:
    """What nearly every event moves."""
    fields = _moved(state)
    raw = _encode(fields)
    if len(raw) < LARGE:
        return raw
    short = shorter(state.profile.measures, state.profile.seen)
    return squeezed(_encode((*fields[:MEASURES], short, *fields[MEASURES + 1 :])))


def pack_known(state: AccountState) -> bytes:
    """What few events change."""
    raw = _encode(_known(state))
    return raw if len(raw) < LARGE else squeezed(raw)


def is_known_alike(old: AccountState, new: AccountState) -> bool:
    """Whether nothing few events change has been written to: what is written to is another object."""
    return all(map(is_, _known(old), _known(new)))


def unpack(state: bytes, known: bytes) -> AccountState:
    """The state from its bytes."""
    moved, rest = _read_moved(unsqueezed(state)), _read_known(unsqueezed(known))
    profile = Profile(**dict(zip(MOVED, moved, strict=False)), **dict(zip(KNOWN, rest, strict=False)))
    if is_squeezed(state):
        profile.measures = longer(profile.measures, profile.seen)
    clock = dict(zip(CLOCK, moved[len(MOVED) :], strict=True))
    return AccountState(profile, **dict(zip(JOURNEYS, rest[len(KNOWN) :], strict=True)), **clock)


def new_state(account: str, created_at: Instant, stamp: int = 0) -> AccountState:
    """An account seen for the first time; everything is looked at once."""
    return AccountState(Profile(id=account, created_at=created_at, look_at=None), stamp=stamp)
