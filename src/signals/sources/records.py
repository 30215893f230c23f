"""Records of a topic to events, whichever format they are in: CloudEvents or Segment's JSON (interfaces.md §4)."""

from collections.abc import Sequence

from signals.event import Event
from signals.instant import Instant
from signals.problem import Problem, Refused
from signals.sources import cloudevents, segment, wire
from signals.sources.envelope import at_most, reject
from signals.sources.segment import AS_SHIPPED, Translator


def read_record(
    value: bytes | None,
    headers: Sequence[tuple[str, bytes]],
    received_at: Instant,
    translator: Translator = AS_SHIPPED,
) -> list[Event | Problem]:
    """The events of a record, or why there are none. Never raises.

    What calls itself a CloudEvent, by a header or by its `specversion`, is read as one; of the rest, what looks like
    a Segment call or a batch of them is. Reasons are those of `cloudevents.read_record`.
    """
    if value is None or b'"specversion"' in value or _labelled(headers):
        return cloudevents.read_record(value, headers, received_at)
    try:
        return translator.read(_call(value), received_at)
    except Refused as refused:
        return [refused.problem]


def _labelled(headers: Sequence[tuple[str, bytes]]) -> bool:
    return any(
        name.startswith("ce_")
        or (
            name.lower() == "content-type"
            and text is not None
            and text.lower().startswith(b"application/cloudevents")
        )
        for name, text in headers
    )


def _call(value: bytes) -> object:
    at_most(len(value), segment.MAX_BYTES, "a record")
    body = wire.parse_envelope(value, "batch")
    if not segment.recognised(body):
        detail = "neither a CloudEvent (its headers, or specversion in the value) nor a Segment call (type and userId)"
        reject(detail, reason="unsupported_media_type", status=415)
    return body
