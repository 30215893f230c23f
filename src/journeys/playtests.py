"""A play's back-test from what was asked to what is answered: definitions found, history read."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from journeys.backtest.question import BadQuestion
from journeys.backtests import AskedOfHistory, stored_history, timed
from journeys.composer import Composer
from journeys.definitions import Draft, parse
from journeys.playtest.basis import Basis
from journeys.playtest.report import run
from journeys.shipped import shipped
from journeys.store.database import Database
from journeys.store.library import LIVE, Library
from signals.instant import Instant


class NoPlay(LookupError):
    """There is no play of this name; the message says where was looked."""


def choose_play(library: Library, key: str, given: Sequence[Draft]) -> tuple[Draft, list[Draft]]:
    """The play by its key, and what counts beside it: as given, else as it is in the database.

    The play is its newest version, draft or not; beside it is what is live. Where the play is not in the database,
    what it refers to may come from the shipped library, as the play itself may. Raises NoPlay.
    """
    mine = {(draft.kind, draft.key): draft for draft in given}
    newest = None if ("plays", key) in mine else library.get("plays", key)
    beside = list(shipped()) if newest is None else []
    play = mine.get(("plays", key)) or next((d for d in beside if (d.kind, d.key) == ("plays", key)), None)
    if newest is not None:
        draft = parse("plays", newest["body"])
        play = Draft("plays", key, draft.body, draft.model, None, newest["version"], newest["status"])
    if play is None:
        raise NoPlay(f"there is no play {key!r}, neither in the database nor in the shipped library")
    live = [draft for draft in library.live() if draft.status in LIVE]
    drafts = [*(draft for draft in beside if draft.kind != "plays"), *live, *given]
    return play, list({(draft.kind, draft.key): draft for draft in drafts}.values())


class PlayBacktest:
    """A back-test made ready: everything that can be wrong with the question has been found before it runs."""

    def __init__(
        self,
        database: Database,
        library: Library,
        composer: Composer,
        zone: str,
        key: str,
        asked: AskedOfHistory,
        given: Sequence[Draft] = (),
    ) -> None:
        """`given` and the definitions in `asked` count in place of the stored ones; `zone` is the service's.

        Raises NoPlay, BadQuestion, journeys.definitions.Refused.
        """
        self._database = database
        play, context = choose_play(library, key, [*given, *asked.given()])
        _check_trigger(play, context)
        self.events, last = stored_history(database)
        self._basis = Basis(play, context, asked.question(last), composer, zone)

    def run(
        self,
        clock: Callable[[], Instant],
        progress: Callable[[int], None] = lambda _: None,
        seconds: float | None = None,
    ) -> dict[str, Any]:
        """The answer of `journeys.playtest.report`, and the time it took.

        `progress` is told how many events have been lived through. After `seconds` no further account is begun, and
        the answer is `complete: false`.
        """
        return timed(partial(run, self._basis), self._database, clock, progress, seconds)


def _check_trigger(play: Draft, context: Sequence[Draft]) -> None:
    """A play that nothing can start has no back-test."""
    trigger = play.model.trigger
    known = {(draft.kind, draft.key) for draft in context}
    for kind, key in (("signals", trigger.signal), ("segments", trigger.segment)):
        if key is not None and (kind, key) not in known:
            raise BadQuestion(
                f"{play.key} starts with {kind[:-1]} {key}, which is not live: make it live, or give it with the question"
            )
