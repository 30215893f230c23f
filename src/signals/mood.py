"""What a text tells of its writer: how many words, in what mood. Pure functions of the text.

The mood is read in English only, by VADER's lexicon and rules; of a text in another language nothing but its
length is known, rather than a guess.
"""

import re
from functools import lru_cache

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

READ = 4_000
"""Characters of a text that are read: what follows is mostly the letter before it."""


def _all_of(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


_ENGLISH = _all_of(
    "the and you your it is are was were this that these with for have has had been not but they them we our us",
    "to from of be will would can could should what when where why how who please thank thanks does did don't",
    "doesn't can't isn't i'm it's there my i just still hello",
)
_NEIGHBOURS = _all_of(
    "der die das und ist nicht wir ich sie mit für auf ein eine einen den dem zu von bitte danke uns auch noch",
    "le la les et est pas nous vous je pour avec une des du que qui dans merci bonjour sur",
    "el los las y por para con una está hola gracias pero como más",
    "il lo gli di che per non sono della grazie ciao questo",
    "os as um uma não com obrigado você mas",
    "het een en van wij ik niet voor dat bedankt hallo maar met zijn",
    "og er ikke det på til av som jag är inte att tack jeg vi har",
    "nie jest się na w z że dziękuję proszę czy",
)
"""Everyday words of German, French, Spanish, Italian, Portuguese, Dutch, Danish, Swedish, Polish."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|\n+")


def words(text: str) -> int:
    """How many words were written."""
    return len(_WORD.findall(text[:READ]))


@lru_cache(maxsize=256)
def sentiment(text: str) -> float | None:
    """The mood of a text from -1 to 1, the mean of its sentences, to two digits; None where it is not English."""
    read = text[:READ]
    if not is_english(read):
        return None
    sentences = [part for part in _SENTENCE.split(read) if _WORD.search(part)]
    scores = [_reader().polarity_scores(part)["compound"] for part in sentences]
    return round(float(sum(scores)) / len(scores), 2)


@lru_cache(maxsize=1)
def _reader() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


def is_english(text: str) -> bool:
    """Whether one word in eight, or more, is an everyday word of English, and more are than of its neighbours."""
    found = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    ours, others = (sum(word in known for word in found) for known in (_ENGLISH, _NEIGHBOURS))
    return ours * 8 >= len(found) and ours > others
