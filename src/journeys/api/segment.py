"""The Segment HTTP Tracking API: what Segment's and RudderStack's libraries post to, answered as Segment answers
(interfaces.md §3; Segment "HTTP Tracking API").

200 `{"success": true}` once it is durable, also where a call could not be taken: that one is a dead letter with its
bytes and the reason. 400 for what is no JSON or too large, and nothing of it is taken; 401 without a write key, which
is an API key of scope `ingest`: user name of Basic, `writeKey` in the body, or Bearer.

    server libraries    POST /v1/{track,identify,group,page,screen,alias}, /v1/batch, /v1/import
    analytics.js        POST /v1/{t,i,g,p,s,a}, /v1/b as text/plain from any page, GET /v1/projects/{key}/settings
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

import orjson
from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from journeys.api.access import raw_body
from journeys.api.problems import log
from journeys.ingest import Outlet, SetAside, Unavailable
from journeys.store.keys import Caller, Keys
from signals.event import Event
from signals.instant import Instant
from signals.problem import Problem, Refused, id_conflict
from signals.sources import segment, wire
from signals.sources.segment import Translator

CALLS = {f"/v1/{kind}": kind for kind in segment.KINDS}
"""Routes of one call, and which it is."""

SHORT = {f"/v1/{kind[0]}": kind for kind in segment.KINDS}
"""The same as analytics.js calls them."""

BATCHES = ("/v1/batch", "/v1/import", "/v1/b")
"""Routes of many calls: `import` is the batch of older libraries, `b` that of analytics.js."""

PATHS = (*CALLS, *SHORT, *BATCHES)
SETTINGS = "/v1/projects/"
"""Where analytics.js asks what to do."""

BODY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "messageId": {"type": "string", "description": "makes a retry count once"},
        "userId": {"type": "string", "description": "the contact"},
        "anonymousId": {"type": "string", "description": "a visitor nobody knows yet"},
        "groupId": {"type": "string", "description": "the account; also context.groupId"},
        "event": {"type": "string", "examples": ["Report Created"]},
        "properties": {"type": "object"},
        "traits": {"type": "object"},
        "context": {"type": "object"},
        "previousId": {"type": "string"},
        "timestamp": {"type": "string", "format": "date-time"},
        "sentAt": {"type": "string", "format": "date-time"},
        "writeKey": {"type": "string", "description": "instead of Basic authorization"},
        "batch": {"type": "array", "maxItems": segment.MAX_BATCH, "items": {"type": "object"}},
    },
}
_SUCCESS: dict[str, Any] = {"type": "object", "properties": {"success": {"const": True}}}
_FAILURE: dict[str, Any] = {
    "type": "object",
    "required": ["success", "code", "message"],
    "properties": {
        "success": {"const": False},
        "code": {"type": "string"},
        "message": {"type": "string"},
    },
}
_JSON = "application/json"
_DOCUMENTED: dict[str, Any] = {
    "security": [{"writeKey": []}, {"key": []}],
    "requestBody": {"required": True, "content": {kind: {"schema": BODY} for kind in (_JSON, "text/plain")}},
    "responses": {
        "200": {"description": "Taken, and durable.", "content": {_JSON: {"schema": _SUCCESS}}},
        "default": {"description": "Not taken.", "content": {_JSON: {"schema": _FAILURE}}},
    },
}


class Counter(NamedTuple):
    """What the routes share: who may post, where events go, where calls that give none go, how they are read."""

    keys: Keys
    outlet: Outlet
    aside: SetAside
    translator: Callable[[], Translator]
    clock: Callable[[], Instant]


def router(counter: Counter, base_url: str) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["segment"], route_class=_InSegmentsWords)
    for path in PATHS:
        _add(routes, counter, path)

    @routes.get("/v1/projects/{write_key}/settings", include_in_schema=False)
    def settings(write_key: Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,100}$")]) -> dict[str, Any]:
        """What analytics.js asks before it starts: which host to post to. Says the same to every key."""
        return _settings(write_key, base_url)

    return routes


def _add(routes: APIRouter, counter: Counter, path: str) -> None:
    kind = CALLS.get(path) or SHORT.get(path)
    shown = path in CALLS or path == "/v1/batch"

    @routes.post(path, include_in_schema=shown, openapi_extra=_DOCUMENTED, name=f"segment{path}")
    def take(request: Request, body: Annotated[bytes, Depends(raw_body)]) -> Response:
        """A call of a Segment library, or a batch of them."""
        _take(counter, request.headers.get("authorization", ""), body, kind)
        return Response(b'{"success": true}', 200, None, _JSON)

    take.__doc__ = f"Segment's `{kind or 'batch'}`."


def _take(counter: Counter, authorization: str, body: bytes, kind: str | None) -> None:
    """Raises Refused (400) or HTTPException (401, 403) where nothing is taken."""
    now = counter.clock()
    known = _caller(counter.keys, authorization)  # before the body is read, where it can be
    message = wire.parse(body) if kind is not None else wire.parse_envelope(body, "batch")
    if not isinstance(message, dict):
        raise Refused(Problem(400, "invalid", "the body is a JSON object"))
    if known is None:
        known = _by_key(counter.keys, message.get("writeKey"))
    _may(known)
    calls, items = _items(counter.translator(), message, kind, now, len(body))
    _keep(counter, calls, items, lambda call: _bytes(call, body, message.get("writeKey")))


def _items(
    translator: Translator, message: Mapping[str, Any], kind: str | None, now: Instant, size: int
) -> tuple[Sequence[Any], list[tuple[int, Event | Problem]]]:
    """The calls, and what they give with the places of the calls."""
    if kind is not None:
        segment.measure(message)
        return [message], [(0, item) for item in translator.call(message, now, kind)]
    calls = message.get("batch")
    if not isinstance(calls, list):
        raise Refused(Problem(400, "invalid", "batch is an array of calls", "/batch"))
    if len(calls) > segment.MAX_BATCH:
        raise Refused(
            Problem(413, "too_large", f"{len(calls)} calls in a batch, {segment.MAX_BATCH} are taken")
        )
    if size > segment.MAX_MESSAGE:
        for call in calls:
            if not isinstance(call, Problem):
                segment.measure(call)
    return calls, translator.batch(calls, message, now)


def _keep(
    counter: Counter,
    calls: Sequence[Any],
    items: Sequence[tuple[int, Event | Problem]],
    raw: Callable[[Any], bytes],
) -> None:
    """Good ones into the log, the others aside; both durable when this returns."""
    events = [(place, item) for place, item in items if isinstance(item, Event)]
    refused = [(place, item) for place, item in items if isinstance(item, Problem)]
    outcomes = counter.outlet.accept([event for _, event in events]) if events else []
    for (place, event), outcome in zip(events, outcomes, strict=True):
        if outcome == "conflict":
            refused.append((place, id_conflict(event.id, event.source)))
    counter.aside([(raw(calls[place]), problem) for place, problem in refused])


def _bytes(call: Any, body: bytes, key: Any) -> bytes:
    """The call as it came, without the key; one the parser could not read lies somewhere in the whole."""
    if isinstance(call, Problem):
        return body.replace(key.encode(), b"") if isinstance(key, str) else body
    return orjson.dumps({**call, "writeKey": None} if isinstance(call, dict) and "writeKey" in call else call)


# ── who ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _caller(keys: Keys, authorization: str) -> Caller | None:
    """The caller by the header; None where there is none. Raises HTTPException (401) for a key that opens nothing."""
    scheme, _, given = authorization.partition(" ")
    if not scheme:
        return None
    if scheme.lower() == "bearer":
        return _by_key(keys, given.strip())
    try:
        key = base64.b64decode(given, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        key = ""
    return _by_key(keys, key if scheme.lower() == "basic" else "")


def _by_key(keys: Keys, key: Any) -> Caller:
    caller = keys.find(key) if isinstance(key, str) and key else None
    if caller is None:
        detail = (
            "send a write key: an API key of scope ingest as user name of Basic authorization, or as writeKey"
        )
        raise HTTPException(401, detail)
    return caller


def _may(caller: Caller) -> None:
    if not caller.may("ingest"):
        raise HTTPException(403, f"the key {caller.name!r} lacks the scope 'ingest'")


# ── answers ────────────────────────────────────────────────────────────────────────────────────────────────────


class _InSegmentsWords(APIRoute):
    """Errors of these routes are said as their libraries read them: `code` and `message`."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except Refused as refused:
                return failure(refused.problem)
            except HTTPException as error:
                return _failure(error.status_code, _DENIED[error.status_code], str(error.detail))
            except (Unavailable, PoolTimeout, DBAPIError) as error:
                log.warning("nothing could be taken: %s", error.__class__.__name__)
                return _failure(503, "unavailable", "nothing can be taken now; come back")

        return handled


