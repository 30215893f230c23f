"""Runs what `grammar.py` let through, on plain data, with every kind of work metered.

Jinja's own immutable sandbox stays underneath as the second wall. Attribute access is item access, arithmetic is
for numbers, and values, texts, loop turns and output have caps: a template can be wrong, but not heavy
(guarantees B55-B60). Rendering is a function of plain data; the process round it may be capped from outside.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sized
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from jinja2 import (
    StrictUndefined,
    TemplateError,
    TemplateRuntimeError,
    Undefined,
    UndefinedError,
    nodes,
    pass_context,
)
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer

from channels.filters import FILTERS, TESTS, Limit, joined, within
from channels.grammar import BROKEN, METHODS, RenderFailed, facts_read, parse, refusal, walk

MAX_OUTPUT = 512 * 1024
"""Characters one rendering may produce, values included."""
MAX_TURNS = 10_000
"""Turns of all loops of one rendering together."""
MAX_WORK = 1_000_000
"""Units of work of one rendering: a unit is a part of a loop's body run once, an item of a list or 32 characters of a
text looked at by a filter or a comparison. A million are about a second here (measured: tests/channels)."""
MAX_NUMBER = 10**18

_STATE = "_rendering"
_PRINTABLE = (str, int, float, Decimal, date)


class _MissingError(Exception):
    """An undefined value was used; `name` is its last segment."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Missing(StrictUndefined):
    """StrictUndefined whose error carries the name instead of a sentence."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[TemplateRuntimeError] = UndefinedError,
    ) -> None:
        super().__init__(hint, obj, name, exc)
        self._undefined_exception = lambda _: _MissingError(name or "")  # type: ignore[assignment] # only called


@dataclass(slots=True)
class _Rendering:
    """What one rendering used up and collected."""

    slotted: bool
    values: list[str] = field(default_factory=list)
    size: int = 0
    turns: int = MAX_TURNS
    work: int = MAX_WORK

    def toil(self, units: int) -> None:
        self.work -= units
        if self.work < 0:
            raise Limit(f"more than {MAX_WORK} units of work")

    def spend(self, size: int) -> None:
        self.size += size
        if self.size > MAX_OUTPUT:
            raise Limit(f"the result is over {MAX_OUTPUT} characters")

    def put(self, text: str) -> str:
        """The value itself, or the word that stands for it until the Markdown has become HTML (prose.py)."""
        self.spend(len(text))
        if not self.slotted:
            return text
        self.values.append(text)
        return f"jvslot{len(self.values) - 1}e"


def clean(text: str) -> str:
    """A value as one harmless run of text: no controls, line breaks, direction overrides or tag characters (B66)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_clean_character, unicodedata.normalize("NFC", text)))


def _clean_character(character: str) -> str:
    kind = unicodedata.category(character)
    if kind in {"Cc", "Zl", "Zp", "Cs"}:
        return " "
    if kind == "Cf" and character not in "\u200c\u200d":  # the joiners belong to scripts and emoji
        return ""
    return character


@pass_context
def _print_value(context: Context, value: Any) -> str:
    """Jinja's `finalize`: what an expression prints."""
    if value is None or isinstance(value, Undefined):
        raise _MissingError(str(getattr(value, "_undefined_name", "") or ""))
    if isinstance(value, float) and value.is_integer() and abs(value) < MAX_NUMBER:
        value = int(value)
    if not isinstance(value, _PRINTABLE):
        way = "join its items: | join(', ')" if isinstance(value, list | tuple) else "name one of its fields"
        raise TypeError(f"a {type(value).__name__} cannot be printed: {way}")
    rendering: _Rendering = context[_STATE]
    return rendering.put(clean(str(value)))


