"""CloudEvents 1.0 to events: structured, batched and binary, over HTTP and Kafka.

Spec: CloudEvents core, JSON format, HTTP and Kafka protocol bindings, all 1.0.2. The mode follows from the prefix of
Content-Type. What we ask beyond the spec: `data` is a JSON object, `id source type` are bounded, and `account` and
`contact` are extension attributes, else `data.account_id` and `data.contact_id`. Other extensions are legal and not
kept. An event that names neither is read all the same: identity is resolved later.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import orjson

from signals.event import Event
from signals.instant import Instant
from signals.problem import Problem, Refused
from signals.sources import wire
from signals.sources.envelope import MAX_EVENT, assemble, at_most, reject
from signals.sources.media import is_json, media_type, must_be

MAX_BATCH_BYTES = 1024 * 1024
"""Bytes of one batch."""

MAX_BATCH_ITEMS = 500
"""Events of one batch."""

_SPEC_TEXT = ("datacontenttype", "dataschema", "subject")
_OURS = frozenset({"specversion", "id", "source", "type", "time", "account", "contact", "data", *_SPEC_TEXT})
_ATTRIBUTE = re.compile(r"[a-z0-9]{1,100}", re.ASCII)
_INTEGER = range(-(2**31), 2**31)  # the spec's Integer
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Reading(NamedTuple):
    """What one request held. `single`: it was no batch, so its one Problem is the answer."""

    single: bool
    items: list[Event | Problem]


def read_http(body: bytes, headers: Mapping[str, str], received_at: Instant) -> Reading:
    """The events of a request; header names in lower case.

    Raises Refused for the request as a whole: 400 no JSON, 413 too large, 415 another content type, 422 a batch that
    is no array. What is wrong with one event is in `items`.
    """
    media = media_type(headers.get("content-type", ""))
    if media.startswith("application/cloudevents-batch"):
        must_be(media, "application/cloudevents-batch+json")
        return Reading(False, _batch(body, received_at))
    at_most(len(body), MAX_EVENT, "an event")
    if media.startswith("application/cloudevents"):
        must_be(media, "application/cloudevents+json")
        return Reading(True, [_single(_document, body, received_at)])
    return Reading(True, [_single(_http_binary, body, media, headers, received_at)])


def read_record(
    value: bytes | None, headers: Sequence[tuple[str, bytes]], received_at: Instant
) -> list[Event | Problem]:
    """The event of a Kafka record, or why there is none. Never raises.

    Without a content type and without `ce_` headers the value itself must be a structured event. Reasons beside the
    usual ones: `tombstone` for a null value, `unsupported_version` for another `specversion`.
    """
    return [_settled(_record, value, headers, received_at)]


def _single(read: Callable[..., Event], *args: Any) -> Event | Problem:
    """As `_settled`, but what is wrong with the request rather than with its event is raised."""
    outcome = _settled(read, *args)
    if isinstance(outcome, Problem) and outcome.status != 422:
        raise Refused(outcome)
    return outcome


def _settled(read: Callable[..., Event], *args: Any) -> Event | Problem:
    try:
        return read(*args)
    except Refused as refused:
        return refused.problem


# --- structured and batched -------------------------------------------------------------------------------------


def _batch(body: bytes, received_at: Instant) -> list[Event | Problem]:
    at_most(len(body), MAX_BATCH_BYTES, "a batch")
    items = wire.parse_items(body)
    if len(items) > MAX_BATCH_ITEMS:
        reject(f"{len(items)} events in a batch, {MAX_BATCH_ITEMS} are taken", reason="too_large", status=413)
    read = _structured if len(body) <= MAX_EVENT else _measured
    return [item if isinstance(item, Problem) else _settled(read, item, received_at) for item in items]


def _document(body: bytes, received_at: Instant) -> Event:
    return _structured(wire.parse(body), received_at)


def _measured(item: Any, received_at: Instant) -> Event:
    """As `_structured`, for an item that may be too large by itself."""
    at_most(len(orjson.dumps(item)), MAX_EVENT, "an event")
    return _structured(item, received_at)


def _structured(item: Any, received_at: Instant) -> Event:
    if not isinstance(item, dict):
        reject("an event is a JSON object", "")
    _check_attributes(item)
    return assemble(item, _data_of(item), received_at)


def _check_attributes(body: dict[str, Any]) -> None:
    version = body.get("specversion")
    if version != "1.0":
        _refuse_version(version)
    for name in body.keys() - _OURS:
        _check_extension(name, body[name])
    for name in _SPEC_TEXT:
        if body.get(name) is not None and not isinstance(body[name], str):
            reject(f"{name} must be a string", f"/{name}")


def _refuse_version(version: Any) -> None:
    if isinstance(version, str):
        detail = f"specversion {version!r:.20} is not supported: send CloudEvents 1.0"
        reject(detail, "/specversion", reason="unsupported_version")
    reject('specversion must be the string "1.0"', "/specversion")


def _check_extension(name: str, value: Any) -> None:
    """Names are `[a-z0-9]`, values strings, booleans or 32-bit integers (CloudEvents 1.0.2, type system)."""
    if name == "data_base64":
        return
    if _ATTRIBUTE.fullmatch(name) is None:
        detail = (
            f"{name!r:.60} is not an attribute name: lower-case letters and digits; put your fields in data"
        )
        reject(detail, f"/{name[:80]}")
    if value is None or isinstance(value, (str, bool)):
        return
    if not isinstance(value, int) or value not in _INTEGER:
        reject("an extension attribute is a string, a boolean or a 32-bit integer", f"/{name}")


def _data_of(body: dict[str, Any]) -> dict[str, Any]:
    encoded = body.get("data_base64")
    data = body.get("data")
    if encoded is None:
        return {} if data is None else _object(data, "/data")
    if data is not None:
        reject("data and data_base64 exclude each other", "/data_base64")
    return _object(_decoded(encoded), "/data_base64")


def _object(data: Any, pointer: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        reject("data must be a JSON object", pointer)
    return data


def _decoded(encoded: Any) -> Any:
    if not isinstance(encoded, str):
        reject("data_base64 must be a string", "/data_base64")
    try:
        raw = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        reject("data_base64 is not base64 (RFC 4648 §4)", "/data_base64")
    return _parsed(raw, "/data_base64")


def _parsed(raw: bytes, pointer: str) -> Any:
    """Data by itself. A Problem of the parser is told where it lies in the event."""
    try:
        return wire.parse(raw)
    except Refused as refused:
        problem = refused.problem
        detail = f"data is not JSON we can keep: {problem.detail}"
        raise Refused(Problem(422, "invalid", detail, pointer + (problem.pointer or ""))) from refused


# --- binary -----------------------------------------------------------------------------------------------------


def _http_binary(body: bytes, media: str, headers: Mapping[str, str], received_at: Instant) -> Event:
    named = [(name[3:], value) for name, value in headers.items() if name.startswith("ce-")]
    if not named:
        reject(
            f"content type {media or '(none)'!r:.80} without ce- headers: send application/cloudevents+json, "
            "application/cloudevents-batch+json, or the binary mode with ce-id, ce-source, ce-type, ce-specversion",
            reason="unsupported_media_type",
            status=415,
        )
    attributes = {name: _from_header(name, value) for name, value in named}
    return _binary(attributes, media, body, received_at)


def _from_header(name: str, value: str) -> str:
    """Unquoted, then percent-decoded as UTF-8 (HTTP binding 1.0.2 §3.1.3.2)."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    if not value.isascii() or _BAD_PERCENT.search(value):
        reject(f"header ce-{name[:80]} must be percent-encoded UTF-8", f"/{name[:80]}")
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        reject(f"header ce-{name[:80]} is not UTF-8 once percent-decoded", f"/{name[:80]}")


