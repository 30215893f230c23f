"""The secrets of webhooks: how an operator writes them, which are any good, and what each is meant for.

A source is one of the vendors that sign in a way of their own, or `generic/NAME` for anybody whose payloads a mapping
definition NAME reads. A generic source signs by Standard Webhooks where its secret begins with `whsec_`; else the
secret itself is sent as bearer token or Basic password.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from signals.problem import Problem, Refused
from signals.sources import signatures
from signals.sources.signatures import SCHEMES, STANDARD_PREFIX, Delivery, Scheme

Secrets: TypeAlias = Mapping[str, Sequence[str]]
"""For each source, the secrets that are valid now."""

GENERIC = "generic/"
OPEN = "none"
"""In place of a generic source's secret: whoever reaches the address may send. Said on purpose, never by default."""

SHORTEST = 16
"""Characters of a secret, at least."""


def parse_secrets(text: str) -> dict[str, list[str]]:
    """`stripe=A,stripe=B,generic/billing=C`, or a JSON object of texts or lists of them. Raises ValueError."""
    if text.lstrip().startswith("{"):
        return _from_json(text)
    found: dict[str, list[str]] = {}
    for number, part in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        source, equals, secret = part.partition("=")
        if not equals:
            raise ValueError(
                f"part {number} is not of the form source=secret"
            )  # it may be a secret: not quoted
        found.setdefault(source.strip(), []).append(secret.strip())
    return found


def _from_json(text: str) -> dict[str, list[str]]:
    try:
        body: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it begins like JSON and is none: {error.msg} at character {error.pos}") from None
    return {source: [given] if isinstance(given, str) else given for source, given in body.items()}


def check_secrets(source: str, secrets: Sequence[str]) -> None:
    """Raise ValueError for a source that cannot be, or a secret of no use; the secret itself is not quoted."""
    if not is_source(source):
        raise ValueError(f"{source!r:.60} is no source: there are {', '.join(SCHEMES)}, and generic/NAME")
    for secret in secrets:
        if secret == OPEN and source.startswith(GENERIC):
            continue
        if len(secret) < SHORTEST:
            raise ValueError(f"the secret of {source} has {len(secret)} characters, {SHORTEST} are needed")
        if source.startswith(GENERIC) and secret.startswith(STANDARD_PREFIX):
            signatures.standard_key(secret)


def is_source(source: str) -> bool:
    """Whether there can be such a source. What a vendor signs in its own way is no generic source."""
    return source in SCHEMES or (source.startswith(GENERIC) and source[len(GENERIC) :] not in ("", *SCHEMES))


def check(source: str, delivery: Delivery, secrets: Sequence[str]) -> None:
    """Raise Refused (401) unless the sender holds one of the secrets; a source without any is shut."""
    if not secrets:
        detail = f"no secret is configured for {source}: set JOURNEYS_HOOK_SECRETS={source}=SECRET"
        raise Refused(Problem(401, "unsigned", detail))
    if OPEN not in secrets or source in SCHEMES:
        scheme, fitting = _scheme(source, delivery, secrets)
        signatures.verify(scheme, delivery, fitting)


def _scheme(source: str, delivery: Delivery, secrets: Sequence[str]) -> tuple[Scheme, Sequence[str]]:
    """How the source signs, and the secrets meant for that."""
    if source in SCHEMES:
        return SCHEMES[source], secrets
    signing = [secret for secret in secrets if secret.startswith(STANDARD_PREFIX)]
    plain = [secret for secret in secrets if secret not in signing]
    if "webhook-signature" in delivery.headers or not plain:
        return signatures.standard, signing
    return signatures.shared, plain
