"""What is known of ids: which have become which, what others call them, where people are known. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from journeys.naming import ACCOUNT, CONTACT, Outside
from signals.event import Event
from signals.instant import Instant
from signals.joins import Join


class Alias(NamedTuple):
    """Who an id has become, and all joins among the ids that are one with it."""

    survivor: str
    joins: list[Join]


class Link(NamedTuple):
    """What a source calls one of ours."""

    outside: Outside
    id: str


class Merge(NamedTuple):
    """`old` becomes `into`, which are ids that had become no others; where they are the same, it is only learnt since
    when some id has been it. `join` is what was told, `joins` all that is known of those who are one now.
    """

    kind: str
    old: str
    into: str
    join: Join
    joins: list[Join]
    because: str
    accounts: frozenset[str]


class Found(NamedTuple):
    """An event with our ids, and what has to be joined before it is folded."""

    event: Event
    links: tuple[Link, ...] = ()
    merges: tuple[Merge, ...] = ()


class Facts(msgspec.Struct):
    """What is known of these; `joins` are those of survivors, `called` says which ids made of others' names are in use."""

    aliases: dict[str, dict[str, Alias]] = msgspec.field(default_factory=lambda: {ACCOUNT: {}, CONTACT: {}})
    joins: dict[tuple[str, str], list[Join]] = {}
    outside: dict[Outside, str] = {}
    homes: dict[str, set[str]] = {}
    addresses: dict[str, str] = {}
    first_seen: dict[str, Instant] = {}
    called: dict[tuple[str, str], bool] = {}


def last_of(joins: Iterable[Join]) -> str:
    """The id that has become no other; of several, the one the last merge says."""
    known = list(joins)
    gone = {join.old for join in known}
    return max(join for join in known if join.into not in gone).into


def leads(joins: Iterable[Join], one: str, other: str) -> bool:
    """Whether the one id became the other, step by step."""
    reached, before = {one}, 0
    while len(reached) != before:
        before = len(reached)
        reached |= {join.into for join in joins if join.old in reached}
    return other in reached
