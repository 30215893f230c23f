"""Files into the log, on every database: nothing twice, every refused row counted, resumed where it stopped."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from builders import START
from journeys import importer
from journeys.importer import Imported, Importer
from journeys.store.database import Database
from journeys.store.log import EmbeddedLog, LogFeed
from journeys.store.tables import accounts, dead_letters, imports, log
from signals.instant import DAY
from stores import rows
from yard import service

ROOT = Path(__file__).parents[2]
DATA = ROOT / "../shared/data"
EXAMPLES = ROOT / "examples"

MAPPING = """\
key: logins
format: csv
each:
  - type: product.login
    source: file
    id: login-{id}
    time: at
    account: account
    data:
      seconds: {field: seconds, as: integer}
"""


class Stopped(Exception):
    """The process was stopped half-way."""


def importing(database: Database) -> Importer:
    return Importer(database, EmbeddedLog(database), lambda: START)


def csv(folder: Path, lines: list[str], mapping: str = MAPPING) -> tuple[Path, Path]:
    """A file with these rows, and its mapping."""
    (folder / "logins.yaml").write_text(mapping)
    (folder / "logins.csv").write_text("\n".join(["id,at,account,seconds", *lines]) + "\n")
    return folder / "logins.csv", folder / "logins.yaml"


def good(count: int, first: int = 0) -> list[str]:
    return [f"{number},2026-03-01T00:00:00Z,a{number % 7},{number}" for number in range(first, first + count)]


def in_log(database: Database) -> int:
    return len(rows(database, log))


def test_rows_become_events_and_refused_ones_are_counted_with_their_reason(
    store: Database, tmp_path: Path
) -> None:
    lines = [*good(3), "8,not a date,a1,1", "9,2026-03-01T00:00:00Z,a1,many", "0,2026-03-01T00:00:00Z,a0,999"]
    told = importing(store).run(*csv(tmp_path, lines))
    assert (told.rows, told.accepted, told.duplicates) == (6, 3, 0)
    assert sum(told.refused.values()) == 3
    assert told.refused["id_conflict"] == 1
    assert told.first_refusals["id_conflict"].startswith("row 6: ")
    kept = [(row[4], row[2]) for row in rows(store, dead_letters)]
    assert sorted(kept) == sorted(
        ("file/logins.csv", reason) for reason, many in told.refused.items() for _ in range(many)
    )
    assert in_log(store) == 3


def test_the_same_file_again_counts_nothing_twice(store: Database, tmp_path: Path) -> None:
    files = csv(tmp_path, [*good(30), "8,not a date,a1,1"])
    first, again = importing(store).run(*files), importing(store).run(*files)
    assert (first.accepted, again.accepted, again.duplicates) == (30, 0, 30)
    assert again.refused == first.refused
    assert (in_log(store), len(rows(store, dead_letters))) == (30, 1)


def stop_after(count: int) -> Callable[[int], None]:
    """A progress callback that stops the import once so many rows are in."""

    def progress(done: int) -> None:
        if done >= count:
            raise Stopped

    return progress


@pytest.mark.parametrize("batch", [1, 7, 10, 1_000])
def test_an_import_stopped_half_way_goes_on_from_there(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(importer, "BATCH", batch)
    files = csv(tmp_path, [*good(20), "x,not a date,a1,1", *good(20, 20)])
    with pytest.raises(Stopped):
        importing(store).run(*files, stop_after(15))
    done = int(rows(store, imports)[0][1])  # type: ignore[call-overload]
    assert in_log(store) + len(rows(store, dead_letters)) == done
    told = importing(store).run(*files)
    finished = batch == 1_000  # everything was in when it was stopped: it starts over, and knows all
    assert told.skipped_rows == (0 if finished else done)
    assert (told.accepted, told.duplicates) == (
        (0, 40) if finished else (40 - min(done, 20) - max(done - 21, 0), 0)
    )
    assert (in_log(store), len(rows(store, dead_letters))) == (40, 1)


def test_what_is_refused_while_the_database_fails_is_not_counted_as_done(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = csv(tmp_path, good(5))
    monkeypatch.setattr(importer, "bury", _fails)
    with pytest.raises(Stopped):
        importing(store).run(*files)
    assert rows(store, imports) == []
    assert in_log(store) == 0


def _fails(*_: object) -> None:
    raise Stopped


def test_a_file_that_changed_or_is_read_by_another_mapping_is_another_import(
    store: Database, tmp_path: Path
) -> None:
    importing(store).run(*csv(tmp_path, good(5)))
    importing(store).run(*csv(tmp_path, good(6)))
    told = importing(store).run(*csv(tmp_path, good(6), MAPPING.replace("login-{id}", "other-{id}")))
    assert (told.accepted, len(rows(store, imports))) == (6, 3)
    assert in_log(store) == 12


def test_lines_of_cloudevents_need_no_mapping(store: Database, tmp_path: Path) -> None:
    known = {"specversion": "1.0", "source": "file", "type": "product.login", "account": "acme", "data": {}}
    lines = [
        orjson.dumps({**known, "id": f"e{number}", "time": "2026-03-01T00:00:00Z"}) for number in range(3)
    ]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join([*lines, b"{not json", b""]))
    told = importing(store).run(path, None)
    assert (told.accepted, told.rows, sum(told.refused.values())) == (3, 4, 1)


def test_history_is_folded_and_starts_nothing(store: Database, tmp_path: Path) -> None:
    importing(store).run(*csv(tmp_path, good(14)))
    taken = service(store).take(LogFeed(store).poll(100, 0), START + DAY)
    assert (taken.folded, taken.emitted) == (14, False)
    assert len(rows(store, accounts)) == 7


@pytest.mark.parametrize("mapping", ["key: [", "key: x\n", "just text"])
def test_a_mapping_that_is_none_is_an_error_that_says_so(tmp_path: Path, mapping: str) -> None:
    database = Database("sqlite://")
    with pytest.raises(ValueError):
        importing(database).run(*csv(tmp_path, good(1), mapping))
    database.close()


# ── the data sets ───────────────────────────────────────────────────────────────────────────────────────────────

SETS: dict[str, list[tuple[str, str]]] = {
    "ravenstack": [
        ("ravenstack_accounts.csv", "accounts"),
        ("ravenstack_subscriptions.csv", "subscriptions"),
        ("ravenstack_support_tickets.csv", "support_tickets"),
        ("ravenstack_churn_events.csv", "churn_events"),
        ("ravenstack_feature_usage.csv", "feature_usage"),
        ("variant_excel_ddmmyyyy/ravenstack_support_tickets.csv", "support_tickets_excel"),
    ],
    "saas-growth": [
        (f"{name}.csv.gz", name)
        for name in (
            "accounts",
            "subscriptions",
            "invoices",
            "marketing_touches",
            "support_tickets",
            "product_events",
        )
    ],
}


FIGURES = {"ravenstack": (36_740, 21), "saas-growth": (352_439, 0)}
"""Events in the log and rows refused: of RavenStack the 21 usage ids that stand for two different rows (SOURCE.md)."""


def imported(
    database: Database, name: str, file: str, mapping: str, progress: Callable[[int], None]
) -> Imported:
    path = DATA / name / file
    if not path.is_file():
        pytest.skip(f"no {path.name} of {name} beside the repository")
    made = Importer(database, EmbeddedLog(database), lambda: START + 365 * DAY)
    return made.run(path, EXAMPLES / name / f"{mapping}.yaml", progress)


def whole(database: Database, name: str) -> list[Imported]:
    """Every file of the set, each stopped half-way once and then resumed."""
    told = []
    for file, mapping in SETS[name]:
        first = Imported(file)
        try:
            first = imported(database, name, file, mapping, stop_after(2_000))
        except Stopped:
            first = imported(database, name, file, mapping, lambda _: None)
        told.append(first)
    return told


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_a_data_set_is_imported_whole_though_stopped_and_a_second_time_counts_nothing(
    store: Database, name: str
) -> None:
    whole(store, name)
    events, letters = in_log(store), len(rows(store, dead_letters))
    for file, mapping in SETS[name]:
        again = imported(store, name, file, mapping, lambda _: None)
        assert again.accepted == 0, file
        assert again.rows > 0, file
        assert again.duplicates + sum(again.refused.values()) > 0, file
        assert again.refused.keys() == again.first_refusals.keys(), file
    assert (in_log(store), len(rows(store, dead_letters))) == (events, letters)
    assert (events, letters) == FIGURES[name]
