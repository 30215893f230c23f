"""Ids that turned out to be one: as whom a sender named somebody, and since when two names mean the same.

A merge changes no event. What was said of each id before counts for that id, what is said of either after it counts
for both; so it must be known under which id something was said, and when ids were joined. Both sets only grow, and
what follows from them does not depend on the order in which events and merges arrived.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from signals.instant import Instant

Name = tuple[str, str]
"""Account and contact as the sender named them."""


class Join(msgspec.Struct, array_like=True, frozen=True, gc=False, order=True):
    """Since `at`, `old` and `into` are one: two ids as the merge named them."""

    at: Instant
    old: str
    into: str


class Said(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The ids an event came with, where they have become others, and the joins that made them so."""

    account: str | None
    contact: str | None
    accounts: list[Join] = []
    contacts: list[Join] = []


def joined(*known: Iterable[Join]) -> list[Join]:
    """All of these joins, each once, in one order."""
    return sorted({join for joins in known for join in joins})


def same(joins: Sequence[Join], one: str, other: str, at: Instant) -> bool:
    """Whether the two ids meant the same at this instant."""
    if one == other:
        return True
    reached, before = {one}, 0
    while len(reached) != before:
        before = len(reached)
        for join in joins:
            if join.at <= at and (join.old in reached or join.into in reached):
                reached |= {join.old, join.into}
    return other in reached


def together(accounts: Sequence[Join], contacts: Sequence[Join], one: Name, other: Name, at: Instant) -> bool:
    """Whether two names of a person at an account meant the same at this instant."""
    return same(accounts, one[0], other[0], at) and same(contacts, one[1], other[1], at)


class RoleSet(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The whole set of roles as somebody wrote it: `[[role, since, until], …]`. `of`: the name it was written for,
    None where that is the one the contact has now.
    """

    at: Instant
    by: str
    value: list[list[Any]]
    of: Name | None = None


def as_one(
    written: Sequence[RoleSet], own: Name, accounts: Sequence[Join], contacts: Sequence[Join]
) -> list[RoleSet]:
    """The sets of one person in the order of time, whoever they were written for.

    A set replaces those of names that meant the same by then; beside the others it stands.
    """
    standing: dict[Name, list[list[Any]]] = {}
    sets = []
    for entry in written:
        name = own if entry.of is None else entry.of
        apart = [one for one in standing if not together(accounts, contacts, one, name, entry.at)]
        standing = {**{one: standing[one] for one in apart}, name: entry.value}
        sets.append(RoleSet(entry.at, entry.by, _union(standing.values())))
    return sets


def _union(sets: Iterable[list[list[Any]]]) -> list[list[Any]]:
    """Every role of these sets once, held for as long as any of them says."""
    held: dict[str, list[Any]] = {}
    for role, since, until in (entry for one in sets for entry in one):
        known = held.get(role)
        if known is None:
            held[role] = [role, since, until]
            continue
        begun = None if None in (known[1], since) else min(known[1], since)
        held[role] = [role, begun, None if None in (known[2], until) else max(known[2], until)]
    return list(held.values())
