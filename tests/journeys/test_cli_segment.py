"""`journeys events import --format segment`, at home and beside a running service."""

import json
from pathlib import Path
from typing import Any

from commands import Run, Service

CALLS: list[Any] = [
    {"type": "group", "messageId": "m1", "userId": "ann", "groupId": "acme", "traits": {"name": "Acme"}},
    {"type": "track", "messageId": "m2", "userId": "ann", "event": "Report Created"},
    {"batch": [{"type": "page", "messageId": "m3", "userId": "ann"}, {"type": "track", "userId": "ann"}]},
]
MAPPING = """\
key: segment
each:
  - {when: {event: Report Created}, type: product.report_made, id: messageId, data: {made: properties}}
"""


def import_(run: Run, folder: Path, *words: str) -> Any:
    """What an import of the calls tells."""
    lines = [json.dumps(call) for call in CALLS]
    (folder / "calls.jsonl").write_text("\n".join([*lines, "nonsense"]), "utf-8")
    said = run("events", "import", "calls.jsonl", "--format", "segment", *words, "--json")
    assert said.status == 0, said.err
    return said.body


def test_calls_of_a_file_are_events_and_the_same_file_again_is_nothing(migrated: Run, tmp_path: Path) -> None:
    first, again = import_(migrated, tmp_path), import_(migrated, tmp_path)
    (told,), (repeated,) = first["files"], again["files"]
    assert (told["rows"], told["accepted"], told["refused"]) == (4, 3, {"invalid": 1, "malformed": 1})
    assert first["folded"] == 3
    assert (repeated["accepted"], repeated["duplicates"]) == (0, 3)


def test_the_same_beside_a_running_service(run: Run, service: Service, tmp_path: Path) -> None:
    (told,) = import_(run, tmp_path)["files"]
    assert (told["rows"], told["accepted"], told["refused"]) == (4, 3, {"invalid": 1, "malformed": 1})
    (again,) = import_(run, tmp_path)["files"]
    assert (again["accepted"], again["duplicates"]) == (0, 3)


def mapped(folder: Path) -> str:
    """A folder of definitions with a mapping of one's own."""
    (folder / "own" / "mappings").mkdir(parents=True)
    (folder / "own" / "mappings" / "segment.yaml").write_text(MAPPING, "utf-8")
    return "own"


def test_a_mapping_that_is_live_or_given_goes_before_the_shipped_names(
    run: Run, service: Service, tmp_path: Path
) -> None:
    assert run("apply", mapped(tmp_path), "--activate").status == 0
    import_(run, tmp_path)
    with service.parts.database.read() as connection:
        live = connection.exec_driver_sql("SELECT body FROM log").scalars().all()
        folded = connection.exec_driver_sql("SELECT type FROM events").scalars().all()
    assert any(b"product.report_made" in body for body in live) or "product.report_made" in folded


def test_a_mapping_that_is_none_is_said_by_name(migrated: Run, tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").write_text("{}", "utf-8")
    (tmp_path / "bad.yaml").write_text("key: [", "utf-8")
    said = migrated("events", "import", "calls.jsonl", "--format", "segment", "--map", "bad.yaml")
    assert said.status != 0
    assert "bad.yaml" in said.err
