"""Atoms on an attribute of the account, of the contact or of the event: compared, dated, and for how long."""

from collections.abc import Iterator
from typing import Any

from signals.attributes import DERIVED, account_value, contact_value, tokens
from signals.conditions.atoms import AttributeAtom
from signals.conditions.node import Answer, Evidence, Moment, Node, soonest
from signals.conditions.states import ConditionRefused, next_role_change, plain
from signals.instant import Duration, Instant
from signals.measures import Measure
from signals.operators import MISSING, Predicate, as_instant, dig, mistyped, predicate, ratio
from signals.profile import Contact, Profile
from signals.runs import RatioRun, Run

_NO_COMPARISON = {"attribute", "for_", "within", "past", "last", "per"}


class AttributeNode(Node):
    """`{attribute: account.plan, is: pro, for: 7d}`."""

    def __init__(self, source: dict[str, Any], atom: AttributeAtom) -> None:
        super().__init__(source)
        self.root, *path = atom.attribute.split(".")
        if self.root not in ("account", "contact", "event") or not path:
            raise ConditionRefused(
                f"{atom.attribute!r} names no attribute: start with account., contact. or event."
            )
        self.path = tuple(path)
        self.atom = atom
        self.holds_for = atom.for_
        self.divisor = None if atom.per is None else tuple(atom.per.removeprefix("account.").split("."))
        compares = atom.model_fields_set - _NO_COMPARISON
        self.matches = predicate(atom) if compares else None
        self.dated = [
            (word, span) for word in ("within", "past", "last") if (span := getattr(atom, word)) is not None
        ]
        past_kept = self.root == "account" and not DERIVED.keys() & {path[0], (self.divisor or path)[0]}
        if atom.for_ is not None and (not past_kept or self.dated):
            raise ConditionRefused(
                "for needs an attribute of the account whose past is kept, and no date word"
            )
        self.run = None if atom.for_ is None or self.matches is None else self._course(self.matches)

    def _course(self, test: Predicate) -> Run | RatioRun:
        """What must be kept of the past to say how long it has been so."""
        words = self.atom.model_dump(exclude_unset=True, exclude=_NO_COMPARISON)
        if self.divisor is None:
            return Run(self.path, words, test)
        return RatioRun(self.path, self.divisor, test)

    def value(self, moment: Moment) -> tuple[Any, Instant | None]:
        """The value asked about (already divided by `per`) and until when it stands."""
        value, until = self._given(moment)
        if self.divisor is None:
            return value, until
        by, by_until = account_value(moment.profile, self.divisor, moment.now)
        return ratio(value, by), soonest(until, by_until)

    def _given(self, moment: Moment) -> tuple[Any, Instant | None]:
        if self.root == "account":
            return account_value(moment.profile, self.path, moment.now)
        if self.root == "contact":
            contact = moment.contact
            if contact is None:
                return MISSING, None
            until = next_role_change([contact], None, moment.now) if self.path[0] == "roles" else None
            return contact_value(moment.profile, contact, self.path, moment.now), until
        event = moment.event
        if event is None:
            return MISSING, None
        if self.path[0] == "data":
            return dig(event.data, self.path[1:]), None
        return dig({"type": event.type, "contact": event.contact, "source": event.source}, self.path), None

    def test(self, moment: Moment) -> Answer:
        value, until = self.value(moment)
        holds: bool | None = self.matches is None or self.matches(value)
        for word, span in self.dated:
            instant = as_instant(value) if isinstance(value, str) else None
            if instant is None:
                return False, until
            within, flips = _date_holds(word, span, instant, moment.now)
            holds, until = holds and within, soonest(until, flips)
        if self.holds_for is None or not holds:
            return holds, until
        matures = self._since(moment.profile) + self.holds_for
        return (True, until) if moment.now >= matures else (False, soonest(until, matures))

    def _since(self, profile: Profile) -> Instant:
        """Since when the comparison has held without a break: the same value again does not restart it."""
        assert self.run is not None
        since: Instant | None = None
        for at, holds in self.run.steps(profile.measures.get(self.run.id)):
            if not holds:
                break
            since = at
        else:  # so it has been since the first write, and before that the value was missing
            if since is not None and self.run.test(MISSING):
                return min(since, profile.created_at)
        return profile.created_at if since is None else since

    def saw(self, moment: Moment) -> Any:
        return plain(self.value(moment)[0])

    def as_of(self, moment: Moment) -> Instant | None:
        owner: Profile | Contact | None = moment.profile if self.root == "account" else moment.contact
        writes = [] if owner is None or self.root == "event" else owner.attributes.get(self.path[0], [])
        return writes[-1].at if writes else None

    def because(self, moment: Moment) -> Iterator[Evidence]:
        for evidence in super().because(moment):
            undated = self.dated and not _is_date(self.value(moment)[0])
            wrong = undated or mistyped(self.atom, self.value(moment)[0])
            yield {**evidence, "because": "type"} if wrong and not evidence["holds"] else evidence

    def reads(self) -> Iterator[str]:
        if self.root == "account":
            yield from tokens(self.path[0])
        else:
            yield "contacts"
        if self.divisor is not None:
            yield from tokens(self.divisor[0])
        if self.run is not None:
            yield f"measure:{self.run.id}"
            yield from tokens("created_at")  # since when a missing value has been missing

    def measures(self) -> Iterator[Measure]:
        if self.run is not None:
            yield self.run


def _is_date(value: Any) -> bool:
    return value is MISSING or (isinstance(value, str) and as_instant(value) is not None)


def _date_holds(word: str, span: Duration, date: Instant, now: Instant) -> Answer:
    """within: now <= d <= now+span; past: d <= now-span; last: now-span < d <= now."""
    if word == "within":
        if now < date - span:
            return False, date - span
        return (True, date + 1) if now <= date else (False, None)
    if word == "past":
        return (True, None) if now >= date + span else (False, date + span)
    if now < date:
        return False, date
    return (True, date + span) if now < date + span else (False, None)
