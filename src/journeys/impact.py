"""What a change of definitions makes of an account, in numbers: for the dry run and for the activation itself. Pure."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from journeys.journey import JourneyStatus
from journeys.react import Reaction
from journeys.state import AccountState
from signals.profile import Profile, SignalState

Counts = Counter[str]
"""How many, by `kind/key/what`: `signal/ticket_spike/opened`. Sums of accounts are sums of these."""

_CLOSED = SignalState()


def impact(before: AccountState, reaction: Reaction) -> Counts:
    """What happened to one account between its state under the definitions before and the reaction to the new ones."""
    counts: Counts = Counter(accounts=1)
    old, new = before.profile, reaction.state.profile
    counts.update(_signals(old, new))
    counts.update(f"segment/{key}/entered" for key in new.segments.keys() - old.segments.keys())
    counts.update(f"segment/{key}/left" for key in old.segments.keys() - new.segments.keys())
    counts.update(f"milestone/{key}/reached" for key in new.milestones.keys() - old.milestones.keys())
    if new.stage != old.stage:
        counts.update(_moved("stage", old.stage, new.stage))
    counts.update(_moved("band", _band(old), _band(new)) if _band(old) != _band(new) else ())
    counts.update(_journeys(before, reaction))
    return counts


def _signals(old: Profile, new: Profile) -> list[str]:
    """Opened silently, fired, closed. The dates of plays, kept as signals of their own, are the plays' business."""
    found = []
    for key in sorted(old.signals.keys() | new.signals.keys()):
        was, now = old.signals.get(key, _CLOSED), new.signals.get(key, _CLOSED)
        if key.startswith("@"):
            continue
        if now.fired > was.fired:
            found.append(f"signal/{key}/fired")
        elif now.open and not was.open:
            found.append(f"signal/{key}/opened")
        if was.open and not now.open:
            found.append(f"signal/{key}/closed")
    return found


def _moved(kind: str, old: str | None, new: str | None) -> list[str]:
    entered = [] if new is None else [f"{kind}/{new}/entered"]
    return entered if old is None else [*entered, f"{kind}/{old}/left"]


def _band(profile: Profile) -> str | None:
    return None if profile.health is None else profile.health.band


def _journeys(before: AccountState, reaction: Reaction) -> list[str]:
    known = {journey.id: journey for journey in before.journeys}
    over = {journey.id for journey in before.goals}
    found = []
    for journey in (one for one in reaction.journeys.values() if one.id not in over):
        was = known.get(journey.id)
        if was is None:
            found.append(f"journey/{journey.play}/started")
        elif journey.status is not JourneyStatus.ACTIVE:
            found.append(f"journey/{journey.play}/ended")
        elif journey.version != was.version or journey.step != was.step:
            found.append(f"journey/{journey.play}/moved")
    return [*found, *(f"journey/{known[journey].play}/stayed" for journey in reaction.stayed)]


_PLURALS = {
    "signal": ("signals", ("opened", "fired", "closed")),
    "segment": ("segments", ("entered", "left")),
    "milestone": ("milestones", ("reached",)),
    "stage": ("stages", ("entered", "left")),
    "band": ("bands", ("entered", "left")),
    "journey": ("journeys", ("started", "moved", "stayed", "ended")),
}


def shown(counts: Mapping[str, int]) -> dict[str, Any]:
    """The counts as the API tells them: `{accounts, signals: [{key, opened, fired, closed}], segments: […], …}`."""
    told: dict[str, Any] = {"accounts": counts.get("accounts", 0)}
    for kind, (plural, words) in _PLURALS.items():
        keys = sorted(
            {name.split("/", 1)[1].rpartition("/")[0] for name in counts if name.startswith(f"{kind}/")}
        )
        told[plural] = [
            {"key": key, **{word: counts.get(f"{kind}/{key}/{word}", 0) for word in words}} for key in keys
        ]
    return told
