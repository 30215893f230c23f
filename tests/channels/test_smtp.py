"""What becomes of a mail, whatever the server does (guarantees F12, 0.6; I15)."""

import itertools
import random
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from channels.address import BadAddress
from channels.outbox import Outbox
from channels.port import Blame, InDoubt, Mail, MailChannel, Outcome, Permanent, Ready, Sent, Temporary
from channels.smtp import Smtp, SmtpServer, Timeouts
from channels.smtp_table import TABLE, Meaning, Stage
from channels.smtp_wire import Answer
from smtp_server import BEHAVIOURS, StandIn, drop, hang, reset

CONTENT = b"Subject: Hello\r\n\r\n.dots at the start\r\nstay\r\n.\r\nas they are\r\n"
# Real seconds; only what hangs waits for them.
PATIENCE = Timeouts(*([20.0] * 5), verdict=0.1, quit=20.0)


def mail(number: int = 1, content: bytes = CONTENT) -> Mail:
    return Mail("hello@example.com", "ann@example.org", f"<m-{number}@example.com>", content)


def client(server: StandIn, protection: Any = "never", **more: Any) -> Smtp:
    made = SmtpServer("127.0.0.1", server.port, protection)
    return Smtp(made, helo="client.example.com", **{"timeouts": PATIENCE, **more})


EXPECTED: dict[str, type[Outcome]] = {
    "ok": Sent,
    "rcpt_550": Permanent,
    "rcpt_452": Temporary,
    "rcpt_drop": Temporary,
    "data_drop": Temporary,
    "body_drop": Temporary,
    "dot_drop": InDoubt,
    "dot_hang": InDoubt,
    "dot_451": Temporary,
    "dot_554": Permanent,
    "dot_421": Temporary,
    "dot_garbage": InDoubt,
    "quit_drop": Sent,
    "slow_loris": Temporary,
    "starttls_stripped": Permanent,
    "reply_8mb": Temporary,
    "line_8mb": Temporary,
}


def ticking(server: StandIn) -> Callable[[], float]:
    """A clock that goes on a second whenever it is read, and grants a dripping server its next byte."""
    seconds = itertools.count()

    def read() -> float:
        server.ticks.release()
        return float(next(seconds))

    return read


def sent_through(server: StandIn, behaviour: str, number: int = 1) -> Outcome:
    # More than the kernels buffer, where the server is to go away in the middle.
    content = CONTENT + (b"x" * 70 + b"\r\n") * 200_000 if behaviour == "body_drop" else CONTENT
    if behaviour == "body_drop":
        server.behaviour["EHLO"] = "250 stand-in"
    protection = "required" if behaviour == "starttls_stripped" else "never"
    clock = ticking(server) if behaviour == "slow_loris" else time.monotonic
    smtp = client(server, protection, clock=clock)
    outcome = smtp.post(mail(number, content))
    smtp.close()
    return outcome


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_every_behaviour_has_its_exact_class_and_nothing_is_taken_twice(behaviour: str) -> None:
    with StandIn(BEHAVIOURS[behaviour]) as server:
        outcome = sent_through(server, behaviour)
    assert type(outcome) is EXPECTED[behaviour], outcome
    assert len(server.taken) == isinstance(outcome, Sent)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_the_classes_hold_in_any_order_of_behaviours(seed: int) -> None:
    names = list(BEHAVIOURS)
    random.Random(seed).shuffle(names)
    for number, behaviour in enumerate(names):
        with StandIn(BEHAVIOURS[behaviour]) as server:
            assert type(sent_through(server, behaviour, number)) is EXPECTED[behaviour]


def test_the_table_has_a_word_for_every_stage_and_answer_and_doubts_only_after_the_dot() -> None:
    assert set(TABLE) == set(itertools.product(Stage, Answer))
    doubted = {key for key, meaning in TABLE.items() if meaning is Meaning.DOUBT}
    assert {stage for stage, _ in doubted} == {Stage.DOT}
    assert [key for key, meaning in TABLE.items() if meaning is Meaning.SENT] == [(Stage.DOT, Answer.DONE)]


