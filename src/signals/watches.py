"""Segments, milestones and stages, compiled: how each brings its own state up to date and tells of edges."""

from collections.abc import Sequence

from signals.conditions import compile_condition
from signals.conditions.node import soonest
from signals.definitions import Milestone, Segment, Stage
from signals.freshness import Promises
from signals.instant import Instant
from signals.settling import Edge, Sight, Watch
from signals.sieve import Code, Strained, some, when


class SegmentWatch(Watch):
    """Entered when `enter` holds, left when `leave` holds; where both hold, `leave` wins."""

    def __init__(self, definition: Segment, promises: Promises | None = None) -> None:
        self.enter = compile_condition(definition.enter, promises)
        self.leave = None if definition.leave is None else compile_condition(definition.leave, promises)
        self.tag = definition.tag
        nodes = [self.enter] + ([self.leave] if self.leave else [])
        super().__init__(definition.key, f"segment:{definition.key}", nodes)

    def strain(self, place: int, code: Code) -> Strained:
        is_open = f"{code.constant(self.key)} in inside"
        if self.leave is not None:  # it may have kept outside what enters
            return Strained(place, self.id, self.enter.surely(False, code), None, is_open)
        outside, stays = self.enter.lasts(False, code), self.enter.lasts(True, code)
        return Strained(place, self.id, outside, stays, is_open)

    def settle(self, sight: Sight) -> Instant | None:
        inside = self.key in sight.profile.segments
        enters, until = self.enter.test(sight.moment)
        if self.leave is None:
            leaves = None if enters is None else not enters
        else:
            leaves, leave_until = self.leave.test(sight.moment)
            until = soonest(until, leave_until)
        if inside and leaves:
            del sight.own("segments")[self.key]
            self._tell(sight, "left")
        elif not inside and enters and leaves is False:
            sight.own("segments")[self.key] = sight.now
            self._tell(sight, "entered")
        return until

    def _tell(self, sight: Sight, change: str) -> None:
        sight.touched.add(self.token)
        if self.tag:
            tags = (
                {*sight.profile.tags, self.key} if change == "entered" else {*sight.profile.tags} - {self.key}
            )
            sight.profile.tags = sorted(tags | sight.profile.given_tags.keys())
            sight.touched.add(f"tag:{self.key}")
        edge = Edge("segment", self.key, change, sight.now, sight.silent)
        sight.tell(edge, f"segment.{change}", {"segment": self.key})


class MilestoneWatch(Watch):
    """Reached the first time its condition holds."""

    def __init__(self, definition: Milestone, promises: Promises | None = None) -> None:
        self.when = compile_condition(definition.when, promises)
        super().__init__(definition.key, f"milestone:{definition.key}", [self.when])

    def strain(self, place: int, code: Code) -> Strained:
        reached = when(f"{code.constant(self.key)} in profile.milestones")
        return Strained(place, self.id, some([reached, self.when.surely(False, code)]))

    def settle(self, sight: Sight) -> Instant | None:
        if self.key in sight.profile.milestones:
            return None
        holds, until = self.when.test(sight.moment)
        if not holds:
            return until
        sight.own("milestones")[self.key] = sight.now
        sight.touched.add(self.token)
        sight.tell(Edge("milestone", self.key, "reached", sight.now, sight.silent))
        return None


class StageWatch(Watch):
    """The first stage whose condition holds; an unknown one before it keeps the stage as it is."""

    def __init__(self, stages: Sequence[Stage], promises: Promises | None = None) -> None:
        self.stages = [(stage.key, compile_condition(stage.when, promises)) for stage in stages]
        super().__init__("stages", "stage", [node for _, node in self.stages])

    def settle(self, sight: Sight) -> Instant | None:
        until = None
        for key, node in self.stages:
            holds, node_until = node.test(sight.moment)
            until = soonest(until, node_until)
            if holds is None:
                return until
            if holds:
                self._enter(sight, key)
                return until
        self._enter(sight, None)
        return until

    def _enter(self, sight: Sight, key: str | None) -> None:
        if sight.profile.stage == key:
            return
        sight.profile.stage, sight.profile.stage_since = key, sight.now
        sight.touched.add(self.token)
        sight.tell(Edge("stage", key or "", "changed", sight.now, sight.silent))
