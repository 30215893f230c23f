"""Markdown to HTML and to readable plain text, with holes for values.

Values never meet the Markdown parser. Each stands as a plain word (`jvslot3e`) while the text becomes HTML, and
is put in afterwards, escaped for the place it stands in: so an account named `[x](javascript:…)` or `<b>` is just
a name (guarantees B63), and texts that differ only in their values share one conversion. Words of links say what
their value must be: `jvurl` a whole address, `jvhost` a host name, `jvbox` a mailbox, `jvarg` any text, encoded.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from urllib.parse import quote

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from channels.grammar import RenderFailed

_SLOT = re.compile(r"jvslot(\d+)e")
_HOLE = re.compile(r"jv(slot|url|arg|host|box)(\d+)e")
_ABSOLUTE = re.compile(r"(?:https?://|mailto:)[^\s<>\"]+", re.IGNORECASE)
_AUTHORITY = re.compile(r"(https?://)([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*", re.ASCII)
_BUTTON = "{.button}"

_TAGS = set(
    "p br strong em s a ul ol li blockquote code pre h1 h2 h3 h4 hr table thead tbody tr th td".split()  # noqa: SIM905
)
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_CLASSES = {"a": {"button"}, "p": {"button", "note", "sign"}}
_MARK = re.compile(r"\s*\{\.(note|sign)\}\s*$")


@dataclass(frozen=True, slots=True)
class Prose:
    """A converted text; all three still have holes. `summary` is the first two paragraphs, as plain text."""

    html: str
    text: str
    summary: str


def convert(markdown: str) -> Prose:
    """CommonMark with tables; raw HTML is shown as text, images are links.

    Raises RenderFailed("bad_link") for a link that is not absolute, on a web or mail address.

    A link alone in its paragraph followed by `{.button}` is a button: `[Book a call](https://…){.button}`. A paragraph
    that ends in `{.note}` stands in a box of its own, one that ends in `{.sign}` is a signature.
    """
    tokens = _PARSER.parse(_LONE_MARK.sub("", markdown))
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("href", _marked(str(child.attrGet("href") or "")))
    _mark_buttons(tokens)
    _mark_paragraphs(tokens)
    html = _sanitise(_PARSER.renderer.render(tokens, _PARSER.options, {}))
    tree = SyntaxTreeNode(tokens)
    return Prose(html, "\n\n".join(_blocks(tree.children)), _summary(tree))


_LONE_MARK = re.compile(r"^[ \t]*\{\.(?:note|sign)\}[ \t]*$", re.MULTILINE)
"""A mark whose paragraph came to nothing."""

_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")


def _sanitise(html: str) -> str:
    """The allow-list: what Markdown can write, http, https and mailto links, nothing else."""
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        allowed_classes=_CLASSES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
    )


def _marked(url: str) -> str:
    """A link's address with its words told apart by where they stand. Raises RenderFailed."""
    if _SLOT.match(url):
        head, rest = _SLOT.match(url), _SLOT.sub(r"jvarg\1e", url)
        assert head is not None
        return f"jvurl{head[1]}e{rest[len(head[0]) - 1 :]}"
    if not _ABSOLUTE.fullmatch(url):
        raise RenderFailed("bad_link", f"{url[:80]!r} is not an absolute http, https or mailto address")
    web = _AUTHORITY.fullmatch(url)
    if web is None:
        mailbox, mark, query = url.partition("?")
        return _SLOT.sub(r"jvbox\1e", mailbox) + mark + _SLOT.sub(r"jvarg\1e", query)
    scheme, host, rest = web.groups()
    if re.search(_SLOT.pattern + "$", host):
        raise RenderFailed(
            "bad_link", "a link's host may not end in a value: make the whole address one fact"
        )
    return scheme + _SLOT.sub(r"jvhost\1e", host) + _SLOT.sub(r"jvarg\1e", rest)


def _mark_buttons(tokens: Sequence[Token]) -> None:
    for opening, inline in pairwise(tokens):
        children = inline.children or []
        if opening.type == "paragraph_open" and _is_button(children):
            children.pop()
            children[0].attrSet("class", "button")
            opening.attrSet("class", "button")


def _mark_paragraphs(tokens: Sequence[Token]) -> None:
    """Only paragraphs of the text itself are boxed, not those of lists; the mark is never shown."""
    for opening, inline in pairwise(tokens):
        last = inline.children[-1] if inline.children else inline
        mark = _MARK.search(last.content) if last.type == "text" else None
        if opening.type == "paragraph_open" and mark is not None:
            last.content = last.content[: mark.start()]
            if opening.level == 0:
                opening.attrSet("class", mark[1])


def _is_button(children: Sequence[Token]) -> bool:
    closed = [child.type for child in children].count("link_close")
    return (
        closed == 1
        and children[0].type == "link_open"
        and children[-2].type == "link_close"
        and children[-1].content.strip() == _BUTTON
    )


