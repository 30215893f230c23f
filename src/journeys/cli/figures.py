"""How the figures of back-tests are shown to people."""

from typing import Any

from journeys.cli.output import note, tell


def show_lived(told: dict[str, Any]) -> None:
    """How much of the history was lived through, and how fast."""
    speed = f"{told['seconds']:,} s, {told['events_per_second']:,} events a second"
    tell(
        f"{told['events']:,} events of {told['accounts']:,} accounts, {_day(told['from'])} to {_day(told['to'])} ({speed})"
    )
    if not told["complete"]:
        note(
            "time was up before all accounts had been looked at: run it beside the database, without JOURNEYS_URL"
        )
    tell("")


def percent(interval: dict[str, Any]) -> str:
    """A share with its interval in brackets."""
    if interval["value"] is None:
        return "—"
    value, low, high = (100 * interval[name] for name in ("value", "low", "high"))
    return f"{value:.1f} % ({low:.1f}–{high:.1f})"


def lead(days: dict[str, Any]) -> str:
    """The median in days with its quartiles in brackets."""
    if days["median"] is None:
        return "—"
    return f"{days['median']:.0f} ({days['lower_quartile']:.0f}–{days['upper_quartile']:.0f})"


def _day(instant: str | None) -> str:
    return "—" if instant is None else instant[:10]
