"""`POST /v1/events`: CloudEvents in any mode; 202 only when durable (interfaces.md §3)."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from journeys.api.access import Guard, raw_body
from journeys.api.idempotency import Idempotency
from journeys.api.problems import PROBLEM, as_response
from journeys.ingest import Outlet, answer
from journeys.store.keys import Caller
from signals.instant import Instant
from signals.problem import Problem
from signals.sources import cloudevents

_DOCUMENTED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/cloudevents+json": {"schema": {"$ref": "#/components/schemas/CloudEvent"}},
            "application/cloudevents-batch+json": {
                "schema": {
                    "type": "array",
                    "maxItems": 500,
                    "items": {"$ref": "#/components/schemas/CloudEvent"},
                }
            },
        },
    }
}
CLOUD_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 255},
        "source": {"type": "string", "minLength": 1, "maxLength": 255},
        "type": {"type": "string", "examples": ["product.feature_used"]},
        "time": {"type": "string", "format": "date-time"},
        "account": {"type": "string", "description": "our account id"},
        "contact": {"type": "string", "description": "our contact id"},
        "data": {"type": "object"},
    },
}


def router(outlet: Outlet, guard: Guard, clock: Any, idempotency: Idempotency) -> APIRouter:
    """The ingest route."""
    routes = APIRouter(tags=["events"])

    @routes.post("/v1/events", status_code=202, openapi_extra=_DOCUMENTED)
    def take(
        request: Request,
        body: Annotated[bytes, Depends(raw_body)],
        caller: Annotated[Caller, Depends(guard("ingest"))],
        history: Annotated[
            bool, Query(description="An import of the past: folded, and nothing starts.")
        ] = False,
    ) -> Response:
        """CloudEvents 1.0, structured, batched or binary. Good ones are kept when others are bad."""
        return idempotency.once(
            request, caller, body, lambda: _take(body, dict(request.headers), outlet, clock(), history)
        )

    return routes


def _take(
    body: bytes, headers: dict[str, str], outlet: Outlet, now: Instant, history: bool = False
) -> Response:
    reading = cloudevents.read_http(body, headers, now)
    if reading.single and isinstance(reading.items[0], Problem):
        return as_response(reading.items[0])
    told = answer(reading.items, outlet, history)
    if reading.single and told["rejected"]:
        refusal = told["rejected"][0]["problem"]
        return Response(orjson.dumps(refusal), refusal["status"], None, PROBLEM)
    return Response(orjson.dumps(told), 202, None, "application/json")
