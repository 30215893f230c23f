"""The command line: one-line errors, exit codes, JSON everywhere, and the same words beside a running service."""

import json
import re
import runpy
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from commands import SECRET, Run, Service, one_line
from journeys.bootstrap import Parts
from journeys.cli import app
from journeys.settings import Settings
from journeys.shipped import shipped

ROOT = Path(__file__).parents[2]
FIRST_PLAY = ROOT / "examples" / "first-play"


def event(name: str, kind: str = "support.ticket_opened", **fields: Any) -> str:
    body = {"specversion": "1.0", "id": name, "source": "file", "type": kind, "account": "acme", **fields}
    return json.dumps(body)


def commands() -> Iterator[tuple[str, ...]]:
    """Every command by its words."""
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from ((name, below) for below in command.commands)
        else:
            yield (name,)


class TestErrors:
    @pytest.mark.parametrize(
        "words",
        [
            ["nope"],
            ["lint"],
            ["lint", "nowhere"],
            ["apply", ".", "--nope"],
            ["keys", "create"],
            ["dead", "x"],
        ],
    )
    def test_a_command_that_makes_no_sense_is_one_line_and_2(self, run: Run, words: list[str]) -> None:
        said = run(*words)
        assert said.status == 2
        assert said.out == ""
        assert one_line(said.err)
        assert "--help`)" in said.err

    @pytest.mark.parametrize("words", [[], ["events"], ["dead"], ["keys"]])
    def test_a_group_alone_shows_its_commands(self, run: Run, words: list[str]) -> None:
        said = run(*words)
        assert said.status == 2
        assert "Commands" in said.out + said.err
        assert "journeys: " not in said.err

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["explain", "acme"], "run `journeys migrate`"),
            (["worker"], "on PostgreSQL"),
            (["api"], "on PostgreSQL"),
            (["keys", "list"], "run `journeys migrate`"),
        ],
    )
    def test_what_is_missing_is_one_line_that_says_what_to_do(
        self, run: Run, words: list[str], told: str
    ) -> None:
        said = run(*words)
        assert said.status == 1
        assert one_line(said.err)
        assert told in said.err

    def test_a_setting_that_makes_no_sense_is_named(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JOURNEYS_SECRET", "short")
        said = run("keys", "list")
        assert said.status == 1
        assert re.fullmatch(r"journeys: JOURNEYS_SECRET: needs at least 16 characters.*\n", said.err)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("JOURNEYS_PORT", "70000"),
            ("JOURNEYS_DATABASE_URL", "mysql://localhost/journeys"),
            ("JOURNEYS_DEFINITIONS_DIR", "nowhere"),
        ],
    )
    def test_nothing_is_served_by_a_setting_that_makes_no_sense(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(name, value)
        said = run("serve")
        assert said.status == 1
        assert said.err.splitlines()[-1].startswith(f"journeys: {name}: ")

    def test_a_port_that_is_taken_is_one_line_before_anything_is_announced(self, migrated: Run) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            said = migrated("serve", "--port", taken.getsockname()[1])
        assert said.status == 1
        assert one_line(said.err)
        assert "--port" in said.err

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["keys", "create", "me", "--scope", "everything"], "everything"),
            (["keys", "revoke", "nobody"], "journeys keys list"),
            (["explain", "nobody"], "there is no account 'nobody'"),
            (["explain", "acme", "--at", "teatime"], "teatime"),
            (["dead", "show", "nothing"], "nothing"),
        ],
    )
    def test_what_is_not_there_is_said_by_name(self, migrated: Run, words: list[str], told: str) -> None:
        said = migrated(*words)
        assert said.status == 1
        assert said.out == ""
        assert one_line(said.err)
        assert told in said.err

    def test_a_database_in_use_points_to_the_service_that_has_it(self, migrated: Run) -> None:
        holder = Parts(Settings(database_url="sqlite:///journeys.db", secret=SECRET))
        try:
            said = migrated("keys", "list")
        finally:
            holder.close()
        assert said.status == 1
        assert one_line(said.err)
        assert "JOURNEYS_URL" in said.err


