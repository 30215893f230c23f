"""What the people of one account said of being written to, as the consent tables keep it."""

from typing import Any

from journeys.store.consent import speaks_of_consent, standing, suppression_keys, word_of
from signals.event import Event
from signals.fold import suppression_cause
from signals.instant import Instant
from signals.profile import Profile, address


class Words:
    """Consent and suppression of one account's people; the newest word counts, and at one instant the stricter."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._suppressed: dict[str, tuple[str, Instant]] = {}

    def hear(self, event: Event, profile: Profile) -> bool:
        """Note what the event says; False where it says nothing of this."""
        if event.contact is None or not speaks_of_consent(event):
            return False
        if event.type in ("engagement.subscribed", "engagement.unsubscribed"):
            self._note(word_of(event))
        else:
            self._suppress(event, event.contact, profile)
        return True

    def _note(self, said: dict[str, Any]) -> None:
        matter = said["contact"], said["channel"], said["topic"]
        if matter not in self._said or standing(said) >= standing(self._said[matter]):
            self._said[matter] = said

    def _suppress(self, event: Event, contact: str, profile: Profile) -> None:
        known = profile.contacts.get(contact)
        keys = suppression_keys(contact, None if known is None else address(known))
        cause = suppression_cause(event)
        for key in keys:
            if cause is not None:
                self._suppressed[key] = cause, event.time
            elif key in self._suppressed and self._suppressed[key][1] <= event.time:
                del self._suppressed[key]

    def consents(self) -> dict[str, list[tuple[str, str, bool]]]:
        """What each person allows, as (channel, topic, allowed)."""
        found: dict[str, list[tuple[str, str, bool]]] = {}
        for (contact, channel, topic), said in self._said.items():
            found.setdefault(contact, []).append((channel, topic, said["allowed"]))
        return found

    def suppressed(self) -> dict[str, str]:
        """Why nothing is sent, by person and by address."""
        return {key: cause for key, (cause, _) in self._suppressed.items()}
