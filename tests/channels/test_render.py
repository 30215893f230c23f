"""From Markdown and facts to what a person sees (semantics §6; guarantees B63-B66, XSS)."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.frame import Frame, palette
from channels.render import Rendered, Renderer, RenderFailed, Source

TEMPLATES = Path(__file__).parents[2] / "templates"
RENDERER = Renderer.from_dir(TEMPLATES)
FRAME = Frame(
    "Example Inc.",
    "1 Example Street, 12345 Exampletown",
    unsubscribe_url="https://example.com/p/token-1?a=1&b=2",
    preferences_url="https://example.com/p/token-1",
    reason="You are an admin at Example.",
)


def in_app(body: str, context: Any = None, subject: str = "S") -> Rendered:
    return RENDERER.render(Source(subject, body, "in_app"), context or {})


def email(body: str, context: Any = None, frame: Frame = FRAME, subject: str = "S") -> Rendered:
    return RENDERER.render(Source(subject, body), context or {}, frame)


def failure(body: str, context: Any = None, subject: str = "S") -> tuple[str, str]:
    with pytest.raises(RenderFailed) as failed:
        in_app(body, context, subject)
    return failed.value.reason, failed.value.detail


class _Seen(HTMLParser):
    """Every tag and attribute of a document."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


# --- what it looks like ---


def test_one_source_gives_html_and_readable_text() -> None:
    body = (
        "# Hello\n\nHi **{{ name }}**, see [the guide](https://example.com/g).\n\n"
        "- one\n- two\n  - deep\n\n3. three\n4. four\n\n> quoted\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n---\n\n    code\n\n<https://example.com/x> <ann@example.com>"
    )
    shown = in_app(body, {"name": "Ann"})
    assert shown.text == (
        "Hello\n\nHi Ann, see the guide (https://example.com/g).\n\n- one\n- two\n  - deep\n\n3. three\n4. four\n\n"
        "> quoted\n\na | b\n1 | 2\n\n----\n\n    code\n\nhttps://example.com/x ann@example.com\n"
    )
    assert shown.html is not None
    assert "<strong>Ann</strong>" in shown.html
    assert '<a href="https://example.com/g" rel="noopener noreferrer">the guide</a>' in shown.html


def test_a_link_alone_in_its_paragraph_can_be_a_button() -> None:
    body = "[Book a call](https://example.com/call){.button}"
    assert in_app(body).html == (
        '<p class="button"><a href="https://example.com/call" class="button" rel="noopener noreferrer">'
        "Book a call</a></p>\n"
    )
    assert in_app(body).text == "Book a call: https://example.com/call\n"
    assert 'class="button" role="presentation"' in (email(body).html or "")


def test_an_email_is_a_whole_page_with_inlined_style_and_dark_mode() -> None:
    html = email("Hi").html or ""
    assert html.startswith("<!DOCTYPE html>")
    assert '<td class="content" style="' in html
    assert "prefers-color-scheme: dark" in html
    assert "max-width: 600px" in html
    assert 'lang="en"' in html
    assert "jvslot" not in html


def test_marketing_mail_names_sender_address_and_both_ways_out() -> None:
    mail = email("Hi")
    seen = _Seen(mail.html or "")
    links = [value for name, value in seen.attributes if name == "href"]
    assert links == [FRAME.unsubscribe_url, FRAME.preferences_url]
    for words in ("Example Inc.", "1 Example Street", "You are an admin at Example."):
        assert words in seen.text
        assert words in mail.text
    assert f"Unsubscribe: {FRAME.unsubscribe_url}" in mail.text


@pytest.mark.parametrize("lacking", [{"unsubscribe_url": None}, {"address": " "}])
def test_marketing_mail_without_a_way_out_is_refused(lacking: dict[str, Any]) -> None:
    with pytest.raises(RenderFailed, match="no_unsubscribe"):
        email("Hi", frame=replace(FRAME, **lacking))
    assert email("Hi", frame=replace(FRAME, purpose="service", **lacking)).html


