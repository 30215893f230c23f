"""Content and facts to what a person sees: e-mail (HTML and plain text), in-app message, task.

`Renderer.render` is a function of plain data. Templates, Markdown and the frame's inlined CSS are worked out once
and kept by content; a message then costs filling in its values (performance, lessons 6). No value ever reaches
the Markdown parser or the frame (prose.py), and no template reaches Python (grammar.py, sandbox.py).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import css_inline
from jinja2 import Environment, StrictUndefined, meta
from markupsafe import Markup

from channels.frame import Frame, palette
from channels.grammar import RenderFailed
from channels.headers import BadHeader, guard
from channels.prose import Form, Prose, convert, holes
from channels.sandbox import MAX_OUTPUT, Program, compile_source, reads

__all__ = ["Frame", "RenderFailed", "Rendered", "Renderer", "Source", "reads"]

ChannelName: TypeAlias = Literal["email", "in_app", "task", "invitation"]
MAX_SUBJECT = 500
"""Characters of a rendered subject; the linter asks for 78."""

_FRAMED: frozenset[ChannelName] = frozenset({"email", "invitation"})
_KEPT_TEMPLATES = 512
_KEPT_FORMS = 256  # a framed one holds about 20 kB
_BOXED = re.compile(r'<p class="(button|note)">(.*?)</p>', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Source:
    """What was written: `subject` and `body` are Jinja2, the body Markdown around it. `locale` is BCP 47."""

    subject: str
    body: str
    channel: ChannelName = "email"
    locale: str = "en"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What is sent or shown. `html` is a whole document for e-mail, a sanitised fragment in-app and in tasks."""

    subject: str
    text: str
    html: str | None


@dataclass(frozen=True, slots=True)
class _Forms:
    """HTML and text of one content in one frame, waiting for values."""

    html: Form
    text: Form


class Renderer:
    """Renders content; thread-safe, and cheap from the second message of a content on."""

    def __init__(self, frame_html: str, frame_text: str) -> None:
        """The two templates of the e-mail frame (trusted Jinja2, see templates/email)."""
        self.lacking = _lacking(frame_html) | _lacking(frame_text)
        """What marketing mail must show and the frame does not read."""
        self._frame_html = _trusted(autoescape=True).from_string(frame_html)
        self._frame_text = _trusted(autoescape=False).from_string(frame_text)
        self._inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)
        self._program = lru_cache(_KEPT_TEMPLATES)(compile_source)
        self._forms = lru_cache(_KEPT_FORMS)(self._make_forms)

    @classmethod
    def from_dir(cls, templates: Path) -> "Renderer":
        """Reads `email/frame.html` and `email/frame.txt` below `templates`. Raises OSError."""
        email = templates / "email"
        return cls((email / "frame.html").read_text("utf-8"), (email / "frame.txt").read_text("utf-8"))

    def check(self, source: Source) -> tuple[str, ...]:
        """Whether this may be saved; the dotted facts it reads. Raises RenderFailed with what to mend."""
        guarded(source.subject.strip())
        facts = (*self._program(source.subject.strip()).reads, *self._program(source.body).reads)
        return tuple(dict.fromkeys(facts))

    def render(self, source: Source, context: Mapping[str, Any], frame: Frame | None = None) -> Rendered:
        """One message from plain data: dicts, lists, text, numbers, dates, None.

        E-mail and invitations need a frame. Raises RenderFailed, whose reason is a message's `failed:<reason>`.
        """
        subject = self._subject(source, context)
        markdown, values = self._program(source.body).render(context, slotted=True)
        if source.channel not in _FRAMED:
            return self._filled(subject, self._forms(markdown, len(values), None, source.locale), values)
        if frame is None:
            raise ValueError(f"{source.channel} is rendered into a frame")
        frame.require_way_out()
        values += [subject, frame.unsubscribe_url or "", frame.preferences_url or ""]
        return self._filled(
            subject, self._forms(markdown, len(values), _impersonal(frame), source.locale), values
        )

    def _subject(self, source: Source, context: Mapping[str, Any]) -> str:
        program: Program = self._program(source.subject.strip())
        text, _ = program.render(context, slotted=False)
        return guarded(" ".join(text.split()))

    def _filled(self, subject: str, forms: _Forms, values: list[str]) -> Rendered:
        html, text = forms.html.fill(values), forms.text.fill(values)
        if len(html) > MAX_OUTPUT:
            raise RenderFailed("too_large", f"the message is over {MAX_OUTPUT} characters")
        return Rendered(subject, text, html)

    def _make_forms(self, markdown: str, values: int, frame: Frame | None, locale: str) -> _Forms:
        expected = values if frame is None else values - len(_FRAME_HOLES)
        if holes(markdown) != expected:
            raise RenderFailed("bad_template", "a reserved word (jvslot…) was put together in the text")
        prose = convert(markdown)
        if frame is None:
            return _Forms(Form(prose.html, html=True), Form(prose.text + "\n", html=False))
        names = _frame_names(frame, expected, locale)
        return _Forms(self._framed_html(prose, names), self._framed_text(prose, names))

    def _framed_html(self, prose: Prose, names: dict[str, Any]) -> Form:
        # Mail programs know a box as a table's cell.
        body = _BOXED.sub(r'<table role="presentation" class="\1"><tr><td>\2</td></tr></table>', prose.html)
        body = body.replace("<table>", '<table class="grid">')
        # The words of prose.py are letters and digits: escaping and inlining leave them alone.
        page = self._frame_html.render(names, body=Markup(body), summary=prose.summary)  # noqa: S704 - sanitised
        return Form(self._inliner.inline(page), html=True)

    def _framed_text(self, prose: Prose, names: dict[str, Any]) -> Form:
        return Form(self._frame_text.render(names, body=prose.text), html=False)


