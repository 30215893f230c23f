"""What bringing definitions in would change, said so that a person can read it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from typing import Any

import msgspec

from journeys.definitions import Draft
from journeys.folder import text_of
from journeys.life import WAITING

Newest = Mapping[tuple[str, str], Mapping[str, Any]]
"""The newest version of each definition there is, by kind and key, as the API tells it."""


def coming(drafts: Sequence[Draft], newest: Newest) -> list[Draft]:
    """The drafts with the version and status that keeping them would give them."""
    return [_kept(draft, newest.get((draft.kind, draft.key))) for draft in drafts]


def _kept(draft: Draft, known: Mapping[str, Any] | None) -> Draft:
    if known is None:
        return msgspec.structs.replace(draft, version=1, status="draft")
    if known["hash"] == draft.hash:
        return msgspec.structs.replace(draft, version=known["version"], status=known["status"])
    return msgspec.structs.replace(draft, version=known["version"] + 1, status="draft")


def changes(drafts: Sequence[Draft], newest: Newest, activate: bool = False) -> list[dict[str, Any]]:
    """What keeping these would change, and with `activate` which drafts would become live besides.

    `{kind, key, change, file, diff}`: `change` is `new`, `version n` or `activated`; `diff` are the lines that
    differ from the newest version, as in a file, those of a new one being its own.
    """
    found = []
    for draft in drafts:
        known = newest.get((draft.kind, draft.key))
        word = _change(draft, known, activate)
        if word is not None:
            found.append(
                {
                    "kind": draft.kind,
                    "key": draft.key,
                    "change": word,
                    "file": draft.file,
                    "diff": [*_differing(draft, known)],
                }
            )
    return found


def _change(draft: Draft, known: Mapping[str, Any] | None, activate: bool) -> str | None:
    if known is None:
        return "new"
    if known["hash"] != draft.hash:
        return f"version {known['version'] + 1}"
    return "activated" if activate and known["status"] in WAITING else None


def _differing(draft: Draft, known: Mapping[str, Any] | None) -> Iterator[str]:
    """A unified diff of the two as files, without its heading; nothing where only the status would change."""
    before = "" if known is None else text_of(draft.kind, known["body"])
    lines = unified_diff(before.splitlines(), text_of(draft.kind, draft.body).splitlines(), lineterm="", n=2)
    yield from (line for line in lines if not line.startswith(("---", "+++")))