def test_recipients_share_the_work_but_not_the_links() -> None:
    other = replace(FRAME, unsubscribe_url="https://example.com/p/token-2")
    first, second = email("Hi {{ n }}", {"n": "A"}), email("Hi {{ n }}", {"n": "B"}, other)
    assert "token-2" not in (first.html or "") + first.text
    assert "p/token-1?a" not in (second.html or "") + second.text
    assert "Hi B" in second.text


def test_a_mail_needs_a_frame() -> None:
    with pytest.raises(ValueError, match="frame"):
        RENDERER.render(Source("S", "Hi"), {})


@pytest.mark.parametrize("colour", ["#000000", "#ffffff", "#ffd400", "#1d5fd1", "#808080", "#ff0000"])
def test_any_brand_colour_can_be_read(colour: str) -> None:
    made = palette(colour)
    assert made.accent == colour
    for text, ground in ((made.on_accent, made.accent), (made.link, "#ffffff"), (made.link_dark, "#1a2029")):
        assert _contrast(text, ground) >= 4.4


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_a_colour_cannot_carry_css() -> None:
    with pytest.raises(ValueError, match="#rrggbb"):
        replace(FRAME, colour="red;} body{")


# --- facts ---


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("{{ account.name }}", "account.name"),
        ("{{ event.data.ticket | upper }}", "event.data.ticket"),
        ("{{ nobody.knows.this }}", "nobody.knows.this"),
        ("{{ account.empty }}", "account.empty"),
        ("{{ account['name'] ~ 'x' }}", "account.name"),
        ("{% for x in account.list %}{{ x }}{% endfor %}", "account.list"),
    ],
)
def test_a_missing_fact_is_named(body: str, name: str) -> None:
    assert failure(body, {"account": {"empty": None}, "event": {"data": {}}}) == ("missing_fact", name)


def test_a_subject_misses_facts_too() -> None:
    assert failure("Hi", {}, "{{ account.name }}") == ("missing_fact", "account.name")


def test_check_answers_what_is_read() -> None:
    source = Source("{{ a.b }}", "{{ a.b }} {{ c.d.e | default('x') }}{% for i in l %}{{ i.x }}{% endfor %}")
    assert RENDERER.check(source) == ("a.b", "c.d.e", "l")


# --- values are never markup ---

HOSTILE = [
    "[x](javascript:alert(1))",
    "<b>bold</b>",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "**stars** _under_ `tick` # hash",
    "\n\n# heading\n\n- list",
    "![i](https://evil.example.org/x.png)",
    "&lt;b&gt; &amp;",
    "jvslot0e jvurl1e",
    '" onmouseover="alert(1)',
    "{{ 7 * 7 }} {% raw %}",
    "https://evil.example.org",
    "\u202etxt.exe\u2028\x00\x1b[2J",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_name_is_only_ever_a_name(value: str) -> None:
    body = "Hi **{{ name }}**\n\n- {{ name }}\n\n| {{ name }} | x |\n|---|---|\n| y | `{{ name }}` |"
    harmless, hostile = in_app(body, {"name": "Ann"}), in_app(body, {"name": value})
    was, seen = _Seen(harmless.html or ""), _Seen(hostile.html or "")
    assert (seen.tags, seen.attributes) == (was.tags, was.attributes)
    assert hostile.text.count("\n") == harmless.text.count("\n")


@given(st.text(max_size=60))
def test_no_text_at_all_becomes_markup(value: str) -> None:
    body = "Hi {{ name }}! *{{ name }}*\n\n1. {{ name }}"
    assert (
        _Seen(email(body, {"name": value}).html or "").tags
        == _Seen(email(body, {"name": "Ann"}).html or "").tags
    )
    seen = _Seen(in_app("{{ name }}", {"name": value}).html or "")
    assert seen.tags == ["p"]


@pytest.mark.parametrize(
    "written",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<style>@import url(https://evil.example.org)</style>",
        "<meta http-equiv=refresh content=0>",
        "<a href='javascript:alert(1)'>x",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:x)",
        "[x](&#106;avascript:alert(1))",
        "![x](https://example.com/pixel.png)",
        "<div style='x'>",
    ],
)
def test_raw_html_and_dangerous_links_in_the_text_itself_stay_text(written: str) -> None:
    seen = _Seen(in_app(written).html or "")
    assert set(seen.tags) <= {"p", "a"}
    assert all(value.startswith("https://example.com/") for name, value in seen.attributes if name == "href")
    assert not {name for name, _ in seen.attributes} - {"href", "rel"}


