"""Who may do what, and what is read of a body: Bearer keys with scopes, and one strict parser, at every request."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from journeys.store.keys import Caller, Keys
from signals.problem import Problem, Refused
from signals.sources import media, wire

Body = TypeVar("Body", bound=BaseModel)
Guard = Callable[[str], Callable[[Request], Caller]]
"""`guard("csm")` is a dependency that answers the caller, or 401, or 403."""


def guard_of(keys: Keys) -> Guard:
    """The guard of these keys."""

    def guard(scope: str) -> Callable[[Request], Caller]:
        def allowed(request: Request) -> Caller:
            scheme, _, key = request.headers.get("authorization", "").partition(" ")
            caller = keys.find(key.strip()) if scheme.lower() == "bearer" and key.strip() else None
            if caller is None:
                detail = "send an API key: Authorization: Bearer jk_…"
                raise HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})
            if not caller.may(scope):
                raise HTTPException(403, f"the key {caller.name!r} lacks the scope {scope!r}")
            return caller

        return allowed

    return guard


async def raw_body(request: Request) -> bytes:
    """The bytes of the body (BodyGuard has bounded them in size and time)."""
    return await request.body()


async def json_value(request: Request) -> Any:
    """The body as JSON, read by the one strict parser (B1-B14). Raises Refused: 400, 415, 422."""
    kind = request.headers.get("content-type", "")
    if not media.is_json(media.media_type(kind)):
        raise Refused(Problem(415, "unsupported_media_type", "send JSON with Content-Type: application/json"))
    return wire.parse(await request.body())


async def no_body(request: Request) -> None:
    """For routes that read only their query: a body is refused (422), as options in it would be passed over."""
    if (await request.body()).strip() not in (b"", b"{}", b"null"):
        raise HTTPException(422, "this takes no body: its options stand in the query, like ?dry_run=true")


def body_of(model: type[Body], *, may_be_empty: bool = False) -> Callable[[Request], Awaitable[Body]]:
    """The dependency that reads a body as this model. FastAPI's own reading would take NaN, NUL and names said twice.

    `may_be_empty`: no body at all is the body without fields.
    """

    async def read(request: Request) -> Body:
        empty = may_be_empty and not await request.body()
        try:
            return model.model_validate({} if empty else await json_value(request))
        except ValidationError as error:
            raise RequestValidationError(error.errors(include_url=False)) from error

    return read


def documented(model: type[BaseModel], *, may_be_empty: bool = False) -> dict[str, Any]:
    """What OpenAPI is told of a body that `body_of` reads: `openapi_extra` of its route.

    What the schema refers to stands in its `$defs` until `document` moves it to where the references point.
    """
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {
        "requestBody": {
            "required": not may_be_empty,
            "content": {"application/json": {"schema": schema}},
        }
    }
