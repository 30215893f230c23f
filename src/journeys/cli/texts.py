"""Texts from the command line: how much of them is shared, what they say to somebody, and a copy by mail."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer

from channels.address import BadAddress
from channels.headers import BadHeader
from journeys.bootstrap import Parts
from journeys.cli.common import Json, app, parts
from journeys.cli.library import read_or_tell
from journeys.cli.output import fail, say, table, tell
from journeys.cli.remote import Remote, beside
from journeys.definitions import Draft, Refused, parse
from journeys.proofs import NotAllowed
from journeys.store import accounts
from journeys.texts import reuse as shared_texts
from plays.content import Block, Content


@app.command()
def reuse(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="A folder of definitions; without one: what is live.", exists=True, file_okay=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """How much of what customers read is written once and used in several contents: content reuse %."""
    told = _live_reuse() if folder is None else shared_texts(*_texts(read_or_tell(folder)))
    percent = "no texts" if told["percent"] is None else f"{told['percent']} %"
    summary = (
        f"content reuse {percent}: {told['shared']} of {told['pieces']} pieces of {told['contents']} contents"
    )
    rows = sorted(told["blocks"].items(), key=lambda row: (-row[1], row[0]))
    say(told, lambda: table(summary, ["block", "contents"], [[key, str(users)] for key, users in rows]))


def _live_reuse() -> dict[str, Any]:
    with beside() as remote:
        if remote is not None:
            return dict(remote.get("/v1/definitions/reuse"))
    with parts() as made:
        return shared_texts(*_texts(draft for draft in made.library.live() if draft.status != "retired"))


def _texts(drafts: Iterable[Draft]) -> tuple[list[Content], dict[str, Block]]:
    models = [draft.model for draft in drafts]
    contents = [model for model in models if isinstance(model, Content)]
    return contents, {model.key: model for model in models if isinstance(model, Block)}


@app.command()
def preview(
    content: Annotated[str, typer.Argument(help="A content's key; of a variant key@role.")],
    account: Annotated[str, typer.Option(help="Whose people read it.")],
    role: Annotated[str | None, typer.Option(help="As which role; default: the content's.")] = None,
    contact: Annotated[str | None, typer.Option(help="As whom; default: who holds the role.")] = None,
    channel: Annotated[
        str | None, typer.Option(help="email, in_app or task; default: the content's.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the page to this file.")] = None,
    send_to: Annotated[
        str | None, typer.Option(help="Mail it there, marked as a test, if JOURNEYS_TEST_ADDRESSES has it.")
    ] = None,
    json: Json = False,
) -> None:
    """What the newest version of a content says to somebody, before it is live."""
    who = {"account": account, "role": role, "contact": contact, "channel": channel}
    with beside() as remote:
        if remote is not None:
            proof, sent = _asked(remote, content, send_to, who)
        else:
            with parts() as made:
                proof, sent = _made(made, content, send_to, who)
    if html is not None and proof["html"] is not None:
        html.write_text(proof["html"], "utf-8")
    say({**proof, "sent": sent}, lambda: _show(proof, sent))
    if proof["problem"] is not None:
        raise typer.Exit(1)


def _asked(remote: Remote, key: str, to: str | None, who: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    path = f"/v1/content/{quote(key, safe='')}"
    proof = remote.post(f"{path}/preview", b"", **who)
    if to is None or proof["problem"] is not None:
        return proof, None
    return proof, remote.post(f"{path}/test", orjson.dumps({"to": to}), **who)


def _made(made: Parts, key: str, to: str | None, who: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    newest = made.library.get("content", key)
    with made.database.read() as connection:
        state = accounts.load(connection, who["account"])
    if newest is None:
        fail(f"there is no content {key!r}")
    if state is None:
        fail(f"there is no account {who['account']!r}")
    if who["contact"] is not None and who["contact"] not in state.profile.contacts:
        fail(f"there is no contact {who['contact']!r} at {who['account']!r}")
    body = parse("content", newest["body"])
    draft = Draft("content", key, body.body, body.model, None, newest["version"], newest["status"])
    as_whom = {name: who[name] for name in ("role", "contact", "channel")}
    try:
        playbook = made.playbooks.around_text(draft)
        proof = made.proofs.proof(draft, playbook, state.profile, made.now(), **as_whom)
        if to is None or proof["problem"] is not None:
            return proof, None
        if proof["channel"] not in ("email", "invitation"):
            fail(f"a text for {proof['channel']} is not mailed: ask for --channel email")
        return proof, made.proofs.send(proof, to, f"{key}@{draft.version}", made.now())
    except (NotAllowed, BadAddress, BadHeader, Refused) as refused:
        fail(str(refused))


def _show(proof: dict[str, Any], sent: dict[str, str] | None) -> None:
    if proof["problem"] is not None:
        tell(f"{proof['problem']['reason']}: {proof['problem']['detail']}")
        return
    variant = ", ".join(f"{name} {word}" for name, word in proof["variant"].items() if word is not None)
    about = [
        f"to {proof['contact'] or 'us'} by {proof['channel']} ({variant})",
        f"blocks: {', '.join(proof['blocks'])}",
    ]
    if proof["sampled"]:
        about.append(f"values of a sample: {', '.join(proof['sampled'])}")
    tell(*about, "", proof["subject"], "", *proof["text"].splitlines())
    if sent is not None:
        tell("", f"{sent['outcome']}: {sent['to']} {sent['detail']}".rstrip())
