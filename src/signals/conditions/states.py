"""Atoms on what a profile is: milestones, segments, stage, tags, signals, roles."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from signals.attributes import account_value, tokens
from signals.conditions.atoms import NotReachedAtom, ReachedAtom, RoleAtom, SignalAtom
from signals.conditions.node import Answer, Moment, Node, soonest
from signals.instant import DAY, Instant, format_duration, iso
from signals.measures import leaves_window
from signals.operators import MISSING, as_instant
from signals.profile import Contact, Profile, ever_held, holders
from signals.sieve import Code, Guard, when

VACANT_AFTER = 14 * DAY
"""A role nobody ever held is vacant once the account is this old (semantics §3)."""


class ConditionRefused(ValueError):
    """A condition that is well-formed but cannot mean anything; the message says why."""


def plain(value: Any) -> Any:
    """MISSING as None, for evidence."""
    return None if value is MISSING else value


class ReachedNode(Node):
    """`{reached: activated, for: 30d}`."""

    def __init__(self, source: dict[str, Any], atom: ReachedAtom) -> None:
        super().__init__(source)
        self.milestone, self.holds_for = atom.reached, atom.for_ or 0

    def test(self, moment: Moment) -> Answer:
        at = moment.profile.milestones.get(self.milestone)
        if at is None:
            return False, None
        matures = at + self.holds_for
        return (True, None) if moment.now >= matures else (False, matures)

    def saw(self, moment: Moment) -> Any:
        at = moment.profile.milestones.get(self.milestone)
        return "never reached" if at is None else f"reached {iso(at)}"

    def reads(self) -> Iterator[str]:
        yield f"milestone:{self.milestone}"


class NotReachedNode(Node):
    """`{not_reached: activated, since: account.created_at, for: 14d}`."""

    def __init__(self, source: dict[str, Any], atom: NotReachedAtom) -> None:
        super().__init__(source)
        self.milestone, self.holds_for = atom.not_reached, atom.for_
        self.since = tuple(atom.since.removeprefix("account.").split("."))

    def counts_from(self, moment: Moment) -> Instant | None:
        """From when the milestone has been waited for; None where that instant is missing."""
        value, _ = account_value(moment.profile, self.since, moment.now)
        return as_instant(value) if isinstance(value, str) else None

    def test(self, moment: Moment) -> Answer:
        if self.milestone in moment.profile.milestones:
            return False, None
        started = self.counts_from(moment)
        if started is None:
            return False, None
        matures = started + self.holds_for
        return (True, None) if moment.now >= matures else (False, matures)

    def saw(self, moment: Moment) -> Any:
        at = moment.profile.milestones.get(self.milestone)
        if at is not None:
            return f"reached {iso(at)}"
        started = self.counts_from(moment)
        if started is None:
            return f"account.{'.'.join(self.since)} is missing"
        return f"not reached in {format_duration((moment.now - started) // DAY * DAY)}"

    def reads(self) -> Iterator[str]:
        yield f"milestone:{self.milestone}"
        yield f"attribute:{self.since[0]}"


class MemberNode(Node):
    """`{segment: x}`, `{stage: x}`, `{tag: x}`: a state the definitions have put the account in."""

    def __init__(self, source: dict[str, Any], token: str, member: Callable[[Profile], bool]) -> None:
        super().__init__(source)
        self.token, self.member = token, member

    def test(self, moment: Moment) -> Answer:
        return self.member(moment.profile), None

    def saw(self, moment: Moment) -> Any:
        return "yes" if self.member(moment.profile) else "no"

    def reads(self) -> Iterator[str]:
        yield self.token


class SignalNode(Node):
    """`{signal: champion_left}` (open now), `{signal: champion_left, in: 30d}` (fired)."""

    def __init__(self, source: dict[str, Any], atom: SignalAtom) -> None:
        super().__init__(source)
        self.signal, self.window = atom.signal, atom.in_

    def test(self, moment: Moment) -> Answer:
        state = moment.profile.signals.get(self.signal)
        if self.window is None:
            return state is not None and state.open, None
        if state is None or state.last_fired is None:
            return False, None
        leaves = leaves_window(state.last_fired, self.window)
        return (True, leaves) if moment.now < leaves else (False, None)

    def surely(self, holds: bool, code: Code) -> Guard | None:
        if self.window is not None:
            return None
        return when(f"{code.constant(self.signal)} {'in' if holds else 'not in'} opened")

    def saw(self, moment: Moment) -> Any:
        state = moment.profile.signals.get(self.signal)
        if state is None or not (state.open or state.last_fired):
            return "never"
        fired = "" if state.last_fired is None else f", last fired {iso(state.last_fired)}"
        return f"{'open since ' + iso(state.since) if state.open else 'closed'}{fired}"

    def reads(self) -> Iterator[str]:
        yield f"signal:{self.signal}"


class RoleNode(Node):
    """`{role: champion, vacant: true}`: nobody holds it, and someone ever did or the account is older than 14 d."""

    def __init__(self, source: dict[str, Any], atom: RoleAtom) -> None:
        super().__init__(source)
        self.role, self.vacant = atom.role, atom.vacant

    def test(self, moment: Moment) -> Answer:
        profile, now = moment.profile, moment.now
        until = role_changes(profile, self.role, now)
        held = bool(holders(profile, self.role, now))
        if not self.vacant or held:
            return held is not self.vacant, until
        matures = profile.created_at + VACANT_AFTER
        if ever_held(profile, self.role, now) or now >= matures:
            return True, until
        return False, soonest(until, matures)

    def saw(self, moment: Moment) -> Any:
        found = holders(moment.profile, self.role, moment.now)
        return ", ".join(span.contact for span in found) or "nobody"

    def reads(self) -> Iterator[str]:
        yield "roles"
        yield from tokens("created_at")


def role_changes(profile: Profile, role: str, now: Instant) -> Instant | None:
    """The next instant at which a dated role begins or ends by itself."""
    return next_role_change(profile.contacts.values(), role, now)


def next_role_change(contacts: Iterable[Contact], role: str | None, now: Instant) -> Instant | None:
    """The next instant at which a role of these people (None: any role) begins or ends by itself."""
    coming = [
        instant
        for contact in contacts
        for span in contact.spans
        if role is None or span.role == role
        for instant in (span.since, span.until)
        if instant is not None and instant > now
    ]
    return min(coming, default=None)
