"""Test users: a play, a draft too, tried on named accounts, its mails going to whoever tries it."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from channels.address import BadAddress
from channels.headers import BadHeader
from channels.message import NOBODY
from journeys.api.access import Guard, body_of, documented
from journeys.api.definitions import Key, actor_of
from journeys.api.paging import Word
from journeys.api.shelf import Shelf
from journeys.definitions import Draft
from journeys.journey import Decision, decide
from journeys.life import NotPossible
from journeys.playbook import Playbook
from journeys.playbooks import Playbooks
from journeys.proofs import NotAllowed, Proofs
from journeys.store import accounts, audit, outcomes, sending
from journeys.store.database import Database
from journeys.store.keys import Caller
from journeys.store.searched import address_key
from journeys.store.tables import suppressions
from journeys.tryouts import Made, Ordered, Walk, cause_of, walk
from signals.instant import Instant, iso

MOST_MAILS = 50
"""Mails one request may send: a play that goes round shall not fill its author's mailbox."""

_MAILED = ("email", "invitation")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TestEvent(_Strict):
    """The event that would begin it."""

    type: Word | None = None
    contact: Word | None = None
    data: dict[str, Any] = {}


class TestBody(_Strict):
    """Which accounts, where the mails go, and what begins it (default: an event as the trigger asks for)."""

    accounts: Annotated[list[Word], Field(min_length=1, max_length=10)]
    to: Annotated[str, Field(min_length=3, max_length=254)]
    event: TestEvent = TestEvent()


class Trier:
    """Tries plays on copies of accounts; writes decisions and an audit row, and mails only to allowed addresses."""

    def __init__(
        self,
        shelf: Shelf,
        playbooks: Playbooks,
        proofs: Proofs,
        database: Database,
        clock: Callable[[], Instant],
    ) -> None:
        self._shelf, self._playbooks, self._proofs = shelf, playbooks, proofs
        self._database, self._clock = database, clock

    def run(self, key: str, body: TestBody, actor: str) -> dict[str, Any]:
        """Try the newest version. Raises 404, Refused, NotAllowed, BadAddress, and NotPossible while sending is stopped."""
        draft, now = self._shelf.newest("plays", key), self._clock()
        to = self._where(body.to)
        book = self._playbooks.alone(draft)
        cause = cause_of(book, draft.key, body.event.model_dump(), now)
        walks = [self._walk(account, book, draft, cause, now) for account in dict.fromkeys(body.accounts)]
        told, decisions = [], list[Decision]()
        left = MOST_MAILS
        for walked in walks:
            messages = [self._told(made, book) for made in walked.messages]
            left = self._mail(messages, to, f"{key}@{draft.version}/{walked.account}", left, now)
            decisions += _decisions(walked, draft, messages, to, actor, now)
            told.append(
                {**_shown(walked, messages), "tasks": [self._task(one, book) for one in walked.tasks]}
            )
        self._keep(draft, decisions, body.accounts, to, actor, now)
        return {"key": key, "version": draft.version, "to": to, "accounts": told}

    def _where(self, address: str) -> str:
        """The allowed address, where it may be written to at all."""
        to = self._proofs.require_allowed(address)
        with self._database.read() as connection:
            if sending.is_stopped(connection):
                raise NotPossible("sending is stopped (POST /v1/sending/start): tests are not sent either")
            mine = suppressions.c.address_key == address_key(to)
            if connection.execute(sa.select(suppressions.c.cause).where(mine)).first() is not None:
                raise NotAllowed(f"{to} is on the suppression list: nothing is sent there")
        return to

    def _walk(self, account: str, book: Playbook, draft: Draft, cause: Any, now: Instant) -> Walk:
        with self._database.read() as connection:
            state = accounts.load(connection, account)
            history = outcomes.histories(connection, [account]).get(account, [])
        if state is None:
            raise HTTPException(404, f"there is no account {account!r}")
        return walk(state, history, book, draft.key, cause, now)

    def _told(self, made: Made, book: Playbook) -> dict[str, Any]:
        message = made.message
        about = {name: getattr(message, name) for name in ("channel", "role", "content", "step")}
        about |= {"at": iso(made.at), "contact": None if message.contact == NOBODY else message.contact}
        if message.channel == "webhook":
            return {**about, "mailed": None}
        return {
            **about,
            **self._proofs.read(message, made.journey, made.profile, book, made.at),
            "mailed": None,
        }

    def _task(self, made: Ordered, book: Playbook) -> dict[str, Any]:
        order = made.order
        title, text = self._proofs.task(order, made.profile, book)
        return {"at": iso(order.at), "to": order.to, "title": title, "type": order.type, "text": text}

    def _mail(self, messages: Sequence[dict[str, Any]], to: str, name: str, left: int, now: Instant) -> int:
        """Mail what would be mailed; answers how many more may be."""
        for place, told in enumerate(messages):
            if told["channel"] in _MAILED and told["problem"] is None and left > 0:
                told["mailed"] = self._proofs.send(told, to, f"{name}/{place}", now)
                left -= 1
        return left

    def _keep(
        self,
        draft: Draft,
        decisions: Sequence[Decision],
        tried: Sequence[str],
        to: str,
        actor: str,
        now: Instant,
    ) -> None:
        about = {"version": draft.version, "accounts": list(tried), "to": to}
        with self._database.write() as connection:
            outcomes.save_decisions(connection, decisions)
            audit.append(
                connection, now, actor, "test", f"plays/{draft.key}", draft.hash, draft.hash, **about
            )


