"""`journeys backtest`: a table for people, JSON for machines, one line for what makes no sense."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from backtest.worlds import CANCELLED, SPIKE, customer
from builders import START
from commands import SECRET, Run, Service, one_line
from journeys.bootstrap import Parts
from journeys.definitions import parse
from journeys.settings import Settings
from journeys.store import bulk
from journeys.store.outcomes import event_row
from journeys.store.tables import events
from signals.event import Event
from signals.instant import DAY

AGAINST = ["--outcome", CANCELLED, "--among", "everybody"]


def remember(made: Parts) -> None:
    """A draft of a signal, and a history in which it knows something."""
    histories = [customer(f"r{n}", spikes=[30], cancels=[60]) for n in range(40)]
    histories += [customer(f"o{n}") for n in range(160)]
    histories.append([Event("last", "test", "x", START + 400 * DAY, "zz", None, {}, START + 400 * DAY)])
    rows = [event_row(event, event.account or "", True) for mine in histories for event in mine]
    with made.database.write() as connection:
        bulk.insert(connection, events, rows)
    made.library.put([parse("signals", SPIKE)], START)


@pytest.fixture
def tried(migrated: Run) -> Run:
    """Commands in a folder whose database remembers."""
    made = Parts(Settings(database_url="sqlite:///journeys.db", secret=SECRET), durable=False)
    remember(made)
    made.close()
    return migrated


def test_the_table_says_how_often_the_signal_was_right_and_what_chance_gives(
    tried: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    said = tried("backtest", "spike", *AGAINST)
    assert said.status == 0, said.err
    assert re.search(
        r"^361 events of 201 accounts, 2026-03-02 to 2027-04-06 \(.* events a second\)$",
        said.out,
        re.MULTILINE,
    )
    assert re.search(r"^spike +40 .* 100\.0 % \(91\.\d–100\.0\) .* × 5\.0", said.out, re.MULTILINE)
    assert "Chance: an outcome follows" in said.out
    assert tried("backtest", "spike").out.splitlines()[2].startswith("Firings")


def test_the_same_as_json(tried: Run) -> None:
    told = tried("backtest", "spike", *AGAINST, "--within", "60d", "--from", "2026-03-05", "--json").body
    assert (told["within"], told["from"]) == ("60d", "2026-03-05T00:00:00Z")
    assert told["rows"][0]["precision"]["value"] == 1
    assert told["events_per_second"] > 0


def test_where_narrows_the_outcome(tried: Run) -> None:
    told = tried("backtest", "spike", *AGAINST, "--where", "reason=price", "--json").body
    assert told["outcome"] == {"type": CANCELLED, "where": {"reason": "price"}}
    assert told["outcomes"] == 0


def test_the_best_setting_of_a_sweep_is_offered_and_kept_where_asked_for(
    tried: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    said = tried("backtest", "spike", *AGAINST, "--sweep", "when.gte=2..4")
    assert re.search(r"^as written +40", said.out, re.MULTILINE)
    assert re.search(r"^when\.gte = 4 +0 .* not shown", said.out, re.MULTILINE)
    assert "when.gte = 2; --save-draft keeps it as a draft." in said.out
    kept = tried("backtest", "spike", *AGAINST, "--sweep", "when.gte=2..4", "--save-draft")
    assert "when.gte = 2; kept as version 2." in kept.out


def test_a_folder_stands_in_for_what_is_stored(tried: Run, tmp_path: Path) -> None:
    """Also a milestone of the shipped library: the signal stays as it is, what it stands on is mine."""
    mine = tmp_path / "mine"
    mine.mkdir()
    always: dict[str, Any] = {"key": "activated", "when": {"count": "product.login", "gte": 1}}
    (mine / "milestones.yaml").write_text(yaml.safe_dump([always]))
    shipped, changed = (
        tried("backtest", "stalled_adoption", "--json", *more).body["rows"][0]["firings"]
        for more in ([], ["--definitions", "mine"])
    )
    assert (shipped, changed) == (200, 0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "there is no signal 'nowhere'"),
        (["spike", "rescue-stalled-adoption"], "rescue-stalled-adoption is a play"),
        (["rescue-stalled-adoption", "spike"], "is a play: it is back-tested by itself"),
        (["rescue-stalled-adoption", "--sweep", "priority=1..2"], "--sweep is of a signal"),
        (["spike", "--within", "soon"], "--within: 'soon' is not a duration"),
        (["spike", "--to", "teatime"], "--to: 'teatime'"),
        (["spike", "--to", "2020-01-01", "--from", "2021-01-01"], "ends before it begins"),
        (["spike", "--among", "nobody"], "--among takes a condition"),
        (["spike", "--among", "{nonsense: 1}"], "--among: not a condition"),
        (["spike", "--among", "{"], "--among is not YAML"),
        (["spike", "--outcome", "x", "--where", "reason"], "write FIELD=VALUE"),
        (["spike", "--where", "reason=x"], "--where needs --outcome"),
        (["spike", "--save-draft"], "--save-draft needs --sweep"),
        (["spike", "--sweep", "when.gte"], "write PATH=a..b"),
        (["spike", "stalled_adoption", "--sweep", "when.gte=1..2"], "a sweep is of one signal"),
    ],
)
def test_a_question_that_makes_no_sense_is_one_line(tried: Run, words: list[str], told: str) -> None:
    said = tried("backtest", *words)
    assert (said.status, said.out) == (1, "")
    assert one_line(said.err)
    assert told in said.err


def test_a_database_without_history_says_how_to_get_some(migrated: Run) -> None:
    said = migrated("backtest", "ticket_spike")
    assert said.status == 1
    assert "journeys events import" in said.err


def test_a_running_service_answers_the_same(run: Run, service: Service, tmp_path: Path) -> None:
    remember(service.parts)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "milestones.yaml").write_text("[{key: m, when: {count: x, gte: 1}}]\n")
    words = ["backtest", "spike", *AGAINST, "--sweep", "when.gte=2..3", "--definitions", "mine", "--json"]
    told = run(*words)
    assert told.status == 0, told.err
    assert [row["followed"] for row in told.body["rows"]] == [40, 40, 40]
    assert run("backtest", "nowhere").err.count("there is no signal") == 1


def test_the_tables_say_what_a_play_would_have_done(tried: Run) -> None:
    said = tried("backtest", "rescue-stalled-adoption", "--outcome", CANCELLED)
    assert said.status == 0, said.err
    assert "rescue-stalled-adoption, beside no other play." in said.out
    for title in ("Journeys", "Not started, by reason", "Tasks", "Messages by end", "Starts against"):
        assert re.search(rf"^{title}", said.out, re.MULTILINE), said.out
    assert tried("backtest", "rescue-stalled-adoption", "--json").body["journeys"]["candidates"] == 200


def test_a_running_service_tries_plays_too(run: Run, service: Service) -> None:
    remember(service.parts)
    told = run("backtest", "rescue-stalled-adoption", "--json")
    assert told.status == 0, told.err
    assert told.body["journeys"]["candidates"] == 200
