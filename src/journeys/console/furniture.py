"""The room every page stands in: templates with autoescape on, strict headers, our own few static files."""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from fastapi import Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from journeys.console.spark import share, sparkline
from journeys.console.wording import FILTERS, count, when
from signals.instant import Instant

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of every page: nothing inline, nothing foreign."""

MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
"""Of a rendered mail in its frame: its own inline styles, no script, no request to anyone, an origin of its own."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_PRIVATE = {**_HEADERS, "Cache-Control": "no-store"}
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Furniture:
    """Renders pages. `templates` is the folder that holds `console/`; `has_texts`: there are pages of contents."""

    def __init__(self, templates: Path, clock: Callable[[], Instant], *, has_texts: bool = False) -> None:
        self.clock = clock
        self._static = {path.name: path.read_bytes() for path in (templates / "console" / "static").iterdir()}
        self._pages = Environment(
            loader=FileSystemLoader(templates / "console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._pages.filters.update(FILTERS)
        self._pages.globals.update(
            when=when,
            count=count,
            share=share,
            sparkline=sparkline,
            static=self.static_url,
            has_texts=has_texts,
        )

    def page(self, name: str, known: Mapping[str, Any], status: int = 200) -> Response:
        """The page as a response that is kept by nobody."""
        text = self._pages.get_template(f"{name}.html").render({"now": self.clock(), **known})
        return HTMLResponse(text, status, {**_PRIVATE, "Content-Security-Policy": POLICY})

    def sorry(self, status: int, title: str, text: str) -> Response:
        """A page that says what is not there and where to go."""
        return self.page("sorry", {"title": title, "text": text, "here": ""}, status)

    def mail(self, html: str) -> Response:
        """A rendered mail, shut in."""
        return HTMLResponse(html, 200, {**_PRIVATE, "Content-Security-Policy": MAIL_POLICY})

    def static_url(self, name: str) -> str:
        """Where a static file lies; the address changes with its bytes."""
        return f"/static/{name}?v={blake2b(self._static[name], digest_size=6).hexdigest()}"

    def static(self, name: str) -> Response:
        """One of our own static files; 404 for anything else."""
        body = self._static.get(name)
        if body is None:
            return Response("there is no such file\n", 404, _HEADERS, "text/plain")
        headers = {**_HEADERS, "Cache-Control": "public, max-age=86400"}
        return Response(body, 200, headers, _TYPES.get(Path(name).suffix, "text/plain"))
