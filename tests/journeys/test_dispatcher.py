"""The dispatcher on a database: who is written to, when, how often, and what is left when a conversation goes wrong."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from builders import START, after_start, attributes, event, person, play, playbook
from channels.headers import Mailbox
from channels.message import Message
from channels.outbox import Outbox
from channels.port import Blame, InDoubt, Mail, MailChannel, Outcome, Permanent, Sent, Temporary
from channels.render import Renderer
from channels.smtp import Smtp, SmtpServer, Timeouts
from journeys.composer import Composer, Office
from journeys.dispatcher import GROUP, LEASE, Dispatcher
from journeys.playbook import Playbook
from journeys.service import Service
from journeys.store import sending
from journeys.store.database import Database
from journeys.store.outcomes import message_of
from journeys.store.tables import decisions, journeys, messages, metadata, renderings, suppressions
from plays.content import Content
from signals.event import Event
from signals.instant import DAY, HOUR, MINUTE, SECOND, Instant
from smtp_server import BEHAVIOURS, StandIn

COMPOSER = Composer(
    Renderer.from_dir(Path(__file__).parents[2] / "templates"),
    Office(
        sender=Mailbox("success@example.com", "Success"),
        postal="Example Ltd, 1 Example Street",
        base_url="https://example.com",
        secret="a secret of sixteen characters",
    ),
)
TO_ADMIN = {"message": {"to": "admin", "channel": "email", "content": "hi"}}
MORE_TO_ADMIN = {"message": {"to": "admin", "channel": "email", "content": "more"}}
TO_ALL = {"message": {"to": {"all": "user"}, "channel": "email", "content": "hi"}}


class Dies(BaseException):
    """The process ends here; nothing of ours catches it."""


class Provider(Outbox):
    """An outbox that answers what it is told, and lets something happen during a conversation."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: list[Outcome | type[Dies]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def post(self, mail: Mail) -> Outcome:
        self.meanwhile()
        told = self.outcomes.pop(0) if self.outcomes else None
        if told is Dies:
            raise Dies
        if told is None or isinstance(told, Sent | InDoubt):
            super().post(mail)
        return told if isinstance(told, Sent | Temporary | Permanent | InDoubt) else Sent("kept")


class House:
    """A service with one playbook, in memory."""

    def __init__(self, *plays: Any, mail: MailChannel | None = None, **policies: Any) -> None:
        self.provider = Provider()
        self.unread: Instant | None = None
        self.database = Database("sqlite://")
        with self.database.write() as connection:
            metadata.create_all(connection)
        texts = [
            {"key": "hi", "channel": "email", "subject": "Hi", "body": "Hello {{ account.name }}."},
            {"key": "more", "channel": "email", "subject": "More", "body": "More."},
            {"key": "shown", "channel": "in_app", "subject": "Shown", "body": "Look."},
        ]
        contents = [Content.model_validate(text) for text in texts]
        self.book: Playbook = playbook(*plays, policies=policies, contents=contents)
        self.service = Service(self.database, lambda: self.book, COMPOSER)
        self.dispatcher = Dispatcher(
            self.database, lambda: self.book, COMPOSER, mail or self.provider, lambda: self.unread
        )

    def happens(self, *happened: Event, now: Instant = START) -> None:
        self.service.write([replace(each, received_at=now) for each in happened], now)

    def messages(self) -> list[Message]:
        with self.database.read() as connection:
            rows = connection.execute(sa.select(messages).order_by(messages.c.due_at, messages.c.contact))
            return [message_of(row) for row in rows]

    def said(self) -> list[str]:
        """Every message as `contact status:reason`."""
        return [
            f"{one.contact} {one.status.value}" + (f":{one.reason.value}" if one.reason else "")
            for one in self.messages()
        ]

    def count(self, table: sa.Table, **where: Any) -> int:
        wanted = [table.c[name] == value for name, value in where.items()]
        with self.database.read() as connection:
            return int(
                connection.execute(sa.select(sa.func.count()).select_from(table).where(*wanted)).scalar_one()
            )

    def switch(self, stopped: bool, now: Instant) -> None:
        with self.database.write() as connection:
            sending.set_sending(connection, stopped, now)

    def people(self, count: int, role: str = "user") -> None:
        self.happens(*(person(f"u{number:02}", roles=[role]) for number in range(count)))


@pytest.fixture
def open_houses() -> Iterator[list[House]]:
    made: list[House] = []
    yield made
    for house in made:
        house.database.close()


