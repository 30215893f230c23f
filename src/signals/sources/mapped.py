"""Rows of anybody's file or webhook to events, by a `mapping` definition (definitions "mapping").

A mapping says for each kind of event which rows give one and where its parts are. `id`, `account`, `contact` and the
values of `data` are field names or templates (`signals.sources.cells`); `type` and `source` are said outright or are
templates. CSV cells are text, so `data` may say what one is read as: `{field: mrr, as: number}`. A number used as an
id must be made text by a template, `{customer_id}`: it is not coerced silently.

    key: billing-invoices
    format: csv
    each:
      - type: billing.invoice_paid
        when: {status: paid}
        id: invoice-{invoice_id}
        time: {field: paid_at, format: ["%Y-%m-%d", unix], zone: Europe/Berlin}
        account: account_id
        data: {invoice: invoice_id, amount: {field: amount, as: number}}
"""

from collections.abc import Callable, Iterable
from collections.abc import Mapping as Table
from typing import Any, TypeAlias, TypeVar

import orjson

from signals.event import Event
from signals.instant import DAY, HOUR, LATEST, MINUTE, SECOND, Duration, Instant
from signals.problem import Problem, Refused
from signals.sources import amounts, cells
from signals.sources.cells import CsvRow, Read, Row
from signals.sources.envelope import MAX_EVENT, at_most, event_type, not_ahead, party, reject, text
from signals.sources.mapping import Amount, Cell, Mapping, Plus, Rule, Time
from signals.sources.row_conditions import condition

__all__ = ["Lookups", "Mapper", "Mapping", "compile"]

_UNITS = {"seconds": SECOND, "minutes": MINUTE, "hours": HOUR, "days": DAY}

OUTSIDE = ("account_external", "contact_external", "contact_email")
"""Parts of a rule that travel in an event's data: who it is about, as a vendor names them."""

Value = TypeVar("Value")

Lookups: TypeAlias = Table[str, Table[str, Row]]
"""For each table that a mapping looks into, its rows by their key (`Mapper.index`)."""


class Mapper:
    """A mapping made ready for rows. Made by `compile`; holds nothing of the rows it has seen."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self._rules = [_Rule(rule) for rule in mapping.each]
        self._ignored = [condition(when) for when in mapping.ignore]
        self._row: Callable[[Row], Row] = CsvRow if mapping.format == "csv" else dict

    @property
    def tables(self) -> dict[str, str]:
        """The tables that are looked into, and the column each is known by."""
        return {rule.lookup.table: rule.lookup.columns[1] for rule in self.mapping.each if rule.lookup}

    def index(self, table: str, rows: Iterable[tuple[int, Row | Problem]]) -> dict[str, Row]:
        """The columns wanted of a table's rows, by key; of equal keys the last. Rows without one are left out."""
        lookups = [rule.lookup for rule in self.mapping.each if rule.lookup and rule.lookup.table == table]
        column = self.tables[table]
        wanted = {name for lookup in lookups for name in lookup.take}
        return {
            str(row[column]): {name: row.get(name) for name in wanted}
            for _, row in rows
            if not isinstance(row, Problem) and row.get(column) not in (None, "")
        }

    def events(
        self, row: Row, row_number: int, source_default: str, lookups: Lookups, received_at: Instant
    ) -> list[Event | Problem]:
        """What the row gives, one item for each rule that takes it; empty where it is ignored. Never raises.

        A Problem names the row, unless its number is 0; `unmapped` says that no rule took it, or that a column or
        table row is not there.
        """
        prepared = self._row(row)
        if any(_holds(ignored, prepared) for ignored in self._ignored):
            return []
        items = [rule.item(prepared, source_default, lookups, received_at) for rule in self._rules]
        given = [item for item in items if item is not None]
        if not given:
            given = [Problem(422, "unmapped", f"no rule of mapping {self.mapping.key} takes it")]
        return [_numbered(item, row_number) if isinstance(item, Problem) else item for item in given]

    def rows(self, payload: Any) -> list[Any]:
        """The rows of a webhook's payload. Raises Refused where `rows` names no list."""
        found = payload if self.mapping.rows is None else cells.field(_as_row(payload), self.mapping.rows)
        if isinstance(found, list):
            return found
        if self.mapping.rows is not None:
            reject(f"{self.mapping.rows} is no list of rows", f"/{self.mapping.rows}")
        return [payload]


def _as_row(payload: Any) -> Row:
    return payload if isinstance(payload, dict) else {}


def _holds(ignored: Callable[[Row], bool], row: Row) -> bool:
    try:
        return ignored(row)
    except Refused:  # a column that is not there: the rules will say so
        return False


def compile(mapping: Mapping) -> Mapper:  # noqa: A001 - the verb of conditions and mappings alike
    """Make a mapping ready. It was checked when it was read, so this does not fail."""
    return Mapper(mapping)