def _binary(attributes: dict[str, Any], media: str, body: bytes, received_at: Instant) -> Event:
    for name in ("data", "data_base64"):
        if name in attributes:
            reject(f"{name} is not an attribute: the body is the data", f"/{name}")
    _check_attributes(attributes)
    if not body:
        return assemble(attributes, {}, received_at)
    if not is_json(media):
        detail = f"data of type {media or '(none)'!r:.80}: send application/json"
        reject(detail, reason="unsupported_media_type", status=415)
    return assemble(attributes, _object(_binary_data(body), "/data"), received_at)


def _binary_data(body: bytes) -> Any:
    """The body is a document of its own: what is no JSON at all is 400 (B1-B6), as in the other modes."""
    try:
        return wire.parse(body)
    except Refused as refused:
        if refused.problem.status != 422:
            raise
        problem = refused.problem
        raise Refused(
            Problem(422, problem.reason, problem.detail, f"/data{problem.pointer or ''}")
        ) from refused


# --- Kafka ------------------------------------------------------------------------------------------------------


def _record(value: bytes | None, headers: Sequence[tuple[str, bytes]], received_at: Instant) -> Event:
    if value is None:
        reject("a null value: a tombstone carries no event", reason="tombstone")
    at_most(len(value), MAX_EVENT, "an event")
    attributes, media = _from_headers(headers)
    if media.startswith("application/cloudevents"):
        must_be(media, "application/cloudevents+json")
        return _document(value, received_at)
    if attributes:
        return _binary(attributes, media, value, received_at)
    return _unlabelled(wire.parse(value), received_at)


def _unlabelled(body: Any, received_at: Instant) -> Event:
    if not isinstance(body, dict) or "specversion" not in body:
        detail = (
            "neither CloudEvents headers nor a structured CloudEvent: set content-type or the ce_ headers"
        )
        reject(detail, reason="unsupported_media_type", status=415)
    return _structured(body, received_at)


def _from_headers(headers: Sequence[tuple[str, bytes]]) -> tuple[dict[str, Any], str]:
    """The `ce_` attributes and the media type; all other headers are somebody else's (B43)."""
    attributes: dict[str, Any] = {}
    media = ""
    for name, value in headers:
        if name.startswith("ce_"):
            _put(attributes, name, _utf8(name, value))
        elif name.lower() == "content-type":
            media = media_type(_utf8(name, value))
    return attributes, media


def _put(attributes: dict[str, Any], header: str, value: str) -> None:
    name = header[3:]
    if attributes.setdefault(name, value) != value:
        reject(f"header {header[:80]} is there twice with different values", f"/{name[:80]}")


def _utf8(name: str, value: bytes | None) -> str:
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        reject(f"header {name[:80]} is not UTF-8")
