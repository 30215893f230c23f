"""Private servers for development, tests and benchmarks: PostgreSQL, a Kafka broker, a mail catcher.

Each is a context manager that starts the real program on a free loopback port, yields where it is, and
takes it down again. Nothing here is part of the running service; `make services` runs all three.
"""

from journeys.services.broker import KAFKA_VERSION, broker_jars, kafka_broker
from journeys.services.database import PostgresServer, postgres, private_postgres
from journeys.services.mail import Mail, MailCatcher, mail_catcher
from journeys.services.processes import ServiceUnavailable, free_port

__all__ = [
    "KAFKA_VERSION",
    "Mail",
    "MailCatcher",
    "PostgresServer",
    "ServiceUnavailable",
    "broker_jars",
    "free_port",
    "kafka_broker",
    "mail_catcher",
    "postgres",
    "private_postgres",
]
