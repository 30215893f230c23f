"""Definitions read from a folder laid out as in definitions.md, every fault with its file and line."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from journeys.definitions import SINGLE, Draft, Fault, Refused, parse
from journeys.mending import body_line, line_of
from plays.content import BadFrontMatter, read_front_matter


def read_folder(folder: Path) -> list[Draft]:
    """Every definition of a folder laid out as in definitions.md. Raises Refused with every fault found."""
    drafts: list[Draft] = []
    faults: list[Fault] = []
    for kind, body, file, place in _bodies(folder, faults):
        try:
            drafts.append(parse(kind, body, file))
        except Refused as refused:
            faults += (located(fault, folder, place) for fault in refused.faults)
    faults += (located(fault, folder) for fault in _repeats(drafts))
    if faults:
        raise Refused(faults)
    return drafts


def located(fault: Fault, folder: Path, place: int | None = None) -> Fault:
    """The fault with its line, where its file is one of the folder's; `place` is that of its body in the file."""
    if fault.file is None or fault.line is not None:
        return fault
    text = (folder / fault.file).read_text("utf-8")
    line = line_of(text, place, fault.key.partition("@")[0], fault.pointer)
    if fault.pointer == "/body" and fault.file.endswith(".md"):
        line = body_line(text) + (fault.text_line or 1) - 1
    return msgspec.structs.replace(fault, line=line)


def _repeats(drafts: Iterable[Draft]) -> Iterator[Fault]:
    seen: dict[tuple[str, str], str | None] = {}
    for draft in drafts:
        if (draft.kind, draft.key) in seen:
            detail = f"stands in {seen[draft.kind, draft.key]} too"
            yield Fault(
                draft.kind, draft.key, detail, "/key", draft.file, True, "give one of them another key"
            )
        seen[draft.kind, draft.key] = draft.file


def _bodies(folder: Path, faults: list[Fault]) -> Iterator[tuple[str, Any, str, int | None]]:
    """Kind, body, file, and which body of the file it is."""
    for kind in ("signals", "segments", "plays", "offers", "mappings"):
        for path in sorted((folder / kind).glob("*.y*ml")):
            for place, body in enumerate(_documents(path, kind, faults)):
                yield kind, body, str(path.relative_to(folder)), place
    for kind in ("milestones", "stages", "health", "policies"):
        path = folder / f"{kind}.yaml"
        if path.is_file():
            whole = kind in SINGLE
            documents = _documents(path, kind, faults, whole)
            yield from ((kind, body, path.name, None if whole else n) for n, body in enumerate(documents))
    for kind in ("content", "blocks"):
        for path in sorted((folder / kind).rglob("*.md")):
            name = str(path.relative_to(folder))
            try:
                yield kind, read_front_matter(path.read_text("utf-8"), name), name, 0
            except BadFrontMatter as error:
                faults.append(Fault(kind, path.stem, str(error), "", name))


def _documents(path: Path, kind: str, faults: list[Fault], whole: bool = False) -> list[Any]:
    """One body or a list of them."""
    try:
        loaded = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        file = path.name if path.parent.name != kind else f"{kind}/{path.name}"
        detail, line = str(getattr(error, "problem", error)), mark.line + 1 if mark else None
        mend_it = "quote text that holds : # { [ or begins with *; indent with spaces"
        faults.append(Fault(kind, path.stem, detail, "", file, True, mend_it, line))
        return []
    if loaded is None:
        return []
    return loaded if isinstance(loaded, list) and not whole else [loaded]
