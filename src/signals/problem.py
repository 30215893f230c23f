"""What is wrong with something that came in: said so that a person can mend it."""

from typing import Any

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """One thing that could not be taken. The HTTP API shows it as RFC 9457, a feed keeps it with a dead letter.

    `reason` is a closed word (`malformed`, `invalid`, `in_the_future`, `id_conflict`, `too_large`,
    `unsupported_media_type`, `ambiguous_account`, `no_account`, `address_taken`, `external_taken`, `merge_circle`, `unmapped`, `tombstone`, `unsupported_version`, `timeout`, `unsigned`);
    `pointer` is an RFC 6901 JSON pointer to the field, where there is one.
    """

    status: int
    reason: str
    detail: str
    pointer: str | None = None

    def as_json(self) -> dict[str, Any]:
        """RFC 9457 members."""
        body: dict[str, Any] = {
            "type": f"urn:journeys:{self.reason}",
            "title": self.reason.replace("_", " "),
            "status": self.status,
            "detail": self.detail,
        }
        if self.pointer is not None:
            body["errors"] = [{"pointer": self.pointer, "detail": self.detail}]
        return body


def id_conflict(event_id: str, source: str, pointer: str | None = None) -> Problem:
    """The same source and id with other content: the first wins (I3)."""
    return Problem(
        409, "id_conflict", f"event {event_id!r} of {source!r} came before with other content", pointer
    )


class Refused(Exception):
    """Raised where a whole request or record is refused; carries its `Problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem
