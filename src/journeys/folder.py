"""Definitions as the files of a folder: written so that reading them gives the same bodies back (definitions.md)."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from journeys.definitions import SINGLE, TEXTS, Draft, Fault, Refused
from journeys.reading import read_folder

LISTS = ("milestones",)
"""Kinds of which one file holds them all, as a list."""


_ODD_BREAKS = re.compile(r"[\x85\u2028\u2029]|^\s|\s$|\s\n|\n\s")
"""What PyYAML does not always read as it wrote it, unless it is quoted: rare breaks, white space beside a break."""


_LONGEST = 200
"""Characters of a file's name: file systems take 255 bytes."""


class _Dumper(yaml.SafeDumper):
    """YAML as people write it: texts of several lines as blocks, no anchors, nothing sorted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    plain = not _ODD_BREAKS.search(value)
    style = ("|" if "\n" in value else None) if plain else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


class _HeadDumper(_Dumper):
    """Front matter: a text stays on its line, so that none of its lines can look like the end of it."""


def _line(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = '"' if "\n" in value or _ODD_BREAKS.search(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_HeadDumper.add_representer(str, _line)


def _yaml(value: Any, dumper: type[yaml.SafeDumper] = _Dumper, width: float = 110) -> str:
    return yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True, width=width)


def text_of(kind: str, body: Mapping[str, Any]) -> str:
    """One definition as the text of a file."""
    if kind in TEXTS:
        head = {name: value for name, value in body.items() if name != "body"}
        return f"---\n{_yaml(head, _HeadDumper, inf)}---\n{body.get('body', '')}\n"
    if kind == "stages" and body.keys() == {"stages"}:
        return _yaml(body["stages"])
    return _yaml(dict(body))


def files_of(drafts: Iterable[Draft]) -> dict[str, str]:
    """The files of a folder, text by path in it. Reading the folder gives the same definitions (`read_folder`)."""
    files: dict[str, str] = {}
    for draft in sorted(drafts, key=lambda one: (one.kind, one.key)):
        if draft.kind in LISTS:
            path = f"{draft.kind}.yaml"
            files[path] = files.get(path, "") + _yaml([draft.body])
        else:
            files[_path(draft)] = text_of(draft.kind, draft.body)
    return files


def write_folder(folder: Path, drafts: Iterable[Draft]) -> list[str]:
    """Write the definitions; answers which files. What a file of the folder says already stays as it is written there.

    Raises Refused where the folder cannot be read, or holds one of them, otherwise said, in a file of several: that
    file is somebody's own order.
    """
    there = {(one.kind, one.key): one for one in (read_folder(folder) if folder.is_dir() else ())}
    shared = Counter(one.file for one in there.values())
    differing = [one for one in drafts if not _says(there, one)]
    faults = [
        Fault(
            one.kind,
            one.key,
            "is said otherwise here",
            "",
            file,
            True,
            "move it to a file of its own, or away",
        )
        for one in differing
        if (file := _home(there, one)) is not None and shared[file] > 1 and one.kind not in LISTS
    ]
    if faults:
        raise Refused(faults)
    whole = [*(one for one in drafts if one.kind in LISTS), *(d for d in differing if d.kind not in LISTS)]
    lists_differ = any(one.kind in LISTS for one in differing)
    homes = {_path(one): home for one in differing if (home := _home(there, one)) is not None}
    written = []
    for path, text in files_of(whole if lists_differ else differing).items():
        target = folder / homes.get(path, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8", newline="\n")
        written.append(str(target))
    return written


def _says(there: Mapping[tuple[str, str], Draft], draft: Draft) -> bool:
    known = there.get((draft.kind, draft.key))
    return known is not None and known.hash == draft.hash


def _home(there: Mapping[tuple[str, str], Draft], draft: Draft) -> str | None:
    """The file that holds the definition now."""
    known = there.get((draft.kind, draft.key))
    return None if known is None else known.file


def _path(draft: Draft) -> str:
    if draft.kind in SINGLE:
        return f"{draft.kind}.yaml"
    ending = "md" if draft.kind in TEXTS else "yaml"
    return f"{draft.kind}/{_name(draft.key)}.{ending}"


def _name(key: str) -> str:
    """A file name for a key, no two alike: `nudge@champion`, what a file system might not take as %xx, cut to length."""
    name = quote(key, safe="@ ")
    if len(name) <= _LONGEST:
        return name
    return f"{name[:_LONGEST]}~{sha256(key.encode()).hexdigest()[:16]}"
