"""A back-test from what was asked to what is answered: definitions found, history read, the best setting kept."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field, field_validator

from channels.policies import Policies
from journeys.backtest.question import NOT_CANCELLED, BadQuestion, Outcome, Question, sweep
from journeys.backtest.report import run
from journeys.backtest.trial import Trial, Variant
from journeys.definitions import MODELS, Draft, parse
from journeys.shipped import shipped
from journeys.store.database import Database
from journeys.store.library import LIVE, Library
from journeys.store.reads.history import extent, histories
from signals.conditions.grammar import Word
from signals.definitions import checked
from signals.event import Event
from signals.instant import DAY, SECOND, DurationField, Instant, InstantField, iso

MOST_SIGNALS = 50
"""Signals that can be run beside one another."""


class NoSignal(LookupError):
    """There is no signal of this name; the message says where was looked."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True, strict=True)


class OutcomeAsked(_Strict):
    """What is to be foretold: an event type (or pattern), and what its data must be like."""

    type: Word
    where: dict[str, Any] = {}

    @field_validator("where")
    @classmethod
    def _compares(cls, where: dict[str, Any]) -> dict[str, Any]:
        Outcome("any", where).matcher()
        return where


class Definition(_Strict):
    """A definition that counts in place of the stored one."""

    kind: Annotated[str, Field(json_schema_extra={"enum": list(MODELS)})]
    body: Any

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in MODELS:
            raise ValueError(f"there are no {kind}: definitions are {', '.join(MODELS)}")
        return kind


class AskedOfHistory(_Strict):
    """What the stored history is asked, whatever is run over it. Without an outcome only volume is told."""

    outcome: OutcomeAsked | None = None
    within: DurationField = 90 * DAY
    since: InstantField | None = Field(None, alias="from")
    until: InstantField | None = Field(None, alias="to")
    among: dict[str, Any] | None = Field(
        NOT_CANCELLED, description="Whose firings, outcomes and weeks are compared; null: everybody's."
    )
    definitions: Annotated[list[Definition], Field(max_length=2_000)] = []

    _among = field_validator("among")(lambda value: value if value is None else checked(value))

    def question(self, last: Instant) -> Question:
        """The question put to a history that ends at `last`. Raises BadQuestion."""
        outcome = None if self.outcome is None else Outcome(self.outcome.type, self.outcome.where)
        until = last if self.until is None else min(self.until, last)
        return Question(until, outcome, self.within, self.among, self.since)

    def given(self) -> list[Draft]:
        """The definitions that came with the question. Raises Refused."""
        return [parse(each.kind, each.body) for each in self.definitions]


class Asked(AskedOfHistory):
    """What a back-test of signals is asked."""

    sweep: Annotated[str, Field(max_length=500)] | None = Field(
        None, description="PATH=a..b, a..b/step or a,b,c: rows for each value."
    )
    beside: Annotated[list[Word], Field(max_length=MOST_SIGNALS - 1)] = Field(
        [], description="Other signals to run over the same history."
    )
    save_draft: bool = False


class Chosen(msgspec.Struct):
    """The definitions of a run: the signals asked for, and all that they may refer to."""

    signals: list[Draft]
    context: list[Draft]

    @property
    def policies(self) -> Policies:
        """The policies that count; the defaults where there are none."""
        return next((draft.model for draft in self.context if draft.kind == "policies"), None) or Policies()


def choose(library: Library, keys: Sequence[str], given: Sequence[Draft]) -> Chosen:
    """The signals by their keys, and what they stand on: as given, else as it is in the database.

    A signal is its newest version, draft or not; what it refers to is what is live. Where a signal is not in the
    database, what it refers to may come from the shipped library too, as the signal itself may. Raises NoSignal.
    """
    mine = {(draft.kind, draft.key): draft for draft in given}
    stored = [found for key in keys if (found := _stored(library, key, mine)) is not None]
    known = {draft.key for draft in stored}
    beside = [] if known >= set(keys) else list(shipped())
    signals = {draft.key: draft for draft in (*beside, *stored, *given) if draft.kind == "signals"}
    live = [draft for draft in library.live() if draft.status in LIVE]
    context = {(draft.kind, draft.key): draft for draft in (*beside, *live, *given)}
    for key in keys:
        if key not in signals:
            raise _missing(library, key)
    return Chosen([signals[key] for key in keys], list(context.values()))


