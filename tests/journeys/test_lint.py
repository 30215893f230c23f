"""What is wrong with a folder of definitions is told with its file, its line and a way to mend it."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from channels.render import Renderer
from journeys.assets import asset
from journeys.cli.online import dead_links
from journeys.definitions import Fault, Refused, parse
from journeys.lint import lint
from journeys.mending import line_of, mend
from journeys.reading import located, read_folder
from journeys.texts import reuse
from plays.content import Block, Content

SIGNAL = "- key: one\n  when: {count: a, gte: 1}\n"


def faults_in(folder: Path, files: dict[str, str]) -> list[Fault]:
    """All that `journeys lint` would tell of these files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    try:
        drafts = read_folder(folder)
    except Refused as refused:
        return refused.faults
    return [located(fault, folder) for fault in lint(drafts, Renderer.from_dir(asset("templates")))]


def the_fault(folder: Path, files: dict[str, str]) -> Fault:
    (fault,) = faults_in(folder, files)
    return fault


def test_a_word_nobody_knows_is_found_on_its_line_with_the_one_that_was_meant(tmp_path: Path) -> None:
    text = SIGNAL + "- key: two\n  severty: info\n  when: {count: a, gte: 1}\n"
    fault = the_fault(tmp_path, {"signals/all.yaml": text})
    assert (fault.file, fault.line, fault.pointer) == ("signals/all.yaml", 4, "/severty")
    assert "did you mean 'severity'" in fault.mend
    assert str(fault).startswith("signals/all.yaml:4: /severty: ")


def test_a_word_too_many_in_a_condition_is_found_where_it_stands(tmp_path: Path) -> None:
    text = "- key: one\n  when:\n    all:\n      - {count: a, gte: 1}\n      - {count: b, inn: 7d, gte: 1}\n"
    fault = the_fault(tmp_path, {"signals/all.yaml": text})
    assert (fault.line, fault.pointer.rpartition("/")[2]) == (5, "inn")
    assert "did you mean 'in'" in fault.mend


@pytest.mark.parametrize(
    ("role", "blocking", "mend"),
    [
        ("champon", True, "did you mean 'champion'?"),
        ("buyer", False, "write a text for it, or see that people have this role"),
    ],
)
def test_a_role_nothing_else_speaks_of_is_found_and_refused_where_it_is_a_slip(
    role: str, blocking: bool, mend: str, tmp_path: Path
) -> None:
    fault = the_fault(tmp_path, addressed_to(role))
    assert (fault.blocking, fault.mend) == (blocking, mend)
    assert f"the role {role!r}" in fault.detail


@pytest.mark.parametrize("role", ["champion", "user", "buyer"])
def test_roles_everybody_has_and_those_a_condition_asks_for_are_known(role: str, tmp_path: Path) -> None:
    asked = {"segments/s.yaml": f"key: unled\nenter: {{role: {role}, vacant: true}}\n"}
    assert not faults_in(tmp_path, addressed_to(role) | asked)


def addressed_to(role: str) -> dict[str, str]:
    """A play that writes to this role."""
    return {
        "plays/p.yaml": f"key: p\ntrigger: {{event: x}}\nsteps: [{{message: {{to: {role}, content: hello}}}}]\n",
        "content/hello.md": "---\nkey: hello\nchannel: email\nsubject: Hello\nclass: service\n---\nHello.\n",
    }


def test_what_is_missing_is_told_at_its_definition(tmp_path: Path) -> None:
    fault = the_fault(tmp_path, {"segments/s.yaml": "key: risk\nname: At risk\n"})
    assert (fault.line, fault.mend) == (1, "add `enter: …`")


def test_a_file_that_is_no_yaml_is_told_with_the_line_it_breaks_on(tmp_path: Path) -> None:
    fault = the_fault(tmp_path, {"signals/broken.yaml": "- key: one\n  when: {count: a\n"})
    assert (fault.file, fault.line) == ("signals/broken.yaml", 3)


def test_a_key_that_stands_twice_is_told_where_it_stands_again(tmp_path: Path) -> None:
    fault = the_fault(tmp_path, {"signals/a.yaml": SIGNAL, "signals/b.yaml": "# more\n" + SIGNAL})
    assert (fault.file, fault.line, fault.detail) == ("signals/b.yaml", 2, "stands in signals/a.yaml too")


