"""What a merge is called on a time line."""

from collections.abc import Mapping
from typing import Any

_BECAUSE = {
    "email": "the same address",
    "external": "linked to what others called it",
    "alias": "said by the same browser or session",
}


def told(row: Any, people: Mapping[str, str]) -> tuple[str, str | None, dict[str, Any]]:
    """Title, detail and references of a row of `identity_merges`; `people` are the names of those at the account."""
    title = f"{row.kind.capitalize()} {row.old} became {people.get(row.survivor, row.survivor)}"
    refs = {"type": "identity.merged", "event": row.event, "source": row.source, "old": row.old}
    return title, _BECAUSE.get(row.because), {**refs, "survivor": row.survivor}
