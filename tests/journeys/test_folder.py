"""Definitions as files: what is written is read as the very same, whatever it says; people's own files stay theirs."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from journeys.changes import changes
from journeys.definitions import Draft, Refused, parse
from journeys.folder import write_folder
from journeys.reading import read_folder
from journeys.shipped import shipped

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
KEY = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
SCALAR = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT)
WORDS = TEXT.filter(lambda text: text.strip() and text not in ("any", "none"))


def bodies(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(fields)


SIGNALS = bodies(
    key=KEY.filter(lambda key: key[0].isalpha()).map(
        lambda key: key.replace(".", "_").replace("-", "_").lower()
    ),
    when=bodies(attribute=st.just("account.plan")).flatmap(
        lambda one: SCALAR.map(lambda value: {**one, "is": value})
    ),
    says=st.lists(TEXT.map(lambda text: text.replace("{", "")), max_size=3),
)
CONTENT = bodies(key=KEY, channel=st.just("in_app"), subject=TEXT, role=WORDS, body=WORDS)
BLOCKS = bodies(key=KEY, slot=st.sampled_from(["opening", "value"]), body=TEXT)
STAGES = st.lists(bodies(key=st.sampled_from(["new", "old"]), when=st.just({"tag": "on"})), max_size=2)


def parsed(kind: str, body: Any) -> Draft | None:
    """The definition, None where the body makes no sense (templates, keys)."""
    try:
        return parse(kind, body)
    except Refused:
        return None


def told(drafts: list[Draft]) -> dict[tuple[str, str], str]:
    return {(draft.kind, draft.key): draft.hash for draft in drafts}


def again(drafts: list[Draft]) -> dict[tuple[str, str], str]:
    """What is read after it was written."""
    with TemporaryDirectory() as folder:
        write_folder(Path(folder), drafts)
        return told(read_folder(Path(folder)))


@settings(deadline=None)
@given(st.lists(SIGNALS, max_size=3), st.lists(CONTENT, max_size=3), st.lists(BLOCKS, max_size=2), STAGES)
@example(
    [], [{"key": "a", "channel": "in_app", "subject": "x\n---\ny", "role": "a/b", "body": "---\n"}], [], []
)
@example([], [{"key": "a.b", "channel": "in_app", "subject": "1e3", "role": "c", "body": "\r\nx\r"}], [], [])
def test_what_is_written_is_read_as_the_very_same(
    signals: list[Any], contents: list[Any], blocks: list[Any], stages: list[Any]
) -> None:
    given_bodies = [("signals", body) for body in signals] + [("content", body) for body in contents]
    given_bodies += [("blocks", body) for body in blocks] + [("stages", stages)]
    found = [draft for kind, body in given_bodies if (draft := parsed(kind, body)) is not None]
    unique = list({(draft.kind, draft.key.lower()): draft for draft in found}.values())
    assert again(unique) == told(unique)


def test_the_shipped_library_is_written_and_read_as_the_same_and_differs_from_nothing(tmp_path: Path) -> None:
    write_folder(tmp_path, shipped())
    there = read_folder(tmp_path)
    assert told(there) == told(list(shipped()))
    newest = {
        (d.kind, d.key): {"hash": d.hash, "body": d.body, "version": 1, "status": "active"} for d in shipped()
    }
    assert changes(there, newest, activate=True) == []


def signal(key: str, severity: str = "warning") -> Draft:
    return parse("signals", {"key": key, "when": {"tag": "on"}, "severity": severity})


def test_a_file_that_says_the_same_keeps_its_words_and_its_name(tmp_path: Path) -> None:
    (tmp_path / "signals").mkdir()
    mine = tmp_path / "signals" / "mine.yaml"
    mine.write_text(
        "# why\n- {key: a, severity: warning, when: {tag: 'on'}}\n- {key: b, severity: warning, when: {tag: 'on'}}\n"
    )
    assert write_folder(tmp_path, [signal("a"), signal("b")]) == []
    assert mine.read_text().startswith("# why")
    assert [Path(name).name for name in write_folder(tmp_path, [signal("a"), signal("c")])] == ["c.yaml"]


def test_what_changed_is_written_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "signals").mkdir()
    (tmp_path / "signals" / "other_name.yaml").write_text("{key: a, when: {tag: 'on'}}\n")
    write_folder(tmp_path, [signal("a", "critical")])
    assert [path.name for path in (tmp_path / "signals").iterdir()] == ["other_name.yaml"]
    assert yaml.safe_load((tmp_path / "signals" / "other_name.yaml").read_text())["severity"] == "critical"


def test_a_file_of_several_is_not_torn_apart(tmp_path: Path) -> None:
    (tmp_path / "signals").mkdir()
    mine = tmp_path / "signals" / "mine.yaml"
    mine.write_text("- {key: a, when: {tag: 'on'}}\n- {key: b, when: {tag: 'on'}}\n")
    with pytest.raises(Refused, match=r"signals/mine\.yaml.*is said otherwise here"):
        write_folder(tmp_path, [signal("a", "critical")])
    assert "critical" not in mine.read_text()


def test_a_key_that_no_file_system_takes_has_a_name_of_its_own(tmp_path: Path) -> None:
    roles = ["a/b", "a.b", "a%2Fb", "..", "a b", "/" * 90, "/" * 91]
    drafts = [
        parse("content", {"key": "x", "channel": "in_app", "role": role, "body": "hi"}) for role in roles
    ]
    write_folder(tmp_path, drafts)
    assert told(read_folder(tmp_path)) == told(drafts)
    assert len(list((tmp_path / "content").iterdir())) == len(roles)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, float("inf"), float("nan")], ids=str)
def test_a_number_that_json_cannot_hold_is_refused_where_it_stands(number: float) -> None:
    condition = {"all": [{"attribute": "account.plan", "is": number}]}
    with pytest.raises(Refused) as refused:
        parse("signals", {"key": "much", "when": condition})
    (fault,) = refused.value.faults
    assert (fault.key, fault.pointer) == ("much", "/when/all/0/is")
    assert "JSON" in fault.detail
