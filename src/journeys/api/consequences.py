"""What definitions make of accounts, as OpenAPI documents it: of all of them by going live, of one in a preview."""

from typing import Any

from pydantic import BaseModel


class Opened(BaseModel):
    """What becomes of a signal: how many accounts open it silently, fire it, close it."""

    key: str
    opened: int
    fired: int
    closed: int


class Entered(BaseModel):
    """What becomes of a segment, a stage or a health band: how many accounts enter it, how many leave."""

    key: str
    entered: int
    left: int


class Reached(BaseModel):
    """How many accounts reach a milestone."""

    key: str
    reached: int


class Travelled(BaseModel):
    """What becomes of a play's journeys: how many start, go on to another step or version, end."""

    key: str
    started: int
    moved: int
    ended: int


class Made(BaseModel):
    """What a change of definitions makes of `accounts` accounts."""

    accounts: int
    signals: list[Opened]
    segments: list[Entered]
    milestones: list[Reached]
    stages: list[Entered]
    bands: list[Entered]
    journeys: list[Travelled]


class ProgressResource(BaseModel):
    """How far the live definitions have reached the accounts: `done` of `accounts`, in order of their ids.

    `made` leaves out the accounts at which something happened meanwhile: they were brought there then.
    """

    stamp: int
    started_at: str
    moved_at: str
    finished_at: str | None
    accounts: int
    done: int
    made: Made


class PartVerdict(BaseModel):
    """One condition of a definition: whether it holds (null: unknown), the earliest it could change, and why."""

    part: str
    holds: bool | None
    until: str | None
    because: list[dict[str, Any]]


class PreviewResource(BaseModel):
    """What a definition says of an account at an instant; `state` is what it would be in by then."""

    kind: str
    key: str
    version: int
    account: str
    at: str
    holds: bool | None
    until: str | None
    because: list[dict[str, Any]]
    parts: list[PartVerdict]
    state: dict[str, Any]
