"""Live journeys when their play gets a new version: pinned, migrated, or left to finish (semantics §5 "Versions"). Pure."""

import msgspec

from journeys.journey import Journey
from journeys.playbook import Playbook
from journeys.state import AccountState


def migrated(state: AccountState, playbook: Playbook) -> tuple[list[Journey], list[str]]:
    """The account's journeys under these definitions, and the ids of those that should have moved and could not.

    Only versions that became live after the account was last brought to definitions (its stamp) move anything: a
    journey that stays once is not asked again by every later change of something else.
    """
    moved, stayed = [], []
    for journey in state.journeys:
        there, is_left = _route(journey, playbook, state.stamp)
        moved.append(there)
        stayed += [journey.id] if is_left else []
    return moved, stayed


def _route(journey: Journey, playbook: Playbook, stamp: int) -> tuple[Journey, bool]:
    """Through every version it has not been asked about, up to one that drains: that leaves it where it is for good.

    Also whether the last that asked had no step of its step's name. A wait keeps its start, so that its deadline is
    that of the version it has come to.
    """
    is_left = False
    for play in playbook.versions_after(journey):
        if play.live == "drain":
            break
        if play.live == "migrate" and play.since > stamp:
            is_left = journey.step not in play.program.ops
            if not is_left:
                journey = msgspec.structs.replace(
                    journey, version=play.version, priority=play.priority, group=play.play.group
                )
    return journey, is_left