@pytest.fixture
def house(open_houses: list[House]) -> Callable[..., House]:
    def make(*plays: Any, **more: Any) -> House:
        made = House(*(plays or (play(steps=[TO_ADMIN]),)), **more)
        made.happens(person("abe", roles=["admin"]))
        open_houses.append(made)
        return made

    return make


def at(clock: str) -> Instant:
    """The instant of this time on the first day, a Monday."""
    hours, minutes = clock.split(":")
    return START - 9 * HOUR + int(hours) * HOUR + int(minutes) * MINUTE


# ── groups, leases, crashes ────────────────────────────────────────────────────────────────────────────────────


def test_at_most_a_group_is_handed_over_at_any_time(house: Callable[..., House]) -> None:
    home = house(play(steps=[TO_ALL]))
    home.people(45)
    home.happens(event("go"))
    open_at_once: list[int] = []
    home.provider.meanwhile = lambda: open_at_once.append(home.count(messages, delivery="handed"))
    home.dispatcher.run(START)
    assert max(open_at_once) == GROUP
    assert len(home.provider) == 45


def test_a_message_is_handed_over_before_the_provider_hears_of_it(house: Callable[..., House]) -> None:
    home = house()
    home.happens(event("go"))
    states: list[int] = []
    home.provider.meanwhile = lambda: states.append(home.count(messages, delivery="handed"))
    home.dispatcher.round(START)
    assert states == [1]
    assert home.count(messages, delivery="settled") == 1


def test_what_a_dead_process_had_handed_over_is_in_doubt_once_its_lease_has_ended(
    house: Callable[..., House],
) -> None:
    home = house(play(steps=[TO_ALL]))
    home.people(3)
    home.happens(event("go"))
    home.provider.outcomes = [Sent("q1"), Dies]
    with pytest.raises(Dies):
        home.dispatcher.round(START)
    assert home.dispatcher.rescue(START + LEASE - 1) == 0
    assert home.dispatcher.rescue(START + LEASE) == 3
    assert home.said() == ["u00 in_doubt", "u01 in_doubt", "u02 in_doubt"]
    assert home.count(decisions, subject="send", outcome="in_doubt") == 3
    assert home.dispatcher.run(START + 30 * DAY) == 0
    assert len(home.provider) == 1


def test_a_message_in_doubt_keeps_its_cap_room(house: Callable[..., House]) -> None:
    again = play("again", trigger={"event": "more"}, steps=[MORE_TO_ADMIN])
    home = house(play(steps=[TO_ADMIN]), again, contact_cap={"per_day": 1})
    home.happens(event("go"))
    home.provider.outcomes = [Dies]
    with pytest.raises(Dies):
        home.dispatcher.round(START)
    home.dispatcher.rescue(START + LEASE)
    home.happens(event("more", "1h"), now=START + HOUR)
    home.dispatcher.run(START + HOUR)
    assert home.said() == ["abe in_doubt", "abe held:contact_cap"]


def test_an_outcome_that_comes_after_the_rescue_changes_nothing(house: Callable[..., House]) -> None:
    home = house()
    home.happens(event("go"))
    home.provider.meanwhile = lambda: home.dispatcher.rescue(START + LEASE)
    home.provider.outcomes = [Temporary("451 later")]
    home.dispatcher.round(START)
    assert home.said() == ["abe in_doubt"]


# ── what the provider answers ──────────────────────────────────────────────────────────────────────────────────

ANSWERS = {
    "ok": "abe sent",
    "quit_drop": "abe sent",
    "rcpt_550": "abe failed:permanent",
    "rcpt_452": "abe queued:temporary",
    "rcpt_drop": "abe queued:temporary",
    "data_drop": "abe queued:temporary",
    "dot_451": "abe queued:temporary",
    "dot_421": "abe queued:temporary",
    "dot_554": "abe failed:permanent",
    "dot_drop": "abe in_doubt",
    "dot_garbage": "abe in_doubt",
}


@pytest.mark.parametrize("behaviour", ANSWERS)
def test_every_answer_of_a_mail_server_ends_in_its_status(
    behaviour: str, house: Callable[..., House]
) -> None:
    with StandIn(BEHAVIOURS[behaviour]) as server:
        channel = Smtp(
            SmtpServer("127.0.0.1", server.port, "never"),
            helo="here.example.com",
            timeouts=Timeouts(5, 5, 5, 5, 5, 5, 1),
        )
        home = house(mail=channel)
        home.happens(event("go"))
        home.dispatcher.run(START)
        channel.close()
        assert home.said() == [ANSWERS[behaviour]]
        dead_mailbox = behaviour == "rcpt_550"
        assert (home.count(suppressions, cause="hard_bounce") > 0) is dead_mailbox


