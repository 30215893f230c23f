"""Ending journeys: goals, exits, and goals reached after a journey ended by itself (semantics §5). Pure."""

import msgspec

from channels.message import identity
from journeys.engine import Run
from journeys.journey import PLAY_STOPPED, Journey, JourneyStatus
from plays.experiments import GOAL_REACHED
from plays.play import CompiledPlay


def check_ends(run: Run) -> None:
    """Goal, then exit, of every live journey: at every event and every `until`."""
    _check_late_goals(run)
    for journey in list(run.state.journeys):
        play = run.playbook.version(journey.play, journey.version)
        if play.stopped:
            run.finish(journey, JourneyStatus.EXITED, PLAY_STOPPED)
            run.close_tasks.append(journey.id)
        elif play.paused:
            continue  # live journeys stand still
        elif _goal_met(run, journey, play):
            _reached(run, run.finish(journey, JourneyStatus.COMPLETED, "goal"))
        elif play.exit is not None and play.exit.test(run.moment(journey))[0]:
            run.finish(journey, JourneyStatus.EXITED, "exit")


def _goal_met(run: Run, journey: Journey, play: CompiledPlay) -> bool:
    if play.goal is None or play.play.goal is None:
        return False
    in_window = run.now <= journey.started_at + play.play.goal.within
    return in_window and bool(play.goal.test(run.moment(journey))[0])


def _check_late_goals(run: Run) -> None:
    """The goal's window outlives a journey that ended by itself: reached in it, that is its reason after all."""
    for journey in run.state.goals:
        run.state.goals = [other for other in run.state.goals if other.id != journey.id]
        if _goal_met(run, journey, run.playbook.version(journey.play, journey.version)):
            won = msgspec.structs.replace(journey, reason="goal", wakes_at=None)
            run.moved[won.id] = won
            _reached(run, won)
        else:
            run.state.goals = [*run.state.goals, *run.watching_goal(journey)]


def _reached(run: Run, journey: Journey) -> None:
    """Once for each journey: what goal rates are counted from, by play and by arm."""
    data = {"play": journey.play, "version": journey.version, "journey": journey.id, "arm": journey.arm}
    run.tell(identity("goal", journey.id), GOAL_REACHED, data)
