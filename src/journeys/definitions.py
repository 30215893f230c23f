"""Definitions: what marketers and operators write, read from folders and bodies, made into a playbook (definitions.md)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import orjson
import yaml
from pydantic import BaseModel, ValidationError

from channels.grammar import RenderFailed
from channels.policies import Policies
from channels.render import Renderer, Source
from journeys.playbook import Playbook
from plays.content import BadFrontMatter, Block, Content, read_front_matter
from plays.play import CompiledPlay, Play
from plays.steps import MessageStep, TaskStep
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

    def __str__(self) -> str:
        place = self.file or f"{self.kind}/{self.key}"
        return f"{place}{': ' + self.pointer if self.pointer else ''}: {self.detail}"


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
    body = plain(body)
    try:
        return Draft(kind, key_of(kind, body), body, MODELS[kind].model_validate(body), file)
    except ValidationError as error:
        raise Refused([*_faults(kind, key_of(kind, body), error, file)]) from error
    except RenderFailed as error:
        raise Refused([Fault(kind, key_of(kind, body), str(error), "", file)]) from error


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
    for problem in error.errors(include_url=False, include_context=False):
        pointer = "".join(f"/{part}" for part in problem["loc"])
        yield Fault(kind, key, problem["msg"].removeprefix("Value error, "), pointer, file)


# ── folders ────────────────────────────────────────────────────────────────────────────────────────────────────


def read_folder(folder: Path) -> list[Draft]:
    """Every definition of a folder laid out as in definitions.md. Raises Refused with every fault found."""
    drafts: list[Draft] = []
    faults: list[Fault] = []
    for kind, body, file in _bodies(folder, faults):
        try:
            drafts.append(parse(kind, body, file))
        except Refused as refused:
            faults += refused.faults
    faults += _repeats(drafts)
    if faults:
        raise Refused(faults)
    return drafts


def _repeats(drafts: Iterable[Draft]) -> Iterator[Fault]:
    seen: dict[tuple[str, str], str | None] = {}
    for draft in drafts:
        if (draft.kind, draft.key) in seen:
            yield Fault(draft.kind, draft.key, f"stands in {seen[draft.kind, draft.key]} too", "", draft.file)
        seen[draft.kind, draft.key] = draft.file


def _bodies(folder: Path, faults: list[Fault]) -> Iterator[tuple[str, Any, str]]:
    for kind in ("signals", "segments", "plays", "mappings"):
        for path in sorted((folder / kind).glob("*.y*ml")):
            for body in _documents(path, kind, faults):
                yield kind, body, str(path.relative_to(folder))
    for kind in ("milestones", "stages", "health", "policies"):
        path = folder / f"{kind}.yaml"
        if path.is_file():
            documents = _documents(path, kind, faults, whole=kind in SINGLE)
            yield from ((kind, body, path.name) for body in documents)
    for kind in ("content", "blocks"):
        for path in sorted((folder / kind).rglob("*.md")):
            name = str(path.relative_to(folder))
            try:
                yield kind, read_front_matter(path.read_text("utf-8"), name), name
            except BadFrontMatter as error:
                faults.append(Fault(kind, path.stem, str(error), "", name))


def _documents(path: Path, kind: str, faults: list[Fault], whole: bool = False) -> list[Any]:
    """One body or a list of them."""
    try:
        loaded = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        faults.append(Fault(kind, path.stem, f"{where}{getattr(error, 'problem', error)}", "", path.name))
        return []
    if loaded is None:
        return []
    return loaded if isinstance(loaded, list) and not whole else [loaded]


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

    stages = of("stages")
    documents, health = of("policies"), of("health")
    try:
        return Playbook(
            signals=of("signals"),
            segments=of("segments"),
            milestones=of("milestones"),
            stages=stages[0].stages if stages else (),
            health=health[0] if health else None,
            plays=[_compiled(draft) for draft in drafts if draft.kind == "plays"],
            retired=[_compiled(draft) for draft in retired if draft.kind == "plays"],
            contents=of("content"),
            blocks=of("blocks"),
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


def _compiled(draft: Draft) -> CompiledPlay:
    return CompiledPlay(draft.model, draft.version, draft.status == "paused", draft.status == "draining")


# ── lint: what points nowhere ──────────────────────────────────────────────────────────────────────────────────


def lint(drafts: Sequence[Draft], renderer: Renderer | None = None) -> list[Fault]:
    """Everything that would fail later: unknown signals, segments, contents, topics, blocks; templates that break."""
    known = {
        kind: {draft.model.key for draft in drafts if draft.kind == kind}
        for kind in MODELS
        if kind != "policies"
    }
    policies = next((draft.model for draft in drafts if draft.kind == "policies"), None) or Policies()
    faults: list[Fault] = []
    for draft in drafts:
        if draft.kind == "plays":
            faults += _lint_play(draft, known, policies)
        elif draft.kind in ("content", "blocks"):
            faults += _lint_text(draft, known, policies, renderer)
    return faults


def _lint_play(draft: Draft, known: Mapping[str, set[str]], policies: Policies) -> Iterator[Fault]:
    play: Play = draft.model

    def fault(detail: str, pointer: str) -> Fault:
        return Fault("plays", draft.key, detail, pointer, draft.file)

    trigger = play.trigger
    if trigger.signal is not None and trigger.signal not in known["signals"]:
        yield fault(f"there is no signal {trigger.signal!r}", "/trigger/signal")
    if trigger.segment is not None and trigger.segment not in known["segments"]:
        yield fault(f"there is no segment {trigger.segment!r}", "/trigger/segment")
    for op in CompiledPlay(play).program.ops.values():
        body = op.body
        content = getattr(body, "content", None) if isinstance(body, MessageStep | TaskStep) else None
        if content is not None and content not in known["content"]:
            yield fault(f"there is no content {content!r}", f"step {op.id}")
        topic = body.topic if isinstance(body, MessageStep) else None
        if topic is not None and topic not in policies.topics:
            yield fault(f"the topic {topic!r} is not listed in the policies", f"step {op.id}")
        if isinstance(body, TaskStep) and policies.sla_policy(body.sla) is None:
            yield fault(f"there is no SLA policy {body.sla!r}", f"step {op.id}")


def _lint_text(
    draft: Draft, known: Mapping[str, set[str]], policies: Policies, renderer: Renderer | None
) -> Iterator[Fault]:
    text: Any = draft.model
    if isinstance(text, Content):
        for slot, keys in text.blocks.items():
            for key in keys:
                if key not in known["blocks"]:
                    yield Fault(
                        "content", draft.key, f"there is no block {key!r}", f"/blocks/{slot}", draft.file
                    )
        if text.topic is not None and text.topic not in policies.topics:
            detail = f"the topic {text.topic!r} is not listed in the policies"
            yield Fault("content", draft.key, detail, "/topic", draft.file)
    if renderer is not None:
        subject = text.subject if isinstance(text, Content) else ""
        try:
            renderer.check(Source(subject, text.body))
        except RenderFailed as error:
            yield Fault(draft.kind, draft.key, error.detail, "/body", draft.file)


Supplier = Callable[[], Playbook]
"""Whoever needs the playbook asks for the current one each time: a change reaches every worker."""
