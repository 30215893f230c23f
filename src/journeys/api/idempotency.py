"""`Idempotency-Key`: the same request again gets the same answer (draft-ietf-httpapi-idempotency-key-header-07).

Same key, other payload: 422. Still running: 409 with Retry-After. Keys are kept for 24 h.
"""

from collections.abc import Callable
from hashlib import blake2b

import orjson
import sqlalchemy as sa
from fastapi import Request, Response

from journeys.api.problems import problem
from journeys.store import bulk
from journeys.store.database import Database
from journeys.store.keys import Caller
from journeys.store.tables import answers
from signals.instant import DAY, MINUTE, Instant

KEPT = DAY
ABANDONED = MINUTE
"""After this a request that never finished may be tried again: its process died."""


class Idempotency:
    """Answers remembered by key."""

    def __init__(self, database: Database, clock: Callable[[], Instant]) -> None:
        self._database, self._clock = database, clock

    def once(self, request: Request, caller: Caller, body: bytes, act: Callable[[], Response]) -> Response:
        """Act, unless this key has been answered before."""
        given = request.headers.get("idempotency-key")
        if given is None:
            return act()
        word = given.strip().strip('"')
        if not 0 < len(word) <= 255:
            return problem(400, "Idempotency-Key is a word of 1 to 255 characters")
        key = f"{caller.id}/{word}"
        digest = _digest(request, body)
        known = self._begin(key, digest)
        if known is not None:
            return known
        try:
            response = act()
        except BaseException:
            self._forget(key)
            raise
        if response.status_code >= 500:
            self._forget(key)
        else:
            self._finish(key, response)
        return response

    def _begin(self, key: str, digest: bytes) -> Response | None:
        """Take the key, or answer what is known of it."""
        now = self._clock()
        with self._database.write() as connection:
            stale = sa.or_(
                answers.c.at < now - KEPT, sa.and_(answers.c.status.is_(None), answers.c.at < now - ABANDONED)
            )
            connection.execute(sa.delete(answers).where(answers.c.key == key, stale))
            row = {"key": key, "request_hash": digest, "status": None, "body": None, "at": now}
            if bulk.insert_new(connection, answers, [row]):
                return None
            known = connection.execute(sa.select(answers).where(answers.c.key == key)).one()
        if known.request_hash != digest:
            return problem(422, "this Idempotency-Key was used for another request")
        if known.status is None:
            return problem(
                409,
                "the first request with this Idempotency-Key is still running",
                headers={"Retry-After": "1"},
            )
        kind = "application/json" if known.status < 400 else "application/problem+json"
        return Response(known.body, known.status, {"Idempotency-Replayed": "true"}, kind)

    def _finish(self, key: str, response: Response) -> None:
        with self._database.write() as connection:
            mine = sa.update(answers).where(answers.c.key == key)
            connection.execute(mine.values(status=response.status_code, body=bytes(response.body)))

    def _forget(self, key: str) -> None:
        with self._database.write() as connection:
            connection.execute(sa.delete(answers).where(answers.c.key == key))


def _digest(request: Request, body: bytes) -> bytes:
    """16 bytes over what makes a request this one: in the binary mode of CloudEvents that includes headers."""
    said = sorted(
        (name, value)
        for name, value in request.headers.items()
        if name == "content-type" or name.startswith("ce-")
    )
    head = orjson.dumps([request.method, request.url.path, request.url.query, said])
    return blake2b(head + b"\0" + body, digest_size=16).digest()
