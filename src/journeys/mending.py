"""How to mend what a definition has wrong: the word that was meant, the words there are, and the line it stands on."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import yaml

from signals.conditions.grammar import ATOMS

SHOWN = 12
"""Words that are told as those there are; more are no help."""

_WRITE = {
    "string_type": "write text, in quotes where YAML reads something else",
    "int_type": "write a whole number, without quotes",
    "float_type": "write a number, without quotes",
    "bool_type": "write true or false, without quotes",
    "list_type": "write a list: [one, other]",
    "dict_type": "write names and values: {name: value}",
    "model_type": "write names and values: {name: value}",
}


def nearest(word: str, known: Collection[str], otherwise: str) -> str:
    """The word that was probably meant, else what to do about one that is not known."""
    close = get_close_matches(word, known, 1)
    return f"did you mean {close[0]!r}? Else {otherwise}" if close else otherwise


def mend(problem: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What to do about one of Pydantic's findings in a body of this JSON Schema; empty where its words say it."""
    kind: str = problem["type"]
    loc: tuple[str | int, ...] = problem["loc"]
    if kind == "missing":
        return f"add `{loc[-1]}: …`"
    if kind == "extra_forbidden":
        known = sorted(_properties(schema, loc[:-1]) or _words_of_a_condition(loc))
        there = f"remove it; here may stand {', '.join(known[:SHOWN])}" if known else "remove it"
        return nearest(str(loc[-1]), known, there)
    return _WRITE.get(kind, "")


def _words_of_a_condition(loc: Sequence[Any]) -> set[str]:
    """What may stand in the innermost condition of a place; conditions are data to the schemas of bodies."""
    atom = next((ATOMS[part] for part in reversed(loc[:-1]) if part in ATOMS), None)
    fields = {} if atom is None else atom.model_fields
    return {field.alias or name for name, field in fields.items()}


def _properties(schema: Mapping[str, Any], loc: Sequence[Any]) -> set[str]:
    """The names that may stand at a place of a body; parts of `loc` that only name a variant are passed over."""
    here = list(_variants(schema, schema))
    for part in loc:
        below = [each for one in here for each in _below(one, part)]
        here = [variant for each in below for variant in _variants(each, schema)] or here
    return {name for one in here for name in one.get("properties", {})}


def _below(schema: Mapping[str, Any], part: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(part, int):
        yield from (schema[name] for name in ("items",) if isinstance(schema.get(name), Mapping))
    elif part in schema.get("properties", {}):
        yield schema["properties"][part]
    elif isinstance(schema.get("additionalProperties"), Mapping):
        yield schema["additionalProperties"]


def _variants(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What a schema may stand for: itself, what it refers to, each of several."""
    if "$ref" in schema:
        yield from _variants(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
        return
    several = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    if not several:
        yield schema
    for each in several:
        yield from _variants(each, root)


# ── where it stands ────────────────────────────────────────────────────────────────────────────────────────────


def line_of(text: str, place: int | None, key: str, pointer: str) -> int | None:
    """The line, from 1, on which a file says what a pointer points at, or the nearest above; None where it cannot be read.

    Of several bodies the one at `place`, else the one called `key`, is meant. `step x` points at the step with that id.
    """
    front, offset = _yaml_of(text)
    try:
        root = yaml.compose(front, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return None
    if root is None:
        return None
    node = _body(root, place, key)
    mark = node.start_mark
    parts: list[str | tuple[str, str]] = [*pointer.split("/")[1:]]
    if pointer.startswith("step "):
        parts = ["steps", ("id", pointer.removeprefix("step "))]
    for part in parts:
        found = _inside(node, part)
        mark, node = (mark, node) if found is None else found
    return int(mark.line) + 1 + offset


def _yaml_of(text: str) -> tuple[str, int]:
    """The YAML of a file, and how many lines stand above it: Markdown has it between two rules."""
    if not text.startswith("---\n"):
        return text, 0
    return text[4:].partition("\n---")[0], 1


def body_line(text: str) -> int:
    """The line, from 1, on which the body of a Markdown file with front matter begins: its first that is not empty."""
    lines = text.splitlines()
    rules = [number for number, line in enumerate(lines) if line.strip() == "---"]
    below = range(rules[1] + 1 if len(rules) > 1 else 0, len(lines))
    return next((number for number in below if lines[number]), len(lines) - 1) + 1


def _body(root: Any, place: int | None, key: str) -> Any:
    if not isinstance(root, yaml.SequenceNode):
        return root
    if place is not None and place < len(root.value):
        return root.value[place]
    return next((item for item in root.value if _says(item, "key", key)), root)


def _says(node: Any, name: str, value: str) -> bool:
    found = _inside(node, name)
    return found is not None and isinstance(found[1], yaml.ScalarNode) and found[1].value == value


def _inside(node: Any, part: str | tuple[str, str]) -> tuple[Any, Any] | None:
    """Where it stands and what it is that a node holds under a name, at a number, or (name, value): anywhere below,
    the first that says so."""
    if isinstance(part, tuple):
        return next(((each.start_mark, each) for each in _all(node) if _says(each, *part)), None)
    if isinstance(node, yaml.MappingNode):
        return next(((name.start_mark, value) for name, value in node.value if name.value == part), None)
    if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        return node.value[int(part)].start_mark, node.value[int(part)]
    return None


def _all(node: Any) -> Iterator[Any]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _all(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _all(item)
