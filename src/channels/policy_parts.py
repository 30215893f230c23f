"""The bodies that the policies document is made of, each with the defaults of definitions.md.

Conditions (`when`) are opaque here: `journeys` compiles and evaluates them. What is computed from a policy at
run time is a small plain value (`QuietHoursPolicy.rule`, `CalendarPolicy.at`).
"""

from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from channels import policy_fields as f
from channels.business_time import Calendar
from channels.local_time import first_zone
from channels.quiet_hours import QuietHours
from signals.instant import DAY, Instant, InstantField

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Count = Annotated[int, Field(ge=1)]
Key = Annotated[str, Field(min_length=1, max_length=200)]


def _none_is_empty(value: Any) -> Any:
    return [] if value is None else value


NoneIsEmpty = BeforeValidator(_none_is_empty)
"""A list that null empties."""


class Policy(BaseModel):
    """What all bodies of this document share: nothing undeclared, nothing coerced, nothing changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ContactCap(Policy):
    """How many messages one person may get: per local calendar day and in any 7 days."""

    per_day: Count | None = 1
    per_7d: Count | None = 3


class AccountCap(Policy):
    """How many messages the people of one account may get together in any 7 days."""

    per_7d: Count | None = 5


class QuietHoursPolicy(Policy):
    """Daily hours, weekends and holidays in which nobody is written to. `from` and `to` null: no daily hours."""

    begins: f.TimeOfDay | None = Field(20 * 60, alias="from")
    ends: f.TimeOfDay | None = Field(8 * 60, alias="to")
    weekends: bool = False
    holidays: f.HolidaysField = None

    @cached_property
    def rule(self) -> QuietHours:
        """The plain value that `quiet_hours` computes with."""
        return QuietHours(self.begins or 0, self.ends or 0, self.weekends, self.holidays)

    @model_validator(mode="after")
    def _leaves_time_to_send(self) -> Self:
        if (self.begins is None) != (self.ends is None):
            raise ValueError("name both `from` and `to`, or neither")
        if self.rule.is_always:
            raise ValueError("quiet from 00:00 to 24:00 leaves no time to send: stop sending instead")
        return self


class ChannelRate(Policy):
    """The most a channel may send per second; null is as fast as it takes them."""

    email: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    webhook: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    def of(self, channel: str) -> float | None:
        """The rate of this channel, None where it has none."""
        return {"email": self.email, "webhook": self.webhook}.get(channel)


class ControlGroup(Policy):
    """The global control group: a share of accounts, by hash of salt and account, to which nothing is sent."""

    percent: f.Percent = 0.0
    salt: Key = "2026Q4"


class HoldRule(Policy):
    """A hold of the whole account that stands while its condition holds."""

    key: Key
    when: Any


class Brake(Policy):
    """A play is paused once this share of at least so many sends has failed."""

    failed: f.Percent = 10.0
    of_at_least: Count = 20


class Topic(Policy):
    """What one topic needs: with `opt_in`, a person's yes."""

    opt_in: bool = False


class FeedPromise(Policy):
    """How often a feed should speak about these event types."""

    source: Key
    types: Annotated[list[Key], Field(min_length=1)]
    every: f.Span


class CalendarPolicy(Policy):
    """When people work. `zone: service` is the zone of the service."""

    zone: f.ZoneField = f.SERVICE_ZONE
    days: Annotated[list[Weekday], Field(min_length=1)] = list(WEEKDAYS[:5])
    hours: Annotated[list[f.TimeOfDay], Field(min_length=2, max_length=2)] = [9 * 60, 17 * 60]
    holidays: f.HolidaysField = None

    def at(self, service_zone: str) -> Calendar:
        """The calendar to count with, `service` being this zone (UTC where it is invalid)."""
        place = first_zone(service_zone) if self.zone == f.SERVICE_ZONE else first_zone(self.zone)
        days = frozenset(WEEKDAYS.index(day) for day in self.days)
        return Calendar(place, days, self.hours[0], self.hours[1], self.holidays)

    @field_validator("hours")
    @classmethod
    def _open_before_closing(cls, hours: list[int]) -> list[int]:
        if hours[0] >= hours[1]:
            raise ValueError('business hours begin before they end on one day, like ["09:00", "17:00"]')
        return hours


class SlaRule(Policy):
    """Within which business time a task is to be touched and resolved; without `when` it serves every account."""

    when: Any = None
    first_touch: f.BusinessSpan | None = None
    resolve: f.BusinessSpan | None = None


class SlaPolicy(Policy):
    """A keyed list of rules, of which the first whose condition holds is taken."""

    key: Key
    rules: Annotated[list[SlaRule], Field(min_length=1)]


class Absence(Policy):
    """A time away, the end exclusive."""

    begins: InstantField = Field(alias="from")
    ends: InstantField = Field(alias="until")


class TeamMember(Policy):
    """One of our people. `calendar` null is the service's; `capacity` weighs how much work they can carry."""

    id: Key
    name: str = ""
    email: str | None = None
    manager: Key | None = None
    role: Literal["csm", "sales", "manager", "director"]
    calendar: CalendarPolicy | None = None
    absent: Annotated[list[Absence], NoneIsEmpty] = []
    capacity: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0

    def is_absent(self, now: Instant) -> bool:
        """Whether the person is away."""
        return any(away.begins <= now < away.ends for away in self.absent)


class Tone(Policy):
    """How a customer's way of writing is read: words that make it warm, and how short is brief."""

    warm: Annotated[list[str], NoneIsEmpty] = ["thanks", "thank you", "love", "great", "appreciate", "happy"]
    brief_under_words: Annotated[int, Field(ge=0)] = 40


class Discretion(Policy):
    """What an agent may give without asking, per period, where the condition holds (none: to every account)."""

    when: Any = None
    credit: f.Money | None = None
    refund: f.Money | None = None
    extension: f.Span | None = None
    per: Literal["month", "quarter", "year"] = "quarter"


class Retention(Policy):
    """How long each kind of record is kept; null is for good."""

    events: f.Span | None = 730 * DAY
    messages: f.Span | None = 730 * DAY
    decisions: f.Span | None = 400 * DAY
    dead_letters: f.Span | None = 90 * DAY
