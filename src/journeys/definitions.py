"""Definitions: what marketers and operators write, checked and made into a playbook (definitions.md)."""

from collections.abc import Iterator, Mapping, Sequence, Set
from hashlib import sha256
from math import isfinite
from typing import Any

import msgspec
import orjson
from pydantic import BaseModel, ValidationError

from channels.grammar import RenderFailed
from channels.policies import Policies
from journeys.mending import mend
from journeys.playbook import Playbook
from plays.content import Block, Content
from plays.offers import Offer
from plays.play import CompiledPlay, Live, Play
from signals.definitions import Definition, HealthRules, Milestone, Segment, Signal, Stage
from signals.sources.mapped import Mapping as RowMapping
from signals.watch import CircularDefinitions


class Stages(Definition):
    """The ordered list of stages as one definition, under the key `stages`."""

    key: str = "stages"
    stages: list[Stage]


MODELS: dict[str, type[BaseModel]] = {
    "signals": Signal,
    "segments": Segment,
    "milestones": Milestone,
    "stages": Stages,
    "health": HealthRules,
    "plays": Play,
    "content": Content,
    "blocks": Block,
    "offers": Offer,
    "policies": Policies,
    "mappings": RowMapping,
}
"""Every kind of definition and the model that checks its body."""

SINGLE = ("stages", "health", "policies")
"""Kinds of which there is one document, under its own name."""


class Fault(msgspec.Struct, frozen=True):
    """Something wrong with a definition: where, what, and how to mend it."""

    kind: str
    key: str
    detail: str
    pointer: str = ""
    file: str | None = None
    blocking: bool = True
    mend: str = ""
    line: int | None = None
    text_line: int | None = None  # of the body of a text, from 1; `line` is that of the file

    def __str__(self) -> str:
        place = self.file or f"{self.kind}/{self.key}"
        line = "" if self.line is None else f":{self.line}"
        mend = f" ({self.mend})" if self.mend else ""
        return f"{place}{line}{': ' + self.pointer if self.pointer else ''}: {self.detail}{mend}"