def _decisions(
    walked: Walk, draft: Draft, messages: Sequence[dict[str, Any]], to: str, actor: str, now: Instant
) -> list[Decision]:
    """What was tried, as decisions that say so: no one there got anything."""
    about: dict[str, Any] = {"play": draft.key, "version": draft.version}
    why = next((one.reason for one in walked.decisions if one.outcome == "not_started"), None)
    test = {"check": "test", "passed": True, "saw": {"to": to, "by": actor}}
    found = [decide(now, walked.account, "start", "tested", why, **about, checks=[test])]
    for place, told in enumerate(messages):
        saw = {"check": "test", "passed": True, "saw": {"to": to, "by": actor, "content": told["content"]}}
        who = {"contact": told["contact"], "checks": [saw], "also": f"{told['step']}/{place}"}
        found.append(decide(now, walked.account, "send", "tested", None, **about, **who))
    return found


def _shown(walked: Walk, messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    journey = walked.journey
    started = next((one for one in walked.decisions if one.outcome in ("started", "not_started")), None)
    return {
        "account": walked.account,
        "started": journey is not None,
        "reason": None if started is None or journey is not None else started.reason,
        "checks": [] if started is None else started.checks,
        "journey": None if journey is None else journey.as_json(),
        "messages": list(messages),
        "updates": [
            {"at": iso(event.time), "type": event.type, "data": event.data} for event in walked.updates
        ],
    }


def router(trier: Trier, guard: Guard) -> APIRouter:
    """The route."""
    marketer = guard("marketer")
    routes = APIRouter(tags=["definitions"], dependencies=[Depends(marketer)])

    @routes.post("/v1/plays/{key}/test", openapi_extra=documented(TestBody))
    def test(
        key: Key,
        body: Annotated[TestBody, Depends(body_of(TestBody))],
        caller: Annotated[Caller, Depends(marketer)],
    ) -> dict[str, Any]:
        """Try the newest version on copies of these accounts, waits passing at once: what they would get, and when.

        Mails go to `to`, marked as tests, if JOURNEYS_TEST_ADDRESSES lists it; nobody of the accounts gets anything.
        """
        try:
            return trier.run(key, body, actor_of(caller))
        except NotAllowed as refused:
            raise HTTPException(403, str(refused)) from refused
        except (BadAddress, BadHeader) as refused:
            raise HTTPException(422, str(refused)) from refused

    return routes
