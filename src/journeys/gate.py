"""The render gate: before a text is live it is rendered for whoever it may meet (semantics §6). One failure blocks.

Every content a change concerns is rendered for each role its steps name, in each variant, for up to 200 profiles of
the store, or the shipped samples where there is nobody yet. A profile is left out of a play it cannot come into: its
audience says no, or it has not got an attribute the trigger asks for.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from channels.frame import Frame
from channels.grammar import RenderFailed
from channels.render import Rendered, Source
from journeys.composer import Office
from journeys.definitions import Draft, Fault
from journeys.journey import Cause
from journeys.letters import Reader, composed, for_channel
from journeys.playbook import Playbook
from journeys.samples import sample_data, sample_profiles
from plays.content import Block, Content, Fact, UnknownBlock
from plays.lint import SUBJECT
from plays.play import CompiledPlay
from plays.steps import MessageStep, TaskStep
from signals.attributes import account_value
from signals.conditions import Moment
from signals.instant import Instant
from signals.operators import MISSING
from signals.profile import Contact, Profile, holders

PROFILES = 200
"""Profiles of the store a text is tried on."""

FEW = 5
"""A subject that is too long for fewer than one in so many is nothing to remark on."""

Render = Callable[[Source, Mapping[str, Any], Frame | None], Rendered]
"""`Fence.render`."""


class Use(NamedTuple):
    """One place that sends a content: in which roles, on which channels, as what, with which offers; None: none yet."""

    content: str
    play: CompiledPlay | None = None
    roles: tuple[str | None, ...] = (None,)
    channels: tuple[str, ...] = ()
    cls: str | None = None
    offers: tuple[dict[str, Any], ...] = ()


class Gate:
    """Tries texts. `profiles` answers up to so many of the store, always the same ones of the same accounts."""

    def __init__(self, render: Render, office: Office, profiles: Callable[[int], Sequence[Profile]]) -> None:
        self._render, self._office, self._profiles = render, office, profiles

    def faults(
        self, drafts: Sequence[Draft], wanted: Iterable[Draft], playbook: Playbook, now: Instant
    ) -> list[Fault]:
        """What fails of the texts that these changes concern, among all definitions as they would be."""
        keys = {(draft.kind, draft.model.key) for draft in wanted if hasattr(draft.model, "key")}
        uses = [use for use in _uses(playbook) if _concerned(use, playbook, keys)]
        if not uses:
            return []
        people = list(self._profiles(PROFILES)) or sample_profiles(playbook, now)
        trial = _Trial(self._render, self._frames(), playbook, people, now)
        for use in uses:
            trial.run(use)
        return list(trial.faults({id(draft.model): draft for draft in drafts}))

    def _frames(self) -> Callable[[str], Frame]:
        base = self._office.base_url
        return lambda cls: self._office.frame(cls, f"{base}/u/gate", f"{base}/p/gate")


def _uses(playbook: Playbook) -> Iterator[Use]:
    """Every step that sends or words something, and contents that none names."""
    used = set()
    for play in playbook.plays.values():
        for op in play.program.ops.values():
            body = op.body
            if isinstance(body, MessageStep):
                used.add(body.content)
                offers = [
                    playbook.offers[key] for key in getattr(body, "offers", ()) if key in playbook.offers
                ]
                made = tuple({"offer": offer.as_plain()} for offer in offers)
                yield Use(
                    body.content,
                    play,
                    tuple(body.roles),
                    tuple(body.channel),
                    body.cls or play.play.cls,
                    made,
                )
            elif isinstance(body, TaskStep) and body.content is not None:
                used.add(body.content)
                yield Use(body.content, play, channels=("task",))
    for key, texts in playbook.contents.items():
        if key not in used:
            yield Use(key, roles=tuple(dict.fromkeys([None, *(text.role for text in texts)])))


def _concerned(use: Use, playbook: Playbook, keys: set[tuple[str, str]]) -> bool:
    """Whether a change of these definitions may change what this sends."""
    texts = playbook.contents.get(use.content, ())
    blocks = {key for text in texts for named in text.blocks.values() for key in named}
    own = {("content", use.content)} | {("blocks", key) for key in blocks}
    if use.play is not None:
        own |= {("plays", use.play.key)} | {("offers", made["offer"]["key"]) for made in use.offers}
    return not keys.isdisjoint(own)


@dataclass(slots=True)
class _Failure:
    """The same thing going wrong for one or many."""

    content: Content
    role: str | None
    reason: str
    detail: str
    example: str
    blocking: bool
    times: int = 0


@dataclass(slots=True)
class _Trial:
    """Renders and remembers what failed."""

    render: Render
    frame: Callable[[str], Frame]
    playbook: Playbook
    people: Sequence[Profile]
    now: Instant
    failures: dict[tuple[Any, ...], _Failure] = field(default_factory=dict)
    tried: Counter[tuple[int, str | None]] = field(default_factory=Counter)

    def run(self, use: Use) -> None:
        """Every role × variant × profile of a use; variants that nobody gets are tried on all the same."""
        texts = self.playbook.contents.get(use.content, [])
        fitting = [profile for profile in self.people if self._fits(use.play, profile)]
        for role in use.roles:
            for profile in fitting:
                for locale in sorted({text.locale for text in texts}):
                    text = self.playbook.content(use.content, role, profile.stage, locale)
                    if text is not None:
                        self._try(use, text, role, profile, blocking=True)
        for text in texts:
            if not any(tried == id(text) for tried, _ in self.tried):
                for profile in self.people:
                    self._try(use, text, text.role, profile, blocking=False)

    def _fits(self, play: CompiledPlay | None, profile: Profile) -> bool:
        if play is None:
            return True
        audience = play.audience
        if audience is not None and audience.test(Moment(profile, self.now))[0] is False:
            return False
        asked = (tuple(name.split(".")) for name in _asked_for(play, self.playbook))
        return all(account_value(profile, path, self.now)[0] is not MISSING for path in asked)

    def _try(self, use: Use, text: Content, role: str | None, profile: Profile, *, blocking: bool) -> None:
        """`blocking` False: nobody would get it as things are, so what they lack is no failure."""
        play = None if use.play is None else use.play.key
        for cause, made_up in _causes(text, self.playbook.blocks, self.now):
            for beside in use.offers or ({},):
                contact = None if text.channel == "task" else person_for(profile, role, self.now)
                reader = Reader(profile, contact, role, self.now, cause, play, None, beside)
                for channel in use.channels or (text.channel,):
                    self._try_one(use, text, reader, channel, blocking=blocking and not made_up)

    def _try_one(self, use: Use, text: Content, reader: Reader, channel: str, *, blocking: bool) -> None:
        framed = channel in ("email", "invitation")
        self.tried[id(text), reader.role] += 1
        try:
            made = composed(text, reader, self.playbook)
            frame = self.frame(use.cls or text.class_) if framed else None
            rendered = self.render(for_channel(made.source, channel), made.context, frame)
        except (RenderFailed, UnknownBlock) as failure:
            reason = getattr(failure, "reason", "bad_template")
            if blocking or reason != "missing_fact":
                self._fail(text, reader, reason, getattr(failure, "detail", str(failure)), blocking=blocking)
            return
        if framed and len(rendered.subject) > SUBJECT:
            detail = f"the subject has more than {SUBJECT} characters"
            self._fail(text, reader, "long_subject", detail, blocking=False)

    def _fail(self, text: Content, reader: Reader, reason: str, detail: str, *, blocking: bool) -> None:
        said = detail if reason == "missing_fact" else ""  # other words hold the value it went wrong with
        key = (id(text), reader.role, reason, said, blocking)
        if key not in self.failures:
            self.failures[key] = _Failure(text, reader.role, reason, detail, reader.profile.id, blocking)
        self.failures[key].times += 1

    def faults(self, drafts: Mapping[int, Draft]) -> Iterator[Fault]:
        """One fault for each thing that goes wrong, with the first account it goes wrong for."""
        for failure in self.failures.values():
            if (
                failure.reason == "long_subject"
                and failure.times * FEW < self.tried[id(failure.content), failure.role]
            ):
                continue  # somebody's name is always too long
            draft = drafts[id(failure.content)]
            role = "" if failure.role is None else f" as {failure.role}"
            others = {1: "", 2: " (and once more)"}.get(
                failure.times, f" (and {failure.times - 1} times more)"
            )
            detail = f"rendered for {failure.example}{role}{others}: {_told(failure)}"
            pointer = "/subject" if failure.reason in ("bad_subject", "long_subject") else "/body"
            yield Fault("content", draft.key, detail, pointer, draft.file, failure.blocking, _mend(failure))


def _told(failure: _Failure) -> str:
    return f"the fact {failure.detail} is missing" if failure.reason == "missing_fact" else failure.detail


_MENDS = {
    "missing_fact": "give the fact a default or drop it, or narrow the play's audience to accounts that have it",
    "template_error": "check what the fact may hold: text, a number, a list, nothing",
    "too_large": "let the text do less, or show less of a long list",
    "bad_link": "make the whole address one https fact",
    "bad_subject": "keep the subject to one line of plain words",
    "long_subject": "shorten it, or leave out a fact that may be long",
    "no_unsubscribe": "set JOURNEYS_POSTAL_ADDRESS and JOURNEYS_BASE_URL",
}


def _mend(failure: _Failure) -> str:
    return _MENDS.get(failure.reason, "see docs/facts.md for what a text may say")


# ── who and what ───────────────────────────────────────────────────────────────────────────────────────────────


def person_for(profile: Profile, role: str | None, now: Instant) -> Contact | None:
    """Who holds the role; else anybody there, who may hold it tomorrow."""
    held = holders(profile, role, now) if role is not None else []
    ids = [*(span.contact for span in held), *sorted(profile.contacts)]
    return profile.contacts[ids[0]] if ids else None


def _asked_for(play: CompiledPlay, playbook: Playbook) -> set[str]:
    """Attributes of the account an account must have to come into the play: those its trigger cannot do without."""
    trigger = play.play.trigger
    signal = None if trigger.signal is None else playbook.signals.get(trigger.signal)
    names = set() if trigger.date is None else {trigger.date}
    if signal is not None:
        conditions: list[Any] = [level.when for level in signal.levels or ()] or [signal.when]
        names |= set.intersection(*(set(_attributes(each)) for each in conditions))
        names |= {signal.dates.attribute} if signal.dates is not None else set()
    return {name.partition(".")[2] for name in names if name.startswith("account.")}


def _attributes(condition: Any) -> Iterator[str]:
    """Attributes without which a condition cannot hold, where that is plain to see."""
    if not isinstance(condition, Mapping):
        return
    for each in condition.get("all", ()):
        yield from _attributes(each)
    absent = {"is_not", "not_in", "exists"} & condition.keys()
    if "attribute" in condition and not absent:
        yield str(condition["attribute"])
    if "per" in condition:
        yield str(condition["per"])


def _causes(text: Content, blocks: Mapping[str, Block], now: Instant) -> Iterator[tuple[Cause, bool]]:
    """Events that may have begun it: one that says all the text asks for, and one that says no more than it needs.

    With each whether a value in it is made up, so that what goes wrong with it proves little.
    """
    parts = [text, *(blocks[key] for keys in text.blocks.values() for key in keys if key in blocks)]
    facts = [fact for part in parts for fact in part.facts.values() if fact.source.startswith("event.data.")]
    full, made_up = sample_data(map(_field, facts))
    yield Cause("gate", "sample", "sample.event", now, None, full), made_up
    needed = [fact for fact in facts if fact.missing in ("required", None)]
    if len(needed) < len(facts):
        sparse, made_up = sample_data(map(_field, needed))
        yield Cause("gate", "sample", "sample.event", now, None, sparse), made_up


def _field(fact: Fact) -> str:
    return fact.source.removeprefix("event.data.")
