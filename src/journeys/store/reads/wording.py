"""Plain data as words: keys, values, and pieces of evidence. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from signals.conditions.node import doubts


def words(key: str | None) -> str:
    """`usage_drop`, `adoption-nudge` and `support.ticket_opened` as plain words."""
    return "" if key is None else key.replace("_", " ").replace("-", " ").replace(".", " ").strip()


def evidence_line(evidence: Mapping[str, Any]) -> str:
    """One piece of evidence in words: what was watched, what was seen, what was asked for."""
    if evidence.keys() == {"date", "before_days"}:
        return f"{evidence['before_days']} days before {str(evidence['date'])[:10]}"
    condition = evidence.get("condition")
    if not isinstance(condition, Mapping) or not condition:
        return ", ".join(f"{words(name)} {shown(value)}" for name, value in evidence.items())
    atom = next((name for name in _ATOMS if name in condition), next(iter(condition)))
    show = _as_share if atom == "change" else shown
    about = shown(condition[atom])
    lead = about if atom in ("attribute", "count") else f"{words(atom)} {about}"
    asked = ", ".join(_asked(name, condition[name], show) for name in sorted(condition) if name != atom)
    negated = "not " if evidence.get("negated") else ""
    seen = f": {show(evidence.get('saw'))}" if evidence.get("saw") is not None else ""
    return f"{negated}{lead}{seen}" + (f" ({asked})" if asked else "") + doubts(evidence)


_ATOMS = (
    *("attribute", "count", "change", "sum", "average", "min", "max", "distinct", "regular", "sequence"),
    *("latest", "absent", "missed", "reached", "not_reached"),
    *("segment", "stage", "tag", "signal", "health", "role"),
)
"""What a condition can be about: the key that names its kind. A change also has a `min`, so it is asked for first."""


_SIGNS = {"gte": "≥", "gt": ">", "lte": "≤", "lt": "<"}


def _asked(name: str, value: Any, show: Callable[[Any], str]) -> str:
    """One word of a condition: `gte 3` as ≥ 3, `vacant: true` as vacant."""
    if value is True:
        return words(name)
    return f"{_SIGNS[name]} {show(value)}" if name in _SIGNS else f"{words(name)} {shown(value)}"


def _as_share(value: Any) -> str:
    """A change of −0.5333 as −53 %; other data as it is."""
    is_share = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"{value:+.0%}".replace("-", "−") if is_share else shown(value)


def shown(value: Any) -> str:
    """Plain data as words."""
    if isinstance(value, Mapping):
        told = {name: inner for name, inner in value.items() if inner not in (None, [], {})}
        return ", ".join(f"{words(str(name))} {shown(inner)}" for name, inner in told.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(inner) for inner in value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "nothing"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