class Refused(ValueError):
    """Definitions that cannot be taken; carries every fault."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = list(faults)


class Draft(msgspec.Struct, frozen=True):
    """One definition: its kind, key, body as written, and checked."""

    kind: str
    key: str
    body: dict[str, Any]
    model: Any
    file: str | None = None
    version: int = 1
    status: str = "active"
    fresh: bool = False  # made live by the change that made the present playbook
    live: Live = "pin"  # what becoming live made of journeys on the versions before
    since: int = 0  # the stamp it became live with
    ends: bool = False  # its live journeys end

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical body: one changed byte is another content."""
        return sha256(orjson.dumps(self.body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def key_of(kind: str, body: Mapping[str, Any]) -> str:
    """Under which key a body is kept: variants of a content have a key each."""
    if kind in SINGLE:
        return kind
    key = str(body.get("key", ""))
    parts = [str(body[name]) for name in ("role", "stage", "locale") if kind == "content" and body.get(name)]
    return "@".join([key, *parts])


def parse(kind: str, body: Any, file: str | None = None) -> Draft:
    """The checked definition. Raises Refused with a pointer for every fault."""
    body = {"stages": body} if kind == "stages" and isinstance(body, list) else body
    if not isinstance(body, dict):
        raise Refused([Fault(kind, "", "a definition is an object", "", file)])
    body = _one_form(kind, plain(body))
    if odd := [*_no_numbers(body)]:
        mend_it = "write it as text, or a number that is nearer to zero"
        raise Refused(
            [Fault(kind, key_of(kind, body), _NO_NUMBER, place, file, True, mend_it) for place in odd]
        )
    try:
        return Draft(kind, key_of(kind, body), body, MODELS[kind].model_validate(body), file)
    except ValidationError as error:
        raise Refused([*_faults(kind, key_of(kind, body), error, file)]) from error
    except RenderFailed as error:
        raise Refused([Fault(kind, key_of(kind, body), str(error), "", file)]) from error


_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_NO_NUMBER = "no number that JSON can hold: whole ones have at most 64 bits, others are finite"


def _no_numbers(value: Any, pointer: str = "") -> Iterator[str]:
    """Where numbers stand that YAML can write and a body cannot hold."""
    if isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _no_numbers(item, f"{pointer}/{name}")
    elif isinstance(value, int | float) and not _fits(value):
        yield pointer


def _fits(number: float) -> bool:
    return _SMALLEST <= number <= _LARGEST if isinstance(number, int) else isfinite(number)


TEXTS = ("content", "blocks")
"""Kinds that are front matter and Markdown."""


def _one_form(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """A text as a file can say it: its lines end in one way, none is empty at its ends, and it is always there."""
    text = body.get("body", "")
    if kind not in TEXTS or not isinstance(text, str):
        return body
    return {**body, "body": text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")}


def plain(value: Any) -> Any:
    """YAML's own dates as the text they were: bodies are JSON."""
    if isinstance(value, Mapping):
        return {_name(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else value


def _name(name: Any) -> str:
    """YAML 1.1 reads a bare `on` as true; as a name it is the word."""
    return ("on" if name else "off") if isinstance(name, bool) else str(name)


def _faults(kind: str, key: str, error: ValidationError, file: str | None) -> Iterator[Fault]:
    schema = MODELS[kind].model_json_schema(by_alias=True)
    for problem in error.errors(include_url=False, include_context=False):
        pointer = "".join(f"/{part}" for part in problem["loc"])
        detail = problem["msg"].removeprefix("Value error, ")
        yield Fault(kind, key, detail, pointer, file, True, mend(problem, schema))


# ── a playbook ─────────────────────────────────────────────────────────────────────────────────────────────────


def build(
    drafts: Sequence[Draft],
    zone: str,
    policies: Policies | None = None,
    retired: Sequence[Draft] = (),
    stamp: int = 0,
    current: bool = False,
) -> Playbook:
    """The compiled playbook of active definitions. Raises Refused for circles and the like."""

    def of(kind: str) -> list[Any]:
        return [draft.model for draft in drafts if draft.kind == kind]

    stages, paused = of("stages"), {draft.key for draft in drafts if draft.status == "paused"}
    documents, health = of("policies"), of("health")
    try:
        return Playbook(
            signals=of("signals"),
            segments=of("segments"),
            milestones=of("milestones"),
            stages=stages[0].stages if stages else (),
            health=health[0] if health else None,
            plays=[_compiled(draft, paused) for draft in drafts if draft.kind == "plays"],
            retired=[_compiled(draft, paused) for draft in retired if draft.kind == "plays"],
            contents=of("content"),
            blocks=of("blocks"),
            offers=of("offers"),
            mappings=of("mappings"),
            policies=policies or (documents[0] if documents else Policies()),
            zone=zone,
            stamp=stamp,
            current=current,
            fresh={draft.key for draft in drafts if draft.fresh and draft.kind == "plays"},
        )
    except CircularDefinitions as error:
        raise Refused([Fault(*maker_of(token), str(error)) for token in error.tokens]) from error


def maker_of(token: str) -> tuple[str, str]:
    """Kind and key of the definition that makes a token: `signal:x`, `segment:y`, `milestone:z`, `stage`, `health`."""
    kind, _, key = token.partition(":")
    single = {"stage": "stages", "health": "health"}.get(kind)
    return (single, single) if single is not None else (f"{kind}s", key)


def _compiled(draft: Draft, paused: Set[str]) -> CompiledPlay:
    """A version of a play; while the play is paused, journeys on its older versions stand still too."""
    return CompiledPlay(
        draft.model,
        draft.version,
        draft.key in paused,
        draft.status == "draining",
        stopped=draft.ends,
        since=draft.since,
        live=draft.live,
    )