@dataclass(frozen=True, slots=True)
class Link:
    """Where a link leads, values standing as words (`jvslot0e`), and the first line of its paragraph, from 1.

    `href` None is a link that is none: what was meant as its address cannot be one, so the brackets would be shown.
    """

    href: str | None
    line: int


def links(markdown: str) -> list[Link]:
    """Every link of a text, in order, as written, and what looks like one and is none."""
    return [
        Link(
            str(child.attrGet("href") or "") if child.type == "link_open" else None, (token.map or [0])[0] + 1
        )
        for token in _PARSER.parse(markdown)
        for child in token.children or ()
        if child.type == "link_open" or (child.type == "text" and "](" in child.content)
    ]


# --- plain text ---


def _blocks(nodes: Sequence[SyntaxTreeNode]) -> Iterator[str]:
    for node in nodes:
        text = _BLOCKS.get(node.type, _paragraph)(node)
        if text:
            yield text


def _paragraph(node: SyntaxTreeNode) -> str:
    return "".join(_inline(child, button=node.attrs.get("class") == "button") for child in node.children)


def _inline(node: SyntaxTreeNode, *, button: bool = False) -> str:
    match node.type:
        case "text" | "text_special":
            return node.content
        case "code_inline":
            return node.content
        case "softbreak":
            return " "
        case "hardbreak":
            return "\n"
    inner = "".join(_inline(child, button=button) for child in node.children)
    return _link(inner, str(node.attrs.get("href")), button) if node.type == "link" else inner


def _link(label: str, url: str, button: bool) -> str:
    bare = url.removeprefix("mailto:")
    if _HOLE.sub(r"\2", label) == _HOLE.sub(r"\2", bare):
        return label
    return f"{label}: {bare}" if button else f"{label} ({bare})"


def _listed(node: SyntaxTreeNode) -> str:
    first = int(str(node.attrs.get("start", 1)))
    marks = (f"{first + n}. " if node.type == "ordered_list" else "- " for n in range(len(node.children)))
    return "\n".join(
        _indented("\n".join(_blocks(item.children)), mark)
        for item, mark in zip(node.children, marks, strict=True)
    )


def _indented(text: str, mark: str) -> str:
    return mark + text.replace("\n", "\n" + " " * len(mark))


def _quoted(node: SyntaxTreeNode) -> str:
    return "\n".join(f"> {line}" for line in "\n\n".join(_blocks(node.children)).split("\n"))


def _table(node: SyntaxTreeNode) -> str:
    rows = [row for section in node.children for row in section.children]
    return "\n".join(" | ".join(_paragraph(cell) for cell in row.children) for row in rows)


_BLOCKS: dict[str, Callable[[SyntaxTreeNode], str]] = {
    "bullet_list": _listed,
    "ordered_list": _listed,
    "blockquote": _quoted,
    "table": _table,
    "hr": lambda _: "----",
    "fence": lambda node: _indented(node.content.rstrip("\n"), "    "),
    "code_block": lambda node: _indented(node.content.rstrip("\n"), "    "),
}


def _summary(tree: SyntaxTreeNode) -> str:
    """The greeting and what follows it: mail programs show them beside the subject."""
    return " ".join([_paragraph(node) for node in tree.children if node.type == "paragraph"][:2])


# --- filling the holes ---


def holes(markdown: str) -> int:
    """How many values a text is waiting for."""
    return len(_SLOT.findall(markdown))


Filler = Callable[[str], str]


def _url(value: str) -> str:
    if not _ABSOLUTE.fullmatch(value):
        raise RenderFailed(
            "bad_link", "a link's address comes from a value that is not http, https or mailto"
        )
    return quote(value, safe="%/:?#[]@!$&'()*+,;=~")


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise RenderFailed("bad_link", "a link's host comes from a value that is not a host name")
    return value


_AS_TEXT: dict[str, Filler] = {
    "slot": str,
    "url": _url,
    "arg": lambda value: quote(value, safe="/"),
    "host": _host,
    "box": lambda value: quote(value, safe="@+"),
}


class Form:
    """A converted text split at its holes, to be filled many times."""

    __slots__ = ("_fill_slot", "_pieces")

    def __init__(self, text: str, *, html: bool) -> None:
        self._pieces = _HOLE.split(text)
        self._fill_slot: Filler = escape if html else str

    def fill(self, values: Sequence[str]) -> str:
        """The text with its values. Raises RenderFailed("bad_link")."""
        parts = list(self._pieces[::3])
        filled = [
            self._fill_slot(values[int(place)] if kind == "slot" else _AS_TEXT[kind](values[int(place)]))
            for kind, place in zip(self._pieces[1::3], self._pieces[2::3], strict=True)
        ]
        return "".join(part for pair in zip(parts, [*filled, ""], strict=True) for part in pair)