def test_what_arrives_is_byte_for_byte_what_was_built() -> None:
    with StandIn({}) as server:
        smtp = client(server)
        assert smtp.post(mail()) == Sent("Q1")
        smtp.close()
    assert server.taken == [CONTENT]
    assert server.said[:3] == [
        "EHLO client.example.com",
        f"MAIL FROM:<hello@example.com> SIZE={len(CONTENT)}",
        "RCPT TO:<ann@example.org>",
    ]


def test_one_connection_serves_many_mails_and_is_cleaned_after_a_refusal() -> None:
    with StandIn({}) as server:
        smtp = client(server)
        smtp.post(mail())
        server.behaviour["RCPT"] = "550 5.1.1 no such user"
        assert isinstance(smtp.post(mail()), Permanent)
        del server.behaviour["RCPT"]
        assert smtp.post(mail()) == Sent("Q2")
        smtp.close()
    verbs = [line.split()[0] for line in server.said]
    assert server.connections == 1
    assert verbs == ["EHLO", "MAIL", "RCPT", "DATA", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA", "QUIT"]


@pytest.mark.parametrize("goodbye", [drop, reset, "421 4.4.2 idle too long"])
def test_an_idle_connection_closed_by_the_server_is_replaced_without_a_word(goodbye: Any) -> None:
    with StandIn({}) as server:
        smtp = client(server)
        smtp.post(mail())
        server.behaviour["MAIL"] = _only_once(server, goodbye)
        assert smtp.post(mail()) == Sent("Q2")
        smtp.close()
    assert server.connections == 2


def _only_once(server: StandIn, what: Any) -> Callable[[StandIn, Any], None]:
    def once(stand_in: StandIn, connection: Any) -> None:
        del server.behaviour["MAIL"]
        if isinstance(what, str):
            connection.sendall(f"{what}\r\n".encode())
        else:
            what(stand_in, connection)

    return once


def test_nothing_is_handed_over_before_deliver() -> None:
    with StandIn({}) as server:
        smtp = client(server)
        assert smtp.offer(mail()) == Ready()
        assert server.said[-1] == "DATA"
        smtp.abandon()
        assert smtp.post(mail()) == Sent("Q1")
        smtp.close()
    assert server.taken == [CONTENT]
    assert server.connections == 2


def test_closing_with_an_open_mail_abandons_it() -> None:
    with StandIn({}) as server:
        smtp = client(server)
        smtp.offer(mail())
        smtp.close()
    assert server.taken == []


def test_an_answer_in_the_middle_of_the_content_stops_the_dot() -> None:
    with StandIn({}) as server:
        smtp = client(server)
        server.behaviour["DATA"] = "354 go on\r\n452 4.3.1 disk full"
        assert smtp.offer(mail()) == Ready()
        outcome = smtp.deliver()
        smtp.close()
    assert isinstance(outcome, Temporary)
    assert "disk full" in outcome.detail
    assert server.taken == []


@pytest.mark.parametrize(
    ("stage", "reply", "blame"),
    [
        ("RCPT", "550 5.1.1 unknown", Blame.ADDRESS),
        ("RCPT", "550 no such user here", Blame.ADDRESS),
        ("RCPT", "550 5.2.1 disabled", Blame.ADDRESS),
        ("RCPT", "550 5.7.26 not authenticated", Blame.MESSAGE),
        ("RCPT", "550 5.1.8 bad sender", Blame.MESSAGE),
        ("RCPT", "554 no", Blame.MESSAGE),
        ("MAIL", "550 5.1.8 sender unknown", Blame.MESSAGE),
        ("MAIL", "530 5.7.0 authentication required", Blame.CONFIGURATION),
        ("DATA", "554 5.5.1 no", Blame.MESSAGE),
        ("dot", "550 5.1.1 unknown after all", Blame.ADDRESS),
        ("dot", "552 5.3.4 too big", Blame.MESSAGE),
    ],
)
def test_a_refusal_says_whom_it_is_about(stage: str, reply: str, blame: Blame) -> None:
    with StandIn({stage: reply}) as server:
        smtp = client(server)
        outcome = smtp.post(mail())
        smtp.close()
    assert isinstance(outcome, Permanent)
    assert (outcome.blame, outcome.code) == (blame, int(reply[:3]))


@pytest.mark.parametrize(
    "greeting", ["554 5.7.1 not you", "421 4.3.2 busy", drop, reset, "ready", "250-a\r\n220 b"]
)
def test_a_server_that_does_not_want_to_talk_costs_no_mail(greeting: Any) -> None:
    with StandIn({"greeting": greeting}) as server:
        outcome = client(server).post(mail())
    assert isinstance(outcome, Temporary)


def test_a_closed_port_is_temporary() -> None:
    with StandIn({}) as server:
        pass
    assert isinstance(client(server).post(mail()), Temporary)


def test_a_mail_larger_than_the_server_takes_is_refused_before_it_is_offered() -> None:
    with StandIn({"EHLO": "250-stand-in\r\n250 SIZE 10"}) as server:
        smtp = client(server)
        assert isinstance(smtp.post(mail()), Permanent)
        smtp.close()
    assert [line.split()[0] for line in server.said] == ["EHLO", "QUIT"]


def test_a_stripped_starttls_is_a_fault_of_the_configuration_and_nothing_goes_out_in_clear() -> None:
    with StandIn({}) as server:
        smtp = Smtp(
            SmtpServer("127.0.0.1", server.port, "required", "user", "secret"),
            helo="client.example.com",
            timeouts=PATIENCE,
        )
        outcome = smtp.post(mail())
        smtp.close()
    assert isinstance(outcome, Permanent)
    assert outcome.blame is Blame.CONFIGURATION
    assert server.said == ["EHLO client.example.com"]


def test_answers_put_behind_starttls_in_clear_are_not_believed() -> None:
    behaviour = {"EHLO": "250-stand-in\r\n250 STARTTLS", "STARTTLS": "220 go\r\n250 2.1.0 injected"}
    with StandIn(behaviour) as server:
        outcome = client(server, "required").post(mail())
    assert isinstance(outcome, Temporary)


@pytest.mark.parametrize(
    ("offered", "said"),
    [
        ("PLAIN LOGIN", ["AUTH PLAIN AHVzZXIAc2VjcmV0"]),
        ("LOGIN", ["AUTH LOGIN", "dXNlcg==", "c2VjcmV0"]),
    ],
)
def test_it_logs_in_with_what_the_server_offers(offered: str, said: list[str]) -> None:
    words = {"EHLO": f"250-stand-in\r\n250 AUTH {offered}", "DXNLCG==": "334 password", "C2VJCMV0": "235 in"}
    with StandIn({**words, "AUTH": "235 in" if "PLAIN" in offered else "334 user"}) as server:
        smtp = _with_password(server)
        assert isinstance(smtp.post(mail()), Sent)
        smtp.close()
    assert server.said[1 : 1 + len(said)] == said


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"EHLO": "250-x\r\n250 AUTH PLAIN", "AUTH": "535 5.7.8 wrong"}, Permanent),
        ({"EHLO": "250-x\r\n250 AUTH PLAIN", "AUTH": "454 4.7.0 later"}, Temporary),
        ({"EHLO": "250-x\r\n250 AUTH CRAM-MD5"}, Permanent),
        ({}, Permanent),
    ],
)
def test_a_wrong_password_is_a_fault_of_the_configuration(
    answers: dict[str, str], expected: type[Outcome]
) -> None:
    with StandIn(answers) as server:
        outcome = _with_password(server).post(mail())
    assert type(outcome) is expected
    assert getattr(outcome, "blame", Blame.CONFIGURATION) is Blame.CONFIGURATION
    assert "secret" not in repr(outcome)


