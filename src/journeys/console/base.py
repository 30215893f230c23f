"""What every page of the console needs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import Response

from journeys.console import views
from journeys.console.furniture import Furniture
from journeys.store.database import Database
from journeys.store.reads.page import BadCursor, Page
from signals.instant import Instant

Text = str | None
"""A word of a page's address."""


class Console:
    """What all pages need: the database, the clock, the furniture."""

    def __init__(
        self, database: Database, clock: Callable[[], Instant], templates: Path, *, has_texts: bool = False
    ) -> None:
        self.database, self.clock = database, clock
        self.furniture = Furniture(templates, clock, has_texts=has_texts)

    def missing(self, what: str, key: str) -> Response:
        """There is no such thing."""
        text = f"There is no {what} {key}. It may have been erased, or the link is old."
        return self.furniture.sorry(404, f"No such {what}", text)

    def listing(
        self,
        name: str,
        path: str,
        filters: dict[str, str],
        cursor: Text,
        read: Callable[[Any], dict[str, Any]],
    ) -> Response:
        """A page with a list on it: `read` answers what the page shows, its `page` among it."""
        try:
            with self.database.read() as connection:
                known = read(connection)
        except BadCursor:
            return self.furniture.sorry(400, "That page is not there", "Begin the list again from its start.")
        page: Page = known["page"]
        links = views.paging(path, filters, page, cursor)
        return self.furniture.page(
            name, {"filters": filters, "links": links, "items": page["items"], **known}
        )
