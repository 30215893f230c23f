"""The desk: task orders become tasks with an owner and clocks; the same raised again updates the one there is. Pure."""

from collections.abc import Iterable

from channels.business_time import Calendar
from channels.sla import next_sla_at
from channels.task import Task
from channels.task_moves import raise_again, with_clocks
from journeys.engine import TaskOrder
from journeys.playbook import Playbook
from signals.attributes import owner, plain_account
from signals.conditions import Moment
from signals.instant import Instant
from signals.profile import Profile


class Desk:
    """Makes and updates tasks by the policies of a playbook."""

    def __init__(self, playbook: Playbook) -> None:
        self._playbook = playbook

    def calendar(self, owner_id: str | None) -> Calendar:
        """The calendar in which this owner's clocks run."""
        return self._playbook.policies.calendar_of(owner_id, self._playbook.zone)

    def next_sla_at(self, task: Task) -> Instant | None:
        """When time alone changes the task next."""
        return next_sla_at(task, self.calendar(task.owner))

    def take(
        self,
        order: TaskOrder,
        title: str,
        body: str,
        profile: Profile,
        open_tasks: Iterable[Task],
        owner: str | None = None,
    ) -> Task:
        """The task this order makes (with its rendered title and body), or the open one of the same account, type and reason, raised again.

        A new one is for `owner` where there is one, else for whom the order names.
        """
        same = (order.account, order.type, order.reason)
        for task in open_tasks:
            if task.dedupe_key == same:
                calendar = self.calendar(task.owner)
                return raise_again(task, order.at, order.severity, order.evidence, calendar)  # type: ignore[arg-type]
        return self._new(order, title, body, profile, owner or self._owner(order, profile))

    def _new(self, order: TaskOrder, title: str, body: str, profile: Profile, owner: str | None) -> Task:
        task = Task(
            id=order.id,
            account=order.account,
            type=order.type,
            reason=order.reason,
            title=title,
            body=body,
            owner=owner,
            play=order.play,
            journey=order.journey,
            severity=order.severity,  # type: ignore[arg-type]  # one of the words signals allow
            priority=order.priority,
            checklist=tuple(order.checklist),
            evidence=order.evidence,
            context=_snapshot(profile, order.at),
            created_at=order.at,
        )
        first_touch, resolve = self._targets(order, profile)
        return with_clocks(task, order.sla, first_touch, resolve, self.calendar(task.owner))

    def _targets(self, order: TaskOrder, profile: Profile) -> tuple[str | None, str | None]:
        """First match of the SLA policy's rules; a task whose policy does not exist has no clock."""
        moment = Moment(profile, order.at, feeds=self._playbook.feeds)
        for node, rule in self._playbook.sla.get(order.sla, ()):
            if node is None or node.test(moment)[0]:
                return rule.first_touch, rule.resolve
        return None, None

    def _owner(self, order: TaskOrder, profile: Profile) -> str | None:
        """The account's CSM for `csm`, anyone of the team named by id, else the queue."""
        if order.to == "csm":
            return owner(profile)
        return order.to if self._playbook.policies.member(order.to) is not None else None


def _snapshot(profile: Profile, now: Instant) -> dict[str, object]:
    """What the account was like when the task was made."""
    known = plain_account(profile, now)
    kept = (
        "name",
        "plan",
        "mrr",
        "seats",
        "renews_at",
        "tier",
        "tenure_days",
        "open_tickets",
        "payment_status",
    )
    open_signals = [key for key, state in profile.signals.items() if state.open and not key.startswith("@")]
    return {
        **{name: known[name] for name in kept if name in known},
        "stage": profile.stage,
        "signals": open_signals,
    }
