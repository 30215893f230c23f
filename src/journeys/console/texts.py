"""Texts in the console: what each content says, a draft too, as somebody of any account, in any role and channel."""

from typing import Any, NamedTuple
from urllib.parse import quote

from fastapi import APIRouter, Response

from journeys.console import views
from journeys.console.base import Console, Text
from journeys.definitions import Draft, Refused, parse
from journeys.playbooks import Playbooks
from journeys.proofs import Proofs
from journeys.store.accounts import load
from journeys.store.library import Library
from journeys.store.reads import people
from signals.instant import Instant
from signals.profile import Profile

CHANNELS = ("email", "in_app", "task", "invitation")
FIRST_ACCOUNTS = 50
"""Accounts proposed to choose from; any other may be typed."""


class Texts(NamedTuple):
    """Where texts are, what they are read among, and who makes them readable."""

    library: Library
    playbooks: Playbooks
    proofs: Proofs


def texts_routes(routes: APIRouter, console: Console, texts: Texts) -> None:
    """The pages: all texts, one text as somebody reads it, and its mail for a frame."""

    @routes.get("/texts")
    def listed() -> Response:
        rows = [{**row, **_about(row["body"])} for row in texts.library.list("content")]
        return console.furniture.page("texts", {"here": "texts", "items": rows})

    @routes.get("/texts/{key}")
    def one(
        key: str, account: Text = None, role: Text = None, contact: Text = None, channel: Text = None
    ) -> Response:
        draft = _newest(texts, key)
        if draft is None:
            return console.missing("text", key)
        asked = views.wanted(account=account, role=role, contact=contact, channel=channel)
        reader = _reader(console, asked["account"])
        known = {
            "here": "texts",
            "draft": draft,
            "about": _about(draft.body),
            "asked": asked,
            "reader": reader,
            "roles": _roles(texts, draft, reader),
            "channels": CHANNELS,
            "proof": _proof(texts, draft, reader, asked, console.clock()),
            "mail": views.address(f"/texts/{quote(key, safe='')}/html", asked),
        }
        return console.furniture.page("text", known)

    @routes.get("/texts/{key}/html")
    def html(
        key: str, account: Text = None, role: Text = None, contact: Text = None, channel: Text = None
    ) -> Response:
        draft = _newest(texts, key)
        asked = views.wanted(account=account, role=role, contact=contact, channel=channel)
        reader = _reader(console, asked["account"])
        proof = None if draft is None else _proof(texts, draft, reader, asked, console.clock())
        if proof is None or proof["html"] is None:
            return console.missing("rendered text", key)
        return console.furniture.mail(proof["html"])


def _about(body: dict[str, Any]) -> dict[str, Any]:
    """What a list says of a content, whatever its body leaves out."""
    names = ("subject", "channel", "role", "stage", "locale", "topic")
    return {**{name: body.get(name) for name in names}, "class": body.get("class", "marketing")}


def _newest(texts: Texts, key: str) -> Draft | None:
    found = None if "\x00" in key else texts.library.get("content", key)
    if found is None:
        return None
    body = parse("content", found["body"])
    return Draft("content", key, body.body, body.model, None, found["version"], found["status"])


class _Reader(NamedTuple):
    """Whose text it is: the accounts proposed, the one meant, its profile; None where there is none."""

    proposed: list[dict[str, Any]]
    account: dict[str, Any] | None = None
    profile: Profile | None = None


def _reader(console: Console, account: Text) -> _Reader:
    """The account that is named, else the first there is."""
    now = console.clock()
    with console.database.read() as connection:
        proposed = people.accounts(connection, now, limit=FIRST_ACCOUNTS)["items"]
        chosen = account or next((one["id"] for one in proposed), None)
        state = None if chosen is None else load(connection, chosen)
        if state is None:
            return _Reader(proposed)
        return _Reader(proposed, people.account(connection, state.profile.id, now), state.profile)


def _proof(
    texts: Texts, draft: Draft, reader: _Reader, asked: views.Filters, now: Instant
) -> dict[str, Any] | None:
    """What they would read; what is not there (a person of another account) is as if it was not asked for."""
    profile = reader.profile
    if profile is None:
        return None
    contact = asked["contact"] if asked["contact"] in profile.contacts else None
    channel = asked["channel"] if asked["channel"] in CHANNELS else None
    who = {"role": asked["role"], "contact": contact, "channel": channel}
    try:
        return texts.proofs.proof(draft, texts.playbooks.around_text(draft), profile, now, **who)
    except Refused as refused:
        problem = {"reason": "refused", "detail": str(refused)}
        return {**who, "variant": {}, "sampled": [], "blocks": [], "html": None, "problem": problem}


def _roles(texts: Texts, draft: Draft, reader: _Reader) -> list[str]:
    """Roles to read as: those it is written for, and those somebody at the account holds."""
    variants = {text.role for text in texts.playbooks().contents.get(draft.model.key, ())}
    contacts = [] if reader.account is None else reader.account["contacts"]
    held = {span["role"] for one in contacts for span in one["roles"] if span["until"] is None}
    return sorted({role for role in {*variants, *held, draft.model.role} if role is not None})
