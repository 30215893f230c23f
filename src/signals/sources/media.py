"""Content types of JSON, as HTTP and Kafka name them."""

from signals.sources.envelope import reject

_UTF8 = ("utf-8", "utf8", "us-ascii")


def media_type(content_type: str) -> str:
    """In lower case, without parameters. Raises Refused (415) for a charset other than UTF-8."""
    media, *parameters = content_type.lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in _UTF8:
            reject("JSON is sent as UTF-8 (RFC 8259 §8.1)", reason="unsupported_media_type", status=415)
    return media.strip()


def is_json(media: str) -> bool:
    """`application/json` and everything `+json` (RFC 6839)."""
    return media in ("application/json", "text/json") or media.endswith("+json")


def must_be(media: str, expected: str) -> None:
    """Raise Refused (415) for another media type than the expected one."""
    if media != expected:
        reject(
            f"{media!r:.80} is not read here: send {expected}", reason="unsupported_media_type", status=415
        )
