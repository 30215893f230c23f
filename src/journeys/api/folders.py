"""A folder of definitions at once, all of it or none: what `journeys apply` and `diff` ask beside a running service."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from journeys.api.access import Guard, body_of
from journeys.definitions import Draft, Fault, Refused, parse
from journeys.store.library import Library
from signals.instant import Instant

Kind = Literal[
    "signals",
    "segments",
    "milestones",
    "stages",
    "health",
    "plays",
    "content",
    "blocks",
    "offers",
    "mappings",
    "policies",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class OneDefinition(_Strict):
    """A definition: which kind, and its body as in definitions.md."""

    kind: Kind
    body: Any


class FolderBody(_Strict):
    """What a folder holds, in any order: definitions of it may name one another."""

    definitions: Annotated[list[OneDefinition], Field(max_length=2_000)]


_DOCUMENTED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["definitions"],
                    "properties": {
                        "definitions": {
                            "type": "array",
                            "maxItems": 2_000,
                            "items": {
                                "type": "object",
                                "required": ["kind", "body"],
                                "properties": {
                                    "kind": {"enum": list(get_args(Kind))},
                                    "body": {"type": ["object", "array"]},
                                },
                                "additionalProperties": False,
                            },
                        }
                    },
                    "additionalProperties": False,
                }
            }
        },
    }
}


def router(
    library: Library,
    activate_all: Callable[[list[Draft], bool, bool], dict[str, Any]],
    guard: Guard,
    clock: Callable[[], Instant],
) -> APIRouter:
    """The route. `activate_all(drafts, current, wait)` keeps drafts, makes them live after all checks, or raises
    Refused, and answers how far the accounts have been brought to them."""
    routes = APIRouter(tags=["definitions"], dependencies=[Depends(guard("marketer"))])

    @routes.post("/v1/definitions", openapi_extra=_DOCUMENTED)
    def apply(
        body: Annotated[FolderBody, Depends(body_of(FolderBody))],
        activate: bool = False,
        dry_run: bool = False,
        current: bool = False,
        wait: bool = True,
    ) -> dict[str, Any]:
        """Keep these as drafts, or make them live together; answers what changed. Nothing becomes live if one is refused.

        `wait`: answer when every account has been brought to them; else `/v1/definitions/progress` tells how far it is.
        """
        drafts = _parsed(body)
        changes = library.changes(drafts, activate)
        if dry_run:
            return {"changes": changes}
        if activate:
            return {"changes": changes, **activate_all(drafts, current, wait)}
        library.put(drafts, clock())
        return {"changes": changes}

    return routes


def _parsed(body: FolderBody) -> list[Draft]:
    """Every definition checked. Raises Refused with the faults of all."""
    drafts: list[Draft] = []
    faults: list[Fault] = []
    for given in body.definitions:
        try:
            drafts.append(parse(given.kind, given.body))
        except Refused as refused:
            faults += refused.faults
    if faults:
        raise Refused(faults)
    return drafts
