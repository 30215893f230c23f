"""A journey that ends while its messages wait, are judged, or are on their way: what is not handed over dies with it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builders import ACCOUNT, START, attributes, event, person, play
from channels.outbox import Outbox
from channels.port import Sent, Temporary
from faults.pausing import Paused, has_to_wait
from journeys.dispatcher import Dispatcher
from journeys.playbook import Playbook
from journeys.service import Service
from journeys.store.tables import decisions, journeys, messages, metadata
from mailroom import COMPOSER, MORE_TO_ADMIN, TO_ADMIN, House
from signals.instant import MINUTE

pytestmark = pytest.mark.slow

GONE = {"attribute": "account.status", "is": "cancelled"}
EXIT = attributes("1m", status="cancelled")


# ── two transactions at once, on PostgreSQL ────────────────────────────────────────────────────────────────────


class Two:
    """A dispatcher and a worker on one database."""

    def __init__(self, url: str) -> None:
        home = House(play(steps=[TO_ADMIN], exit=GONE))
        self.book: Playbook = home.book
        home.database.close()
        self.sending, self.events = Paused(url), Paused(url)
        with self.events.write() as connection:
            metadata.create_all(connection)
        self.outbox = Outbox()
        self.dispatcher = Dispatcher(self.sending, lambda: self.book, COMPOSER, self.outbox)
        self.service = Service(self.events, lambda: self.book, COMPOSER)
        self.write(person("abe", roles=["admin"]))
        self.write(event("go"))

    def write(self, happened: Any) -> None:
        self.service.write([happened], START)

    def said(self) -> list[tuple[str, str]]:
        with self.events.read() as connection:
            ended = connection.execute(sa.select(journeys.c.status)).scalars().all()
            sent = connection.execute(sa.select(messages.c.status)).scalars().all()
        return list(zip(ended, sent, strict=True))

    def close(self) -> None:
        self.sending.close()
        self.events.close()


@pytest.fixture
def two(postgres_url: str) -> Iterator[Two]:
    made = Two(postgres_url)
    yield made
    made.close()


@pytest.mark.postgres
def test_an_exit_that_comes_while_a_message_is_judged_waits_for_its_hand_over(two: Two) -> None:
    assert has_to_wait(
        two.sending,
        lambda: two.dispatcher.round(START),
        lambda: two.write(attributes(status="cancelled")),
    )
    assert len(two.outbox) == 1
    assert two.said()[0][1] == "sent"


@pytest.mark.postgres
def test_a_message_that_is_judged_while_its_journey_ends_waits_for_that_and_is_not_sent(two: Two) -> None:
    assert has_to_wait(
        two.events,
        lambda: two.write(attributes(status="cancelled")),
        lambda: two.dispatcher.round(START),
    )
    assert two.said() == [("exited", "cancelled")]
    assert len(two.outbox) == 0


@pytest.fixture
def house() -> Iterator[Callable[..., House]]:
    """`house(*plays, **policies)`: a house with an admin called abe, closed after the test."""
    made: list[House] = []

    def make(*plays: Any, **more: Any) -> House:
        made.append(House(*plays, **more))
        made[-1].happens(person("abe", roles=["admin"]))
        return made[-1]

    yield make
    for each in made:
        each.database.close()


# ── in between the two transactions of a round ─────────────────────────────────────────────────────────────────


def test_what_would_be_tried_again_dies_at_once_where_the_journey_ended_meanwhile(
    house: Callable[..., House],
) -> None:
    home = house(play(steps=[TO_ADMIN], exit=GONE))
    home.happens(event("go"))
    home.provider.outcomes = [Temporary("451 later")]
    home.provider.meanwhile = lambda: home.happens(attributes(status="cancelled"))
    home.dispatcher.round(START)
    assert home.said() == ["abe cancelled:journey_ended"]
    assert home.count(decisions, subject="send", outcome="cancelled", reason="journey_ended") == 1


def test_what_was_accepted_is_sent_though_the_journey_ended_meanwhile(house: Callable[..., House]) -> None:
    home = house(play(steps=[TO_ADMIN, MORE_TO_ADMIN], exit=GONE))
    home.happens(event("go"))
    home.provider.outcomes = [Sent("q1")]
    home.provider.meanwhile = lambda: home.happens(attributes(status="cancelled"))
    home.dispatcher.run(START)
    assert home.said() == ["abe sent"]
    assert home.count(journeys, status="exited") == 1


def test_who_waited_behind_a_message_goes_on_when_that_dies_with_its_journey(
    house: Callable[..., House],
) -> None:
    """The higher one waits for its next attempt, so the lower one waits for it; then its journey ends."""
    high = play("high", priority=90, steps=[TO_ADMIN], exit=GONE)
    low = play("low", priority=10, trigger={"event": "more"}, steps=[MORE_TO_ADMIN])
    home = house(high, low, arbitration_window="10m", hold_ttl="72h")
    home.happens(event("go"))
    home.provider.outcomes = [Temporary("451 later", 30 * MINUTE)]
    home.dispatcher.run(START)
    home.happens(event("more", "1s"), now=START + MINUTE)
    home.dispatcher.run(START + MINUTE)
    assert home.said() == ["abe queued:temporary", "abe held:outranked"]
    home.happens(EXIT, now=START + 2 * MINUTE)
    home.dispatcher.run(START + 2 * MINUTE)
    assert home.said() == ["abe cancelled:journey_ended", "abe sent"]


# ── whatever the order ─────────────────────────────────────────────────────────────────────────────────────────

ACTS = st.lists(
    st.sampled_from(["go", "exit", "back", "round", "round", "by_hand", "tick"]), min_size=1, max_size=12
)
MEANWHILE = st.lists(
    st.sets(st.sampled_from(["exit", "back", "by_hand", "temporary"]), max_size=2), max_size=6
)


@settings(deadline=None, max_examples=60)
@given(ACTS, MEANWHILE)
@example(["go", "round"], [{"exit", "temporary"}])
@example(["go", "round"], [{"by_hand", "temporary"}])
def test_nothing_is_sent_for_a_journey_that_has_ended_or_is_to_end(
    acts: list[str], meanwhile: list[set[str]]
) -> None:
    """Events, ticks, exits by hand and rounds in any order, some of them while the provider is being spoken to.

    At every hand-over the journey is live and its exit does not hold; what was not handed over when a journey
    ended is cancelled, and stays so.
    """
    home = House(play(re_entry="always", steps=[TO_ADMIN, {"wait": {"for": "1m"}}, MORE_TO_ADMIN], exit=GONE))
    home.happens(person("abe", roles=["admin"]))
    clock, gone, gone_before = START, False, False
    coming = list(meanwhile)

    def happen(act: str) -> None:
        nonlocal clock, gone, gone_before
        clock += MINUTE
        if act in ("exit", "back"):
            gone = act == "exit"
            home.happens(attributes(clock, status="cancelled" if gone else "active"), now=clock)
        elif act == "go":
            home.happens(event("go", clock), now=clock)
        elif act == "by_hand":
            for journey in live(home):
                home.service.exit_journey(ACCOUNT, journey, "manual", clock)
        elif act == "tick":
            home.service.tick(clock)
        else:
            gone_before = gone
            home.dispatcher.round(clock)

    def spoken_to() -> None:
        assert not gone_before, "a mail is handed over though the exit holds"
        for act in sorted(coming.pop(0) if coming else ()):
            if act == "temporary":
                home.provider.outcomes = [Temporary("451 later")]
            else:
                happen(act)

    home.provider.meanwhile = spoken_to
    for act in acts:
        happen(act)
    ended = set(dead(home))
    waiting = [one for one in home.messages() if one.journey in ended and not one.status.is_settled]
    home.database.close()
    assert waiting == []


def live(home: House) -> list[str]:
    with home.database.read() as connection:
        return list(
            connection.execute(sa.select(journeys.c.id).where(journeys.c.status == "active")).scalars()
        )


def dead(home: House) -> list[str]:
    with home.database.read() as connection:
        return list(
            connection.execute(sa.select(journeys.c.id).where(journeys.c.status != "active")).scalars()
        )