def test_a_play_of_a_signal_nobody_defined_names_the_nearest(tmp_path: Path) -> None:
    play = "key: p\ntrigger:\n  signal: onne\nsteps: [{end: {}}]\n"
    fault = the_fault(tmp_path, {"signals/a.yaml": SIGNAL, "plays/p.yaml": play})
    assert (fault.file, fault.line, fault.blocking) == ("plays/p.yaml", 3, True)
    assert fault.mend == "did you mean 'one'? Else define it in signals/"


def test_a_step_without_its_content_is_found_by_its_id(tmp_path: Path) -> None:
    steps = "steps:\n  - wait: {for: 1d}\n  - id: call\n    task: {to: csm, title: Call, content: adoption}\n"
    play = f"key: p\ntrigger: {{event: go}}\n{steps}"
    fault = the_fault(tmp_path, {"plays/p.yaml": play})
    assert (fault.line, fault.mend) == (5, "define it in content/")


def test_a_condition_on_a_signal_nobody_defined_is_a_remark_that_blocks_nothing(tmp_path: Path) -> None:
    segment = "key: risk\nenter:\n  any:\n    - {signal: one}\n    - {signal: onee}\n"
    fault = the_fault(tmp_path, {"signals/a.yaml": SIGNAL, "segments/s.yaml": segment})
    assert (fault.line, fault.pointer, fault.blocking) == (5, "/enter/any/1/signal", False)


def test_a_group_beside_a_journey_key_is_a_remark_since_the_second_invoice_would_wait_for_the_first(
    tmp_path: Path,
) -> None:
    play = (
        "key: p\ngroup: money\njourney_key: event.data.invoice\ntrigger: {event: ping}\nsteps: [{end: {}}]\n"
    )
    fault = the_fault(tmp_path, {"plays/p.yaml": play})
    assert (fault.line, fault.pointer, fault.blocking) == (2, "/group", False)


def test_a_field_called_signal_in_the_data_of_events_is_no_signal(tmp_path: Path) -> None:
    text = "- key: one\n  when: {count: radio.heard, where: {signal: weak}, gte: 1}\n"
    assert faults_in(tmp_path, {"signals/a.yaml": text}) == []


def test_a_text_that_breaks_is_told_with_its_file(tmp_path: Path) -> None:
    letter = "---\nkey: hello\nchannel: email\nsubject: Hello\n---\nDear {{ contact.name\n"
    fault = the_fault(tmp_path, {"content/hello.md": letter})
    assert (fault.file, fault.line is not None) == ("content/hello.md", True)


def test_front_matter_is_counted_from_the_top_of_the_file(tmp_path: Path) -> None:
    letter = "---\nkey: hello\nchannel: email\nsubject: Hello\ntopik: news\n---\nHi.\n"
    fault = the_fault(tmp_path, {"content/hello.md": letter})
    assert (fault.line, "topic" in fault.mend) == (5, True)


@pytest.mark.parametrize(
    ("pointer", "line"),
    [
        ("", 2),
        ("/when", 3),
        ("/when/all/1", 5),
        ("/when/all/1/nothing", 5),
        ("/nothing/at/all", 2),
        ("step x", 2),
    ],
)
def test_a_pointer_leads_to_the_nearest_line(pointer: str, line: int) -> None:
    text = "# note\nkey: one\nwhen:\n  all:\n    [{count: a},\n     {count: b}]\n".replace(
        "[{count: a},\n     ", "[{count: a}, "
    )
    assert line_of(text, None, "one", pointer) == line


def test_where_nothing_can_be_read_there_is_no_line() -> None:
    assert line_of("", None, "one", "/when") is None
    assert line_of("{", None, "one", "/when") is None


