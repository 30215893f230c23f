"""Experiments: who is in which arm, and that an account was exposed to it, once (semantics §5 "Experiments"). Pure.

Arms are shares of one hash of (experiment, account): sticky for ever, the same on every machine. Exposure is an event
`experiment.exposed` `{experiment, arm, play, journey}` of the account, written the first time its arm could matter to
it; a holdout is an experiment of its own, `holdout/PLAY`, as the global control group is `control/SALT`.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from signals.conditions import Node, compile_condition

EXPOSED = "experiment.exposed"
GOAL_REACHED = "goal.reached"


def place_in(weights: Sequence[float], share: float) -> int:
    """Which arm of these weights a share in [0, 100) falls in."""
    reached = list(accumulate(weights))
    return min(bisect_right(reached, share / 100 * reached[-1]), len(weights) - 1)


def exposed(experiment: str) -> Node:
    """Whether the account was exposed to the experiment before. Ours alone to tell: no silent feed makes it doubtful."""
    return compile_condition({"count": EXPOSED, "where": {"experiment": experiment}, "gte": 1})


def holdout_of(play: str) -> str:
    """The experiment that the holdout of a play is."""
    return f"holdout/{play}"


def control_of(salt: str) -> str:
    """The experiment that the global control group is."""
    return f"control/{salt}"
