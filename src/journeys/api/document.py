"""The OpenAPI document: what FastAPI cannot know by itself (the key, the one form of errors, CloudEvents)."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from journeys.api import events, problems

_VERBS = ("get", "put", "post", "delete", "patch")
_PROBLEM: dict[str, Any] = {
    "description": "What was wrong, where, and what to do (RFC 9457).",
    "content": {problems.PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_KEY: dict[str, Any] = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key: `journeys keys create`.",
}
_WRITE_KEY: dict[str, Any] = {
    "type": "http",
    "scheme": "basic",
    "description": "The same as user name, without a password: how Segment's libraries send it.",
}


def document(app: FastAPI) -> None:
    """Let the application's document say so, each time it is asked for."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        found = made()
        parts = found.setdefault("components", {})
        schemas = parts.setdefault("schemas", {})
        schemas.update(CloudEvent=events.CLOUD_EVENT, Problem=problems.SCHEMA)
        for gone in ("HTTPValidationError", "ValidationError"):
            schemas.pop(gone, None)
        parts["securitySchemes"] = {"key": _KEY, "writeKey": _WRITE_KEY}
        found["security"] = [{"key": []}]
        for operation in _operations(found):
            schemas.update(_taken_out(operation))
            operation["responses"].pop("422", None)
            operation["responses"].setdefault("default", _PROBLEM)
        return found

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def _operations(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in found["paths"].values():
        yield from (path[verb] for verb in _VERBS if verb in path)


def _taken_out(operation: dict[str, Any]) -> dict[str, Any]:
    """The schemas that a body's schema brought along."""
    bodies = operation.get("requestBody", {}).get("content", {}).values()
    brought: dict[str, Any] = {}
    for body in bodies:
        brought.update(body["schema"].pop("$defs", {}))
    return brought