def _stored(library: Library, key: str, given: dict[tuple[str, str], Draft]) -> Draft | None:
    if ("signals", key) in given:
        return None
    found = library.get("signals", key)
    if found is None:
        return None
    draft = parse("signals", found["body"])
    return Draft("signals", key, draft.body, draft.model, None, found["version"], found["status"])


def _missing(library: Library, key: str) -> Exception:
    """Why there is no such signal, and what to do."""
    play = library.get("plays", key)
    body = (
        play["body"] if play else next((d.body for d in shipped() if (d.kind, d.key) == ("plays", key)), None)
    )
    if body is None:
        return NoSignal(f"there is no signal {key!r}, neither in the database nor in the shipped library")
    return BadQuestion(f"{key} is a play: it is back-tested by itself, without signals beside it")


def _variants(chosen: Chosen, asked: Asked) -> list[Variant]:
    written = [Variant(draft.key, draft.body) for draft in chosen.signals]
    if asked.sweep is None:
        return written
    if len(written) > 1:
        raise BadQuestion("a sweep is of one signal: name one")
    settings = sweep(written[0].body, asked.sweep)
    return [*written, *(Variant(written[0].key, each.body, str(each), each.value) for each in settings)]


class Backtest:
    """A back-test made ready: everything that can be wrong with the question has been found before it runs."""

    def __init__(
        self,
        database: Database,
        library: Library,
        keys: Sequence[str],
        asked: Asked,
        given: Iterable[Draft] = (),
    ) -> None:
        """`given` and the definitions in `asked` count in place of the stored ones.

        Raises NoSignal, BadQuestion, journeys.definitions.Refused.
        """
        self._database, self._library, self._asked = database, library, asked
        mine = [*given, *asked.given()]
        chosen = choose(library, list(dict.fromkeys([*keys, *asked.beside])), mine)
        variants = _variants(chosen, asked)
        self.events, last = stored_history(database)
        self._trial = Trial(variants, chosen.context, asked.question(last), chosen.policies.max_trigger_age)

    def run(
        self,
        clock: Callable[[], Instant],
        progress: Callable[[int], None] = lambda _: None,
        seconds: float | None = None,
    ) -> dict[str, Any]:
        """The answer of `journeys.backtest.report`, the time it took, and the draft kept where one was asked for.

        `progress` is told how many events have been lived through. After `seconds` no further account is begun, and
        the answer is `complete: false`.
        """
        told = timed(partial(run, self._trial), self._database, clock, progress, seconds)
        saved = _save(self._library, told["best"], clock()) if self._asked.save_draft else None
        return {**told, "saved": saved}


def stored_history(database: Database) -> tuple[int, Instant]:
    """How many events are stored, and when the last one came in. Raises BadQuestion where there are none."""
    with database.read() as connection:
        there = extent(connection)
    if there.last is None:
        raise BadQuestion("there is no history yet: `journeys events import` brings some")
    return there.events, there.last


Run = Callable[[Iterable[Sequence[Event]], Callable[[int], None], Callable[[], bool]], dict[str, Any]]
"""What lives through histories: given them, whom to tell how far it is, and what says that it is enough."""


def timed(
    run: Run,
    database: Database,
    clock: Callable[[], Instant],
    progress: Callable[[int], None],
    seconds: float | None,
) -> dict[str, Any]:
    """The answer of a run over what is stored, and the time it took; after `seconds` no further account is begun."""
    begun = clock()
    late = None if seconds is None else begun + int(seconds * SECOND)
    told = run(histories(database), progress, lambda: late is not None and clock() >= late)
    took = max(clock() - begun, 1) / SECOND
    return told | {"seconds": round(took, 2), "events_per_second": round(told["events"] / took)}


def _save(library: Library, best: dict[str, Any] | None, now: Instant) -> dict[str, Any] | None:
    """The best setting as a draft of the signal: its key, version, and since when it is kept; None for none."""
    if best is None:
        return None
    (kept,) = library.put([parse("signals", best["definition"])], now)
    return {"key": kept.key, "version": kept.version, "status": kept.status, "at": iso(now)}
