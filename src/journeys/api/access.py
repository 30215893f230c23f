"""Who may do what: API keys as Bearer tokens with scopes, checked at every request."""

from collections.abc import Callable
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException

from journeys.store.keys import Caller, Keys
from signals.problem import Problem, Refused
from signals.sources import media, wire

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


async def json_body(request: Request) -> dict[str, Any]:
    """The body as an object, read by the one strict parser. Raises Refused."""
    kind = request.headers.get("content-type", "")
    if not media.is_json(media.media_type(kind)):
        raise Refused(Problem(415, "unsupported_media_type", "send JSON with Content-Type: application/json"))
    body = wire.parse(await request.body())
    if not isinstance(body, dict):
        raise Refused(Problem(422, "invalid", "the body must be a JSON object", ""))
    return body