_WAY_OUT = frozenset({"unsubscribe_url", "address"})


def _lacking(frame: str) -> frozenset[str]:
    """Of what marketing mail must show (CAN-SPAM, RFC 8058) that which a frame's template never reads."""
    return _WAY_OUT - meta.find_undeclared_variables(_trusted(autoescape=True).parse(frame))


_FRAME_HOLES = ("subject", "unsubscribe_url", "preferences_url")


_COLOURS = ("accent", "on_accent", "link", "link_dark", "tint", "tint_dark")


def _frame_names(frame: Frame, first: int, locale: str) -> dict[str, Any]:
    """What frame.html and frame.txt are given; the three that differ per recipient as holes from `first` on."""
    colours = palette(frame.colour)
    return {
        "lang": locale,
        "subject": f"jvslot{first}e",
        "unsubscribe_url": f"jvurl{first + 1}e" if frame.unsubscribe_url else None,
        "preferences_url": f"jvurl{first + 2}e" if frame.preferences_url else None,
        **{name: getattr(frame, name) for name in ("sender", "address", "reason")},
        **{name: getattr(frame, name) for name in ("unsubscribe_label", "preferences_label")},
        **{name: getattr(colours, name) for name in _COLOURS},
    }


def _impersonal(frame: Frame) -> Frame:
    """The frame as a cache key: that there are URLs matters, not which."""
    return replace(
        frame,
        unsubscribe_url="set" if frame.unsubscribe_url else None,
        preferences_url="set" if frame.preferences_url else None,
    )


def guarded(subject: str) -> str:
    """A subject that may stand in a header. Raises RenderFailed("bad_subject")."""
    if len(subject) > MAX_SUBJECT:
        raise RenderFailed(
            "bad_subject", f"a subject has at most {MAX_SUBJECT} characters, not {len(subject)}"
        )
    try:
        return guard("Subject", subject)
    except BadHeader as problem:
        raise RenderFailed("bad_subject", str(problem)) from None


def _trusted(*, autoescape: bool) -> Environment:
    """For our own frame; without escaping only for its plain text."""
    return Environment(autoescape=autoescape, undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701