class TestAnswers:
    @pytest.mark.parametrize("words", list(commands()), ids=" ".join)
    def test_every_command_speaks_json(self, words: tuple[str, ...]) -> None:
        group: Any = typer.main.get_command(app)
        for word in words:
            group = group.commands[word]
        assert any("--json" in parameter.opts for parameter in group.params)
        assert group.help

    def test_doctor_names_everything_that_is_missing(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("JOURNEYS_SECRET")
        said = run("doctor", "--json")
        assert said.status == 1
        assert [trouble.split()[0] for trouble in said.body["trouble"]] == ["JOURNEYS_SECRET", "the"]

    def test_doctor_is_content_where_nothing_is_missing(self, migrated: Run) -> None:
        said = migrated("doctor", "--json")
        assert (said.status, said.body["trouble"]) == (0, [])

    def test_doctor_shows_every_setting_by_its_whole_name(self, run: Run) -> None:
        said = run("doctor", "--settings")
        assert all(f"JOURNEYS_{name.upper()}" in said.out for name in Settings.model_fields)

    def test_doctor_shows_no_secret(self, run: Run) -> None:
        assert SECRET not in run("doctor", "--settings", "--json").out

    def test_a_key_is_one_line_to_copy(self, migrated: Run) -> None:
        said = migrated("keys", "create", "me", "--scope", "csm", "--scope", "ingest")
        assert re.fullmatch(r"jk_\S+\n", said.out)
        assert [key["scopes"] for key in migrated("keys", "list", "--json").body] == [["csm", "ingest"]]

    def test_migrating_twice_does_nothing_the_second_time(self, run: Run) -> None:
        first, second = run("migrate", "--json").body, run("migrate", "--json").body
        assert first["from"] is None
        assert second["from"] == second["to"] == first["to"]


class TestDefinitions:
    def test_a_sound_folder_has_nothing_to_mend(self, run: Run) -> None:
        assert run("lint", FIRST_PLAY) == (0, "nothing to mend\n", "")

    def test_a_fault_is_a_line_with_file_and_pointer(self, run: Run, tmp_path: Path) -> None:
        broken(tmp_path / "mine")
        said = run("lint", "mine")
        assert said.status == 1
        assert (
            said.out == "plays/x.yaml:1: /trigger/signal: there is no signal 'nope' (define it in signals/)\n"
        )

    def test_a_folder_is_kept_activated_and_then_differs_no_more(self, migrated: Run) -> None:
        assert migrated("diff", FIRST_PLAY).status == 1
        assert {row["change"] for row in migrated("apply", FIRST_PLAY, "--json").body} == {"new"}
        again = migrated("apply", FIRST_PLAY, "--activate", "--json").body
        assert {row["change"] for row in again} == {"activated"}
        assert migrated("apply", FIRST_PLAY, "--activate").out == "nothing differs\n"
        assert migrated("diff", FIRST_PLAY) == (0, "nothing differs\n", "")

    def test_a_dry_run_keeps_nothing(self, migrated: Run) -> None:
        tried = migrated("apply", FIRST_PLAY, "--activate", "--dry-run", "--json").body
        assert len(tried["changes"]) == 4
        assert migrated("diff", FIRST_PLAY).status == 1

    def test_an_activation_may_insist_on_what_its_dry_run_saw(self, migrated: Run) -> None:
        insists_on_what_it_saw(migrated)

    def test_what_is_live_can_be_pulled_and_differs_from_nothing(self, migrated: Run) -> None:
        migrated("apply", FIRST_PLAY, "--activate")
        assert len(migrated("pull", "pulled", "--json").body) == 4
        assert migrated("diff", "pulled") == (0, "nothing differs\n", "")

    def test_the_shipped_library_goes_in_as_the_first_page_says_and_comes_out_the_same(
        self, migrated: Run
    ) -> None:
        assert migrated("apply", ROOT / "src/signals/library", "--activate").status == 0
        assert migrated("apply", ROOT / "src/plays/library", "--activate").status == 0
        assert f"{len(shipped())} definitions in pulled" in migrated("pull", "pulled").out
        assert migrated("pull", "pulled", "--json").body == []
        assert migrated("lint", "pulled").status == 0
        assert migrated("diff", "pulled") == (0, "nothing differs\n", "")

    def test_faults_refuse_the_folder(self, migrated: Run, tmp_path: Path) -> None:
        broken(tmp_path / "mine")
        said = migrated("apply", "mine", "--activate", "--json")
        assert said.status == 1
        assert [(fault["file"], fault["pointer"]) for fault in said.body] == [
            ("plays/x.yaml", "/trigger/signal")
        ]


class TestScenarios:
    def test_a_folder_of_definitions_has_its_scenarios_played_and_nothing_else(self, run: Run) -> None:
        said = run("test", FIRST_PLAY)
        assert said.status == 0
        assert re.search(r"^2 passed, 0 failed in \d+\.\d s$", said.out, re.MULTILINE)

    def test_a_failed_expectation_shows_when_what_was_expected_and_what_was_seen(
        self, run: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "mine.yaml").write_text(
            "scenario: Nothing happens\nclock: 2026-03-02T09:00:00Z\nuses: none\n"
            "given: [{account: {id: acme}}]\nthen: [{at: 1h, expect: {tasks: [{account: acme, title: Call}]}}]\n"
        )
        said = run("test", "mine.yaml")
        assert said.status == 1
        assert said.out.startswith("✗ Nothing happens\n    at 1h: tasks\n      expected  ")
        assert "      seen      nothing" in said.out
        assert "0 passed, 1 failed" in said.out
        assert [r["passed"] for r in run("test", "mine.yaml", "--json").body["results"]] == [False]

    def test_a_file_that_is_no_scenario_fails_by_name(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "mine.yaml").write_text("scenaro: typo\n")
        said = run("test", "mine.yaml")
        assert said.status == 1
        assert "mine.yaml" in said.out

    def test_a_folder_without_scenarios_is_a_mistake(self, run: Run, tmp_path: Path) -> None:
        said = run("test", tmp_path)
        assert said.status == 1
        assert one_line(said.err)


class TestImport:
    def test_a_file_twice_counts_once_and_names_what_it_refused(self, migrated: Run, tmp_path: Path) -> None:
        lines = [event("e1"), "nonsense", event("e2"), event("e1", data={"other": 1})]
        (tmp_path / "e.jsonl").write_text("\n".join(lines))
        first, second = (
            migrated("events", "import", "e.jsonl", "--json"),
            migrated("events", "import", "e.jsonl", "--json"),
        )
        assert first.body["folded"] == 2
        assert first.body["files"][0]["refused"] == {"malformed": 1, "id_conflict": 1}
        assert (second.body["files"][0]["accepted"], second.body["files"][0]["duplicates"]) == (0, 2)

    def test_a_row_of_nobody_is_counted_with_its_reason(self, migrated: Run, tmp_path: Path) -> None:
        said = migrated(*rows(tmp_path)).body
        assert said["files"][0]["refused"] == {"invalid": 1}
        assert said["refused_while_folding"] == {"no_account": 1}
        assert {letter["reason"] for letter in migrated("dead", "list", "--json").body["items"]} == {
            "invalid",
            "no_account",
        }

    @pytest.mark.parametrize("words", [["--format", "xml"], ["--format", "csv"]])
    def test_a_format_that_cannot_be_read_says_which_can(
        self, migrated: Run, tmp_path: Path, words: list[str]
    ) -> None:
        (tmp_path / "e.csv").write_text("a,b\n")
        said = migrated("events", "import", "e.csv", *words)
        assert said.status == 1
        assert one_line(said.err)
        assert "--map" in said.err


def rows(folder: Path) -> list[str]:
    """The words that import a file of one good row, one without a time and one of nobody."""
    (folder / "rows.csv").write_text("ticket,company,at\nT-1,acme,2026-01-05\nT-2,acme,\nT-3,,2026-01-06\n")
    (folder / "rows.yaml").write_text(
        "key: rows\nformat: csv\neach: [{type: support.ticket_opened, source: desk, id: 'opened-{ticket}',"
        " time: at, account: company, data: {ticket: ticket}}]\n"
    )
    return ["events", "import", "rows.csv", "--format", "csv", "--map", "rows.yaml", "--json"]


def broken(folder: Path) -> None:
    """A folder whose play waits for a signal that nobody defines."""
    (folder / "plays").mkdir(parents=True)
    (folder / "plays" / "x.yaml").write_text("{key: x, trigger: {signal: nope}, steps: [{end: {}}]}\n")


def insists_on_what_it_saw(run: Run) -> None:
    """A dry run says how many accounts are meant and names what it saw; only that is activated with its token."""
    tried = run("apply", FIRST_PLAY, "--activate", "--dry-run", "--json").body
    assert tried["would"]["accounts"] == tried["accounts"]
    assert f"--token {tried['token']}" in run("apply", FIRST_PLAY, "--activate", "--dry-run").out
    other = run("apply", FIRST_PLAY, "--activate", "--live", "drain", "--token", tried["token"])
    assert (other.status, "run it again" in other.err) == (1, True)
    assert "of which" in run("apply", FIRST_PLAY, "--activate", "--token", tried["token"]).out


def test_the_package_is_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["journeys", "--help"])
    with pytest.raises(SystemExit):
        runpy.run_module("journeys", run_name="__main__")
    assert "backtest" in capsys.readouterr().out


