"""Commands beside a running service: the same work over HTTP (JOURNEYS_URL, JOURNEYS_KEY; interfaces.md §2)."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import orjson

from journeys.cli.common import settings
from journeys.cli.output import fail
from journeys.definitions import MODELS, Draft, Fault, Refused, parse
from journeys.importer import Imported, reader
from signals.event import encode
from signals.instant import Instant
from signals.problem import Problem
from signals.sources.segment import Translator

BATCH = 500
"""Events a request, the most `POST /v1/events` takes."""

BATCH_BYTES = 900_000
"""Bytes a request: below the service's MiB, whatever the events hold."""

TIMEOUT = 120.0
"""Seconds for one answer."""

LOOK_AGAIN = 0.5
"""Seconds between two looks at how far an activation is."""


class RemoteRefused(RuntimeError):
    """The service said no, or did not answer; `errors` are its `[{pointer, detail}]`."""

    def __init__(self, message: str, errors: Sequence[dict[str, str]] = ()) -> None:
        super().__init__(message)
        self.errors = list(errors)


class Remote:
    """A running service, asked with an API key."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        self._client = httpx2.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=TIMEOUT
        )

    def get(self, path: str, **query: Any) -> Any:
        """What is there. Raises RemoteRefused."""
        return self._ask("GET", path, query)

    def post(self, path: str, body: bytes, kind: str = "application/json", **query: Any) -> Any:
        """What it made of the body. Raises RemoteRefused."""
        return self._ask("POST", path, query, content=body, headers={"Content-Type": kind})

    def _ask(self, method: str, path: str, query: dict[str, Any], **sent: Any) -> Any:
        asked = {name: value for name, value in query.items() if value is not None}
        try:
            response = self._client.request(method, path, params=asked, **sent)
        except httpx2.TransportError as error:
            raise RemoteRefused(
                f"no answer from {self.url} (JOURNEYS_URL): {error or type(error).__name__}; is the service running?"
            ) from error
        return orjson.loads(response.content) if response.is_success else _refuse(self.url, response)

    def close(self) -> None:
        """Hang up."""
        self._client.close()


def _refuse(url: str, response: httpx2.Response) -> Any:
    try:
        problem = orjson.loads(response.content)
        detail, errors = str(problem.get("detail") or problem["trouble"]), problem.get("errors", [])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        detail, errors = "is JOURNEYS_URL the address of this service?", []
    hint = " (JOURNEYS_KEY)" if response.status_code in (401, 403) else ""
    raise RemoteRefused(f"{url} answers {response.status_code}: {detail}{hint}", errors)


@contextmanager
def beside() -> Iterator[Remote | None]:
    """The running service where JOURNEYS_URL names one, else None: the command opens the database itself."""
    chosen = settings()
    if chosen.url is None:
        yield None
        return
    if chosen.key is None:
        fail("JOURNEYS_URL is set and JOURNEYS_KEY is not: which API key may do this?")
    remote = Remote(chosen.url, chosen.key)
    try:
        yield remote
    finally:
        remote.close()


def apply_drafts(
    remote: Remote, drafts: Sequence[Draft], told: Callable[[int, int], None], **how: bool | str | None
) -> dict[str, Any]:
    """All of them or none, by the service's own checks; what it answers. Raises Refused naming the files.

    Those made live are waited for until every account has been brought to them, `told` how many of how many.
    """
    body = orjson.dumps({"definitions": [{"kind": draft.kind, "body": draft.body} for draft in drafts]})
    files = {(draft.kind, draft.key): draft.file for draft in drafts}
    asked = {name: "true" if wanted is True else wanted for name, wanted in how.items() if wanted}
    try:
        answer: dict[str, Any] = remote.post("/v1/definitions", body, **asked, wait="false")
    except RemoteRefused as refused:
        if not refused.errors:
            raise
        raise Refused([_fault(error, files) for error in refused.errors]) from refused
    if answer["changes"] and "filling" in answer:
        answer["made"] = _wait_for(remote, answer["filling"]["stamp"], told)
    found = [{**change, "file": files.get((change["kind"], change["key"]))} for change in answer["changes"]]
    return {**answer, "changes": found}


def live_drafts(remote: Remote) -> list[Draft]:
    """Everything that counts in the running service, read kind by kind."""
    found: list[Draft] = []
    for kind in MODELS:
        cursor: str | None = None
        while True:
            page = remote.get(f"/v1/{kind}", live="true", cursor=cursor, limit=200)
            found += [parse(kind, one["body"]) for one in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
    return found


def _wait_for(remote: Remote, stamp: int, told: Callable[[int, int], None]) -> dict[str, Any]:
    """Until these definitions, or later ones, have reached every account; what they made of them."""
    while True:
        progress = remote.get("/v1/definitions/progress")
        told(progress["done"], progress["accounts"])
        if progress["finished_at"] is not None or progress["stamp"] > stamp:
            return dict(progress["made"])
        time.sleep(LOOK_AGAIN)


def _fault(error: dict[str, str], files: dict[tuple[str, str], str | None]) -> Fault:
    _, kind, key, *rest = [*error["pointer"].split("/", 3), "", ""][:4]
    below = rest[0] if rest else ""
    pointer = below if below.startswith("step ") or not below else f"/{below}"
    return Fault(kind, key, error["detail"], pointer, files.get((kind, key)), mend=error.get("mend", ""))


def import_file(
    remote: Remote,
    path: Path,
    mapping: Path | None,
    history: bool,
    now: Instant,
    progress: Callable[[int], None],
    segment: Translator | None = None,
) -> Imported:
    """Read the file here and post its events; a row that gives none is counted here and never leaves this machine.

    It begins anew each time: the service knows what it has.
    """
    told = Imported(path.name)
    waiting: list[tuple[int, bytes]] = []
    size = 0
    for number, item in reader(path, mapping, segment)(path, now):
        told.rows = max(told.rows, number)
        if isinstance(item, Problem):
            told.refuse(item.reason, item.detail, number)
            continue
        if item is None:
            continue
        body = encode(item)
        if len(waiting) == BATCH or size + len(body) > BATCH_BYTES:
            _post(remote, waiting, history, told)
            progress(told.rows)
            waiting, size = [], 0
        waiting.append((number, body))
        size += len(body) + 1
    _post(remote, waiting, history, told)
    progress(told.rows)
    return told


def _post(remote: Remote, events: Sequence[tuple[int, bytes]], history: bool, told: Imported) -> None:
    if not events:
        return
    body = b"[" + b",".join(raw for _, raw in events) + b"]"
    asked = {"history": "true"} if history else {}
    answer = remote.post("/v1/events", body, "application/cloudevents-batch+json", **asked)
    told.accepted += answer["accepted"]
    told.duplicates += answer["duplicates"]
    for refused in answer["rejected"]:
        problem = refused["problem"]
        told.refuse(_reason(problem), problem["detail"], events[refused["index"]][0])


def _reason(problem: dict[str, Any]) -> str:
    return str(problem["type"]).rpartition(":")[2].rpartition("/")[2]


def account_path(account: str) -> str:
    """The path of an account, whatever its id holds."""
    return f"/v1/accounts/{quote(account, safe='')}"
