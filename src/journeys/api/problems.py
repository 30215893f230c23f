"""Errors as RFC 9457 `application/problem+json`: what was wrong, where, what to do. Never a stack trace, never a 500
for bad input."""

import logging
from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from channels.task import TaskRefused
from journeys.definitions import Refused as DefinitionsRefused
from journeys.ingest import Unavailable
from signals.problem import Problem, Refused

log = logging.getLogger(__name__)


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
    body["detail"] = detail
    if errors:
        body["errors"] = list(errors)
    return Response(orjson.dumps(body), status, headers, "application/problem+json")


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
    def _http(_: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    def _invalid(_: Request, error: RequestValidationError) -> Response:
        errors = [
            {"pointer": "".join(f"/{_plain(part)}" for part in fault["loc"]), "detail": str(fault["msg"])}
            for fault in error.errors()
        ]
        return problem(422, "; ".join(f"{e['pointer']}: {e['detail']}" for e in errors), errors=errors)

    @app.exception_handler(Refused)
    def _refused(_: Request, error: Refused) -> Response:
        body = error.problem.as_json()
        return Response(orjson.dumps(body), error.problem.status, None, "application/problem+json")

    @app.exception_handler(DefinitionsRefused)
    def _definitions(_: Request, error: DefinitionsRefused) -> Response:
        errors = [{"pointer": f"/{f.kind}/{f.key}{f.pointer}", "detail": f.detail} for f in error.faults]
        return problem(422, "these definitions cannot be taken", errors=errors)

    @app.exception_handler(TaskRefused)
    def _task(_: Request, error: TaskRefused) -> Response:
        return problem(409, str(error))

    @app.exception_handler(Unavailable)
    def _unavailable(_: Request, error: Unavailable) -> Response:
        return problem(503, str(error), headers={"Retry-After": "2"})

    @app.exception_handler(DBAPIError)
    def _database(_: Request, error: DBAPIError) -> Response:
        log.error("the database did not answer: %s", error.__class__.__name__)
        return problem(503, "the database does not answer; try again", headers={"Retry-After": "2"})

    @app.exception_handler(Exception)
    def _broken(_: Request, error: Exception) -> Response:
        log.exception("a request failed", exc_info=error)
        return problem(500, "the fault is on this side; it has been logged")


def _plain(part: Any) -> str:
    return str(part).encode("ascii", "replace").decode()


def as_response(found: Problem) -> Response:
    """A problem that came as a value."""
    return Response(orjson.dumps(found.as_json()), found.status, None, "application/problem+json")