def test_a_message_in_doubt_is_never_sent_again_and_holds_its_journey(house: Callable[..., House]) -> None:
    home = house(play(steps=[TO_ADMIN, MORE_TO_ADMIN]))
    home.happens(event("go"))
    home.provider.outcomes = [InDoubt("cut after the dot")]
    for hour in range(100):
        home.dispatcher.rescue(START + hour * HOUR)
        home.dispatcher.run(START + hour * HOUR)
    assert home.said() == ["abe in_doubt"]
    assert len(home.provider) == 1


def test_temporary_failures_come_back_after_1_5_30_120_and_480_minutes(house: Callable[..., House]) -> None:
    home = house()
    home.happens(event("go"))
    home.provider.outcomes = [Temporary("451 later")] * 6
    now, waited = START, []
    for _ in range(5):
        home.dispatcher.run(now)
        due = home.messages()[0].next_attempt_at
        assert due is not None
        waited.append((due - now) // MINUTE)
        now = due
    home.dispatcher.run(now)
    assert waited == [1, 5, 30, 120, 480]
    assert home.said() == ["abe failed:temporary"]
    assert home.count(journeys, status="completed") == 1


def test_a_provider_that_names_a_later_time_is_obeyed(house: Callable[..., House]) -> None:
    home = house()
    home.happens(event("go"))
    home.provider.outcomes = [Temporary("450 greylisted", 20 * MINUTE)]
    home.dispatcher.run(START)
    assert home.messages()[0].next_attempt_at == START + 20 * MINUTE


def test_our_own_misconfiguration_fails_no_message(house: Callable[..., House]) -> None:
    home = house(contact_cap={"per_day": 1})
    home.happens(event("go"))
    home.provider.outcomes = [Permanent("535 bad password", 535, Blame.CONFIGURATION)] * 10
    for minute in range(10):
        home.dispatcher.run(START + minute * MINUTE)
    assert (home.said(), home.messages()[0].attempts) == (["abe queued:temporary"], 0)
    home.dispatcher.run(START + 10 * MINUTE)
    assert home.said() == ["abe sent"]


def test_every_attempt_carries_the_same_message_id(house: Callable[..., House]) -> None:
    home = house()
    home.happens(event("go"))
    home.provider.outcomes = [InDoubt("?")]
    home.dispatcher.run(START)
    (mail,) = home.provider
    assert mail.message_id == f"<{home.messages()[0].id}@example.com>"


def test_a_dead_mailbox_is_told_to_the_account_once(house: Callable[..., House]) -> None:
    home = house(play(steps=[TO_ADMIN]), play("again", trigger={"event": "more"}, steps=[TO_ADMIN]))
    home.happens(event("go"))
    home.provider.outcomes = [Permanent("550 5.1.1 no such user", 550, Blame.ADDRESS)]
    home.dispatcher.run(START)
    home.happens(event("more", "1h"), now=START + HOUR)
    home.dispatcher.run(START + HOUR)
    assert home.said() == ["abe failed:permanent", "abe suppressed:hard_bounce"]


# ── holding and waking ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_held_message_goes_at_the_very_instant_its_reason_ends(house: Callable[..., House]) -> None:
    home = house(quiet_hours={"from": "08:00", "to": "12:00"})
    home.happens(event("go"))
    home.dispatcher.run(START)
    assert home.said() == ["abe held:quiet_hours"]
    assert home.dispatcher.run(at("12:00") - 1) == 0
    home.dispatcher.run(at("12:00"))
    assert home.said() == ["abe sent"]


def test_of_an_accounts_held_messages_one_goes_each_minute_whatever_wakes_them(
    house: Callable[..., House],
) -> None:
    home = house(play(steps=[TO_ALL]), quiet_hours={"from": "08:00", "to": "12:00"}, release_every="1m")
    home.people(3)
    home.happens(event("go"))
    home.dispatcher.run(START)
    sent = []
    for seconds in (0, 30, 59, 60, 90, 120):
        now = at("12:00") + seconds * SECOND
        words = [
            event("engagement.subscribed", now, contact=f"u{number:02}", topic="x") for number in range(3)
        ]
        home.happens(*words, now=now)
        home.dispatcher.run(now)
        sent.append(len(home.provider))
    assert sent == [1, 1, 1, 2, 2, 3]


def test_the_end_of_an_account_hold_lets_its_messages_go_at_once(house: Callable[..., House]) -> None:
    hold = {"key": "stop", "when": {"attribute": "account.stop", "is": True}}
    home = house(holds=[hold])
    home.happens(attributes(stop=True), event("go"))
    home.dispatcher.run(START)
    assert home.said() == ["abe held:account_hold"]
    home.happens(attributes("1h", stop=False), now=after_start("1h"))
    home.dispatcher.run(after_start("1h"))
    assert home.said() == ["abe sent"]


def test_who_was_outranked_goes_as_soon_as_the_other_has_failed(house: Callable[..., House]) -> None:
    low = play("low", priority=10, steps=[TO_ADMIN])
    high = play("high", priority=90, steps=[MORE_TO_ADMIN])
    home = house(low, high, arbitration_window="10m")
    home.happens(event("go"))
    home.provider.outcomes = [Permanent("554 no", 554)]
    home.dispatcher.run(START)
    assert sorted((one.play, one.status.value) for one in home.messages()) == [
        ("high", "failed"),
        ("low", "sent"),
    ]


def test_who_was_outranked_waits_until_the_window_after_the_other_has_passed(
    house: Callable[..., House],
) -> None:
    low = play("low", priority=10, steps=[TO_ADMIN])
    high = play("high", priority=90, steps=[MORE_TO_ADMIN])
    home = house(low, high, arbitration_window="10m")
    home.happens(event("go"))
    home.dispatcher.run(START)
    assert home.dispatcher.run(START + 10 * MINUTE - 1) == 0
    home.dispatcher.run(START + 10 * MINUTE)
    assert home.said() == ["abe sent", "abe sent"]


def test_the_kill_switch_holds_everything_and_letting_go_wakes_it(house: Callable[..., House]) -> None:
    home = house()
    home.happens(event("go"))
    home.switch(True, START)
    home.dispatcher.run(START)
    assert home.said() == ["abe held:sending_stopped"]
    home.switch(False, START + HOUR)
    home.dispatcher.run(START + HOUR)
    assert home.said() == ["abe sent"]


@pytest.mark.parametrize(
    ("rate", "steps", "expected"),
    [
        (2, [0, 500, 999, 1000, 1999, 2000], [2, 2, 2, 4, 4, 6]),
        (0.5, [0, 1000, 1999, 2000, 4000], [1, 1, 1, 2, 3]),
        (30, [0, 999, 1000], [30, 30, 45]),
    ],
)
def test_a_channel_is_never_faster_than_its_rate_in_any_second(
    rate: float, steps: list[int], expected: list[int], house: Callable[..., House]
) -> None:
    home = house(play(steps=[TO_ALL]), channel_rate={"email": rate})
    home.people(45)
    home.happens(event("go"))
    sent = []
    for milliseconds in steps:
        home.dispatcher.run(START + milliseconds * 1_000)
        sent.append(len(home.provider))
    assert sent == expected


# ── control, in-app ────────────────────────────────────────────────────────────────────────────────────────────


def test_control_is_withheld_and_uses_up_room_of_its_own(house: Callable[..., House]) -> None:
    again = play("again", trigger={"event": "more"}, steps=[MORE_TO_ADMIN])
    home = house(play(steps=[TO_ADMIN]), again, control={"percent": 100}, contact_cap={"per_day": 1})
    home.happens(event("go"))
    home.dispatcher.run(START)
    home.happens(event("more", "1h"), now=after_start("1h"))
    home.dispatcher.run(after_start("1h"))
    assert home.said() == ["abe withheld:control", "abe held:contact_cap"]
    assert len(home.provider) == 0


def test_an_in_app_message_is_delivered_once_in_the_transaction_that_judged_it(
    house: Callable[..., House],
) -> None:
    shown = {"message": {"to": "admin", "channel": "in_app", "content": "shown"}}
    home = house(play(steps=[shown, TO_ADMIN]))
    home.happens(event("go"))
    home.provider.outcomes = [Dies]
    with pytest.raises(Dies):
        home.dispatcher.run(START)
    home.dispatcher.rescue(START + LEASE)
    home.dispatcher.run(START + LEASE)
    assert sorted(home.said()) == ["abe in_doubt", "abe sent"]
    assert home.count(renderings) == 2
    assert home.count(decisions, subject="send", outcome="sent") == 1


# ── between the making of a message and its sending ────────────────────────────────────────────────────────────


def test_an_exit_before_the_hand_over_cancels(house: Callable[..., House]) -> None:
    home = house(play(steps=[TO_ADMIN], exit={"attribute": "account.status", "is": "cancelled"}))
    home.happens(event("go"))
    home.happens(attributes("1m", status="cancelled"), now=after_start("1m"))
    home.dispatcher.run(after_start("1m"))
    assert home.said() == ["abe cancelled:journey_ended"]
    assert len(home.provider) == 0


def test_an_exit_during_a_conversation_that_fails_ends_the_attempts(house: Callable[..., House]) -> None:
    home = house(play(steps=[TO_ADMIN], exit={"attribute": "account.status", "is": "cancelled"}))
    home.happens(event("go"))
    home.provider.outcomes = [Temporary("451 later")]
    home.provider.meanwhile = lambda: home.happens(attributes(status="cancelled"))
    home.dispatcher.run(START)
    home.provider.meanwhile = lambda: None
    home.dispatcher.run(START + MINUTE)
    assert home.said() == ["abe cancelled:journey_ended"]
    assert len(home.provider) == 0


def test_a_journey_that_another_ends_in_the_same_round_sends_nothing(house: Callable[..., House]) -> None:
    shown = {"message": {"to": "admin", "channel": "in_app", "content": "shown"}}
    first = play("first", priority=90, steps=[shown, {"update": {"attributes": {"status": "cancelled"}}}])
    second = play(
        "second", priority=10, steps=[TO_ADMIN], exit={"attribute": "account.status", "is": "cancelled"}
    )
    home = house(first, second)
    home.happens(event("go"))
    home.dispatcher.run(START)
    assert sorted(home.said()) == ["abe cancelled:journey_ended", "abe sent"]
    assert len(home.provider) == 0


@pytest.mark.parametrize(
    ("word", "reason"), [("engagement.unsubscribed", "unsubscribed"), ("contact.suppressed", "manual")]
)
def test_what_a_person_says_before_the_hand_over_is_honoured(
    word: str, reason: str, house: Callable[..., House]
) -> None:
    home = house()
    home.happens(event("go"))
    home.happens(event(word, contact="abe"))
    home.dispatcher.run(START)
    assert home.said() == [f"abe suppressed:{reason}"]


def test_a_suppression_holds_for_the_address_wherever_it_is_written_to(house: Callable[..., House]) -> None:
    home = house()
    elsewhere = replace(person("abby", email="abe@example.com"), account="other")
    home.happens(elsewhere, event("go"))
    home.happens(replace(event("engagement.complained", contact="abby"), account="other"))
    home.dispatcher.run(START)
    assert home.said() == ["abe suppressed:complaint"]


def test_a_person_who_left_before_their_address_was_known_is_not_written_to(
    house: Callable[..., House],
) -> None:
    home = house(play(steps=[TO_ALL]))
    home.happens(event("contact.suppressed", contact="uma"))
    home.happens(person("uma", "1m", roles=["user"]), event("go", "1m"), now=after_start("1m"))
    home.dispatcher.run(after_start("1m"))
    assert home.said() == ["uma suppressed:manual"]
    home.happens(event("contact.unsuppressed", "1h", contact="uma"), now=after_start("1h"))
    home.happens(event("go", "1h"), now=after_start("1h"))
    home.dispatcher.run(after_start("1h"))
    assert home.said()[-1] == "uma sent"


def test_nothing_falls_due_past_an_event_that_is_still_unread(house: Callable[..., House]) -> None:
    absent = play("absent", steps=[{"wait": {"for": "1h"}}, {"message": {"to": "admin", "content": "more"}}])
    home = house(play(steps=[TO_ADMIN]), absent, quiet_hours={"from": "08:00", "to": "12:00"})
    home.happens(event("go"))
    home.dispatcher.run(START)
    home.unread = after_start("30m")
    home.dispatcher.run(at("12:00"))
    assert [one.content for one in home.messages()] == ["hi"]
    home.unread = None
    home.happens(event("go", at("12:00")), now=at("12:00"))
    assert "more" in [one.content for one in home.messages()]
