"""Atoms on the health score: its number, how it has changed, its band (semantics §3, §4)."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any

from signals.conditions.atoms import HealthBandAtom, HealthChangeAtom, HealthScoreAtom
from signals.conditions.node import Answer, Moment, Node
from signals.instant import Duration
from signals.operators import MISSING, Predicate, numeric_predicate
from signals.score import Band

HEALTH = "health"
"""What is touched where an account's score, band or flags change."""

_BACK = f"{HEALTH}/"


def memory(reads: Iterable[str]) -> Duration:
    """How far back the scores must be remembered for those who read these tokens."""
    return max((int(token.removeprefix(_BACK)) for token in reads if token.startswith(_BACK)), default=0)


def health_node(source: dict[str, Any], atom: Any) -> Node:
    """The node of any of the three."""
    nodes: dict[type[Any], type[Node]] = {HealthScoreAtom: ScoreNode, HealthChangeAtom: ScoreChangeNode}
    node: Any = nodes.get(type(atom), BandNode)
    found: Node = node(source, atom)
    return found


class ScoreNode(Node):
    """`{health: score, lt: 50}`; without a score it does not hold."""

    def __init__(self, source: dict[str, Any], atom: HealthScoreAtom) -> None:
        super().__init__(source)
        self.matches = numeric_predicate(atom.words())

    def test(self, moment: Moment) -> Answer:
        return self.matches(_number(self.saw(moment))), None

    def saw(self, moment: Moment) -> Any:
        health = moment.profile.health
        return None if health is None else health.score

    def reads(self) -> Iterator[str]:
        yield HEALTH


class ScoreChangeNode(Node):
    """`{health: change, in: 14d, lte: -15}`; it does not hold before the score of that long ago is known."""

    def __init__(self, source: dict[str, Any], atom: HealthChangeAtom) -> None:
        super().__init__(source)
        self.over = atom.in_
        self.matches = numeric_predicate(atom.words())

    def test(self, moment: Moment) -> Answer:
        """`until` is the instant at which an older score that makes a difference comes to be the one compared with."""
        health, now = moment.profile.health, moment.now
        if health is None:
            return self.matches(MISSING), None
        holds = self._matches(health.change(now, self.over))
        for place in range(bisect_right(health.times, now - self.over), len(health.times)):
            then = health.times[place] + self.over
            if self._matches(health.change(then, self.over)) is not holds:
                return holds, then
        return holds, None

    def _matches(self, change: int | None) -> bool:
        return self.matches(_number(change))

    def saw(self, moment: Moment) -> Any:
        health = moment.profile.health
        return None if health is None else health.change(moment.now, self.over)

    def reads(self) -> Iterator[str]:
        yield from (HEALTH, f"{_BACK}{self.over}")


class BandNode(Node):
    """`{health: band, is: red}`; without a score only `is_not` and `not_in` hold."""

    def __init__(self, source: dict[str, Any], atom: HealthBandAtom) -> None:
        super().__init__(source)
        self.matches = _one_of(atom)

    def test(self, moment: Moment) -> Answer:
        return self.matches(self.saw(moment)), None

    def saw(self, moment: Moment) -> Any:
        health = moment.profile.health
        return None if health is None else health.band

    def reads(self) -> Iterator[str]:
        yield HEALTH


def _number(value: int | None) -> Any:
    return MISSING if value is None else value


def _one_of(atom: HealthBandAtom) -> Predicate:
    """Every word given must hold."""
    among: list[set[Band]] = [set(atom.in_)] if atom.in_ is not None else []
    among += [{atom.is_}] if atom.is_ is not None else []
    but = {*(atom.not_in or ()), *([] if atom.is_not is None else [atom.is_not])}
    return lambda band: all(band in bands for bands in among) and band not in but
