"""What a message says: content, the blocks it is assembled from, and the facts both rest on (semantics §6).

A file is Markdown with Jinja2 under YAML front matter:

    ---
    key: adoption-nudge
    channel: email
    topic: product_tips
    subject: "{{ first_name }}, three teammates are waiting"
    facts:
      account.name: required                                # shorthand: the name is the source
      first_name: {source: contact.first_name, default: there}
      invited: {source: event.data.invited, drop: true, disclosure: given}
    blocks: {opening: [hello-champion, hello], sign_off: [from-csm, from-team]}
    ---
    **{{ account.name }}** has {{ invited }} open invitations.

A fact says where its value comes from, what to do when it is missing (exactly one of `required: true`, `default:`,
`drop: true`) and, unless the table of `disclosure.py` knows it, its disclosure: `given` (the customer told us or did
it with us knowingly), `derived`, `internal`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, Self, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from plays.disclosure import Disclosure, known_class, stricter
from signals.definitions import checked

Slot: TypeAlias = Literal["opening", "situation", "value", "offer", "next", "sign_off"]
SLOTS: tuple[Slot, ...] = ("opening", "situation", "value", "offer", "next", "sign_off")
"""In the order in which they stand in a message; the content's own body stands after the opening."""

Missing: TypeAlias = Literal["required", "default", "drop"]

_KEY = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,119}$"
_PATH = r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9][A-Za-z0-9_-]*)*$"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Fact(_Body):
    """One value a text reads. `source` is a dotted path into the data; the same as the name unless renamed.

    `disclosure` is what its author says of it; `shown_as` is what counts.
    """

    source: str = Field(pattern=_PATH)
    required: bool = False
    default: Any = None
    drop: bool = False
    disclosure: Disclosure | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.required + (self.default is not None) + self.drop > 1:
            raise ValueError("say one of required, default and drop")
        return self

    @property
    def shown_as(self) -> Disclosure | None:
        """How freely it may be shown: the stricter of the table's word and its author's; None where neither has one."""
        return stricter(known_class(self.source), self.disclosure)

    @property
    def missing(self) -> Missing | None:
        """What to do when there is no value; None was not said, and counts as required."""
        ways: dict[Missing, bool] = {
            "required": self.required,
            "default": self.default is not None,
            "drop": self.drop,
        }
        return next((way for way, said in ways.items() if said), None)


def _read_facts(given: Any) -> Any:
    """Every spelling to `{name: {source, …}}`: a list of names (required), `name: required | drop`, or a mapping."""
    if isinstance(given, list):
        given = dict.fromkeys(_names(given), "required")
    if not isinstance(given, Mapping):
        return given
    return {name: _read_fact(name, body) for name, body in given.items()}


def _names(given: list[Any]) -> list[str]:
    if not all(isinstance(name, str) for name in given):
        raise ValueError(
            "a list names facts, all required: [account.name]; to say more: {account.name: {default: …}}"
        )
    return given


def _read_fact(name: Any, body: Any) -> Any:
    if isinstance(body, str):
        body = {"drop" if body in {"drop", "drop-block"} else body: True}
    if not isinstance(body, Mapping):
        return body
    if "." in str(name) and body.get("source", name) != name:
        raise ValueError(f"the fact {name} has another source: give it a plain name, without dots")
    return {"source": name, **body}


class _Written(_Body):
    """What contents and blocks have in common."""

    key: str = Field(pattern=_KEY)
    facts: dict[str, Fact] = {}
    body: str = ""

    @field_validator("facts", mode="before")
    @classmethod
    def _spell_out(cls, given: Any) -> Any:
        return _read_facts(given)


class Block(_Written):
    """A reusable piece for one slot, used where `when` (a condition; none: always) holds."""

    slot: Slot
    when: Any = None

    @field_validator("when")
    @classmethod
    def _compiles(cls, condition: Any) -> Any:
        """What makes no sense is told when the block is written, not when it is made live."""
        return None if condition is None else checked(condition)


