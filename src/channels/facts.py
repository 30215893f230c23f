"""What judgement looks at: loaded in bulk by the dispatcher at the moment of sending, and nothing else."""

from collections.abc import Callable
from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec

from channels.message import Reason
from signals.instant import Instant

SuppressionCause: TypeAlias = Literal["hard_bounce", "complaint", "manual", "legal"]


class RivalState(StrEnum):
    """Where another message to the same contact stands. A held or settled one that was not sent is no rival."""

    QUEUED = "queued"
    DUE = "due"  # not made yet: a running timed wait ends in it
    SENT = "sent"


class Rival(msgspec.Struct, frozen=True, kw_only=True):
    """Another message to the same contact, of any journey.

    `at` is when it was sent, when its wait ends, or when a queued one is next tried. `id` may be None while DUE.
    """

    id: str | None
    priority: int
    marketing: bool
    state: RivalState
    at: Instant


class ContentFailure(msgspec.Struct, frozen=True):
    """Why the content cannot be made for this person: rendering's word for it, and which fact or fault."""

    reason: Reason
    detail: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The world as one message needs it, at the instant of judgement.

    Without default is what protects people: whoever loads facts must have looked. `readable` is False where the
    consent or suppression of this contact could not be read; then nothing goes.

    Sends are those that charge caps (`message.charges_caps`); for a control message they are the withheld ones of
    its arm (shadow room), for any other the real ones. Lists may reach further back than the windows.
    """

    journey_live: bool
    contact_open: bool  # False once closed or erased
    readable: bool
    suppression: SuppressionCause | None
    topic_consent: bool | None  # None: never said; False also after "all topics"
    channel_consent: bool | None

    exit_holds: bool | None = False  # None: unknown, which changes nothing
    goal_holds: bool | None = False  # within the goal's window
    sending_stopped: bool = False  # the kill switch
    play_paused: bool = False
    account_holds: tuple[str, ...] = ()  # reasons of the holds that stand
    last_same_content_at: Instant | None = (
        None  # last send of this content key on this channel to this contact
    )
    rivals: tuple[Rival, ...] = ()
    contact_sends: tuple[Instant, ...] = ()  # to this person, whatever the account
    account_sends: tuple[Instant, ...] = ()
    last_other_contact_send_at: Instant | None = (
        None  # to other people of the account, not by the same step and visit
    )
    zones: tuple[object, ...] = ()  # as stored: the contact's, the account's, the service's
    last_release_at: Instant | None = None  # when the account's last held message was let go
    rate_next_at: Instant | None = None  # when the channel may send again; None or past: now
    content_failure: ContentFailure | Callable[[], ContentFailure | None] | None = None  # called last of all
    control: bool = False  # the global control group; `Message.arm_control` is the play's own
