"""What every private server needs: a free port, a wait that notices an early death, an end that comes."""

import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

STEP = 0.05
"""Seconds between two looks at a server that is starting."""


class ServiceUnavailable(Exception):
    """A private server cannot be had on this machine; the text says what is missing and how to get it."""


def run(
    command: Sequence[str | Path], folder: Path | None = None, user: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program of ours to its end, in `folder`, as `user` (None: as we are). Its status is the caller's to judge."""
    return subprocess.run(  # noqa: S603 - our own command lines, no shell
        command, cwd=folder, user=user, capture_output=True, text=True, errors="replace", check=False
    )


def spawn(
    command: Sequence[str | Path],
    folder: Path,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server in `folder`, writing to `folder/log`, in a session of its own: Ctrl-C in a terminal then
    reaches us alone, and we take the server down in order."""
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own command lines, no shell
            command, stdout=log, stderr=log, cwd=folder, user=user, env=environment, start_new_session=True
        )


def free_port(wish: int = 0) -> int:
    """A loopback TCP port nobody listens on at this moment, `wish` if it can be had. Take it at once."""
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", wish))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], name: str, log: Path, seconds: float
) -> None:
    """Return when `ready()` is true. Raises ServiceUnavailable, with the end of its log, if the process ends
    first or is not ready within about `seconds`."""
    for _ in range(int(seconds / STEP)):
        if process.poll() is not None:
            raise ServiceUnavailable(
                f"{name} ended with status {process.returncode} while starting:\n{tail(log)}"
            )
        if ready():
            return
        _linger(process)
    raise ServiceUnavailable(f"{name} was not ready after {seconds:.0f} s:\n{tail(log)}")


def _linger(process: subprocess.Popen[bytes]) -> None:
    """Wait one step, less if the process ends."""
    try:
        process.wait(STEP)
    except subprocess.TimeoutExpired:
        return


def stop(process: subprocess.Popen[bytes], with_signal: int = signal.SIGTERM, seconds: float = 20) -> None:
    """Ask the process to end, insist after `seconds`, and reap it. Ending it twice does no harm."""
    if process.poll() is not None:
        return
    process.send_signal(with_signal)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, for an error message."""
    if not log.exists():
        return "(it wrote no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
