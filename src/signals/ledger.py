"""The ledger of a health score: every change of a point is explained by the measures and flags that made it. Pure.

The points of the entries written at one instant add up to the change of the score at that instant, whole points for
whole points, so that all entries of an account add up to its score.
"""

from collections.abc import Iterator, Sequence
from math import floor
from typing import Literal, NamedTuple

import msgspec

from signals.instant import Instant
from signals.score import Band, Health, Points, mean

Kind = Literal["measure", "flag", "definition"]


class Entry(msgspec.Struct, frozen=True):
    """One line of the ledger: what moved the score of an account, by how many points, from where to where.

    `number` counts the account's entries. `key` names the measure or the flag; for `definition` it is the version that
    took over. `cause` is the id of the event that moved it; None where time did, or where small steps since the entry
    before did (`at` is when the score moved). `value` is what the measure saw, for a flag 1 where it came to hold and 0
    where it cleared. Where `band_before` and `band_after`
    differ, this is the entry that turned the band.
    """

    account: str
    number: int
    at: Instant
    kind: Kind
    key: str
    points: int
    score_before: int | None
    score_after: int | None
    band_before: Band | None
    band_after: Band | None
    version: str
    value: float | None = None
    cause: str | None = None


class Part(NamedTuple):
    """What one measure or flag has to do with a change."""

    kind: Kind
    key: str
    points: int
    value: float | None = None


def entries(account: str, now: Instant, before: Health, after: Health) -> list[Entry]:
    """What explains the way from one score to the other: nothing where neither score nor band changed.

    The measures whose points differ share the change. The entry with the most points is the last: it turns the band.
    """
    if before.score == after.score and before.band == after.band:
        return []
    if before.measures and _rules(before) != _rules(after):
        parts = [Part("definition", str(after.version), (after.score or 0) - (before.score or 0))]
    else:
        parts = [*_measures(before, after), *(_flags(before, after) if before.band != after.band else ())]
    parts = parts or [Part("definition", str(after.version), 0)]  # scored 0 for the first time
    return list(_lines(account, now, before, after, parts))


def _rules(health: Health) -> list[object]:
    """What of the definition a score shows: scores that differ in it are not one course."""
    return [health.version, *((one.key, one.weight) for one in health.measures)]


def _lines(
    account: str, now: Instant, before: Health, after: Health, parts: Sequence[Part]
) -> Iterator[Entry]:
    score, version = before.score, str(after.version)
    for place, part in enumerate(parts, 1):
        last = place == len(parts)
        reached = after.score if last else (score or 0) + part.points
        yield Entry(
            account,
            before.told + place,
            now,
            part.kind,
            part.key,
            part.points,
            score,
            reached,
            before.band,
            after.band if last else before.band,
            version,
            part.value,
        )
        score = reached


def _measures(before: Health, after: Health) -> list[Part]:
    """The share of each measure whose points have changed."""
    known = {one.key: one.points for one in before.measures}
    old: list[Points] = [known.get(one.key) for one in after.measures]
    share = shares([one.weight for one in after.measures], old, [one.points for one in after.measures])
    whole = apportion((after.score or 0) - (before.score or 0), list(share.values()))
    moved = zip((after.measures[place] for place in share), whole, strict=True)
    parts = [Part("measure", one.key, points, one.value) for one, points in moved if points]
    return sorted(parts, key=lambda part: abs(part.points))


def _flags(before: Health, after: Health) -> list[Part]:
    """The flags that came to hold or cleared; one that did neither has nothing to do with it."""
    turned = sorted(before.flags.keys() ^ after.flags.keys())
    return [Part("flag", key, 0, 1.0 if key in after.flags else 0.0) for key in turned]


def shares(weights: Sequence[float], before: Sequence[Points], after: Sequence[Points]) -> dict[int, float]:
    """Of the change of the weighted mean, what each measure that moved brings, by its place.

    Moved one after the other: what is added up is the whole change, also where a measure begins or ceases to count.
    Where there was no score before, or is none after, a measure brings or takes all its weighted points.
    """
    moved = [place for place, points in enumerate(after) if points != before[place]]
    stood = _mean(weights, before)
    if stood is None:
        return _contributions(weights, after, moved)
    if _mean(weights, after) is None:
        return {place: -share for place, share in _contributions(weights, before, moved).items()}
    found: dict[int, float] = {}
    points = list(before)
    for place in moved:
        points[place] = after[place]
        stands = _mean(weights, points) or 0
        found[place], stood = stands - stood, stands
    return found


def _mean(weights: Sequence[float], points: Sequence[Points]) -> float | None:
    return mean(list(zip(weights, points, strict=True)))


def _contributions(weights: Sequence[float], points: Sequence[Points], moved: list[int]) -> dict[int, float]:
    total = sum(weights[place] for place in moved if points[place] is not None)
    return {place: weights[place] * (points[place] or 0) / total for place in moved}


def apportion(whole: int, shares_of_it: Sequence[float]) -> list[int]:
    """Whole points for shares that add up to `whole` but for its rounding, by the largest remainders."""
    rounded = [floor(share) for share in shares_of_it]
    by_remainder = sorted(range(len(rounded)), key=lambda place: rounded[place] - shares_of_it[place])
    for place in by_remainder[: whole - sum(rounded)]:
        rounded[place] += 1
    return rounded
