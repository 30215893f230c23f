"""Errors as RFC 9457 `application/problem+json`: what was wrong, where, what to do. Never a stack trace, never a 500
for bad input."""

import logging
from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from channels.task import TaskRefused
from journeys.definitions import Fault
from journeys.definitions import Refused as DefinitionsRefused
from journeys.ingest import Unavailable
from journeys.life import NotNow
from signals.problem import Problem, Refused

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"

SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. `errors` says which fields are meant, by JSON pointer (RFC 6901).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string"},
                    "detail": {"type": "string"},
                    "mend": {"type": "string", "description": "What to do about it, where that can be said."},
                },
            },
        },
    },
}
"""A problem, as OpenAPI is told of it."""


def problem(
    status: int,
    detail: str,
    *,
    title: str | None = None,
    kind: str = "about:blank",
    errors: Sequence[dict[str, str]] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """One problem as a response."""
    body: dict[str, Any] = {"type": kind, "title": title or _TITLES.get(status, "Error"), "status": status}
    body["detail"] = _plain(detail)
    if errors:
        body["errors"] = list(errors)
    return Response(orjson.dumps(body), status, headers, PROBLEM)


_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Not valid",
    500: "Something broke here",
    503: "Not available now",
}


def install(app: FastAPI) -> None:
    """Every error of the app leaves as a problem."""

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        return problem(error.status_code, _said(request, error, headers), headers=headers)

    @app.exception_handler(RequestValidationError)
    def _invalid(_: Request, error: RequestValidationError) -> Response:
        errors = [{"pointer": _pointer(fault["loc"]), "detail": _words(fault)} for fault in error.errors()]
        return problem(422, "; ".join(f"{e['pointer']}: {e['detail']}" for e in errors), errors=errors)

    @app.exception_handler(Refused)
    def _refused(_: Request, error: Refused) -> Response:
        return as_response(error.problem)

    @app.exception_handler(DefinitionsRefused)
    def _definitions(_: Request, error: DefinitionsRefused) -> Response:
        return problem(422, "these definitions cannot be taken", errors=[_fault(f) for f in error.faults])

    @app.exception_handler(NotNow)
    @app.exception_handler(TaskRefused)
    def _not_now(_: Request, error: Exception) -> Response:
        return problem(409, str(error))

    @app.exception_handler(Unavailable)
    def _unavailable(_: Request, error: Unavailable) -> Response:
        return problem(503, str(error), headers={"Retry-After": "2"})

    @app.exception_handler(PoolTimeout)
    @app.exception_handler(DBAPIError)
    def _database(_: Request, error: Exception) -> Response:
        log.error("the database did not answer: %s", error.__class__.__name__)
        return problem(503, "the database does not answer; try again", headers={"Retry-After": "2"})

    @app.exception_handler(Exception)
    def _broken(_: Request, error: Exception) -> Response:
        log.exception("a request failed", exc_info=error)
        return problem(500, "the fault is on this side; it has been logged")


def _fault(fault: Fault) -> dict[str, str]:
    """A fault as an error: the step with an id is named below its play, `/plays/rescue/step call`."""
    below = fault.pointer if fault.pointer.startswith(("/", "step ")) else ""
    place = f"/{fault.kind}/{fault.key}" + (f"/{below}" if below.startswith("step ") else below)
    return {"pointer": place, "detail": fault.detail, **({"mend": fault.mend} if fault.mend else {})}


def _said(request: Request, error: HTTPException, headers: dict[str, str]) -> str:
    """What the error says; where it is only the router's, what was asked and what could be."""
    if error.status_code == 404 and error.detail == "Not Found":
        return f"there is nothing at {request.url.path!r:.200}: /openapi.json lists what there is"
    if error.status_code == 405:
        return f"{request.method} is not among what is allowed here: {headers.get('Allow', 'nothing')}"
    return str(error.detail)


def _pointer(place: Sequence[int | str]) -> str:
    """RFC 6901; a body's fields are named from its own root."""
    parts = place[1:] if place[:1] == ("body",) else place
    return "".join(f"/{_plain(part).replace('~', '~0').replace('/', '~1'):.200}" for part in parts)


def _words(fault: dict[str, Any]) -> str:
    return _plain(fault["msg"]).removeprefix("Value error, ")


def _plain(part: Any) -> str:
    """Text that can be sent whatever it came from: half a surrogate pair has no bytes."""
    return str(part).encode(errors="replace").decode()


def as_response(found: Problem) -> Response:
    """A problem that came as a value."""
    return Response(orjson.dumps(found.as_json()), found.status, None, PROBLEM)
