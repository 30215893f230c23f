"""Hypothesis strategies: conditions of every kind, and histories whose events lie on and beside bucket edges."""

from typing import Any

from hypothesis import strategies as st
from msgspec import structs

from builders import ACCOUNT, START
from signals.event import Event
from signals.instant import DAY, HOUR, MINUTE

KINDS = ("used", "paid", "failed")
PEOPLE = ("ann", "bob", "cyd")
WINDOWS = ("10m", "3h", "2d", "3d", "7d", "60d")

_OFFSETS = st.one_of(
    st.integers(0, 30).map(lambda n: n * MINUTE),
    st.integers(0, 100).map(lambda n: n * HOUR),
    st.integers(0, 90).map(lambda n: n * DAY),
)
instants = st.builds(
    lambda offset, jitter: START + offset + jitter, _OFFSETS, st.sampled_from([0, 0, -1, 1, MINUTE // 2])
)

_amounts = st.sampled_from([0, 1, 2, 3, 0.1, 0.2, 2.5, -1, True, "2", None])
_features = st.sampled_from(["a", "b", 1, "1", True, None])


@st.composite
def _happening(draw: st.DrawFn) -> tuple[str, str | None, dict[str, Any]]:
    data: dict[str, Any] = {"amount": draw(_amounts), "feature": draw(_features)}
    return draw(st.sampled_from(KINDS)), draw(st.sampled_from([*PEOPLE, None])), data


@st.composite
def _told(draw: st.DrawFn) -> tuple[str, str | None, dict[str, Any]]:
    name = draw(st.sampled_from(["score", "score", "seats", "plan", "ends", "goals", "address"]))
    values: dict[str, list[Any]] = {
        "goals": [["grow", 1], ["save"], [], "grow", None],
        "address": [{"city": "Bonn"}, {"city": None}, {}, "Bonn"],
        "score": [1, 2, 5, None, "5", True],
        "seats": [0, 2, 4, -2, None],
        "plan": ["pro", "free", ""],
        "ends": ["2026-03-20T09:00:00Z", "2026-04-01T00:00:00Z", "soon"],
    }
    return "crm.account_updated", None, {"attributes": {name: draw(st.sampled_from(values[name]))}}


@st.composite
def _role(draw: st.DrawFn) -> tuple[str, str | None, dict[str, Any]]:
    name = draw(st.sampled_from(PEOPLE))
    if draw(st.integers(0, 4)) == 0:
        return "crm.contact_left", name, {}
    sets: list[list[Any]] = [["champion"], ["champion", "admin"], ["admin"], []]
    if draw(st.integers(0, 2)) == 0:
        dates = {word: draw(_dates) for word in ("since", "until") if draw(st.booleans())}
        sets = [[{"role": "champion", **dates}]]
    return "crm.contact_updated", name, {"roles": draw(st.sampled_from(sets))}


_dates = st.sampled_from(["2026-03-02T08:00:00Z", "2026-03-03T09:10:00Z", "2026-03-12", "2026-04-20"])


@st.composite
def _ticket(draw: st.DrawFn) -> tuple[str, str | None, dict[str, Any]]:
    verb = draw(st.sampled_from(["opened", "updated", "solved"]))
    return f"support.ticket_{verb}", None, {"ticket": draw(st.sampled_from(["T1", "T2"]))}


_milestones = st.sampled_from(["live", "proven"]).map(
    lambda name: ("product.milestone_reached", None, {"milestone": name})
)


_anything = st.one_of(_happening(), _happening(), _happening(), _told(), _role(), _milestones, _ticket())
_of_people = st.one_of(_role(), _role(), _happening())


@st.composite
def histories(draw: st.DrawFn, largest: int = 14, *, of_people: bool = False) -> list[Event]:
    """Events of one account in order of time, each with an id of its own."""
    happened = _of_people if of_people else _anything
    found = draw(st.lists(st.tuples(instants, happened), max_size=largest))
    ordered = sorted(enumerate(found), key=lambda pair: (pair[1][0], f"e{pair[0]:02}"))
    return [
        Event(f"e{place:02}", "test", kind, time, ACCOUNT, contact, data, time)
        for place, (time, (kind, contact, data)) in ordered
    ]


@st.composite
def late_histories(draw: st.DrawFn) -> list[Event]:
    """Events in the order in which they arrive, many of them long after they happened."""
    delays = st.sampled_from([0, 0, MINUTE, 3 * HOUR, 5 * DAY, 40 * DAY])
    happened = draw(histories())
    found = [structs.replace(event, received_at=event.time + draw(delays)) for event in happened]
    return sorted(found, key=lambda event: event.received_at)


_types = st.sampled_from(["used", "paid", "failed", ["used", "paid"], "pa*"])
_where = st.sampled_from([{}, {}, {"amount": 1}, {"feature": {"in": ["a", 1]}}, {"amount": {"gte": 2}}])
_by: st.SearchStrategy[dict[str, str]] = st.sampled_from([{}, {}, {"by": "champion"}])
_words = st.sampled_from(["gte", "gt", "lt", "lte", "is", "is_not"])


@st.composite
def _compared(draw: st.DrawFn, numbers: st.SearchStrategy[Any]) -> dict[str, Any]:
    return {word: draw(numbers) for word in draw(st.lists(_words, min_size=1, max_size=2, unique=True))}


@st.composite
def _windowed(draw: st.DrawFn, head: dict[str, Any], *, by: bool = True) -> dict[str, Any]:
    atom = {**head, **draw(_compared(st.sampled_from([0, 1, 2, 3, 0.5, 2.5, 0.1])))}
    window = draw(
        st.one_of(st.none(), st.sampled_from(WINDOWS), st.sampled_from([["7d", "2d"], ["60d", "10m"]]))
    )
    if window is not None:
        atom["in" if isinstance(window, str) else "between"] = window
    atom |= {"where": draw(_where)}
    if draw(st.integers(0, 3)) == 0:
        atom["per"] = draw(st.sampled_from(["account.seats", "account.tenure_days"]))
    if by and "same" not in atom and draw(st.integers(0, 3)) == 0:
        atom["by"] = "champion"
    return atom


counts = st.one_of(
    _types.flatmap(lambda t: _windowed({"count": t})),
    _types.flatmap(lambda t: _windowed({"count": t, "same": "feature"})),
)
amounts = st.tuples(st.sampled_from(["sum", "average", "min", "max"]), _types).flatmap(
    lambda pair: _windowed({pair[0]: pair[1], "of": "amount"})
)
distincts = st.tuples(_types, st.sampled_from(["feature", "type", "contact"])).flatmap(
    lambda pair: _windowed({"distinct": pair[0], "of": pair[1]}, by=False)
)


@st.composite
def changes(draw: st.DrawFn) -> dict[str, Any]:
    """`change`, with a small `min` so that few events are enough."""
    block, against = draw(st.sampled_from([("10m", "30m"), ("1d", "3d"), ("7d", "14d"), ("14d", "56d")]))
    atom = {"change": draw(_types), "in": block, "against": against, "min": draw(st.sampled_from([0, 1, 2]))}
    atom |= draw(_compared(st.sampled_from([-1, -0.5, 0, 0.5, 1]))) | {"where": draw(_where)}
    return atom | draw(_by)


@st.composite
def _regulars(draw: st.DrawFn) -> dict[str, Any]:
    of = draw(st.integers(1, 4))
    atom = {"regular": draw(_types), "every": draw(st.sampled_from(["10m", "1d", "7d", "14d"])), "of": of}
    atom |= {"in_at_least": draw(st.integers(1, of)), "where": draw(_where)}
    return atom | draw(_compared(st.integers(0, 2))) | draw(_by)


@st.composite
def _pairs(draw: st.DrawFn) -> dict[str, Any]:
    spans = st.sampled_from(["1m", "30m", "1d", "7d"])
    first, second = draw(st.sampled_from(KINDS)), draw(st.sampled_from(KINDS))
    if draw(st.booleans()):
        atom: dict[str, Any] = {
            "sequence": [first, second],
            "within": draw(spans),
            "in": draw(st.sampled_from(WINDOWS)),
        }
        extra: list[dict[str, str]] = [{}, {"same": "feature"}, {"by": "champion"}]
    else:
        atom = {"missed": first, "after": second, "for": draw(spans)}
        extra = [{}, {"same": "feature"}]
    return atom | draw(st.sampled_from(extra))


@st.composite
def _silences(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.booleans()):
        return {"latest": draw(_types), "where": draw(_where)} | draw(_by)
    atom = {"absent": draw(_types), "for": draw(st.sampled_from(["1m", "1d", "14d"])), "where": draw(_where)}
    return atom | draw(_by)


states = st.sampled_from(
    [
        {"attribute": "account.plan", "is": "pro"},
        {"attribute": "account.plan", "is_not": "pro", "for": "7d"},
        {"attribute": "account.plan", "is": "pro", "for": "1d"},
        {"attribute": "account.plan", "exists": False, "for": "3d"},
        {"attribute": "account.score", "gte": 2, "for": "1d"},
        {"attribute": "account.score", "gte": 1, "per": "account.seats"},
        {"attribute": "account.score", "lt": 1, "per": "account.seats", "for": "2d"},
        {"attribute": "account.score", "gte": 0.1, "per": "account.tenure_days"},
        {"attribute": "account.plan", "in": ["pro", "", 1]},
        {"attribute": "account.plan", "not_in": ["pro"], "for": "1d"},
        {"attribute": "account.plan", "starts_with": "pr"},
        {"attribute": "account.plan", "matches": "?r*", "exists": True},
        {"attribute": "account.plan", "contains": "r", "for": "10m"},
        {"attribute": "account.goals", "contains": "grow"},
        {"attribute": "account.goals", "contains": 1, "for": "2d"},
        {"attribute": "account.address.city", "is": "Bonn"},
        {"attribute": "account.address.city", "exists": False, "for": "1d"},
        {"attribute": "account.score", "gt": 1, "lt": 5},
        {"attribute": "account.score", "is_not": 5, "lte": 5, "for": "3d"},
        {"attribute": "account.ends", "gt": "2026-03-20", "lte": "2026-04-01"},
        {"attribute": "account.ends", "exists": True, "last": "40d"},
        {"attribute": "account.created_at", "past": "10d"},
        {"attribute": "account.open_tickets", "gte": 1},
        {"attribute": "account.open_tickets", "gte": 0.5, "per": "account.seats"},
        {"attribute": "account.tenure_days", "gte": 30},
        {"attribute": "account.ends", "within": "5d"},
        {"attribute": "account.ends", "past": "1d"},
        {"attribute": "account.ends", "last": "3d"},
        {"reached": "live"},
        {"reached": "live", "for": "7d"},
        {"not_reached": "live", "since": "account.created_at", "for": "14d"},
        {"role": "champion", "vacant": True},
        {"role": "champion", "vacant": False},
    ]
)
by_role = st.one_of(
    st.sampled_from([{"role": "champion", "vacant": True}, {"role": "champion", "vacant": False}]),
    st.one_of(counts, amounts, changes(), _regulars(), _pairs(), _silences()).filter(
        lambda atom: "by" in atom
    ),
)
"""Atoms whose answer changes with who holds a role."""

atoms = st.one_of(counts, amounts, distincts, changes(), _regulars(), _pairs(), _silences(), states)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=4,
)
"""Any condition about one account's history, nested up to four atoms."""
