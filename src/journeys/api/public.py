"""Routes for customers: the one-click unsubscribe, the preference page, the in-app inbox. No API key; signed tokens."""

import secrets
from collections.abc import Callable
from html import escape
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Header, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from journeys import tokens
from journeys.naming import CONTACT
from journeys.service import Service
from journeys.store import identities
from journeys.store.database import Database
from journeys.store.tables import messages, renderings
from signals.event import Event
from signals.instant import Instant, iso

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/static/console.css">
</head><body><main class="plain"><h1>{title}</h1>{body}</main></body></html>"""
_CSP = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'",
    "Cache-Control": "no-store",
}


def router(database: Database, service: Service, secret: str, clock: Callable[[], Instant]) -> APIRouter:
    """The public routes."""
    routes = APIRouter()

    def unsubscribe(contact: str, topic: str, account: str, message: str) -> None:
        now = clock()
        data = {"topic": topic, "channel": "email", "message": message}
        event = Event(
            secrets.token_hex(16), "unsubscribe", "engagement.unsubscribed", now, account, contact, data, now
        )
        service.write([event], now)

    _unsubscribing(routes, secret, unsubscribe)
    _preferences(routes, secret, unsubscribe)
    _inbox(routes, secret, database)
    return routes


def _unsubscribing(routes: APIRouter, secret: str, unsubscribe: Callable[..., None]) -> None:
    """The link of `List-Unsubscribe`, pressed by a mail program or followed by a person."""

    @routes.post("/u/{token}", include_in_schema=False)
    def one_click(token: str) -> Response:
        """RFC 8058: POST, no redirect, no login; the same again changes nothing more."""
        unsubscribe(*_said(token, secret, "unsubscribe", 4))
        return _page("You are unsubscribed", "<p>We will not write about this again.</p>")

    @routes.get("/u/{token}", include_in_schema=False)
    def ask(token: str) -> Response:
        """A person followed the link: a page with a button. Reading it changes nothing (link scanners)."""
        _, topic, _, _ = _said(token, secret, "unsubscribe", 4)
        about = f"mail about {escape(topic.replace('_', ' '))}" if topic else "these mails"
        return _page(
            "Unsubscribe", f'<p>Stop {about}?</p><form method="post"><button>Unsubscribe</button></form>'
        )


def _preferences(routes: APIRouter, secret: str, unsubscribe: Callable[..., None]) -> None:
    @routes.get("/p/{token}", include_in_schema=False)
    def preferences(token: str) -> Response:
        """The preference page: stop all topics, or the whole channel."""
        _said(token, secret, "preferences", 2)
        return _page(
            "E-mail preferences",
            "<p>What should we stop sending you?</p>"
            f'<form method="post" action="/p/{token}/topics"><button>All product and marketing mail</button></form>'
            f'<form method="post" action="/p/{token}/channel"><button>Every e-mail, on any topic</button></form>',
        )

    @routes.post("/p/{token}/{stop}", include_in_schema=False)
    def prefer(token: str, stop: str) -> Response:
        """Withdraw all topics, or the channel."""
        contact, account = _said(token, secret, "preferences", 2)
        if stop not in ("topics", "channel"):
            raise HTTPException(404, "there is no such choice")
        unsubscribe(contact, "*" if stop == "channel" else "", account, "")
        return _page("Noted", "<p>Your choice counts from now on.</p>")


def _said(token: str, secret: str, purpose: str, count: int) -> list[str]:
    """The `count` words a link of ours carries; anything else is 404."""
    found = tokens.read(secret, purpose, token)
    if found is None or len(found) != count:
        raise HTTPException(404, "this link is not one of ours, or no longer good")
    return found


def _page(title: str, body: str) -> Response:
    return HTMLResponse(_PAGE.format(title=title, body=body), headers=_CSP)


def _inbox(routes: APIRouter, secret: str, database: Database) -> None:
    @routes.get("/v1/inapp/{contact}", tags=["in-app"])
    def inbox(contact: str, authorization: Annotated[str, Header()] = "") -> dict[str, Any]:
        """The contact's in-app messages, newest first; with a contact token as Bearer."""
        found = tokens.read(secret, "inapp", authorization.removeprefix("Bearer ").strip())
        if found is None or found[0] != contact:
            raise HTTPException(
                401, "send the contact's token: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"}
            )
        with database.read() as connection:
            who = identities.current(connection, CONTACT, contact)
            rows = connection.execute(_IN_APP.where(messages.c.contact == who)).all()
        items = [
            {
                "id": row.id,
                "content": row.content,
                "sent_at": iso(row.sent_at),
                "title": row.subject,
                "html": row.html,
            }
            for row in rows
        ]
        return {"items": items, "next": None}


_IN_APP = (
    sa.select(messages.c.id, messages.c.content, messages.c.sent_at, renderings.c.subject, renderings.c.html)
    .join(renderings, renderings.c.message == messages.c.id)
    .where(messages.c.channel == "in_app", messages.c.status.in_(("sent", "delivered")))
    .order_by(messages.c.sent_at.desc())
    .limit(50)
)


def inapp_token(secret: str, contact: str) -> str:
    """The token a product's page shows the in-app inbox with."""
    return tokens.sign(secret, "inapp", contact)