@pytest.mark.parametrize(
    "body", [{"key": 7, "when": {"tag": "x"}}, {"key": "x", "when": {"tag": "x"}, "says": "s"}]
)
def test_a_value_of_another_type_says_what_to_write(body: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        parse("signals", body)
    assert refused.value.faults[0].mend.startswith("write ")


def test_what_explains_itself_needs_no_more() -> None:
    assert mend({"type": "value_error", "loc": ("when",), "msg": ""}, {}) == ""


def test_a_finding_in_a_text_has_the_line_of_the_file_it_stands_on(tmp_path: Path) -> None:
    letter = "---\nkey: hello\nchannel: email\nsubject: Hello\n---\n\nHi.\n\nWe noticed it.\n"
    fault = the_fault(tmp_path, {"content/hello.md": letter})
    assert (fault.line, fault.pointer, fault.text_line) == (9, "/body", 3)


def test_a_fact_without_its_word_is_found_where_it_is_declared(tmp_path: Path) -> None:
    facts = "facts:\n  x:\n    source: account.plan\n"
    letter = f"---\nkey: hello\nchannel: in_app\n{facts}---\n{{{{ x }}}}\n"
    fault = the_fault(tmp_path, {"content/hello.md": letter})
    assert (fault.line, fault.blocking) == (5, True)


def test_a_block_only_tasks_use_may_show_what_a_customer_may_not_see(tmp_path: Path) -> None:
    block = "---\nkey: worth\nslot: value\nfacts: {account.ltv: drop}\n---\nWorth {{ account.ltv }}.\n"
    brief = "---\nkey: brief\nchannel: task\nblocks: {value: [worth]}\n---\nCall.\n"
    assert faults_in(tmp_path, {"blocks/worth.md": block, "content/brief.md": brief}) == []
    letter = brief.replace("brief", "letter").replace("task", "in_app")
    fault = the_fault(tmp_path, {"content/letter.md": letter})
    assert (fault.file, "surveillance" in fault.detail) == ("blocks/worth.md", True)


def test_a_step_may_not_send_what_calls_itself_marketing_as_anything_else(tmp_path: Path) -> None:
    letter = "---\nkey: news\nchannel: email\nsubject: News\nclass: marketing\n---\nNews.\n"
    play = "key: p\ntrigger: {event: go}\nsteps:\n  - id: m\n    message: {to: user, content: news, class: transactional}\n"
    fault = the_fault(tmp_path, {"content/news.md": letter, "plays/p.yaml": play})
    assert (fault.file, fault.line) == ("plays/p.yaml", 4)
    assert faults_in(tmp_path, {"content/news.md": letter.replace("class: marketing\n", "")}) == []


def test_reuse_counts_the_pieces_that_contents_of_two_keys_share() -> None:
    def content(key: str, *blocks: str, **said: Any) -> Content:
        return Content(
            key=key, channel=said.pop("channel", "in_app"), body="b", blocks={"value": list(blocks)}, **said
        )

    blocks = {key: Block(key=key, slot="value", body="x") for key in ("both", "one", "idle")}
    texts = [content("a", "both", "one"), content("a", "one", role="admin"), content("b", "both")]
    told = reuse([*texts, content("t", "one", channel="task")], blocks)
    assert (told["pieces"], told["shared"], told["contents"]) == (4 + 3, 2, 3)
    assert told["percent"] == round(200 / 7, 1)
    assert told["blocks"] == {"both": 2, "idle": 0, "one": 1}
    assert reuse([], {})["percent"] is None


def test_on_request_fixed_links_are_asked_and_those_with_a_value_are_not() -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(f"{request.method} {request.url.path}")
        if request.url.path == "/silent":
            raise httpx2.ConnectError("refused")
        if request.method == "HEAD" and request.url.path == "/old":
            return httpx2.Response(405)
        return httpx2.Response({"/gone": 410, "/old": 404, "/shut": 403}.get(request.url.path, 200))

    paths = ("fine", "gone", "old", "shut", "silent", "gone", "{{ account.id }}")
    body = "\n\n".join(f"[x](https://www.ietf.org/{path})" for path in paths)
    draft = parse("content", {"key": "a", "channel": "in_app", "body": body})
    with httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
        told = [(fault.text_line, fault.detail.split()[-1]) for fault in dead_links([draft], client)]
    assert told == [(3, "410"), (5, "404"), (9, "(ConnectError)"), (11, "410")]
    assert asked == ["HEAD /fine", "HEAD /gone", "HEAD /old", "GET /old", "HEAD /shut", "HEAD /silent"]


def test_steps_that_go_round_without_a_wait_are_told_in_order(tmp_path: Path) -> None:
    text = "key: spin\ntrigger: {event: go}\nsteps:\n  - {id: top, update: {attributes: {x: 1}}}\n  - {goto: top}\n"
    fault = the_fault(tmp_path, {"plays/spin.yaml": text})
    assert fault.detail == "these steps go round without a wait: top → 2 → top"
    assert fault.blocking


def test_an_offer_that_is_not_defined_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    files = {
        "plays/save.yaml": "key: save\ntrigger: {event: go}\nsteps: [{offer: {offers: [hafl], to: admin, content: save}}]\n",
        "offers/half.yaml": "- {key: half, kind: discount, value: 50}\n",
        "content/save.md": "---\nkey: save\nchannel: email\nsubject: Stay\nclass: service\n---\nStay.\n",
    }
    fault = the_fault(tmp_path, files)
    assert fault.detail == "there is no offer 'hafl'"
    assert "half" in fault.mend