def _with_password(server: StandIn) -> Smtp:
    made = SmtpServer("127.0.0.1", server.port, "never", "user", "secret")
    return Smtp(made, helo="client.example.com", timeouts=PATIENCE)


@pytest.mark.parametrize("field", ["sender", "recipient"])
def test_an_address_that_was_not_normalised_never_reaches_the_wire(field: str) -> None:
    bad = {
        "sender": "hello@example.com",
        "recipient": "ann@example.org",
        field: "b@example.com>\r\nRCPT TO:<c@example.org",
    }
    with StandIn({}) as server:
        smtp = client(server)
        with pytest.raises(BadAddress):
            smtp.offer(Mail(bad["sender"], bad["recipient"], "<m@example.com>", CONTENT))
    assert server.said == []


def test_a_silent_server_before_the_dot_is_temporary() -> None:
    with StandIn({"RCPT": hang}) as server:
        smtp = client(server, timeouts=Timeouts(*([20.0] * 2), command=0.1))
        assert isinstance(smtp.post(mail()), Temporary)


@pytest.fixture(params=["smtp", "outbox"])
def channel(request: pytest.FixtureRequest) -> Iterator[MailChannel]:
    """The contract of port.MailChannel, on the real one and on the one that keeps."""
    if request.param == "outbox":
        yield Outbox()
        return
    with StandIn({}) as server:
        smtp = client(server)
        yield smtp
        smtp.close()


