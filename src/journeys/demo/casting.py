"""Who gets which story: outlines of the accounts, and the parts handed out to them before anything is written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

SAAS, BOX = "saas", "commerce"
"""The two lines of business: software for companies, and a monthly box for households."""

LAST_DAY = 357
"""No story begins or turns after this day, so that all of it is seen before the year ends on day 365."""

FRESH = 2
"""How many of each kind (of 300) come as late as they may: the year ends with work to do."""

GOLDEN = 0.618034
"""Multiples of the golden ratio, less their whole part, spread evenly however many are taken."""


@dataclass(frozen=True)
class Part:
    """A beat before it is written: the day it is meant for, how it shall end, and its number within the kind."""

    kind: str
    day: int
    outcome: str
    number: int


@dataclass
class Frame:
    """The outline of an account: what it buys, when it joined (negative: before the year), what will happen."""

    number: int
    line: str
    plan: str
    interval: str
    joined: int
    renewal: int | None = None
    parts: list[Part] = field(default_factory=list)

    def has(self, kind: str) -> bool:
        """Whether a part of this kind was handed to it."""
        return any(part.kind == kind for part in self.parts)


Pool = Callable[[Frame], bool]


def _old(frame: Frame) -> bool:
    return frame.line == SAAS and frame.joined < 0 and frame.plan != "free"


def _annual(frame: Frame) -> bool:
    return _old(frame) and frame.interval == "year"


def _monthly(frame: Frame) -> bool:
    return _old(frame) and frame.interval == "month"


def _new(frame: Frame) -> bool:
    return frame.line == SAAS and 0 <= frame.joined <= 335


def _maturing(frame: Frame) -> bool:
    return _new(frame) and frame.plan != "free" and frame.joined <= 230


def _box(frame: Frame) -> bool:
    return frame.line == BOX and frame.joined < 0


@dataclass(frozen=True)
class Role:
    """How a kind is cast: how many of 300, in whom, how it may end, and how many days it needs for that."""

    count: int
    pool: Pool
    outcomes: tuple[str, ...]
    horizon: int = 0
    fallback: str = "open"
    span: tuple[int, int] = (80, LAST_DAY)


ROLES: dict[str, Role] = {
    "stalled_adoption": Role(14, _new, ("rescued", "churned", "rescued"), 65),
    "onboarding_stalled": Role(9, _new, ("activated",)),
    "usage_drop": Role(18, _old, ("recovered", "churned", "lasting"), 72, "lasting", (80, 338)),
    "ticket_spike": Role(13, _old, ("solved",), 14),
    "repeat_issue": Role(10, _old, ("solved",), 12),
    "champion_left": Role(13, _old, ("replaced", "vacant", "replaced"), 45, "vacant"),
    "contract_approaching": Role(26, _annual, ("renewed", "renewed", "cancelled"), 173, "pending", (12, 300)),
    "payment_failed": Role(16, _monthly, ("recovered", "recovered", "lapsed"), 55, "open", (60, 334)),
    "cancel_intent": Role(12, _monthly, ("stayed", "cancelled"), 14, "stayed"),
    "detractor": Role(12, _old, ("recovered", "unhappy"), 60, "unhappy"),
    "exec_disengaged": Role(11, _old, ("gone", "returned"), 95, "gone", (90, 300)),
    "expansion_ready": Role(12, _old, ("expanded", "waiting"), 40, "waiting"),
    "value_milestone": Role(30, _maturing, ("reached",)),
    "frequency_mismatch": Role(12, _box, ("skipped", "bunched"), 0, "open", (120, 270)),
    "high_ltv_bad_experience": Role(7, _box, ("made_good", "unresolved"), 45, "unresolved", (60, 328)),
}

TOGETHER: tuple[tuple[str, str, int, Pool, int], ...] = (
    ("contract_approaching", "usage_drop", 4, _annual, 90),
    ("contract_approaching", "exec_disengaged", 4, _annual, 80),
    ("contract_approaching", "champion_left", 3, _annual, 100),
    ("champion_left", "usage_drop", 4, _old, 21),
    ("ticket_spike", "detractor", 4, _old, 16),
    ("ticket_spike", "usage_drop", 2, _old, 18),
    ("repeat_issue", "detractor", 3, _old, 14),
    ("payment_failed", "cancel_intent", 3, _monthly, 45),
    ("value_milestone", "expansion_ready", 3, _maturing, 30),
    ("frequency_mismatch", "payment_failed", 3, _box, 75),
)
"""Accounts with two stories: the first, the second, how many of 300, in whom, and the days between them."""

_FATAL = frozenset({"churned", "cancelled", "lapsed"})


def frames(count: int, rng: Random) -> list[Frame]:
    """`count` outlines in a random order: a fifth households, of the companies two thirds from before the year."""
    slots = [_frame(number, count, rng) for number in range(count)]
    rng.shuffle(slots)
    for number, frame in enumerate(slots):
        frame.number = number
    return slots


def _frame(number: int, count: int, rng: Random) -> Frame:
    share = number / count
    if share < 0.2:
        joined = -rng.randint(60, 1400) if share < 0.14 else _spread(number)
        return Frame(number, BOX, "box", "month", joined)
    if share < 0.72:
        plan = rng.choices(("free", "starter", "pro", "enterprise"), (4, 30, 46, 20))[0]
        return _termed(Frame(number, SAAS, plan, "month", -rng.randint(40, 1500)), rng)
    plan = rng.choices(("free", "starter", "pro", "enterprise"), (7, 38, 42, 13))[0]
    return _termed(Frame(number, SAAS, plan, "month", _spread(number)), rng)


def _spread(number: int) -> int:
    """A joining day, a little denser towards today: the business grows."""
    return 4 + int(351 * ((number * GOLDEN) % 1.0) ** 0.85)


def _termed(frame: Frame, rng: Random) -> Frame:
    yearly = {"free": 0.0, "starter": 0.25, "pro": 0.6, "enterprise": 1.0}[frame.plan]
    if rng.random() < yearly:
        frame.interval = "year"
        _renew_on(frame, frame.joined + 365 if frame.joined >= 0 else rng.randint(8, 364))
    return frame


def _renew_on(frame: Frame, day: int) -> None:
    """Sets the day of renewal; an older contract then began some whole years before it."""
    frame.renewal = day
    if frame.joined < 0:
        frame.joined = day - 365 * (-(-(day + 1) // 365) + frame.number % 4)


def cast(outlines: list[Frame], rng: Random) -> None:
    """Hands the parts out: first the accounts that get two, then the rest, never a third."""
    scale = len(outlines) / 300
    given = dict.fromkeys(ROLES, 0)
    wanted = {kind: max(1, round(role.count * scale)) for kind, role in ROLES.items()}
    for first, second, count, pool, gap in TOGETHER:
        for frame in _pick(outlines, pool, round(count * scale), rng):
            early = _part(first, given, frame, before=ROLES[second].span[1] - gap)
            late = _part(second, given, frame, day=early.day + gap)
            _hand_out(frame, (early, late))
    for kind, role in ROLES.items():
        for rank, frame in enumerate(_pick(outlines, role.pool, wanted[kind] - given[kind], rng)):
            _hand_out(frame, (_part(kind, given, frame, fresh=rank < FRESH * scale),))


def _pick(outlines: Iterable[Frame], pool: Pool, count: int, rng: Random) -> list[Frame]:
    free = [frame for frame in outlines if not frame.parts and pool(frame)]
    return rng.sample(free, min(max(count, 0), len(free)))


def _part(
    kind: str,
    given: dict[str, int],
    frame: Frame,
    day: int | None = None,
    before: int | None = None,
    fresh: bool = False,
) -> Part:
    """The next part of a kind. One with another to come, by the day `before`, may not end the account."""
    role, number = ROLES[kind], given[kind]
    given[kind] += 1
    if day is None:
        day = _own_day(kind, frame) or _day(role, number, before, fresh)
    outcome = role.outcomes[number % len(role.outcomes)]
    if before is not None and outcome in _FATAL:
        outcome = role.outcomes[0]
    return Part(kind, day, role.fallback if day + role.horizon > LAST_DAY else outcome, number)


def _day(role: Role, number: int, before: int | None, fresh: bool) -> int:
    """The parts of a kind are spread evenly over its span; the fresh ones lie in the last fortnight of it."""
    low, high = role.span
    if fresh:
        return high - 7 * (number % 2)
    return low + int((min(high, before or high) - low) * ((number * GOLDEN + 0.31) % 1.0))


def _own_day(kind: str, frame: Frame) -> int | None:
    """The day of kinds that hang on when the account joined."""
    after = {"stalled_adoption": 14, "onboarding_stalled": 1, "value_milestone": 70 + frame.number % 40}
    return frame.joined + after[kind] if kind in after else None


def _hand_out(frame: Frame, parts: tuple[Part, ...]) -> None:
    frame.parts.extend(parts)
    for part in parts:
        if part.kind == "contract_approaching":
            _renew_on(frame, part.day + 180)
