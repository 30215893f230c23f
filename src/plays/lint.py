"""What a text must not do, found before anybody reads it (semantics §6). Pure.

    (a) fake personalisation  it reads nothing about the reader but what they are called
    (b) surveillance          it shows a customer what we worked out or recorded, or says that we watched
    (c) facts                 it reads one that is not declared, has no class, or does not say what if it is missing
    (d) delivery              marketing mail without a way out, a dead link, a subject over 78 characters

Texts for tasks are read by our own people: of these only (c) applies, and there what is always there (`ALWAYS`) and
what the text itself asks for (`is defined`, `| default`) need no declaration.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, TypeAlias

from channels.grammar import RenderFailed
from channels.prose import links
from channels.reading import Mention, Reading, read
from plays.content import Block, Content, Fact
from plays.disclosure import TABLE, is_name_like, known_class
from plays.links import dead

Rule: TypeAlias = Literal["fake_personalisation", "surveillance", "facts", "delivery", "template"]

SUBJECT = 78
"""Characters of a subject: what a line of a header holds (RFC 5322 §2.1.1), and more than most inboxes show."""

ALWAYS = frozenset(
    f"account.{name}"
    for name in (
        "id",
        "name",
        "created_at",
        "tenure_days",
        "tenure_months",
        "open_tickets",
        "open_urgent_tickets",
        "orders",
        "ltv",
    )
)
"""What every account has."""

_FRAMED = frozenset({"email", "invitation"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend: where (`pointer`, and of the body the `line` from 1), what, and how.

    What is not `blocking` is a remark.
    """

    rule: Rule
    detail: str
    mend: str
    pointer: str = "/body"
    line: int | None = None
    blocking: bool = True


def lint_content(
    content: Content, blocks: Mapping[str, Block], lacking: Collection[str] = ()
) -> Iterator[Finding]:
    """Findings of a content: its own text, and what it makes together with the blocks it names.

    `lacking` is what the frame of e-mail does not have of what marketing must have.
    """
    named = [blocks[key] for keys in content.blocks.values() for key in keys if key in blocks]
    try:
        subject, body = read(content.subject.strip()), read(content.body)
        others = [read(block.body) for block in named]
    except RenderFailed as failure:
        yield _broken(failure, content)
        return
    ours = content.channel == "task"
    yield from _facts(content.facts, subject, "/subject", lenient=ours)
    yield from _facts(content.facts, body, "/body", lenient=ours)
    if ours:
        return
    yield from _surveillance(content.facts, subject, "/subject")
    yield from _surveillance(content.facts, body, "/body")
    yield from _fake(content, [subject, body], zip(named, others, strict=True))
    yield from _delivery(content, subject, body, lacking)


def lint_block(block: Block, *, shown_to_customers: bool = True) -> Iterator[Finding]:
    """Findings of a block by itself; one that only tasks use is for our own people."""
    try:
        body = read(block.body)
    except RenderFailed as failure:
        yield _broken(failure, block)
        return
    yield from _facts(block.facts, body, "/body", lenient=not shown_to_customers)
    if shown_to_customers:
        yield from _surveillance(block.facts, body, "/body")
        yield from _dead_links(body)


def _broken(failure: RenderFailed, text: Content | Block) -> Finding:
    """The template that does not parse: the subject where that is broken by itself, else the body."""
    pointer = "/subject" if isinstance(text, Content) and _is_broken(text.subject) else "/body"
    line = failure.line if pointer == "/body" else None
    return Finding("template", failure.detail, "see docs/facts.md for what a text may say", pointer, line)


def _is_broken(template: str) -> bool:
    try:
        read(template.strip())
    except RenderFailed:
        return True
    return False


# ── (a) ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _fake(
    content: Content, own: Iterable[Reading], named: Iterable[tuple[Block, Reading]]
) -> Iterator[Finding]:
    sources = {_source(content.facts, path) for reading in own for path in reading.shown}
    sources |= {_source(block.facts, path) for block, reading in named for path in reading.shown}
    if sources and all(map(is_name_like, sources)):
        told = ", ".join(sorted(sources))
        detail = f"fake personalisation: of the reader it knows only {told}"
        mend = "say something that is true of this reader (a goal, a date, a number of theirs), or use no name at all"
        yield Finding("fake_personalisation", detail, mend, "/facts" if content.facts else "")


def _source(facts: Mapping[str, Fact], path: str) -> str:
    """Where the value of a path comes from."""
    declared = _declaring(facts, path)
    return path if declared is None else facts[declared].source + path[len(declared) :]


# ── (b) ────────────────────────────────────────────────────────────────────────────────────────────────────────

_WATCHING = re.compile(
    r"\b(?:we(?:['’]ve|\s+have)?\s+(?:noticed|observed|detected|tracked|been\s+watching)"
    r"|we\s+(?:saw|see|can\s+see)\s+(?:that\s+)?you\b"
    r"|you(?:['’]ve|\s+have)?\s+(?:recently\s+)?(?:visited|viewed|browsed|looked\s+at|logged\s+in|signed\s+in)"
    r"|you(?:['’]ve|\s+have)?\s+(?:opened|clicked)\s+(?:our|the|my)\s+(?:e-?mails?|links?|messages?)"
    r"|you\s+have(?:n['’]t|\s+not)\s+(?:logged\s+in|signed\s+in|opened)"
    r"|our\s+(?:data|records|logs|analytics|systems?)\s+(?:show|tell|say|indicate)s?"
    r"|your\s+(?:\w+\s+)?(?:score|page\s+views?|activity\s+log)|page\s+views?|logged\s+in|last\s+(?:login|log-in))\b",
    re.IGNORECASE,
)


