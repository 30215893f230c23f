"""Packages from npm for the tests that need them: fetched once for each test process, into a folder of its own."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import missing

PACKAGES = ("@segment/analytics-node@3.1.0", "@segment/analytics-next@1.84.3")
"""What is fetched: the versions whose requests were read (ecosystem §3.2)."""

PATIENCE = 180
"""Seconds npm may take."""


@pytest.fixture(scope="session")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with Segment's JavaScript libraries in its `node_modules`."""
    folder = tmp_path_factory.mktemp("npm")
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("node and npm", "install Node.js 18 or newer")
    command = ("npm", "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES)
    (folder / "package.json").write_text('{"private": true}', "utf-8")
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        missing("Segment's JavaScript libraries", error)
    if done.returncode:
        missing("Segment's JavaScript libraries", done.stderr.strip()[-300:])
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
