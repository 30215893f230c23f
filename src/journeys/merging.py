"""Two accounts, or two contacts, become one inside a transaction: states, rows, and what follows from it.

What was folded before is saved first and what comes after is folded into the survivor, so that a merge in the middle
of a batch costs the batch nothing but a cut. The survivor is counted anew from both histories and looked at as at any
event; firing and starting what follows is left to `react`, as always.
"""

from collections.abc import Iterable

import sqlalchemy as sa
from msgspec.structs import replace

from journeys.identity import Identity
from journeys.ids import Merge
from journeys.journey import Journey
from journeys.naming import ACCOUNT, asked_by
from journeys.react import Exit
from journeys.state import AccountState, new_state
from journeys.store import identities, outcomes
from journeys.work import Work
from signals.event import Event
from signals.fold import remember
from signals.instant import Instant
from signals.measures import Measure
from signals.merge import merge_accounts, merge_contacts, with_joins
from signals.profile import Profile

MERGED = "merged"
"""Why a journey ends whose account turned out to be one that goes through the same already."""


def recognise(connection: sa.Connection, events: Iterable[Event]) -> Identity:
    """Everything needed to resolve these events, in a fixed number of statements."""
    return Identity(identities.load(connection, asked_by(events)))


class Merging:
    """One merge. `work` is open on all its accounts, which have lived through what fell due up to now."""

    def __init__(self, work: Work, merge: Merge, event: Event, now: Instant, silent: bool) -> None:
        self._work, self._merge, self._event, self._now = work, merge, event, now
        self._silent = silent
        self._emitted = False

    def join(self) -> bool:
        """Make them one; True where something is to be done outside the accounts."""
        if self._merge.kind == ACCOUNT:
            self._join_accounts()
        else:
            self._join_contacts()
        identities.record(self._work.connection, self._merge, self._event, self._now)
        return self._emitted

    # ── accounts ───────────────────────────────────────────────────────────────────────────────────────────────

    def _join_accounts(self) -> None:
        work, merge = self._work, self._merge
        gone = work.states.pop(merge.old, None)
        if gone is None:
            return
        if merge.old == merge.into:
            self._put(replace(gone, profile=with_joins(gone.profile, merge.joins)))
            return
        kept = work.states.get(merge.into)
        if kept is None:
            kept = replace(new_state(merge.into, gone.profile.created_at, gone.stamp), now=gone.now)
        identities.move_account(work.connection, merge.old, merge.into)
        profile = merge_accounts(kept.profile, gone.profile, merge.joins)
        profile = self._counted(profile, list(work.playbook.watched.measures.values()))
        moved = [replace(journey, account=merge.into) for journey in gone.journeys]
        state = AccountState(
            profile,
            [*kept.journeys, *moved],
            {**gone.ended, **kept.ended, **_later(kept.ended, gone.ended)},
            [*kept.goals, *(replace(journey, account=merge.into) for journey in gone.goals)],
            max(kept.now, gone.now),
            kept.stamp,
        )
        self._put(state)
        for journey in superfluous(state.journeys):
            self._emitted |= work.feel(merge.into, Exit(journey.id, MERGED), self._now)

    # ── contacts ───────────────────────────────────────────────────────────────────────────────────────────────

    def _join_contacts(self) -> None:
        work, merge = self._work, self._merge
        identities.move_contact(work.connection, merge)
        keyed = [each for each in work.playbook.watched.measures.values() if each.keyed == "contact"]
        for account in sorted(merge.accounts & work.states.keys()):
            state = work.states[account]
            profile = merge_contacts(state.profile, merge.old, merge.into, merge.joins)
            if merge.old in state.profile.contacts and merge.old != merge.into:
                profile = self._counted(profile, keyed)
            journeys = [_of_person(journey, merge.old, merge.into) for journey in state.journeys]
            goals = [_of_person(journey, merge.old, merge.into) for journey in state.goals]
            self._put(replace(state, profile=profile, journeys=journeys, goals=goals))

    # ── both ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _counted(self, profile: Profile, measures: list[Measure]) -> Profile:
        """With these measures counted anew from the whole history, which is the survivor's by now."""
        if not measures:
            return profile
        histories = outcomes.histories(self._work.connection, [profile.id])
        return remember(profile, histories.get(profile.id, ()), measures, self._now)

    def _put(self, state: AccountState) -> None:
        """Take the state, and look at all of it."""
        account = state.profile.id
        state.profile.look_at, state.profile.waits = self._now, None
        self._work.states[account] = state
        self._emitted |= self._work.look(account, self._now, silent=self._silent)


def superfluous(journeys: Iterable[Journey]) -> list[Journey]:
    """Live journeys that one account cannot go through at once: of those of a group the highest priority goes on, of a
    play and key the first; then the one that started earlier, then the smaller id.
    """
    going: set[tuple[str, str]] = set()
    over = []
    for journey in sorted(journeys, key=lambda one: (-one.priority, one.started_at, one.id)):
        places = {("play", f"{journey.play}|{journey.key}")}
        if journey.group:
            places.add(("group", journey.group))
        if going & places:
            over.append(journey)
        else:
            going |= places
    return over


def _later(kept: dict[str, Instant], gone: dict[str, Instant]) -> dict[str, Instant]:
    return {key: max(kept[key], gone[key]) for key in kept.keys() & gone.keys()}


def _of_person(journey: Journey, old: str, into: str) -> Journey:
    """The journey where a person goes by another id: who caused it, and whose messages wait to be seen."""
    cause = journey.cause
    if cause is not None and cause.contact == old:
        cause = replace(cause, contact=into)
    fallbacks = [replace(each, contact=into) if each.contact == old else each for each in journey.fallbacks]
    return replace(journey, cause=cause, fallbacks=fallbacks)
