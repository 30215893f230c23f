"""Proofs: what a text would say to somebody before it is live, and a copy by mail to an address that is allowed."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

from channels.address import lookup_key, normalise
from channels.frame import Frame
from channels.grammar import RenderFailed
from channels.message import Message, identity, mail_message_id
from channels.mime import Posting, build
from channels.outbox import Outbox
from channels.port import InDoubt, MailChannel, Permanent, Sent, Temporary
from channels.render import Rendered, Source
from journeys.composer import Office
from journeys.definitions import Draft
from journeys.engine import TaskOrder
from journeys.gate import Render, person_for
from journeys.journey import Cause, Journey
from journeys.letters import Reader, composed, for_channel
from journeys.playbook import Playbook
from journeys.samples import sample_data
from plays.content import Block, Content, UnknownBlock
from signals.instant import Instant
from signals.profile import Profile

_FRAMED = ("email", "invitation")
_MARK = "[Test] "


class NotAllowed(ValueError):
    """A test goes to addresses the operator listed, and to nobody else."""


class Proofs:
    """Makes proofs. `allowed` are addresses, or whole domains as `@example.com`, that tests may go to."""

    def __init__(
        self, render: Render, office: Office, mail: Callable[[], MailChannel], allowed: Collection[str]
    ) -> None:
        self._render, self._office, self._mail = render, office, mail
        self._allowed = frozenset(each.casefold() for each in allowed)

    def proof(
        self,
        draft: Draft,
        playbook: Playbook,
        profile: Profile,
        at: Instant,
        *,
        role: str | None = None,
        contact: str | None = None,
        channel: str | None = None,
    ) -> dict[str, Any]:
        """What the person would read, as which variant, of which blocks; `problem` says why they would not.

        A draft that is a variant is shown as that variant, another as the one this reader would get. The event that
        would begin it has not come: what the text asks of it has values of a sample, named in `sampled`.
        """
        written: Content = draft.model
        role = role if role is not None else written.role
        person = None if written.channel == "task" else _person(profile, contact, role, at)
        fields = sorted(_event_fields(written, playbook.blocks.values()))
        cause = Cause("proof", "sample", "sample.event", at, None, sample_data(fields)[0])
        reader = Reader(profile, person, role, at, cause, beside=_offer(playbook))
        is_variant = written.role is not None or written.stage is not None or "@" in draft.key
        text = written if is_variant else reader.content(written.key, playbook) or written
        told = {
            "variant": {"role": text.role, "stage": text.stage, "locale": text.locale},
            "contact": None if person is None else person.id,
            "role": role,
            "channel": channel or text.channel,
            "sampled": [f"event.data.{field}" for field in fields],
        }
        return {**told, **self._made(text, reader, playbook, channel or text.channel)}

    def read(
        self, message: Message, journey: Journey | None, profile: Profile, playbook: Playbook, at: Instant
    ) -> dict[str, Any]:
        """What the person of a message would read: subject, text, html, and `problem` where it cannot be made."""
        cause = None if journey is None else journey.cause
        person = profile.contacts.get(message.contact)
        key = None if journey is None else journey.key
        reader = Reader(profile, person, message.role, at, cause, message.play, key, message.data or {})
        text = reader.content(message.content, playbook)
        if text is None:
            detail = f"there is no content {message.content!r}"
            return {
                "subject": None,
                "text": None,
                "html": None,
                "problem": {"reason": "bad_template", "detail": detail},
            }
        return self._made(text, reader, playbook, message.channel)

    def task(self, order: TaskOrder, profile: Profile, playbook: Playbook) -> tuple[str, str]:
        """A task's title and text as whoever gets it would read them; as written where they cannot be made."""
        reader = Reader(profile, None, None, order.at, order.cause)
        content = None if order.content is None else reader.content(order.content, playbook)
        try:
            made = None if content is None else composed(content, reader, playbook)
            body, context = ("", reader.context()) if made is None else (made.source.body, made.context)
            shown = self._render(Source(order.title, body, "task"), context, None)
        except (RenderFailed, UnknownBlock) as failure:
            return order.title, str(failure)
        return shown.subject, shown.text.strip()

    def _made(self, text: Content, reader: Reader, playbook: Playbook, channel: str) -> dict[str, Any]:
        nothing: dict[str, Any] = {"subject": None, "text": None, "html": None, "blocks": [], "problem": None}
        try:
            made = composed(text, reader, playbook)
            frame = self._frame(text) if channel in _FRAMED else None
            shown = self._render(for_channel(made.source, channel), made.context, frame)
        except RenderFailed as failure:
            return {**nothing, "problem": {"reason": failure.reason, "detail": failure.detail}}
        except UnknownBlock as failure:
            return {**nothing, "problem": {"reason": "bad_template", "detail": str(failure)}}
        shown_as = {"subject": shown.subject, "text": shown.text, "html": shown.html}
        return {**nothing, **shown_as, "blocks": list(made.blocks)}

    def _frame(self, text: Content) -> Frame:
        """The ways out lead nowhere: nobody unsubscribes by looking at a proof."""
        base = self._office.base_url
        return self._office.frame(text.class_, f"{base}/u/test", f"{base}/p/test")

    def require_allowed(self, address: str) -> str:
        """The normal form of an address tests may go to. Raises NotAllowed, BadAddress."""
        normal = normalise(address)
        key = lookup_key(normal)
        if key not in self._allowed and f"@{key.partition('@')[2]}" not in self._allowed:
            raise NotAllowed("tests may not be sent to this address: list it in JOURNEYS_TEST_ADDRESSES")
        return normal

    def send(self, proof: dict[str, Any], to: str, name: str, now: Instant) -> dict[str, str]:
        """Mail a proof, marked as a test, to an allowed address; answers what became of it.

        Raises NotAllowed, BadAddress, BadHeader. No account, cap or consent is touched, and nothing is recorded.
        """
        address = self.require_allowed(to)
        rendered = Rendered(_MARK + proof["subject"], proof["text"], proof["html"])
        message = mail_message_id(identity("test", name, address, now), self._office.domain)
        mail = build(self._office.letterhead, Posting(address, message, now), rendered)
        channel = self._mail()
        try:
            outcome = channel.post(mail)
        finally:
            channel.close()
        if isinstance(channel, Outbox):
            return {"to": address, "outcome": "not sent", "detail": "kept: JOURNEYS_SMTP_URL is not set"}
        return {"to": address, "outcome": _OUTCOMES[type(outcome)], "detail": getattr(outcome, "detail", "")}


_OUTCOMES: dict[type, str] = {Sent: "sent", Temporary: "not sent", Permanent: "refused", InDoubt: "in doubt"}


def _person(profile: Profile, contact: str | None, role: str | None, at: Instant) -> Any:
    return profile.contacts.get(contact) if contact is not None else person_for(profile, role, at)


def _offer(playbook: Playbook) -> dict[str, Any]:
    """An offer step would put one here: the first there is."""
    return next(({"offer": offer.as_plain()} for offer in playbook.offers.values()), {})


def _event_fields(text: Content, blocks: Iterable[Block]) -> set[str]:
    named = {key for keys in text.blocks.values() for key in keys}
    parts = [text, *(block for block in blocks if block.key in named)]
    sources = [fact.source for part in parts for fact in part.facts.values()]
    return {each.removeprefix("event.data.") for each in sources if each.startswith("event.data.")}