@pytest.mark.parametrize(
    ("body", "url", "href"),
    [
        ("[x]({{ u }})", "https://example.com/?a=1&b=2", "https://example.com/?a=1&b=2"),
        ("[x]({{ u }}/more)", "https://example.com", "https://example.com/more"),
        ("[x]({{ u }})", "https://example.com/ü", "https://example.com/%C3%BC"),
        ("[x](https://example.com/{{ u }})", "a b/c?d&e", "https://example.com/a%20b/c%3Fd%26e"),
        ("[x](https://example.com/?q={{ u }})", "a&b=c#d", "https://example.com/?q=a%26b%3Dc%23d"),
        ("[x](https://{{ u }}.example.com/)", "acme", "https://acme.example.com/"),
        (
            "[x](mailto:{{ u }}?subject={{ u }})",
            "ann@example.com",
            "mailto:ann@example.com?subject=ann%40example.com",
        ),
    ],
)
def test_a_value_in_a_link_is_encoded_for_where_it_stands(body: str, url: str, href: str) -> None:
    assert ("href", href) in _Seen(in_app(body, {"u": url}).html or "").attributes


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("[x]({{ u }})", "javascript:alert(1)"),
        ("[x]({{ u }})", "//evil.example.org"),
        ("[x]({{ u }})", "https://example.com/ <b>"),
        ("[x](https://{{ u }}.example.com)", "evil.example.org/"),
        ("[x](https://{{ u }}.example.com)", "user@evil"),
        ("[x](https://example.com{{ u }})", ".evil.example.org"),
        ("[x](/relative)", ""),
        ("[x](ftp://example.com)", ""),
        ("[x]()", ""),
    ],
)
def test_a_link_that_leads_elsewhere_or_nowhere_fails(body: str, value: str) -> None:
    assert failure(body, {"u": value})[0] == "bad_link"


# --- subjects and sizes ---


def test_a_subject_is_one_clean_line() -> None:
    assert (
        in_app("x", {"n": "Ann\r\nBcc: eve@example.org\u2028"}, " Hi  {{ n }}\n").subject
        == "Hi Ann Bcc: eve@example.org"
    )


@pytest.mark.parametrize("value", ["=?UTF-8?Q?=0A?=", "x" * 501])
def test_a_subject_that_may_not_stand_in_a_header_fails(value: str) -> None:
    assert failure("x", {"n": value}, "Hi {{ n }}")[0] == "bad_subject"


@pytest.mark.parametrize("subject", ["a\nBcc: x", "=?utf-8?b?Cg==?=", "x" * 1_000_000, "a\x00b"])
def test_a_bad_subject_is_refused_when_it_is_saved(subject: str) -> None:
    with pytest.raises(RenderFailed, match="bad_subject"):
        RENDERER.check(Source(subject, "x"))


def test_a_result_has_a_cap() -> None:
    assert (
        failure("{% for x in l %}{{ v }}{% endfor %}", {"l": [1] * 100, "v": "x" * 9_000})[0] == "too_large"
    )
    assert failure("{{ v }}", {"v": "&" * 300_000})[0] == "too_large"  # only once it is HTML


def test_a_reserved_word_cannot_be_put_together() -> None:
    assert failure("jv{# #}slot0e")[0] == "bad_template"
    assert failure("jvslot7e")[0] == "bad_template"


def test_a_note_stands_in_a_box_and_a_signature_back_and_marks_are_never_shown() -> None:
    source = Source(
        "s",
        "One.\n\n**Next:** {{ a }} {.note}\n\nYours,  \nus {.sign}\n\n- item {.note}\n\n{% if no %}x{% endif %} {.note}",
    )
    made = RENDERER.render(source, {"a": "{.note}", "no": False}, FRAME)
    assert made.html is not None
    assert made.html.count('class="note"') == 1
    assert made.html.count('class="sign"') == 1
    assert made.text.startswith("One.\n\nNext: {.note}\n\nYours,\nus\n\n- item\n\n-- ")
