"""Lists over HTTP: `?limit=&cursor=` in, `{"items": […], "next": "…"|null}` out (interfaces.md §3, B84, B85)."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from journeys.store.reads.page import DEFAULT_LIMIT, MAX_LIMIT, BadCursor, Page

Item = TypeVar("Item")

Word = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
"""A value to filter by. NUL, which PostgreSQL does not store, is refused here."""


class Query(BaseModel):
    """Query parameters; one that the route does not know is a mistake worth telling (422)."""

    model_config = ConfigDict(extra="forbid")


class Paged(Query):
    """Query parameters of a list."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="How many at most.")
    cursor: str | None = Field(None, max_length=2_000, description="`next` of the page before.")


class PageOf(BaseModel, Generic[Item]):
    """A part of a list."""

    items: list[Item]
    next: str | None = Field(description="The cursor of the next part, null at the end.")


class Cursors:
    """Turns a cursor the list did not hand out into a 400: `with Cursors(): …`."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        if isinstance(error, BadCursor):
            raise HTTPException(400, str(error)) from error


def found(what: str, key: str, resource: dict[str, Any] | None) -> dict[str, Any]:
    """The resource, or 404 saying what there is none of."""
    if resource is None:
        raise HTTPException(404, f"there is no {what} {key!r}")
    return resource


__all__ = ["Cursors", "Page", "PageOf", "Paged", "Query", "Word", "found"]