def test_every_mail_channel_offers_then_delivers(channel: MailChannel) -> None:
    assert channel.offer(mail()) == Ready()
    assert isinstance(channel.deliver(), Sent)
    assert isinstance(channel.post(mail(2)), Sent)


def test_no_mail_channel_delivers_what_was_not_offered_or_was_abandoned(channel: MailChannel) -> None:
    with pytest.raises(RuntimeError):
        channel.deliver()
    channel.offer(mail())
    channel.abandon()
    with pytest.raises(RuntimeError):
        channel.deliver()


def test_no_mail_channel_takes_two_offers_at_once(channel: MailChannel) -> None:
    channel.offer(mail())
    with pytest.raises(RuntimeError):
        channel.offer(mail(2))


def test_every_mail_channel_closes_twice(channel: MailChannel) -> None:
    assert isinstance(channel, MailChannel)
    channel.post(mail())
    channel.close()
    channel.close()


@pytest.mark.parametrize(
    ("answers", "expected"),
    [("ok", Sent), ("temporary", Temporary), ("permanent", Permanent), ("silent", InDoubt)],
)
def test_the_outbox_answers_as_a_scenario_says(answers: Any, expected: type[Outcome]) -> None:
    outbox = Outbox(keep=2)
    outbox.answers = answers
    assert type(outbox.post(mail())) is expected
    assert len(outbox) == (expected in {Sent, InDoubt})


def test_the_outbox_keeps_the_newest() -> None:
    outbox = Outbox(keep=2)
    for number in range(3):
        outbox.post(mail(number))
    assert [kept.message_id for kept in outbox] == ["<m-1@example.com>", "<m-2@example.com>"]


class _Keeping(MessageHandler):
    """aiosmtpd's handler that hands over whole messages."""

    def __init__(self) -> None:
        super().__init__()
        self.subjects: list[str] = []

    def handle_message(self, message: Any) -> None:
        self.subjects.append(message["Subject"])


def test_a_well_behaved_server_of_another_make_takes_mail_after_mail() -> None:
    handler = _Keeping()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        smtp = Smtp(SmtpServer("127.0.0.1", port, "optional"), helo="client.example.com", timeouts=PATIENCE)
        assert [type(smtp.post(mail(number))) for number in range(3)] == [Sent] * 3
        smtp.close()
    finally:
        controller.stop()
    assert handler.subjects == ["Hello"] * 3
