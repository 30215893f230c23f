"""The answer of a back-test as plain data: for `--json`, the API and the table."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from journeys.backtest.question import Question
from journeys.backtest.score import Row, Scores
from journeys.backtest.shares import Interval, z_for
from journeys.backtest.trial import Trial, Variant
from signals.event import Event
from signals.instant import DAY, HOUR, WEEK, format_duration, iso, iso_or_none

CONFIDENCE = 0.95


def run(
    trial: Trial,
    histories: Iterable[Sequence[Event]],
    progress: Callable[[int], None] = lambda _: None,
    enough: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Every account lives through its history; `progress(events)` is told after each, `enough()` asked.

    No more than one history is held at a time: the next is asked for when the one before has been let go.
    """
    scores = Scores(trial.question, len(trial.variants))
    complete = scores.take_all(map(trial.live, histories), progress, enough)
    return report(trial, scores, complete)


def report(trial: Trial, scores: Scores, complete: bool = True) -> dict[str, Any]:
    """The scores in words and numbers; every interval is one of a set that holds together in 95 of 100 cases."""
    question = trial.question
    z = z_for(len(trial.variants), CONFIDENCE)
    rows = [_row(*pair, scores, z) for pair in zip(trial.variants, scores.rows, strict=True)]
    told: dict[str, Any] = {**lived(scores, complete), "rows": rows, "best": None}
    if question.outcome is not None:
        told |= against(question, scores, z) | {"best": _best(trial.variants, rows)}
    return told


def lived(scores: Scores, complete: bool) -> dict[str, Any]:
    """How much of the history was lived through, whatever was asked of it."""
    question = scores.question
    begun = scores.first if question.since is None else question.since
    return {
        "from": iso_or_none(begun),
        "to": iso(question.until),
        "weeks": round(scores.weeks, 1),
        "accounts": scores.accounts,
        "events": scores.events,
        "events_that_matter": scores.felt,
        "complete": complete,
        "outcome": None,
    }


def against(question: Question, scores: Scores, z: float) -> dict[str, Any]:
    """The outcome asked about, how often it came, and what chance gives."""
    assert question.outcome is not None
    share = scores.chance.share
    return {
        "outcome": {"type": question.outcome.type, "where": dict(question.outcome.where)},
        "within": format_duration(question.within),
        "among": question.among,
        "outcomes": scores.outcomes,
        "outcomes_outside": scores.outcomes_outside,
        "confidence": CONFIDENCE,
        "chance": {**_interval(share.interval(z)), "account_weeks": share.trials, "followed": share.hits},
    }


def _row(variant: Variant, row: Row, scores: Scores, z: float) -> dict[str, Any]:
    told: dict[str, Any] = {
        "signal": variant.key,
        "setting": variant.setting,
        "value": variant.value,
        "firings": row.firings,
        "accounts": row.accounts,
        "opened_silently": row.silent,
        "per_week": _volume(row, scores.weeks),
    }
    return told if scores.question.outcome is None else told | worth(row, scores, z)


def worth(row: Row, scores: Scores, z: float) -> dict[str, Any]:
    """Precision, recall and lead time of a row's firings, and beside them what chance gives."""
    precision, same_age = row.followed.interval(z), scores.chance.at_ages(row.ages, z)
    return {
        "judged": row.followed.trials,
        "followed": row.followed.hits,
        "near_the_end": row.near_the_end,
        "outside": row.outside,
        "precision": _interval(precision),
        "chance_at_that_age": _interval(same_age),
        "lift": _lift(precision, same_age, scores.chance.share.interval(z)),
        "recall": {
            **_interval(row.caught.interval(z)),
            "outcomes": row.caught.trials,
            "caught": row.caught.hits,
        },
        "lead_days": _quartiles(row.leads),
    }


def _interval(found: Interval | None) -> dict[str, float | None]:
    if found is None:
        return {"value": None, "low": None, "high": None}
    return {name: round(part, 4) for name, part in found._asdict().items()}


def _volume(row: Row, weeks: float) -> dict[str, Any]:
    return {
        "mean": round(row.firings / weeks, 2) if weeks else None,
        "most": max(row.weeks.values(), default=0),
        "weeks": [{"week": monday(week), "firings": row.weeks[week]} for week in sorted(row.weeks)],
    }


def monday(week: int) -> str:
    """The Monday of a week, weeks counted as by `Row.weeks`."""
    return iso(4 * DAY + week * WEEK)[:10]


def _lift(precision: Interval | None, same_age: Interval | None, chance: Interval | None) -> dict[str, Any]:
    """Precision over chance at the same age, and whether it is shown: above both kinds of chance, intervals apart."""
    beside = [each for each in (same_age, chance) if each is not None]
    if precision is None or not beside:
        return {"value": None, "shown": False}
    value = precision.value / beside[0].value if beside[0].value else None
    shown = all(precision.low > each.high for each in beside)
    return {"value": None if value is None else round(value, 2), "shown": shown}


def _quartiles(leads: Counter[int]) -> dict[str, float | None]:
    """Lower quartile, median and upper quartile in days, from whole hours (the smallest value with that share below)."""
    names = {"lower_quartile": 1, "median": 2, "upper_quartile": 3}
    return {name: _quantile(leads, quarter) for name, quarter in names.items()}


def _quantile(leads: Counter[int], quarters: int) -> float | None:
    seen = 0
    for hours in sorted(leads):
        seen += leads[hours]
        if seen * 4 >= leads.total() * quarters:
            return round(hours * HOUR / DAY, 2)
    return None


def _best(variants: Sequence[Variant], rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Of the settings that show lift the one with the best harmonic mean of precision and recall, then fewer firings.

    None where no setting of a sweep shows any: a threshold chosen from noise is no advice.
    """
    shown = [
        (_harmonic(row), -row["firings"], variant)
        for variant, row in zip(variants, rows, strict=True)
        if variant.setting is not None and row["lift"]["shown"]
    ]
    if not shown:
        return None
    mean, _, variant = max(shown, key=lambda each: each[:2])
    return {
        "setting": variant.setting,
        "value": variant.value,
        "f1": round(mean, 4),
        "definition": variant.body,
    }


def _harmonic(row: dict[str, Any]) -> float:
    precision, recall = row["precision"]["value"] or 0.0, row["recall"]["value"] or 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
