"""What events change of the marks on an account: its holds, milestones and tags."""

from typing import Any

from signals.effects.accounts import instant_of
from signals.event import Event
from signals.instant import Instant
from signals.profile import EVERY_HOLD, Profile, Write, newest, tie

_NO_HOLD: list[Any] = [0, 0, None, None]

HOLDS_OPEN = {
    "crm.escalation_opened": "escalation",
    "crm.negotiation_started": "negotiation",
    "billing.dispute_opened": "dispute",
}

HOLDS_CLOSE = {
    "crm.escalation_closed": "escalation",
    "crm.negotiation_ended": "negotiation",
    "billing.dispute_closed": "dispute",
}


def place_hold(profile: Profile, reason: str, at: Instant, until: Instant | None, author: str | None) -> None:
    """The account hold stands from `at`; reasons are holds of their own."""
    kept = profile.holds.get(reason, _NO_HOLD)
    placed = [at, kept[1], until, author]
    profile.holds[reason] = max(kept, placed, key=placed_last)


def placed_last(hold: list[Any]) -> tuple[Instant, bool, Instant, str]:
    """Of two holds placed at one instant the one that lasts longer counts, whichever arrived first."""
    opened, _, until, author = hold
    return opened, until is None, until or 0, author or ""


def release_hold(profile: Profile, reason: str, at: Instant) -> None:
    """The account hold ends at `at`, unless it was placed again later."""
    opened, closed, *rest = profile.holds.get(reason, _NO_HOLD)
    profile.holds[reason] = [opened, max(closed, at), *rest]


def open_hold(profile: Profile, event: Event, touched: set[str]) -> None:
    """The account is put on hold, for the reason the event's type or data names."""
    reason = HOLDS_OPEN.get(event.type) or str(event.data.get("reason") or "manual")
    place_hold(profile, reason, event.time, instant_of(event.data.get("until")), event.data.get("author"))
    touched.add("holds")


def close_hold(profile: Profile, event: Event, touched: set[str]) -> None:
    """One hold of the account ends; without a reason, every hold."""
    reason = HOLDS_CLOSE.get(event.type) or event.data.get("reason") or EVERY_HOLD
    release_hold(profile, str(reason), event.time)
    touched.add("holds")


def reach(profile: Profile, milestone: str, at: Instant, touched: set[str]) -> None:
    """The milestone was reached at `at`; the first time counts."""
    known = profile.milestones.get(milestone)
    if known is None or at < known:
        profile.milestones[milestone] = at
        touched.add(f"milestone:{milestone}")


def note_milestone(profile: Profile, event: Event, touched: set[str]) -> None:
    """A milestone that the product reports."""
    if isinstance(event.data.get("milestone"), str):
        reach(profile, event.data["milestone"], event.time, touched)


def give_tags(profile: Profile, event: Event, touched: set[str]) -> None:
    """Tags given by hand or by a play; those of segments come and go with the segment."""
    for word, given in (("add", True), ("remove", False)):
        for tag in event.data.get(word) or []:
            said = newest(profile.tag_words.get(tag), Write(event.time, tie(event), given))
            profile.tag_words[tag] = said
    settle_tags(profile)
    touched.update(f"tag:{tag}" for tag in profile.tag_words)


def settle_tags(profile: Profile) -> None:
    """The tags that what was said of them comes to; segments keep theirs."""
    words = profile.tag_words
    profile.given_tags = {tag: said.at for tag, said in words.items() if said.value}
    removed = {tag for tag, said in words.items() if not said.value}
    profile.tags = sorted({*profile.tags, *profile.given_tags} - (removed - profile.segments.keys()))