def _surveillance(facts: Mapping[str, Fact], reading: Reading, pointer: str) -> Iterator[Finding]:
    for mention in _firsts(reading.mentions):
        if mention.path in reading.shown:
            yield from _watched_fact(facts, mention, pointer)
    for line, text in reading.prose:
        for found in _WATCHING.finditer(text):
            said = " ".join(found[0].split())
            at = line + text[: found.start()].count("\n")
            detail = f'surveillance: "{said}" tells the reader that we watch'
            mend = "say what they told us or did with us knowingly, or ask instead of telling"
            yield Finding("surveillance", detail, mend, pointer, at if pointer == "/body" else None)


def _watched_fact(facts: Mapping[str, Fact], mention: Mention, pointer: str) -> Iterator[Finding]:
    declared = _declaring(facts, mention.path)
    shown_as = known_class(mention.path) if declared is None else facts[declared].shown_as
    if shown_as in ("derived", "internal"):
        detail = f"surveillance: it shows {mention.path}, which is {shown_as}"
        mend = "let it choose the words ({% if %}) instead of printing it, or say a fact the customer gave us"
        yield Finding("surveillance", detail, mend, pointer, mention.line if pointer == "/body" else None)


# ── (c) ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _facts(facts: Mapping[str, Fact], reading: Reading, pointer: str, *, lenient: bool) -> Iterator[Finding]:
    used: dict[str, None] = {}
    for mention in _firsts(reading.mentions):
        declared = _declaring(facts, mention.path)
        line = mention.line if pointer == "/body" else None
        if declared is not None:
            used[declared] = None
        elif not _needs_no_word(facts, reading, mention.path, lenient):
            yield Finding("facts", *_undeclared(facts, mention.path), pointer, line)
    for name in used:
        yield from _half_declared(name, facts[name], lenient=lenient)


def _needs_no_word(facts: Mapping[str, Fact], reading: Reading, path: str, lenient: bool) -> bool:
    """A container that is only asked for, above a declared fact; in a task's text anything that is asked for."""
    asked = any(path == each or path.startswith(f"{each}.") for each in reading.guarded)
    return (lenient and path in ALWAYS) or (
        asked and (lenient or any(name.startswith(f"{path}.") for name in facts))
    )


def _undeclared(facts: Mapping[str, Fact], path: str) -> tuple[str, str]:
    close = [] if known_class(path) else get_close_matches(path, facts, 1)
    meant = f"did you mean {close[0]!r}? Else " if close else ""
    return (
        f"it reads {path}, which is not declared",
        f"{meant}add `{path}: required` (or drop, or {{default: …}}) under facts",
    )


def _half_declared(name: str, fact: Fact, *, lenient: bool) -> Iterator[Finding]:
    pointer = f"/facts/{name}"
    if fact.missing is None:
        detail = f"the fact {name} does not say what happens when it is missing"
        yield Finding("facts", detail, "say one of `required: true`, `default: …`, `drop: true`", pointer)
    if fact.shown_as is None and not lenient:
        close = get_close_matches(fact.source, TABLE, 1)
        meant = f"did you mean {close[0]!r}? Else " if close else ""
        mend = (
            f"{meant}say `disclosure: given`, derived or internal: whether the customer knows that we know it"
        )
        yield Finding(
            "facts", f"the fact {name} has no disclosure class: {fact.source} is in no table", mend, pointer
        )
    known = known_class(fact.source)
    if fact.disclosure is not None and fact.disclosure != fact.shown_as:
        detail = f"the fact {name} cannot be made {fact.disclosure}: {fact.source} is {known}"
        yield Finding(
            "facts", detail, f"write `disclosure: {known}`, or leave the word out", f"{pointer}/disclosure"
        )


def _declaring(facts: Mapping[str, Fact], path: str) -> str | None:
    """The declared fact a path reads, the whole or a part of it."""
    parts = path.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in names if name in facts), None)


def _firsts(mentions: Iterable[Mention]) -> Iterable[Mention]:
    """Each path once, where it is read first."""
    found: dict[str, Mention] = {}
    for mention in mentions:
        found.setdefault(mention.path, mention)
    return found.values()


# ── (d) ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _delivery(
    content: Content, subject: Reading, body: Reading, lacking: Collection[str]
) -> Iterator[Finding]:
    framed = content.channel in _FRAMED
    if framed and content.class_ == "marketing" and lacking:
        detail = f"marketing mail without a way out: the frame lacks {', '.join(sorted(lacking))}"
        mend = "print them in templates/email/frame.html and frame.txt"
        yield Finding("delivery", detail, mend, "/class")
    if framed and subject.shortest > SUBJECT:
        detail = f"the subject has at least {subject.shortest} characters; a header's line and an inbox hold {SUBJECT}"
        yield Finding("delivery", detail, f"shorten it by {subject.shortest - SUBJECT}", "/subject")
    yield from _dead_links(body)


def _dead_links(body: Reading) -> Iterator[Finding]:
    for link in links(body.outline):
        if link.href is None:
            mend = "write [words](https://host/path) without spaces in the address"
            yield Finding(
                "delivery", "a link is malformed: its brackets would be shown", mend, "/body", link.line
            )
            continue
        found = dead(link.href)
        if found is not None:
            yield Finding("delivery", found.detail, found.mend, "/body", link.line, found.certain)
