"""The policies: one document for the whole service (definitions.md "Policies"). Null switches a policy off.

`Policies()` has the defaults, `Policies.read(body)` what a body names over the defaults, and `Policies.only(body)`
nothing but what it names, for scenarios with `uses: none`.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, model_validator

from channels.business_time import Calendar
from channels.policy_fields import Span
from channels.policy_parts import (
    WEEKDAYS,
    AccountCap,
    Brake,
    CalendarPolicy,
    ChannelRate,
    ContactCap,
    ControlGroup,
    Discretion,
    FeedPromise,
    HoldRule,
    NoneIsEmpty,
    Policy,
    QuietHoursPolicy,
    Retention,
    SlaPolicy,
    SlaRule,
    TeamMember,
    Tone,
    Topic,
)
from signals.instant import DAY, HOUR, MINUTE


def _shipped_holds() -> list[HoldRule]:
    return [HoldRule(key="urgent_ticket", when={"attribute": "account.open_urgent_tickets", "gte": 1})]


def _shipped_topics() -> dict[str, Topic]:
    return {"product_tips": Topic(), "newsletter": Topic(opt_in=True)}


def _shipped_sla() -> list[SlaPolicy]:
    old_or_dear = {"any": [{"attribute": "account.tenure_months", "gte": 24}, {"tag": "high_ltv"}]}
    enterprise = {"attribute": "account.tier", "is": "enterprise"}
    rules = [
        SlaRule(when=old_or_dear, first_touch="2h", resolve="2d"),
        SlaRule(when=enterprise, first_touch="4h", resolve="3d"),
        SlaRule(first_touch="8h", resolve="5d"),
    ]
    return [SlaPolicy(key="standard", rules=rules)]


def _null_reads_as(meaning: Any) -> BeforeValidator:
    """A policy that is never absent: null is this body instead."""
    return BeforeValidator(lambda value: meaning if value is None else value)


def _read_switch(value: Any) -> Any:
    return {"on": True, "off": False}.get(value, value) if isinstance(value, str) else value


_AROUND_THE_CLOCK = {"days": list(WEEKDAYS), "hours": ["00:00", "24:00"]}
_NEVER_DELETED = dict.fromkeys(("events", "messages", "decisions", "dead_letters"))
_TONE_OFF = {"warm": [], "brief_under_words": 0}

_OFF: dict[str, Any] = {
    "contact_cap": None,
    "account_cap": None,
    "role_gap": None,
    "arbitration_window": None,
    "quiet_hours": None,
    "hold_ttl": None,
    "release_every": None,
    "channel_rate": None,
    "control": None,
    "holds": [],
    "brake": None,
    "topics": {},
    "feeds": [],
    "sla": [],
    "team": [],
    "tone": _TONE_OFF,
    "discretion": [],
    "retention": _NEVER_DELETED,
    "lint": False,
}
"""What `only` starts from. The keys missing here (duplicate_window, max_trigger_age, calendar) are always on."""

_PARTS_OFF: dict[str, dict[str, Any]] = {
    "contact_cap": {"per_day": None, "per_7d": None},
    "account_cap": {"per_7d": None},
    "quiet_hours": {"from": None, "to": None},
    "tone": _TONE_OFF,
    "retention": _NEVER_DELETED,
}
"""What the parts that a partly named policy leaves out become under `only`."""


class Policies(Policy):
    """The whole document. Durations are microseconds once read."""

    contact_cap: ContactCap | None = ContactCap()
    account_cap: AccountCap | None = AccountCap()
    role_gap: Span | None = 24 * HOUR
    duplicate_window: Span | None = 18 * HOUR
    arbitration_window: Span | None = 10 * MINUTE
    quiet_hours: QuietHoursPolicy | None = QuietHoursPolicy()
    hold_ttl: Span | None = 72 * HOUR
    release_every: Span | None = MINUTE
    channel_rate: Annotated[ChannelRate, _null_reads_as({})] = ChannelRate()
    max_trigger_age: Span | None = 3 * DAY
    control: Annotated[ControlGroup, _null_reads_as({})] = ControlGroup()
    holds: Annotated[list[HoldRule], NoneIsEmpty] = _shipped_holds()
    brake: Brake | None = Brake()
    topics: Annotated[dict[str, Topic], _null_reads_as({})] = _shipped_topics()
    feeds: Annotated[list[FeedPromise], NoneIsEmpty] = []
    calendar: Annotated[CalendarPolicy, _null_reads_as(_AROUND_THE_CLOCK)] = CalendarPolicy()
    sla: Annotated[list[SlaPolicy], NoneIsEmpty] = _shipped_sla()
    team: Annotated[list[TeamMember], NoneIsEmpty] = []
    tone: Annotated[Tone, _null_reads_as(_TONE_OFF)] = Tone()
    discretion: Annotated[list[Discretion], NoneIsEmpty] = [Discretion.model_validate({"credit": 50})]
    retention: Annotated[Retention, _null_reads_as(_NEVER_DELETED)] = Retention()
    lint: Annotated[bool, BeforeValidator(_read_switch)] = True

    @classmethod
    def read(cls, body: Any) -> Self:
        """The document of this body over the defaults. Raises pydantic.ValidationError with a place for each fault."""
        return cls.model_validate(body)

    @classmethod
    def only(cls, body: Mapping[str, Any]) -> Self:
        """What this body names and nothing else (scenarios with `uses: none`); a policy in part has that part on.

        Raises pydantic.ValidationError like `read`.
        """
        return cls.model_validate(_OFF | {key: _named_parts(key, value) for key, value in body.items()})

    def as_json(self) -> dict[str, Any]:
        """The document as people write it; `read` gives the same policies back."""
        return self.model_dump(mode="json", by_alias=True)

    def needs_opt_in(self, topic: str | None) -> bool:
        """Whether a person must have asked for this topic; a topic not listed is allowed unless opted out."""
        listed = self.topics.get(topic) if topic is not None else None
        return listed is not None and listed.opt_in

    def sla_policy(self, key: str) -> SlaPolicy | None:
        """The SLA of this key, or None where there is none: such tasks have no clock."""
        return next((policy for policy in self.sla if policy.key == key), None)

    def member(self, member_id: str | None) -> TeamMember | None:
        """The person of the team with this id."""
        return next((member for member in self.team if member.id == member_id), None)

    def calendar_of(self, owner: str | None, service_zone: str) -> Calendar:
        """The calendar a task of this owner is counted in: their own, else the service's."""
        member = self.member(owner)
        own = member.calendar if member is not None else None
        return (own or self.calendar).at(service_zone)

    @model_validator(mode="after")
    def _keys_are_used_once(self) -> Self:
        _refuse_repeats("holds", (hold.key for hold in self.holds))
        _refuse_repeats("sla", (policy.key for policy in self.sla))
        _refuse_repeats("team", (member.id for member in self.team))
        return self

    @model_validator(mode="after")
    def _managers_are_in_the_team(self) -> Self:
        manager_of = {member.id: member.manager for member in self.team}
        for member, manager in manager_of.items():
            if manager is not None and manager not in manager_of:
                raise ValueError(f"team: {member!r} has the manager {manager!r}, who is not in the team")
            _refuse_circle(member, manager_of)
        return self


def _named_parts(key: str, value: Any) -> Any:
    parts_off = _PARTS_OFF.get(key)
    if parts_off is None or not isinstance(value, Mapping):
        return value
    if key == "quiet_hours" and ("from" in value or "to" in value):
        return value  # the two ends are one part: the one not named has its default
    return parts_off | dict(value)


def _refuse_repeats(policy: str, keys: Iterable[str]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise ValueError(f"{policy}: {key!r} stands there twice; give each a key of its own")
        seen.add(key)


def _refuse_circle(member: str, manager_of: Mapping[str, str | None]) -> None:
    above, seen = manager_of[member], {member}
    while above is not None:
        if above == member:
            raise ValueError(f"team: {member!r} is their own manager in the end; name somebody above them")
        if above in seen:
            return  # a circle higher up: reported for those who are on it
        seen.add(above)
        above = manager_of.get(above)
