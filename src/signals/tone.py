"""How customers write to us: how long, how warmly, in what mood (semantics §1 `support.message_received`, §9).

What a text tells lies beside it in the event's data, as `words` and `sentiment`, where every condition finds it:
`{average: support.message_received, of: sentiment, in: 28d, lt: 0}`. How a person writes is a measure of its own,
kept by contact; `contact.tone` is what it comes to. The texts themselves are kept nowhere but in the event.
"""

import re
from bisect import insort
from collections.abc import Sequence
from statistics import median
from typing import Any

import msgspec

from signals.event import Event
from signals.instant import Instant
from signals.measures import Measure
from signals.mood import sentiment, words
from signals.operators import MISSING, is_number
from signals.profile import Profile

HEARD = "support.message_received"
"""The type of event in which a customer speaks."""

TEXTS = ("text", "body")
"""Fields of its data the text may stand in; the first that is there counts."""

REMEMBERED = 8
"""Newest messages of a person that say how they write."""

DETAILED = 3
"""Who writes this many times what is brief, or more, writes in detail."""

_KIND = 1 << 32
"""Marks the id of a tone measure, so that a profile's can be found whatever policy it follows."""


def heard(event: Event) -> Event:
    """The event with what its text tells in its data; any other event as it is.

    `words` is how many were written. `sentiment` is the mood from -1 to 1: the sender's own number, where there is
    one (any language), else what an English text says; absent where neither knows.
    """
    if event.type != HEARD:
        return event
    text = _text(event)
    told = {name: value for name, value in event.data.items() if name != "sentiment"}
    if text is not None:
        told["words"] = words(text)
    given = event.data.get("sentiment")
    mood = given if _is_mood(given) else None if text is None else sentiment(text)
    if mood is not None:
        told["sentiment"] = mood
    return event if told == event.data else msgspec.structs.replace(event, data=told)


def _text(event: Event) -> str | None:
    return next((event.data[name] for name in TEXTS if isinstance(event.data.get(name), str)), None)


def _is_mood(value: Any) -> bool:
    return is_number(value) and -1 <= value <= 1


class Tone(Measure):
    """How each contact writes: the newest messages as `[time, words, is it warm]`, oldest first, and what they come to.

    Which words make a message warm, and how short is brief, are policy, and part of what the measure is: under
    another policy it is counted anew from the history.
    """

    kind = "tone"

    mark = _KIND

    def __init__(self, warm: Sequence[str], brief_under_words: int) -> None:
        super().__init__((HEARD,), {}, "contact")
        self.warm, self.brief = tuple(warm), brief_under_words
        told = "|".join(re.escape(word) for word in sorted(self.warm))
        self._warm = re.compile(rf"(?<!\w)(?:{told})(?!\w)", re.IGNORECASE) if told else None

    def spec(self) -> list[Any]:
        return [*super().spec(), self.warm, self.brief]

    def add(self, old: Any, event: Event, now: Instant) -> Any:
        text = _text(event)
        if text is None:
            return old
        warm = self._warm is not None and self._warm.search(text) is not None
        kept = [] if old is None else list(old[:-1])
        insort(kept, [event.time, words(text), warm])
        kept = kept[-REMEMBERED:]
        return [*kept, self._word(kept)]

    def _word(self, kept: list[list[Any]]) -> str:
        usual = median(entry[1] for entry in kept)
        length = "standard"
        if usual < self.brief:
            length = "brief"
        elif self.brief and usual >= DETAILED * self.brief:
            length = "detailed"
        warm = sum(entry[2] for entry in kept) * 2 >= len(kept)
        return f"{length} {'warm' if warm else 'neutral'}"


def tone_of(profile: Profile, contact: str) -> Any:
    """How the contact writes: `brief`, `standard` or `detailed`, then `warm` or `neutral`; MISSING where unheard."""
    kept: dict[str, Any] = next((state for number, state in profile.measures.items() if number & _KIND), {})
    return kept[contact][-1] if contact in kept else MISSING
