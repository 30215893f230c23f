"""docker-compose.yml holds together: what it names exists, and nothing private faces the network."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PARTS = {"migrate", "api", "worker", "dispatcher", "clock"}

KNOWN = {
    "build", "command", "depends_on", "environment", "healthcheck", "image", "ports", "profiles", "restart",
    "shm_size", "stop_grace_period", "volumes",
}  # fmt: skip
HEALTHCHECK = {"test", "interval", "timeout", "retries", "start_period"}
DURATION = re.compile(r"\d+(ms|s|m|h)")


def dependencies() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (name, other, how)
        for name, service in SERVICES.items()
        for other, how in service.get("depends_on", {}).items()
    ]


def ports() -> list[tuple[str, str]]:
    return [(name, port) for name, service in SERVICES.items() for port in service.get("ports", [])]


def mounts() -> list[str]:
    return [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_only_what_compose_understands(name: str) -> None:
    service = SERVICES[name]
    assert set(service) <= KNOWN
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", each) for each in service["environment"])
    assert DURATION.fullmatch(service.get("stop_grace_period", "10s"))


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_to_a_version(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.match(r"v?\d+\.\d+", tag), f"{name} floats with the tag {tag!r}"


def test_all_parts_are_one_image_and_one_command_each() -> None:
    assert {SERVICES[name]["image"] for name in PARTS} == {SERVICES["api"]["image"]}
    assert {SERVICES[name]["command"][0] for name in PARTS} == PARTS


@pytest.mark.parametrize(("name", "other", "how"), dependencies())
def test_a_service_waits_for_one_that_can_be_waited_for(name: str, other: str, how: dict[str, Any]) -> None:
    condition = how["condition"]
    if condition == "service_healthy":
        assert "healthcheck" in SERVICES[other]
    else:
        assert condition == "service_completed_successfully"
        assert SERVICES[other]["restart"] == "no", "a service that is started again never completes"
    optional = set(SERVICES[other].get("profiles", [])) - set(SERVICES[name].get("profiles", []))
    assert how.get("required", True) is not bool(optional), f"{other} is in a profile that may be off"


def test_the_database_is_migrated_before_any_part_starts() -> None:
    for name in PARTS - {"migrate"}:
        assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert SERVICES["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "healthcheck" in service])
def test_a_health_check_is_whole(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert set(check) <= HEALTHCHECK
    assert check["test"][0] in {"CMD", "CMD-SHELL"}
    assert len(check["test"]) > 1
    assert check["retries"] > 0
    assert all(DURATION.fullmatch(check[each]) for each in ("interval", "timeout"))


@pytest.mark.parametrize(("name", "port"), ports())
def test_only_the_api_faces_the_network(name: str, port: str) -> None:
    assert name == "api" or port.startswith("127.0.0.1:")


def test_no_two_services_want_the_same_port() -> None:
    taken = [port.rsplit(":", 2)[-2] for _, port in ports()]
    assert len(taken) == len(set(taken))


def test_data_lies_in_named_volumes_and_each_is_used() -> None:
    assert sorted(mounts()) == sorted(COMPOSE["volumes"])


def test_every_variable_is_explained_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text()
    explained = set(re.findall(r"^#?(JOURNEYS_[A-Z_]+)=", example, re.MULTILINE))
    used = set(re.findall(r"\$\{([A-Z_]+)", TEXT))
    assert used <= explained


def test_what_must_not_be_guessed_has_no_default() -> None:
    for name in ("JOURNEYS_SECRET", "JOURNEYS_DATABASE_PASSWORD"):
        assert re.search(rf"\${{{name}:\?", TEXT)
        assert not re.search(rf"\${{{name}(:-|}})", TEXT)


def test_docker_compose_itself_accepts_the_file() -> None:
    docker = shutil.which("docker")
    if (
        docker is None
        or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no docker compose here")  # never required: no machine of ours has it
    given = {"JOURNEYS_SECRET": "s" * 48, "JOURNEYS_DATABASE_PASSWORD": "p", "PATH": "/usr/bin:/bin"}
    said = subprocess.run(
        [docker, "compose", "--profile", "*", "config", "-q"],
        cwd=ROOT,
        env=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
