"""The private servers the other tests stand on."""

import smtplib
import socket
from collections.abc import Callable
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy as sa

from journeys.services import MailCatcher, PostgresServer, ServiceUnavailable, free_port
from journeys.services.processes import spawn, stop, wait_until


def run(url: str, statement: str) -> list[object]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement))
        return list(result.scalars()) if result.returns_rows else []


@pytest.mark.postgres
def test_each_database_is_a_copy_of_what_was_prepared_once(fresh_database: Callable[..., str]) -> None:
    prepared: list[str] = []

    def prepare(url: str) -> None:
        prepared.append(url)
        run(url, "CREATE TABLE facts (n int)")

    one, other = fresh_database(prepare), fresh_database(prepare)
    run(one, "INSERT INTO facts VALUES (1)")
    assert (run(one, "SELECT n FROM facts"), run(other, "SELECT n FROM facts")) == ([1], [])
    assert len(prepared) == 1


@pytest.mark.postgres
def test_a_crashed_server_comes_back_with_what_was_committed(postgres_server: PostgresServer) -> None:
    run(postgres_server.url, "CREATE TABLE facts (n int)")
    run(postgres_server.url, "INSERT INTO facts VALUES (1)")
    postgres_server.crash()
    with pytest.raises(sa.exc.OperationalError):
        run(postgres_server.url, "SELECT 1")
    postgres_server.start()
    assert run(postgres_server.url, "SELECT n FROM facts") == [1]
    assert run(postgres_server.url, "SHOW fsync") == ["on"]


@pytest.mark.postgres
def test_a_private_server_lets_in_only_who_knows_its_password(postgres_server: PostgresServer) -> None:
    stranger = sa.make_url(postgres_server.url).set(password="guessed").render_as_string(hide_password=False)
    with pytest.raises(sa.exc.OperationalError, match="password authentication failed"):
        run(stranger, "SELECT 1")


def test_caught_mail_is_kept_as_it_came(mail: MailCatcher) -> None:
    message = EmailMessage()
    message["Subject"] = "Grüße"
    message.set_content("hello\n")
    host, port = mail.url.removeprefix("smtp://").split(":")
    with smtplib.SMTP(host, int(port)) as client:
        client.send_message(message, "from@example.com", ["ann@example.org", "bob@example.org"])
    (caught,) = mail.mails
    assert (caught.sender, caught.recipients) == ("from@example.com", ("ann@example.org", "bob@example.org"))
    assert caught.content.endswith(b"\r\n\r\nhello\r\n")


def test_a_server_that_dies_while_starting_is_reported_with_its_last_words(tmp_path: Path) -> None:
    process = spawn(["sh", "-c", "echo no room left; exit 3"], tmp_path)
    with pytest.raises(ServiceUnavailable, match=r"(?s)Thing ended with status 3 .*no room left"):
        wait_until(lambda: False, process, "Thing", tmp_path / "log", 10)


def test_a_server_that_never_gets_ready_is_reported_and_can_be_ended(tmp_path: Path) -> None:
    process = spawn(["sleep", "60"], tmp_path)
    with pytest.raises(ServiceUnavailable, match="not ready after 0 s"):
        wait_until(lambda: False, process, "Thing", tmp_path / "log", 0.2)
    stop(process)
    stop(process)
    assert process.returncode is not None


def test_a_port_that_is_taken_is_not_given_out() -> None:
    with closing(socket.socket()) as holder:
        holder.bind(("127.0.0.1", 0))
        taken = holder.getsockname()[1]
        assert free_port(taken) != taken
    assert free_port(taken) == taken
