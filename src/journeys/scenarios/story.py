"""What a scenario file says, checked (interfaces.md §6, definitions.md "Scenario actions")."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from journeys.definitions import plain
from journeys.mending import mend
from signals.instant import Instant, InstantField, parse_duration, parse_instant


class Strict(BaseModel):
    """Nothing undeclared."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, frozen=True)


class GivenContact(Strict):
    """A person who is there from the start."""

    id: str
    name: str | None = None
    email: str | None = None
    roles: list[Any] = []
    timezone: str | None = None
    locale: str | None = None
    attributes: dict[str, Any] = {}


class GivenAccount(Strict):
    """An account that is there from the start."""

    id: str
    name: str | None = None
    created_at: InstantField | None = None
    attributes: dict[str, Any] = {}


class ScenarioEvent(Strict):
    """An event; `at` overrides its time (late events)."""

    type: str
    id: str | None = None
    source: str = "scenario"
    account: str | None = None
    contact: str | None = None
    data: dict[str, Any] = {}
    at: str | None = None


class Given(Strict):
    """One entry of `given`: an account with its people, or history."""

    account: GivenAccount | None = None
    contacts: list[GivenContact] = []
    events: list[ScenarioEvent] | None = None


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class Expect(Strict):
    """What must be true at an instant; every list may stand with `only: true`."""

    open_signals: dict[str, list[str]] = {}
    fired: dict[str, dict[str, int]] = {}
    segments: dict[str, list[str]] = {}
    stage: dict[str, str | None] = {}
    health: dict[str, dict[str, Any] | None] = {}
    holds: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] | None = None
    message_count: dict[str, int] = {}
    tasks: list[dict[str, Any]] | None = None
    task_count: dict[str, int] = {}
    journeys: dict[str, dict[str, Any]] = {}
    decisions: list[dict[str, Any]] | None = None
    attributes: dict[str, dict[str, Any]] = {}
    dead: list[dict[str, Any]] | None = None
    refused: list[dict[str, str]] = []
    absent: dict[str, Any] = {}
    only: bool = False


class Entry(Strict):
    """One entry of `then`."""

    at: str | int
    event: ScenarioEvent | None = None
    events: list[ScenarioEvent] = []
    do: Annotated[list[dict[str, Any]], BeforeValidator(_listed)] = []
    expect: Expect | None = None


class Story(Strict):
    """One scenario."""

    scenario: str
    clock: InstantField
    uses: str = "none"
    define: dict[str, Any] = {}
    given: list[Given] = []
    then: Annotated[list[Entry], Field(min_length=1)]
    description: str | None = None
    timezone: str = "UTC"

    @model_validator(mode="after")
    def _in_order(self) -> "Story":
        last = self.clock
        for place, entry in enumerate(self.then):
            at = instant_of(entry.at, self.clock)
            if at < last:
                raise ValueError(f"then goes back in time at entry {place + 1} ({entry.at})")
            last = at
        return self


def instant_of(at: str | int, clock: Instant) -> Instant:
    """An offset from the clock (`3d`, `1d2h`, 0) or an instant."""
    text = str(at).strip()
    if text in ("0", ""):
        return clock
    if "T" in text or text.count("-") == 2:
        return parse_instant(text)
    back = text.startswith("-")
    total, piece = 0, ""
    for sign in text.removeprefix("-").replace(" ", ""):
        piece += sign
        if sign.isalpha():
            total += parse_duration(piece)
            piece = ""
    if piece:
        raise ValueError(f"{at!r} is neither an offset like 3d nor an instant")
    return clock - total if back else clock + total


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same safe YAML; where libyaml is there, in a tenth of the time."""


class StoryRefused(ValueError):
    """A file that is no scenario; the message says where and why."""


def read_stories(path: Path) -> list[Story]:
    """Every scenario of a file. Raises StoryRefused."""
    try:
        documents = [
            plain(document) for document in yaml.load_all(path.read_text("utf-8"), _LOADER) if document
        ]
    except yaml.YAMLError as error:
        raise StoryRefused(f"{path}: {error}") from error
    stories = []
    for document in documents:
        try:
            stories.append(Story.model_validate(document))
        except ValidationError as error:
            faults = "; ".join(_told(fault) for fault in error.errors(include_url=False))
            name = document.get("scenario", "?") if isinstance(document, dict) else "?"
            raise StoryRefused(f"{path}: {name}: {faults}") from error
    return stories


def _told(fault: Any) -> str:
    """Where, what, and how to mend it."""
    hint = mend(fault, Story.model_json_schema(by_alias=True))
    said = fault["msg"].removeprefix("Value error, ")
    return f"/{'/'.join(map(str, fault['loc']))}: {said}" + (f" ({hint})" if hint else "")