_DENIED = {401: "invalid_write_key", 403: "forbidden"}
_HEADERS = {401: {"WWW-Authenticate": 'Basic realm="write key"'}, 503: {"Retry-After": "2"}}


def failure(problem: Problem) -> Response:
    """What was wrong, in Segment's form: bad JSON, bad gzip and what is too large are all 400."""
    status = 400 if problem.status in (413, 415, 422) else problem.status
    return _failure(status, problem.reason, problem.detail)


def unread(problem: Problem) -> tuple[int, bytes, bytes]:
    """The same where the body could not even be read: status, content type, body."""
    answer = failure(problem)
    return answer.status_code, _JSON.encode(), bytes(answer.body)


def _failure(status: int, code: str, message: str) -> Response:
    said = {"success": False, "code": code, "message": message}
    return Response(orjson.dumps(said), status, _HEADERS.get(status), _JSON)


def _settings(write_key: str, base_url: str) -> dict[str, Any]:
    """The settings of a source that has no destination but us."""
    base = urlsplit(base_url)
    ours = {
        "apiKey": write_key,
        "apiHost": f"{base.netloc}{base.path.rstrip('/')}/v1",
        "protocol": base.scheme,
        "unbundledIntegrations": [],
        "addBundledMetadata": False,
    }
    everything = {"__default": {"enabled": True, "integrations": {}}}
    return {
        "integrations": {"Segment.io": ours},
        "plan": {"track": everything, "identify": everything, "group": everything},
        "metrics": {"sampleRate": 0},
    }
