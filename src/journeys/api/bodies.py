"""What may be written through the API: one strict model for each body. Unknown fields are refused (B15)."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from channels.address import BadAddress, normalise
from channels.local_time import zone
from signals.event import ID_PATTERN
from signals.instant import InstantField, parse_instant

Id = Annotated[str, Field(pattern=f"^{ID_PATTERN.pattern}$")]
"""An account or contact id of ours (B35)."""

Word = Annotated[str, Field(min_length=1, max_length=200)]
Prose = Annotated[str, Field(max_length=10_000)]
Outcome = Literal["saved", "lost", "no_risk", "duplicate", "no_contact", "done"]


def _mailbox(text: Any) -> Any:
    """One plain mailbox, as it was written; the profile brings it to its normal form (B48-B53)."""
    if text is not None:
        try:
            normalise(text)
        except BadAddress as error:
            raise ValueError(str(error)) from error
    return text


def _zone(name: Any) -> Any:
    """An IANA zone id of the allow-list (B86)."""
    if name is not None and zone(name) is None:
        raise ValueError(f"{name!r:.60} is not an IANA time zone, like Europe/Berlin")
    return name


def _instant(text: Any) -> Any:
    if text is not None:
        parse_instant(text)
    return text


_CHECKED = {"email": _mailbox, "timezone": _zone, "created_at": _instant}


def _known_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """What the service itself reads of attributes must be readable; everything else is the customer's own."""
    for name, check in _CHECKED.items():
        try:
            check(attributes.get(name))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return attributes


Attributes = Annotated[dict[str, Any], AfterValidator(_known_attributes)]


class Strict(BaseModel):
    """Unknown fields are refused, and nothing is guessed: "yes" is no boolean (B15, B36)."""

    model_config = ConfigDict(extra="forbid", strict=True)


Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
External = Annotated[dict[Name, Name], Field(max_length=50)]
"""What others call an account or contact, by source: `{"stripe": "cus_123"}`."""


class AccountBody(Strict):
    """Attributes are merged one level deep; null removes. `external` is what others call it, beside what is known."""

    name: Word | None = None
    attributes: Attributes = {}
    external: External = {}

    def written(self) -> dict[str, Any]:
        """The attributes to merge."""
        return {**self.attributes, **({} if self.name is None else {"name": self.name})}

    def told(self) -> dict[str, Any]:
        """The data of the event that says so."""
        return {"attributes": self.written(), **({"external": self.external} if self.external else {})}


class RoleBody(Strict):
    """A role with its time: held since, ending at."""

    role: Word
    since: InstantField | None = None
    until: InstantField | None = None


class ContactBody(Strict):
    """Attributes are merged; `roles` replaces the set of roles; `external` is added to what others call the person."""

    account: Id
    email: Annotated[str, AfterValidator(_mailbox)] | None = None
    name: Word | None = None
    timezone: Annotated[str, AfterValidator(_zone)] | None = None
    locale: Word | None = None
    attributes: Attributes = {}
    roles: list[Word | RoleBody] | None = None
    external: External = {}

    def written(self) -> dict[str, Any]:
        """The data of the event that says so."""
        own = {name: getattr(self, name) for name in ("email", "name", "timezone", "locale")}
        given = {name: value for name, value in own.items() if value is not None}
        data: dict[str, Any] = {"attributes": {**given, **self.attributes}}
        if self.external:
            data["external"] = self.external
        if self.roles is not None:
            data["roles"] = [
                role if isinstance(role, str) else role.model_dump(exclude_none=True) for role in self.roles
            ]
        return data


class HoldBody(Strict):
    """A hold of the account: marketing waits. Its reason is its name."""

    reason: Word = "manual"
    until: InstantField | None = None


class TaskBody(Strict):
    """What a task's verb needs."""

    by: Word | None = None
    until: InstantField | None = None
    reason: Prose = ""
    outcome: Outcome | None = None
    owner: Id | None = None
    text: Prose = ""
