"""Whether the fixed links of texts answer: asked of the network only where somebody says `--online`."""

from collections.abc import Iterable, Iterator

import httpx2

from channels.grammar import RenderFailed
from channels.prose import links
from channels.reading import read
from journeys.definitions import Draft, Fault

TIMEOUT = 10.0
"""Seconds for one answer."""

_GONE = frozenset({404, 410})
_NO_HEAD = frozenset({405, 501})


def dead_links(drafts: Iterable[Draft], client: httpx2.Client) -> Iterator[Fault]:
    """A remark for every address of a content or block that says it has nothing, or does not answer.

    An address with a value in it is not asked: what it leads to is only known at sending.
    """
    asked: dict[str, str | None] = {}
    for draft in drafts:
        for href, line in _fixed(draft):
            if href not in asked:
                asked[href] = _trouble(href, client)
            if asked[href] is not None:
                detail = f"the link {href} {asked[href]}"
                mend = "open it, and put in the address it has now"
                yield Fault(draft.kind, draft.key, detail, "/body", draft.file, False, mend, text_line=line)


def _fixed(draft: Draft) -> Iterator[tuple[str, int]]:
    if draft.kind not in ("content", "blocks"):
        return
    try:
        found = links(read(draft.model.body).outline)
    except RenderFailed:
        return  # told by the linter
    for link in found:
        if link.href is not None and link.href.startswith("https://") and "jvslot" not in link.href:
            yield link.href, link.line


def _trouble(href: str, client: httpx2.Client) -> str | None:
    """What is wrong with it; a door that is shut (401, 403) or busy (5xx, 429) is a door."""
    try:
        status = client.head(href).status_code
        if status in _NO_HEAD:
            status = client.get(href).status_code
    except httpx2.HTTPError as error:
        return f"does not answer ({type(error).__name__})"
    return f"answers {status}" if status in _GONE else None
