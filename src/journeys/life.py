"""The life of a definition (semantics §5): draft, approved, active, paused, draining, stopped, archived. Pure words."""

from collections.abc import Sequence
from typing import Literal

LIVE = ("active", "paused", "draining", "stopped")
"""Statuses in which a definition counts."""

WAITING = ("draft", "approved")
"""Statuses of a version that has never been live."""

OPENING = ("active",)
"""Statuses that let a play take people again."""

ENDING = ("stopped",)
"""Statuses under which journeys are being ended."""

Approval = Literal["none", "any", "other"]
"""Whether activation asks for an approval: no; by anyone; by somebody other than the author."""


MOVES = {
    "paused": ("active", "draining"),
    "active": ("paused", "draining", "stopped"),
    "draining": ("active", "paused"),
    "stopped": ("active", "paused", "draining"),
    "archived": LIVE,
}
"""From which statuses a live version may come to each of these; to any other it comes by being activated."""


class NotNow(RuntimeError):
    """A change of definitions that cannot be made as things are; the message says why and what to do."""


class SeenOtherwise(NotNow):
    """The definitions are not those the dry run saw: run it again, and activate with its token."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or str(self.__doc__))


class NotApproved(NotNow):
    """Versions that wait for an approval of their very content."""

    def __init__(self, versions: Sequence[str], approval: Approval) -> None:
        by = " by somebody other than the author" if approval == "other" else ""
        are = "is" if len(versions) == 1 else "are"
        super().__init__(f"{', '.join(versions)} {are} not approved{by}: POST /v1/<kind>/<key>/approve first")
        self.versions = list(versions)


class NotPossible(NotNow):
    """A change that cannot be made now; the message says why and when it can."""
