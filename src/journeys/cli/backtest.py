"""`journeys backtest`: what signals would have said over the stored history, or a play would have done."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer
import yaml
from pydantic import ValidationError

from journeys.backtests import Asked, AskedOfHistory, Backtest
from journeys.bootstrap import Parts
from journeys.cli.common import Json, app, parts
from journeys.cli.figures import lead, percent, show_lived
from journeys.cli.output import fail, say, table, tell
from journeys.cli.playtest import answer, is_play, show_play, try_play
from journeys.cli.remote import Remote, beside
from journeys.definitions import plain
from journeys.reading import read_folder

_Question = TypeVar("_Question", bound=AskedOfHistory)

EVERYBODY = "everybody"
"""What `--among` is told where nobody is to be left out."""


Signals = Annotated[
    list[str],
    typer.Argument(metavar="SIGNAL...|PLAY", help="Keys of signals, or the key of one play; drafts too."),
]
OutcomeType = Annotated[
    str | None, typer.Option(help="The event type to foretell; without: firings and volume only.")
]
Where = Annotated[
    list[str] | None, typer.Option(metavar="FIELD=VALUE", help="Only outcomes whose data are like that.")
]
Within = Annotated[str, typer.Option(help="How soon after a firing an outcome counts.")]
Since = Annotated[str | None, typer.Option("--from", help="Count from this instant on.")]
Until = Annotated[str | None, typer.Option("--to", help="Take the history as ending here.")]
Among = Annotated[
    str | None,
    typer.Option(
        metavar="CONDITION",
        help=f"Whom to compare, as YAML; `{EVERYBODY}` for all. Default: whose status is not cancelled.",
    ),
]
Sweep = Annotated[
    str | None,
    typer.Option(metavar="PATH=a..b", help="A row for each value: when.gte=2..6, or a..b/step."),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        help="A folder of definitions to use in place of the stored ones.", exists=True, file_okay=False
    ),
]
SaveDraft = Annotated[bool, typer.Option("--save-draft", help="Keep the best setting of a sweep as a draft.")]


@app.command("backtest")
def backtest_(
    signals: Signals,
    outcome: OutcomeType = None,
    where: Where = None,
    within: Within = "90d",
    since: Since = None,
    until: Until = None,
    among: Among = None,
    sweep: Sweep = None,
    definitions: Folder = None,
    save_draft: SaveDraft = False,
    json: Json = False,
) -> None:
    """Run signals, or a play, over the stored history: what they would have said or done, and how right they were.

    Of signals: firings, precision, recall, lead time, and what chance gives. Of a play: journeys, messages and tasks,
    what caps would have held, and where it meets the plays that are live.
    """
    if where and outcome is None:
        fail("--where needs --outcome: which event's data?")
    if save_draft and sweep is None:
        fail("--save-draft needs --sweep: only then is there a best setting to keep")
    drafts = [] if definitions is None else read_folder(definitions)
    body: dict[str, Any] = {"within": within, "from": since, "to": until}
    body |= {} if among is None else {"among": _among(among)}
    if outcome is not None:
        body["outcome"] = {"type": outcome, "where": dict(map(_field, where or []))}
    with beside() as remote, _parts(remote) as made:
        if is_play(signals[0], drafts, made, remote):
            _refuse_more(signals, sweep)
            asked = _asked(AskedOfHistory, body)
            told = try_play(signals[0], asked, body, drafts, made, remote)
            say(told, lambda: show_play(told))
            return
        body |= {"sweep": sweep, "save_draft": save_draft, "beside": signals[1:]}
        wanted = _asked(Asked, body)
        told = answer(
            ("signals", signals[0], body),
            drafts,
            made,
            remote,
            lambda here: Backtest(here.database, here.library, signals, wanted, drafts),
        )
    say(told, lambda: _show(told, sweep is not None))


def _parts(remote: Remote | None) -> AbstractContextManager[Parts | None]:
    """The parts of this process; None where a running service is asked."""
    return parts() if remote is None else nullcontext()


def _refuse_more(keys: list[str], sweep: str | None) -> None:
    if len(keys) > 1:
        fail(f"{keys[0]} is a play: it is back-tested by itself")
    if sweep is not None:
        fail(f"--sweep is of a signal, and {keys[0]} is a play")


def _asked(kind: type[_Question], body: dict[str, Any]) -> _Question:
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = str(fault["loc"][0]).replace("_", "-")
        fail(f"--{name}: {fault['msg'].removeprefix('Value error, ')}")


def _among(text: str) -> Any:
    if text == EVERYBODY:
        return None
    condition = _yaml("--among", text)
    if not isinstance(condition, dict):
        fail("--among takes a condition, like '{attribute: account.plan, is: pro}', or the word everybody")
    return condition


def _field(text: str) -> tuple[str, Any]:
    name, found, value = text.partition("=")
    if not found or not name:
        fail(f"--where {text}: write FIELD=VALUE, like reason=price")
    return name, _yaml("--where", value)


def _yaml(option: str, text: str) -> Any:
    try:
        return plain(yaml.safe_load(text))
    except yaml.YAMLError as error:
        fail(f"{option} is not YAML: {error}")


# ── for people ─────────────────────────────────────────────────────────────────────────────────────────────────


def _show(told: dict[str, Any], swept: bool) -> None:
    show_lived(told)
    name = "setting" if swept else "signal"
    if told["outcome"] is None:
        rows = [
            [_name(r, swept), r["firings"], r["accounts"], r["per_week"]["mean"], r["per_week"]["most"]]
            for r in told["rows"]
        ]
        table("Firings", [name, "firings", "accounts", "a week", "most in a week"], rows)
    else:
        _show_against(told, name, swept)
    _show_silent(told)


def _show_against(told: dict[str, Any], name: str, swept: bool) -> None:
    rows = [[_name(row, swept), *cells(row)] for row in told["rows"]]
    table(f"Against {told['outcome']['type']} within {told['within']}", [name, *_HEADS], rows, whole=True)
    chance = told["chance"]
    compared = "everybody" if told["among"] is None else orjson.dumps(told["among"]).decode()
    tell(
        f"Compared: {compared}; {told['outcomes']:,} outcomes there ({told['outcomes_outside']:,} elsewhere).",
        f"Chance: an outcome follows {percent(chance)} of {chance['account_weeks']:,} account-weeks; "
        "`chance then` is that at the age of the accounts for which the signal fired.",
        "Left out are firings too near the end of the history to be judged + at accounts that are not compared.",
        "Intervals in brackets are right together 95 times in 100. Lift is shown where precision and chance lie apart.",
    )
    if swept:
        tell(_best(told))


_HEADS = ["firings", "a week", "left out", "precision", "chance then", "lift", "recall", "days ahead"]


def cells(row: dict[str, Any]) -> list[Any]:
    """A row of the table against an outcome, after its name."""
    return [
        row["firings"],
        row["per_week"]["mean"],
        f"{row['near_the_end']:,} + {row['outside']:,}",
        percent(row["precision"]),
        percent(row["chance_at_that_age"]),
        f"× {row['lift']['value']}" if row["lift"]["shown"] else "not shown",
        percent(row["recall"]),
        lead(row["lead_days"]),
    ]


def _show_silent(told: dict[str, Any]) -> None:
    silent = sum(row["opened_silently"] for row in told["rows"])
    if silent:
        tell(f"{silent:,} times a signal opened without firing, by an event that came in too late to act on.")


def _best(told: dict[str, Any]) -> str:
    best, saved = told["best"], told["saved"]
    if best is None:
        return "No setting shows lift, so none is offered."
    kept = "--save-draft keeps it as a draft" if saved is None else f"kept as version {saved['version']}"
    return f"Best setting (precision and recall taken together): {best['setting']}; {kept}."


def _name(row: dict[str, Any], swept: bool) -> str:
    return str(row["setting"] or "as written") if swept else str(row["signal"])
