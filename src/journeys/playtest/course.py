"""One account lives through its history with plays: `react` and the judge, on a virtual clock.

At one instant, as on the virtual clock of scenarios (`journeys.simulate`): what falls due at the account, then events
in the order in which they came in; as soon as something is to be done outside the account, it is done, before
anything else happens. Messages are judged at the instant at which they are to be looked at again.
"""

from collections.abc import Iterator, Sequence

from channels.judgement import Judgement
from channels.message import Message, Reason, Status
from journeys.backtest.trial import POPULATION, Life
from journeys.playtest.basis import Basis
from journeys.playtest.post import Judged, Post
from journeys.playtest.tally import Tally
from journeys.react import NeverSettles, Reaction, Settled, Stimulus, live_through, react
from journeys.state import AccountState, new_state
from signals.event import Event
from signals.instant import Instant

_STILL = 1 << 62
"""The end of a span that has not ended."""


def live(basis: Basis, history: Sequence[Event], tally: Tally) -> Life | None:
    """All that happens at one account up to the question's end, counted; None where nothing does.

    `received_at` of the events is when they came in, whatever their order here. The `firings` of the answer are the
    instants at which journeys of the play started.
    """
    until = basis.question.until
    arrivals = sorted(history, key=lambda one: (one.received_at, one.time, one.source, one.id))
    if not arrivals or arrivals[0].received_at > until:
        return None
    course = _Course(basis, arrivals[0], tally)
    for event in arrivals:
        course.meet(event)
    return course.end()


class _Course:
    """The account, what waits to be sent to its people, and the virtual clock."""

    def __init__(self, basis: Basis, first: Event, tally: Tally) -> None:
        self._basis, self._tally, self._playbook = basis, tally, basis.playbook
        self._state = new_state(first.account or "", first.time)
        self._post = Post(basis.playbook, basis.composer)
        self._life = Life(first.received_at, first.time, [[]], [0], [], [])
        self._now: Instant = first.received_at
        tally.begin()

    def meet(self, event: Event) -> None:
        """Time passes up to the event, which happens."""
        until = self._basis.question.until
        if event.time <= until and self._basis.is_outcome(event):
            self._life.outcomes.append(event.time)
        if event.received_at > until:
            return
        self._life.events += 1
        if self._basis.matters(event, self._state):
            self._life.felt += 1
            self._pass(event.received_at)
            self._happen(event)

    def end(self) -> Life:
        """Time passes up to the end of the history, its last instant included."""
        until, life = self._basis.question.until, self._life
        self._pass(until + 1)
        if life.inside and life.inside[-1][1] == _STILL:
            life.inside[-1] = (life.inside[-1][0], until + 1)
        life.created_at = self._state.profile.created_at
        life.outcomes.sort()
        self._tally.end()
        return life

    def _pass(self, to: Instant) -> None:
        """All that falls due up to the instant, one after the other; of its own messages, those before it."""
        while True:
            due, waiting = self._state.due(), self._post.due_at()
            if (
                waiting is not None
                and waiting < to
                and (waiting <= self._now or due is None or waiting < due)
            ):
                self._deliver(max(waiting, self._now))
            elif due is not None and due <= to and due <= self._basis.question.until:
                self._look(due)
            else:
                return

    def _look(self, due: Instant) -> None:
        now = max(due, self._state.now)
        emits = self._take([react(self._state, None, self._playbook, now)])
        following = self._state.due()
        if following is not None and following <= due:
            raise NeverSettles(f"account {self._state.profile.id} is due at {following} again")
        if emits:
            self._deliver(now)

    def _happen(self, event: Event) -> None:
        now = max(event.received_at, self._state.now)
        emits = self._feel(event, now)
        if self._post.words.hear(event, self._state.profile) or event.type == "crm.contact_left":
            self._post.wake(now, people=[event.contact or ""])
        if emits:
            self._deliver(now)

    def _feel(self, stimulus: Stimulus, now: Instant) -> bool:
        return self._take(live_through(self._state, stimulus, self._playbook, now))

    def _take(self, reactions: Sequence[Reaction]) -> bool:
        """Gather what reactions leave behind; True where something is to be done outside the account."""
        before = self._state
        for reaction in reactions:
            self._state = reaction.state
            self._life.firings[0] += self._tally.take(reaction)
            self._cross(reaction)
            self._post.add(reaction.messages)
            doomed = self._post.bury(reaction.dead_journeys)
            for message in doomed:
                self._tally.settle(message, self._state.now)
            self._post.wake(self._state.now, Reason.OUTRANKED, [message.contact for message in doomed])
        if self._post.is_held(Reason.ACCOUNT_HOLD) and self._holds(before) != self._holds(self._state):
            self._post.wake(self._state.now, Reason.ACCOUNT_HOLD)
        return any(reaction.emits for reaction in reactions)

    def _holds(self, state: AccountState) -> tuple[str, ...]:
        return self._playbook.holds_on(state.profile, state.now)

    def _cross(self, reaction: Reaction) -> None:
        """Whether the account is one of the population from here on."""
        for edge in reaction.edges:
            if edge.key == POPULATION and edge.change == "entered":
                self._life.inside.append((edge.at, _STILL))
            elif edge.key == POPULATION:
                self._life.inside[-1] = (self._life.inside[-1][0], edge.at)

    # ── sending ────────────────────────────────────────────────────────────────────────────────────────────────

    def _deliver(self, now: Instant) -> None:
        """Rounds until nothing more can go now."""
        self._now = max(self._now, now)
        while due := self._post.due(self._now):
            self._round(due)

    def _round(self, due: Sequence[str]) -> None:
        """One round of the dispatcher: judged, settled, handed over; then sent, and the journeys told.

        Who waited behind messages that have left the queue is judged again.
        """
        now, queued = self._now, list(self._post.waiting.values())
        self._feel(None, now)
        judged = self._post.judge(due, queued, self._state, now)
        handed = list(self._settled(judged))
        for message in handed:
            self._sent(message)
        self._post.wake(now, Reason.OUTRANKED, {message.contact for message in handed})

    def _settled(self, judged: Judged) -> Iterator[Message]:
        """What does not go by mail is done with here; answers what does."""
        left = set()
        for message, judgement in judged:
            if message.id not in self._post.waiting:
                continue  # what was settled before it has ended its journey
            if judgement.may_go and message.channel != "in_app":
                del self._post.waiting[message.id]
                yield message
            elif judgement.may_go:
                self._sent(message)
                left.add(message.contact)
            elif self._stopped(message, judgement).reason is not Reason.OUTRANKED:
                left.add(message.contact)
        self._post.wake(self._now, Reason.OUTRANKED, left)

    def _stopped(self, message: Message, judgement: Judgement) -> Message:
        moved = self._post.stop(message, judgement, self._state, self._now)
        self._tally.stop(message, moved, judgement)
        if moved.status.is_settled:
            self._tell(moved)
        return moved

    def _sent(self, message: Message) -> None:
        moved = self._post.send(message, self._now)
        self._tally.settle(moved, self._now)
        self._tell(moved)

    def _tell(self, message: Message) -> None:
        """The message's journey goes on without it."""
        shown = message.status is Status.SENT and message.channel == "in_app"
        self._feel(Settled(message.journey, frozenset([message.id]), shown), self._now)
