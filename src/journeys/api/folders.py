"""A folder of definitions at once, all of it or none: what `journeys apply` and `diff` ask beside a running service."""

from typing import Annotated, Any

import fastapi
from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from journeys.api.access import Guard, body_of
from journeys.api.definitions import HowQuery, actor_of
from journeys.api.shelf import Shelf
from journeys.definitions import MODELS, Draft, Fault, Refused, parse
from journeys.store.keys import Caller


def _known(kind: str) -> str:
    if kind not in MODELS:
        raise ValueError(f"definitions are {', '.join(MODELS)}")
    return kind


Kind = Annotated[str, AfterValidator(_known)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class OneDefinition(_Strict):
    """A definition: which kind, and its body as in definitions.md."""

    kind: Kind
    body: Any


class FolderBody(_Strict):
    """What a folder holds, in any order: definitions of it may name one another."""

    definitions: Annotated[list[OneDefinition], Field(max_length=2_000)]


class ApplyQuery(HowQuery):
    """How a folder is brought in."""

    activate: bool = Field(False, description="Make them live, not only drafts.")


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
                                    "kind": {"enum": list(MODELS)},
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


def router(shelf: Shelf, guard: Guard) -> APIRouter:
    """The route."""
    marketer = guard("marketer")
    routes = APIRouter(tags=["definitions"], dependencies=[Depends(marketer)])

    @routes.post("/v1/definitions", openapi_extra=_DOCUMENTED)
    def apply(
        body: Annotated[FolderBody, Depends(body_of(FolderBody))],
        asked: Annotated[ApplyQuery, fastapi.Query()],
        caller: Annotated[Caller, Depends(marketer)],
    ) -> dict[str, Any]:
        """Keep these as drafts, or make them live together; answers what changed. Nothing becomes live if one is refused.

        `wait`: answer when every account has been brought to them; else `/v1/definitions/progress` tells how far it is.
        """
        return shelf.apply(_parsed(body), asked.activate, asked.dry_run, asked.how, actor_of(caller))

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