class Content(_Written):
    """One text for one channel; `role` and `stage` None serve every one. An e-mail needs a subject."""

    channel: Literal["email", "in_app", "task", "invitation"]
    role: str | None = None
    stage: str | None = None
    class_: Literal["marketing", "service", "transactional"] = Field("marketing", alias="class")
    topic: str | None = None
    subject: str = ""
    tone: str = "neutral"
    locale: str = "en"
    blocks: dict[Slot, list[str]] = {}

    @field_validator("role", "stage", "topic", mode="before")
    @classmethod
    def _any_is_none(cls, given: Any) -> Any:
        return None if given in ("any", "none") else given

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.body.strip() and not self.blocks:
            raise ValueError("a content has a body, or blocks, or both")
        if self.channel in {"email", "invitation"} and not self.subject.strip():
            raise ValueError(f"{self.channel} content needs a subject")
        return self


class BadFrontMatter(ValueError):
    """A `.md` file that does not start with YAML between two lines of `---`; the message names file and line."""


def read_front_matter(text: str, path: str) -> dict[str, Any]:
    """The front matter with the rest of the file as `body`, for `Content` or `Block`. Raises BadFrontMatter."""
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    if not lines or lines[0].strip() != "---":
        raise BadFrontMatter(f"{path}:1: the file must start with a line of --- and YAML")
    end = next((number for number, line in enumerate(lines[1:], 1) if line.strip() == "---"), None)
    if end is None:
        raise BadFrontMatter(f"{path}:1: the front matter has no second line of ---")
    head = _load("".join(lines[1:end]), path)
    if "body" in head:
        raise BadFrontMatter(f"{path}: the body is what follows the front matter, not a key in it")
    return {**head, "body": "".join(lines[end + 1 :]).strip("\n")}


def _load(head: str, path: str) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(head)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise BadFrontMatter(f"{path}:{line}: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise BadFrontMatter(f"{path}: {error}") from error
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise BadFrontMatter(f"{path}: the front matter must be a mapping of names")
    return loaded


def variant(contents: Iterable[Content], role: str | None, stage: str | None, locale: str) -> Content | None:
    """Of the contents for one key the one meant for this reader: role before stage before language, else general."""
    fitting = [one for one in contents if one.role in {None, role} and one.stage in {None, stage}]
    return max(fitting, key=lambda one: _closeness(one, locale), default=None)


def _closeness(content: Content, locale: str) -> tuple[bool, bool, bool, bool, bool]:
    language = content.locale.partition("-")[0] == locale.partition("-")[0]
    return (
        content.role is not None,
        content.stage is not None,
        content.locale == locale,
        language,
        content.locale == "en",
    )


Holds: TypeAlias = Callable[[Any], bool]
"""Whether a block's condition holds for this reader, now (unknown is no)."""


def assemble(content: Content, blocks: Mapping[str, Block], holds: Holds) -> str:
    """The Markdown source of a message; for each slot the first block whose condition holds. Raises UnknownBlock."""
    return join_parts(content, choose(content, blocks, holds))


def join_parts(content: Content, chosen: Iterable[Block]) -> str:
    """The chosen blocks in the order of the slots, the content's own body after the opening."""
    texts: dict[str, str] = {block.slot: _marked(block) for block in chosen}
    parts = [texts.get("opening", ""), content.body, *(texts.get(slot, "") for slot in SLOTS[1:])]
    return "\n\n".join(part.strip("\n") for part in parts if part.strip())


_MARKS: dict[str, str] = {"next": " {.note}", "sign_off": " {.sign}"}
"""What a slot looks like (channels/prose.py): the next step stands in a box, the signature back."""


def _marked(block: Block) -> str:
    """A block of one paragraph, with the look of its slot unless its author gave it one."""
    body = block.body.strip("\n")
    plain = "\n\n" not in body and not re.search(r"\{\.[a-z]+\}\s*$", body)
    return body + _MARKS.get(block.slot, "") if plain else body


def choose(content: Content, blocks: Mapping[str, Block], holds: Holds) -> tuple[Block, ...]:
    """For each slot the first block whose condition holds; a slot where none does stays empty. Raises UnknownBlock."""
    firsts = (next(_holding(content, blocks, slot, holds), None) for slot in SLOTS)
    return tuple(block for block in firsts if block is not None)


def _holding(content: Content, blocks: Mapping[str, Block], slot: Slot, holds: Holds) -> Iterator[Block]:
    for key in content.blocks.get(slot, ()):
        block = blocks.get(key)
        if block is None or block.slot != slot:
            raise UnknownBlock(f"content {content.key}: there is no block {key} for the slot {slot}")
        if block.when is None or holds(block.when):
            yield block


class UnknownBlock(LookupError):
    """A content names a block that does not exist or belongs to another slot; the linter finds it first."""
