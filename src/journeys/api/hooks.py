"""`POST /v1/hooks/{source}`: webhooks of other people's software, opened by their signature (interfaces.md §3).

Who may send is one question (`signals.sources.hook_secrets`), how it is read another (`journeys.hooks`: by mappings):
what mail providers tell of messages can be read by something else behind the same door.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.exceptions import HTTPException

from journeys.api.access import raw_body
from journeys.api.problems import PROBLEM
from journeys.hooks import Hooks
from signals.instant import Instant
from signals.problem import Problem, Refused
from signals.sources.hook_secrets import GENERIC, is_source
from signals.sources.signatures import SCHEMES, Delivery

Raw = Annotated[bytes, Depends(raw_body)]
Source = Annotated[str, Path(json_schema_extra={"enum": list(SCHEMES)})]
Name = Annotated[
    str, Path(description="the key of the mapping that reads it", pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$")
]
_COUNTED = {name: {"type": "integer"} for name in ("accepted", "duplicates", "ignored", "kept")}
_DOCUMENTED: dict[str, Any] = {
    "security": [],
    "requestBody": {
        "required": True,
        "description": "The vendor's payload as it is, with its signature in the headers.",
        "content": {"application/json": {"schema": {"type": ["object", "array"]}}},
    },
    "responses": {
        "200": {
            "description": "Durable; `kept` is what could not be taken and lies among the dead letters.",
            "content": {"application/json": {"schema": {"type": "object", "properties": _COUNTED}}},
        }
    },
}


def router(hooks: Hooks, base_url: str, clock: Callable[[], Instant]) -> APIRouter:
    """The routes. `base_url` is where vendors reach us: HubSpot signs the address it called."""
    routes = APIRouter(tags=["webhooks"])

    def take(request: Request, source: str, body: bytes) -> Response:
        now = clock()
        delivery = Delivery(request.method, _addresses(request, base_url), _headers(request), body, now)
        try:
            hooks.check(source, delivery)
        except Refused as refused:
            return _shut(refused.problem)
        receipt = hooks.take(source, body, delivery.headers.get("webhook-id"), now)
        return Response(orjson.dumps(receipt._asdict()), 200, None, "application/json")

    @routes.post("/v1/hooks/generic/{name}", openapi_extra=_DOCUMENTED)
    def generic(request: Request, name: Name, body: Raw) -> Response:
        """A webhook of anybody, read by the live mapping of that name."""
        return take(request, _known(GENERIC + name), body)

    @routes.post("/v1/hooks/{source}", openapi_extra=_DOCUMENTED)
    def vendor(request: Request, source: Source, body: Raw) -> Response:
        """A vendor's webhook, read by the live mapping of its name, else by the shipped one."""
        return take(request, _known(source), body)

    return routes


def _known(source: str) -> str:
    if not is_source(source):
        raise HTTPException(
            404, f"no webhooks come from {source!r:.60}: there are {', '.join(SCHEMES)}, generic/NAME"
        )
    return source


def _addresses(request: Request, base_url: str) -> tuple[str, ...]:
    """What the sender may have called: where we say we are, and where the request says it came to."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{base_url.rstrip('/')}{request.url.path}{query}", str(request.url)


def _headers(request: Request) -> Mapping[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _shut(problem: Problem) -> Response:
    headers = {"WWW-Authenticate": "Signature"}  # RFC 9110 §11.6.1: a 401 names how to do better
    return Response(orjson.dumps(problem.as_json()), problem.status, headers, PROBLEM)
