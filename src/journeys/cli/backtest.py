"""`journeys backtest`: what a signal would have said over the stored history, and how often it would have been right."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer
import yaml
from pydantic import ValidationError

from journeys.backtests import Asked, Backtest, NoSignal
from journeys.cli.common import Json, app, parts
from journeys.cli.output import bar, fail, note, say, table, tell
from journeys.cli.remote import Remote, beside
from journeys.definitions import Draft, plain, read_folder

EVERYBODY = "everybody"
"""What `--among` is told where nobody is to be left out."""


@app.command("backtest")
def backtest_(
    signals: Annotated[list[str], typer.Argument(metavar="SIGNAL...", help="Keys of signals, drafts too.")],
    outcome: Annotated[
        str | None, typer.Option(help="The event type to foretell; without: firings and volume only.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(metavar="FIELD=VALUE", help="Only outcomes whose data are like that.")
    ] = None,
    within: Annotated[str, typer.Option(help="How soon after a firing an outcome counts.")] = "90d",
    since: Annotated[str | None, typer.Option("--from", help="Count from this instant on.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Take the history as ending here.")] = None,
    among: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITION",
            help=f"Whom to compare, as YAML; `{EVERYBODY}` for all. Default: whose status is not cancelled.",
        ),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(metavar="PATH=a..b", help="A row for each value: when.gte=2..6, or a..b/step."),
    ] = None,
    definitions: Annotated[
        Path | None,
        typer.Option(
            help="A folder of definitions to use in place of the stored ones.", exists=True, file_okay=False
        ),
    ] = None,
    save_draft: Annotated[
        bool, typer.Option("--save-draft", help="Keep the best setting of a sweep as a draft.")
    ] = False,
    json: Json = False,
) -> None:
    """Run signals over the stored history: firings, precision, recall, lead time, and what chance would give."""
    if where and outcome is None:
        fail("--where needs --outcome: which event's data?")
    if save_draft and sweep is None:
        fail("--save-draft needs --sweep: only then is there a best setting to keep")
    drafts = [] if definitions is None else read_folder(definitions)
    body: dict[str, Any] = {"within": within, "sweep": sweep, "save_draft": save_draft}
    body |= {"from": since, "to": until, "beside": signals[1:]}
    body |= {} if among is None else {"among": _among(among)}
    if outcome is not None:
        body["outcome"] = {"type": outcome, "where": dict(map(_field, where or []))}
    asked = _asked(body)
    with beside() as remote:
        told = _here(signals, asked, drafts) if remote is None else _there(remote, signals[0], body, drafts)
    say(told, lambda: _show(told, sweep is not None))


def _asked(body: dict[str, Any]) -> Asked:
    try:
        return Asked.model_validate(body)
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


def _here(signals: list[str], asked: Asked, drafts: list[Draft]) -> dict[str, Any]:
    with parts() as made:
        try:
            ready = Backtest(made.database, made.library, signals, asked, drafts)
        except NoSignal as error:
            fail(str(error))
        with bar("events", ready.events) as moved:
            return ready.run(made.now, moved)


def _there(remote: Remote, signal: str, body: dict[str, Any], drafts: list[Draft]) -> dict[str, Any]:
    """Asked of the running service, which gives it so many seconds and no more."""
    sent = {**body, "definitions": [{"kind": draft.kind, "body": draft.body} for draft in drafts]}
    answer: dict[str, Any] = remote.post(
        f"/v1/signals/{quote(signal, safe='')}/backtest", orjson.dumps(sent), seconds=110
    )
    return answer


# ── for people ─────────────────────────────────────────────────────────────────────────────────────────────────


def _show(told: dict[str, Any], swept: bool) -> None:
    speed = f"{told['seconds']:,} s, {told['events_per_second']:,} events a second"
    tell(
        f"{told['events']:,} events of {told['accounts']:,} accounts, {_day(told['from'])} to {_day(told['to'])} ({speed})"
    )
    if not told["complete"]:
        note(
            "time was up before all accounts had been looked at: run it beside the database, without JOURNEYS_URL"
        )
    tell("")
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
        f"Chance: an outcome follows {_percent(chance)} of {chance['account_weeks']:,} account-weeks; "
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
        _percent(row["precision"]),
        _percent(row["chance_at_that_age"]),
        f"× {row['lift']['value']}" if row["lift"]["shown"] else "not shown",
        _percent(row["recall"]),
        _lead(row["lead_days"]),
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


def _percent(interval: dict[str, Any]) -> str:
    if interval["value"] is None:
        return "—"
    value, low, high = (100 * interval[name] for name in ("value", "low", "high"))
    return f"{value:.1f} % ({low:.1f}–{high:.1f})"


def _lead(days: dict[str, Any]) -> str:
    if days["median"] is None:
        return "—"
    return f"{days['median']:.0f} ({days['lower_quartile']:.0f}–{days['upper_quartile']:.0f})"


def _day(instant: str | None) -> str:
    return "—" if instant is None else instant[:10]
