"""What would fail later, said before: names that point nowhere, templates that break; each with a way to mend it."""

from collections.abc import Iterator, Mapping, Sequence, Set
from difflib import get_close_matches
from typing import Any

from channels.policies import Policies
from channels.render import Renderer
from journeys.definitions import MODELS, Draft, Fault
from journeys.mending import nearest
from journeys.texts import lint_texts
from plays.content import Content
from plays.play import CompiledPlay, Play
from plays.steps import MessageStep, OfferStep, TaskStep

Known = Mapping[str, Set[str]]
"""The keys there are, by kind."""

_HOMES = {
    "signals": "in signals/",
    "segments": "in segments/",
    "content": "in content/",
    "blocks": "in blocks/",
    "offers": "in offers/",
}
ROLES = ("admin", "champion", "exec_sponsor", "finance", "user")
"""The roles everybody has; a house may have others, which its texts and conditions speak of (semantics §1)."""

SLIP = 0.8
"""How alike two words are of which one is taken for a slip of the pen (`difflib`): `champon`, not `buyer`."""

_FREE = ("where", "data", "attributes", "facts")
"""Below these a definition's own words stand: `signal` there is a field of somebody's data."""


def lint(
    drafts: Sequence[Draft], renderer: Renderer | None = None, only: Set[tuple[str, str]] | None = None
) -> list[Fault]:
    """Everything that would fail later, and what looks like a slip (not `blocking`).

    Of all drafts, or of those of these kinds and keys `only`, among all others.
    """
    asked = [draft for draft in drafts if only is None or (draft.kind, draft.key) in only]
    known = {
        kind: {draft.model.key for draft in drafts if draft.kind == kind}
        for kind in MODELS
        if kind != "policies"
    } | {"roles": {*ROLES, *(role for draft in drafts for _, role, _ in _named(draft.body, ("role", "by")))}}
    policies = next((draft.model for draft in drafts if draft.kind == "policies"), None) or Policies()
    faults: list[Fault] = []
    for draft in asked:
        if draft.kind == "plays":
            faults += _lint_play(draft, known, policies)
        elif draft.kind in ("content", "blocks"):
            faults += _lint_text(draft, known, policies)
        faults += _lint_names(draft, known)
    return faults + list(lint_texts(drafts, renderer, asked))


def _nowhere(draft: Draft, kind: str, key: str, pointer: str, known: Known, blocking: bool = True) -> Fault:
    """A name that is no definition's."""
    mend = nearest(key, known[kind], f"define it {_HOMES[kind]}")
    detail = f"there is no {kind.removesuffix('s')} {key!r}"
    return Fault(draft.kind, draft.key, detail, pointer, draft.file, blocking, mend)


def _unlisted(draft: Draft, topic: str, pointer: str, policies: Policies) -> Fault:
    mend = nearest(topic, policies.topics.keys(), "list it in policies.yaml under topics")
    detail = f"the topic {topic!r} is not listed in the policies"
    return Fault(draft.kind, draft.key, detail, pointer, draft.file, True, mend)


def _lint_play(draft: Draft, known: Known, policies: Policies) -> Iterator[Fault]:
    play: Play = draft.model
    trigger = play.trigger
    if trigger.signal is not None and trigger.signal not in known["signals"]:
        yield _nowhere(draft, "signals", trigger.signal, "/trigger/signal", known)
    if trigger.segment is not None and trigger.segment not in known["segments"]:
        yield _nowhere(draft, "segments", trigger.segment, "/trigger/segment", known)
    if play.group is not None and play.journey_key is not None:
        detail = f"the group {play.group!r} lets an account have one journey at a time: a second {play.journey_key} starts none"
        mend = "leave group out where each key shall have its journey, or journey_key where it shall not"
        yield Fault("plays", draft.key, detail, "/group", draft.file, False, mend)
    program = CompiledPlay(play).program
    if circle := program.circle():
        detail = f"these steps go round without a wait: {' → '.join([*circle, circle[0]])}"
        yield Fault("plays", draft.key, detail, "/steps", draft.file, True, "put a wait between them")
    for op in program.ops.values():
        yield from _lint_step(draft, op.id, op.body, known, policies)


def _lint_step(draft: Draft, step: str, body: Any, known: Known, policies: Policies) -> Iterator[Fault]:
    content = body.content if isinstance(body, MessageStep | TaskStep) else None
    if content is not None and content not in known["content"]:
        yield _nowhere(draft, "content", content, f"step {step}", known)
    offered = body.offers if isinstance(body, OfferStep) else []
    yield from (
        _nowhere(draft, "offers", key, f"step {step}", known) for key in offered if key not in known["offers"]
    )
    if isinstance(body, MessageStep | OfferStep):
        yield from (_strange(draft, role, step, known) for role in body.roles if role not in known["roles"])
    topic = body.topic if isinstance(body, MessageStep) else None
    if topic is not None and topic not in policies.topics:
        yield _unlisted(draft, topic, f"step {step}", policies)
    if isinstance(body, TaskStep) and policies.sla_policy(body.sla) is None:
        mend = nearest(
            body.sla, {policy.key for policy in policies.sla}, "list it in policies.yaml under sla"
        )
        detail = f"there is no SLA policy {body.sla!r}"
        yield Fault("plays", draft.key, detail, f"step {step}", draft.file, True, mend)


def _strange(draft: Draft, role: str, step: str, known: Known) -> Fault:
    """A role that nothing else speaks of: refused where it looks like a slip of the pen."""
    meant = get_close_matches(role, known["roles"], 1, SLIP)
    mend = (
        f"did you mean {meant[0]!r}?" if meant else "write a text for it, or see that people have this role"
    )
    detail = f"nothing else speaks of the role {role!r}"
    return Fault("plays", draft.key, detail, f"step {step}", draft.file, bool(meant), mend)


def _lint_text(draft: Draft, known: Known, policies: Policies) -> Iterator[Fault]:
    text: Any = draft.model
    if isinstance(text, Content):
        for slot, keys in text.blocks.items():
            missing = [key for key in keys if key not in known["blocks"]]
            yield from (_nowhere(draft, "blocks", key, f"/blocks/{slot}", known) for key in missing)
        if text.topic is not None and text.topic not in policies.topics:
            yield _unlisted(draft, text.topic, "/topic", policies)


def _lint_names(draft: Draft, known: Known) -> Iterator[Fault]:
    """Signals and segments that conditions ask for and nobody defines: such a condition never holds."""
    for name, key, pointer in _named(draft.body, ("signal", "segment")):
        if key not in known[f"{name}s"] and not pointer.startswith("/trigger"):
            yield _nowhere(draft, f"{name}s", key, pointer, known, blocking=False)


def _named(value: Any, names: Sequence[str], pointer: str = "") -> Iterator[tuple[str, str, str]]:
    """The texts under these names wherever they stand in a definition: name, text, pointer."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name in names and isinstance(item, str):
                yield name, item, f"{pointer}/{name}"
            elif name not in _FREE:
                yield from _named(item, names, f"{pointer}/{name}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _named(item, names, f"{pointer}/{place}")
