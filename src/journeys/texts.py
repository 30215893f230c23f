"""Texts among all definitions: what their linter finds, told as faults, and how much of them is shared."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from channels.grammar import RenderFailed
from channels.render import Renderer, guarded
from channels.sandbox import compile_source
from journeys.definitions import Draft, Fault
from plays.content import Block, Content
from plays.lint import Finding, lint_block, lint_content
from plays.play import CompiledPlay, Play
from plays.steps import MessageStep


def lint_texts(
    drafts: Sequence[Draft], renderer: Renderer | None = None, asked: Sequence[Draft] | None = None
) -> Iterator[Fault]:
    """Every finding of contents and blocks, and of plays that send a text as something it is not; of those `asked`."""
    asked = drafts if asked is None else asked
    contents = [draft for draft in drafts if draft.kind == "content"]
    blocks = {draft.model.key: draft.model for draft in drafts if draft.kind == "blocks"}
    lacking = frozenset[str]() if renderer is None else renderer.lacking
    for draft in (one for one in asked if one.kind == "content"):
        yield from _told(draft, lint_content(draft.model, blocks, lacking))
        yield from _unfit(draft, draft.model.subject.strip())
    inward = _only_for_us(content.model for content in contents)
    for draft in asked:
        if draft.kind == "blocks":
            yield from _told(draft, lint_block(draft.model, shown_to_customers=draft.model.key not in inward))
        elif draft.kind == "plays":
            yield from _disguised(draft, [content.model for content in contents])


def _told(draft: Draft, findings: Iterable[Finding]) -> Iterator[Fault]:
    for found in findings:
        yield Fault(
            draft.kind,
            draft.key,
            found.detail,
            found.pointer,
            draft.file,
            found.blocking,
            found.mend,
            text_line=found.line,
        )


def unreadable(draft: Draft) -> Iterator[Fault]:
    """What is refused even of a draft: a text that is no template or far too long, a subject that leaves its header."""
    text: Any = draft.model
    if not isinstance(text, Content | Block):
        return
    subject = text.subject.strip() if isinstance(text, Content) else ""
    for pointer, source in (("/subject", subject), ("/body", text.body)):
        try:
            compile_source(source)
        except RenderFailed as failure:
            line = failure.line if pointer == "/body" else None
            yield Fault(draft.kind, draft.key, failure.detail, pointer, draft.file, text_line=line)
    yield from _unfit(draft, subject)


def _unfit(draft: Draft, subject: str) -> Iterator[Fault]:
    try:
        guarded(subject)
    except RenderFailed as failure:
        yield Fault(draft.kind, draft.key, failure.detail, "/subject", draft.file)


def _only_for_us(contents: Iterable[Content]) -> set[str]:
    """Blocks that tasks use and nothing else does."""
    users: dict[str, set[bool]] = {}
    for content in contents:
        for key in (key for keys in content.blocks.values() for key in keys):
            users.setdefault(key, set()).add(content.channel == "task")
    return {key for key, tasks in users.items() if tasks == {True}}


def _disguised(draft: Draft, contents: Sequence[Content]) -> Iterator[Fault]:
    """Steps that send a marketing text as something else: it would go out past the caps, and without an unsubscribe."""
    play: Play = draft.model
    marketing = {
        one.key for one in contents if "class_" in one.model_fields_set and one.class_ == "marketing"
    }
    for op in CompiledPlay(play).program.ops.values():
        sent_as = isinstance(op.body, MessageStep) and (op.body.cls or play.cls)
        if sent_as and sent_as != "marketing" and op.body.content in marketing:
            detail = f"it sends the marketing content {op.body.content!r} as {sent_as}: without a way out"
            mend = "leave `class` out, or give the content the class it has"
            yield Fault("plays", draft.key, detail, f"step {op.id}", draft.file, True, mend)


# ── reuse ──────────────────────────────────────────────────────────────────────────────────────────────────────


def reuse(contents: Iterable[Content], blocks: Mapping[str, Block]) -> dict[str, Any]:
    """How much of what customers read is written once and used in several contents (semantics §10, "content reuse %").

    The pieces of a content are its own body and every block it names, whichever is chosen at sending. A block is
    shared where contents of at least two keys name it; variants of one content are one. `percent` is the shared
    among all pieces (None without any); texts of tasks do not count. `blocks` says by how many contents each is named.
    """
    letters = [content for content in contents if content.channel != "task"]
    named = [
        (key, content.key)
        for content in letters
        for keys in content.blocks.values()
        for key in keys
        if key in blocks
    ]
    users = Counter(key for key, _ in set(named))
    shared = sum(users[key] > 1 for key, _ in named)
    pieces = len(named) + sum(bool(content.body.strip()) for content in letters)
    return {
        "percent": round(100 * shared / pieces, 1) if pieces else None,
        "pieces": pieces,
        "shared": shared,
        "contents": len(letters),
        "blocks": {key: users[key] for key in sorted(blocks)},
    }
