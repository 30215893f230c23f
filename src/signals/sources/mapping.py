"""The body of a `mapping` definition (definitions "mapping"): what may be written, checked as it is read.

`signals.sources.mapped` does what it says. Fields, templates and formats: `signals.sources.cells`; `when`:
`signals.sources.row_conditions`.
"""

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    model_validator,
)
from typing_extensions import TypeAliasType

from signals.problem import Refused
from signals.sources import cells, wire
from signals.sources.envelope import event_type
from signals.sources.row_conditions import condition


def _checked(make: Callable[[Any], Any]) -> AfterValidator:
    """Validates by making what the value stands for, so that compiling cannot fail later."""

    def check(value: Any) -> Any:
        make(value)
        return value

    return AfterValidator(check)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _said_or_template(value: str) -> None:
    cells.template(value)


def _type(value: str) -> None:
    try:
        cells.template(value) if "{" in value else event_type(value)
    except Refused as refused:
        raise ValueError(refused.problem.detail) from refused


def _kept(value: Any) -> None:
    """A value said outright must be one that could have come in: no NaN, no NUL, no integer beyond 63 bits."""
    try:
        wire.parse(json.dumps(value).encode())
    except Refused as refused:
        raise ValueError(refused.problem.detail) from refused


Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$")]
Place = Annotated[str, Field(max_length=500)]
Spec = Annotated[Place | Annotated[list[Place], Field(min_length=1, max_length=10)], _checked(cells.spec)]
"""A field, a template, or the first of several that is there."""
Name = Annotated[str, Field(min_length=1, max_length=500), _checked(_said_or_template)]
"""What a member of `data` is called; a template where the payload itself names it."""
Text = Annotated[str, Field(min_length=1, max_length=500), _checked(_said_or_template)]
Type = Annotated[str, Field(min_length=1, max_length=500), _checked(_type)]
Zone = Annotated[str, _checked(cells.zone_of)]
Formats = Annotated[
    list[str], BeforeValidator(_listed), _checked(lambda formats: cells.instants(formats, "UTC"))
]
Said = Annotated[JsonValue, _checked(_kept)]
When = Annotated[dict[str, Any], _checked(condition)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Plus(_Strict):
    """A span that a row gives beside an instant, as a number of units: `resolution_hours` after `created_at`."""

    field: Spec
    unit: Literal["seconds", "minutes", "hours", "days"]


class Time(_Strict):
    """When the event happened: a field, how its text is written, and the zone meant where the text names none."""

    field: Spec
    format: Formats = [cells.RFC_3339]
    zone: Zone = "UTC"
    plus: Plus | None = None


class Cell(_Strict):
    """One value of `data`: a field read as something, or a value said outright."""

    field: Spec | None = None
    value: Said = None
    as_: Literal["any", "text", "prose", "number", "integer", "boolean", "instant"] = Field("any", alias="as")
    format: Formats = [cells.RFC_3339]
    zone: Zone = "UTC"
    missing: Literal["drop", "refuse"] = "drop"
    default: Said = None

    @model_validator(mode="after")
    def _one_of(self) -> "Cell":
        given = self.model_fields_set
        if ("field" in given) == ("value" in given):
            raise ValueError("give either field or value")
        if "missing" in given and "default" in given:
            raise ValueError("missing and default exclude each other")
        return self


class Interval(_Strict):
    """How often a price is due: every `count` (1) of `day`, `week`, `month`, `quarter` or `year`."""

    interval: Spec
    count: Spec | None = None


class Amount(_Strict):
    """Money in whole units from minor ones (`signals.sources.amounts`)."""

    minor_units: Spec
    currency: Spec
    times: Spec | None = None
    per_month: Interval | None = None
    each: Place | None = None


def _kind_of_data(value: Any) -> str:
    if isinstance(value, str | list):
        return "spec"
    if isinstance(value, Amount) or (isinstance(value, dict) and "minor_units" in value):
        return "amount"
    is_cell = isinstance(value, Cell) or (isinstance(value, dict) and ("field" in value or "value" in value))
    return "cell" if is_cell else "nested"


Data = TypeAliasType(
    "Data",
    Annotated[
        Annotated[Spec, Tag("spec")]
        | Annotated[Cell, Tag("cell")]
        | Annotated[Amount, Tag("amount")]
        | Annotated["dict[Name, Data]", Tag("nested")],
        Discriminator(_kind_of_data),
    ],
)
"""A field or template, a `Cell` (an object with `field` or `value`), an `Amount`, or an object of these."""


class Lookup(_Strict):
    """Joins columns of another table: the row of `table` whose column `on` is that of this row.

    `on: {subscription: id}` when the other table calls it `id`.
    """

    @model_validator(mode="before")
    @classmethod
    def _on_is_a_word(cls, body: Any) -> Any:
        """YAML 1.1 reads a bare `on` as true, even where it is a name."""
        return (
            {"on" if key is True else key: value for key, value in body.items()}
            if isinstance(body, dict)
            else body
        )

    table: Key
    on: str | Annotated[dict[str, str], Field(min_length=1, max_length=1)]
    take: Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]

    @property
    def columns(self) -> tuple[str, str]:
        """The column here and the column there."""
        return (self.on, self.on) if isinstance(self.on, str) else next(iter(self.on.items()))


class Rule(_Strict):
    """One kind of event that rows give.

    `when` sees the row as it is; then `lookup` joins, then `values` translates fields (`{priority: {P1: urgent}}`), and
    the rest is made of that. `account` and `contact` are our ids. A vendor that has its own says them as
    `account_external` and `contact_external`, and may tell a person by `contact_email`: they travel in `data`, and are
    looked up by the event's source (semantics §2, Identity).
    """

    type: Type
    when: When = {}
    id: Spec
    source: Text | None = None
    time: Annotated[
        Time | None, BeforeValidator(lambda time: {"field": time} if isinstance(time, str) else time)
    ] = None
    account: Spec | None = None
    account_external: Spec | None = None
    contact: Spec | None = None
    contact_external: Spec | None = None
    contact_email: Spec | None = None
    data: dict[Name, Data] = {}
    lookup: Lookup | None = None
    values: dict[str, dict[str, Said]] = {}


class Mapping(_Strict):
    """How rows of a format become events; a row may give one for each rule.

    `rows` says where in a webhook's payload the list of rows is; without it, the payload is a row or a list of rows.
    `ignore` names rows that are known and of no use: they give nothing, and are no dead letters either.
    """

    key: Key
    format: Literal["json", "csv"] = "json"
    rows: Place | None = None
    ignore: Annotated[list[When], Field(max_length=100)] = []
    each: Annotated[list[Rule], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _one_key_a_table(self) -> "Mapping":
        theirs: dict[str, str] = {}
        for lookup in (rule.lookup for rule in self.each if rule.lookup):
            column = lookup.columns[1]
            if theirs.setdefault(lookup.table, column) != column:
                raise ValueError(f"table {lookup.table} is looked into by two columns; one is possible")
        return self