@pass_context
def _metered(context: Context, items: Any, parts: int) -> Iterator[Any]:
    """Stands round every loop's list and counts the turns, and the parts of its body with each."""
    rendering: _Rendering = context[_STATE]
    for item in items:
        rendering.turns -= 1
        rendering.toil(parts)
        if rendering.turns < 0:
            raise Limit(f"more than {MAX_TURNS} loop turns")
        yield item


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    """Stands round what a filter or a comparison looks at: the longer, the more work."""
    if isinstance(value, str):
        if len(value) >= 32:
            rendering: _Rendering = context[_STATE]
            rendering.toil(len(value) // 32)
    elif isinstance(value, Sized) and not isinstance(value, Undefined):
        context[_STATE].toil(len(value))
    return value


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "-", "*", "**", "%"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`a.b`: the item of a dict, an allowed method, or a field of `loop`; anything else is undefined."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        if attribute in METHODS.get(type(obj), ()):
            return getattr(obj, attribute)
        if isinstance(obj, LoopContext):
            return super().getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`a[b]`: an item, never an attribute."""
        try:
            return obj[argument]
        except (TypeError, LookupError):
            return self.undefined(obj=obj, name=argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Numbers only, and no huge ones."""
        if not (isinstance(left, int | float | Decimal) and isinstance(right, int | float | Decimal)):
            raise TypeError(f"{operator} is for numbers; join text with ~")
        if operator == "**" and not -64 <= right <= 64:
            raise Limit("an exponent over 64")
        result: Any = super().call_binop(context, operator, left, right)
        if abs(result) > MAX_NUMBER:
            raise Limit("a number over 10^18")
        return result


class _Meter(NodeTransformer):
    """Puts `_metered` round what loops run over, `_weighed` round what is looked at, and makes `~` the capped join."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja dispatches on the node's name
        parts = nodes.Const(sum(1 for _ in walk(node)), lineno=node.lineno)
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "_metered", [parts], [], None, None, lineno=node.lineno)
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if node.node is not None:
            node.node = _scales(node.node)
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = _scales(node.expr)
        for operand in node.ops:
            operand.expr = _scales(operand.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = _scales(node.node)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        parts = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(parts, "_joined", [], [], None, None, lineno=node.lineno)


def _scales(node: nodes.Expr) -> nodes.Expr:
    """The node on the scales; a constant was weighed when it was written."""
    if isinstance(node, nodes.Const):
        return node
    return nodes.Filter(node, "_weighed", [], [], None, None, lineno=node.lineno)


def _environment() -> _Sandbox:
    environment = _Sandbox(undefined=_Missing, finalize=_print_value, autoescape=False)
    environment.globals.clear()
    environment.filters.clear()
    environment.filters.update(FILTERS, _metered=_metered, _joined=joined, _weighed=_weighed)
    environment.tests = {name: test for name, test in environment.tests.items() if name in TESTS}
    environment.tests["in"] = within
    return environment


_ENVIRONMENT = _environment()


@dataclass(frozen=True, slots=True)
class Program:
    """A checked, compiled template. `reads`: the dotted facts it names, first mention first."""

    reads: tuple[str, ...]
    _run: Callable[[Context], Iterator[str]]
    _context: Callable[[dict[str, Any]], Context]

    def render(self, context: Mapping[str, Any], *, slotted: bool) -> tuple[str, list[str]]:
        """The text, and with `slotted` the values its slot words stand for. Raises RenderFailed."""
        rendering = _Rendering(slotted)
        parts: list[str] = []
        try:
            for part in self._run(self._context({**context, _STATE: rendering})):
                rendering.spend(len(part))
                parts.append(part)
        except _MissingError as gap:
            raise RenderFailed("missing_fact", self._full_name(gap.name, context)) from None
        except Limit as limit:
            raise RenderFailed("too_large", str(limit)) from None
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            raise RenderFailed("template_error", str(error)) from error
        return "".join(parts), rendering.values

    def _full_name(self, segment: str, context: Mapping[str, Any]) -> str:
        """Of the paths that lead to nothing the first that has the segment: Jinja only knows the segment."""
        gaps = [path for path in self.reads if lookup(context, path) is None]
        fitting = [path for path in gaps if segment in path.split(".")]
        return next(iter(fitting or gaps), segment)


def lookup(context: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path of nested dicts, or None."""
    value: Any = context
    for segment in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(segment)
    return value


def compile_source(source: str) -> Program:
    """Checks and compiles. Raises RenderFailed("bad_template" or "too_large"), naming the line."""
    tree = parse(source, _ENVIRONMENT)
    reads = facts_read(tree)
    try:
        metered = _Meter().visit(tree)
        metered.set_environment(_ENVIRONMENT)
        template = _ENVIRONMENT.from_string(metered)
    except BROKEN as error:
        raise refusal(error) from error
    return Program(reads, template.root_render_func, template.new_context)


def tree_of(source: str) -> nodes.Template:
    """The checked tree of a template, to look at. Raises RenderFailed("bad_template" or "too_large")."""
    return parse(source, _ENVIRONMENT)


def reads(source: str) -> tuple[str, ...]:
    """The dotted facts a template names, for the linter and for dropping blocks. Raises RenderFailed."""
    return facts_read(tree_of(source))
