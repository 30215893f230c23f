"""What a template may say: Jinja2 read as a tree and held against a list.

Prose with facts in it, not programs: text, facts, `if`, `for`, `set`, simple expressions, the filters of
`filters.py`, a few methods of text and dicts. Includes, macros, blocks, imports, underscored names and all
other calls are refused when the content is saved (guarantees B58, B59, B61; ASVS 5.0 1.3.7).
"""

import re
from collections.abc import Iterator
from typing import NoReturn

from jinja2 import Environment, TemplateError, TemplateSyntaxError, nodes

from channels.filters import FILTERS, TESTS

MAX_SOURCE = 64 * 1024
"""Characters of one template."""
MAX_NODES = 5_000
"""Parts of one template's tree."""

METHODS: dict[type, frozenset[str]] = {
    dict: frozenset({"items", "keys", "values", "get"}),
    str: frozenset({"upper", "lower", "title", "capitalize", "strip", "split", "startswith", "endswith"}),
}
_CALLABLE = frozenset().union(*METHODS.values())
_ALLOWED: tuple[type[nodes.Node], ...] = (
    *(
        nodes.Template,
        nodes.Output,
        nodes.TemplateData,
        nodes.Name,
        nodes.Const,
        nodes.Getattr,
        nodes.Getitem,
    ),
    *(nodes.Slice, nodes.Filter, nodes.Test, nodes.If, nodes.For, nodes.Assign, nodes.CondExpr, nodes.And),
    *(nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div),
    *(nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg, nodes.Pos, nodes.Concat, nodes.List, nodes.Tuple),
    *(nodes.Dict, nodes.Pair, nodes.Call, nodes.Keyword),
)
_RESERVED = re.compile(r"jv(?:slot|url|arg|host|box)\d+e")  # the words of prose.py
_SPECIAL_NAMES = frozenset({"self", "super", "caller", "varargs", "kwargs"})

BROKEN = (TemplateError, SyntaxError, RecursionError, MemoryError, ValueError, OverflowError)
"""What Jinja2 and Python raise on a text that is no template (or is far too deep to be one)."""


class RenderFailed(Exception):
    """This content cannot be rendered. `reason` is a closed word, `detail` a sentence, or the fact's name.

    missing_fact   `detail` is the dotted name of what the data lack (or hold as None)
    bad_template   refused when saved: not allowed here, or not Jinja2
    template_error it went wrong on these data: a list printed, text added to a number
    too_large      a cap was met
    bad_link       a link that is not absolute http, https or mailto
    bad_subject    a subject that may not stand in a header
    no_unsubscribe marketing mail without a way out or a postal address

    `line` is that of the template, from 1, where it is known.
    """

    def __init__(self, reason: str, detail: str, line: int | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.line = line


def parse(source: str, environment: Environment) -> nodes.Template:
    """The checked tree. Raises RenderFailed("bad_template" or "too_large"), naming the line."""
    if len(source) > MAX_SOURCE:
        raise RenderFailed("too_large", f"a template has at most {MAX_SOURCE} characters, not {len(source)}")
    reserved = _RESERVED.search(source)
    if reserved is not None:
        raise RenderFailed("bad_template", f"the word {reserved[0]} is reserved")
    try:
        tree = environment.parse(source)
        _check(tree)
    except BROKEN as error:
        raise refusal(error) from error
    return tree


def refusal(error: BaseException) -> RenderFailed:
    """Any of BROKEN as a RenderFailed a person can act on."""
    if isinstance(error, TemplateSyntaxError):
        return RenderFailed("bad_template", f"line {error.lineno}: {error.message}", error.lineno)
    if isinstance(error, RecursionError | MemoryError):
        return RenderFailed("bad_template", "nested too deeply")
    return RenderFailed("bad_template", str(error))


def _check(tree: nodes.Template) -> None:
    for count, node in enumerate(walk(tree)):
        if count > MAX_NODES:
            raise RenderFailed("too_large", f"a template has at most {MAX_NODES} parts")
        _check_node(node)


def walk(node: nodes.Node) -> Iterator[nodes.Node]:
    """The node and all below it, in the order they were written, without recursion."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(list(current.iter_child_nodes())))


def _check_node(node: nodes.Node) -> None:
    if not isinstance(node, _ALLOWED):
        _refuse(node, f"{{% {type(node).__name__.lower()} %}} is not available in content")
    match node:
        case nodes.Name(name=name) if name.startswith("_") or name in _SPECIAL_NAMES:
            _refuse(node, f"the name {name} is not available")
        case nodes.Getattr(attr=name) if name.startswith("_"):
            _refuse(node, f"the field {name} is not available")
        case nodes.Filter(name=name) if name not in FILTERS:
            _refuse(node, f"there is no filter {name}; there are: {' '.join(sorted(FILTERS))}")
        case nodes.Test(name=name) if name not in TESTS:
            _refuse(node, f"there is no test {name}")
        case nodes.Call():
            _check_call(node)
        case nodes.For(recursive=True):
            _refuse(node, "a loop may not be recursive")
        case _:
            pass


def _check_call(call: nodes.Call) -> None:
    method = call.node
    plain = call.dyn_args is None and call.dyn_kwargs is None and not call.kwargs
    if not (isinstance(method, nodes.Getattr) and method.attr in _CALLABLE and plain):
        _refuse(call, f"only these can be called: {' '.join(sorted(_CALLABLE))}")


def _refuse(node: nodes.Node, sentence: str) -> NoReturn:
    raise RenderFailed("bad_template", f"line {node.lineno}: {sentence}", node.lineno)


def facts_read(tree: nodes.Template) -> tuple[str, ...]:
    """The dotted paths a template reads (`event.data.ticket`), first mention first, without its own variables."""
    own = {node.name for node in walk(tree) if isinstance(node, nodes.Name) and node.ctx == "store"} | {
        "loop"
    }
    inner: set[int] = set()
    paths: dict[str, None] = {}
    for node in walk(tree):
        path = path_of(node)
        if id(node) in inner or path is None:
            continue
        inner.update(id(part) for part in walk(node))
        if path.partition(".")[0] not in own:
            paths[path] = None
    return tuple(paths)


def path_of(node: nodes.Node) -> str | None:
    """The dotted fact a node names by itself: `a.b`, `a["b"]`, `a.get("b")`, `a.b.upper()`; else None."""
    match node:
        case nodes.Call(
            node=nodes.Getattr(node=owner, attr="get"), args=[nodes.Const(value=str() as field), *_]
        ):
            return _joined(owner, field)
        case nodes.Call(node=nodes.Getattr(node=owner)):
            return path_of(owner)
        case nodes.Name(name=name, ctx="load"):
            return name
        case nodes.Getattr(node=owner, attr=field):
            return _joined(owner, field)
        case nodes.Getitem(node=owner, arg=nodes.Const(value=str() as field)):
            return _joined(owner, field)
        case _:
            return None


def _joined(owner: nodes.Node, field: str) -> str | None:
    path = path_of(owner)
    return None if path is None else f"{path}.{field}"
