"""`python -m journeys.services`: PostgreSQL, Kafka and a mail catcher for development, until Ctrl-C.

`--fetch` only brings the broker's jars, so that a later run needs no network.
"""

import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from journeys.services import broker_jars, free_port, kafka_broker, mail_catcher, postgres
from journeys.services.processes import ServiceUnavailable


def main(words: list[str]) -> int:
    """Run what was asked for; the exit status."""
    try:
        return _fetch() if words == ["--fetch"] else _serve()
    except ServiceUnavailable as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _fetch() -> int:
    _say(f"Kafka's jars are in {broker_jars()}")
    return 0


def _serve() -> int:
    asked_to_end = _ending()
    with ExitStack() as stack:
        home = Path(".services/postgres").absolute()
        _say(f"JOURNEYS_DATABASE_URL={stack.enter_context(postgres(home, port=free_port(15432)))}")
        _say(f"JOURNEYS_KAFKA_BOOTSTRAP={stack.enter_context(kafka_broker(port=free_port(19092)))}")
        _say(f"JOURNEYS_SMTP_URL={stack.enter_context(mail_catcher(free_port(11025))).url}")
        _say("Put these into .env. Ctrl-C ends the servers; PostgreSQL's data stays in .services/postgres.")
        asked_to_end.wait()
    return 0


def _ending() -> threading.Event:
    """Set by Ctrl-C or SIGTERM, also while a server is still starting: it is then ended in order, too."""
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    return asked


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
