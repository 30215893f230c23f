"""The house keeps its direction: event → signal → play → journey → message, a core without I/O, no circles."""

import ast
from functools import cache
from pathlib import Path

import grimp
import pytest

SRC = Path(__file__).parents[2] / "src"
MAY_IMPORT = {
    "signals": set(),
    "channels": {"signals"},  # and of it, only the module of instants
    "plays": {"signals", "channels"},
    "journeys": {"signals", "channels", "plays"},
}
EDGES = ("signals.feeds.kafka", "channels.smtp", "channels.webhook", "channels.outbox", "channels.fence")
"""Modules of the lower packages that meet the outside."""

PURE_JOURNEYS = ("backtest", "engine", "react", "state", "journey", "playbook", "facts")
IO = {
    *(
        "sqlalchemy",
        "alembic",
        "kafka",
        "fastapi",
        "starlette",
        "uvicorn",
        "apscheduler",
        "pydantic_settings",
    ),
    *("smtplib", "socket", "ssl", "http", "urllib.request", "subprocess", "sqlite3", "psycopg", "httpx2"),
    *("threading", "asyncio", "time", "uuid", "secrets"),
}


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*MAY_IMPORT, include_external_packages=True)


def modules(package: str) -> list[str]:
    return sorted(name for name in graph().modules if name.split(".")[0] == package)


def imports(module: str) -> set[str]:
    return graph().find_modules_directly_imported_by(module)


def core() -> list[str]:
    """Every module that decides and never does."""
    lower = [name for package in ("signals", "channels", "plays") for name in modules(package)]
    return [name for name in lower if not name.startswith(EDGES)] + [
        name for name in modules("journeys") if name.split(".")[1:2] and name.split(".")[1] in PURE_JOURNEYS
    ]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_those_below_it(package: str) -> None:
    forbidden = MAY_IMPORT.keys() - MAY_IMPORT[package] - {package}
    wrong = [
        (name, used) for name in modules(package) for used in imports(name) if used.split(".")[0] in forbidden
    ]
    assert wrong == []


def test_channels_know_of_signals_only_what_an_instant_is() -> None:
    used = {used for name in modules("channels") for used in imports(name) if used.split(".")[0] == "signals"}
    assert used <= {"signals.instant"}


def test_the_core_does_no_input_or_output() -> None:
    wrong = [
        (name, used) for name in core() for used in imports(name) if used in IO or used.split(".")[0] in IO
    ]
    assert wrong == []


def test_the_core_imports_no_edge() -> None:
    wrong = [(name, used) for name in core() for used in imports(name) if used.startswith(EDGES)]
    assert wrong == []


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_module_leads_back_to_itself(package: str) -> None:
    circles = [
        (name, used)
        for name in modules(package)
        for used in imports(name)
        if used.startswith(f"{package}.") and graph().chain_exists(importer=used, imported=name)
    ]
    assert circles == []


def _calls(tree: ast.AST) -> list[str]:
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        f"{f.value.id}.{f.attr}"
        for f in calls
        if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name)
    ]


def test_the_core_asks_no_clock_and_rolls_no_dice() -> None:
    asked = {
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
        "random.random",
        "random.choice",
    }
    wrong = []
    for name in core():
        path = SRC / name.replace(".", "/")
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        wrong += [(name, call) for call in _calls(ast.parse(source.read_text())) if call in asked]
    assert wrong == []
