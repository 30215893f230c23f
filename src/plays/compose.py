"""From content, blocks and what is known of the reader to the text that is rendered.

    composed = compose(content, blocks, holds, context)
    renderer.render(composed.source, composed.context, frame)

Facts are settled here, before the template runs: a missing required one is the end (`failed:missing_fact`, naming
it), a default takes its place, and a missing `drop` fact takes away what reads it: the whole block (then the next
block of its slot is tried), or the paragraph of the content's own body.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from channels.grammar import RenderFailed
from channels.render import Source, reads
from channels.sandbox import lookup
from plays.content import Block, Content, Fact, Holds, choose, join_parts

_BLANK_LINES = re.compile(r"\n[ \t]*\n+")


@dataclass(frozen=True, slots=True)
class Composed:
    """What to render, with which data, made of which blocks (their keys, for counting reuse)."""

    source: Source
    context: dict[str, Any]
    blocks: tuple[str, ...]


def compose(
    content: Content, blocks: Mapping[str, Block], holds: Holds, context: Mapping[str, Any]
) -> Composed:
    """One message's text and data. Raises RenderFailed("missing_fact", name), UnknownBlock."""
    named = {key: blocks[key] for keys in content.blocks.values() for key in keys if key in blocks}
    unusable = {key for key, block in named.items() if _dropped(block.facts, context)}
    chosen = choose(_without(content, unusable) if unusable else content, named, holds)
    kept = content.model_copy(
        update={"body": drop_paragraphs(content.body, _dropped(content.facts, context))}
    )
    facts = {name: fact for part in (*chosen, content) for name, fact in part.facts.items()}
    source = Source(content.subject, join_parts(kept, chosen), content.channel, content.locale)
    return Composed(source, bind(facts, context), tuple(block.key for block in chosen))


def _without(content: Content, keys: Iterable[str]) -> Content:
    gone = set(keys)
    slots = {slot: [key for key in named if key not in gone] for slot, named in content.blocks.items()}
    return content.model_copy(update={"blocks": slots})


def _dropped(facts: Mapping[str, Fact], context: Mapping[str, Any]) -> dict[str, Fact]:
    return {
        name: fact
        for name, fact in facts.items()
        if fact.missing == "drop" and lookup(context, fact.source) is None
    }


def bind(facts: Mapping[str, Fact], context: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the data in which every declared fact stands under its name.

    Missing is what is not there or None; "" is a value. Raises RenderFailed("missing_fact", name).
    """
    bound = dict(context)
    for name, fact in facts.items():
        value = lookup(context, fact.source)
        if value is None:
            value = fact.default
        if value is not None:
            _put(bound, name.split("."), value)
        elif fact.missing != "drop":
            raise RenderFailed("missing_fact", name)
    return bound


def _put(data: dict[str, Any], path: list[str], value: Any) -> None:
    """Sets a nested item, copying the dicts on the way: the caller's data stay as they are."""
    *parents, last = path
    for segment in parents:
        inner = data.get(segment)
        data[segment] = dict(inner) if isinstance(inner, Mapping) else {}
        data = data[segment]
    data[last] = value


def drop_paragraphs(body: str, dropped: Mapping[str, Fact]) -> str:
    """The body without the paragraphs that read one of these facts. Raises RenderFailed("bad_template")."""
    if not dropped:
        return body
    return _without_paragraphs(body, frozenset({*dropped, *(fact.source for fact in dropped.values())}))


@lru_cache(maxsize=2_048)
def _without_paragraphs(body: str, names: frozenset[str]) -> str:
    """Kept, because telling what a paragraph reads means parsing it, and the same facts are missing for many."""
    return "\n\n".join(text for text in _paragraphs(body) if not _reads_any(text, names))


def _paragraphs(body: str) -> Iterator[str]:
    """Pieces between blank lines; a piece that is no template by itself ({% if %} over several) grows until it is."""
    pending = ""
    for piece in _BLANK_LINES.split(body):
        pending = f"{pending}\n\n{piece}" if pending else piece
        if _is_whole(pending):
            yield pending
            pending = ""
    if pending:
        yield pending


def _is_whole(text: str) -> bool:
    try:
        reads(text)
    except RenderFailed:
        return False
    return True


def _reads_any(text: str, names: frozenset[str]) -> bool:
    return any(path == name or path.startswith(f"{name}.") for path in reads(text) for name in names)
