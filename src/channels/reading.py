"""What a template reads and says, learnt from its tree without running it: for the linter.

Nothing here looks at the template's text: facts, what is printed of them, and the prose between them are nodes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from jinja2 import nodes

from channels.grammar import path_of, walk
from channels.sandbox import tree_of


@dataclass(frozen=True, slots=True)
class Mention:
    """A dotted fact and the line of the template it is read on, from 1."""

    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A template as its linter sees it.

    `mentions` are the facts it reads, in order; `shown` those whose value may end up in the text, also by way of its
    own variables; `guarded` those it asks for (`is defined`) or has a word instead of (`| default`). `prose` are the
    pieces of its own words with their lines, `outline` the text with every value as a word (`jvslot0e`), `shortest` the
    fewest characters it can come to where every value has one.
    """

    mentions: tuple[Mention, ...] = ()
    shown: frozenset[str] = frozenset()
    guarded: frozenset[str] = frozenset()
    prose: tuple[tuple[int, str], ...] = ()
    outline: str = ""
    shortest: int = 0


def read(source: str) -> Reading:
    """Raises RenderFailed("bad_template" or "too_large") for what is no template."""
    tree = tree_of(source)
    own = {node.name for node in walk(tree) if isinstance(node, nodes.Name) and node.ctx == "store"}
    mentions = tuple(
        mention for mention in _mentions(tree) if mention.path.partition(".")[0] not in {*own, "loop"}
    )
    prose = tuple((node.lineno, node.data) for node in walk(tree) if isinstance(node, nodes.TemplateData))
    return Reading(
        mentions, _shown(tree, own), frozenset(_guarded(tree)), prose, _outline(tree), _shortest(tree.body)
    )


def _mentions(node: nodes.Node) -> Iterator[Mention]:
    """Every path below a node, longest form only: `a.b.c` is not also `a.b` and `a`."""
    path = path_of(node)
    if path is not None:
        yield Mention(path, node.lineno)
        return
    for child in node.iter_child_nodes():
        yield from _mentions(child)


def _guarded(tree: nodes.Node) -> Iterator[str]:
    for node in walk(tree):
        tested = isinstance(node, nodes.Test) and node.name in {"defined", "undefined"}
        defaulted = isinstance(node, nodes.Filter) and node.name in {"default", "d"}
        if isinstance(node, nodes.Test | nodes.Filter) and (tested or defaulted) and node.node is not None:
            yield from (mention.path for mention in _mentions(node.node))


# ── what is shown ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Flows:
    """Which facts each of the template's own variables may hold something of."""

    own: set[str]
    held: dict[str, set[str]] = field(default_factory=dict)

    def of(self, node: nodes.Node) -> set[str]:
        """The facts whose value an expression may pass on; what only decides between others is not passed on."""
        path = path_of(node)
        if path is not None:
            root = path.partition(".")[0]
            return self.held.get(root, set()) if root in self.own else {path}
        children = node.iter_child_nodes(exclude=("test",) if isinstance(node, nodes.CondExpr) else None)
        return set().union(*map(self.of, children))

    def settle(self, tree: nodes.Node) -> None:
        """Until nothing new flows anywhere: assignments may follow one another in any order, and loops come round."""
        before = -1
        while before != (before := sum(map(len, self.held.values()))):
            for node in walk(tree):
                if isinstance(node, nodes.For):
                    self._into(node.target, self.of(node.iter))
                elif isinstance(node, nodes.Assign):
                    self._into(node.target, self.of(node.node))

    def _into(self, target: nodes.Node, facts: set[str]) -> None:
        for node in walk(target):
            if isinstance(node, nodes.Name):
                self.held.setdefault(node.name, set()).update(facts)


def _shown(tree: nodes.Node, own: set[str]) -> frozenset[str]:
    flows = _Flows(own)
    flows.settle(tree)
    return frozenset[str]().union(*(flows.of(node) for node in _printed(tree)))


def _printed(tree: nodes.Node) -> Iterator[nodes.Node]:
    for node in walk(tree):
        if isinstance(node, nodes.Output):
            yield from (part for part in node.nodes if not isinstance(part, nodes.TemplateData))


def _outline(tree: nodes.Node) -> str:
    parts: list[str] = []
    slots = 0
    for node in walk(tree):
        for part in node.nodes if isinstance(node, nodes.Output) else ():
            if isinstance(part, nodes.TemplateData):
                parts.append(part.data)
            else:
                parts.append(f"jvslot{slots}e")
                slots += 1
    return "".join(parts)


def _shortest(body: Iterable[nodes.Node]) -> int:
    """Of branches the shortest counts; loops may have no turn."""
    total = 0
    for node in body:
        if isinstance(node, nodes.Output):
            total += sum(len(part.data) if isinstance(part, nodes.TemplateData) else 1 for part in node.nodes)
        elif isinstance(node, nodes.If):
            others = [_shortest(each.body) for each in node.elif_]
            total += min(_shortest(node.body), _shortest(node.else_), *others)
    return total
