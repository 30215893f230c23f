"""The play: trigger, audience, steps for roles, exits, goal, priority (semantics §5); compiled to a program."""

from collections import deque
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from plays.experiments import exposed, holdout_of
from plays.steps import MAX_STEPS, Goal, MessageStep, OfferStep, Percent, Step, Trigger, WaitStep
from signals.attributes import tokens
from signals.conditions import Node, compile_condition
from signals.conditions.grammar import Word
from signals.definitions import Definition, Key, Signal, checked
from signals.freshness import Promises
from signals.instant import Duration, parse_duration
from signals.matching import compile_where, type_matches


def _re_entry(value: Any) -> Any:
    return value if value in ("never", "always") else parse_duration(value)


class Play(Definition):
    """The plan as written."""

    key: Key
    name: str | None = None
    owner: str | None = None
    group: Key | None = None
    priority: Annotated[int, Field(ge=0, le=100)] = 50
    trigger: Trigger
    audience: dict[str, Any] | None = None
    journey_key: Word | None = None
    re_entry: Annotated[Literal["never", "always"] | Duration, BeforeValidator(_re_entry)] = "always"
    exit: dict[str, Any] | None = None
    goal: Goal | None = None
    holdout: Percent = 0.0
    cls: Annotated[Literal["marketing", "service", "transactional"] | None, Field(alias="class")] = None
    close_tasks: bool = False
    if_vacant: Literal["task", "none"] | list[Step] = "task"
    steps: Annotated[list[Step], Field(min_length=1)]

    _compiles = field_validator("audience", "exit")(lambda value: value if value is None else checked(value))

    @model_validator(mode="after")
    def _can_be_walked(self) -> "Play":
        program = Program(self)
        problems = [*program.problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self


class Op:
    """One step in the program: its place is its id; `next` is the step after it (None: the end)."""

    def __init__(self, op_id: str, step: Step, following: str | None) -> None:
        self.id, self.kind, self.next = op_id, step.kind, following
        self.body: Any = getattr(step, step.kind)
        self.arms: list[tuple[Node | None, str | None]] = []
        self.until: Node | None = None
        self.else_: str | None = None
        self.vacant: str | None = None
        self.exposed: Node | None = None

    def targets(self) -> list[str | None]:
        """Every step that can follow."""
        if self.kind == "end":
            return [None]
        if self.kind == "goto":
            return [str(self.body)]
        ways = [target for _, target in self.arms] if self.kind == "split" else [self.next]
        if self.kind == "branch":
            ways += [target for _, target in self.arms]
        return [*ways, *([self.else_] if self.else_ else []), *([self.vacant] if self.vacant else [])]


class Program:
    """The steps of a play, linked by id: explicit ids stay, others are numbered by place (`2`, `3.1.1`)."""

    def __init__(self, play: Play, promises: Promises | None = None) -> None:
        self._promises = promises
        self.ops: dict[str, Op] = {}
        self.repeated: list[str] = []
        self.if_vacant = play.if_vacant
        self.start = self._link(play.steps, "", None)

    def _link(self, steps: list[Step], prefix: str, after: str | None) -> str | None:
        following = after
        for place in range(len(steps) - 1, -1, -1):
            step = steps[place]
            op = Op(step.id or f"{prefix}{place + 1}", step, following)
            if op.id in self.ops:
                self.repeated.append(op.id)
            self.ops[op.id] = op
            self._link_inside(op, following)
            following = op.id
        return following

    def _link_inside(self, op: Op, following: str | None) -> None:
        if op.kind == "branch":
            for place, arm in enumerate(op.body, 1):
                when = None if arm.when is None else compile_condition(arm.when, self._promises)
                op.arms.append((when, self._link(arm.steps, f"{op.id}.{place}.", following)))
        elif op.kind == "split":
            op.exposed = exposed(op.body.key)
            for arm in op.body.arms:
                op.arms.append((None, self._link(arm.steps, f"{op.id}.{arm.name}.", following)))
        elif isinstance(op.body, WaitStep):
            until = op.body.until
            op.until = None if until is None else compile_condition(until, self._promises)
            op.else_ = op.body.else_
        elif isinstance(op.body, MessageStep):
            steps = op.body.if_vacant or self.if_vacant
            if isinstance(steps, list):
                op.vacant = self._link(steps, f"{op.id}.vacant.", following)
            if isinstance(op.body, OfferStep):
                op.else_ = self._otherwise(op, op.body.else_, following)

    def _otherwise(self, op: Op, steps: str | list[Step] | None, following: str | None) -> str | None:
        """Where an offer step goes on without an offer."""
        return self._link(steps, f"{op.id}.else.", following) if isinstance(steps, list) else steps

    def circle(self) -> list[str]:
        """Steps that lead back to themselves without a wait, in order; none where every way round waits."""
        done: set[str] = set()
        for start in reversed(self.ops):  # linked from the last to the first
            way: list[str] = []
            if (found := self._round_from(start, way, done)) is not None:
                return way[way.index(found) :]
        return []

    def _round_from(self, place: str, way: list[str], done: set[str]) -> str | None:
        """The first step that some way from here comes to twice. `way` is left as walked; steps in `done` go nowhere."""
        walk = [(place, self._at_once(place))]
        way.append(place)
        while walk:
            following = next(walk[-1][1], None)
            if following is None:
                done.add(walk.pop()[0])
                way.pop()
            elif following in way:
                return following
            elif following not in done:
                walk.append((following, self._at_once(following)))
                way.append(following)
        return None

    def _at_once(self, place: str) -> Iterator[str]:
        """The steps that can follow this one at the same instant."""
        op = self.ops[place]
        return iter([] if op.kind == "wait" else [step for step in op.targets() if step is not None])

    def next_message(self, place: str | None) -> MessageStep | None:
        """The first message the steps after this one may come to."""
        op = None if place is None else self.ops[place]
        waiting, seen = deque(op.targets() if op is not None else ()), {place}
        while waiting:
            following = self.ops.get(waiting.popleft() or "")
            if following is None or following.id in seen:
                continue
            if isinstance(following.body, MessageStep):
                return following.body
            seen.add(following.id)
            waiting += following.targets()
        return None

    def nodes(self) -> Iterator[Node]:
        """Every condition the steps ask."""
        for op in self.ops.values():
            if op.until is not None:
                yield op.until
            if op.exposed is not None:
                yield op.exposed
            yield from (node for node, _ in op.arms if node is not None)

    def problems(self) -> Iterator[str]:
        """Steps that cannot be walked: named twice, pointed to but not there, never reached."""
        if self.repeated:
            yield f"step ids are used twice: {', '.join(sorted(set(self.repeated)))}"
        if len(self.ops) > MAX_STEPS:
            yield f"{len(self.ops)} steps are more than {MAX_STEPS}"
        reached: set[str] = set()
        waiting = [self.start]
        while waiting:
            place = waiting.pop()
            if place is None or place in reached:
                continue
            if place not in self.ops:
                yield f"no step has the id {place!r}"
                continue
            reached.add(place)
            waiting += self.ops[place].targets()
        never = sorted(self.ops.keys() - reached)
        if never:
            yield f"steps are never reached: {', '.join(never)}"


Live = Literal["pin", "migrate", "drain"]
"""What becomes of journeys on the versions before when the next becomes live (semantics §5 "Versions")."""


class CompiledPlay:
    """A version of a play, ready to run; `promises` are what its conditions may doubt.

    `paused`: no starts, live journeys stand still. `draining`: no starts, live journeys finish. `stopped`: no starts,
    live journeys end as `play_stopped`. `since` is the stamp of the definitions it became live with, and `live` what
    that made of journeys on the versions before.
    """

    def __init__(
        self,
        play: Play,
        version: int = 1,
        paused: bool = False,
        draining: bool = False,
        promises: Promises | None = None,
        *,
        stopped: bool = False,
        since: int = 0,
        live: Live = "pin",
    ) -> None:
        self.play, self.version, self.paused, self.draining = play, version, paused, draining
        self.stopped, self.since, self.live = stopped, since, live
        self.key, self.priority = play.key, play.priority
        self.program = Program(play, promises)
        self.audience = None if play.audience is None else compile_condition(play.audience, promises)
        self.exit = None if play.exit is None else compile_condition(play.exit, promises)
        self.goal = None if play.goal is None else compile_condition(play.goal.when, promises)
        self.held_out = exposed(holdout_of(play.key)) if play.holdout else None
        self.trigger_where = compile_where(play.trigger.where)
        self.trigger_types = tuple(play.trigger.event or ())

    def heeding(self, promises: Promises | None) -> "CompiledPlay":
        """The play with conditions that doubt what rests on silent feeds; itself where nothing is promised."""
        if promises is None:
            return self
        return CompiledPlay(
            self.play,
            self.version,
            self.paused,
            self.draining,
            promises,
            stopped=self.stopped,
            since=self.since,
            live=self.live,
        )

    @property
    def shut(self) -> str | None:
        """Why it takes nobody: `paused`, `draining` or `stopped`; None while it is open."""
        words = {"paused": self.paused, "draining": self.draining, "stopped": self.stopped}
        return next((word for word, so in words.items() if so), None)

    def date_signal(self) -> Signal | None:
        """The date trigger as the dates it watches, None for other triggers."""
        trigger = self.play.trigger
        if trigger.date is None:
            return None
        return Signal.model_validate(
            {"key": self.key, "dates": {"attribute": trigger.date, "before": list(trigger.before)}}
        )

    def nodes(self) -> Iterator[Node]:
        """Every condition the play asks: their measures must be kept."""
        yield from (node for node in (self.audience, self.exit, self.goal, self.held_out) if node is not None)
        yield from self.program.nodes()

    @cached_property
    def reads(self) -> frozenset[str]:
        """Tokens of what can move a journey of the play: what its conditions ask for, instants it waits for, people."""
        found = {token for node in self.nodes() for token in node.reads()} | {"roles", "contacts"}
        for op in self.program.ops.values():
            if isinstance(op.body, WaitStep) and op.body.at is not None:
                root, name, *_ = (*op.body.at.split("."), "")
                found.update(tokens(name) if root == "account" else ())
            elif isinstance(op.body, WaitStep) and op.body.window is not None:
                found.update(tokens("timezone"))
        return frozenset(found)

    def takes(self, event_type: str) -> bool:
        """Whether an event of the type triggers it."""
        return any(type_matches(pattern, event_type) for pattern in self.trigger_types)