class _Rule:
    """One rule, its parts as functions of the row."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._when = condition(rule.when)
        self._type = cells.template(rule.type)
        self._source = None if rule.source is None else cells.template(rule.source)
        self._id = cells.spec(rule.id)
        self._account = _optional(rule.account)
        self._contact = _optional(rule.contact)
        self._time = None if rule.time is None else _timed(rule.time)
        self._data = _object(rule.data)
        self._named_outside = [(name, _optional(getattr(rule, name))) for name in OUTSIDE]

    def item(self, row: Row, source: str, lookups: Lookups, received_at: Instant) -> Event | Problem | None:
        """The event, why there is none, or None when the rule does not take the row."""
        try:
            if not self._when(row):
                return None
            return self._event(self._translated(self._joined(row, lookups)), source, received_at)
        except Refused as refused:
            return refused.problem

    def _event(self, row: Row, source: str, received_at: Instant) -> Event:
        data = {**self._data(row), **self._outside(row)}
        at_most(len(orjson.dumps(data)), MAX_EVENT, "an event")
        time = None if self._time is None else not_ahead(self._time(row), received_at)
        return Event(
            id=text(self._id(row), "id", "/id"),
            source=text(self._source(row) if self._source else source, "source", "/source"),
            type=event_type(self._type(row)),
            time=received_at if time is None else time,
            account=party(self._account(row), "account", "/account"),
            contact=party(self._contact(row), "contact", "/contact"),
            data=data,
            received_at=received_at,
            timed=time is not None,
        )

    def _outside(self, row: Row) -> dict[str, str]:
        """Who it is about, as the vendor names them."""
        found = ((name, read(row)) for name, read in self._named_outside)
        return {name: text(value, name, f"/{name}") for name, value in found if value is not None}

    def _translated(self, row: Row) -> Row:
        """The row with `values` applied; a value they do not name stays as it is."""
        changed = {}
        for name, names in self._rule.values.items():
            known = cells.as_text(cells.field(row, name))
            if known in names:
                changed[name] = names[known]
        return _with(row, changed) if changed else row

    def _joined(self, row: Row, lookups: Lookups) -> Row:
        lookup = self._rule.lookup
        if lookup is None:
            return row
        here, _ = lookup.columns
        key = cells.as_text(cells.field(row, here))
        found = lookups.get(lookup.table, {}).get(key) if key is not None else None
        if found is None:
            reject(f"table {lookup.table} has no row for {key!r:.60}", f"/{here}", reason="unmapped")
        return _with(row, {name: found.get(name) for name in lookup.take})


def _with(row: Row, changes: Row) -> Row:
    return CsvRow({**row, **changes}) if isinstance(row, CsvRow) else {**row, **changes}


def _optional(spec: str | list[str] | None) -> Read:
    """A party that may be missing; an empty text names nobody."""
    if spec is None:
        return lambda _: None
    find = cells.spec(spec)
    return lambda row: None if (value := find(row)) == "" else value


def _timed(time: Time) -> Callable[[Row], Instant]:
    find, read = cells.spec(time.field), cells.instants(time.format, time.zone)
    span = _span(time.plus) if time.plus else None
    path = cells.shown(time.field)

    def moment(row: Row) -> Instant:
        start = _pointing(read, _needed(find(row), path), path)
        return start if span is None else start + span(row)

    return moment


def _span(plus: Plus) -> Callable[[Row], Duration]:
    find, unit, path = cells.spec(plus.field), _UNITS[plus.unit], cells.shown(plus.field)

    def span(row: Row) -> Duration:
        number = _pointing(cells.as_number, _needed(find(row), path), path)
        if number is None or not 0 <= number * unit <= LATEST:
            reject(f"{path}: {number} {plus.unit} is no span of time", f"/{path}")
        return round(number * unit)

    return span


def _needed(value: Any, path: str) -> Any:
    if value is None:
        reject(f"{path} is missing: it says when the event happened", f"/{path}")
    return value


def _data(data: Any) -> Read:
    """The function for one member of `data`; None from it leaves the member out."""
    if isinstance(data, str | list):
        return cells.spec(data)
    if isinstance(data, Amount):
        return _amount(data)
    return _cell(data) if isinstance(data, Cell) else _object(data)


def _object(data: Table[str, Any]) -> Callable[[Row], dict[str, Any]]:
    members = [(cells.template(name), _data(inner)) for name, inner in data.items()]

    def build(row: Row) -> dict[str, Any]:
        built = {name(row): read(row) for name, read in members}
        return {name: None if value is _NULL else value for name, value in built.items() if value is not None}

    return build


_NULL = object()  # a null that is meant, where None means missing


def _amount(amount: Amount) -> Read:
    def where(place: str | list[str] | None) -> Read | None:
        return None if place is None else cells.spec(place)

    per = amount.per_month
    parts = amounts.Parts(
        minor_units=cells.spec(amount.minor_units),
        currency=cells.spec(amount.currency),
        times=where(amount.times),
        interval=where(per.interval if per else None),
        every=where(per.count if per else None),
    )
    return amounts.amount(parts, amount.each)


def _cell(cell: Cell) -> Read:
    if cell.field is None:
        said = _NULL if cell.value is None else cell.value
        return lambda _: said
    path, find, convert = cells.shown(cell.field), cells.spec(cell.field), _conversion(cell)
    default = _NULL if cell.default is None and "default" in cell.model_fields_set else cell.default

    def read(row: Row) -> Any:
        value = find(row)
        if value is None and cell.missing == "refuse":
            reject(f"{path} is missing", f"/{path}")
        return default if value is None else _pointing(convert, value, path)

    return read


def _conversion(cell: Cell) -> Callable[[Any], Any]:
    plain: dict[str, Callable[[Any], Any]] = {
        "any": lambda value: value,
        "text": cells.as_text,
        "prose": cells.as_prose,
        "number": cells.as_number,
        "integer": cells.as_integer,
        "boolean": cells.as_boolean,
    }
    return plain.get(cell.as_) or cells.as_instant(cell.format, cell.zone)


def _pointing(read: Callable[[Any], Value], value: Any, path: str) -> Value:
    """Read the value; what is wrong with it is said of its field."""
    try:
        return read(value)
    except Refused as refused:
        reject(f"{path}: {refused.problem.detail}", f"/{path}")


def _numbered(problem: Problem, row_number: int) -> Problem:
    if row_number == 0:
        return problem
    return Problem(problem.status, problem.reason, f"row {row_number}: {problem.detail}", problem.pointer)