class TestBesideAService:
    def test_a_folder_goes_over_whole_and_then_differs_no_more(self, run: Run, service: Service) -> None:
        assert {row["file"] for row in run("apply", FIRST_PLAY, "--activate", "--json").body} >= {
            "signals/ticket_spike.yaml"
        }
        assert run("diff", FIRST_PLAY) == (0, "nothing differs\n", "")
        assert [draft.key for draft in service.parts.library.live() if draft.kind == "plays"] == [
            "tickets-in-a-row"
        ]

    def test_doctor_asks_the_service(self, run: Run, service: Service) -> None:
        assert run("doctor", "--json").body["trouble"] == []

    def test_its_refusals_name_our_files(self, run: Run, service: Service, tmp_path: Path) -> None:
        broken(tmp_path / "mine")
        said = run("apply", "mine", "--activate")
        assert (said.status, said.out) == (
            1,
            "plays/x.yaml:1: /trigger/signal: there is no signal 'nope' (define it in signals/)\n",
        )

    def test_an_activation_may_insist_on_what_its_dry_run_saw(self, run: Run, service: Service) -> None:
        insists_on_what_it_saw(run)

    def test_an_import_is_posted_in_batches_and_counted_once(
        self, run: Run, service: Service, tmp_path: Path
    ) -> None:
        lines = [event(f"e{number}") for number in range(1_100)]
        (tmp_path / "e.jsonl").write_text("\n".join([*lines, "nonsense", event("e7", data={"x": 1})]))
        first = run("events", "import", "e.jsonl", "--json").body["files"][0]
        second = run("events", "import", "e.jsonl", "--json").body["files"][0]
        assert (first["rows"], first["accepted"], first["duplicates"]) == (1_102, 1_100, 0)
        assert first["refused"] == {"malformed": 1, "id_conflict": 1}
        assert "row 1102" in first["first_refusals"]["id_conflict"]
        assert (second["accepted"], second["duplicates"]) == (0, 1_100)

    def test_rows_are_mapped_where_they_lie(self, run: Run, service: Service, tmp_path: Path) -> None:
        words = rows(tmp_path)
        (told,) = run(*words).body["files"]
        assert (told["rows"], told["accepted"], told["refused"]) == (3, 2, {"invalid": 1})
        assert told["first_refusals"]["invalid"].startswith("row 2: at is missing")
        folded(service)  # the row of nobody became a dead letter there: sent again, it may find its account
        assert run(*words).body["files"][0]["duplicates"] == 1

    def test_imported_history_starts_nothing_and_current_events_do(
        self, run: Run, service: Service, tmp_path: Path
    ) -> None:
        run("apply", FIRST_PLAY, "--activate")
        (tmp_path / "old.jsonl").write_text("\n".join(event(f"o{n}", account="old") for n in range(3)))
        (tmp_path / "new.jsonl").write_text("\n".join(event(f"n{n}", account="new") for n in range(3)))
        run("events", "import", "old.jsonl")
        run("events", "import", "new.jsonl", "--current")
        folded(service)
        assert run("explain", "old", "--json").body["decisions"] == []
        assert run("explain", "new", "--json").body["decisions"][0]["outcome"] == "started"

    def test_explain_says_the_same_words_as_at_home(
        self, run: Run, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run("apply", FIRST_PLAY, "--activate")
        (tmp_path / "new.jsonl").write_text("\n".join(event(f"n{n}") for n in range(3)))
        run("events", "import", "new.jsonl", "--current")
        folded(service)
        said = run("explain", "acme", "--play", "tickets-in-a-row")
        assert said.status == 0
        assert "started tickets-in-a-row (version 1)" in said.out

    def test_dead_letters_are_listed(self, run: Run, service: Service) -> None:
        assert run("dead", "list") == (0, "Dead letters: none\n", "")
        assert run("dead", "list", "--json").body == {"items": [], "next": None}

    @pytest.mark.parametrize(
        ("name", "value", "told"),
        [
            ("JOURNEYS_KEY", "jk_wrong", "401"),
            ("JOURNEYS_KEY", "", "JOURNEYS_KEY is not"),
            ("JOURNEYS_URL", "http://127.0.0.1:9", "is the service running?"),
        ],
    )
    def test_a_service_that_cannot_be_asked_is_one_line(
        self, run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
    ) -> None:
        monkeypatch.setenv(name, value)
        said = run("explain", "acme")
        assert said.status == 1
        assert one_line(said.err)
        assert told in said.err

    def test_an_unknown_account_is_said_by_name(self, run: Run, service: Service) -> None:
        said = run("explain", "no/body")
        assert said.status == 1
        assert "no/body" in said.err
        assert one_line(said.err)


def folded(service: Service) -> None:
    """Wait until the service has folded what it took (it says so in its log; no clock is asked)."""
    for _ in range(2_000):
        if not service.parts.log.unread():
            return
        threading.Event().wait(0.005)
    pytest.fail("the service does not fold its log")
